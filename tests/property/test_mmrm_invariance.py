"""What must not change an MMRM: row order, names, units, how missing is written."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from outcomes.errors import ModelError
from outcomes.models import contrasts, emmeans, fit_mmrm, joint_test, tidy
from outcomes.models.formula import TOKEN, parse_formula
from outcomes.models.mmrm.results import MmrmFit
from unit.models.trials import make_trial

SEEDS = (1, 2)
KINDS: dict[str, dict[str, str]] = {
    "us": {"covariance": "us"},
    "cs": {"covariance": "cs"},
    "ar1": {"covariance": "ar1"},
    "toeph": {"covariance": "toeph"},
    "adh": {"covariance": "adh", "vcov": "kenward-roger-mmrm"},
    "csh by arm": {"covariance": "csh", "group": "arm"},
    "us weighted": {"covariance": "us", "weights": "weight", "vcov": "cr2"},
    "sp_exp": {"covariance": "sp_exp", "coordinates": "day"},
}
# Far below anything printed; the pieces are sums in another order.
REL = 1e-7


def _fit(data: pd.DataFrame, kind: str, **levels: list[object]) -> MmrmFit:
    return fit_mmrm(
        "change ~ base*week + arm*week + site",
        data,
        subject="subject",
        visit="week",
        levels=levels,
        **KINDS[kind],  # type: ignore[arg-type]
    )


def _differences(fit: MmrmFit, reference: str = "placebo") -> pd.DataFrame:
    return contrasts(emmeans(fit, "arm", by="week"), reference=reference).frame


def _assert_same(ours: pd.DataFrame, theirs: pd.DataFrame, *, rel: float = REL) -> None:
    numbers = ["estimate", "std_error", "df", "p_value", "conf_low", "conf_high"]
    np.testing.assert_allclose(
        ours[numbers].to_numpy(dtype=float),
        theirs[numbers].to_numpy(dtype=float),
        rtol=rel,
        atol=1e-9,
    )


@pytest.fixture(params=[(s, k) for s in SEEDS for k in KINDS], scope="module")
def trial(request: pytest.FixtureRequest) -> tuple[pd.DataFrame, str, MmrmFit]:
    seed, kind = request.param
    data = make_trial(seed, arms=("placebo", "low", "high"))
    rng = np.random.default_rng(seed)
    data["weight"] = rng.uniform(0.5, 2.0, len(data))
    data["day"] = 7 * data["week"] + rng.integers(-3, 4, len(data))
    return data, kind, _fit(data, kind)


Trial = tuple[pd.DataFrame, str, MmrmFit]


def test_row_order_does_not_matter(trial: Trial) -> None:
    data, kind, fit = trial
    shuffled = data.sample(frac=1.0, random_state=7)
    again = _fit(shuffled, kind)
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-8)
    _assert_same(tidy(again), tidy(fit))


def test_the_same_call_gives_the_same_bytes(trial: Trial) -> None:
    data, kind, fit = trial
    again = _fit(data, kind)
    assert again.beta.tobytes() == fit.beta.tobytes()
    assert again.cov_inference.tobytes() == fit.cov_inference.tobytes()


def test_names_of_arms_and_subjects_do_not_matter(trial: Trial) -> None:
    data, kind, _ = trial
    names = {"placebo": "zzz", "low": "b", "high": "a"}
    renamed = data.assign(
        arm=data["arm"].map(names), subject=data["subject"].str[::-1] + "x"
    )
    order: list[object] = ["zzz", "a", "b"]
    again = _differences(_fit(renamed, kind, arm=order), reference="zzz")
    plain = _differences(_fit(data, kind, arm=["placebo", "high", "low"]))
    _assert_same(again, plain)


def test_the_reference_level_does_not_matter_to_contrasts(trial: Trial) -> None:
    data, kind, fit = trial
    other = _fit(data, kind, arm=["low", "placebo", "high"])
    key = ["week", "arm"]
    _assert_same(
        _differences(other).sort_values(key), _differences(fit).sort_values(key)
    )
    one = joint_test(contrasts(emmeans(fit, "arm"), reference="low"))
    two = joint_test(contrasts(emmeans(other, "arm"), reference="high"))
    # Degrees of freedom of Fai and Cornelius depend on the rows, not on their span.
    same = ["statistic", "num_df"] if fit.df_method == "satterthwaite" else one.columns
    np.testing.assert_allclose(one[same], two[same], rtol=REL)


@pytest.mark.parametrize(("scale", "shift"), [(1e-4, 0.0), (250.0, -3e4), (-1.0, 10.0)])
def test_units_of_the_outcome_scale_the_results(
    trial: Trial, scale: float, shift: float
) -> None:
    data, kind, fit = trial
    again = _fit(data.assign(change=data["change"] * scale + shift), kind)
    np.testing.assert_allclose(again.sigma, fit.sigma * scale**2, rtol=REL)
    ours, plain = _differences(again), _differences(fit)
    for column in ("estimate", "std_error"):
        factor = scale if column == "estimate" else abs(scale)
        np.testing.assert_allclose(ours[column], plain[column] * factor, rtol=1e-6)
    for column in ("df", "p_value"):
        np.testing.assert_allclose(ours[column], plain[column], rtol=1e-6)
    n = fit.n_records - len(fit.beta)
    assert again.loglik == pytest.approx(fit.loglik - n * np.log(abs(scale)), abs=1e-6)


def test_units_of_a_covariate_do_not_matter(trial: Trial) -> None:
    data, kind, fit = trial
    again = _fit(data.assign(base=data["base"] * -1e3 + 5e4), kind)
    _assert_same(_differences(again), _differences(fit))


def test_explicit_missing_rows_are_absent_rows(trial: Trial) -> None:
    data, kind, fit = trial
    subjects = data.drop_duplicates("subject").drop(columns=["week", "change"])
    grid = subjects.merge(pd.DataFrame({"week": [1, 2, 4, 8]}), how="cross")
    grid = grid.drop(columns=["weight", "day"])
    own = ["subject", "week", "change", "weight", "day"]
    full = grid.merge(data[own], how="left")
    again = _fit(full, kind)
    assert again.n_records == fit.n_records
    assert again.excluded == {"change is missing": len(full) - len(data)}
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-8)
    _assert_same(tidy(again), tidy(fit))


@pytest.mark.parametrize(
    "covariance", ["us", "toeph", "toep", "ar1h", "ar1", "csh", "cs", "adh", "ad"]
)
def test_time_may_run_backwards(covariance: str) -> None:
    data = make_trial(5, arms=("placebo", "low", "high"))
    fits = [
        fit_mmrm(
            "change ~ base + arm*week",
            data,
            subject="subject",
            visit="week",
            covariance=covariance,  # type: ignore[arg-type]
            levels={"week": weeks},
        )
        for weeks in ([1, 2, 4, 8], [8, 4, 2, 1])
    ]
    assert fits[0].loglik == pytest.approx(fits[1].loglik, abs=1e-8)
    forth, back = (_differences(fit).sort_values(["week", "arm"]) for fit in fits)
    _assert_same(forth, back)


def test_a_subject_without_any_record_changes_nothing(trial: Trial) -> None:
    data, kind, fit = trial
    ghost = data.iloc[[0]].assign(subject="ghost", change=np.nan)
    again = _fit(pd.concat([ghost, data]), kind)
    assert again.n_subjects == fit.n_subjects
    _assert_same(tidy(again), tidy(fit))


def test_no_string_gets_past_the_formula_check_but_names_and_operators() -> None:
    rng = np.random.default_rng(11)
    alphabet = list("xyCHG ~:*+-01().,'\"`[]{}_^|/%@!=<>\\#;\n\t2é")
    accepted = 0
    for _ in range(20_000):
        text = "CHG ~ " + "".join(rng.choice(alphabet, size=rng.integers(1, 9)))
        try:
            formula = parse_formula(text, ["CHG", "x", "y", "xy", "C"])
        except ModelError:
            continue
        accepted += 1
        for token in formula.terms.split():
            assert TOKEN.fullmatch(token)
            assert token in {"x", "y", "xy", "C", "0", "1"} or token in ":*+-()"
        # A name is never followed by "(", which the engine would take for a call.
        assert not any(
            a.isidentifier() and b == "("
            for a, b in zip(
                formula.terms.split(), formula.terms.split()[1:], strict=False
            )
        )
    assert accepted > 20
