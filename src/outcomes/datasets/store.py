"""Reading and writing of tables: typed, checked, sorted, atomic, the same bytes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from outcomes.datasets.schema import Column, Kind, Schema
from outcomes.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

_DTYPE = {"text": "str", "integer": "Int64", "number": "float64"}


PARTIAL = ".partial"
"""How the name of a file ends that is not whole yet."""


def remove_partial(outputs: Iterable[Path]) -> None:
    """Remove what killed runs left half-written of some files; nothing else.

    Parameters
    ----------
    outputs : iterable of Path
        Files that `atomic` writes; its half-written ones stand beside them.
    """
    for path in outputs:
        start, end = f".{path.name}.", PARTIAL
        # names are compared as text: those of files may hold what a pattern means
        for stale in path.parent.iterdir() if path.parent.is_dir() else ():
            own = stale.name.startswith(start) and stale.name.endswith(end)
            if own and "." not in stale.name[len(start) : -len(end)]:
                stale.unlink(missing_ok=True)


@contextmanager
def atomic(path: Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    r"""Open a file to be written whole or not at all.

    Text is UTF-8 with ``\n`` line ends on every system. The file appears under its
    name only when the block ends without an exception.

    Parameters
    ----------
    path : Path
        Where the file shall be; its folder is made.
    binary : bool
        Open for bytes instead of text.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # a name of its own: a job that outlives a killed run may write the same file
    handle, name = tempfile.mkstemp(PARTIAL, f".{path.name}.", path.parent)
    temporary = Path(name)
    try:
        if binary:
            stream: IO[Any] = os.fdopen(handle, "wb")
        else:
            stream = os.fdopen(handle, "w", encoding="utf-8", newline="\n")
        with stream:
            yield stream
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def empty(schema: Schema) -> Frame:
    """Return a table of this kind without rows."""
    import pandas as pd

    return pd.DataFrame(
        {c.name: pd.Series([], dtype=_DTYPE[c.kind]) for c in schema.columns}
    )


def conform(frame: Frame, schema: Schema) -> Frame:
    """Give a frame the columns, types and row order of its schema.

    Columns that are absent are added empty; text is never null afterwards.

    Parameters
    ----------
    frame : DataFrame
        Any subset of the schema's columns, in any order; further columns only where
        the schema is open (they become text or number).
    schema : Schema
        What the frame is meant to be.

    Returns
    -------
    DataFrame
        A new frame, sorted by the key.

    Raises
    ------
    DataError
        Unknown columns, values of the wrong kind, an empty required value, or two
        rows with one key; the first offenders are named.
    """
    unknown = [name for name in frame.columns if schema.column(name) is None]
    if unknown and not schema.open:
        raise DataError(
            f"{schema.name}: columns {', '.join(unknown)} do not belong to this table."
        )
    out = frame.copy()
    for column in schema.columns:
        out[column.name] = _cast(out, column, schema)
    for name in unknown:
        kind: Kind = "number" if out[name].dtype.kind in "iufb" else "text"
        out[name] = _cast(out, Column(name, kind, name), schema)
    out = out[[*schema.names, *unknown]]
    _check(out, schema)
    return out.sort_values(list(schema.key), kind="stable", ignore_index=True)


def _cast(frame: Frame, column: Column, schema: Schema) -> pd.Series[Any]:
    import pandas as pd

    if column.name not in frame.columns:
        fill = "" if column.kind == "text" else pd.NA
        values = pd.Series([fill] * len(frame), index=frame.index, dtype=object)
    else:
        values = frame[column.name]
    try:
        if column.kind == "text":
            return values.astype(object).where(values.notna(), "").astype("str")
        numbers = pd.to_numeric(values).astype("Float64")
        if column.kind == "number":
            return numbers.astype("float64")
        whole = numbers.round()
        if ((numbers != whole) & numbers.notna()).any():
            raise ValueError("there are fractions")  # noqa: TRY301 - told below
        return whole.astype("Int64")
    except (TypeError, ValueError) as problem:
        raise DataError(
            f"{schema.name}.{column.name}: not {column.kind}: {problem}"
        ) from problem


def _check(frame: Frame, schema: Schema) -> None:
    for column in schema.columns:
        if not column.required:
            continue
        values = frame[column.name]
        bad = (values == "") if column.kind == "text" else values.isna()
        if bad.any():
            raise DataError(
                f"{schema.name}.{column.name} is empty in {int(bad.sum())} of "
                f"{len(frame)} rows; every row needs it."
            )
    doubled = frame.duplicated(list(schema.key), keep="first")
    if doubled.any():
        first = frame.loc[doubled, list(schema.key)].head(3).to_dict("records")
        raise DataError(
            f"{schema.name}: {int(doubled.sum())} rows repeat a key "
            f"({', '.join(schema.key)}); the first: {first}"
        )


