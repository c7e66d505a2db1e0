"""Cut the reference answers for synthetic trials down to what is compared.

Run from the repository root, where the shared data sets are beside it::

    python tests/parity/trim_reference.py

It reads ``references/*.json`` and the CSV files there, and writes cases that need no
public data set into ``tests/parity/reference``, so that they run anywhere. Every number
is kept, to 13 significant digits, but for three things: of symmetric matrices the lower
triangle stays; the rows ``L`` of LS means go (the tests on public data compare them),
and those of F tests, which pick coefficients, are kept as the names of these; a
covariance of coefficients that repeats another one to the last digit is the name of
where that one stands.
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("OUTCOMES_SHARED", ROOT.parent / "shared"))
SOURCE = SHARED / "references"
TARGET = Path(__file__).resolve().parent / "reference"

MMRM_CASES = (
    "madrs120-us-reml",
    "madrs120-toeph-reml",
    "madrs120-adh-reml",
    "madrs120-csh-reml",
    "madrs120-ar1h-reml",
    "madrs120-site-us-reml",
    "caps60-us-reml",
    "caps60-cs-reml",
    "caps60-toep-reml",
    "caps60-ar1-reml",
    "madrs200-us-reml",
    "madrs200-ar1h-reml",
)
LMM_CASES = ("caps60-subject-reml",)
COLUMNS = ("subject", "site", "arm", "baseline", "visit", "change")
DIGITS = 13
SYMMETRIC = 1e-12


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value


def _lower(matrix: dict[str, Any]) -> dict[str, Any]:
    """Keep the lower triangle, row by row, of a matrix that is symmetric."""
    values = matrix["values"]
    size = len(values)
    largest = max(abs(v) for row in values for v in row)
    for i in range(size):
        for j in range(i):
            if abs(values[i][j] - values[j][i]) > SYMMETRIC * largest:
                raise ValueError(f"not symmetric at {i}, {j}")
    names = matrix["rows"] or list(range(size))
    return {
        "rows": names,
        "lower": [values[i][j] for i in range(size) for j in range(i + 1)],
    }


def _picked(test: dict[str, Any]) -> dict[str, Any]:
    """Replace rows that pick coefficients by the names of the coefficients."""
    matrix = test["L"]
    for name, row in zip(matrix["rows"], matrix["values"], strict=True):
        if row != [float(name == column) for column in matrix["cols"]]:
            raise ValueError(f"the row {name} does not pick that coefficient")
    return {**test, "L": {"rows": matrix["rows"]}}


def _without_rows(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != "L"}


def _inference(block: dict[str, Any]) -> dict[str, Any]:
    return {
        "coefficients": block["coefficients"],
        "vcov": _lower(block["vcov"]),
        "lsmeans": {
            part: _without_rows(block["lsmeans"][part])
            for part in ("means", "differences")
        },
        "F_tests": {name: _picked(test) for name, test in block["F_tests"].items()},
    }


def _name_repeats(methods: dict[str, dict[str, Any]], beta_vcov: Any) -> None:
    """Replace a covariance that has been seen by ``fit`` or the method that has it."""
    seen = [("fit", beta_vcov["lower"])]
    for method, block in methods.items():
        lower = block["vcov"]["lower"]
        same = [name for name, other in seen if other == lower]
        if same:
            block["vcov"] = same[0]
        else:
            seen.append((method, lower))


def _mmrm(case: dict[str, Any]) -> dict[str, Any]:
    results = case["results"]
    fit = dict(results["fit"])
    for name in ("beta_vcov", "covariance", "theta_vcov"):
        fit[name] = _lower(fit[name])
    methods = {name: _inference(b) for name, b in results["inference"].items()}
    trimmed = _rounded({"fit": fit, "inference": methods})
    _name_repeats(trimmed["inference"], trimmed["fit"]["beta_vcov"])
    return {
        **{name: case[name] for name in ("id", "software", "call", "spec")},
        "data": Path(case["data"]).name,
        "results": trimmed,
    }


def _lmm(case: dict[str, Any]) -> dict[str, Any]:
    kept = {
        k: v for k, v in case["results"].items() if k not in ("blups", "theta_lme4")
    }
    kept["vcov"] = _lower(kept["vcov"])
    kept["kenward_roger"] = {
        **kept["kenward_roger"],
        "vcov": _lower(kept["kenward_roger"]["vcov"]),
    }
    return {
        **{name: case[name] for name in ("id", "software", "call", "spec")},
        "data": Path(case["data"]).name,
        "results": _rounded(kept),
    }


def _read(name: str) -> list[dict[str, Any]]:
    content = json.loads((SOURCE / name).read_text(encoding="utf-8"))
    cases: list[dict[str, Any]] = content["cases"]
    return cases


def _write_json(name: str, content: Any) -> None:
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    (TARGET / name).write_text(text + "\n", encoding="utf-8", newline="\n")


def _write_data(name: str) -> None:
    with (SOURCE / "data" / name).open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    with (TARGET / name).open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(
            target, COLUMNS, extrasaction="ignore", lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    chosen = [_mmrm(case) for case in _read("mmrm.json") if case["id"] in MMRM_CASES]
    _write_json("mmrm.json", chosen)
    for name in sorted({case["data"] for case in chosen}):
        _write_data(name)
    mixed = [_lmm(case) for case in _read("lmm.json") if case["id"] in LMM_CASES]
    _write_json("lmm.json", mixed)
    tables = _read("proportions.json")
    two = [c for c in tables if c["spec"]["kind"] == "two_proportions"]
    _write_json("proportions.json", two)


if __name__ == "__main__":
    main()
