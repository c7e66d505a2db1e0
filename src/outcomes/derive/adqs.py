"""ADQS: one row per value of a score, a yes/no or an endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from outcomes.datasets.adam import ADQS
from outcomes.datasets.store import conform
from outcomes.derive.administrations import (
    add_study_days,
    administrations,
    origins,
    sessions_without_dose,
)
from outcomes.derive.baseline import (
    apply_baseline,
    exclusion_notes,
    mark_baseline,
    missing_baselines,
    no_value_reasons,
)
from outcomes.derive.endpoints import derive_endpoints
from outcomes.derive.notes import Derivation, Note, first, plural
from outcomes.derive.scores import score_all
from outcomes.derive.visits import assign_visits, choose_records, refuse_duplicates

if TYPE_CHECKING:
    from outcomes.datasets.store import Frame
    from outcomes.study.spec import Study


def derive_adqs(spec: Study, tables: Mapping[str, Frame], adsl: Frame) -> Derivation:
    """Derive the questionnaire dataset.

    Parameters
    ----------
    spec : Study
        The study.
    tables : mapping of str to DataFrame
        SDTM tables by domain; ``qs`` is read, and ``ex`` for its sessions.
    adsl : DataFrame
        From `outcomes.derive.adsl.derive_adsl`.

    Returns
    -------
    Derivation
        ``frame`` conforms to `outcomes.datasets.adam.ADQS`. Every administration of
        QS is in it, analysed or with a reason in ANL01RS.

    Raises
    ------
    DataError
        Records that the study file says are errors (unscheduled, duplicates), or that
        break the contract of QS.
    SpecError
        The code of an endpoint is also that of a score.
    """
    qs = tables["qs"]
    admin = administrations(qs)
    days, notes = origins(spec, adsl, admin)
    admin, more = add_study_days(admin, days)
    notes += more
    notes += sessions_without_dose(spec, tables.get("ex"), admin)
    admin, more = assign_visits(spec, admin)
    notes += more
    records, more = score_all(spec, qs, admin)
    notes += more

    records["ANL01RS"] = no_value_reasons(records)
    if spec.duplicates == "error":
        refuse_duplicates(records)
    records, more = mark_baseline(spec, records)
    notes += more
    records = apply_baseline(spec, choose_records(spec, records))
    randomised = set(adsl.loc[adsl["RANDFL"] == "Y", "USUBJID"])
    notes += missing_baselines(records, randomised)
    notes += exclusion_notes(records)
    notes += _absent(records, randomised)

    derived, more = derive_endpoints(spec, records, adsl)
    notes += more
    return Derivation(_assemble(spec, records, derived), notes)


def _assemble(spec: Study, records: Frame, derived: Frame) -> Frame:
    """Put scores and endpoints into the order and shape of the table."""
    import pandas as pd

    scored = records.assign(SRCDOM="QS")
    out = pd.concat([scored, derived], ignore_index=True) if len(derived) else scored
    out["SRCGRP"] = out["QSGRPID"].astype(object).where(out["QSGRPID"].notna(), "")
    places = {visit.id: place for place, visit in enumerate(spec.visits)}
    out["AVISITN"] = out["AVISIT"].map(places)
    rescued = (out["ADY"] >= out["rescue"]).fillna(False)
    out["ICE1FL"] = rescued.map({True: "Y", False: ""})
    # Rows made by rule have no day: they stand where their visit is due.
    out["place"] = out["ADY"].where(out["ADY"].notna(), out["AWTARGET"])
    out["place"] = out["place"].fillna(np.inf)
    out = out.sort_values(
        ["USUBJID", "PARAMCD", "place", "SESSION", "AVISITN", "sequence", "SRCGRP"],
        kind="stable",
        ignore_index=True,
    )
    out["ASEQ"] = out.groupby("USUBJID").cumcount() + 1
    return conform(out[[name for name in ADQS.names if name in out.columns]], ADQS)


def _absent(records: Frame, randomised: set[str]) -> list[Note]:
    """Name randomised subjects who have no value of an instrument at all."""
    notes = []
    for name, own in records.groupby("PARCAT1", sort=True):
        present = set(own.loc[own["AVAL"].notna(), "USUBJID"])
        absent = randomised - present
        if absent:
            notes.append(
                Note(
                    "no-values",
                    f"{plural(len(absent), 'randomised subject')} without any value "
                    f"of {name} {first(absent)}.",
                    remedy="only rows made by rule, if any",
                    file="adqs",
                    column="AVAL",
                    value=str(name),
                )
            )
    return notes
