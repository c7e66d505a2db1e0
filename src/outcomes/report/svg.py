"""Makes SVG files fit to stand in one HTML page together."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from outcomes.errors import RenderError

_FORBIDDEN = ("script", "foreignObject", "metadata", "style", "title", "desc")
"""Programs and descriptions; the style element of one figure would rule the page."""
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def inlined(svg: str, *, prefix: str, label: str) -> str:
    """Return an SVG file as an element of an HTML page.

    Ids get a prefix, since figures of one program all use the same ones. Namespaces,
    metadata and references to anything outside are taken out.

    Parameters
    ----------
    svg : str
        The whole file.
    prefix : str
        Unique to the figure in the page.
    label : str
        Alternative text.

    Raises
    ------
    RenderError
        If it is not SVG.
    """
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as problem:
        raise RenderError(f"{prefix}: the figure is not valid SVG: {problem}") from None
    if _local(root.tag) != "svg":
        raise RenderError(f"{prefix}: the figure is not SVG but {_local(root.tag)}.")
    clean = _cleaned(root, prefix)
    clean.attrib.pop("version", None)
    clean.attrib.pop("width", None)
    clean.attrib.pop("height", None)
    clean.set("role", "img")
    clean.set("aria-label", label)
    # What the removed style element said, for this figure only.
    clean.set("stroke-linejoin", "round")
    clean.set("stroke-linecap", "butt")
    return ElementTree.tostring(clean, encoding="unicode")


def _local(name: object) -> str:
    return str(name).rsplit("}", 1)[-1]


def _cleaned(element: ElementTree.Element, prefix: str) -> ElementTree.Element:
    """Copy an element without namespaces, programs and outside references."""
    copy = ElementTree.Element(_local(element.tag))
    copy.text, copy.tail = _thin(element.text), _thin(element.tail)
    for name, value in element.attrib.items():
        local = _local(name)
        if local.startswith("on") or local in ("type", "space"):
            continue
        if local == "id":
            copy.set("id", f"{prefix}-{value}")
        elif local == "href":
            if value.startswith("#"):
                copy.set("href", f"#{prefix}-{value[1:]}")
            elif value.startswith("data:image/"):
                copy.set("href", value)
        else:
            copy.set(local, _REFERENCE.sub(rf"url(#{prefix}-\1)", value))
    for child in element:
        if isinstance(child.tag, str) and _local(child.tag) not in _FORBIDDEN:
            copy.append(_cleaned(child, prefix))
    return copy


def _thin(text: str | None) -> str | None:
    """Drop white space between elements."""
    return text if text and text.strip() else None
