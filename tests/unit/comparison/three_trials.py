"""Made-up trials of different length and their results; the numbers mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from golden.small_trial import CONTENT
from outcomes.ard.rows import ArdRows, point_level, write_ard

DAYS = (7, 28, 84, 182, 364)
TRIALS = {
    "long": ("psilocybin", "treatment-resistant depression", ("PSI25", "PSI1"), 372.0),
    "middle": ("MDMA", "post-traumatic stress disorder", ("MDMA", "PLACEBO"), 127.0),
    "short": ("ketamine", "treatment-resistant depression", ("KET", "MID"), 29.0),
}
Change = Callable[[dict[str, Any]], None]


def study_content(id: str) -> dict[str, Any]:
    """Return a study file with one time-to-event analysis, ``kept``."""
    compound, indication, arms, _ = TRIALS[id]
    relapse = {"kind": "criterion", "endpoint": "madrs_response", "equals": "N"}
    kept: dict[str, Any] = {
        "kind": "time-to-event",
        "paramcd": "TTLOSS",
        "origin": "first-response",
        "response": "madrs_response",
        "events": [{**relapse, "label": "Loss of response"}],
    }
    if id == "short":
        kept["events"][0]["assessments"] = 2
    return {
        **CONTENT,
        "study": {
            "id": id,
            "title": f"Trial of {compound}",
            "compound": compound,
            "indication": indication,
            "synthetic": True,
        },
        "arms": [
            {"id": arms[0], "label": f"{compound.upper()} high dose", "active": True},
            {"id": arms[1], "label": f"Control of {compound}", "control": True},
        ],
        "endpoints": {**deepcopy(CONTENT["endpoints"]), "kept": kept},
        "analyses": [
            {
                "id": "kept",
                "question": "time-to-event",
                "endpoint": "kept",
                "population": "FAS",
                "days": list(DAYS),
            },
            {"id": "flow", "question": "disposition", "population": "FAS"},
        ],
    }


def comparison_content() -> dict[str, Any]:
    """Return a comparison file of the three."""
    return {
        "comparison": {"id": "durability", "title": "Response kept"},
        "days": [28, 7, 84, 182, 364],
        "studies": [{"study": f"{id}/study.yaml", "analysis": "kept"} for id in TRIALS],
    }


def write_trials(folder: Path, change: Change | None = None, **studies: Change) -> Path:
    """Write the study files and the comparison file, changed; return the latter."""
    for id in TRIALS:
        content = study_content(id)
        if id in studies:
            studies[id](content)
        (folder / id).mkdir(parents=True, exist_ok=True)
        _write(folder / id / "study.yaml", content)
    content = comparison_content()
    if change is not None:
        change(content)
    _write(folder / "durability.yaml", content)
    return folder / "durability.yaml"


def write_all_results(results: Path) -> None:
    """Write the ARD of each trial."""
    for id in TRIALS:
        write_ard(kept_results(id), results / id / "ard" / "kept.parquet")


def kept_results(id: str) -> ArdRows:
    """Return made-up results: an exponential course, its control twice as fast."""
    *_, arms, longest = TRIALS[id]
    rows = ArdRows(study=id, analysis="kept", prespecified="N")
    rows = rows.at(endpoint="kept", population="FAS", method="Kaplan-Meier")
    for place, arm in enumerate(arms):
        _arm(rows.at(arm=arm), 150.0 / (1 + place), longest)
    rows.at(arm=arms[0], comparator=arms[1], method_id="log-rank", term="test").add(
        "p_value", 0.03
    )
    selected = rows.at(population="FUP", method_id="kaplan-meier", arm=arms[0])
    selected.add("estimate", 0.99, term="day", time=28.0, warning="selected: entered")
    return rows


def _arm(rows: ArdRows, scale: float, longest: float) -> None:
    counts = rows.at(method_id="counts")
    counts.add_all({"n": 50}, term="population")
    counts.add_all({"n": 40, "percent": 80}, term="at-risk")
    counts.add_all({"n": 30, "percent": 75}, term="event", level="any")
    curve = rows.at(method_id="kaplan-meier")
    curve.add_all({"median": longest - 5, "max": longest}, term="follow-up")
    median = curve.at(term="quantile", level="0.5")
    median.add("estimate", scale * 0.7)
    median.add("conf_low", scale * 0.5, conf_level=0.95)
    median.add("conf_high", None, text="not reached", conf_level=0.95)
    for number, time in enumerate([0.0, *range(4, int(longest), 9)]):
        one = curve.at(term="curve", time=float(time), level=point_level(number))
        one.add("estimate", _kept(time, scale))
    for day in DAYS:
        here = curve.at(term="day", time=float(day))
        past = day > longest
        if past:
            here.add("estimate", text="not followed")
        else:
            here.add("estimate", _kept(day, scale))
            for name, shift in (("conf_low", -0.1), ("conf_high", 0.1)):
                limit = min(max(_kept(day, scale) + shift, 0), 1)
                here.add(name, limit, conf_level=0.95)
        at_risk = 0 if past else round(40 * _kept(day, scale))
        events = 30 if past else 40 - at_risk
        here.add_all({"n_risk": at_risk, "n_event": events, "n_censor": 0})


def _kept(time: float, scale: float) -> float:
    return float(2.0 ** (-time / scale))


def _write(path: Path, content: dict[str, Any]) -> None:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
