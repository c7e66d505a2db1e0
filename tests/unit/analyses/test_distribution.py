from __future__ import annotations

from hand_made import adqs, adsl, baseline, record, run, study, subject

ECDF = {
    "id": "curve",
    "question": "distribution",
    "estimand": "policy",
    "visit": "WEEK3",
}


def test_each_point_is_the_share_at_or_below_it() -> None:
    values = {"1": 10, "2": 20, "3": 10, "4": 40, "5": None}
    rows = [baseline(id, 30) for id in values]
    rows += [record(id, "WEEK3", aval, 30) for id, aval in values.items()]
    subjects = adsl(*(subject(id) for id in values), subject("6", "CTL"))
    found = run(study(ECDF), subjects, adqs(*rows))
    x = found.rows(term="ecdf", statistic="x", arm="ACT")
    y = found.rows(term="ecdf", statistic="y", arm="ACT")
    assert x["level"].tolist() == y["level"].tolist() == ["0001", "0002", "0003"]
    assert x["value"].tolist() == [-20, -10, 10]
    assert y["value"].tolist() == [50, 75, 100]
    assert found.value("observed-change", "n", arm="ACT") == 4
    assert found.value("observed-change", "n_missing", arm="ACT") == 1
    assert found.value("observed-change", "median", arm="ACT") == -15
    sentence = "no subject of this arm has a change."
    assert found.rows(term="ecdf", arm="CTL")["error"].tolist() == [sentence]
    assert found.value("observed-change", "n", arm="CTL") == 0


def test_a_hypothetical_strategy_leaves_out_values_after_rescue() -> None:
    rows = [baseline("1", 30), record("1", "WEEK3", 10, 30, ICE1FL="Y")]
    rows += [baseline("2", 30), record("2", "WEEK3", 20, 30)]
    subjects = adsl(subject("1"), subject("2"))
    counts = [
        run(study({**ECDF, "estimand": id}), subjects, adqs(*rows)).value(
            "observed-change", "n", arm="ACT"
        )
        for id in ("policy", "no-rescue")
    ]
    assert counts == [2, 1]


def test_two_records_of_one_visit_are_refused() -> None:
    rows = [baseline("1", 30), *[record("1", "WEEK3", 10, 30)] * 2]
    found = run(study(ECDF), adsl(subject("1")), adqs(*rows))
    message = found.one("analysis", "estimate")["error"]
    assert "repeat a subject and visit" in message
    assert "1 at WEEK3" in message
