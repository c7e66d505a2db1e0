"""The mean function of a formula, taken apart.

A part is a set of factors and a product of covariates: what the mean function has that
depends on these factors together, and multiplies these covariates. Every term of the
formula spans some parts, and the coefficients are a change of coordinates away from
all of them. The equations are those of ``docs/methods/anova.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.design import Constraint, Design
from outcomes.models.estimable import alias_columns
from outcomes.models.options import FloatArray

Part = tuple[frozenset[str], frozenset[str]]
"""A set of factors, and the covariates whose product multiplies it."""

Values = dict[str, FloatArray]
"""A product of functions of factors: of each, the values over its levels."""

# A contrast of a coded column below this is rounding: the values are zeros and ones.
NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the formula: its factors and the covariates it is a product of."""

    name: str
    factors: frozenset[str]
    numeric: frozenset[str]

    def contains(self, other: Term) -> bool:
        """Tell whether this is the other term with further factors, as SAS has it."""
        return self.numeric == other.numeric and self.factors > other.factors

    def parts(self) -> list[Part]:
        """Parts of the mean function that the term's cell indicators span."""
        return [(subset, self.numeric) for subset in _subsets(self.factors)]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the model matrix: a sum of products of factors, times covariates."""

    name: str
    pieces: tuple[Values, ...]
    numeric: frozenset[str]

    def component(self, factors: frozenset[str]) -> FloatArray:
        """Coordinates of the column in the part of these factors; equation (1)."""
        total = np.zeros(1)
        for piece in self.pieces:
            if factors <= set(piece):
                total = total + _component(piece, factors)
        return total

    def subsets(self) -> list[frozenset[str]]:
        """List the sets of factors the column may depend on."""
        return _subsets(frozenset[str]().union(*self.pieces))


@dataclass(frozen=True, slots=True)
class Parts:
    """Coordinates of the mean function by part.

    Attributes
    ----------
    terms : tuple of Term
        Terms of the formula, the intercept among them.
    parts : tuple of Part
        All that the terms span.
    places : tuple of slice
        Rows of each part in ``D``.
    D : FloatArray, shape (coordinates, all columns)
        Takes coefficients to coordinates. A row averages with equal weights over the
        factors its part does not have, and takes differences from the first level over
        each factor it has.
    """

    terms: tuple[Term, ...]
    parts: tuple[Part, ...]
    places: tuple[slice, ...]
    D: FloatArray

    def rows_of(self, wanted: Iterable[Part]) -> list[int]:
        """Row numbers of parts, in the order of ``parts``."""
        wanted = set(wanted)
        return [
            i
            for part, place in zip(self.parts, self.places, strict=True)
            if part in wanted
            for i in range(place.start, place.stop)
        ]


def take_apart(design: Design) -> Parts:
    """Find the parts of a design's mean function and the coordinates in them.

    Parameters
    ----------
    design : Design
        Of any fit.

    Returns
    -------
    Parts
        Terms, parts and coordinates.

    Raises
    ------
    ModelError
        If a constraint takes the mean function out of what the formula spans.
    """
    terms, columns = _read_coding(design)
    parts = tuple(dict.fromkeys(part for term in terms for part in term.parts()))
    blocks = []
    for factors, numeric in parts:
        n_rows = int(np.prod([len(design.factors[name]) - 1 for name in factors]))
        block = np.zeros((n_rows, len(columns)))
        for j, column in enumerate(columns):
            if column.numeric == numeric:
                block[:, j] = column.component(factors)
        blocks.append(block)
    if design.constraint:
        _check_spanned(columns, set(parts), design)
    ends = np.cumsum([0, *(len(block) for block in blocks)]).tolist()
    places = tuple(slice(a, b) for a, b in pairwise(ends))
    return Parts(tuple(terms), parts, places, np.concatenate(blocks))


def cell_contrasts(term: Term, owned: Sequence[Part], design: Design) -> FloatArray:
    """Square matrix that turns the coordinates of parts into contrasts of cells.

    Satterthwaite degrees of freedom of several rows depend on the rows, not only on
    what they span. The coordinates of one part are differences from the reference
    already. Those of several (arms within visits) are made so by elimination, the cells
    of the reference levels being the last to be used.
    """
    names = sorted(term.factors)
    weights = []
    for factors, _ in owned:
        sizes = [(name, len(design.factors[name])) for name in names]
        pieces = [
            _from_first(n) if name in factors else np.full((1, n), 1.0 / n)
            for name, n in sizes
        ]
        weights.append(_kron(pieces, np.ones((1, 1))))
    cells = np.vstack(weights)[:, ::-1]
    return np.asarray(np.linalg.inv(cells[:, ~alias_columns(cells)][:, ::-1]))


def _read_coding(design: Design) -> tuple[list[Term], list[Column]]:
    """Take the formula engine's record of its coding apart, checked by its names."""
    terms: list[Term] = []
    columns: list[Column] = []
    for entry in design.spec.structure:
        used = [str(factor.expr) for factor in entry.term.factors if factor.expr != "1"]
        factors = frozenset(used) & design.factors.keys()
        terms.append(Term(str(entry.term), factors, frozenset(used) - factors))
        for scoped in entry.scoped_terms:
            codings = [
                _coding(design, str(part.factor.expr), part.reduced)
                for part in scoped.factors
            ]
            # The engine lets the first factor run fastest.
            for choice in product(*reversed(codings)):
                columns.append(_column(choice[::-1], design))
    coded = [column.name for column in columns]
    if coded != list(design.spec.column_names):
        raise ModelError(
            "anova: the names of the coded columns are not those the formula engine"
            f" gives ({', '.join(coded[:3])}, ...). Rename levels that are not text."
        )
    return terms, [column for column in columns if column.name in design.columns]


