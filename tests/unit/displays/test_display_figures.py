from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.text import Text

from golden.small_trial import small_study, write_results
from outcomes.ard.rows import read_ard
from outcomes.displays.catalogue import planned_displays
from outcomes.displays.charts import (
    Chart,
    Cloud,
    CloudsChart,
    Course,
    CoursesChart,
    Estimate,
    Steps,
    StepsChart,
    Tick,
)
from outcomes.displays.context import Context
from outcomes.displays.description import Figure
from outcomes.displays.drawing.clouds import draw_clouds
from outcomes.displays.drawing.courses import draw_courses
from outcomes.displays.drawing.draw import draw, drawn
from outcomes.displays.drawing.style import styled, text_width, wrapped
from outcomes.displays.lookup import results_of
from outcomes.displays.palette import arm_looks, look_at
from outcomes.displays.render import described_figure, render_displays
from outcomes.study.load import StudyFile


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFile, Path]:
    folder = tmp_path_factory.mktemp("made")
    study = small_study(folder)
    write_results(folder, study)
    return study, folder


def figure_of(made: tuple[StudyFile, Path], id: str) -> Figure:
    study, folder = made
    display = next(d for d in planned_displays(study.spec) if d.id == id)
    frame = read_ard(folder / "ard" / f"{display.analysis}.parquet")
    return described_figure(Context(study.spec, display, results_of(frame)))


def courses(ticks: tuple[Tick, ...], *, arms: int = 2) -> CoursesChart:
    return CoursesChart(
        ticks=ticks,
        start=Tick(-1.0, "Baseline"),
        courses=tuple(
            Course(
                name=f"Arm {arm}",
                look=look_at(arm),
                estimates=tuple(
                    Estimate(place, -5.0 - arm, -7.0 - arm, -3.0 - arm)
                    for place in range(len(ticks))
                ),
                counts=tuple("10" for _ in ticks),
            )
            for arm in range(arms)
        ),
        x_label="Visit",
        y_label="Change",
        counts_label="n",
    )


