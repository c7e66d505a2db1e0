"""The legal values of the options of `fit_gee`."""

from __future__ import annotations

from typing import Final, Literal

from outcomes.errors import ModelError, one_of
from outcomes.models.options import check_option

Family = Literal["binomial", "gaussian", "poisson"]
Link = Literal["logit", "probit", "identity", "log"]
Structure = Literal["independence", "exchangeable", "ar1", "unstructured"]
GeeVcov = Literal["robust", "mancl-derouen", "kauermann-carroll", "model"]
GeeDf = Literal["asymptotic", "clusters"]
Moments = Literal["n", "n-p"]

LINKS: Final[dict[str, tuple[Link, ...]]] = {
    "binomial": ("logit", "probit"),
    "gaussian": ("identity",),
    "poisson": ("log",),
}
"""For each family the links it has, the default first."""

BY_VISIT: Final = ("ar1", "unstructured")
"""The structures for which it matters at which visit a record was made."""


def settle_link(family: str, link: str | None) -> tuple[str, str]:
    """Return the family and its link, the default one for ``None``.

    Raises
    ------
    ModelError
        If the family does not exist or does not have the link.
    """
    check_option(family, Family, name="family")
    if link is None:
        return family, LINKS[family][0]
    if link not in LINKS[family]:
        raise ModelError(one_of(link, LINKS[family], name=f"link of {family}"))
    return family, link