def _coding(
    design: Design, name: str, reduced: bool
) -> list[tuple[str, str, FloatArray | None]]:
    """List the columns of one factor or covariate: variable, column, level values."""
    if name not in design.factors:
        return [(name, name, None)]
    levels = design.factors[name]
    eye = np.eye(len(levels))
    mark = "T." if reduced else ""
    return [
        (name, f"{name}[{mark}{level}]", eye[i])
        for i, level in enumerate(levels)
        if i or not reduced
    ]


def _column(
    picked: Sequence[tuple[str, str, FloatArray | None]], design: Design
) -> Column:
    values = {name: v for name, _, v in picked if v is not None}
    pieces: tuple[Values, ...] = (values,)
    if design.constraint and design.constraint.factor in values:
        pieces = _constrained(values, design.constraint, design)
    return Column(
        ":".join(shown for _, shown, _ in picked) or "Intercept",
        pieces,
        frozenset(name for name, _, v in picked if v is None),
    )


def _constrained(
    values: Values, constraint: Constraint, design: Design
) -> tuple[Values, ...]:
    """Split a column into later visits, and the first, where one level stands for all.

    The columns of both pieces are products again.
    """
    visits = np.array(
        [level == constraint.first for level in design.factors[constraint.visit]],
        dtype=float,
    )
    whole = values.get(constraint.visit, np.ones_like(visits))
    arm = values[constraint.factor]
    place = design.factors[constraint.factor].index(constraint.reference)
    later = {constraint.visit: whole * (1.0 - visits)}
    first = {
        constraint.visit: whole * visits,
        constraint.factor: np.full_like(arm, arm[place]),
    }
    return values | later, values | first


def _check_spanned(columns: Sequence[Column], parts: set[Part], design: Design) -> None:
    """Refuse a constraint that makes an interaction the formula does not have."""
    for column in columns:
        for factors in reversed(column.subsets()):  # the widest first
            if (factors, column.numeric) in parts:
                continue
            if np.abs(column.component(factors)).max(initial=0.0) > NOTHING:
                names = [name for name in design.factors if name in factors]
                raise ModelError(
                    "anova: with the constraint at the first visit the model has an"
                    f" interaction of {', '.join(names)} that is no term of the"
                    f" formula, so terms cannot be told apart. Put {':'.join(names)}"
                    " into the formula, or test contrasts of emmeans with joint_test."
                )


def _component(values: Values, factors: frozenset[str]) -> FloatArray:
    """Kronecker product of contrasts over the factors, times means over the others."""
    means = [v.mean() for name, v in values.items() if name not in factors]
    chosen = [values[name] for name in sorted(factors)]
    contrasts = [_from_first(len(v)) @ v for v in chosen]
    return _kron(contrasts, np.array([float(np.prod(means))]))


def _kron(arrays: Iterable[FloatArray], start: FloatArray) -> FloatArray:
    for array in arrays:
        start = np.asarray(np.kron(start, array))
    return start


def _from_first(n: int) -> FloatArray:
    """Each level minus the first, shape (n - 1, n)."""
    return np.hstack([np.full((n - 1, 1), -1.0), np.eye(n - 1)])


def _subsets(names: frozenset[str]) -> list[frozenset[str]]:
    """All subsets, in an order that no hash decides."""
    out = [frozenset[str]()]
    for name in sorted(names):
        out += [subset | {name} for subset in out]
    return out
