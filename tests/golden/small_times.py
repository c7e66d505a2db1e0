"""Made-up results of a time to an event, small enough to read; numbers mean nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from outcomes.ard.rows import ArdRows, point_level

SELECTED = "selected: only those who entered the follow-up"
WEIGHTED = "weighted for entry into the follow-up: valid only where all is in the model"
FEW = "few entered: the weights of {} rest on fewer than 10 effective subjects"
APART = "balance after weighting is worse than 0.1 for SEX[M], madrs_change in {}"
CROSSING = "hazards are not proportional at the 5 % level: the ratio is an average"
CAUSE_SPECIFIC = "cause-specific: competing events are censored"
COMPETING = "Withdrawal for an adverse event"
DAYS = (14.0, 84.0)

Point = tuple[float, float, int, int, int]
"""Time, share, at risk, events and censored."""

CURVES: dict[str, tuple[Point, ...]] = {
    "PSI25": ((12, 0.9, 10, 1, 0), (40, 0.9, 9, 0, 1), (85, 0.7875, 8, 1, 0)),
    "PSI1": ((9, 0.8, 10, 2, 0), (30, 0.5, 8, 3, 0), (85, 0.5, 5, 0, 5)),
}


def limited(rows: ArdRows, value: float, low: float, high: float) -> None:
    """Write an estimate with its limits."""
    rows.add("estimate", value)
    rows.add("conf_low", low, conf_level=0.95)
    rows.add("conf_high", high, conf_level=0.95)


def shared(rows: ArdRows, n: int, of: int) -> None:
    """Write a count with its percentage."""
    rows.add_all({"n": n, "denominator": of, "percent": 100 * n / of})


def point(rows: ArdRows, share: float, risk: float, events: float, lost: float) -> None:
    """Write a point of a curve; at 0 and 1 it has no limits."""
    if 0.0 < share < 1.0:
        limited(rows, share, 0.75 * share, min(1.0, 1.125 * share))
    else:
        rows.add("estimate", share)
    rows.add_all({"n_risk": risk, "n_event": events, "n_censor": lost})


def curve(
    rows: ArdRows,
    points: Sequence[Point],
    n: int,
    days: Iterable[float] = DAYS,
    *,
    weighted: bool = False,
) -> None:
    """Write a survival curve, and what it is on declared days."""
    point(rows.at(term="curve", level=point_level(0), time=0.0), 1.0, n, 0, 0)
    for place, (time, *rest) in enumerate(points, start=1):
        here = rows.at(term="curve", level=point_level(place), time=float(time))
        point(here, *rest)
    last = max(time for time, *_ in points)
    for day in days:
        here = rows.at(term="day", time=day)
        if day > last:
            here.add("estimate", text="not followed")
            here.add("n_risk", 0.0)
            continue
        before = [p for p in points if p[0] <= day]
        share = before[-1][1] if before else 1.0
        lost = sum(p[4] for p in points if p[0] < day)
        events = sum(p[3] for p in before)
        gone = events - sum(p[3] for p in before if p[0] == day)
        point(here, share, n - gone - lost, events, lost)
        if weighted:
            here.add("count_risk", (n - gone - lost) // 2)


def quantile(rows: ArdRows, level: str, value: float | None, low: float | None) -> None:
    """Write a quantile; None is not reached, and the upper limit never is."""
    here = rows.at(term="quantile", level=level)
    for statistic, number in (("estimate", value), ("conf_low", low)):
        place = here if statistic == "estimate" else here.at(conf_level=0.95)
        if number is None:
            place.add(statistic, text="not reached")
        else:
            place.add(statistic, number)
    here.add("conf_high", text="not reached", conf_level=0.95)


def estimates(rows: ArdRows, ending: str, n: int) -> None:
    """Write curves, quantiles, means and comparisons of one sample."""
    for arm, points in CURVES.items():
        km = rows.at(
            arm=arm,
            method_id=f"kaplan-meier{ending}",
            method="Kaplan-Meier; limits on the scale log-log",
        )
        if ending:
            doubts = (WEIGHTED, FEW.format(arm), APART.format(arm))
            km = km.at(warning="; ".join(doubts))
        curve(km, points, n, weighted=bool(ending))
        quantile(km, "0.25", 30.0 if arm == "PSI1" else None, 9.0)
        quantile(km, "0.5", 57.5 if arm == "PSI1" else None, None)
        km.add_all({"median": 85.0, "max": 85.0}, term="follow-up")
        mean = rows.at(arm=arm, method_id=f"rmst{ending}", time=84.0, term="mean")
        limited(mean, 77.125 if arm == "PSI25" else 55.25, 48.5, 83.0)
    pair = rows.at(arm="PSI25", comparator="PSI1")
    test = {"chisq": 4.5, "df": 1, "p_value": 0.0339}
    pair.add_all(test, method_id=f"log-rank{ending}")
    rows.add_all(test, method_id=f"log-rank{ending}", term="overall")
    ratio = pair.at(method_id=f"cox{ending}", term="hazard-ratio")
    if not ending:
        ratio = ratio.at(warning=CROSSING)
    limited(ratio, 0.3125, 0.0625, 1.5)
    ratio.add_all({"std_error": 0.81, "z": -1.44, "p_value": 0.15})
    for term, value in (("difference", 21.875), ("ratio", 1.396)):
        line = pair.at(method_id=f"rmst{ending}", time=84.0, term=term)
        limited(line, value, value / 4, 2 * value)
        line.add("p_value", 0.0625)


def counts(rows: ArdRows, n: int) -> None:
    """Write who is at risk and how that ended."""
    for arm, events in (("PSI25", 2), ("PSI1", 5)):
        here = rows.at(arm=arm, method_id="counts")
        here.add("n", n, term="population")
        shared(here.at(term="at-risk"), n - 1, n)
        shared(here.at(term="not-at-risk", level="NO FIRST DOSE"), 1, n)
        shared(here.at(term="event", level="any"), events, n - 1)
        shared(here.at(term="event", level="Symptoms back"), events, n - 1)
        shared(here.at(term="event", level="Rescue started"), 0, n - 1)
        shared(here.at(term="competing", level="any"), 1, n - 1)
        shared(here.at(term="competing", level=COMPETING), 1, n - 1)
        left = n - 2 - events
        shared(here.at(term="censored", level="any"), left, n - 1)
        shared(here.at(term="censored", level="COMPLETED STUDY"), left, n - 1)


def incidence(rows: ArdRows) -> None:
    """Write cumulative incidence of the event and of withdrawal, and Gray's tests."""
    for cause, scale in (("event", 1.0), (COMPETING, 0.25)):
        for arm, points in CURVES.items():
            here = rows.at(
                arm=arm,
                subgroup=cause,
                method_id="aalen-johansen",
                method="Aalen-Johansen cumulative incidence",
            )
            start = here.at(term="curve", level=point_level(0), time=0.0)
            point(start, 0.0, 10, 0, 0)
            for place, (time, share, *rest) in enumerate(points, start=1):
                at = here.at(term="curve", level=point_level(place), time=float(time))
                point(at, scale * (1 - share), *rest)
            for day in DAYS:
                share = [p[1] for p in points if p[0] <= day][-1]
                point(here.at(term="day", time=day), scale * (1 - share), 9, 1, 0)
        test = {"chisq": 2.5, "df": 1, "p_value": 0.1138}
        gray = rows.at(method_id="gray", subgroup=cause)
        gray.add_all(test, arm="PSI25", comparator="PSI1")
        gray.add_all(test, term="overall")


