"""What the sections of a study file are made of: codes, texts, lists, and `Section`."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

_ID = r"^[a-z][a-z0-9-]{0,39}$"
_KEY = r"^[a-z][a-z0-9_]{0,39}$"
_CODE = r"^[A-Z][A-Z0-9_]{0,19}$"
_NAME = r"^[A-Z][A-Z0-9_]{0,7}$"
_ITEM = r"^[^{}]{0,60}\{item(:0[1-9]d)?\}[^{}]{0,60}$"
FORMS = {
    _ID: "an id or a name has 1 to 40 small letters, digits or hyphens, a letter first",
    _KEY: "a name here has 1 to 40 small letters, digits or _, a letter first",
    _CODE: "a code has 1 to 20 capitals, digits or _, a letter first",
    _NAME: "a column of ADSL or SDTM, or a PARAMCD, has 1 to 8 capitals, digits or _,"
    " a letter first",
    _ITEM: "a pattern of columns has {item}, or with leading zeros {item:02d}, once;"
    " for totals use totals: {score: column}",
}
"""What texts of a fixed form must look like, by their pattern."""

Id = Annotated[str, StringConstraints(pattern=_ID)]
"""Lower-case letters, digits and hyphens: it becomes part of file names."""
Key = Annotated[str, StringConstraints(pattern=_KEY)]
Code = Annotated[str, StringConstraints(pattern=_CODE)]
"""An upper-case code, as CDISC uses for arms, visits and populations."""
Name = Annotated[str, StringConstraints(pattern=_NAME)]
"""A CDISC variable or parameter name: at most eight characters."""
_NO_CONTROLS = "^[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]*$"
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=400, pattern=_NO_CONTROLS)
]
"""One line: no control character, which would break a table, a file or a page."""
FileName = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=_NO_CONTROLS)
]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=400)]
"""Of a population; it may be folded over several lines."""
Day = Annotated[int, Field(ge=-36500, le=36500)]
"""A study day, within a century."""

_T = TypeVar("_T")


def _once(values: list[_T]) -> list[_T]:
    """Refuse a list that names something twice."""
    for value, count in Counter(values).items():
        if count > 1:
            raise ValueError(f"'{value}' stands {count} times; once only")
    return values


Once = Annotated[
    list[_T], AfterValidator(_once), Field(json_schema_extra={"uniqueItems": True})
]
"""A list without repeats."""

ItemPattern = Annotated[str, StringConstraints(pattern=_ITEM)]
"""A column name with the item number in it: ``caps5_{item:02d}``."""


class Section(BaseModel):
    """A part of the study file: fixed, and closed to unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False
    )
