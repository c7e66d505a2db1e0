"""What ``random`` of a model says: which effects of which groups.

The same forms as `outcomes.models.mixed` reads, taken apart here so that a study file
is checked without anything scientific.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SUBJECT: Final = "USUBJID"
ARM: Final = "arm"
"""In terms: the arm of the analysis, planned or actual as its population says."""
WEEK: Final = "WEEK"
"""In terms: weeks from the origin to the planned day of the visit."""

_NAME = r"[A-Z][A-Z0-9_]{0,7}"
_MEMBERS = re.compile(rf"mm\(\s*{_NAME}(\s*,\s*{_NAME})+\s*\)")
_CROSSED = re.compile(rf"{_NAME}(\s*[:/]\s*{_NAME})*")
_TERMS = re.compile(r"(0|1)(\s*\+\s*(WEEK|arm))?|1\s*\|\|\s*WEEK")


@dataclass(frozen=True, slots=True)
class Grouping:
    """One grouping with the terms that vary between its levels.

    Attributes
    ----------
    name : str
        As the study file has it.
    columns : tuple of str
        Columns that make it.
    multiple : bool
        Whether a record belongs to several levels at once, one in each column.
    terms : str
        ``1``, ``1 + WEEK``, ``1 || WEEK``, ``0 + WEEK``, ``1 + arm``.
    """

    name: str
    columns: tuple[str, ...]
    multiple: bool
    terms: str

    @property
    def effects(self) -> tuple[str, ...]:
        """The columns that the terms name, ``WEEK`` or ``arm``."""
        return tuple(name for name in (WEEK, ARM) if name in self.terms)

    @property
    def scalar(self) -> bool:
        """Whether it is an intercept alone."""
        return self.terms.strip() == "1"


def is_grouping(text: str) -> bool:
    """Tell whether a text is a column, ``A:B``, ``A/B`` or ``mm(A, B)``.

    Examples
    --------
    >>> is_grouping("SITEID/THERAPID"), is_grouping("mm(THERAPID)")
    (True, False)
    """
    plain = text.strip()
    return bool(_MEMBERS.fullmatch(plain) or _CROSSED.fullmatch(plain))


def are_terms(text: str) -> bool:
    """Tell whether a text is an intercept, a slope over ``WEEK``, or of ``arm``."""
    plain = text.strip()
    return plain != "0" and _TERMS.fullmatch(plain) is not None


def groupings(random: Mapping[str, str]) -> list[Grouping]:
    """Take ``random`` apart; what is no grouping is left to the check."""
    found = []
    for name, terms in random.items():
        columns = tuple(re.findall(rf"\b{_NAME}\b", name))
        multiple = name.strip().startswith("mm(")
        found.append(Grouping(name.strip(), columns, multiple, terms.strip()))
    return found
