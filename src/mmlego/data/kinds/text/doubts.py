"""Texts that were spoilt before they came here: read in another encoding, cut off by a spreadsheet, no text at all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.wording import counted, listed, shortened

MOST_IN_A_CELL = 32767  # characters, in Excel
# Characters of usual fields of data bases and exports; texts of one of these lengths, and none longer, were cut there.
_FIELDS = (200, 250, 255, 256, 500, 511, 512, 1000, 1023, 1024, 2000, 2048, 4000, 4096, 8000, 8192, 32000, 65535)
FEWEST_CUT = 3
SHARED, FEWEST_TEXTS, WORDS = 0.5, 10, 8  # a paragraph of so many words that so many of the texts have is a form's
# UTF-8 that was read as Windows-1252 and saved so: ö is Ã¶, ß is ÃŸ, “ is â€œ.
_TWICE = re.compile(
    "\u00c3[\u00a0-\u00bf\u0178\u0152\u0153\u201e\u201c\u2013\u2014\u0161]"
    "|\u00e2\u20ac[\u2122\u0153\u009d\u201c\u201d]|\u00c2[\u00a0-\u00bf]"
)
# What stands where names and dates were: MIMIC-III, MIMIC-IV, OpenI, and tools of hospitals.
_HIDDEN = re.compile(
    r"\[\*\*|(?<!_)_{3}(?!_)|\bX{4,}\b|[\[<(](?:REDACTED|PHI|NAME|DATE|PATIENT|DOCTOR|HOSPITAL|LOCATION|AGE|PHONE|ID)[\]>)]",
    re.IGNORECASE,
)
_BEGINNINGS = {"%PDF-": "a PDF", "{\\rtf": "RTF", "PK\x03\x04": "a packed document"}


def no_text(text: str) -> str | None:
    r"""Return what a file holds that is no plain text; None of one that may be.

    Parameters
    ----------
    text
        What was read of it.

    Examples
    --------
    >>> no_text("%PDF-1.4"), no_text("R\0e\0"), no_text("No finding.")
    ('a PDF', 'zero bytes, as UTF-16 has', None)
    """
    if "\0" in text:
        return "zero bytes, as UTF-16 has"
    return next((what for begin, what in _BEGINNINGS.items() if text.startswith(begin)), None)


def doubts_of_texts(texts: Mapping[str, str], where: str) -> list[Dropped]:
    """Return what is doubtful of texts.

    Parameters
    ----------
    texts
        By patient.
    where
        The modality.

    Examples
    --------
    >>> [str(doubt) for doubt in doubts_of_texts({"a": "Gr\u00c3\u00b6\u00c3\u0178e", "b": "no finding"}, "reports")]
    ["reports: 1 text with signs of another encoding, as 'Ã¶' (a): save the texts anew from where they were right"]
    """
    found: list[Dropped] = []
    for signs, what, way in (
        (_signs(texts), "with signs of another encoding", "save the texts anew from where they were right"),
        (_marks(texts), "with marks of HTML", "take the marks out"),
    ):
        if signs:
            first = next(iter(signs.values()))
            told = f"{counted(len(signs), 'text')} {what}, as {first!r} ({listed(signs)}): {way}"
            found.append(Doubtful(where, told))
    hidden = [patient for patient, text in texts.items() if _HIDDEN.search(text)]
    if hidden:
        first = next(match[0] for text in texts.values() if (match := _HIDDEN.search(text)))
        told = f"{len(hidden)} of {counted(len(texts), 'text')} with marks of de-identification, as {first!r}"
        found.append(Noted(where, f"{told}: words as others"))
    cut = [patient for patient, text in texts.items() if len(text) == MOST_IN_A_CELL]
    if cut:
        told = (
            f"{counted(len(cut), 'text')} of {MOST_IN_A_CELL} characters ({listed(cut)}), the most that a cell of Excel"
        )
        found.append(Doubtful(where, f"{told} holds: the rest may be lost"))
    longest = max(map(len, texts.values()), default=0)
    full = [patient for patient, text in texts.items() if len(text) == longest]
    if len(full) >= FEWEST_CUT and len(set(map(texts.__getitem__, full))) > 1 and longest in _FIELDS:
        told = f"{len(full)} texts of {longest} characters ({listed(full)}), and none is longer"
        found.append(Doubtful(where, f"{told}: the rest may be lost, as where a field holds no more"))
    return [*found, *_boilerplate(texts, where)]


def _boilerplate(texts: Mapping[str, str], where: str) -> list[Noted]:
    """Return that the same paragraphs stand in most texts, which take the room of what tells patients apart."""
    if len(texts) < FEWEST_TEXTS:
        return []
    lines = Counter(line for text in texts.values() for line in {" ".join(one.split()) for one in text.splitlines()})
    usual = [line for line, n in lines.items() if n > SHARED * len(texts) and len(line.split()) >= WORDS]
    if not usual:
        return []
    longest = max(usual, key=len)
    told = f"{counted(len(usual), 'paragraph')} that most texts have word for word, as {shortened(longest)!r} in "
    return [Noted(where, f"{told}{lines[longest]} of {len(texts)}: words as others, which count towards the length")]


def doubts_of_words(texts: Mapping[str, str], where: str) -> list[Dropped]:
    """Return which texts may be words for a missing one.

    Parameters
    ----------
    texts
        By patient.
    where
        The modality.

    Examples
    --------
    >>> [str(doubt) for doubt in doubts_of_words({"a": "NA"}, "reports")]
    ["reports: 1 text taken as written, though it may mean missing (a: 'NA')"]
    """
    doubtful = [f"{patient}: {text!r}" for patient, text in texts.items() if is_missing(text)]
    what = f"{counted(len(doubtful), 'text')} taken as written, though it may mean missing ({listed(doubtful)})"
    return [Doubtful(where, what)] if doubtful else []


def _signs(texts: Mapping[str, str]) -> dict[str, str]:
    found = {patient: _TWICE.search(text) for patient, text in texts.items()}
    twice = {patient: match[0] for patient, match in found.items() if match}
    return twice | {patient: "\ufffd" for patient, text in texts.items() if "\ufffd" in text}


def _marks(texts: Mapping[str, str]) -> dict[str, str]:
    found = {patient: re.search(r"</(?:p|div|body|span)>", text, re.IGNORECASE) for patient, text in texts.items()}
    return {patient: match[0] for patient, match in found.items() if match}
