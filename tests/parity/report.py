"""Write the parity tables of ``docs/validation/mmrm.md``.

Run from the repository root, with the shared data sets beside it::

    python tests/parity/report.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import numpy as np  # noqa: E402

from outcomes.models import contrasts, emmeans, tidy  # noqa: E402
from outcomes.models.mmrm.results import MmrmFit  # noqa: E402
from parity import mmrm_cases as cases  # noqa: E402
from parity import sas_cases as sas  # noqa: E402
from parity.by_subject import at_theta  # noqa: E402
from parity.mmrm_compare import (  # noqa: E402
    Comparison,
    compare_fit,
    compare_inference,
)

TARGET = ROOT / "docs" / "validation" / "mmrm.md"
MOST_DIGITS = 12

HEAD = """# Parity of `fit_mmrm`

Every number below is computed by `tests/parity/report.py`, which also wrote this page:

    python tests/parity/report.py

The same comparisons, with their tolerances, are tests in `tests/parity`:
`test_mmrm_parity.py`, `test_sas_parity.py` and `test_sas_listings.py`. Answers known in
closed form are in `test_mmrm_analytic.py`, those of a random intercept in
`test_lmm_equivalence.py`. Where numbers differ by definition, see
[differences.md](differences.md).

*Digits* is the number of significant digits that agree, at most {most}. Elements of a
matrix, coefficients and limits near zero are judged against a thousandth of the largest
of their group.

R: mmrm 0.3.18 polished to a gradient below 1e-9, emmeans 1.8.4. SAS: PROC MIXED.
"""

OPTIONS = """
## R's methods and ours

