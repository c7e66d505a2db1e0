"""The generating model: targets, dropout at random, two roads to the outcome."""

from __future__ import annotations

import numpy as np
import pytest

from outcomes.errors import SpecError
from outcomes.simulate.course import Conditions
from outcomes.simulate.ideal import describe, everybody, sample
from outcomes.simulate.preset import Preset, load_preset
from outcomes.simulate.scores import (
    MEQ_FACTORS,
    complete_experience,
    meets_symptoms,
    soft_floor,
    spread,
)
from outcomes.simulate.streams import Streams
from outcomes.simulate.trial import build_trial
from outcomes.simulate.truth import truth_of

MDMA, PSILOCYBIN = load_preset("mdma-ptsd"), load_preset("psilocybin-trd")
N = 6000


@pytest.fixture(scope="module")
def ideal() -> dict[str, dict[str, dict[str, object]]]:
    found = {}
    for preset in (MDMA, PSILOCYBIN):
        streams = Streams(5)
        people = sample(preset, streams, N)
        courses = everybody(preset, streams, people, Conditions(dropout=False))
        found[preset.id] = {
            arm: describe(preset, streams, people, course)
            for arm, course in courses.items()
        }
    return found


def with_effect(preset: Preset, effect: object) -> Preset:
    road = preset.experience.model_copy(update={"effect": effect})
    return preset.model_copy(update={"experience": road})


@pytest.mark.parametrize("preset", [MDMA, PSILOCYBIN], ids=lambda p: p.id)
def test_change_at_the_primary_visit_is_the_published_one(ideal, preset) -> None:
    # Monte Carlo error of a mean of 6000 with SD 13 is 0.17; three of them.
    for arm, target in preset.course.target[preset.course.primary].items():
        found = ideal[preset.id][arm]["change_mean"][preset.course.primary]
        assert abs(found - target) < 0.5, arm


def test_residual_sd_is_near_the_planning_values(ideal) -> None:
    for arm in ideal["mdma-ptsd"].values():
        assert 11.5 < arm["residual_sd_primary"] < 13.0
    pooled = np.sqrt(
        np.mean(
            [a["residual_sd_primary"] ** 2 for a in ideal["psilocybin-trd"].values()]
        )
    )
    assert 10.7 < pooled < 12.2


def test_baselines_are_near_the_published_ones(ideal) -> None:
    mdma, psilocybin = ideal["mdma-ptsd"]["MDMA"], ideal["psilocybin-trd"]["PSI25"]
    assert abs(mdma["baseline_mean"] - 39.0) < 0.6
    assert abs(mdma["baseline_sd"] - 6.65) < 0.5
    assert abs(psilocybin["baseline_mean"] - 32.5) < 0.6
    assert abs(psilocybin["baseline_sd"] - 6.0) < 0.6


def test_rates_are_near_the_published_ones(ideal) -> None:
    published = {
        ("mdma-ptsd", "MDMA"): {
            "response": 86.5,
            "loss_of_diagnosis": 71.2,
            "remission": 46.2,
        },
        ("mdma-ptsd", "PBO"): {
            "response": 69.0,
            "loss_of_diagnosis": 47.6,
            "remission": 21.4,
        },
        ("psilocybin-trd", "PSI25"): {
            "response": 37,
            "remission": 29.1,
            "sustained_response": 20.3,
        },
        ("psilocybin-trd", "PSI10"): {
            "response": 19,
            "remission": 9,
            "sustained_response": 5,
        },
        ("psilocybin-trd", "PSI1"): {
            "response": 18,
            "remission": 7.6,
            "sustained_response": 10.1,
        },
    }
    for (study, arm), rates in published.items():
        for name, percent in rates.items():
            found = ideal[study][arm]["rates_percent_primary"][name]
            assert abs(found - percent) < 6.0, (study, arm, name, found)


def test_complete_experience_depends_on_the_dose(ideal) -> None:
    arms = ideal["psilocybin-trd"]
    complete = [
        arms[a]["complete_experience_percent"] for a in ("PSI25", "PSI10", "PSI1")
    ]
    assert 53 < complete[0] < 62
    assert complete[0] > complete[1] > complete[2]
    assert complete[2] < 15


def test_experience_goes_with_outcome_as_strongly_as_asked(ideal) -> None:
    assert (
        -0.5 < ideal["psilocybin-trd"]["PSI25"]["experience_change_correlation"] < -0.35
    )
    assert -0.3 < ideal["mdma-ptsd"]["MDMA"]["experience_change_correlation"] < -0.05


