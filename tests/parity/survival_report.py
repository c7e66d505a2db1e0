"""Write the parity tables of ``docs/validation/survival.md``.

Run from the repository root, with the shared data sets beside it::

    python tests/parity/survival_report.py
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from parity import hazard_compare as hazards  # noqa: E402
from parity import survival_compare as curves  # noqa: E402
from parity.mixed_report import _digits  # noqa: E402
from parity.mmrm_compare import Comparison  # noqa: E402
from parity.report import MOST_DIGITS, _table  # noqa: E402

TARGET = ROOT / "docs" / "validation" / "survival.md"

HEAD = """# Parity of the survival models

Every number below is computed by `tests/parity/survival_report.py`, which also wrote
this page:

    python tests/parity/survival_report.py

The same comparisons, with their tolerances, are tests in `tests/parity`:
`test_survival_parity.py`, `test_cox_parity.py`, `test_competing_parity.py` and
`test_turnbull_parity.py`. Where numbers differ by definition, or the other program is
off, see [differences.md](differences.md), 21 to 30.

*Digits* is the number of significant digits that agree, at most {most}. Numbers below a
thousandth are judged against a thousandth, elements of a matrix and residuals against a
thousandth of the largest of their group, p values by themselves down to 1e-8. What both
leave out (a limit where there is none, a quantile that is not reached) agrees; what one
leaves out would be 0 digits.

