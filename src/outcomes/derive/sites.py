"""Small sites become one group, so that a site effect can be estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outcomes.derive.notes import Note, plural
from outcomes.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.study.spec import Sites


def pool_sites(
    site: pd.Series[Any], randomised: pd.Series[Any], rules: Sites
) -> tuple[pd.Series[Any], list[Note]]:
    """Pool sites with fewer randomised subjects than ``sites.pool_below``.

    A pool that is itself below the minimum takes in the smallest of the other sites
    (of equally small ones the first by name). Sites without a randomised subject, and
    subjects without a site, are left as they are.

    Parameters
    ----------
    site : Series of str
        SITEID of each subject.
    randomised : Series of bool
        Same index.

    Returns
    -------
    groups : Series of str
        SITEGR1, same index.
    notes : list of Note

    Raises
    ------
    DataError
        A site that stays alone has the name of the pool.
    """
    counts = site[randomised & (site != "")].value_counts()
    order = sorted(counts.index, key=lambda name: (counts[name], name))
    small = [name for name in order if counts[name] < rules.pool_below]
    if not small:
        return site.copy(), []
    rest = order[len(small) :]
    if counts[small].sum() < rules.pool_below and rest:
        small.append(rest.pop(0))
    label = rules.pooled_label
    if label in set(site) - set(small):
        raise DataError(
            f"sites.pooled_label: '{label}' is the name of a site that is not pooled; "
            "choose another label."
        )
    members = ", ".join(f"{name}: {counts[name]}" for name in sorted(small))
    total = int(counts[small].sum())
    note = Note(
        "pooled-sites",
        f"{plural(len(small), 'site')} with {plural(total, 'randomised subject')} "
        f"({members}) form the group '{label}'.",
        remedy=f"sites.pool_below: {rules.pool_below}",
        column="SITEGR1",
    )
    notes = [note]
    if total < rules.pool_below:
        notes.append(
            Note(
                "pooled-sites",
                f"The group '{label}' has only {plural(total, 'randomised subject')} "
                "and there is no other site to join.",
                severity="warning",
                column="SITEGR1",
            )
        )
    return site.where(~site.isin(small), label), notes
