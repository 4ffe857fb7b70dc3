"""What TRIPOD+AI asks a report on a prediction model for, and where on the page it stands; the items are a table."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from mmlego.reporting.parts import Section, Table, Text, section

SOURCE = "Collins, Moons, Dhiman and others 2024, TRIPOD+AI statement, BMJ 385, e078378"


def items() -> list[tuple[str, str, str, str]]:
    """Return for each item its number, what it asks for in own words, the section that tells of it, and a remark.

    Examples
    --------
    >>> len(items()), items()[0][0]
    (52, '1')
    """
    text = (files("mmlego.reporting") / "templates" / "tripod_ai.tsv").read_text(encoding="utf-8")
    return [tuple(line.split("\t")) for line in text.splitlines()[1:]]  # type: ignore[misc]


def tripod(titles: Mapping[str, str]) -> Section:
    """Return the table of items: what each asks for, and where it stands, or that the author has to write it.

    Parameters
    ----------
    titles
        The headings of the page, by the name of the section.
    """
    rows, told = [], 0
    for number, asked, where, note in items():
        here = where in titles
        told += here
        stands = f"“{titles[where]}”" if here else "to be written by the author"
        rows.append((number, asked, stands + (f"; {note}" if note else "")))
    return section(
        "tripod",
        "What TRIPOD+AI asks for",
        [
            Text(
                f"Of {len(rows)} items for studies of prediction models, this page tells something of {told}; the rest "
                "only the author can write, and of those told there is often more to say."
            ),
            Table(
                "Items in own words, and where they stand",
                ("item", "what is asked for", "where it stands"),
                tuple(rows),
                f"{SOURCE}. The statement itself is what counts.",
                folded=True,
            ),
        ],
    )
