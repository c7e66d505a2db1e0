"""Who is at risk of an event, for how long, and how that ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from outcomes.analyses.describe import numbers
from outcomes.analyses.selection import (
    Cohort,
    Target,
    at_parameter,
    baseline_values,
    cohort,
    score_paramcd,
    target,
)
from outcomes.errors import DataError, ModelError, one_of
from outcomes.study.analyses import TimeToEvent
from outcomes.study.base_score import base_score
from outcomes.study.displays import rule_label
from outcomes.study.events import AnyEventRule, Criterion, TimeToEventEndpoint
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

TIME: Final = "AVAL"
EVENT: Final = "EVENT"
CAUSE: Final = "CAUSE"
"""Columns that models read: days, 1 for an event, and 0, 1, 2, ... for its cause."""

OF_INTEREST: Final = "event"
"""Subgroup of the cause that the endpoint is about."""
ANY: Final = "any"
"""Level of all kinds of events, or censorings, together."""
RESERVED: Final = (OF_INTEREST, ANY)
_DAYS: Final = ("LEFTDY", "RGHTDY", "FUPDY")
_NO_ROW: Final = "NO RECORD IN ADTTE"
_NO_TIME: Final = "NO TIME IN ADTTE"
_ORIGIN: Final = {
    "randomisation": ("RANDDT", "NO DATE OF RANDOMISATION"),
    "first-dose": ("TRTSDT", "NO FIRST DOSE"),
    "first-response": ("", "NO RESPONSE"),
}
"""By origin the column of ADSL that has it, and what is said without one."""


@dataclass(frozen=True, slots=True)
class EventData:
    """What a time-to-event analysis works on.

    Attributes
    ----------
    what : Target
        Endpoint, population, estimand.
    endpoint : TimeToEventEndpoint
        The endpoint as declared.
    people : Cohort
        The population.
    frame : DataFrame
        Rows of ADTTE of those at risk, with the arm, `EVENT` and `CAUSE`.
    causes : dict
        Competing events that happened to anybody, with their code in `CAUSE`.
    absent : dict
        Why subjects of the population are not at risk, by USUBJID.
    kinds : dict
        By ``event`` and ``competing`` what the rules of the endpoint call them, those
        that nobody had included.
    """

    what: Target
    endpoint: TimeToEventEndpoint
    people: Cohort
    frame: Frame
    causes: dict[str, int]
    absent: dict[str, str]
    kinds: dict[str, list[str]]

    @property
    def competing(self) -> bool:
        """Whether something else can end the time at risk as an outcome."""
        return bool(self.endpoint.competing or self.causes)

    @property
    def arms(self) -> list[str]:
        """The arms with anybody at risk, in the order of the study."""
        there = set(self.frame[self.people.arm_variable])
        return [arm for arm in self.people.arms if arm in there]

    def restricted(self, people: Cohort) -> EventData:
        """Return the same of another population, which takes its own arm variable."""
        ids = people.subjects["USUBJID"]
        rows = self.frame[self.frame["USUBJID"].isin(ids)]
        own = rows.drop(columns=[self.people.arm_variable])
        absent = {id: why for id, why in self.absent.items() if id in set(ids)}
        what = replace(self.what, population=people.population)
        return replace(
            self,
            what=what,
            people=people,
            frame=_sorted(people.with_arm(own)),
            absent=absent,
        )


def event_data(
    spec: Study, analysis: TimeToEvent, adsl: Frame, adtte: Frame
) -> EventData:
    """Select the times of an endpoint.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : TimeToEvent
        Names endpoint and population.
    adsl, adtte : DataFrame
        The datasets. Times are days since the origin, which is day 1.

    Raises
    ------
    DataError
        If ADTTE has no record of the endpoint, or nobody of the population one; if a
        subject has two; if a time is before the origin, or CNSR not 0, 1 or 2.
    """
    what = target(spec, analysis)
    endpoint = spec.endpoints[what.endpoint]
    if not isinstance(endpoint, TimeToEventEndpoint):
        raise DataError(
            f"{what.endpoint} is no time to an event; name an endpoint of kind "
            "time-to-event."
        )
    people = cohort(spec, what.population, adsl)
    every = adtte[adtte["PARAMCD"] == what.paramcd]
    if every.empty:
        raise DataError(
            f"adtte has no record of {what.paramcd}, so nobody is at risk; see the "
            "issue log of derive for why (nobody with an origin?), then derive again."
        )
    own = every[every["USUBJID"].isin(people.subjects["USUBJID"])]
    refuse_bad_times(own, what.paramcd)
    _refuse_reserved(own, what.paramcd)
    timed = own[own[TIME].notna() & own["CNSR"].notna()]
    if timed.empty:
        raise DataError(
            f"nobody of {what.population} has a time in {what.paramcd} of adtte, so "
            f"nobody is at risk; choose a population that has the origin "
            f"({endpoint.origin})."
        )
    labels = sorted(set(timed.loc[timed["CNSR"] == 2, "EVNTDESC"]))
    causes = {label: code for code, label in enumerate(labels, start=2)}
    code = timed["EVNTDESC"].map(causes).where(timed["CNSR"] == 2, 0)
    event = (timed["CNSR"] == 0).astype("int64")
    days = {name: numbers(timed[name]) for name in (TIME, *_DAYS)}
    columns: dict[str, Any] = {
        EVENT: event,
        CAUSE: (code + event).astype("int64"),
        **days,
    }
    frame = people.with_arm(timed.assign(**columns))
    return EventData(
        what=what,
        endpoint=endpoint,
        people=people,
        frame=_sorted(frame),
        causes=causes,
        absent=_absent(people, endpoint, own, set(timed["USUBJID"])),
        kinds={
            term: _kinds(spec, rules, timed.loc[timed["CNSR"] == code, "EVNTDESC"])
            for term, rules, code in (
                ("event", endpoint.rules, 0),
                ("competing", endpoint.competing, 2),
            )
        },
    )


def _kinds(
    spec: Study, rules: list[AnyEventRule], happened: pd.Series[str]
) -> list[str]:
    """Return what kinds of events are called, those that nobody had included."""
    return sorted({*map(str, happened), *(rule_label(spec, rule) for rule in rules)})


def _sorted(frame: Frame) -> Frame:
    return frame.sort_values("USUBJID", kind="stable").reset_index(drop=True)


def refuse_bad_times(own: Frame, paramcd: str) -> None:
    """Name every record of ADTTE that cannot be a time to an event.

    Raises
    ------
    DataError
        If there is one.
    """
    checks = {
        "repeat a subject": own["USUBJID"].duplicated(),
        "have AVAL before the origin (below 1)": own[TIME] < 1,
        "have a CNSR other than 0, 1 and 2": own["CNSR"].notna()
        & ~own["CNSR"].isin([0, 1, 2]),
    }
    found = []
    for words, bad in checks.items():
        ids = list(own.loc[bad.fillna(False).astype(bool), "USUBJID"])
        if ids:
            found.append(f"{len(ids)} records {words} ({', '.join(ids[:3])})")
    if found:
        raise DataError(f"adtte, {paramcd}: {'; '.join(found)}. Derive it again.")


def _refuse_reserved(own: Frame, paramcd: str) -> None:
    """Refuse descriptions that are names of ours in the results."""
    for word in RESERVED:
        if (own["EVNTDESC"] == word).any():
            raise DataError(
                f"adtte, {paramcd}: EVNTDESC is '{word}', which stands for something "
                "else in the results; give the rule another label in the study file."
            )


def _absent(
    people: Cohort, endpoint: TimeToEventEndpoint, own: Frame, timed: set[str]
) -> dict[str, str]:
    """Say of each subject without a time why."""
    column, reason = _ORIGIN[endpoint.origin]
    untimed = set(own["USUBJID"])
    out: dict[str, str] = {}
    for row in people.subjects.to_dict("records"):
        id = str(row["USUBJID"])
        if id in timed:
            continue
        if id in untimed:
            out[id] = _NO_TIME
        elif row["RANDFL"] != "Y":
            out[id] = "NOT RANDOMISED"
        elif not column or row[column] == "":
            out[id] = reason
        else:
            out[id] = _NO_ROW
    return out


def read_endpoint(endpoint: TimeToEventEndpoint) -> str:
    """Return the yes/no endpoint that assessments of an event are of; '' if none.

    The one that says who responded, else the first that is a criterion of the event.
    """
    criteria = [rule.endpoint for rule in endpoint.rules if isinstance(rule, Criterion)]
    return endpoint.response or next(iter(criteria), "")


def with_covariates(
    spec: Study, data: EventData, names: list[str], adqs: Frame
) -> Frame:
    """Add baseline (BASE) and columns of ADSL to the times.

    An empty text is a missing value, not a level.

    Raises
    ------
    ModelError
        If a name is no column.
    DataError
        If BASE is asked for and nobody's.
    """
    frame = data.frame
    if "BASE" in names:
        name, score = base_score(spec, data.what.endpoint, None)
        if not name:
            raise DataError(
                f"{data.what.endpoint} is made of no score, so BASE is nobody's; take "
                "it out of the covariates, or take a column of adsl in its place."
            )
        values = baseline_values(at_parameter(adqs, score_paramcd(name, score)))
        frame = frame.assign(BASE=frame["USUBJID"].map(values).astype("float64"))
    return with_subject_columns(frame, data.people, [n for n in names if n != "BASE"])


def with_subject_columns(frame: Frame, people: Cohort, names: list[str]) -> Frame:
    """Add columns of ADSL that are not there yet; empty text is missing.

    Raises
    ------
    ModelError
        If a name is no column of ADSL.
    """
    columns = people.subjects.columns
    for name in names:
        if name not in columns:
            raise ModelError(one_of(name, ["BASE", *columns], name="covariates"))
    new = [name for name in dict.fromkeys(names) if name not in frame.columns]
    if not new:
        return frame
    out = frame.merge(
        people.subjects[["USUBJID", *new]], on="USUBJID", how="left", validate="m:1"
    )
    for name in new:
        if out[name].dtype.kind in "iuf":
            out[name] = numbers(out[name])
        else:
            out[name] = out[name].astype(object).where(out[name] != "", None)
    return out


def complete_rows(frame: Frame, names: list[str]) -> tuple[Frame, dict[str, int]]:
    """Drop the subjects that lack a column, counted by the first that they lack."""
    absent = {}
    for name in dict.fromkeys(names):
        gone = frame[name].isna()
        if gone.any():
            absent[f"{name} is missing"] = int(frame.loc[gone, "USUBJID"].nunique())
        frame = frame[~gone]
    return frame.reset_index(drop=True), absent
