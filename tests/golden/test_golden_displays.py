"""One reviewed example of each display; README.md beside says how to renew them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from golden.small_trial import small_study, write_results
from outcomes.displays.render import render_displays

# what they share is made once
pytestmark = pytest.mark.xdist_group("golden")

HERE = Path(__file__).parent
DISPLAYS = {
    "disposition-counts": "tables",
    "baseline-characteristics": "tables",
    "missing-observed": "tables",
    "primary-estimates": "tables",
    "response-rates": "tables",
    "mystical-coefficients": "tables",
    "checks-checks": "tables",
    "checks-left-out": "tables",
    "primary-over-time": "figures",
    "spread-ecdf": "figures",
    "mystical-scatter": "figures",
    "checks-residuals": "figures",
    "checks-correlation": "figures",
    "checks-influence": "figures",
    "course-probabilities": "tables",
    "course-probability-curves": "figures",
    "clusters-components": "tables",
    "clusters-caterpillar": "figures",
    "relapse-durability": "tables",
    "relapse-entry": "tables",
    "relapse-survival": "figures",
    "relapse-incidence": "figures",
    "relapse-swimmer": "figures",
    "relapse-hazards": "figures",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    study = small_study(folder)
    write_results(folder, study)
    ids = [analysis.id for analysis in study.spec.analyses]
    render_displays(study, ids, folder / "ard", folder)
    return folder


def test_every_display_has_a_golden_file(results: Path) -> None:
    made = {path.stem for path in results.glob("*s/*.json")}
    assert made == set(DISPLAYS)


@pytest.mark.parametrize("id", DISPLAYS)
def test_display_reads_as_reviewed(results: Path, id: str) -> None:
    content = json.loads((results / DISPLAYS[id] / f"{id}.json").read_text("utf-8"))
    shown = _readable(content)
    golden = HERE / f"{id}.html"
    if os.environ.get("OUTCOMES_RENEW_GOLDEN"):
        golden.write_text(shown, encoding="utf-8", newline="\n")
    assert shown == golden.read_text(encoding="utf-8"), (
        f"{id} changed; look at the difference, then renew as README.md says"
    )


def _readable(content: dict[str, object]) -> str:
    """Return a page that a browser opens, with all that the description says."""
    lines = ["<!DOCTYPE html>", '<meta charset="utf-8">']
    for name in ("name", "title", "population", "label", "caption", "alt"):
        if name in content:
            lines.append(f"<p>{name}: {content[name]}</p>")
    if content["kind"] == "figure":
        lines += [f"<p>footnote: {note}</p>" for note in content["footnotes"]]  # type: ignore[attr-defined]
    lines.append(str(content.get("html", content.get("numbers"))))
    return "\n".join(lines) + "\n"
