from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest

from golden.small_trial import CONTENT
from outcomes.displays.catalogue import (
    display_problems,
    outputs_of,
    planned_displays,
)
from outcomes.errors import SpecError
from outcomes.study.check import problems_of
from outcomes.study.displays import TEMPLATES
from outcomes.study.spec import Study


def study(*displays: dict[str, Any], repeat_change: int = 0) -> Study:
    content = copy.deepcopy(CONTENT)
    for place in range(repeat_change):
        again = next(a for a in content["analyses"] if a["id"] == "primary")
        content["analyses"].append({**again, "id": f"again-{place}"})
    content["displays"] = list(displays)
    return Study.model_validate(content)


def test_small_trial_is_valid() -> None:
    assert problems_of(study(), Study.model_fields) == []


def test_every_question_has_its_displays() -> None:
    numbers = {d.id: d.number for d in planned_displays(study())}
    assert numbers == {
        "disposition-counts": "14.1.1",
        "baseline-characteristics": "14.1.4",
        "missing-observed": "14.1.8",
        "primary-estimates": "14.2.1",
        "primary-over-time": "F14.2.1",
        "checks-checks": "16.1.9.1",
        "checks-residuals": "F16.1.9.1",
        "checks-correlation": "F16.1.9.2",
        "checks-influence": "F16.1.9.3",
        "checks-left-out": "16.1.9.3",
        "spread-ecdf": "F14.2.3",
        "response-rates": "14.2.3",
        "mystical-scatter": "F14.2.6",
        "mystical-coefficients": "14.2.8",
        "course-probabilities": "14.2.3.1",
        "course-probability-curves": "F14.2.8",
        "clusters-components": "14.2.1.1",
        "clusters-caterpillar": "F14.2.9",
        "relapse-durability": "14.2.4",
        "relapse-entry": "14.2.5",
        "relapse-survival": "F14.2.2",
        "relapse-incidence": "F14.2.4",
        "relapse-swimmer": "F14.2.5",
        "relapse-hazards": "F14.2.7",
    }


def test_titles_name_score_visit_and_predictor() -> None:
    titles = {d.id: d.title for d in planned_displays(study())}
    assert titles["primary-estimates"] == (
        "Change from baseline in MADRS total score, by visit"
    )
    assert titles["spread-ecdf"].endswith("at Week 3")
    assert titles["checks-checks"] == (
        "Residuals and covariance of the model of MADRS total score (primary)"
    )
    assert titles["checks-influence"].endswith("left out (primary)")
    assert titles["mystical-scatter"].startswith("MEQ30")
    assert titles["course-probabilities"].startswith("MADRS response by visit")
    assert titles["clusters-components"].startswith("Variance of MADRS total score")


def test_further_analyses_of_a_question_are_numbered_below_the_first() -> None:
    displays = planned_displays(study(repeat_change=2))
    numbers = [d.number for d in displays if d.template == "estimates"]
    assert numbers == ["14.2.1", "14.2.1.2", "14.2.1.3"]


def test_a_number_given_by_the_study_is_not_given_again() -> None:
    wish = {"id": "primary-estimates", "number": "14.2.1.1"}
    displays = planned_displays(study(wish, repeat_change=2))
    numbers = [d.number for d in displays if d.template == "estimates"]
    assert numbers == ["14.2.1.1", "14.2.1.3", "14.2.1.4"]


def test_study_changes_number_title_and_footnotes() -> None:
    wish = {
        "id": "primary-over-time",
        "number": "14.9",
        "title": "Mood",
        "footnotes": ["Seen."],
    }
    display = next(d for d in planned_displays(study(wish)) if d.id == wish["id"])
    assert display.heading == "Figure 14.9"
    assert (display.title, display.footnotes) == ("Mood", ("Seen.",))


def test_omitting_a_display_leaves_the_other_numbers_alone() -> None:
    whole = {d.id: d.number for d in planned_displays(study(repeat_change=1))}
    wish = {"id": "primary-estimates", "omit": True}
    less = {d.id: d.number for d in planned_displays(study(wish, repeat_change=1))}
    assert whole.pop("primary-estimates") == "14.2.1"
    assert less == whole


def test_override_of_no_display_is_a_problem_with_the_nearest_name() -> None:
    spec = study({"id": "primary-overtime"})
    ((where, message),) = display_problems(spec)
    assert where == "displays.primary-overtime"
    assert "Did you mean 'primary-over-time'?" in message
    with pytest.raises(SpecError, match="no analysis has a display of this id"):
        planned_displays(spec)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"id": "primary-estimates", "number": "one"}, "no display number"),
        ({"id": "primary-estimates", "number": "F14.2.1"}, "this is a table"),
        ({"id": "primary-estimates", "number": "14.1.1"}, "numbers are unique"),
    ],
)
def test_bad_numbers_are_problems(wish: dict[str, str], message: str) -> None:
    assert message in display_problems(study(wish))[0][1]


def test_outputs_are_relative_and_by_kind() -> None:
    displays = {d.id: outputs_of(d) for d in planned_displays(study())}
    assert displays["primary-estimates"] == [
        "tables/primary-estimates.html",
        "tables/primary-estimates.json",
    ]
    assert [path[-3:] for path in displays["primary-over-time"][:3]] == [
        "svg",
        "pdf",
        "png",
    ]


def test_template_names_cannot_make_one_id_twice() -> None:
    names = [t.name for templates in TEMPLATES.values() for t in templates]
    assert len(set(names)) == len(names)
    for one in names:
        assert not any(other.endswith(f"-{one}") for other in names)


def test_catalogue_is_light_to_import() -> None:
    heavy = ["pandas", "numpy", "matplotlib", "scipy", "pyarrow", "jinja2"]
    code = (
        "import sys, outcomes.displays.catalogue;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
