"""The readable identifier of a result, made of its key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from outcomes.datasets.results import KEY

_BY_POSITION: Final = ("endpoint", "population", "visit", "arm", "term")
"""Parts that stand without a name, provided that all of them are there."""

_PLAIN: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
)


def result_id(key: Mapping[str, object]) -> str:
    """Make the identifier of a row from its key.

    Parts are joined by dots in the order of the key, empty ones left out. The study is
    not part of it, nor is the day where a visit is named; within a study with one
    planned day per visit two keys never share an identifier: a part either stands in
    one of five fixed places, which are all filled, or carries its name, and dot and
    colon are escaped within parts.

    Parameters
    ----------
    key : mapping
        Key columns to values; absent, ``''``, None and NaN are empty.

    Returns
    -------
    str
        Letters, digits and ``. : _ - ~`` only: safe in a URL fragment and as ``id`` of
        an HTML element.

    Examples
    --------
    >>> result_id({"analysis": "primary", "endpoint": "madrs_change",
    ...            "population": "FAS", "visit": "WEEK3", "arm": "PSI25",
    ...            "comparator": "PSI1", "term": "difference", "statistic": "estimate"})
    'primary.madrs_change.FAS.WEEK3.PSI25.vs.PSI1.difference.estimate'
    >>> result_id({"analysis": "sites", "arm": "PSI25", "term": "SEX", "level": "F",
    ...            "statistic": "n"})
    'sites.arm:PSI25.level:F.term:SEX.n'
    """
    parts = {name: _escaped(key.get(name)) for name in KEY}
    whole = all(parts[name] for name in _BY_POSITION)
    if parts["visit"]:
        parts["time"] = ""
    out = [parts["analysis"]]
    for name in KEY[2:-1]:
        text = parts[name]
        if not text:
            continue
        if whole and name in _BY_POSITION:
            out.append(text)
        elif whole and name == "comparator":
            out += ["vs", text]
        else:
            out.append(f"{name}:{text}")
    return ".".join([*out, parts["statistic"]])


def _escaped(value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return "".join(
            c if c in _PLAIN else "".join(f"~{byte:02X}" for byte in c.encode())
            for c in value
        )
    number = float(value)  # type: ignore[arg-type]
    if math.isnan(number):
        return ""
    # A shortest decimal has no '_', so that putting one for the point loses nothing.
    text = repr(int(number)) if number.is_integer() else repr(number)
    return text.replace(".", "_").replace("+", "")