def swimmers(rows: ArdRows) -> None:
    """Write three subjects of each arm."""
    bars = (
        ("COMPLETED STUDY", 85.0, 1),
        (COMPETING, 60.0, 2),
        ("Symptoms back", 12, 0),
    )
    for arm in CURVES:
        for place, (text, stop, code) in enumerate(bars, start=1):
            here = rows.at(arm=arm, method_id="swimmer", level=point_level(place))
            here.at(term="bar", text=text).add_all({"stop": stop, "cnsr": code})
            if place == 1:
                here.add("start", 40.0, term="follow-up")
            here.add("value", float(place < 3), term="assessment", time=2.0)


def proportional(rows: ArdRows) -> None:
    """Write the test of proportional hazards and the residuals behind it."""
    here = rows.at(method_id="schoenfeld", method="score test; scaled residuals")
    test = {"chisq": 0.5, "df": 1, "p_value": 0.48}
    here.add_all(test, term="GLOBAL")
    pair = here.at(arm="PSI25", comparator="PSI1")
    pair.add_all(test, term="hazard-ratio")
    for place, (day, value) in enumerate(((9, -1.5), (12, 2.25), (30, -1.0)), start=1):
        at = pair.at(term="residual", level=point_level(place), time=float(day))
        at.add_all({"residual": value, "smooth": value / 4})


def entry(rows: ArdRows) -> None:
    """Write who entered the follow-up, and the weights for it."""
    for arm in CURVES:
        here = rows.at(arm=arm, method_id="entry")
        shared(here.at(term="randomised"), 10, 10)
        shared(here.at(term="eligible"), 8, 10)
        shared(here.at(term="eligible-entered"), 5, 10)
        shared(here.at(term="eligible-not-entered"), 3, 10)
        shared(here.at(term="could-not-enter", level="SITE NOT PARTICIPATING"), 1, 10)
        shared(here.at(term="entered"), 6, 10)
        shared(here.at(term="entered-otherwise"), 1, 10)
        shared(here.at(term="not-entered"), 4, 10)
        shared(here.at(term="not-entered", level="DECLINED"), 4, 10)
        shared(here.at(term="without-record"), 0, 10)
        shared(here.at(term="assessed", visit="WEEK12", time=85), 5, 10)
        shared(here.at(term="ended", level="COMPLETED"), 5, 6)
        shared(here.at(term="ended", level="LOST TO FOLLOW-UP"), 1, 6)
        weights = rows.at(
            arm=arm, method_id="entry-weights", method="logistic regression of entry"
        )
        spread = {"mean": 1.3125, "sd": 0.25, "min": 1.0625, "max": 1.75}
        weights.add_all({"n": 6, **spread, "effective_size": 5.8125}, term="weight")
        balance = weights.at(term="balance", level="madrs_change")
        balance.add_all({"before": -0.375, "after": 0.015})
        odds = weights.at(term="coefficient", level="madrs_change")
        limited(odds, 0.9125, 0.75, 1.125)
        odds.add("p_value", 0.21)
        if arm == "PSI1":
            again = weights.at(term="coefficient", level="SEX[T.M]")
            again.add("note", text="aliased")


def times(rows: ArdRows) -> None:
    """Write everything that an analysis with follow-up and competing events has."""
    rows = rows.at(endpoint="relapse", population="FAS")
    plain = rows.at(warning=CAUSE_SPECIFIC)
    counts(rows, 10)
    estimates(plain, "", 10)
    incidence(rows)
    swimmers(rows)
    proportional(plain)
    entry(rows)
    chosen = rows.at(population="FUS", warning=f"{SELECTED}; {CAUSE_SPECIFIC}")
    counts(chosen, 6)
    estimates(chosen, "", 6)
    estimates(rows, "-weighted", 10)
