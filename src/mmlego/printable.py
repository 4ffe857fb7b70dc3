"""Text of others, made fit to be printed: what a terminal would obey stands there as an escape."""

from __future__ import annotations

import re

# Control characters but for tab and end of line, marks that turn the direction of writing, halves of pairs of UTF-16.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str) -> str:
    r"""Return a text in which no character moves a cursor, changes a colour, or turns what stands behind it around.

    Parameters
    ----------
    text
        Of anybody, as of a card that was fetched. Ends of lines and tabs stay.

    Examples
    --------
    >>> print(escaped("a card \x1b[2J"))
    a card \u001b[2J
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
