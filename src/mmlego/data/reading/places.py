"""Where the files of a manifest may lie: in its folder, or under the roots that the user names, and nowhere else."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TypeVar

from mmlego.data.reading.fingerprints import file_fingerprint
from mmlego.data.reading.names import NamePattern
from mmlego.errors import InputError
from mmlego.wording import listed, meant, shortened

T = TypeVar("T")

OWN = "the manifest's folder"
LINKS = "Name where it leads under roots: in the manifest, or pass links=True (links: true in the manifest)."
MOST_LETTERS = 200  # of a path in a message
MOST_COMPARED = 64 * 2**20  # bytes of two files of one name that are compared whole


@dataclass(frozen=True)
class Places:
    """The roots under which files are looked for by name.

    Parameters
    ----------
    roots
        Folders, in the order in which they are named.
    named
        Those of them that have a name, with which a path may begin: ``scans/p1.nii`` lies in ``named["scans"]``, too.
    elsewhere
        Whether the first root is not the manifest's own folder, for messages.
    links
        Let links in a root lead out of all roots.
    allow_outside
        Let files lie outside the roots, also by an absolute path.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("study/outcome.csv", "storage/p1.h5"):
    ...         (Path(folder) / name).parent.mkdir()
    ...         (Path(folder) / name).touch()
    ...     places = Places((Path(folder, "study"), Path(folder, "storage")))
    ...     places.file("p1.h5").relative_to(folder).as_posix()
    'storage/p1.h5'
    """

    roots: tuple[Path, ...]
    named: Mapping[str, Path] = field(default_factory=dict)
    elsewhere: bool = False
    links: bool = False
    allow_outside: bool = False

    @property
    def bounds(self) -> tuple[Path, ...] | None:
        """The folders that links may not leave; None: they may lead anywhere."""
        return None if self.links or self.allow_outside else self.roots

    def file(self, name: str, *, folders: bool = False) -> Path:
        """Return the path of a file.

        Parameters
        ----------
        name
            The file, relative to a root.
        folders
            Whether it may be a folder.

        Raises
        ------
        InputError
            If it leaves the roots, there is no such file, two different ones lie under two roots, or the system refuses
            the path.
        """
        return asked(lambda: self._file(name, folders=folders), name)

    def holds(self, name: str) -> bool:
        """Return whether a path stays in the roots, whether or not a file is there."""
        return asked(lambda: any(self.contains(path) for path in self.paths(name)), name)

    def contains(self, path: Path) -> bool:
        """Return whether a path lies where files may lie, wherever links lead from it.

        Parameters
        ----------
        path
            The path, whether or not something is there.
        """
        if self.allow_outside:
            return True
        if self.links and ".." not in path.parts:
            whole = Path(os.path.abspath(path))
            if any(whole.is_relative_to(os.path.abspath(root)) for root in self.roots):
                return True
        return any(path.resolve().is_relative_to(root.resolve()) for root in self.roots)

    def paths(self, name: str) -> list[Path]:
        """Return what a name may mean: the path below each root, and below a root whose name it begins with.

        Parameters
        ----------
        name
            The file or folder, relative to a root.
        """
        first, *rest = PurePath(name).parts or ("",)
        mounted = [self.named[first].joinpath(*rest)] if rest and first in self.named else []
        return list(dict.fromkeys([*(root / name for root in self.roots), *mounted]))

    def glob(self, pattern: str) -> list[str]:
        """Return the names of the files that may fit a pattern, relative to their roots, in order.

        Parameters
        ----------
        pattern
            The pattern, of those that alone say whose a file is.
        """
        first, _, rest = pattern.partition("/")

        def look() -> list[str]:
            found = {name for root in self.roots for name in NamePattern(pattern, alone=True).glob(root)}
            if rest and first in self.named:
                found |= {f"{first}/{name}" for name in NamePattern(rest, alone=True).glob(self.named[first])}
            return sorted(found)

        return asked(look, pattern)

    def __str__(self) -> str:
        return listed(self.roots) if self.elsewhere or len(self.roots) > 1 else OWN

    def _file(self, name: str, *, folders: bool) -> Path:
        paths = self.paths(name)
        there = [path for path in paths if path.is_file() or (folders and path.is_dir())]
        within = [path for path in there if self.contains(path)]
        if len(within) < len(there) or not any(self.contains(path) for path in paths):
            raise self._leaves(name, (there or paths)[0])
        if not there:
            raise self._absent(name, paths, folders=folders)
        for path in within[1:]:
            if not _same(within[0], path):
                raise InputError(
                    f"{shortened(name, MOST_LETTERS)!r} lies under two roots",
                    expected="one file of that name, or copies",
                    got=listed([within[0], path]),
                    remedy="Name the one that counts by a path that only its root has.",
                )
        return within[0]

    def _leaves(self, name: str, path: Path) -> InputError:
        whole = Path(os.path.normpath(os.path.abspath(path)))
        linked = any(whole.is_relative_to(os.path.abspath(root)) for root in self.roots)
        if linked:
            remedy = f"It is a link. {LINKS}"
        else:
            remedy = "Move it there, or name its folder under roots: in the manifest."
        place = "the roots" if len(self.roots) > 1 else "the folder of the data" if self.elsewhere else OWN
        return InputError(f"{shortened(name, MOST_LETTERS)!r} leaves {place}", remedy=remedy)

    def _absent(self, name: str, paths: list[Path], *, folders: bool) -> InputError:
        if any(path.is_dir() for path in paths):
            return InputError(f"{shortened(name, MOST_LETTERS)!r} is a folder", expected="a file")
        beside = [path.parent for path in paths if path.parent.is_dir() and self.contains(path.parent)]
        known = sorted({path.name for folder in beside for path in folder.iterdir() if folders or path.is_file()})
        what = "file or folder" if folders else "file"
        plain = not self.elsewhere and len(self.roots) == 1
        remedy = meant(paths[0].name, known)
        if plain and not remedy.startswith("Did"):
            remedy += " Where the files lie elsewhere, say so: folder=PATH, or roots: in the manifest."
        where = "beside the manifest" if plain else f"in {self}"
        return InputError(f"there is no {what} {shortened(name, MOST_LETTERS)!r} {where}", remedy=remedy)


def asked(ask: Callable[[], T], name: str) -> T:
    """Return what the system says of a path; its refusals become ours: too long, a zero byte, a loop of links.

    Parameters
    ----------
    ask
        Asks the system.
    name
        The path, for the message.

    Raises
    ------
    InputError
        If the system refuses it.

    Examples
    --------
    >>> asked(lambda: Path("a").joinpath("b").as_posix(), "a/b")
    'a/b'
    """
    try:
        return ask()
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            f"{shortened(name, MOST_LETTERS)!r} is a path that the system refuses ({shortened(why, 80)})"
        ) from error


def _same(one: Path, other: Path) -> bool:
    if one.samefile(other):
        return True
    if one.is_dir() or other.is_dir() or one.stat().st_size != other.stat().st_size:
        return False
    if one.stat().st_size > MOST_COMPARED:
        return file_fingerprint(one) == file_fingerprint(other)
    return filecmp.cmp(one, other, shallow=False)
