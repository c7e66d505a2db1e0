"""What differs between two sets of results, or between ours and another program's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outcomes.ard.rows import read_ard
from outcomes.datasets.results import ARD, KEY
from outcomes.datasets.store import read_texts
from outcomes.errors import DataError, one_of

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

_TEXTS: Final = ("text", "warning", "error", "prespecified")
"""Columns that must agree letter by letter; `method` names a version and may move."""

_DIFFERENCE: Final = ("difference", "a", "b", "absolute", "relative")

SHOWN: Final = 50
"""Differences that are printed."""


def compare(a: Frame, b: Frame, *, rel: float = 1e-6, abs: float = 0.0) -> Frame:
    """List what differs between two ARDs.

    Values agree if ``|a - b| <= max(abs, rel * max(|a|, |b|))``; two absent values
    agree, and so do two equal infinities.

    Parameters
    ----------
    a, b : DataFrame
        Tables with the columns of the ARD.
    rel, abs : float
        Tolerances, not negative.

    Returns
    -------
    DataFrame
        One row per difference: the key columns, then ``difference`` (``value moved``,
        ``text moved``, ``warning moved``, ``error moved``, ``prespecified moved``,
        ``only in a``, ``only in b``), ``a``, ``b`` (as text, in full precision),
        ``absolute`` and ``relative`` (numbers). Empty if nothing differs.

    Examples
    --------
    >>> compare(read_ard(one), read_ard(two), rel=1e-6)  # doctest: +SKIP
    """
    columns = [*KEY, "value", *_TEXTS]
    both = a[columns].merge(
        b[columns], on=list(KEY), how="outer", suffixes=(".a", ".b"), indicator="side"
    )
    return _differences(both, list(KEY), _TEXTS, rel, abs)


def compare_table(
    ard: Frame, table: Frame, *, rel: float = 1e-6, abs: float = 0.0
) -> Frame:
    """List where another program's table disagrees with an ARD.

    Parameters
    ----------
    ard : DataFrame
        Our results.
    table : DataFrame
        Columns ``statistic`` and ``value`` and any other key columns; ``text`` too if
        wanted. Rows are matched on the key columns it has; results of ours that it
        does not mention are not looked at.
    rel, abs : float
        As in `compare`.

    Returns
    -------
    DataFrame
        As `compare`; ``a`` is the ARD, ``b`` the table.

    Raises
    ------
    DataError
        If the table lacks a needed column, has no row or repeats one, or one of its
        rows matches several of ours.
    """
    on = _check_foreign(table)
    repeated = table.duplicated(on)
    if repeated.any():
        first = table.loc[repeated, on].iloc[0].to_dict()
        raise DataError(f"the table has two rows for {first}; keep one.")
    wanted = ard.merge(table[on], on=on, how="inner")
    ambiguous = wanted.duplicated(on, keep=False)
    if ambiguous.any():
        rows = wanted[ambiguous]
        telling = [k for k in KEY if k not in on and rows[k].nunique(dropna=False) > 1]
        first = rows[on].iloc[0].to_dict()
        raise DataError(
            f"the table's row {first} matches several results; "
            f"add the column {' or '.join(telling)}."
        )
    texts = tuple(name for name in ("text",) if name in table)
    columns = [*on, "value", *texts]
    both = wanted[columns].merge(
        table[columns], on=on, how="outer", suffixes=(".a", ".b"), indicator="side"
    )
    return _differences(both, on, texts, rel, abs)


def compare_files(
    a: Path, b: Path, *, rel: float = 1e-6, abs: float = 0.0
) -> tuple[Frame, int]:
    """Compare two files or folders of results.

    Parameters
    ----------
    a : Path
        An ARD file, a folder of ARD files, or the results folder of a study.
    b : Path
        Likewise, or a CSV table of another program (see `compare_table`).
    rel, abs : float
        As in `compare`.

    Returns
    -------
    differences : DataFrame
        Key columns that are not used anywhere are left out.
    compared : int
        How many results stood against each other or alone.

    Raises
    ------
    DataError
        If something cannot be read, or there is nothing to compare.
    """
    for path in (a, b):
        if not path.exists():
            raise DataError(f"{path}: no such ARD file or folder.")
    left = read_ard(a)
    if not b.is_dir() and b.suffix.lower() == ".csv":
        table = read_foreign(b)
        found = compare_table(left, table, rel=rel, abs=abs)
        compared = len(table)
    else:
        right = read_ard(b)
        found = compare(left, right, rel=rel, abs=abs)
        compared = len(left.merge(right, on=list(KEY), how="outer"))
    if not compared:
        raise DataError(f"{a} and {b} hold no result; there is nothing to compare.")
    used = [
        name
        for name in found.columns
        if name in _DIFFERENCE or not _empty(found[name]).all()
    ]
    return found[used], compared


def lines_of_differences(found: Frame) -> list[str]:
    """Return the first `SHOWN` differences as a table of what tells them apart.

    Parts of the key that are the same in all of them stand once above it.
    """
    keys = [name for name in found.columns if name not in _DIFFERENCE]
    varying = [k for k in keys if found[k].nunique(dropna=False) > 1]
    alike = [k for k in keys if k not in varying and k != "statistic"]
    shared = ", ".join(f"{name} {found[name].iloc[0]}" for name in alike)
    columns = [*(k for k in varying if k != "statistic"), "statistic"]
    columns += [name for name in _DIFFERENCE if name in found]
    table = found[columns].head(SHOWN).fillna("")
    text = table.to_string(index=False, max_colwidth=40, float_format="{:.3g}".format)
    lines = [f"all of {shared}"] if shared else []
    lines += text.splitlines()
    if len(found) > SHOWN:
        lines.append(f"and {len(found) - SHOWN} more (--json lists all)")
    return lines


def read_foreign(path: Path) -> Frame:
    """Read another program's table of results.

    Parameters
    ----------
    path : Path
        CSV, UTF-8, with a header: ``statistic``, ``value`` and any other key columns of
        the ARD, and ``text`` if wanted. An empty value means there is none.

    Raises
    ------
    DataError
        If it cannot be read, a row has not the fields of the header, a column is
        unknown, or a number is none.
    """
    import pandas as pd

    table = read_texts(path)
    allowed = [*KEY, "value", "text"]
    for name in table.columns:
        if name not in allowed:
            raise DataError(one_of(name, allowed, name=f"{path}: column"))
        column = ARD.column(name)
        if column is not None and column.kind == "number":
            blank = table[name].str.strip().isin(["", "NA", "."])
            numbers = pd.to_numeric(table[name].where(~blank), errors="coerce")
            wrong = numbers.isna() & ~blank
            if wrong.any():
                row = int(np.flatnonzero(wrong)[0])
                raise DataError(
                    f"{path}, row {row + 2}, column {name}: "
                    f"'{table[name].iloc[row]}' is not a number."
                )
            table[name] = numbers.astype("float64")
    _check_foreign(table)
    return table


def _check_foreign(table: Frame) -> list[str]:
    absent = [name for name in ("statistic", "value") if name not in table]
    if absent:
        raise DataError(
            f"the table has no column {' or '.join(absent)}; it needs statistic, value "
            "and the key columns that tell its rows apart."
        )
    if table.empty:
        raise DataError("the table has no rows; there is nothing to compare.")
    return [name for name in KEY if name in table]


def _differences(
    both: Frame, on: list[str], texts: tuple[str, ...], rel: float, abs: float
) -> Frame:
    import pandas as pd

    parts = []
    for side, word in (("left_only", "only in a"), ("right_only", "only in b")):
        rows = both[both["side"] == side]
        end = ".a" if side == "left_only" else ".b"
        shown = _shown(rows[f"value{end}"], rows[f"text{end}"] if texts else None)
        parts.append(
            rows[on].assign(difference=word, a="", b="").assign(**{end[1]: shown})
        )
    paired = both[both["side"] == "both"]
    x, y = (paired[f"value{end}"].to_numpy("float64") for end in (".a", ".b"))
    moved, gap, ratio = _moved(x, y, rel, abs)
    rows = paired[moved]
    parts.append(
        rows[on].assign(
            difference="value moved",
            a=_shown(rows["value.a"], None),
            b=_shown(rows["value.b"], None),
            absolute=gap[moved],
            relative=ratio[moved],
        )
    )
    for name in texts:
        rows = paired[paired[f"{name}.a"] != paired[f"{name}.b"]]
        one, two = rows[f"{name}.a"], rows[f"{name}.b"]
        parts.append(rows[on].assign(difference=f"{name} moved", a=one, b=two))
    out = pd.concat([part for part in parts if len(part)] or [parts[0]])
    out = out.reindex(columns=[*on, *_DIFFERENCE])
    out[["absolute", "relative"]] = out[["absolute", "relative"]].astype("float64")
    return out.sort_values([*on, "difference"], kind="stable", ignore_index=True)


def _moved(x: Any, y: Any, rel: float, abs: float) -> tuple[Any, Any, Any]:
    """Return which pairs differ, and by how much; both (n,)."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        gap = np.abs(x - y)
        size = np.maximum(np.abs(x), np.abs(y))
        finite = np.isfinite(x) & np.isfinite(y)
        near = finite & (gap <= np.maximum(abs, rel * size))
        same = near | (x == y) | (np.isnan(x) & np.isnan(y))
        ratio = np.where(size > 0, gap / size, 0.0)
    return ~same, gap, ratio


def _shown(values: Any, texts: Any) -> list[str]:
    shown = ["" if np.isnan(v) else repr(float(v)) for v in values]
    if texts is None:
        return shown
    return [number or str(text) for number, text in zip(shown, texts, strict=True)]


def _empty(column: Any) -> Any:
    return column.isna() | (column == "")
