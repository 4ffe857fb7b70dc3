"""Files that are called almost as a pattern says: but for case, zeros, signs, the ending, or more around the id."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from mmlego.data.reading.names import NamePattern
from mmlego.wording import counted

MOST = 8  # that are named
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_SIGNS = str.maketrans("- ", "__")
_ENDING = re.compile(r"\.[^./*?{}]+$")
Way = tuple[str, Callable[[str], str], Callable[[str], str]]  # what differs; how names and patterns become alike


def _same(text: str) -> str:
    return text


def _unpadded(text: str) -> str:
    return _ZEROS.sub("", text)


def _one_sign(text: str) -> str:
    return text.translate(_SIGNS)


def _any_ending(pattern: str) -> str:
    return _ENDING.sub(".*", pattern)


def _more_behind(pattern: str) -> str:
    return pattern if re.search(r"\{key\}\*", pattern) else pattern.replace("{key}", "{key}*")


def _more_before(pattern: str) -> str:
    return pattern if re.search(r"\*\{key\}", pattern) else pattern.replace("{key}", "*{key}")


def _all(text: str) -> str:
    return _unpadded(_one_sign(text.casefold()))


WAYS: tuple[Way, ...] = (
    ("case", str.casefold, str.casefold),
    ("zeros in front", _unpadded, _unpadded),
    ("signs between words", _one_sign, _one_sign),
    ("the ending", _same, _any_ending),
    ("what is behind the id", _same, _more_behind),
    ("what is before the id", _same, _more_before),
    ("case, zeros, signs or ending", _all, lambda pattern: _any_ending(_all(pattern))),
)


def near_files(pattern: str, names: Sequence[str], patients: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return by patient the file that may be theirs, and in what its name differs from the pattern.

    Parameters
    ----------
    pattern
        The pattern, with ``{key}`` where the id stands.
    names
        Files that are nobody's.
    patients
        Patients without a file.

    Examples
    --------
    >>> names = ["p1.h5", "P02.h5", "P3_a.h5", "P4.hdf5", "P55.h5"]
    >>> found = near_files("{key}.h5", names, ["P1", "P2", "P3", "P4", "P5"])
    >>> [f"{patient} {name}: {what}" for patient, (name, what) in found.items()]
    ['P1 p1.h5: case', 'P2 P02.h5: zeros in front', 'P4 P4.hdf5: the ending', 'P3 P3_a.h5: what is behind the id']
    """
    found: dict[str, tuple[str, str]] = {}
    taken: set[str] = set()
    for what, alike, relaxed in WAYS:
        lacking: dict[str, str] = {}
        for patient in patients:
            if patient not in found:
                lacking.setdefault(alike(patient), patient)
        left: dict[str, str] = {}
        for name in names:
            if name not in taken:
                left.setdefault(alike(name), name)
        if not lacking or not left:
            break
        owners = NamePattern(relaxed(pattern), alone=True).owners(list(left), lacking, "")
        for name, owner in owners.items():
            if owner is not None and lacking[owner] not in found:
                found[lacking[owner]] = left[name], what
                taken.add(left[name])
    return found


def beside(pattern: str) -> str:
    """Return a pattern of all files that lie where those of another do.

    Parameters
    ----------
    pattern
        The other.

    Examples
    --------
    >>> beside("slides/{key}_*.h5"), beside("ct/{key}/*.dcm"), beside("{key}.h5")
    ('slides/{key}*', 'ct/{key}/*', '{key}*')
    """
    folder, slash, name = pattern.rpartition("/")
    return f"{folder}{slash}{'{key}*' if '{key}' in name else '*'}"


def told(near: Mapping[str, tuple[str, str]]) -> str:
    """Return in a clause whose files may be called otherwise.

    Parameters
    ----------
    near
        What :func:`near_files` returned.

    Examples
    --------
    >>> told({"P1": ("p1.h5", "case")})
    '1 patient without a file, for whom one of almost that name is there (P1: p1.h5 differs in case)'
    """
    each = [f"{patient}: {name} differs in {what}" for patient, (name, what) in near.items()]
    more = f"; {len(each) - MOST} more" if len(each) > MOST else ""
    text = f"{counted(len(near), 'patient')} without a file, for whom one of almost that name is there"
    return f"{text} ({'; '.join(each[:MOST])}{more})"