| R `method`, `vcov` | here `df`, `vcov` |
|---|---|
| Satterthwaite, Asymptotic | `satterthwaite`, `model` |
| Kenward-Roger, Kenward-Roger | `kenward-roger`, `kenward-roger-mmrm` |
| Kenward-Roger, Kenward-Roger-Linear | `kenward-roger`, `kenward-roger-linear` |
| Residual, Empirical (its default) | `residual`, `cr0` |
| Between-Within, Asymptotic | `between-within`, `model` |
| Satterthwaite, Empirical | `satterthwaite`, `cr0` |
| Satterthwaite, Empirical-Bias-Reduced | `satterthwaite`, `cr2` |
| Satterthwaite, Empirical-Jackknife | `satterthwaite`, `cr3` |
"""

SHORT = {
    "satterthwaite": "Satterthwaite",
    "kenward_roger": "KR",
    "kenward_roger_linear": "KR linear",
    "residual": "residual",
    "between_within": "between-within",
    "empirical_cr0": "CR0",
    "empirical_cr2": "CR2",
    "empirical_cr3": "CR3",
}
KINDS = {
    "loglik": "log likelihood, AIC, AICc, BIC",
    "estimate": "estimates",
    "matrix": "covariance matrices",
    "information": "covariance of the elements of Sigma",
    "std_error": "standard errors",
    "df": "degrees of freedom",
    "statistic": "t statistics",
    "f": "F statistics",
    "p": "p values",
    "limit": "confidence limits",
}
Found = dict[str, dict[str, list[Comparison]]]


def _digits(difference: float) -> str:
    if difference < 10.0**-MOST_DIGITS:
        return f"{MOST_DIGITS}+"
    return str(max(0, int(-np.log10(difference))))


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def _everything() -> Found:
    """Make all comparisons with R: by case, then by ``fit`` or method."""
    return {
        name: {"fit": compare_fit(name)}
        | {method: compare_inference(name, method) for method in methods}
        for name, methods in cases.R_CASES.items()
    }


def _summary(found: Found) -> str:
    rows = []
    for kind, title in KINDS.items():
        same = [
            (c.worst, c, f"{name}, {SHORT.get(block, block)}")
            for name, blocks in found.items()
            for block, comparisons in blocks.items()
            for c in comparisons
            if c.kind == kind
        ]
        count = sum(c.theirs.size for _, c, _ in same)
        worst, c, where = max(same, key=lambda item: item[0])
        rows.append((title, f"{count:,}", f"{worst:.1e}", f"{where}: {c.quantity}"))
    head = ("quantity", "numbers compared", "largest relative difference", "where")
    return _table(head, rows)


def _by_method(found: Found) -> str:
    rows = []
    for name, blocks in found.items():
        worst = {b: max(c.worst for c in found) for b, found in blocks.items()}
        cells = (_digits(worst[b]) if b in worst else "" for b in ("fit", *SHORT))
        rows.append((name, *cells))
    return _table(("case", "fit", *SHORT.values()), rows)


def _by_quantity(found: Found) -> str:
    rows = []
    for name, blocks in found.items():
        for kind in KINDS:
            same = [
                (c.worst, c, block)
                for block, comparisons in blocks.items()
                for c in comparisons
                if c.kind == kind
            ]
            if same:
                _, c, block = max(same, key=lambda item: item[0])
                at = int(np.argmax(c.relative))
                label = c.quantity.replace("_", " ").replace("log likelihood, ", "")
                where = label if block == "fit" else f"{SHORT[block]}, {label}"
                ours, theirs = c.ours.flat[at], c.theirs.flat[at]
                rows.append(
                    (name, where, f"{ours:.10g}", f"{theirs:.10g}", _digits(c.worst))
                )
    return _table(("case", "quantity", "ours", "R", "digits"), rows)


def _difference(fit: MmrmFit) -> Any:
    return contrasts(emmeans(fit, "ARMCD"), reference="PBO").frame.iloc[0]


def _sas_kenward_roger() -> str:
    rows = []
    for name in cases.SAS_KR:
        for vcov in ("kenward-roger", "kenward-roger-linear"):
            fit = cases.fit_case(name, "kenward-roger", vcov)
            theirs = cases.case(name)["results"][vcov.replace("-", "_")]
            sigma = sas.printed_sigma(name)
            there = _difference(at_theta(fit, sas.theta_of(fit, sigma)))
            first = _difference(fit)
            for mine, yours in (("estimate",) * 2, ("std_error", "se"), ("df", "df")):
                off = abs(there[mine] / theirs[yours] - 1)
                numbers = (first[mine], there[mine], theirs[yours])
                rows.append(
                    (
                        f"{name}, {vcov}",
                        mine.replace("_", " "),
                        *(f"{value:.8g}" for value in numbers),
                        _digits(off),
                    )
                )
    head = ("case", "quantity", "ours at the optimum", "ours where SAS stopped", "SAS")
    return _table((*head, "digits"), rows)


def _row(label: str, quantity: str, ours: float, theirs: float) -> tuple[str, ...]:
    digits = _digits(abs(ours / theirs - 1))
    return label, quantity, f"{ours:.8g}", f"{theirs:.8g}", digits


def _sas_alone() -> str:
    rows = []
    for structure, (_, vcov, _) in sas.SAS_ALONE.items():
        ours, theirs = _difference(sas.fit_alone(structure)), sas.sas_alone(structure)
        label = f"{structure}, {vcov}"
        for mine, yours in (
            ("estimate", "Estimate"),
            ("std_error", "StdErr"),
            ("df", "DF"),
        ):
            quantity = mine.replace("_", " ")
            rows.append(_row(label, quantity, ours[mine], theirs[yours]))
    return _table(("structure", "quantity", "ours", "SAS", "digits"), rows)


def _sas_empirical() -> str:
    rows = []
    for name in cases.SAS_EMPIRICAL:
        ours = _difference(cases.fit_case(name, "between-within", "cr0"))
        theirs = cases.case(name)["results"]["difference"]
        for mine, yours in (("estimate",) * 2, ("std_error", "se"), ("df", "df")):
            quantity = mine.replace("_", " ")
            rows.append(_row(name, quantity, ours[mine], theirs[yours]))
    return _table(("case", "quantity", "ours", "SAS", "digits"), rows)


def _sas_printed() -> str:
    rows = []
    for name in cases.SAS_PRINTED:
        fit = cases.fit_case(name)
        results = cases.case(name)["results"]
        ours = tidy(fit).set_index("term").loc["Intercept"]
        effects = {e["effect"]: e for e in results["fixed_effects"]}
        theirs = effects["Intercept"]
        deviance = results["minus2_log_likelihood_last_iteration"]
        rows.append(
            (
                name,
                f"{-2 * fit.loglik:.7f}",
                f"{deviance:.7f}",
                f"{ours.estimate:.5f} ({ours.std_error:.5f}), {ours.df:.1f}",
                f"{theirs['estimate']:g} ({theirs['se']:g}), {theirs['df']:g}",
            )
        )
    head = ("case", "-2 log L, ours", "SAS", "intercept (SE), df, ours", "SAS")
    return _table(head, rows)


def _variants() -> str:
    """Put the three Kenward-Roger variants side by side, one model for all."""
    rows = []
    for structure in (*cases.STRUCTURES, "sp_exp"):
        spec = {
            **cases.case("sas-kr-us")["spec"],
            "covariance": structure,
            "coordinates": "VISITN" if structure == "sp_exp" else None,
        }
        data = cases.data_of("data/fev_data.csv")
        errors = [
            _difference(cases.fit_spec(spec, data, df, vcov)).std_error
            for df, vcov in (
                ("satterthwaite", "model"),
                ("kenward-roger", "kenward-roger"),
                ("kenward-roger", "kenward-roger-linear"),
                ("kenward-roger", "kenward-roger-mmrm"),
            )
        ]
        shares = (f"{100 * (e / errors[1] - 1):+.3f} %" for e in errors[2:])
        rows.append((f"`{structure}`", *(f"{e:.6f}" for e in errors), *shares))
    head = ("structure", "unadjusted", "`kenward-roger`", "`-linear`", "`-mmrm`")
    return _table((*head, "linear", "mmrm"), rows)


def _largest_variants() -> str:
    """Say how far standard errors move from one variant to the others, by case."""
    rows = []
    for name, methods in cases.R_CASES.items():
        if "kenward_roger" not in methods:
            continue
        errors = {
            vcov: tidy(cases.fit_case(name, "kenward-roger", vcov))["std_error"]
            for vcov in ("kenward-roger", "kenward-roger-linear", "kenward-roger-mmrm")
        }
        natural = errors.pop("kenward-roger")
        shares = []
        for other in errors.values():
            ratio = (other / natural - 1).dropna()
            shares += [f"{100 * ratio.min():+.3f} %", f"{100 * ratio.max():+.3f} %"]
        rows.append((name, *shares))
    head = ("case", "linear, least", "most", "mmrm, least", "most")
    return _table(head, rows)


def main() -> None:
    found = _everything()
    sections = [
        HEAD.format(most=MOST_DIGITS),
        "\n## Summary: against R\n\n",
        f"{len(found)} cases, {sum(len(b) - 1 for b in found.values())} inference"
        " blocks; every number of every one is compared.\n\n",
        _summary(found),
        OPTIONS,
        "\n## Digits that agree with R, the worst number of each block\n\n",
        _by_method(found),
        "\n## SAS, Kenward-Roger\n\n`FEV1 ~ ARMCD`, difference of the arms. SAS stops"
        " at a relative change of 1e-8 of its\nobjective; its digits are compared with"
        " ours at the covariance parameters it printed\n(4 to 6 digits of them). Where"
        " it printed few, the optimum may be nearer (`ar1`, `cs`).\n\n",
        _sas_kenward_roger(),
        "\n## SAS, Kenward-Roger, structures without a listing\n\nOurs at the optimum,"
        " SAS where it stopped.\n\n",
        _sas_alone(),
        '\n## SAS, `EMPIRICAL`\n\n`df="between-within", vcov="cr0"`, ours at the'
        " optimum.\n\n",
        _sas_empirical(),
        "\n## SAS, printed listings\n\nOurs at the optimum. All numbers of the listings"
        " are compared in\n`tests/parity/test_sas_listings.py`.\n\n",
        _sas_printed(),
        "\n## The three Kenward-Roger variants\n\nStandard error of TRT - PBO in `FEV1"
        " ~ ARMCD` on `fev_data`; the last two columns are\nrelative to"
        " `kenward-roger`, which is SAS's.\n\n",
        _variants(),
        "\nChange of the standard errors of all coefficients, relative to"
        " `kenward-roger`:\n\n",
        _largest_variants(),
        "\n## Every case against R, the worst number of each quantity\n\n",
        _by_quantity(found),
    ]
    TARGET.write_text("".join(sections), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
