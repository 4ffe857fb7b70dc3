"""How messages name things: a list cut short, the nearest known name, a value as a label."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmlego.printable import escaped

MOST_COMPARED = 5000  # to compare a name with half a million takes as long as to read them
_OF_PATIENT = re.compile(r"(.*?: |)patient (.+?): (.*)", re.DOTALL)
_IN_QUOTES = re.compile(r"'[^']*'")  # the file of the patient
_SIGNS = re.compile(r"[\W_]+")
# How like a name another has to be, of 1: of few letters, one more or one other makes a word of its own.
_NEAR, _NEARER, _SHORT = 0.7, 0.8, 3
_LONG = 6  # digits
_BARE = re.compile(r"[A-Za-z_][\w.()/+-]*(?: [\w.()/+-]+)*")
_YAML_WORDS = frozenset("null true false yes no on off y n".split())


# What to do about a text in another encoding, as programs under Windows write it.
UTF8 = "Save it as UTF-8 (in Excel: CSV UTF-8), or turn it into that, as iconv -f WINDOWS-1252 -t UTF-8 does."


def listed(names: Iterable[object], limit: int = 5) -> str:
    """Name the first few of many things and count the rest.

    Parameters
    ----------
    names
        What to name.
    limit
        How many are spelled out.

    Returns
    -------
    str
        The names, separated by commas.

    Examples
    --------
    >>> listed(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    words = [str(name) for name in names]
    text = ", ".join(words[:limit])
    return text if len(words) <= limit else f"{text} and {len(words) - limit} more"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun in singular or plural.

    Parameters
    ----------
    number
        How many.
    noun
        What, in the singular.

    Examples
    --------
    >>> counted(1, "patient"), counted(2, "row")
    ('1 patient', '2 rows')
    """
    return f"{number} {noun}" + ("" if number == 1 else "s")


def told_together(lines: Iterable[str], names: Iterable[str]) -> list[str]:
    """Say once what is said of several sections, where lines begin with the name of a section and go on alike.

    Parameters
    ----------
    lines
        What is said.
    names
        Of the sections.

    Examples
    --------
    >>> told_together(["rna: one file", "cnv: one file", "rna: no id"], ["rna", "cnv"])
    ['rna, cnv: one file', 'rna: no id']
    """
    known = set(names)
    found: dict[str, list[str]] = {}
    for line in lines:
        name, colon, rest = line.partition(": ")
        if colon and name in known:
            found.setdefault(rest, []).append(name)
        else:
            found[line] = []
    return [f"{', '.join(of)}: {rest}" if of else rest for rest, of in found.items()]


def told_of_patients(lines: Iterable[str]) -> list[str]:
    """Say once what is wrong with files of several patients, where lines differ in patient and file alone.

    Parameters
    ----------
    lines
        What is said; of a patient ``… patient NAME: …``.

    Examples
    --------
    >>> told_of_patients(["ct: patient a: 'a.nii' holds NaN", "ct: patient b: 'b.nii' holds NaN", "rna: no id"])
    ["ct: 2 patients (a, b), as patient a: 'a.nii' holds NaN", 'rna: no id']
    """
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for line in lines:
        found = _OF_PATIENT.fullmatch(line)
        if found is None:
            groups[(line,)] = [("", line)]
        else:
            where, who, what = found.groups()
            groups.setdefault((where, _IN_QUOTES.sub("", what, count=1)), []).append((who, line))
    told = []
    for (where, *_), same in groups.items():
        line = same[0][1]
        names = listed((who for who, _ in same), 12)
        told.append(
            f"{where}{counted(len(same), 'patient')} ({names}), as {line[len(where) :]}" if len(same) > 1 else line
        )
    return told


def by_reason(found: Mapping[str, str], few: int) -> str:
    """Say why something cannot be used, each reason once, with whom it concerns.

    Parameters
    ----------
    found
        By patient the reason, with what is his own after a colon and in quotes.
    few
        How many patients, and how many reasons, are named.

    Examples
    --------
    >>> by_reason({"a": "no SMILES: 'C('", "b": "no SMILES: 'C)'", "c": "it is empty"}, 3)
    "a, b: no SMILES, as 'C('; c: it is empty"
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for who, why in found.items():
        reason, _, own = why.partition(": '")
        groups.setdefault(reason, []).append((who, f"'{own}" if own else ""))
    told = []
    for reason, same in groups.items():
        own = same[0][1]
        example = f"{', as' if len(same) > 1 else ':'} {own}" if own else ""
        told.append(f"{listed((who for who, _ in same), few)}: {reason}{example}")
    return "; ".join(told[:few]) + (f" and {counted(len(told) - few, 'more reason')}" if len(told) > few else "")


def meant(name: str, known: Sequence[str]) -> str:
    """Return the hint ``Did you mean …?`` for a misspelled name, or the list of the known ones.

    A name that differs in case or in signs between its words comes first, then one that holds the name as a word, then
    one of few other letters; what is farther is no hint.

    Parameters
    ----------
    name
        What was written.
    known
        What could have been written.

    Examples
    --------
    >>> meant("colums", ["columns", "file"])
    "Did you mean 'columns'?"
    >>> meant("zzz", ["columns", "file"])
    'Known: columns, file.'
    >>> meant("Age", ["Stage", "Date of diagnosis", "AGE"]), meant("age", ["stage", "age_at_diagnosis"])
    ("Did you mean 'AGE'?", "Did you mean 'age_at_diagnosis'?")
    """
    near = nearest(name, known)
    if near is not None:
        return f"Did you mean {near!r}?"
    return f"Known: {listed(known, 12)}." if known else "None is known here."


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that a misspelled one stands for, as :func:`meant` finds it; None: none is near.

    Parameters
    ----------
    name, known
        As :func:`meant` takes them.

    Examples
    --------
    >>> nearest("colums", ["columns", "file"]), nearest("zzz", ["columns", "file"])
    ('columns', None)
    """
    wanted = _SIGNS.sub("", name.casefold())
    for other in known:
        if wanted and other != name and _SIGNS.sub("", other.casefold()) == wanted:
            return other
    compared = known if len(known) <= MOST_COMPARED else _alike(name, known)
    plain = {other: _SIGNS.sub("", other.casefold()) for other in compared if other != name}
    holding = [other for other in plain if wanted and wanted in map(str.casefold, _SIGNS.split(other))]
    if len(holding) == 1:
        return holding[0]
    places = {text: other for other, text in reversed(plain.items()) if _may_be_a_slip(text, wanted)}
    swapped = next((text for text in places if _swapped(text, wanted)), None)
    if swapped is not None:
        return places[swapped]
    found = difflib.get_close_matches(wanted, places, n=1, cutoff=_NEAR if len(wanted) > _SHORT else _NEARER)
    return places[found[0]] if found else None


def _may_be_a_slip(first: str, second: str) -> bool:
    """Return whether the numbers of two names are equal, or a digit of a long one was lost: TP53 is not TP63."""
    one, other = ("".join(re.findall(r"\d", text)) for text in (first, second))
    return one == other or (len(one) != len(other) and min(len(one), len(other)) >= _LONG)


def _swapped(first: str, second: str) -> bool:
    """Return whether two names differ in two neighbouring letters alone, as ``age`` and ``aeg``."""
    odd = [place for place, (a, b) in enumerate(zip(first, second, strict=False)) if a != b]
    if len(first) != len(second) or len(odd) != 2 or odd[1] != odd[0] + 1:
        return False
    here = slice(odd[0], odd[1] + 1)
    return first[here] == second[here][::-1]


def _alike(name: str, known: Sequence[str]) -> list[str]:
    """Return the first few of very many names that may be meant: of about the same length, and beginning the same."""
    first = name[:1].casefold()
    close = (other for other in known if abs(len(other) - len(name)) <= 2 and other[:1].casefold() == first)
    return list(itertools.islice(close, MOST_COMPARED))


def label(value: object) -> str:
    """Return a key, class or category as text, so that ``1``, ``1.0`` and ``"1"`` are one and the same.

    Parameters
    ----------
    value
        Any scalar that is not missing.

    Examples
    --------
    >>> label(1.0), label(" a "), label(2.5), label(True)
    ('1', 'a', '2.5', 'True')
    """
    number = getattr(value, "item", None)
    if callable(number):
        value = number()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def quoted(word: str, *, bare: bool = False) -> str:
    r"""Return a word as YAML takes it for just that word, also in a list or as a key.

    Parameters
    ----------
    word
        The word.
    bare
        Whether it may stand without quotes where it needs none, as names of columns do.

    Examples
    --------
    >>> quoted("> 89"), quoted("4\u00a0750"), quoted("age", bare=True), quoted("a, b", bare=True)
    ("'> 89'", '"4\\u00a0750"', 'age', "'a, b'")
    """
    if bare and _BARE.fullmatch(word) and word.casefold() not in _YAML_WORDS:
        return word
    text = repr(word)
    return json.dumps(word) if "\\" in text else text


def shortened(text: str, most: int = 40) -> str:
    """Return a text, its end cut off where it is long.

    Parameters
    ----------
    text
        The text.
    most
        How many characters are kept.

    Examples
    --------
    >>> shortened("CC(C)NCC(O)COc1cccc2ccccc12", 9)
    'CC(C)NCC…'
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"


def in_brief(value: Any, most: int = 6) -> str:
    """Return a value of a configuration for the eye: numbers in four digits, of many how many, from where to where.

    Parameters
    ----------
    value
        As JSON has it.
    most
        How many numbers are told one by one.

    Examples
    --------
    >>> in_brief([12.0, 60.0]), in_brief([0.5 * n for n in range(1, 15)]), in_brief(["relapse", "death"])
    ('[12, 60]', '14 from 0.5 to 7', '[relapse, death]')
    """
    if isinstance(value, list):
        if len(value) > most and all(isinstance(one, float) for one in value):
            return f"{len(value)} from {in_brief(min(value))} to {in_brief(max(value))}"
        return "[" + ", ".join(in_brief(item) for item in value) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def made_of(described: Mapping[str, Any]) -> str:
    """Return what makes the tokens or the scores of a brick: an encoder, a learner, or several of them.

    Parameters
    ----------
    described
        The brick, as it stands in a configuration.

    Examples
    --------
    >>> made_of({"members": {"a": {"encoder": {"name": "snn"}}, "b": {"learner": {"name": "coxnet"}}}})
    'snn + coxnet'
    >>> made_of({"learner": {"name": "selected", "config": {"kept": [0, 2], "name": "ridge"}}})
    'ridge'
    >>> made_of({"learner": {"name": "per_cause", "config": {"parts": [{"name": "coxnet", "config": {}}] * 2}}})
    'coxnet a cause'
    """
    if "members" in described:
        return " + ".join(made_of(member) for member in described["members"].values())
    made = described.get("learner") or described["encoder"]
    if made.get("name") == "selected":  # some columns are left out: of which learner, one wants to know
        made = made["config"]
    if made.get("name") == "per_cause":
        inside = dict.fromkeys(made_of({"learner": part}) for part in made["config"]["parts"])
        return " and ".join(f"{name} a cause" for name in inside)
    return str(made.get("name") or made.get("foreign"))


def brief(value: Any) -> str:
    r"""Return a value of anybody's in at most 100 characters, none of which a terminal obeys.

    Examples
    --------
    >>> brief("\x1b[2J")
    "'\\x1b[2J'"
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**99:
        return "a number of a hundred digits or more"
    if isinstance(value, str | bytes) and len(value) > 100:
        value = value[:100]
    text = escaped(repr(value))
    return text if len(text) <= 100 else f"{text[:99]}…"
