"""Write the parity table of ``docs/validation/mmrm.md``.

Run from the repository root, with the shared data sets beside it::

    python tests/parity/report.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import numpy as np  # noqa: E402

from outcomes.models import contrasts, emmeans  # noqa: E402
from parity import mmrm_cases as cases  # noqa: E402
from parity.mmrm_cases import Comparison  # noqa: E402

TARGET = ROOT / "docs" / "validation" / "mmrm.md"
MOST_DIGITS = 12

HEAD = """# Parity of `fit_mmrm`

Every number below is computed by `tests/parity/report.py`, which also wrote this page:

    python tests/parity/report.py

The same comparisons, with their tolerances, are the tests in
`tests/parity/test_mmrm_parity.py`. A row shows, of all numbers of its quantity, the
one that agrees worst. *Digits* is the number of significant digits that agree, at most
{most}; elements of a matrix and coefficients near zero are judged against a thousandth
of the largest of their group. Where numbers differ by definition, see
[differences.md](differences.md).

R: mmrm 0.3.18 polished to a gradient below 1e-9, emmeans 1.8.4. SAS: PROC MIXED.

## Against R

| case | quantity | ours | R | digits |
|---|---|---|---|---|
"""

SAS_HEAD = """
## Against SAS, Kenward-Roger

`FEV1 ~ ARMCD`, difference of the arms. SAS stops at a relative change of 1e-8 of its
objective; "at SAS's parameters" is our calculation at the covariance parameters it
printed (5 or 6 digits), "at the optimum" is what `fit_mmrm` gives. Digits compare the
former with SAS.

| case | quantity | ours at the optimum | ours at SAS's parameters | SAS | digits |
|---|---|---|---|---|---|
"""


def _digits(difference: float) -> str:
    if difference < 10.0**-MOST_DIGITS:
        return f"{MOST_DIGITS}+"
    return str(int(-np.log10(difference)))


def _row(name: str, title: str, comparison: Comparison) -> str:
    size = np.maximum(np.abs(comparison.theirs), comparison.floor)
    worst = int(np.argmax(comparison.difference / size))
    ours, theirs = comparison.ours.flat[worst], comparison.theirs.flat[worst]
    digits = _digits(comparison.worst)
    return f"| {name} | {title} | {ours:.10g} | {theirs:.10g} | {digits} |\n"


def _grouped(name: str) -> list[tuple[str, Comparison]]:
    rows = [(c.quantity, c) for c in cases.compare_fit(name)]
    for method in cases.METHODS:
        if method not in cases.case(name)["results"]["inference"]:
            continue
        title = method.replace("_", "-")
        found = cases.compare_inference(name, method)
        for kind in ("std_error", "df", "p", "f"):
            worst = max((c for c in found if c.kind == kind), key=lambda c: c.worst)
            rows.append((f"{title}, {worst.quantity.replace('_', ' ')}", worst))
    return rows


def _sas_rows(name: str) -> str:
    text = ""
    for vcov in ("kenward-roger", "kenward-roger-linear"):
        fit = cases.fit_case(name, "kenward-roger", vcov)
        theirs = cases.case(name)["results"][vcov.replace("-", "_")]
        there = cases.at_theta(fit, cases.sas_theta(name))
        first, second = (
            contrasts(emmeans(f, "ARMCD"), reference="PBO").frame.iloc[0]
            for f in (fit, there)
        )
        for mine, yours in (("estimate",) * 2, ("std_error", "se"), ("df", "df")):
            off = abs(second[mine] / theirs[yours] - 1)
            text += (
                f"| {name}, {vcov} | {mine.replace('_', ' ')} | {first[mine]:.8g} |"
                f" {second[mine]:.8g} | {theirs[yours]:.8g} | {_digits(off)} |\n"
            )
    return text


def main() -> None:
    text = HEAD.format(most=MOST_DIGITS)
    for name in cases.SYNTHETIC + cases.PUBLIC:
        text += "".join(_row(name, title, c) for title, c in _grouped(name))
    text += SAS_HEAD + "".join(_sas_rows(name) for name in cases.SAS_KR)
    TARGET.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
