from __future__ import annotations

import math
from typing import Any

import pytest
from hand_made import Results, adqs, adsl, answer, run, study, subject

from outcomes.analyses.responders import Count, add_proportion
from outcomes.ard.rounding import format_number
from outcomes.ard.rows import ArdRows

RESPONDERS: dict[str, Any] = {
    "id": "rates",
    "question": "responders",
    "endpoints": ["response"],
    "population": "FAS",
}
PAIR = {"arm": "ACT", "comparator": "CTL", "visit": "WEEK3"}


def trial(
    active: tuple[int, int], control: tuple[int, int], missing: int = 0, **analysis: Any
) -> Results:
    """Analyse (responders, observed) of two arms, each with so many missing besides."""
    subjects, rows = [], []
    for arm, (yes, n) in (("ACT", active), ("CTL", control)):
        for number in range(n + missing):
            id = f"{arm}{number}"
            subjects.append(subject(id, arm))
            made = number >= n
            rows.append(answer(id, "WEEK3", int(number < yes), made=made))
    return run(study({**RESPONDERS, **analysis}), adsl(*subjects), adqs(*rows))


def percent(found: Results, arm: str, method: str = "observed") -> str:
    row = found.one("responders", "percent", arm=arm, visit="WEEK3", method_id=method)
    return format_number(row["value"], 1)


@pytest.mark.parametrize(
    ("active", "control", "shown"),
    [
        ((45, 52), (29, 42), ("86.5", "69.0")),  # MAPP2 response
        ((37, 52), (20, 42), ("71.2", "47.6")),  # MAPP2 loss of diagnosis
        ((24, 52), (9, 42), ("46.2", "21.4")),  # MAPP2 remission
        ((28, 42), (12, 37), ("66.7", "32.4")),  # MAPP1 loss of diagnosis
        ((14, 42), (2, 37), ("33.3", "5.4")),  # MAPP1 remission
        ((37, 42), (22, 37), ("88.1", "59.5")),  # MAPP1 response
        ((20, 48), (5, 44), ("41.7", "11.4")),  # Raison sustained response
        ((12, 48), (4, 44), ("25.0", "9.1")),  # Raison sustained remission
        ((24, 90), (39, 86), ("26.7", "45.3")),  # SUSTAIN-1 relapse
    ],
)
def test_published_counts_give_the_published_percentages(
    active: tuple[int, int], control: tuple[int, int], shown: tuple[str, str]
) -> None:
    found = trial(active, control)
    assert (percent(found, "ACT"), percent(found, "CTL")) == shown


@pytest.mark.parametrize(
    ("active", "control", "shown"),
    [((20, 48), (5, 44), "30.3"), ((12, 48), (4, 44), "15.9")],
)
def test_published_counts_give_the_published_difference(
    active: tuple[int, int], control: tuple[int, int], shown: str
) -> None:
    row = trial(active, control).one(
        "risk-difference", "estimate", method_id="nri", **PAIR
    )
    assert format_number(row["value"], 1) == shown


@pytest.mark.parametrize(
    ("active", "control", "shown"),
    [((17, 42), (4, 40), "6.12"), ((22, 42), (10, 40), "3.30")],
)
def test_published_counts_give_the_published_odds_ratio(
    active: tuple[int, int], control: tuple[int, int], shown: str
) -> None:
    row = trial(active, control).one("odds-ratio", "estimate", method_id="nri", **PAIR)
    assert format_number(row["value"], 2) == shown


def test_a_published_whole_percentage_is_rounded_from_the_count() -> None:
    ard = ArdRows(study="s", analysis="a", prespecified="N", term="responders")
    add_proportion(ard, Count(14, 26), 0.95)
    frame = ard.frame().set_index("statistic")
    assert format_number(frame.loc["percent", "value"], 0) == "54"
    # Wilson limits of 14/26 by the formula, per cent.
    z, p, n = 1.959963984540054, 14 / 26, 26
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert frame.loc["conf_low", "value"] == pytest.approx(100 * (centre - half))
    assert frame.loc["conf_high", "value"] == pytest.approx(100 * (centre + half))


def test_missing_counts_as_no_and_observed_cases_leave_it_out() -> None:
    found = trial((6, 8), (3, 8), missing=2)
    key = {"arm": "ACT", "visit": "WEEK3"}
    for method, n, denominator in (("nri", 6, 10), ("observed", 6, 8)):
        assert found.value("responders", "n", method_id=method, **key) == n
        here = found.value("responders", "denominator", method_id=method, **key)
        assert here == denominator
    row = found.one("responders", "percent", method_id="nri", **key)
    assert "missing = non-responder" in row["method"]
    assert row["n_subjects"] == 10


def test_a_subject_without_any_row_is_a_non_responder_too() -> None:
    subjects = adsl(subject("1"), subject("2"), subject("3", "CTL"))
    rows = adqs(answer("1", "WEEK3", 1), answer("3", "WEEK3", 0))
    found = run(study(RESPONDERS), subjects, rows)
    key = {"arm": "ACT", "visit": "WEEK3"}
    assert found.value("responders", "percent", method_id="nri", **key) == 50
    assert found.value("responders", "percent", method_id="observed", **key) == 100


def test_rescue_is_no_response_for_a_composite_strategy_only() -> None:
    subjects = adsl(subject("1"), subject("2"), subject("3", "CTL"))
    rows = adqs(
        answer("1", "WEEK3", 1, rescued=True),
        answer("2", "WEEK3", 1),
        answer("3", "WEEK3", 0),
    )
    key = {"arm": "ACT", "visit": "WEEK3", "method_id": "observed"}
    plain = run(study(RESPONDERS), subjects, rows)
    strict = {**RESPONDERS, "population": None, "estimands": {"response": "strict"}}
    composite = run(study(strict), subjects, rows)
    assert plain.value("responders", "n", **key) == 2
    assert composite.value("responders", "n", **key) == 1
    assert composite.value("responders", "denominator", **key) == 2
    row = composite.one("responders", "n", **key)
    assert row["estimand"] == "strict"
    assert "composite" in row["method"]


