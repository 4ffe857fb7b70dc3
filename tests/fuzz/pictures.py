"""Figures of reports, each drawn once: a report draws all of them at every call, most of them as they were before."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import io
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 200  # figures kept
DPI = 40
#: What is told of an artist, where it has it.
_TOLD = ("get_text", "get_xydata", "get_offsets", "get_array", "get_paths", "get_path", "get_position", "get_visible")
_TOLD += ("get_color", "get_facecolor", "get_edgecolor", "get_linestyle", "get_alpha", "get_label")


@contextlib.contextmanager
def drawn_once(known: dict[str, bytes]) -> Iterator[None]:
    """Draw a figure only if none was drawn yet that looks the same, coarser than for print.

    Parameters
    ----------
    known
        What was drawn, by what it shows; filled.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from mmlego.bench import report

    ordinary = Figure.savefig

    def savefig(figure: Figure, out: Any, **given: Any) -> None:
        if not hasattr(figure, "_told"):
            figure._told = told(figure)  # type: ignore[attr-defined]  # as it is before it is drawn
        key = f"{given.get('format')} {figure._told}"  # type: ignore[attr-defined]
        if key not in known:
            buffer = io.BytesIO()
            with rc_context({"pdf.fonttype": 3}):  # to embed whole fonts takes longer than to draw
                ordinary(figure, buffer, **given | ({"dpi": DPI} if "dpi" in given else {}))
            if len(known) >= MOST:
                known.pop(next(reversed(known)))
            known[key] = buffer.getvalue()
        if isinstance(out, io.BytesIO):
            out.write(known[key])
        else:
            with open(out, "wb") as file:
                file.write(known[key])

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(Figure, "savefig", savefig))
        stack.enter_context(mock.patch.object(report, "draw_kaplan_meier", _curves_once(report.draw_kaplan_meier)))
        for module, word, draw in _drawing():
            stack.enter_context(mock.patch.object(module, word, _made_once(draw)))
        yield


@functools.cache
def _drawing() -> list[tuple[ModuleType, str, Callable[..., Figure]]]:
    """Return the functions that draw, wherever a module of reports knows one."""
    importlib.import_module("mmlego.reporting.making")  # with all that it imports
    modules = [module for name, module in sys.modules.items() if name.startswith("mmlego.reporting.")]
    return [(one, word, vars(one)[word]) for one in modules for word in vars(one) if word.startswith("draw_")]


@functools.cache
def _curves_once(draw: Callable[[Any, Path], Path]) -> Callable[[Any, Path], Path]:
    """Return a function that writes the same picture again for the same results."""
    made: dict[bytes, bytes] = {}

    def drawn(results: Any, file: Path) -> Path:
        key = hashlib.sha256(pickle.dumps(results)).digest()
        if key not in made:
            draw(results, file)
            if len(made) >= MOST:
                made.pop(next(reversed(made)))
            made[key] = file.read_bytes()
        file.write_bytes(made[key])
        return file

    return drawn


@functools.cache
def _made_once(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Return a function that gives the same figure again for the same numbers; one that raises does so again."""
    made: dict[bytes, Figure] = {}

    @functools.wraps(draw)
    def drawn(*shown: Any, **said: Any) -> Figure:
        key = hashlib.sha256(pickle.dumps((shown, said))).digest()
        if key not in made:
            figure = draw(*shown, **said)
            if len(made) >= MOST:
                made.pop(next(reversed(made)))
            made[key] = figure
        return made[key]

    return drawn


def told(figure: Figure) -> str:
    """Return a hash of what a figure shows; of ticks, which take long to make, what they are made of."""
    hashed = hashlib.sha256(_bytes(figure.get_size_inches()))
    for artist in [*figure.texts, *figure.legends]:
        _tell(hashed, artist)
    for axes in figure.axes:
        hashed.update(_bytes([axes.get_xlim(), axes.get_ylim(), axes.get_xscale(), axes.get_yscale(), axes.axison]))
        for axis in (axes.xaxis, axes.yaxis):
            ticks = (vars(axis.get_major_locator()).get("locs"), vars(axis.get_major_formatter()).get("seq"))
            hashed.update(_bytes([*ticks, axis.label.get_text(), axis.get_visible(), axis.get_inverted()]))
        legend = axes.get_legend()
        others = [] if legend is None else legend.get_texts()
        for artist in [*axes.lines, *axes.collections, *axes.patches, *axes.texts, *axes.images, axes.title, *others]:
            _tell(hashed, artist)
    return hashed.hexdigest()


def _tell(hashed: Any, artist: Any) -> None:
    hashed.update(type(artist).__name__.encode())
    for name in _TOLD:
        get = getattr(artist, name, None)
        if get is not None:
            hashed.update(_bytes(get()))


def _bytes(value: Any) -> bytes:
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"{value.shape}{value.dtype}".encode() + value.tobytes()
    if hasattr(value, "vertices"):
        return _bytes(np.asarray(value.vertices)) + (b"" if value.codes is None else _bytes(np.asarray(value.codes)))
    if isinstance(value, list | tuple):
        return b"(" + b",".join(map(_bytes, value)) + b")"
    return repr(value).encode("utf-8", "backslashreplace")
