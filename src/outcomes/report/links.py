"""From the numbers of displays to the rows of the appendix."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from outcomes.errors import RenderError

_VALUE = re.compile(
    r'<span class="value" data-result-id="([A-Za-z0-9._:~-]+)">([^<]*)</span>'
)


def linked(html: str, known: AbstractSet[str], *, display: str) -> str:
    """Turn every number of a fragment into a link to its row.

    Parameters
    ----------
    html : str
        A fragment of a display.
    known : set of str
        The ``result_id`` of every row of the appendix.
    display : str
        Id of the display, for the message.

    Raises
    ------
    RenderError
        If a number has no row: the display is older than the results.
    """

    def link(match: re.Match[str]) -> str:
        result, text = match.groups()
        if result not in known:
            raise RenderError(
                f"{display}: the number {text} is of the result {result}, which is not"
                " in the results; make the displays again."
            )
        return f'<a class="value" href="#{result}">{text}</a>'

    return _VALUE.sub(link, html)