def test_limits_and_p_value_name_their_methods() -> None:
    newcombe = trial((20, 48), (5, 44))
    score = trial((20, 48), (5, 44), interval="miettinen-nurminen")
    key = {"method_id": "nri", **PAIR}
    for found, name in ((newcombe, "newcombe"), (score, "miettinen-nurminen")):
        assert found.one("risk-difference", "conf_method", **key)["text"] == name
        assert found.one("risk-difference", "p_method", **key)["text"] == "score"
    p = [f.value("risk-difference", "p_value", **key) for f in (newcombe, score)]
    assert p[0] == p[1]
    # The score test of no difference is the chi-square with the factor (N - 1) / N.
    pooled = 25 / 92
    chi = (20 / 48 - 5 / 44) / math.sqrt(pooled * (1 - pooled) * (1 / 48 + 1 / 44))
    assert p[0] == pytest.approx(math.erfc(chi * math.sqrt(91 / 92) / math.sqrt(2)))
    low = [f.value("risk-difference", "conf_low", **key) for f in (newcombe, score)]
    assert low[0] != low[1]


def test_limits_of_miettinen_and_nurminen_agree_with_their_test() -> None:
    found = trial((12, 48), (4, 44), interval="miettinen-nurminen")
    key = {"method_id": "nri", **PAIR}
    low = found.value("risk-difference", "conf_low", **key)
    p = found.value("risk-difference", "p_value", **key)
    assert (low > 0) == (p < 0.05)


def test_only_visits_with_the_instrument_are_reported() -> None:
    found = trial((1, 2), (1, 2))
    assert set(found.frame["visit"]) == {"WEEK3"}
    named = trial((1, 2), (1, 2), visits=["WEEK1"])
    sentence = "no value to analyse at WEEK1, the visit of this analysis."
    assert named.frame["error"].tolist() == [sentence]
    assert named.frame["visit"].tolist() == ["WEEK1"]


def test_a_named_visit_without_values_leaves_the_others_alone() -> None:
    found = trial((1, 2), (1, 2), visits=["WEEK1", "WEEK3"])
    assert len(found.rows(visit="WEEK1")) == 1
    assert found.value("responders", "n", arm="ACT", visit="WEEK3", method_id="nri")


def test_nobody_is_a_non_responder_where_nobody_was_observed() -> None:
    subjects = adsl(subject("1"), subject("2", "CTL"))
    rows = [answer(id, "WEEK1", 0, made=True) for id in ("1", "2")]
    rows += [answer("1", "WEEK3", 1), answer("2", "WEEK3", 0)]
    found = run(study(RESPONDERS), subjects, adqs(*rows))
    assert found.rows(visit="WEEK1")["term"].tolist() == ["visit"]
    assert (found.rows(visit="WEEK3")["error"] == "").all()


def test_a_no_decided_earlier_is_observed_but_shows_no_visit() -> None:
    """A sustained endpoint: seen as a no at week 1, nobody at week 3 itself."""
    subjects = adsl(subject("1"), subject("2", "CTL"))
    decided = {"DTYPE": "GAP", "SRCDOM": "ADSL"}
    rows = [answer(id, "WEEK1", 0) for id in ("1", "2")]
    rows += [{**answer(id, "WEEK3", 0), **decided} for id in ("1", "2")]
    found = run(study(RESPONDERS), subjects, adqs(*rows))
    assert found.rows(visit="WEEK3")["term"].tolist() == ["visit"]
    seen = {**answer("2", "WEEK3", 0), "SRCDOM": "ADQS"}
    found = run(study(RESPONDERS), subjects, adqs(*rows[:3], seen))
    cases = {"visit": "WEEK3", "method_id": "observed"}
    assert found.value("responders", "denominator", arm="ACT", **cases) == 1


def test_an_endpoint_without_records_fails_alone() -> None:
    subjects = adsl(subject("1"), subject("2", "CTL"))
    other = {**answer("1", "WEEK3", 1), "PARAMCD": "OTHER"}
    found = run(study(RESPONDERS), subjects, adqs(other))
    assert "no record of RESP" in found.one("responders", "estimate")["error"]


def test_an_arm_without_observed_cases_has_an_error_in_its_place() -> None:
    subjects = adsl(subject("1"), subject("2", "CTL"))
    rows = adqs(answer("1", "WEEK3", 1), answer("2", "WEEK3", 0, made=True))
    found = run(study(RESPONDERS), subjects, rows)
    key = {"visit": "WEEK3", "method_id": "observed"}
    assert (
        "no subject" in found.one("responders", "estimate", arm="CTL", **key)["error"]
    )
    pair = found.one("risk-difference", "estimate", method_id="observed", **PAIR)
    assert "an arm has no subject" in pair["error"]
    assert found.value("responders", "n", arm="ACT", **key) == 1


def test_an_odds_ratio_without_events_has_no_limits_and_says_why() -> None:
    found = trial((3, 5), (0, 5))
    row = found.one("odds-ratio", "estimate", method_id="nri", **PAIR)
    assert row["value"] == math.inf
    assert row["warning"] == "an arm has no event or only events"
    assert found.rows(term="odds-ratio", statistic="conf_low").empty


def test_a_value_that_is_neither_yes_nor_no_is_refused() -> None:
    rows = adqs(answer("1", "WEEK3", 2))
    found = run(study(RESPONDERS), adsl(subject("1")), rows)
    assert "must be 0 or 1" in found.one("analysis", "estimate")["error"]
