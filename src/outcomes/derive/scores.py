"""Every administration scored: one row per score and yes/no of its instrument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from outcomes.datasets.sdtm import NOT_APPLICABLE
from outcomes.derive.administrations import GROUP
from outcomes.derive.notes import Note, first, plural
from outcomes.errors import DataError, one_of
from outcomes.instruments.registry import instrument
from outcomes.instruments.scoring import PRORATED, score_administrations

if TYPE_CHECKING:
    from outcomes.datasets.store import Frame
    from outcomes.instruments.definition import Instrument
    from outcomes.study.spec import Study

NOT_DONE = "QSALL"


def score_all(spec: Study, qs: Frame, admin: Frame) -> tuple[Frame, list[Note]]:
    """Score every administration.

    Items are scored by the definition of their instrument and the rules of the study
    file; totals are taken as they are. An administration that was not done has its
    scores without values, so that none is lost.

    Parameters
    ----------
    spec : Study
        The study.
    qs : DataFrame
        SDTM QS.
    admin : DataFrame
        From `outcomes.derive.administrations.administrations`.

    Returns
    -------
    records : DataFrame
        The columns of ``admin`` with PARAMCD, PARAM, PARCAT1, AVAL, AVALC, DTYPE,
        NITEMS and ``yes_no``.
    notes : list of Note
        Prorated scores, counted.

    Raises
    ------
    DataError
        Items or scores the instrument does not have, or one twice in an
        administration.
    """
    import pandas as pd

    parts = []
    for name in sorted(admin["QSCAT"].unique()):
        definition = instrument(str(name))
        own = admin[admin["QSCAT"] == name].reset_index(drop=True)
        rows = qs[(qs["QSCAT"] == name) & (qs["QSTESTCD"] != NOT_DONE)]
        place = _positions(own, rows)
        by_total = rows["QSITEM"].isna().to_numpy()
        totals = np.zeros(len(own), dtype=bool)
        totals[place[by_total]] = True
        totals |= own["not_done"].to_numpy() & _only_totals(spec, definition)
        if (~totals).any():
            answers, never = _answers(
                definition, own, rows[~by_total], place[~by_total]
            )
            parts.append(_score_items(spec, definition, own, answers, never, ~totals))
        if totals.any():
            given = rows[by_total].assign(position=place[by_total])
            parts.append(_take_totals(spec, definition, own, given, totals))
    if not parts:
        raise DataError("qs: no records; there is nothing to derive.")
    records, notes = _collected(pd.concat(parts, ignore_index=True))
    return records, notes + _notes(records)


def _collected(records: Frame) -> tuple[Frame, list[Note]]:
    """Leave out scores of which the study never collected any item.

    An instrument without any answer at all keeps its scores, so that the
    administrations stay.
    """
    unanswered = records["NITEMS"] == 0  # false for totals, which have no items
    never = unanswered.groupby(records["PARAMCD"]).transform("all")
    silent = unanswered.groupby(records["PARCAT1"]).transform("all")
    out = never & ~silent
    notes = [
        Note(
            "score-not-collected",
            f"{code}: none of its items has an answer in the whole study.",
            remedy="the parameter is left out",
            file="adqs",
            column="PARAMCD",
            value=str(code),
        )
        for code in sorted(records.loc[out, "PARAMCD"].unique())
    ]
    return records[~out].reset_index(drop=True), notes


def _positions(own: Frame, rows: Frame) -> NDArray[np.intp]:
    """Return the row of ``own`` that each row of QS belongs to."""
    import pandas as pd

    index = pd.MultiIndex.from_frame(own[GROUP])
    return np.asarray(index.get_indexer(pd.MultiIndex.from_frame(rows[GROUP])))


def _only_totals(spec: Study, definition: Instrument) -> bool:
    sources = [s for s in spec.sources.qs if s.instrument == definition.id]
    return bool(sources) and all(source.totals for source in sources)


def _answers(
    definition: Instrument, own: Frame, rows: Frame, place: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return answers, and which do not apply: arrays, administrations by items."""
    columns = {number: column for column, number in enumerate(definition.items)}
    column = rows["QSITEM"].map(columns).astype("float64").to_numpy()
    unknown = np.isnan(column)
    if unknown.any():
        found = sorted({int(n) for n in rows.loc[unknown, "QSITEM"]})
        raise DataError(f"qs: {definition.id} has no items {found}.")
    cell = place * len(columns) + column.astype(np.intp)
    _refuse_repeats(definition, rows, cell)
    answers = np.full((len(own), len(columns)), np.nan)
    answers.reshape(-1)[cell] = rows["QSSTRESN"].to_numpy(dtype=np.float64)
    never = np.zeros(answers.shape, dtype=bool)
    never.reshape(-1)[cell] = (rows["QSREASND"] == NOT_APPLICABLE).to_numpy()
    return answers, never