def test_figures_are_the_same_bytes_in_another_process(
    made: tuple[StudyFile, Path], tmp_path: Path
) -> None:
    _, folder = made
    code = (
        "import sys; from pathlib import Path;"
        "from golden.small_trial import small_study;"
        "from outcomes.displays.render import render_displays;"
        "f = Path(sys.argv[1]); s = small_study(f);"
        "ids = ['primary-over-time', 'mystical-scatter', 'primary-estimates'];"
        "render_displays(s, ids, f / 'ard', Path(sys.argv[2]));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    digests = []
    for seed in ("1", "2"):
        out = tmp_path / seed
        subprocess.run(
            [sys.executable, "-c", code, str(folder), str(out)],
            check=True,
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
        )
        files = sorted(path for path in out.rglob("*.*") if path.is_file())
        digests.append(
            [(p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files]
        )
    assert len(digests[0]) == 10
    assert digests[0] == digests[1]


def test_files_carry_no_date_and_no_program(
    made: tuple[StudyFile, Path], tmp_path: Path
) -> None:
    study, folder = made
    render_displays(study, ["spread"], folder / "ard", tmp_path)
    svg = (tmp_path / "figures" / "spread-ecdf.svg").read_text("utf-8")
    assert "dc:date" not in svg
    assert "Matplotlib" not in svg
    assert "<text" not in svg, "letters must be paths"
    pdf = (tmp_path / "figures" / "spread-ecdf.pdf").read_bytes()
    assert b"/CreationDate" not in pdf
    assert b"/Producer" not in pdf
    png = (tmp_path / "figures" / "spread-ecdf.png").read_bytes()
    assert b"Software" not in png
    assert png[16:20] == (1300).to_bytes(4, "big"), "6.5 inches at 200 dots"


def test_drawing_leaves_the_users_settings_alone(
    made: tuple[StudyFile, Path], tmp_path: Path
) -> None:
    import matplotlib as mpl

    before = mpl.rcParams.copy()
    draw(figure_of(made, "spread-ecdf").chart, (), tmp_path, "x")
    assert mpl.rcParams.copy() == before


@pytest.mark.parametrize(
    "label", ["$x^2$", "a_b^c", r"50\% $\frac{1}", "_hidden", "$5 and $6"]
)
def test_labels_are_drawn_literally(label: str) -> None:
    look = look_at(0)
    line = ((0.0, 1.0), (1.0, 2.0))
    tick = Tick(8.0, label)
    course = Course(label, look, (Estimate(0, -5.0, -7.0, -3.0),), ("9",))
    charts: list[Chart] = [
        StepsChart((Steps(label, look, (1.0,), (100.0,)),), label, label, label),
        CloudsChart((Cloud(label, look, line, line),), label, label),
        CoursesChart((tick,), None, (course,), label, label, label),
    ]
    for chart in [*charts, None]:
        with styled():
            figure = drawn(chart, (label,))
            figure.canvas.draw()
            texts = [t for t in figure.findobj(Text) if t.get_text()]
        assert not any(t.get_parse_math() for t in texts)
        same = [t for t in texts if t.get_text() == label]
        assert len(same) >= (1 if chart is None else 3)


def test_points_drawn_are_the_unrounded_values(made: tuple[StudyFile, Path]) -> None:
    chart = figure_of(made, "primary-over-time").chart
    assert isinstance(chart, CoursesChart)
    first = chart.courses[0]
    assert first.estimates[1].value == -12.345 + 22 / 10
    assert first.estimates[1].low == -12.345 + 22 / 10 - 2.5
    assert [tick.time for tick in chart.ticks] == [1.0, 21.0]
    assert first.counts == ("9", "9")
    steps = figure_of(made, "spread-ecdf").chart
    assert isinstance(steps, StepsChart)
    assert steps.steps[0].values == (-20.0, -8.0, 3.0)
    assert steps.steps[0].percents == (100 / 3, 200 / 3, 100.0)
    clouds = figure_of(made, "mystical-scatter").chart
    assert isinstance(clouds, CloudsChart)
    assert clouds.clouds[0].points[0] == (12.5, -2.5)
    assert clouds.clouds[0].line == ((12.5, -2.5), (90.25, -18.05))


@pytest.mark.parametrize(
    ("id", "needed"),
    [
        ("primary-over-time", ["95% confidence intervals", "n: subjects"]),
        ("spread-ecdf", ["at or below", "Left of zero is improvement", "observed"]),
        ("mystical-scatter", ["one point per subject", "linear regression", "BASE"]),
    ],
)
def test_captions_say_what_is_drawn(
    made: tuple[StudyFile, Path], id: str, needed: list[str]
) -> None:
    figure = figure_of(made, id)
    for words in needed:
        assert words in figure.caption
    assert "Psilocybin 25 mg" in figure.alt
    assert figure.heading.population == "Full analysis set (FAS)"


def test_arms_keep_colour_and_marker_by_their_order(
    made: tuple[StudyFile, Path],
) -> None:
    looks = arm_looks(made[0].spec)
    for id in ("primary-over-time", "spread-ecdf", "mystical-scatter"):
        chart = figure_of(made, id).chart
        for part in ("courses", "steps", "clouds"):
            series = getattr(chart, part, ())
            assert [s.look for s in series] in ([], list(looks.values()))


def test_no_two_of_twelve_arms_look_the_same() -> None:
    looks = {(look_at(n).colour, look_at(n).marker) for n in range(12)}
    assert len(looks) == 12


def test_clustered_visits_leave_true_time_for_a_scale_where_labels_stand_clear() -> (
    None
):
    visits = {1: "Day 2", 7: "Week 1", 21: "Week 3", 42: "Week 6", 84: "Week 12"}
    ticks = tuple(Tick(float(day), label) for day, label in visits.items())
    with styled():
        (axes,) = draw_courses(courses(ticks)).axes
    assert "square-root scale" in axes.get_xlabel()
    boxes = label_boxes(courses(ticks))
    assert all(a[1] < b[0] for a, b in pairwise(boxes))


def test_spread_visits_keep_true_time() -> None:
    ticks = (Tick(28.0, "Week 4"), Tick(56.0, "Week 8"), Tick(84.0, "Week 12"))
    with styled():
        (axes,) = draw_courses(courses(ticks)).axes
    assert axes.get_xlabel() == "Visit"
    assert list(axes.get_xticks()) == [0.0, 29.0, 57.0, 85.0]


def test_visits_that_fit_no_scale_are_evenly_spaced_and_say_so() -> None:
    days = (1, 2, 3, 4, 5, 6, 80, 81)
    ticks = tuple(Tick(float(d), f"Day {d}") for d in days)
    with styled():
        (axes,) = draw_courses(courses(ticks)).axes
    assert "not to scale" in axes.get_xlabel()


LONG = "Psilocybin-assisted therapy, 25 mg, with preparation and integration (n = 99)"


def long_charts() -> list[Chart]:
    last = Tick(90.0, "Follow-up visit twelve weeks after the first session")
    chart = courses((Tick(1.0, "After session 1"), last), arms=6)
    label = "Change from baseline in a score with a very long name at a late visit"
    long = replace(chart, y_label=f"{label} {label}")
    named = tuple(replace(course, name=LONG) for course in chart.courses)
    return [
        chart,
        courses((Tick(1.0, "Day 2"),), arms=1),
        replace(long, courses=named),
        StepsChart((Steps(LONG, look_at(0), (1.0,), (100.0,)),), label, label, "Hint"),
        CloudsChart((Cloud(LONG, look_at(0), ((1.0, -2.5),), ()),), label, label),
    ]


@pytest.mark.parametrize("chart", long_charts())
def test_nothing_drawn_is_cut_at_the_edge_of_the_figure(chart: Chart) -> None:
    with styled():
        figure = drawn(chart, ())
        box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height


def label_boxes(chart: CoursesChart) -> list[tuple[float, float]]:
    with styled():
        figure = draw_courses(chart)
        figure.draw_without_rendering()
        (axes,) = figure.axes
        found = [label.get_window_extent() for label in axes.get_xticklabels()]
    return [(box.x0, box.x1) for box in found]


def test_very_many_points_become_an_image(tmp_path: Path) -> None:
    def size(count: int) -> tuple[int, bool]:
        points = tuple((n % 97.0, n % 31.0) for n in range(count))
        chart = CloudsChart((Cloud("All", look_at(0), points, ()),), "x", "y")
        draw(chart, (), tmp_path, f"n{count}")
        svg = (tmp_path / f"n{count}.svg").read_text("utf-8")
        return len(svg), "<image" in svg

    assert size(1000)[1] is False
    many, image = size(5000)
    assert image
    assert many < 400_000


def test_clouds_without_a_line_are_drawn() -> None:
    chart = CloudsChart((Cloud("All", look_at(0), ((1.0, 2.0),), ()),), "x", "y")
    with styled():
        assert len(draw_clouds(chart).axes) == 1


def test_words_are_never_cut_when_wrapped() -> None:
    label = "Extraordinarily-long-label of an arm"
    assert wrapped(label, 10).replace("\n", " ") == label
    assert text_width("wide") > text_width("il") > 0
    assert re.fullmatch(r"[^\n]+\n[^\n]+", wrapped("one two three four", 10))


@pytest.mark.parametrize("letter", ["W", "i"])
@pytest.mark.parametrize("where", ["arm", "visit", "axis", "all"])
def test_a_label_of_400_letters_without_a_space_is_drawn(
    letter: str, where: str, tmp_path: Path
) -> None:
    long = letter * 400
    plain = courses((Tick(8.0, "Week 1"), Tick(22.0, "Week 3")))
    chart = plain
    if where in ("arm", "all"):
        named = tuple(replace(course, name=long) for course in chart.courses)
        chart = replace(chart, courses=named)
    if where in ("visit", "all"):
        ticks = tuple(replace(tick, label=long) for tick in chart.ticks)
        chart = replace(chart, ticks=ticks)
    if where in ("axis", "all"):
        chart = replace(chart, y_label=long)
    draw(chart, (), tmp_path, "long")
    with styled():
        box = drawn(chart, ()).axes[0].get_position()
        assert drawn(None, (long,)).axes == []
    assert box.width > 0.15
    assert box.height > 0.1


def test_only_words_that_are_too_wide_are_cut() -> None:
    assert wrapped("Depersonalisation before Randomisation", 5) == (
        "Depersonalisation\nbefore\nRandomisation"
    )
    cut = wrapped("W" * 100, 42)
    assert cut.replace("\n", "") == "W" * 100
    assert all(text_width(line) <= 3.0 for line in cut.split("\n"))


def test_the_users_choice_of_a_window_does_not_matter(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from outcomes.displays.drawing.draw import draw\n"
        f"draw(None, ('no',), Path({str(tmp_path)!r}), 'none')\n"
    )
    environment = {**os.environ, "MPLBACKEND": "foo"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "none.png").is_file()
