from __future__ import annotations

import pandas as pd
import pytest

from outcomes.derive.sites import pool_sites
from outcomes.errors import DataError
from outcomes.study.spec import Sites


def pooled(counts: dict[str, int], below: int, label: str = "POOLED") -> dict[str, str]:
    """Return the group of each site; a site of 0 has one screen failure."""
    site = [name for name, n in counts.items() for _ in range(max(n, 1))]
    inside = [n > 0 for n in counts.values() for _ in range(max(n, 1))]
    groups, _ = pool_sites(
        pd.Series(site, dtype="str"),
        pd.Series(inside),
        Sites(pool_below=below, pooled_label=label),
    )
    return dict(zip(site, groups, strict=True))


def test_by_default_no_site_is_pooled() -> None:
    assert pooled({"A": 1, "B": 0, "": 2}, 1) == {"A": "A", "B": "B", "": ""}


def test_small_sites_form_one_group() -> None:
    counts = {"A": 3, "B": 4, "C": 9, "D": 0, "": 2}
    groups = {"A": "POOLED", "B": "POOLED", "C": "C", "D": "D", "": ""}
    assert pooled(counts, 5) == groups


def test_a_pool_that_is_too_small_takes_in_the_smallest_other_site() -> None:
    assert pooled({"A": 2, "B": 7, "C": 6, "D": 6}, 5) == {
        "A": "POOLED",
        "B": "B",
        "C": "POOLED",
        "D": "D",
    }


def test_a_pool_with_no_other_site_stays_and_is_warned_of() -> None:
    site = pd.Series(["A", "A", "B"], dtype="str")
    groups, notes = pool_sites(site, pd.Series([True] * 3), Sites(pool_below=9))
    assert set(groups) == {"POOLED"}
    assert [note.severity for note in notes] == ["note", "warning"]


def test_a_site_named_like_the_pool_is_refused() -> None:
    with pytest.raises(DataError, match="name of a site that is not pooled"):
        pooled({"A": 5, "B": 6, "POOLED": 30}, 10)