def _refuse_repeats(definition: Instrument, rows: Frame, cell: NDArray[Any]) -> None:
    if len(np.unique(cell)) == len(cell):
        return
    _, start = np.unique(cell, return_index=True)
    again = np.setdiff1d(np.arange(len(cell)), start)
    named = (rows["USUBJID"] + " " + rows["QSGRPID"]).iloc[again]
    raise DataError(
        f"qs: {plural(len(again), 'answer')} of {definition.id} stand twice in one "
        f"administration {first(named)}."
    )


def _score_items(
    spec: Study,
    definition: Instrument,
    own: Frame,
    answers: NDArray[np.float64],
    never: NDArray[np.bool_],
    mask: NDArray[np.bool_],
) -> Frame:
    import pandas as pd

    groups = own[mask].reset_index(drop=True)
    scored = score_administrations(
        definition,
        answers[mask],
        (groups["USUBJID"] + " " + groups["QSGRPID"]).tolist(),
        spec.instruments.get(definition.id),
        not_applicable=never[mask],
    )
    per_group = len(scored) // len(groups)
    repeated = groups.loc[np.repeat(np.arange(len(groups)), per_group)]
    return pd.concat(
        [
            repeated.reset_index(drop=True),
            pd.DataFrame(
                {
                    "PARAMCD": scored["paramcd"],
                    "PARAM": scored["label"],
                    "PARCAT1": definition.id,
                    "AVAL": scored["aval"].astype("float64"),
                    "AVALC": scored["avalc"],
                    "DTYPE": scored["dtype"],
                    "NITEMS": scored["n_items"].astype("float64"),
                    "yes_no": scored["score"].isin(list(definition.derived)),
                }
            ),
        ],
        axis=1,
    )


def _take_totals(
    spec: Study,
    definition: Instrument,
    own: Frame,
    given: Frame,
    mask: NDArray[np.bool_],
) -> Frame:
    """Return the totals as collected; a declared one that is absent has no value."""
    import pandas as pd

    names = {score.paramcd: key for key, score in definition.scores.items()}
    keys = given["QSTESTCD"].map(lambda code: names.get(code, code))
    unknown = sorted(set(keys) - set(definition.scores))
    if unknown:
        known = list(definition.scores)
        raise DataError(f"qs: {one_of(unknown[0], known, name=definition.id)}")
    declared = {
        key
        for source in spec.sources.qs
        if source.instrument == definition.id
        for key in source.totals
    }
    wanted = [k for k in definition.scores if k in declared | set(keys)]
    code = keys.map({key: n for n, key in enumerate(wanted)}).to_numpy(dtype=np.intp)
    cell = given["position"].to_numpy(dtype=np.intp) * len(wanted) + code
    _refuse_repeats(definition, given, cell)
    values = np.full((len(own), len(wanted)), np.nan)
    values.reshape(-1)[cell] = given["QSSTRESN"].to_numpy(dtype=np.float64)
    groups = own[mask].reset_index(drop=True)
    return pd.concat(
        [
            groups.assign(
                PARAMCD=definition.scores[key].paramcd,
                PARAM=definition.scores[key].label,
                PARCAT1=definition.id,
                AVAL=values[mask][:, column],
                AVALC="",
                DTYPE="",
                NITEMS=np.nan,
                yes_no=False,
            )
            for column, key in enumerate(wanted)
        ],
        ignore_index=True,
    )


def _notes(records: Frame) -> list[Note]:
    prorated = records[records["DTYPE"] == PRORATED]
    return [
        Note(
            "prorated",
            f"{plural(len(own), 'value')} of {code} from fewer than all items "
            f"{first(own['USUBJID'])}.",
            remedy="prorated by the person mean; DTYPE is PRORATED",
            file="adqs",
            column="DTYPE",
            value=str(code),
        )
        for code, own in prorated.groupby("PARAMCD", sort=True)
    ]
