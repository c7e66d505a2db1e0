"""Write the parity tables of ``docs/validation/mixed.md``.

Run from the repository root, with the shared data sets beside it::

    python tests/parity/mixed_report.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import numpy as np  # noqa: E402

from outcomes import models  # noqa: E402
from outcomes.models import tidy  # noqa: E402
from parity import mixed_cases as cases  # noqa: E402
from parity import mixed_compare as compare  # noqa: E402
from parity.mmrm_compare import Comparison  # noqa: E402
from parity.report import MOST_DIGITS, _table  # noqa: E402
from parity.report import _digits as _finite_digits  # noqa: E402

TARGET = ROOT / "docs" / "validation" / "mixed.md"
MANY = 101

HEAD = """# Parity of `fit_lmm` and `fit_glmm`

Every number below is computed by `tests/parity/mixed_report.py`, which also wrote
this page:

    python tests/parity/mixed_report.py

The same comparisons, with their tolerances, are tests in `tests/parity`:
`test_lmm_parity.py` and `test_glmm_parity.py`. Where numbers differ by definition, or
the other program is off, see [differences.md](differences.md), 14 to 20.

*Digits* is the number of significant digits that agree, at most {most}. Elements of a
matrix and coefficients near zero are judged against a thousandth of the largest of
their group.