def test_without_a_causal_effect_openness_alone_keeps_the_association() -> None:
    slopes = {}
    for effect in (0, "partial", "full"):
        preset = with_effect(PSILOCYBIN, effect)
        streams = Streams(8)
        people = sample(preset, streams, N)
        course = everybody(preset, streams, people, Conditions(dropout=False))["PSI25"]
        change = (course.total[:, 3] - course.total[:, 0]).astype(float)
        percent = course.experience[:, 0]
        design = np.column_stack([np.ones(N), percent, people.openness])
        crude = np.corrcoef(percent, change)[0, 1]
        adjusted = np.linalg.lstsq(design, change, rcond=None)[0][1]
        slopes[effect] = crude, adjusted
    assert -0.35 < slopes[0][0] < -0.10
    assert abs(slopes[0][1]) < 0.04  # points per percent, only expectancy is left
    assert slopes["full"][0] < slopes["partial"][0] < slopes[0][0]
    assert slopes["full"][1] < slopes["partial"][1] < -0.06


def test_total_effect_is_direct_plus_indirect() -> None:
    effects = truth_of(build_trial(with_effect(PSILOCYBIN, 0), 3))["experience"]
    assert effects["causal_effect_per_percent"] == 0
    for arm in effects["latent_mediation_primary"].values():
        assert arm["indirect"] == 0
        assert arm["total"] == pytest.approx(arm["direct"] + arm["indirect"])


def test_dropout_depends_on_arm_and_last_observed_score_only() -> None:
    preset = MDMA
    early: dict[bool, list[float]] = {True: [], False: []}
    share = np.zeros(2)
    for seed in range(3):
        trial = build_trial(preset, seed, size=10)
        course, arm = trial.course, trial.cohort.planned
        left = ~course.attended[:, -1]
        share += [left[arm == k].mean() / 3 for k in (0, 1)]
        # Control arm, leaving before the last visit, by the last score seen.
        before = course.done[:, 2] & (arm == 1)
        gone = before & ~course.attended[:, 3]
        early[True] += course.total[gone, 2].tolist()
        early[False] += course.total[before & ~gone, 2].tolist()
        # Given that score, the one nobody saw does not matter.
        band = before & (course.total[:, 2] >= 20) & (course.total[:, 2] <= 35)
        unseen = course.total[:, 3]
        gap = unseen[band & gone].mean() - unseen[band & ~gone].mean()
        assert abs(gap) < 6
    assert share[0] < 0.05
    assert 0.12 < share[1] < 0.24
    assert np.mean(early[True]) > np.mean(early[False]) + 1


def test_nobody_comes_back_after_leaving() -> None:
    for preset in (MDMA, PSILOCYBIN):
        attended = build_trial(preset, 4, size=3).course.attended
        assert (np.diff(attended.astype(int), axis=1) <= 0).all()
        assert attended[:, 0].all()


def test_effect_fades_after_week_three_and_antidepressants_start_then() -> None:
    trial = build_trial(PSILOCYBIN, 6, size=6)
    change = trial.course.total[:, 1:] - trial.course.total[:, [0]]
    high = trial.cohort.actual == 0
    means = change[high].mean(axis=0)
    assert means[5] > means[2] + 1.0
    rescued = trial.course.rescued < 1000
    assert 0.08 < rescued.mean() < 0.3
    start = trial.cohort.days["WEEK3"][rescued]
    assert (trial.course.rescued[rescued] > start).all()


def test_raters_and_teams_leave_their_mark() -> None:
    trial = build_trial(MDMA, 2, size=10)
    people = trial.cohort.people
    baseline = trial.course.total[:, 0] - people.severity
    effect = trial.raters.severity[trial.course.rater[:, 0]]
    assert np.corrcoef(baseline, effect)[0, 1] > 0.1
    change = trial.course.total[:, 3] - trial.course.total[:, 0]
    assert np.corrcoef(trial.cohort.team, change)[0, 1] > 0.03


def test_a_new_part_does_not_move_the_others() -> None:
    one, other = Streams(9), Streams(9)
    one.part("something new").random(5)
    assert one.part("people").random() == other.part("people").random()
    assert Streams(9).part("people").random() != Streams(10).part("people").random()
    assert one.part("people").random() != one.part("traits").random()


def test_adverse_event_tables_do_not_move_scores() -> None:
    safety = MDMA.safety.model_copy(update={"events": MDMA.safety.events[:3]})
    fewer = MDMA.model_copy(update={"safety": safety})
    assert np.array_equal(
        build_trial(MDMA, 1).course.total, build_trial(fewer, 1).course.total
    )


