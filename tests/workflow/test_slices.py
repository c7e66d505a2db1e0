"""A job reads no more of the study file than its digest covers.

Each stage runs on a study in which everything outside its slice fails when touched,
and must give the bytes it gives on the whole study.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from clones import digests

from outcomes.analyses.run import run_analyses
from outcomes.derive import derive_study
from outcomes.displays.catalogue import planned_displays
from outcomes.displays.render import render_displays
from outcomes.ingest.read import ingest_study
from outcomes.plan import _ANALYSE, _DERIVE, _DISPLAY, _INGEST
from outcomes.study.analyses import (
    AnyAnalysis,
    BaselineCharacteristics,
    Change,
    Clustering,
    Diagnostics,
    Disposition,
    LongitudinalResponders,
    PredictsOutcome,
    TimeToEvent,
)
from outcomes.study.load import StudyFile, load_study
from outcomes.study.model import LmmModel
from outcomes.study.spec import Sources, Study, StudyInfo, SubjectSource
from shared import ROOT

pytestmark = pytest.mark.xdist_group("slices")


_LABELLED = (
    BaselineCharacteristics,
    Clustering,
    Diagnostics,
    LongitudinalResponders,
    TimeToEvent,
)
"""Questions whose results hold the labels of declared covariates."""


class Forbidden:
    """Stands for a section that a job must not read."""

    def __init__(self, name: str) -> None:
        self.__dict__["name"] = name

    def _fail(self, *_: object) -> Any:
        raise AssertionError(f"a job reads {self.__dict__['name']}, not in its slice")

    __getattr__ = __iter__ = __bool__ = __eq__ = __len__ = __getitem__ = _fail
    __contains__ = __call__ = __str__ = __hash__ = _fail  # type: ignore[assignment]


def restricted(
    study: StudyFile, sections: tuple[str, ...], **replaced: object
) -> StudyFile:
    spec = study.spec
    values: dict[str, Any] = {name: Forbidden(name) for name in Study.model_fields}
    values |= {name: getattr(spec, name) for name in sections}
    if "study" not in sections:
        others = {name: Forbidden(f"study.{name}") for name in StudyInfo.model_fields}
        values["study"] = StudyInfo.model_construct(
            **{**others, "id": spec.study.id}  # type: ignore[arg-type]
        )
    values |= replaced
    return StudyFile(Study.model_construct(**values), study.path, study.data_root)


@pytest.fixture(scope="module")
def study() -> StudyFile:
    return load_study(ROOT / "data/mdma-ptsd/study.yaml")


@pytest.fixture(scope="module")
def whole(study: StudyFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    ingest_study(study, out / "sdtm")
    derive_study(study, out / "sdtm", out / "adam")
    ids = [analysis.id for analysis in study.spec.analyses]
    run_analyses(study, ids, out / "adam", out / "ard")
    shown = [display.id for display in planned_displays(study.spec)]
    render_displays(study, shown, out / "ard", out / "shown")
    return out


def test_ingest(study: StudyFile, whole: Path, tmp_path: Path) -> None:
    endpoints = {
        name: type(endpoint).model_construct(
            instrument=getattr(endpoint, "instrument", None),
            score=getattr(endpoint, "score", None),
        )
        for name, endpoint in study.spec.endpoints.items()
    }
    analyses = [
        PredictsOutcome.model_construct(predictor=analysis.predictor)
        for analysis in study.spec.analyses
        if isinstance(analysis, PredictsOutcome)
    ]
    part = restricted(study, _INGEST, endpoints=endpoints, analyses=analyses)
    ingest_study(part, tmp_path)
    assert digests(tmp_path) == digests(whole / "sdtm")


def test_derive(study: StudyFile, whole: Path, tmp_path: Path) -> None:
    derive_study(restricted(study, _DERIVE), whole / "sdtm", tmp_path)
    assert digests(tmp_path) == digests(whole / "adam")


def made_of(spec: Study, names: set[str | None]) -> set[str | None]:
    """Return endpoints and the yes/no endpoints they are made of, however deep."""
    found: set[str | None] = set()
    waiting = [name for name in names if name is not None]
    while waiting:
        name = waiting.pop()
        endpoint = spec.endpoints[name]
        of = getattr(endpoint, "of", [])
        parts = [of] if isinstance(of, str) else [*of, *getattr(endpoint, "parts", [])]
        waiting += [part for part in parts if part not in found]
        found.add(name)
    return found


def read_by(study: StudyFile, analysis: AnyAnalysis) -> StudyFile:
    """Return the study with no more than an analysis reads."""
    spec = study.spec
    counted = [
        other
        for other in spec.analyses
        if isinstance(analysis, Disposition)
        and isinstance(other, Change)
        and other.prespecified
    ]
    parts = [analysis, *counted]
    if isinstance(analysis, Diagnostics):
        parts.append(spec.analysis(analysis.of))
    names = {getattr(part, "estimand", None) for part in parts}
    names |= set(getattr(analysis, "estimands", {}).values())
    estimands = [estimand for estimand in spec.estimands if estimand.id in names]
    used = {getattr(part, "endpoint", None) for part in parts}
    used |= set(getattr(analysis, "endpoints", []))
    used |= set(getattr(analysis, "scores", []))
    used |= {getattr(analysis, "baseline", None)}
    used |= {estimand.endpoint for estimand in estimands}
    if isinstance(analysis, TimeToEvent):
        weights = analysis.entry_weights
        used |= set(weights.history if weights is not None else [])
        used = made_of(spec, used)
    replaced: dict[str, object] = {
        "analyses": parts,
        "estimands": estimands,
        "endpoints": {k: v for k, v in spec.endpoints.items() if k in used},
    }
    model = getattr(analysis, "model", None)
    if isinstance(analysis, _LABELLED) or isinstance(model, LmmModel):
        dm = SubjectSource.model_construct(covariates=spec.sources.dm.covariates)
        replaced["sources"] = Sources.model_construct(dm=dm)
    return restricted(study, _ANALYSE, **replaced)


def test_every_analysis(study: StudyFile, whole: Path, tmp_path: Path) -> None:
    for analysis in study.spec.analyses:
        part = read_by(study, analysis)
        run_analyses(part, [analysis.id], whole / "adam", tmp_path)
    assert digests(tmp_path) == digests(whole / "ard")


def test_a_study_with_a_follow_up(tmp_path: Path) -> None:
    study = load_study(ROOT / "data/psilocybin-trd/study.yaml")
    ingest_study(study, tmp_path / "sdtm")
    derive_study(study, tmp_path / "sdtm", tmp_path / "adam")
    part = restricted(study, _DERIVE)
    derive_study(part, tmp_path / "sdtm", tmp_path / "part/adam")
    assert digests(tmp_path / "part/adam") == digests(tmp_path / "adam")
    timed = [one for one in study.spec.analyses if isinstance(one, TimeToEvent)]
    assert any(one.entry_weights is not None for one in timed)
    run_analyses(study, [one.id for one in timed], tmp_path / "adam", tmp_path / "ard")
    for one in timed:
        part = read_by(study, one)
        run_analyses(part, [one.id], tmp_path / "adam", tmp_path / "part/ard")
    assert digests(tmp_path / "part/ard") == digests(tmp_path / "ard")


def test_every_display(study: StudyFile, whole: Path, tmp_path: Path) -> None:
    spec = study.spec
    part = restricted(study, _DISPLAY, analyses=spec.analyses, displays=spec.displays)
    shown = [display.id for display in planned_displays(spec)]
    render_displays(part, shown, whole / "ard", tmp_path)
    assert digests(tmp_path) == digests(whole / "shown")


def test_a_forbidden_section_fails_when_touched(study: StudyFile) -> None:
    part = restricted(study, _ANALYSE)
    with pytest.raises(AssertionError, match="reads sources"):
        _ = part.spec.sources.dm
    with pytest.raises(AssertionError, match="reads displays"):
        list(part.spec.displays)