R 4.2.2: lme4 1.1-31, lmerTest 3.1-3, pbkrtest 0.5.2, emmeans 1.8.4, glmmTMB 1.1.5
(TMB 1.9.2), ordinal 2022.11-16, all fits driven on by Newton steps from where the
program stopped (`tests/parity/scripts/mixed_lmm.R`, `mixed_glmm.R`). *By definition*:
the likelihood from the whole covariance matrix of the outcome, or the integral over a
random intercept by the trapezoid rule, with no code in common with the fits
(`tests/parity/mixed_dense.py`, `mixed_quadrature.py`). Cases whose names start with
neither a data set of R, a trial of the shared references nor a real trial are on the
synthetic `tests/parity/reference/mixed_trial.csv`.
"""

KINDS = {
    "loglik": "log likelihood",
    "estimate": "estimates, LS means, thresholds",
    "std_error": "standard errors",
    "matrix": "covariance of coefficients",
    "sd": "SD of random effects and residuals, dispersion",
    "sd_matrix": "covariance of random effects",
    "df": "degrees of freedom",
    "statistic": "t and z statistics",
    "f": "F statistics",
    "f_df": "denominator df of F",
    "p": "p values",
    "limit": "confidence limits of LS means",
    "mode": "predicted random effects",
    "mode_sd": "their standard deviations",
}
Run = tuple[str, str, Callable[[], list[Comparison]]]


def _digits(difference: float) -> str:
    return _finite_digits(difference) if np.isfinite(difference) else "0"


def _lmm_runs() -> list[Run]:
    out: list[Run] = []
    for n in cases.SHARED_LMM:
        out.append((n, "lmerTest", lambda n=n: compare.lmm_shared(n)))
        if n.endswith("reml"):
            found = compare.lmm_shared_kenward_roger
            out.append((n, "pbkrtest", lambda n=n, f=found: f(n)))
    for n in cases.OWN_LMM:
        out.append((n, "lmerTest", lambda n=n: compare.lmm_own(n)))
        if not n.endswith("-ml"):
            found = compare.lmm_own_kenward_roger
            out.append((n, "pbkrtest", lambda n=n, f=found: f(n)))
        out.append((n, "by definition", lambda n=n: compare.lmm_exact(n)))
    return out


def _glmm_runs() -> list[Run]:
    out: list[Run] = []
    for n in cases.SHARED_GLMM:
        points = cases.shared_case("glmm", n)["spec"]["nAGQ"]
        engine = "lme4, Laplace" if points == 1 else "lme4, quadrature"
        out.append((n, engine, lambda n=n: compare.glmm_shared(n)))
        if "exact_ml" in cases.shared_case("glmm", n)["results"]:
            out.append(
                (n, "by definition", lambda n=n: compare.glmm_shared_exact(n, MANY))
            )
    for n, points in cases.OWN_GLMM.items():
        for engine in cases.own("glmm", n)["results"]:
            for q in points if engine != "glmmTMB" else (1,):
                rule = f", {'Laplace' if q == 1 else 'quadrature'}"
                label = engine + (rule if engine == "lme4" else "")
                run = lambda n=n, e=engine, q=q: compare.glmm_by(n, e, q)  # noqa: E731
                out.append((f"{n}, {q}", label, run))
        if cases.has_exact("glmm", n):
            exact = lambda n=n: compare.glmm_exact(n, None, MANY)  # noqa: E731
            out.append((f"{n}, exact", "by definition", exact))
            for block in cases.exact("glmm", n)["quadrature"]:
                q = block["points"]
                run = lambda n=n, q=q: compare.glmm_exact(n, q, q)  # noqa: E731
                out.append((f"{n}, {q}", "by definition", run))
    return out


Made = list[tuple[str, str, list[Comparison]]]


def _summary(made: Made, engines: list[str]) -> str:
    rows = []
    for engine in engines:
        for kind, title in KINDS.items():
            same = [
                (c.worst, c.theirs.size, f"{name}: {c.quantity}")
                for name, by, found in made
                if by == engine
                for c in found
                if c.kind == kind
            ]
            if same:
                worst, _, where = max(same)
                count = sum(size for _, size, _ in same)
                rows.append((engine, title, f"{count:,}", f"{worst:.1e}", where))
    head = ("against", "quantity", "numbers", "largest relative difference", "where")
    return _table(head, rows)


def _by_case(made: Made, engines: list[str]) -> str:
    names = list(dict.fromkeys(name for name, _, _ in made))
    rows = []
    for name in names:
        cells = []
        for engine in engines:
            found = [
                c.worst
                for n, by, all_ in made
                if (n, by) == (name, engine)
                for c in all_
            ]
            cells.append(_digits(max(found)) if found else "")
        rows.append((name, *cells))
    return _table(("case", *engines), rows)


def _number(value: float) -> str:
    return f"{value:.7g}"


def _lmm_profiles() -> str:
    rows = []
    for name in cases.OWN_LMM:
        theirs = cases.exact("lmm", name).get("profile")
        if not theirs:
            continue
        frame = cases.lmm_profiles(name)
        for place, block in zip(compare.places(name), theirs, strict=True):
            row = frame.iloc[place]
            ours = np.array([row.conf_low, row.conf_high])
            expected = np.array(block["limits"])
            off = np.max(np.abs(ours - expected) / np.maximum(np.abs(expected), 1e-3))
            label = " ".join(filter(None, (row.grouping, row.term, row.parameter)))
            rows.append(
                (name, label, *map(_number, (*ours, *expected)), _digits(float(off)))
            )
    head = ("case", "parameter", "low", "high", "low, by definition", "high", "digits")
    return _table(head, rows)


def _glmm_profiles() -> str:
    rows = []
    for name in cases.OWN_GLMM:
        if not cases.has_exact("glmm", name):
            continue
        fit = cases.glmm_fit("own", name, MANY if name in cases.REAL else 41)
        block = cases.exact("glmm", name)["exact"]
        frame = models.profile_intervals(fit).set_index("term")
        order = compare.order_of(block["names"], fit)
        for k, at in enumerate(order):
            row = frame.loc[fit.estimated_terms[at]]
            ours = np.array([row.conf_low, row.conf_high])
            expected = np.array(block["profile"][k]["limits"])
            off = float(np.max(np.abs(ours - expected)) / np.ptp(expected))
            rows.append(
                (name, row.name, *map(_number, (*ours, *expected)), _digits(off))
            )
        (row,) = models.variance_components(fit).itertuples()
        ours = np.array([row.conf_low, row.conf_high])
        expected = np.exp(block["profile"][-1]["limits"])
        off = float(np.max(np.abs(ours - expected)) / np.ptp(expected))
        rows.append((name, "SD", *map(_number, (*ours, *expected)), _digits(off)))
    head = ("case", "parameter", "low", "high", "low, by definition", "high", "digits")
    return _table(head, rows)


def _toenail() -> str:
    term = "treatment[T.terbinafine]:time"
    rows = []
    for points in (1, 5, 9, 15, 21, 25, 41, MANY):
        fit = cases.glmm_fit("own", "toenail", points)
        row = tidy(fit).set_index("term").loc[term]
        sd = float(np.sqrt(fit.random_covariance["patientID"].iloc[0, 0]))
        rows.append(
            (points, f"{row.estimate:.5f}", f"{row.std_error:.5f}", f"{sd:.4f}",
             f"{-2 * fit.loglik:.3f}")
        )  # fmt: skip
    known: dict[str, Any] = cases.exact("glmm", "toenail")["exact"]
    at = known["names"].index(term)
    rows.append(
        ("by definition", f"{known['estimate'][at]:.5f}", f"{known['se'][at]:.5f}",
         f"{known['sd']:.4f}", f"{-2 * known['loglik']:.3f}")
    )  # fmt: skip
    head = ("points", "treatment by time", "standard error", "SD", "-2 log likelihood")
    return _table(head, rows)


def main() -> None:
    lmm = [(name, by, run()) for name, by, run in _lmm_runs()]
    glmm = [(name, by, run()) for name, by, run in _glmm_runs()]
    of_lmm = ["lmerTest", "pbkrtest", "by definition"]
    of_glmm = ["lme4, Laplace", "lme4, quadrature", "glmmTMB", "clmm", "by definition"]
    sections = [
        HEAD.format(most=MOST_DIGITS),
        "\n## `fit_lmm`: summary\n\nlmerTest: likelihood, coefficients, components,"
        " Satterthwaite; degrees of freedom there rest\non numerical derivatives."
        " pbkrtest: Kenward-Roger by the expected information.\n\n",
        _summary(lmm, of_lmm),
        "\n## `fit_lmm`: digits that agree, the worst number of each case\n\n",
        _by_case(lmm, of_lmm),
        "\n## `fit_lmm`: profile intervals of variance components\n\nOf the"
        " restricted likelihood, but for the cases that end in `-ml`.\n\n",
        _lmm_profiles(),
        "\n## `fit_glmm`: summary\n\nProbit by lme4 with few points is another"
        " approximation and the largest difference of all\n(differences.md, 17).\n\n",
        _summary(glmm, of_glmm),
        "\n## `fit_glmm`: digits that agree, the worst number of each case\n\nAfter"
        " the name, the number of quadrature points.\n\n",
        _by_case(glmm, of_glmm),
        "\n## `fit_glmm`: profile intervals\n\nDigits of the width of the interval."
        "\n\n",
        _glmm_profiles(),
        "\n## The toenail trial, by number of quadrature points\n\n",
        _toenail(),
    ]
    TARGET.write_text("".join(sections), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