def test_items_add_up_to_the_total_and_follow_propensity() -> None:
    rng = np.random.default_rng(1)
    total = rng.integers(0, 81, 500)
    propensity = rng.standard_normal((500, 20))
    items = spread(total, propensity, 4)
    assert (items.sum(axis=1) == total).all()
    assert items.min() >= 0
    assert items.max() <= 4
    both = (total > 5) & (total < 75)
    top = np.take_along_axis(items, propensity.argmax(axis=1)[:, None], axis=1)[:, 0]
    low = np.take_along_axis(items, propensity.argmin(axis=1)[:, None], axis=1)[:, 0]
    assert (top >= low)[both].all()


def test_soft_floor_leaves_high_scores_alone() -> None:
    x = np.array([-40.0, 0.0, 40.0])
    low, middle, high = soft_floor(x, 4.0)
    assert 0 < low < 1e-3
    assert middle == pytest.approx(4.0 * np.log(2.0))
    assert high == pytest.approx(40.0, abs=1e-3)


def test_symptom_rule_needs_every_cluster() -> None:
    items = np.zeros((3, 20), dtype=np.int64)
    items[:, [0, 5, 7, 8, 14, 15]] = 2
    items[1, 5] = 1
    items[2] = 2
    items[2, 5:7] = 1
    assert meets_symptoms(items).tolist() == [True, False, False]


def test_complete_experience_is_decided_on_each_factor() -> None:
    assert sorted(i for f in MEQ_FACTORS for i in f) == list(range(1, 31))
    items = np.full((2, 30), 3, dtype=np.int64)
    items[1, 28] = 2
    assert complete_experience(items).tolist() == [True, False]


def test_truth_names_everything_that_generated_the_data() -> None:
    for preset in (MDMA, PSILOCYBIN):
        truth = truth_of(build_trial(preset, 11))
        assert truth["synthetic"] is True
        assert truth["generator"]["seed"] == 11
        assert set(truth) == {
            "synthetic",
            "study",
            "title",
            "generator",
            "arms",
            "primary_visit",
            "effects",
            "residual_covariance",
            "severity",
            "course",
            "items",
            "experience",
            "expectancy",
            "relapse",
            "follow_up",
            "time_to_event",
            "rescue",
            "dropout",
            "guesses",
            "adverse_events",
            "this_trial",
        }
        realised = truth["effects"]["realised"]["treatment_policy"]
        assert set(realised["arms"]) == set(preset.arm_ids)
        matrix = np.array(truth["residual_covariance"]["by_arm"][preset.arm_ids[0]])
        assert np.allclose(matrix, matrix.T)
        assert np.linalg.eigvalsh(matrix).min() > 0


def test_latent_covariance_is_that_of_the_latent_scores() -> None:
    # Far above the floor scores are the latent ones, so their covariance must be
    # the one the truth file states, given severity at entry.
    severity = MDMA.severity.model_copy(
        update={"mean": 60.0, "sd": 1e-6, "severity_slope": 0.0, "screening_minimum": 0}
    )
    preset = MDMA.model_copy(update={"severity": severity})
    streams = Streams(2)
    people = sample(preset, streams, 20_000)
    course = everybody(
        preset, streams, people, Conditions(dropout=False, rescue=False)
    )["PBO"]
    found = np.cov(course.total[:, 1:].T)
    stated = np.array(
        truth_of(build_trial(preset, 1))["residual_covariance"]["by_arm"]["PBO"]
    )
    stated += preset.severity.rater_drift_sd**2 * np.eye(3)  # about a year of drift
    assert np.allclose(found, stated, rtol=0.06, atol=2.0)


def test_an_arm_missing_from_a_mapping_is_refused() -> None:
    content = MDMA.model_dump()
    del content["dropout"]["intercept"]["PBO"]
    with pytest.raises(ValueError, match=r"dropout.intercept must name the arms"):
        Preset.model_validate(content)


def test_an_unknown_key_of_a_preset_is_refused() -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        Preset.model_validate(MDMA.model_dump() | {"surprise": 1})


def test_impossible_arm_sizes_are_refused() -> None:
    arms = [
        a.model_copy(update={"n": n}) for a, n in zip(MDMA.arms, (4, 100), strict=True)
    ]
    with pytest.raises(SpecError, match="no allocation"):
        build_trial(MDMA.model_copy(update={"arms": arms}), 1)
