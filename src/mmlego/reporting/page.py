"""The page: one file of HTML that needs nothing else, no network and no script."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mmlego.extras import import_extra
from mmlego.reporting.drawing.style import styled
from mmlego.reporting.parts import Page, Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HERE = "mmlego.reporting"


def render(page: Page, svgs: Mapping[str, bytes] | None = None) -> str:
    """Return a page as HTML.

    Parameters
    ----------
    page
        What stands on it.
    svgs
        Its pictures by name, where they are drawn already, as :func:`svg_of` draws them.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed.
    """
    template, folder = _template(), files(_HERE) / "templates"
    markup = import_extra("markupsafe", "a report", "jinja2").Markup
    known = svgs or {}
    drawn = {picture.name: markup(inline_svg(picture, known.get(picture.name))) for picture in page.pictures}
    css = (folder / "page.css").read_text(encoding="utf-8")
    text: str = template.render(page=page, drawn=drawn, css=markup(css))
    return text


@cache
def _template() -> Any:
    """Return the template of pages, compiled once: that takes longer than to fill it in."""
    jinja2 = import_extra("jinja2", "a report", "jinja2")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["anchor"] = _anchor
    return environment.from_string((files(_HERE) / "templates" / "page.html.j2").read_text(encoding="utf-8"))


def inline_svg(picture: Picture, svg: bytes | None = None) -> str:
    """Return a figure as SVG that may stand in a page beside others: no prologue, no metadata, ids of its own.

    Parameters
    ----------
    picture
        The figure.
    svg
        As :func:`svg_of` draws it; None: it is drawn.
    """
    text = (svg_of(picture.figure) if svg is None else svg).decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    text = text.replace("xlink:href=", "href=")
    prefix = _anchor(picture.name)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}--\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}--\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}--\1)", text)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups()  # type: ignore[union-attr]
    head = f'<svg class="drawn" role="img" aria-labelledby="{prefix}-title {prefix}-alt" '
    head += f'viewBox="0 0 {width} {height}" style="max-width: {1.45 * float(width):.0f}px">'
    return head + text[text.index(">") + 1 :]


def svg_of(figure: Figure) -> bytes:
    """Return a figure as SVG, its letters as outlines, the same at every call."""
    buffer = io.BytesIO()
    with styled():
        import matplotlib

        matplotlib.rcParams["svg.hashsalt"] = "mmlego"
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _anchor(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "-", name)
