"""What a questionnaire is, as its YAML file says it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from outcomes.errors import SpecError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Item(_Part):
    """One item: legal whole numbers from ``min`` to ``max``, a code, a short name.

    An item with ``reverse`` counts as ``min + max - value`` in every score. Item
    wordings are copyrighted and never stored.
    """

    min: int
    max: int
    testcd: str = Field(pattern=r"^[A-Z][A-Z0-9]{0,7}$")
    name: str
    reverse: bool = False


class Score(_Part):
    """A number made of items.

    ``n_min`` answered items are needed (all by default; a study may settle another
    number); with fewer than all, the sum is prorated by the person mean.
    """

    label: str
    paramcd: str = Field(pattern=r"^[A-Z][A-Z0-9]{0,7}$")
    method: Literal["sum", "mean", "percent", "max"]
    items: list[int] = Field(min_length=1)
    n_min: int | None = None
    unit: str = "points"


class CountCriterion(_Part):
    """At least ``n`` of the items have a value of ``at_least`` or more."""

    kind: Literal["count"]
    items: list[int]
    at_least: int
    n: int


class SumCriterion(_Part):
    """The items add up to ``at_least`` or more."""

    kind: Literal["sum"]
    items: list[int]
    at_least: int


Criterion = Annotated[CountCriterion | SumCriterion, Field(discriminator="kind")]


class Derived(_Part):
    """A yes/no that holds when all its named criteria do; undecidable is missing.

    ``requires`` names yes/no scores defined before this one that must hold as well,
    under the criteria the study has settled for them.
    """

    label: str
    paramcd: str = Field(pattern=r"^[A-Z][A-Z0-9]{0,7}$")
    criteria: dict[str, Criterion]
    requires: list[str] = Field(default_factory=list)


class Instrument(_Part):
    """One questionnaire.

    ``orderings`` gives, where several circulate, for each the instrument's own item
    number behind the number an item has in the file.
    """

    id: str = Field(pattern=r"^[A-Z][A-Z0-9-]{1,11}$")
    title: str
    version: str
    recall: str
    direction: Literal["higher-worse", "higher-stronger", "higher-better"]
    source: str
    items: dict[int, Item]
    orderings: dict[str, dict[int, int]] = Field(default_factory=dict)
    scores: dict[str, Score]
    derived: dict[str, Derived] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Instrument:
        self._check_items()
        self._check_codes()
        known: set[str] = set()
        for name, derived in self.derived.items():
            absent = [other for other in derived.requires if other not in known]
            if absent:
                raise SpecError(
                    f"{self.id}: {name} requires {', '.join(absent)}, which is no "
                    "yes/no defined before it."
                )
            known.add(name)
        return self

    def _check_items(self) -> None:
        lists = {name: score.items for name, score in self.scores.items()}
        for name, derived in self.derived.items():
            for part, criterion in derived.criteria.items():
                lists[f"{name}.{part}"] = criterion.items
        for name, items in lists.items():
            unknown = sorted(set(items) - set(self.items))
            if unknown:
                raise SpecError(
                    f"{self.id}.{name}: items {unknown} are used but not defined."
                )
            if len(set(items)) < len(items):
                raise SpecError(f"{self.id}.{name}: an item stands twice.")
        for number, item in self.items.items():
            if item.min >= item.max:
                raise SpecError(f"{self.id}: item {number}: min must be below max.")
        for name, score in self.scores.items():
            if score.n_min is not None and not 1 <= score.n_min <= len(score.items):
                raise SpecError(
                    f"{self.id}.{name}: n_min {score.n_min} is not from 1 to "
                    f"{len(score.items)}."
                )
        for name, order in self.orderings.items():
            if sorted(order.values()) != sorted(self.items):
                raise SpecError(f"{self.id}: ordering {name} does not name every item.")

    def _check_codes(self) -> None:
        codes = [score.paramcd for score in self.scores.values()]
        codes += [derived.paramcd for derived in self.derived.values()]
        if len(set(codes)) < len(codes):
            raise SpecError(f"{self.id}: a paramcd stands twice.")
        tests = [item.testcd for item in self.items.values()]
        if len(set(tests)) < len(tests):
            raise SpecError(f"{self.id}: a testcd stands twice.")
        both = sorted(set(self.scores) & set(self.derived))
        if both:
            raise SpecError(
                f"{self.id}: {', '.join(both)} is both a score and a yes/no."
            )

    def positions(self, ordering: str | None = None) -> dict[int, int]:
        """Return the own item number behind each number an item has in a file.

        Without an ordering the file is taken to use the instrument's own numbers.
        """
        if ordering is None:
            return {number: number for number in self.items}
        return self.orderings[ordering]

    def items_of(
        self, name: str, criteria: dict[str, list[str]] | None = None
    ) -> list[int]:
        """Return the items that a score or a yes/no is made of, in order.

        Parameters
        ----------
        name : str
            A key of ``scores`` or ``derived``.
        criteria : dict of list of str, optional
            Criteria that apply, by yes/no, where not all do.
        """
        if name in self.scores:
            return sorted(self.scores[name].items)
        derived = self.derived[name]
        chosen = (criteria or {}).get(name, list(derived.criteria))
        found = {n for part in chosen for n in derived.criteria[part].items}
        for other in derived.requires:
            found.update(self.items_of(other, criteria))
        return sorted(found)

    def bounds(self, score: str) -> tuple[float, float]:
        """Return the smallest and largest possible value of a score."""
        definition = self.scores[score]
        lows = [self.items[n].min for n in definition.items]
        highs = [self.items[n].max for n in definition.items]
        match definition.method:
            case "sum":
                return float(sum(lows)), float(sum(highs))
            case "mean":
                return sum(lows) / len(lows), sum(highs) / len(highs)
            case "percent":
                return 100 * sum(lows) / sum(highs), 100.0
            case "max":
                return float(max(lows)), float(max(highs))
