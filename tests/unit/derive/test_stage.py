from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trials import (
    Frame,
    derive,
    dose,
    madrs,
    meq,
    not_done,
    one,
    sources,
    study,
    subject,
    tables,
)

from outcomes.datasets.adam import ADQS, ADSL, ADTTE
from outcomes.datasets.results import ISSUES
from outcomes.datasets.sdtm import TABLES
from outcomes.datasets.store import (
    empty,
    read_csv,
    read_table,
    write_csv,
    write_table,
)
from outcomes.derive import derive_study
from outcomes.errors import DataError
from outcomes.study import StudyFile
from outcomes.study.tables import tables_of


def trial(n: int, seed: int = 1) -> dict[str, Frame]:
    """Return a trial with everything that can go wrong in it, of ``n`` subjects."""
    rng = np.random.default_rng(seed)
    start = np.datetime64("2024-03-10")

    def on(offset: int) -> str:
        return str(start + offset)

    out: dict[str, list[Any]] = {name: [] for name in TABLES}
    for number in range(n):
        id = f"S{number:03d}"
        arm = ["HIGH", "LOW", "SCRNFAIL"][number % 7 % 3]
        out["dm"].append(subject(id, arm, SITEID=f"X{number % 5}"))
        out["qs"].append(madrs(id, "BASE", int(rng.integers(20, 40)), on(-1)))
        if arm == "SCRNFAIL":
            continue
        if number % 11:
            out["ex"].append(dose(id))
        if number % 4 == 0:
            out["cm"].append({"USUBJID": id, "CMCAT": "RESCUE", "CMSTDTC": on(9)})
        for visit, day in (("WEEK1", 7), ("WEEK3", 21)):
            total = int(rng.integers(0, 40))
            kind = rng.integers(0, 8)
            when = on(day + int(rng.integers(-6, 7)))
            if kind == 0:
                out["qs"].append(not_done(id, visit))
            elif kind == 1:
                out["qs"].append(madrs(id, visit, None, when))
            else:
                out["qs"].append(madrs(id, visit, total, when))
            if kind == 2:
                out["qs"].append(madrs(id, "UNSCHEDULED", total, on(day + 2)))
        out["qs"].append(meq(id, 1, int(rng.integers(0, 6))))
        term = "COMPLETED" if number % 5 else "ADVERSE EVENT"
        out["ds"].append({"USUBJID": id, "DSDECOD": term, "DSSTDTC": on(30)})
    return tables(**{name: rows for name, rows in out.items() if rows})


@pytest.fixture(scope="module")
def derived() -> tuple[dict[str, Frame], Frame, Frame, list[Any]]:
    sdtm = trial(40)
    return (sdtm, *derive(study(), sdtm))


def test_every_administration_is_in_the_dataset(derived: Any) -> None:
    sdtm, _, adqs, _ = derived
    groups = set(zip(sdtm["qs"]["USUBJID"], sdtm["qs"]["QSGRPID"], strict=True))
    scores = adqs[adqs["SRCDOM"] == "QS"]
    assert set(zip(scores["USUBJID"], scores["SRCGRP"], strict=True)) == groups
    assert adqs["SRCGRP"].replace("", None).nunique() == sdtm["qs"]["QSGRPID"].nunique()


def test_every_administration_has_each_score_once(derived: Any) -> None:
    _, _, adqs, _ = derived
    scores = adqs[adqs["SRCDOM"] == "QS"]
    counts = scores.groupby(["PARCAT1", "USUBJID", "SRCGRP"])["PARAMCD"]
    expected = {
        "MADRS": 1,
        "MEQ30": scores.query("PARCAT1 == 'MEQ30'").PARAMCD.nunique(),
    }
    for (name, *_), codes in counts:
        assert len(codes) == codes.nunique() == expected[name]


def test_a_record_is_analysed_or_has_a_reason(derived: Any) -> None:
    _, _, adqs, notes = derived
    analysed, reasoned = adqs["ANL01FL"] == "Y", adqs["ANL01RS"] != ""
    assert (analysed ^ reasoned).all()
    assert adqs.loc[analysed, "AVAL"].notna().all()
    place = ["USUBJID", "PARAMCD", "AVISIT", "SESSION"]
    assert not adqs[analysed].duplicated(place).any()
    scores = adqs[reasoned].groupby(["PARCAT1", "ANL01RS"]).size()
    said = {
        (n.value, n.message.split(":")[0]): n.message
        for n in notes
        if n.rule == "not-analysed"
    }
    assert set(said) == set(scores.index)
    for key, count in scores.items():
        assert f"({count} record" in said[key]


def test_the_order_of_input_rows_changes_nothing(derived: Any) -> None:
    sdtm, adsl, adqs, notes = derived
    for seed in range(3):
        mixed = {
            name: table.sample(frac=1, random_state=seed, ignore_index=True)
            for name, table in sdtm.items()
        }
        again = derive(study(), mixed)
        pd.testing.assert_frame_equal(again[0], adsl)
        pd.testing.assert_frame_equal(again[1], adqs)
        assert again[2] == notes


def test_nri_rows_complete_subjects_and_visits(derived: Any) -> None:
    _, adsl, adqs, _ = derived
    rows = adqs[adqs["PARAMCD"] == "MADRSRSP"]
    n = int((adsl["RANDFL"] == "Y").sum())
    assert rows.groupby("AVISIT").size().to_dict() == {"WEEK1": n, "WEEK3": n}
    assert not rows.duplicated(["USUBJID", "AVISIT"]).any()


def written(folder: Path, sdtm: dict[str, Frame]) -> Path:
    for name in tables_of(study()):
        frame = sdtm.get(name, empty(TABLES[name]))
        write_table(frame, folder / f"{name}.parquet", TABLES[name])
    issues = pd.DataFrame(
        [{"stage": "ingest", "severity": "note", "rule": "=x", "message": "m"}]
    )
    write_csv(issues, folder / "issues.csv", ISSUES)
    return folder


