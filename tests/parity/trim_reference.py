"""Cut the reference answers for synthetic trials down to what is compared.

Run from the repository root, where the shared data sets are beside it::

    python tests/parity/trim_reference.py

It reads ``references/*.json`` and the CSV files there, and writes cases that need no
public data set into ``tests/parity/reference``, so that they run anywhere.
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
    "caps60-us-reml",
    "caps60-cs-reml",
    "caps60-ar1-reml",
    "madrs120-us-reml",
    "madrs120-site-us-reml",
    "madrs200-us-reml",
)
COLUMNS = ("subject", "site", "arm", "baseline", "visit", "change")


def _without_rows(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != "L"}


def _inference(block: dict[str, Any]) -> dict[str, Any]:
    kept = {"coefficients": block["coefficients"], "F_tests": block["F_tests"]}
    if "lsmeans" in block:
        kept["lsmeans"] = {
            part: _without_rows(block["lsmeans"][part])
            for part in ("means", "differences")
        }
    return kept


def _case(case: dict[str, Any]) -> dict[str, Any]:
    results = case["results"]
    methods = ("satterthwaite", "kenward_roger_linear", "residual")
    return {
        **{name: case[name] for name in ("id", "software", "call", "spec")},
        "data": Path(case["data"]).name,
        "results": {
            "fit": {
                name: value
                for name, value in results["fit"].items()
                if not name.startswith("theta")
            },
            "inference": {
                method: _inference(results["inference"][method])
                for method in methods
                if method in results["inference"]
            },
        },
    }


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
    cases = json.loads((SOURCE / "mmrm.json").read_text(encoding="utf-8"))["cases"]
    chosen = [_case(case) for case in cases if case["id"] in MMRM_CASES]
    _write_json("mmrm.json", chosen)
    for name in sorted({case["data"] for case in chosen}):
        _write_data(name)
    tables = json.loads((SOURCE / "proportions.json").read_text(encoding="utf-8"))
    two = [c for c in tables["cases"] if c["spec"]["kind"] == "two_proportions"]
    _write_json("proportions.json", two)


if __name__ == "__main__":
    main()