R {r}: survival {survival}, cmprsk {cmprsk}. statsmodels {statsmodels}. Cases on
synthetic data are in `tests/parity/reference/survival_*.json`, made by the R script
beside each, data and calls included; there `coxph` was run to a relative change of
1e-13 of its likelihood, and the EM steps of Turnbull's estimate to 1e-15. Cases named
`lung` and `durability` are of the shared references.
"""

KINDS = {
    "count": "times, at risk, events, censored, df",
    "survival": "survival",
    "incidence": "cumulative incidence",
    "estimate": "log hazard ratios",
    "loglik": "log likelihood",
    "std_error": "standard errors",
    "variance": "Aalen's variances",
    "matrix": "covariances",
    "limit": "confidence limits",
    "quantile": "quantiles and their limits",
    "mean": "restricted means, differences, ratios",
    "mean_error": "their standard errors",
    "sum": "observed and expected events",
    "statistic": "test statistics",
    "zph": "statistics of proportional hazards",
    "p": "p values",
    "concordance": "concordance",
    "hazard": "baseline hazard",
    "residual": "Schoenfeld residuals",
}
SHORT = {
    "count": "counts",
    "incidence": "incidence",
    "estimate": "log HR",
    "loglik": "log lik",
    "std_error": "SE",
    "variance": "variance",
    "matrix": "cov",
    "limit": "limits",
    "quantile": "quantiles",
    "mean": "RMST",
    "mean_error": "its SE",
    "sum": "O, E",
    "statistic": "tests",
    "zph": "zph",
    "residual": "residuals",
}
FAMILIES = {
    "curves": "`kaplan_meier`, `logrank`, `rmst`",
    "cox": "`fit_cox`",
    "competing": "`cumulative_incidence`, `gray_test`",
    "intervals": "`turnbull`",
}
# Family, case, program, comparisons.
Made = list[tuple[str, str, str, list[Comparison]]]


def _curves() -> Made:
    out: Made = []
    for name, case in curves.shared_cases().items():
        if case["spec"]["kind"] == "km":
            found: list[Comparison] = []
            for scale in curves.SCALES:
                found += curves.shared_curves(name, scale)
            found += curves.shared_tests(name) + curves.shared_means(name)
            out.append(("curves", name, "R survival", found))
    for name, case in curves.CASES.items():
        found = []
        for scale in curves.SCALES:
            found += curves.curves(name, scale)
        found += curves.means(name) if name != "early" else []
        found += curves.tests(name) if case["tests"] else []
        found += curves.weighted_tests(name) if case["scores"] else []
        found += curves.late_at_times() if name == "late" else []
        out.append(("curves", name, "R survival", found))
        found = []
        if name in curves.STATSMODELS_CURVES:
            found += curves.statsmodels_curves(name)
        for of, rho, strata in curves.STATSMODELS_TESTS:
            found += curves.statsmodels_test(of, rho, strata) if of == name else []
        if found:
            out.append(("curves", name, "statsmodels", found))
    return out


def _cox() -> Made:
    out: Made = []
    for name, case in curves.shared_cases().items():
        if case["spec"]["kind"] == "cox":
            out.append(("cox", name, "R survival", [*hazards.cox_shared(name)]))
    for name in hazards.COX:
        found: list[Comparison] = [
            *hazards.cox_estimates(name),
            *hazards.cox_tests(name),
            *hazards.cox_concordance(name),
        ]
        for transform in hazards.TRANSFORMS:
            found += hazards.cox_proportionality(name, transform)
        for either in (True, False):
            found += hazards.cox_baseline(name, either)
            found += hazards.cox_residuals(name, either)
        out.append(("cox", name, "R survival", found))
        if name in hazards.STATSMODELS_COX:
            found = [*hazards.statsmodels_cox(name)]
            out.append(("cox", name, "statsmodels", found))
    return out


def _competing() -> Made:
    out: Made = []
    for name in hazards.COMPETING:
        found: list[Comparison] = [*hazards.incidence(name)]
        if name == "split":
            found += hazards.one_cause()
        else:
            for scale in curves.SCALES:
                found += hazards.incidence_errors(name, scale)
        out.append(("competing", name, "R survival", found))
        if name in hazards.PLAIN:
            found = [*hazards.aalen(name), *hazards.gray(name)]
            out.append(("competing", name, "cmprsk", found))
    return out


def _intervals() -> Made:
    return [
        ("intervals", name, "R survival", [*curves.intervals(name)])
        for name in curves.TURNBULL
    ]


def _summary(made: Made) -> str:
    rows = []
    for family, title in FAMILIES.items():
        programs = dict.fromkeys(by for f, _, by, _ in made if f == family)
        for program in programs:
            for kind, label in KINDS.items():
                same = [
                    (c.worst, c.theirs.size, f"{name}, {c.quantity}")
                    for f, name, by, found in made
                    if (f, by) == (family, program)
                    for c in found
                    if c.kind == kind and c.theirs.size
                ]
                if same:
                    worst, _, where = max(same)
                    where = where if worst > 0 else ""
                    count = sum(size for _, size, _ in same)
                    cells = (f"{count:,}", f"{worst:.1e}" if worst else "0", where)
                    rows.append((title, program, label, *cells))
    head = ("of", "against", "quantity", "numbers", "largest relative difference")
    return _table((*head, "where"), rows)


def _by_case(made: Made, family: str) -> str:
    own = [(name, by, found) for f, name, by, found in made if f == family]
    kinds = [k for k in KINDS if any(c.kind == k for _, _, cs in own for c in cs)]
    rows = []
    for name, by, found in own:
        cells = []
        for kind in kinds:
            same = [c.worst for c in found if c.kind == kind and c.theirs.size]
            cells.append(_digits(max(same)) if same else "")
        rows.append((name, by, *cells))
    return _table(("case", "against", *(SHORT.get(k, k) for k in kinds)), rows)


def _code(call: str) -> str:
    return f"`{call}`"


def _calls() -> str:
    """Say what was called for each case, and with which version."""
    rows = []
    for name, case in curves.shared_cases().items():
        found = case["software"]
        engine = f"R {found['R']}, survival {found['survival']}"
        rows.append((name, engine, _code(case["call"]), f"`references/{case['data']}`"))
    own = {"km": curves.CASES, "competing": hazards.COMPETING}
    for file, cases in (*own.items(), ("turnbull", curves.TURNBULL)):
        found = curves.own_file(file)["engine"]
        engine = ", ".join(f"{k} {v}" for k, v in found.items())
        for name, case in cases.items():
            call = case["call"]
            calls = [call] if isinstance(call, str) else call
            size = len(next(iter(case["data"].values())))
            text = "; ".join(map(_code, calls))
            rows.append((name, engine, text, f"`survival_{file}.json`, {size} rows"))
    for name, case in hazards.COX.items():
        engine = ", ".join(f"{k} {v}" for k, v in case["software"].items())
        data = hazards.COX_FILE["data"][case["data"]]
        size = len(next(iter(data.values())))
        source = f"`survival_cox.json`, {case['data']}, {size} rows"
        rows.append((name, engine, _code(case["call"]), source))
    return _table(("case", "engine", "call", "data"), rows)


def main() -> None:
    made = [*_curves(), *_cox(), *_competing(), *_intervals()]
    engine = curves.own_file("competing")["engine"]
    head = HEAD.format(
        most=MOST_DIGITS,
        r=engine["R"],
        survival=engine["survival"],
        cmprsk=engine["cmprsk"],
        statsmodels=version("statsmodels"),
    )
    count = sum(c.theirs.size for *_, found in made for c in found)
    sections = [
        head,
        f"\n## Summary\n\n{count:,} numbers; every number of every case is compared,"
        " but for the standard\nerrors of `split` (differences.md, 21).\n\n",
        _summary(made),
    ]
    for family, title in FAMILIES.items():
        sections.append(f"\n## {title}: digits that agree, by case and kind\n\n")
        sections.append(_by_case(made, family))
    sections += ["\n## What was called\n\n", _calls()]
    TARGET.write_text("".join(sections), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
