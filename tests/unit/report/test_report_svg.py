from __future__ import annotations

import pytest

from outcomes.errors import RenderError
from outcomes.report.svg import inlined

SVG = """<?xml version="1.0"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/x.dtd">
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
     width="10pt" height="5pt" viewBox="0 0 10 5" onload="go()">
 <metadata><a href="http://example.org"/></metadata>
 <defs><style>*{fill: red}</style><path id="p1" d="M 0 0"/></defs>
 <g id="axes_1" clip-path="url(#clip)"><use xlink:href="#p1" x="1"/></g>
 <image xlink:href="http://example.org/x.png"/>
 <image xlink:href="data:image/png;base64,AAAA"/>
 <script>go()</script>
</svg>"""


def test_ids_and_references_to_them_get_the_prefix() -> None:
    out = inlined(SVG, prefix="f", label="words")
    assert 'id="f-axes_1"' in out
    assert 'clip-path="url(#f-clip)"' in out
    assert 'href="#f-p1"' in out
    assert 'id="f-p1"' in out


def test_nothing_from_outside_and_no_program_is_left() -> None:
    out = inlined(SVG, prefix="f", label="words")
    for gone in ("http", "script", "style", "metadata", "onload", "xmlns", "width="):
        assert gone not in out
    assert "data:image/png;base64,AAAA" in out


def test_picture_has_a_role_and_its_words_are_escaped() -> None:
    out = inlined(SVG, prefix="f", label='a "b" <c>')
    assert 'role="img"' in out
    assert 'aria-label="a &quot;b&quot; &lt;c&gt;"' in out


@pytest.mark.parametrize("broken", ["<svg", "<html/>", ""])
def test_what_is_no_svg_is_refused(broken: str) -> None:
    with pytest.raises(RenderError, match="f: the figure is not"):
        inlined(broken, prefix="f", label="")
