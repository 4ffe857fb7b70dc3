"""The page and its pictures on the disk: whole or not at all, and nothing replaced unasked."""

from __future__ import annotations

import io
from pathlib import Path

from mmlego.errors import InputError
from mmlego.files import folder_atomically, write_atomically
from mmlego.reporting.drawing.style import styled
from mmlego.reporting.page import render, svg_of
from mmlego.reporting.parts import Page

_FORMATS = (".png", ".svg", ".pdf")
DPI = 300


def figures_beside(out: Path) -> Path:
    """Return the folder of the pictures of a page.

    Examples
    --------
    >>> figures_beside(Path("runs/report.html")).as_posix()
    'runs/report_figures'
    """
    return out.with_name(f"{out.stem}_figures")


def check_place(out: Path, *, overwrite: bool) -> None:
    """Refuse a place where a page cannot be written, before anything is computed.

    Parameters
    ----------
    out
        The page.
    overwrite
        Whether an earlier page and its pictures may be replaced.

    Raises
    ------
    InputError
        If it is no page, or something stands there.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{out} is no page", expected="a name that ends in .html", got=out.suffix or "no ending")
    figures = figures_beside(out)
    taken = [place for place in (out, figures) if place.exists()]
    if out.is_dir() or (figures.exists() and not figures.is_dir()):
        raise InputError(f"{taken[0]} stands where the report would", remedy="Choose another place with out=PATH.")
    if taken and not overwrite:
        remedy = "Choose another place with out=PATH, or pass overwrite=True."
        raise InputError(f"{' and '.join(map(str, taken))} exists", expected="nothing there yet", remedy=remedy)
    if figures.is_dir() and any(figures.iterdir()) and not _ours(figures):
        raise InputError(
            f"{figures} holds other files than pictures",
            expected="pictures of an earlier report alone",
            remedy="Choose another place with out=PATH.",
        )


def write_page(page: Page, out: Path, *, overwrite: bool = False, figures: bool = True) -> list[Path]:
    """Write a page, and each picture as PNG (300 dpi), SVG and PDF (fonts embedded) in a folder beside it.

    Parameters
    ----------
    page
        The page.
    out
        Where.
    overwrite
        Whether an earlier page and its pictures may be replaced.
    figures
        Whether to write the pictures, too.

    Returns
    -------
    list of Path
        The page, and the folder.

    Raises
    ------
    InputError
        As :func:`check_place`.
    """
    check_place(out, overwrite=overwrite)
    svgs = {picture.name: svg_of(picture.figure) for picture in page.pictures}  # for the page, and as files
    text = render(page, svgs)
    made = [out]
    if figures and page.pictures:
        with folder_atomically(figures_beside(out), overwrite=overwrite, ours=_ours, what="pictures") as folder:
            for picture in page.pictures:
                for ending in _FORMATS:
                    drawn = svgs[picture.name] if ending == ".svg" else _drawn(picture.figure, ending)
                    (folder / f"{picture.name}{ending}").write_bytes(drawn)
        made.append(figures_beside(out))
    write_atomically(out, text)
    return made


def _drawn(figure: object, ending: str) -> bytes:
    buffer = io.BytesIO()
    with styled():
        told = {"CreationDate": None} if ending == ".pdf" else None
        figure.savefig(buffer, format=ending[1:], dpi=DPI, metadata=told)  # type: ignore[attr-defined]
    return buffer.getvalue()


def _ours(folder: Path) -> bool:
    return all(file.is_file() and file.suffix in _FORMATS for file in folder.iterdir())
