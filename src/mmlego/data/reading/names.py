"""Names of files that say whose they are, as ``slides/{key}_*.h5``."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from mmlego.errors import InputError

STEM = ":stem"
_PARTS = re.compile(r"(\{[^{}]*\}|\*\*/|\*|\?)")
_WILD = {"**/": r"(?:.*/)?", "*": r"[^/]*", "?": r"[^/]"}


class NamePattern:
    """A pattern with ``{key}`` for the patient's id, and ``*``, ``?`` and ``**/`` for what may be anything.

    Parameters
    ----------
    pattern
        The pattern, with ``/`` between folders.
    alone
        Whether it alone says whose a file is, so that ``{key}`` must be in it once and nothing else in braces;
        else the braces hold columns of a table, and there are no wildcards; ``{slide:stem}`` is the cell without
        folders and without its last ending, ``P1`` of ``slides/P1.svs``.

    Raises
    ------
    ValueError
        If it is not of that form, or leaves its folder.

    Examples
    --------
    >>> pattern = NamePattern("slides/{key}_*.h5", alone=True)
    >>> pattern.owners(["slides/p1_a.h5", "slides/p1_b.h5", "slides/p22_a.h5"], None, "slides")
    {'slides/p1_a.h5': 'p1', 'slides/p1_b.h5': 'p1', 'slides/p22_a.h5': 'p22'}
    """

    def __init__(self, pattern: str, *, alone: bool) -> None:
        self.pattern = pattern
        self.parts = [part for part in _PARTS.split(pattern) if part]
        braces = [part[1:-1] for part in self.parts if part.startswith("{")]
        self.columns = list(dict.fromkeys(name.removesuffix(STEM) for name in braces))
        path = PurePosixPath(pattern)
        if path.is_absolute() or ".." in path.parts or "\\" in pattern:
            raise ValueError(f"pattern {pattern!r} leaves the manifest's folder: name its folder under roots: there")
        if alone and braces != ["key"]:
            raise ValueError(f"pattern {pattern!r} needs {{key}} once, where the patient's id stands")
        wild = [part for part in self.parts if part in _WILD]
        if not alone and (wild or not braces or not all(self.columns)):
            raise ValueError(f"pattern {pattern!r} beside file: needs columns in braces, and no wildcards")
        if re.search(r"[^/]\*\*|\*\*[^/]|\*\*$", pattern):
            raise ValueError(f"pattern {pattern!r} has ** beside other characters")
        if re.search(r"[{}]", _PARTS.sub("", pattern)):
            raise ValueError(f"pattern {pattern!r} has a brace without its other")

    def fill(self, words: Mapping[str, str]) -> str:
        """Return the name that columns of a table make; a column may be called anything, as ``slide.id``.

        Parameters
        ----------
        words
            The cell of each column in braces.
        """
        return "".join(_word(part[1:-1], words) if part.startswith("{") else part for part in self.parts)

    def stemmed(self) -> NamePattern:
        """Return the pattern that leaves out endings of all cells."""
        parts = (f"{part[:-1].removesuffix(STEM)}{STEM}}}" if part.startswith("{") else part for part in self.parts)
        return NamePattern("".join(parts), alone=False)

    def glob(self, folder: Path) -> list[str]:
        """Return the names of the files in a folder that may fit, in order; hidden ones do not count, ``.zarr`` do.

        Links to folders are followed, each folder once.

        Parameters
        ----------
        folder
            Where to look.
        """
        found = self._walk(folder) if "**/" in self.parts else folder.glob(_glob(self.parts))
        names = (path.relative_to(folder) for path in found if path.is_file() or _is_whole(path))
        return sorted(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts))

    def _walk(self, folder: Path) -> Iterator[Path]:
        """Go through all folders below the first ``**/``: pathlib's own would pass by links to folders in silence."""
        whole = _regex("*" if part == "{key}" else part for part in self.parts)
        head = _glob(self.parts[: self.parts.index("**/")])
        seen: set[str] = set()
        for start in folder.glob(head) if head else [folder]:
            for place, folders, names in os.walk(start, onerror=_refused, followlinks=True):
                real = os.path.realpath(place)
                if real in seen:
                    folders.clear()
                    continue
                seen.add(real)
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                paths = [Path(place, name) for name in [*names, *folders]]
                folders[:] = [name for name in folders if not _is_whole(Path(place, name))]
                yield from (path for path in paths if whole.fullmatch(path.relative_to(folder).as_posix()))

    def owners(
        self, names: Iterable[str], patients: Collection[str] | None, where: str, *, everybody: bool = False
    ) -> dict[str, str | None]:
        """Return whose each file is; None if nobody's.

        Parameters
        ----------
        names
            The names of files, from :meth:`glob`.
        patients
            The patients there are, of whom the longest id that fits counts; None if that is not known, and the
            shortest text that fits counts.
        where
            The modality, for messages.
        everybody
            Whether a file of none of these patients is another's, where only one text in its name can be the id.

        Raises
        ------
        InputError
            If the patients are not known and nothing in the pattern says where an id ends.
        """
        place = self.parts.index("{key}")
        before, after = self.parts[:place], self.parts[place + 1 :]
        # Next to a wildcard an id ends only where no letter or digit goes on, or p1 would own the files of p12.
        loose = bool(before and before[-1] in ("*", "?")), bool(after and after[0] in ("*", "?"))
        if patients is None and any(loose):
            raise InputError(
                f"{where}: pattern {self.pattern!r} does not say where the patient's id begins and ends",
                expected="a character beside {key}, as {key}_*.h5, where no outcome says who the patients are",
                remedy="Or name a table of files with file:.",
            )
        found = {}
        for name in names:
            every = self._keys(name, before, after, loose)
            keys = [key for key in every if patients is None or key in patients]
            found[name] = (min if patients is None else max)(keys, key=len, default=None)
            if everybody and not keys and len(every) == 1 and not any(loose):
                found[name] = every[0]
        return found

    def _keys(self, name: str, before: list[str], after: list[str], loose: tuple[bool, bool]) -> list[str]:
        """Return all that could be the id in a name."""
        head, tail = _regex(before), _regex(after)
        fixed = not any(part in _WILD for part in before)
        starts = [len("".join(before))] if fixed else range(len(name))
        keys = []
        for start in starts:
            if not head.fullmatch(name[:start]) or (loose[0] and name[start - 1 : start].isalnum()):
                continue
            end = start
            while end < len(name) and name[end] != "/":
                end += 1
                if not (loose[1] and name[end : end + 1].isalnum()) and tail.fullmatch(name, end):
                    keys.append(name[start:end])
        return keys


def _word(name: str, words: Mapping[str, str]) -> str:
    return PurePosixPath(words[name.removesuffix(STEM)]).stem if name.endswith(STEM) else words[name]


def _regex(parts: Iterable[str]) -> re.Pattern[str]:
    return re.compile("".join(_WILD.get(part, re.escape(part)) for part in parts))


def _glob(parts: Iterable[str]) -> str:
    text = "".join("*" if part == "{key}" else part if part in _WILD else glob.escape(part) for part in parts)
    return re.sub(r"\*\*+(?!/)", "*", text)  # to glob, ** is something else


def _is_whole(path: Path) -> bool:
    """Return whether a folder is one file to its user: zarr."""
    return path.suffix.lower() == ".zarr" and path.is_dir()


def _refused(error: OSError) -> None:
    raise error  # a folder that cannot be listed is not an empty one
