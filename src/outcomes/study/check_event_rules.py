"""Rules of events that contradict each other, name nothing, or look into the future."""

from __future__ import annotations

from typing import Final

from outcomes.study.check_model import Found
from outcomes.study.events import (
    AdverseEvent,
    AnyEventRule,
    Medication,
    TimeToEventEndpoint,
    Withdrawal,
    preset_rules,
)
from outcomes.study.explain import entry_of
from outcomes.study.spec import FollowUp

SECTIONS: Final = ("events", "competing", "censoring")
_WORDS: Final = (
    "EVENT",
    "ANY",
    "COMPLETED STUDY",
    "NOT ENTERED FOLLOW-UP",
    "LAST ASSESSMENT",
    "NO ASSESSMENT AFTER ORIGIN",
)
_LEFT: Final = "DISCONTINUED:"
"""What stands for something else in ADTTE or in the results."""
_ENDS: Final = ("COMPLETED", "DEATH", "SCREEN FAILURE", "RANDOMIZED", "RANDOMISED", "")
"""Terms of DS that say something else than entry, or that it was refused."""
LATER: Final = (
    *("EOSDT", "EOSSTT", "DCSREAS", "COMPLFL"),
    *("FUPFL", "FUPDT", "FUPNREAS", "FUPEDT", "FUPSTT", "FUPDREAS"),
)
"""Columns of ADSL that say how observation went on, which is what is timed."""


def rules_together(endpoint: TimeToEventEndpoint, where: str) -> Found:
    """Yield what the rules of an endpoint say twice, or of nothing."""
    seen: list[tuple[str, AnyEventRule]] = []
    if endpoint.preset is not None:
        seen = [("preset", rule) for rule in preset_rules(endpoint.preset)]
        if any(not term.strip() for term in endpoint.preset.terms or []):
            yield f"{where}.preset.terms", _BLANK
    for section in SECTIONS:
        for place, rule in enumerate(getattr(endpoint, section)):
            entry = entry_of(f"{where}.{section}", place)
            yield from _names(rule, entry)
            for other, earlier in seen:
                if other != section and section != "events":
                    yield from _conflict(rule, section, earlier, other, entry)
            seen.append((section, rule))


_BLANK: Final = "a blank name would be met by every record without one; remove it."


def _names(rule: AnyEventRule, entry: str) -> Found:
    match rule:
        case AdverseEvent():
            key, names = "terms", rule.terms
        case Medication():
            key, names = "categories", rule.categories
        case Withdrawal():
            key, names = "reasons", rule.reasons
        case _:
            key, names = "", []
    if any(not name.strip() for name in names):
        yield f"{entry}, {key}", _BLANK
    label = "label" if rule.label is None else rule.label.strip().upper()
    if label in _WORDS or label.startswith(_LEFT) or not label:
        yield (
            f"{entry}, label",
            f"'{rule.label}' stands for something else in adtte or in the results; "
            "choose another.",
        )


def _conflict(
    rule: AnyEventRule, section: str, earlier: AnyEventRule, other: str, entry: str
) -> Found:
    """Yield where one record would be of two kinds, or two kinds have one name."""
    what = "an event" if other in ("preset", "events") else f"in {other}"
    if _reads(rule) == _reads(earlier) or _shared(rule, earlier):
        yield entry, f"is {what}, too, which comes first: it never happens; remove one."
    elif rule.label is not None and rule.label == earlier.label:
        yield (
            f"{entry}, label",
            f"'{rule.label}' is also the label of a rule that is {what}; the two must "
            "differ.",
        )


def _reads(rule: AnyEventRule) -> object:
    return rule.model_copy(update={"label": None})


def _shared(rule: AnyEventRule, earlier: AnyEventRule) -> bool:
    """Say whether two rules of medications have a category in common."""
    if not (isinstance(rule, Medication) and isinstance(earlier, Medication)):
        return False
    mine = {name.strip().casefold() for name in rule.categories}
    return not mine.isdisjoint(name.strip().casefold() for name in earlier.categories)


def terms_of_entry(own: FollowUp) -> Found:
    """Yield terms of entry that say something else in ``ds``."""
    for key in ("entered", "not_entered"):
        term = str(getattr(own, key))
        if term.strip().upper() in _ENDS:
            yield (
                f"follow_up.{key}",
                f"'{term}' says something else in ds; name the record of those who "
                f"{'entered' if key == 'entered' else 'did not enter'}.",
            )


def known_later(name: str, where: str) -> Found:
    """Yield where a column is known only after what is timed has happened."""
    if name in LATER:
        yield (
            where,
            f"{name} says how observation went on, which is known only afterwards; "
            "name a column of the beginning of the study.",
        )
