from __future__ import annotations

import copy

from golden.small_trial import CONTENT
from outcomes.ard.rows import ArdRows
from outcomes.displays.catalogue import planned_displays
from outcomes.displays.context import Context
from outcomes.displays.lookup import results_of
from outcomes.displays.render import described_table
from outcomes.study import Study

SUSTAINED = {
    "kind": "sustained",
    "paramcd": "SUS",
    "of": "madrs_response",
    "visits": ["DAY2", "WEEK3"],
    "label": "Sustained response",
}


def test_the_table_says_what_is_sustained_and_who_is_observed() -> None:
    content = copy.deepcopy(CONTENT)
    content["endpoints"]["sus"] = SUSTAINED
    analysis = next(a for a in content["analyses"] if a["id"] == "response")
    analysis["endpoints"] = ["sus"]
    analysis.pop("estimands", None)
    analysis["population"] = "FAS"
    spec = Study.model_validate(content)
    rows = ArdRows(
        study="small",
        analysis="response",
        prespecified="Y",
        endpoint="sus",
        population="FAS",
        visit="WEEK3",
        time=22,
        method_id="nri",
    )
    for arm in ("PSI25", "PSI1"):
        for name in ("n", "denominator"):
            rows.add(name, 7, term="responders", arm=arm)
    context = next(
        Context(spec, display, results_of(rows.frame()))
        for display in planned_displays(spec)
        if display.analysis == "response"
    )
    table = described_table(context)
    (group,) = table.grid.groups
    assert group.header is not None
    assert group.header.text == "Sustained response: Week 3"
    assert (
        "Sustained response: MADRS response at Day 2 and Week 3 (at an earlier visit: "
        "through that visit; a missed visit counts as no; no from rescue medication "
        "on)."
    ) in table.footnotes
    assert (
        "Observed cases of a sustained endpoint leave out the subjects who are a no for"
        " missed visits alone. A no that was observed decides, whichever other visits"
        " were missed; so does rescue medication where it counts as no."
    ) in table.footnotes
