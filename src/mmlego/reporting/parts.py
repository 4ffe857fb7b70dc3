"""What a page is made of: sections of text, tables and pictures. Plain values, from which any page could be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Parameters
    ----------
    text
        Plain text.
    tone
        ``plain``; ``lead`` for what is read first; ``note`` for small print; ``warning`` for what must be seen.
    """

    text: str
    tone: Literal["plain", "lead", "note", "warning"] = "plain"
    kind: str = field(default="text", init=False)


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    caption
        What it tells.
    head
        Names of the columns.
    rows
        Cells as text; the first of each row names it.
    note
        What has to be known to read it.
    folded
        Whether it is shown only when asked for.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    folded: bool = False
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Picture:
    """A figure.

    Parameters
    ----------
    name
        Of its files, without an ending.
    title
        What it shows.
    alt
        What it says, in words, for who cannot see it.
    figure
        The drawing.
    caption
        What has to be known to read it.
    """

    name: str
    title: str
    alt: str
    figure: Figure
    caption: str = ""
    kind: str = field(default="picture", init=False)


@dataclass(frozen=True)
class Flow:
    """Steps on the way of patients, each with what was left out at it.

    Parameters
    ----------
    steps
        For each step its text and the lines of who left there.
    ends
        The parts at the end, a heading and a line each.
    """

    steps: tuple[tuple[str, tuple[str, ...]], ...]
    ends: tuple[tuple[str, str], ...]
    kind: str = field(default="flow", init=False)


Item: TypeAlias = Text | Table | Picture | Flow


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading.

    Parameters
    ----------
    name
        Its anchor.
    title
        Its heading.
    items
        In order.
    """

    name: str
    title: str
    items: tuple[Item, ...]

    @property
    def pictures(self) -> list[Picture]:
        """The figures in it."""
        return [item for item in self.items if isinstance(item, Picture)]


@dataclass(frozen=True)
class Page:
    """A whole report.

    Parameters
    ----------
    title
        Its heading.
    subtitle
        A line below.
    sections
        In order.
    about
        How it was made, a line each.
    """

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    about: tuple[str, ...]

    @property
    def pictures(self) -> list[Picture]:
        """All figures."""
        return [picture for section in self.sections for picture in section.pictures]

    def plain(self) -> dict[str, Any]:
        """Return all of it but the drawings as values that JSON can hold."""
        return {
            "title": self.title,
            "subtitle": self.subtitle,
            "about": list(self.about),
            "sections": [
                {"name": one.name, "title": one.title, "items": [_plain(item) for item in one.items]}
                for one in self.sections
            ],
        }


def _plain(item: Item) -> dict[str, Any]:
    return {name: value for name, value in vars(item).items() if name != "figure"}


def section(name: str, title: str, items: Sequence[Item | None]) -> Section:
    """Return a section of those items that there are."""
    return Section(name, title, tuple(item for item in items if item is not None))
