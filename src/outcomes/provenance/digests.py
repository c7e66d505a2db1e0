"""Digests of values and of files, and the seeds derived from them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

from outcomes.errors import DataError


def digest(obj: object) -> str:
    """Return the SHA-256 of a value's canonical JSON.

    Keys are sorted, there is no white space, floats are written by ``repr``, text is
    UTF-8. Tuples count as lists. ``1``, ``1.0`` and ``True`` are three values.

    Parameters
    ----------
    obj : object
        Nested mappings (with text keys), lists, tuples, text, numbers, booleans, None.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    TypeError
        If a value or key has a type JSON does not know; nothing is turned into text
        silently, because two different values could then share a digest.
    ValueError
        If a number is not finite.

    Examples
    --------
    >>> digest({"b": 1, "a": [True, None]}) == digest({"a": (True, None), "b": 1})
    True
    """
    canonical = json.dumps(
        _plain(obj, "value"),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def _plain(obj: object, where: str) -> object:
    """Copy a value into plain JSON types, naming the place of what cannot be."""
    if obj is None or isinstance(obj, bool | str | int):
        return obj
    if isinstance(obj, float):
        if not math.isfinite(obj):
            raise ValueError(f"{where} is {obj!r}: only finite numbers have a digest")
        return float(obj)
    if isinstance(obj, list | tuple):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(obj)]
    if isinstance(obj, Mapping):
        for key in obj:
            if not isinstance(key, str):
                kind = type(key).__name__
                raise TypeError(f"{where} has the key {key!r} ({kind}): keys are text")
        return {key: _plain(item, f"{where}.{key}") for key, item in obj.items()}
    kind = type(obj).__name__
    raise TypeError(f"{where} is a {kind}: turn it into text, numbers or lists first")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read in pieces.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    DataError
        If there is no such file.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise DataError(
            f"{path.as_posix()}: there is no such file, so it has no digest."
            " Run the job that makes it, or correct the path."
        ) from error


def seed(*parts: str | int) -> int:
    """Derive a seed from what it is for: study, analysis, chunk.

    Parts are digested as a list, so ``("a", "bc")`` and ``("ab", "c")`` differ, and the
    seed depends on neither the order of jobs nor their number.

    Parameters
    ----------
    *parts : str or int
        At least one; by convention the study id, the analysis id, the chunk number.

    Returns
    -------
    int
        Between 0 and 2**63 - 1, for ``numpy.random.default_rng``.

    Raises
    ------
    ValueError
        If no part is given: everything would share one seed.
    """
    if not parts:
        raise ValueError("a seed needs at least one part, such as the study id")
    return int(digest(list(parts))[:16], 16) >> 1