def test_the_stage_writes_both_tables_and_continues_the_log(tmp_path: Path) -> None:
    sdtm = written(tmp_path / "sdtm", trial(12))
    file = StudyFile(study(), tmp_path / "study.yaml", tmp_path)
    outs = [tmp_path / "one", tmp_path / "two"]
    for out in outs:
        derive_study(file, sdtm, out)
    names = sorted(path.name for path in outs[0].iterdir())
    assert names == ["adqs.parquet", "adsl.parquet", "adtte.parquet", "issues.csv"]
    for name in names:
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()
    assert len(read_table(outs[0] / "adsl.parquet", ADSL)) == 12
    assert len(read_table(outs[0] / "adqs.parquet", ADQS)) > 12
    assert read_table(outs[0] / "adtte.parquet", ADTTE).empty
    log = read_csv(outs[0] / "issues.csv", ISSUES)
    assert one(log, stage="ingest")["rule"] == "=x"
    assert (log["stage"] == "derive").sum() > 3


def test_the_stage_names_the_table_that_is_missing(tmp_path: Path) -> None:
    sdtm = written(tmp_path / "sdtm", trial(3))
    (sdtm / "dm.parquet").unlink()
    file = StudyFile(study(), tmp_path / "study.yaml", tmp_path)
    with pytest.raises(DataError, match=r"dm\.parquet: no such file"):
        derive_study(file, sdtm, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_table_that_no_source_gives_any_more_is_not_read(tmp_path: Path) -> None:
    rescued = trial(9)
    assert len(rescued["cm"])
    sdtm = written(tmp_path / "sdtm", rescued)
    file = StudyFile(study(sources=sources(cm=None)), tmp_path / "s.yaml", tmp_path)
    derive_study(file, sdtm, tmp_path / "with")
    (sdtm / "cm.parquet").unlink()
    derive_study(file, sdtm, tmp_path / "without")
    for name in ("adsl.parquet", "adqs.parquet", "adtte.parquet", "issues.csv"):
        one, two = (tmp_path / folder / name for folder in ("with", "without"))
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("name", ["dm", "qs", "ex"])
def test_tables_of_another_study_are_refused(name: str, tmp_path: Path) -> None:
    foreign = trial(3)
    foreign[name] = foreign[name].assign(STUDYID="other")
    sdtm = written(tmp_path / "sdtm", foreign)
    file = StudyFile(study(), tmp_path / "study.yaml", tmp_path)
    with pytest.raises(DataError, match=rf"{name}\.parquet: STUDYID is other, .* of t"):
        derive_study(file, sdtm, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_trial_without_a_subject_is_refused() -> None:
    with pytest.raises(DataError, match="dm: there is no subject"):
        derive(study(), {"dm": empty(TABLES["dm"]), "qs": empty(TABLES["qs"])})


@pytest.mark.parametrize(
    ("doses", "said"),
    [
        ([dose("A")], ["A"]),
        ([dose("A"), dose("A", "2024-04-01", 2)], []),
        ([dose("B", session=2)], ["A"]),
        ([dose("A", session=None), dose("B", session=2)], []),
        ([dose("A", session=None)], []),
    ],
)
def test_a_session_that_was_never_dosed_is_warned_of(
    doses: list[Any], said: list[str]
) -> None:
    people = [subject("A"), subject("B")]
    qs = [madrs("A", "BASE", 30, "2024-03-09"), meq("A", 2, 3, "2024-04-01")]
    notes = derive(study(), tables(dm=people, ex=doses, qs=qs))[2]
    found = [note for note in notes if note.rule == "session-without-dose"]
    assert [note.severity for note in found] == ["warning"] * len(said)
    assert [f"({name})" in n.message for name, n in zip(said, found, strict=True)] == [
        True
    ] * len(said)


def test_a_source_of_totals_is_taken_as_it_is() -> None:
    qs = {
        "file": "h.csv",
        "instrument": "HAMD17",
        "totals": {"total": "hamd"},
        "subject": "id",
        "visit": "visit",
    }
    endpoints = {"c": {"kind": "change", "instrument": "HAMD17", "score": "total"}}
    spec = study(sources=sources(qs=[qs], ex=None), endpoints=endpoints)

    def total(visit: str, value: float | None, day: int | None = None) -> Any:
        return {
            "USUBJID": "A",
            "QSCAT": "HAMD17",
            "QSGRPID": f"H-{visit}",
            "QSTESTCD": "total",
            "QSSTRESN": value,
            "VISIT": visit,
            "QSDY": day,
        }

    sdtm = tables(
        dm=[subject("A", RANDDTC="")],
        qs=[total("BASE", 32), total("WEEK1", 21.5, 7), total("WEEK3", None, 14)],
    )
    _, adqs, _ = derive(spec, sdtm)
    assert adqs["PARAMCD"].tolist() == ["HAMDTOT"] * 3
    assert adqs["CHG"].dropna().tolist() == [-10.5]
    assert adqs["ADY"].dropna().tolist() == [7, 14]
    assert one(adqs, AVISIT="WEEK3")["ANL01RS"] == "NO VALUE"


def test_no_records_at_all_are_refused() -> None:
    sdtm = tables(dm=[subject("A")]) | {"qs": empty(TABLES["qs"])}
    with pytest.raises(DataError, match="nothing to derive"):
        derive(study(), sdtm)


def test_a_trial_of_250_subjects_takes_no_more_than_seconds() -> None:
    sdtm = trial(250)
    began = time.process_time()
    derive(study(), sdtm)
    assert time.process_time() - began < 3.0
