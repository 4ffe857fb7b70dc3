"""Ids of two files that do not meet but would in another form: zeros in front, case, separators, barcodes cut short."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from mmlego.data.reading.ids import IdForm
from mmlego.data.reading.normal_tissue import BARCODE, tissue_of, tumours_only
from mmlego.errors import InputError
from mmlego.wording import counted

_SAMPLE = 200  # of so many ids it is tried which form fits
_CASES: tuple[Literal["upper", "lower"], ...] = ("upper", "lower")
_NUMBER = r"(\d+)"
_SHORTEST = 4  # an id cut to fewer characters meets another by chance


@dataclass(frozen=True)
class NearMiss:
    """A form in which ids of two files meet.

    Parameters
    ----------
    form
        The form.
    section
        Whose ids are to be brought into it; None: those of all.
    met
        How many ids of the file then meet those of the others.
    example
        An id of the file, and the one that it meets.
    """

    form: IdForm
    section: str | None
    met: int
    example: tuple[str, str]

    def found(self) -> str:
        """Return what would meet, as a clause."""
        return f"{counted(self.met, 'id')} would meet in another form, {self.example[0]!r} as {self.example[1]!r}"

    def remedy(self) -> str:
        """Return what to declare."""
        place = "at the top of the manifest" if self.section is None else f"in the section of {self.section}"
        return f"Declare {self.form.written()} {place}."


def near_miss(section: str, ids: Sequence[str], other: str, known: Sequence[str]) -> NearMiss | None:
    """Return the simplest form in which ids of one file meet those of another; None if there is none.

    Parameters
    ----------
    section
        The modality whose ids meet nobody.
    ids
        Those ids.
    other
        The section of the others.
    known
        The ids of the others that meet nobody either.

    Examples
    --------
    >>> found = near_miss("rna", ["TCGA-AA-0001-01A", "TCGA-AA-0002-01A"], "outcome", ["TCGA-AA-0002", "TCGA-AA-0001"])
    >>> found.found()
    "2 ids would meet in another form, 'TCGA-AA-0001-01A' as 'TCGA-AA-0001'"
    >>> found.remedy()
    'Declare id: {length: 12} in the section of rna.'
    """
    if not ids or not known:
        return None
    best: tuple[int, int, IdForm, str | None] | None = None
    sample = ids[:: -(-len(ids) // _SAMPLE)]
    for form, whose in _candidates(ids, known):
        here = form if whose != "there" else None
        there = form if whose != "here" else None
        met = _met(here, there, sample, known)
        if not met or (_loses(form) and 2 * len(met) < min(len(sample), len(known))):
            continue
        rank = (len(met), -_parts(form) - (whose == "both"))
        if best is None or rank > best[:2]:
            best = (*rank, form, {"here": section, "there": other, "both": None}[whose])
    if best is None:
        return None
    form, where = best[2], best[3]
    all_met = _met(form if where != other else None, form if where != section else None, ids, known)
    return None if not all_met else NearMiss(form, where, len(all_met), next(iter(all_met.items())))


def _met(here: IdForm | None, there: IdForm | None, ids: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Return which ids meet which, in a form; none if a form would make one patient of two."""
    try:
        mine = list(ids) if here is None else here.column(ids, "")
        theirs = list(known) if there is None else there.column(known, "")
    except InputError:
        return {}
    places = dict(zip(theirs, known, strict=True))
    if len(places) < len(set(known)):
        return {}
    return {old: places[new] for old, new in zip(ids, mine, strict=True) if new in places}


def _candidates(ids: Sequence[str], known: Sequence[str]) -> Iterator[tuple[IdForm, str]]:
    """Yield forms, each with whose ids are to be brought into it, the simple ones first."""
    yield from ((IdForm(number=True), whose) for whose in ("here", "there", "both"))
    yield from ((IdForm(case=case), whose) for case, whose in product(_CASES, ("here", "there", "both")))
    for whose, mine, theirs in (("here", ids, known), ("there", known, ids)):
        if all(map(str.isdecimal, theirs)) and all(len(re.findall(r"\d+", text)) == 1 for text in mine):
            yield IdForm(pattern=_NUMBER, number=True), whose  # p000003 is 3
            yield IdForm(pattern=_NUMBER, number=True), "both"  # and so is 03
    for whose, mine, theirs in (("here", ids, known), ("there", known, ids)):
        for swap, case in product(({}, *_swaps(mine, theirs)), (None, *_CASES)):
            replaced = [IdForm(replace=swap).of(text) for text in mine[:_SAMPLE]] if swap else mine
            for cut in (IdForm(number=True), *_cuts(replaced, theirs)):
                yield cut.model_copy(update={"replace": swap, "case": case}), whose
            if swap:
                yield IdForm(replace=swap, case=case), whose


def _swaps(mine: Sequence[str], theirs: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield which characters between letters and digits could stand for which."""
    here, there = _signs(mine), _signs(theirs)
    for old in sorted(here - there):
        for new in (*sorted(there - here), ""):
            yield {old: new}


def _signs(ids: Sequence[str]) -> set[str]:
    return {sign for text in ids[:_SAMPLE] for sign in text if not sign.isalnum()}


def _cuts(mine: Sequence[str], theirs: Sequence[str]) -> Iterator[IdForm]:
    """Yield what could be cut off: all after the length of the others' ids, or what stands around one of them."""
    sizes = {len(text) for text in theirs}
    size = min(sizes)
    if len(sizes) == 1 and size >= _SHORTEST and any(len(text) > size for text in mine):
        tumours = [text for text in mine if BARCODE.match(text) and tissue_of(text) == "tumour"]
        if tumours and any(BARCODE.match(text) and tissue_of(text) == "normal" for text in mine):
            yield from filter(None, [tumours_only(IdForm(length=size), tumours)])
            return  # what is known of normal tissue is not so of their patients' tumours
        yield IdForm(length=size)
    for sign in sorted(_signs(mine)):
        yield IdForm(pattern=f"^([^{re.escape(sign)}]+){re.escape(sign)}")
        yield IdForm(pattern=f"{re.escape(sign)}([^{re.escape(sign)}]+)$")
    around = set()
    for text in mine[:3]:
        inner = max((other for other in theirs if other and other.casefold() in text.casefold()), key=len, default="")
        before, _, after = text.casefold().partition(inner.casefold()) if inner else ("", "", "")
        before, after = text[: len(before)], text[len(text) - len(after) :]
        # A number within a longer one is there by chance.
        inside = (before[-1:].isdigit() and inner[:1].isdigit()) or (after[:1].isdigit() and inner[-1:].isdigit())
        if (before or after) and not inside:
            around.add(f"^{re.escape(before)}(.+){re.escape(after)}$")
    yield from (IdForm(pattern=pattern) for pattern in sorted(around))


def _loses(form: IdForm) -> bool:
    """Return whether a form leaves out what may tell patients apart, so that few that meet may do so by chance."""
    return form.length is not None or form.pattern is not None or "" in form.replace.values()


def _parts(form: IdForm) -> int:
    return len(form.model_dump(exclude_defaults=True))