def write_table(frame: Frame, path: Path, schema: Schema) -> None:
    """Write a table as Parquet, after giving it the shape of its schema.

    Raises
    ------
    DataError
        As `conform`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(conform(frame, schema), preserve_index=False)
    fields = []
    for field in table.schema:
        column = schema.column(field.name)
        open_kind: Kind = "text" if _is_text(field.type) else "number"
        kind = _arrow_type(column.kind if column else open_kind)
        label = column.label if column else field.name
        fields.append(pa.field(field.name, kind, metadata={"label": label}))
    metadata = {"name": schema.name, "label": schema.label}
    table = table.cast(pa.schema(fields)).replace_schema_metadata(metadata)
    with atomic(path, binary=True) as stream:
        pq.write_table(table, stream, compression="zstd", write_page_checksum=True)


def _arrow_type(kind: Kind) -> Any:
    import pyarrow as pa

    types = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64()}
    return types[kind]


def _holds(kind: Any, wanted: Kind) -> bool:
    import pyarrow as pa

    if pa.types.is_null(kind):
        return True
    if wanted == "text":
        return _is_text(kind)
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def read_table(path: Path, schema: Schema) -> Frame:
    """Read a table that `write_table` wrote.

    Raises
    ------
    DataError
        If the file is absent, is not Parquet, is damaged (its pages carry checksums),
        or has not the columns, types and keys of the schema.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    again = "Run the stage before again."
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
        table.validate(full=True)
        types = {
            pa.int64(): pd.Int64Dtype(),
            pa.string(): pd.StringDtype(na_value=float("nan")),
            pa.large_string(): pd.StringDtype(na_value=float("nan")),
        }
        frame: Frame = table.to_pandas(types_mapper=types.get)
    except FileNotFoundError as problem:
        raise DataError(f"{path}: no such file; run the stage before.") from problem
    except (pa.ArrowException, OSError, ValueError, MemoryError) as problem:
        said = " ".join(str(problem).split()).rstrip(".")
        raise DataError(
            f"{path}: cannot be read as Parquet: {said}. {again}"
        ) from problem
    absent = [name for name in schema.names if name not in table.column_names]
    if absent:
        raise DataError(
            f"{path}: columns {', '.join(absent)} of {schema.name} are missing; "
            f"it was written by another version. {again}"
        )
    for field in table.schema:
        column = schema.column(field.name)
        # numbers that another program wrote in another width are looked at by value
        if column is not None and not _holds(field.type, column.kind):
            raise DataError(
                f"{path}: column {field.name} holds {field.type}, not {column.kind}; "
                f"it was not written by this program. {again}"
            )
    try:
        return conform(frame, schema)
    except DataError as problem:
        raise DataError(f"{path}: {problem} {again}") from problem


def write_csv(frame: Frame, path: Path, schema: Schema) -> None:
    """Write a table as CSV for people: UTF-8, comma, header, no formulas.

    A text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    out = conform(frame, schema)
    for column in schema.columns:
        if column.kind == "text":
            risky = out[column.name].str.match(r"^[=+\-@\t\r]")
            out[column.name] = out[column.name].where(~risky, "'" + out[column.name])
    with atomic(path) as stream:
        out.to_csv(stream, index=False, lineterminator="\n")


def read_csv(path: Path, schema: Schema) -> Frame:
    """Read a table that `write_csv` wrote, formula guards removed.

    Raises
    ------
    DataError
        If the file is absent, is no such CSV, or breaks its schema.
    """
    again = "Run the stage before again."
    frame = read_texts(path)
    absent = [name for name in schema.names if name not in frame.columns]
    if absent:
        raise DataError(f"{path}: columns {', '.join(absent)} are missing. {again}")
    for name in frame.columns:
        frame[name] = frame[name].str.replace(r"^'(?=[=+\-@\t\r])", "", regex=True)
        column = schema.column(name)
        if column is not None and column.kind != "text":
            frame[name] = frame[name].replace("", None)
    try:
        return conform(frame, schema)
    except DataError as problem:
        raise DataError(f"{path}: {problem} {again}") from problem


def read_texts(path: Path) -> Frame:
    """Read a CSV table as text: UTF-8, comma, header; blank lines are left out.

    Raises
    ------
    DataError
        If the file cannot be read, is no text or empty, or a row has not as many
        fields as the header.
    """
    import csv

    import pandas as pd

    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            records = [record for record in csv.reader(stream, strict=True) if record]
    except FileNotFoundError as problem:
        raise DataError(
            f"{path}: no such file; run the stage that writes it."
        ) from problem
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DataError(
            f"{path}: cannot be read as a CSV table ({problem}); write it again."
        ) from problem
    if not records:
        raise DataError(f"{path}: is empty, without a header; write it again.")
    header, *rows = records
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        raise DataError(f"{path}: several columns are called {', '.join(doubled)}.")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise DataError(
                f"{path}, row {number}: has {len(row)} fields, the header has "
                f"{len(header)}; quote fields that hold a comma."
            )
    return pd.DataFrame(rows, columns=header, dtype="str")
