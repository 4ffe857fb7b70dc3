"""Many small text files that belong together: in a folder, or in an archive that is read without unpacking it."""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from mmlego.data.reading import files
from mmlego.data.reading.places import LINKS
from mmlego.errors import InputError
from mmlego.wording import listed

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
# No text file of one patient is as large as this.
MOST_MEMBER_BYTES = 256 * 2**20

# What reading a damaged archive may raise; the headers of both kinds hold numbers as text.
_DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    IndexError,
    struct.error,
    zlib.error,
    tarfile.TarError,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class Bundle:
    """Text files, held as the bytes that were hashed, so that what is read is what was hashed.

    Parameters
    ----------
    path
        The folder or archive.
    pattern
        A glob for the names of the files, without their folders.
    raw
        The bytes of the archive; of a folder, name and bytes of each file.
    digest
        A hash of all bytes.
    """

    path: Path
    pattern: str
    raw: bytes | list[tuple[str, bytes]]
    digest: str

    @classmethod
    def open(
        cls, path: Path, pattern: str = "*.txt", *, roots: Sequence[Path] | None = None, otherwise: str | None = None
    ) -> Bundle:
        """Read the bytes of a folder or an archive.

        Parameters
        ----------
        path
            A folder, or an archive (``.tar.gz``, ``.tgz``, ``.tar``, ``.zip``).
        pattern
            A glob for the names of the files, without their folders; hidden files never count.
        roots
            The folders that links in the folder may not leave; None: they may lead anywhere.
        otherwise
            What to do if no file of a folder is named so.

        Raises
        ------
        InputError
            If it cannot be read, or a link leaves the ``roots``.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "7.txt").write_text("Time,Parameter,Value")
        ...     Bundle.open(Path(folder)).files()
        [('7.txt', b'Time,Parameter,Value')]
        """
        hashed = hashlib.sha256()
        raw: bytes | list[tuple[str, bytes]]
        try:
            if path.is_dir():
                raw = [(name, file.read_bytes()) for name, file in files_below(path, pattern, roots, otherwise)]
                for name, content in raw:
                    hashed.update(f"{len(name)} {name} {len(content)} ".encode())
                    hashed.update(content)
            else:
                raw = path.read_bytes()
                hashed.update(raw)
        except OSError as error:
            raise InputError(f"cannot read {path.name!r} ({error.strerror})") from error
        return cls(path, pattern, raw, hashed.hexdigest())

    def files(self) -> list[tuple[str, bytes]]:
        """Return name and bytes of each file, in the order of the archive; of a folder, in the order of names.

        Raises
        ------
        InputError
            If an archive is damaged, holds links or paths that lead out of it, or grows too large when unpacked.
        """
        if not isinstance(self.raw, bytes):
            return self.raw
        read = self._zip if self.path.suffix.lower() == ".zip" else self._tar
        try:
            found = list(read(self.raw))
        except InputError:
            raise
        except _DAMAGE as error:
            expected = "a whole, unencrypted archive"
            raise InputError(f"cannot unpack {self.path.name!r} ({error})", expected=expected) from error
        if not found:
            raise InputError(f"{self.path.name!r} holds no file", expected=f"files {self.pattern}", got="none")
        return found

    def _tar(self, raw: bytes) -> Iterator[tuple[str, bytes]]:
        content = io.BytesIO(raw)
        if self.path.suffix.lower() in (".gz", ".tgz"):
            with gzip.GzipFile(fileobj=content) as stream:
                content = files.unpacked(stream, self.path)
        with tarfile.open(fileobj=content, mode="r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                self._check(member.name, member.size, regular=member.isreg() and not member.issparse())
                if self._chosen(member.name):
                    file = archive.extractfile(member)
                    yield member.name, b"" if file is None else file.read()

    def _zip(self, raw: bytes) -> Iterator[tuple[str, bytes]]:
        allowed = files.allowance(self.path)
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if sum(member.file_size for member in members) > allowed:
                raise files.too_large(self.path, allowed)
            for member in members:
                mode = member.external_attr >> 16
                regular = stat.S_IFMT(mode) in (0, stat.S_IFREG)
                self._check(member.filename, member.file_size, regular=regular)
                if self._chosen(member.filename):
                    yield member.filename, archive.read(member)  # never more than the size it declares

    def _chosen(self, name: str) -> bool:
        return _matches(PurePosixPath(name).name, self.pattern)

    def _check(self, name: str, size: int, *, regular: bool) -> None:
        posix, windows = PurePosixPath(name), PureWindowsPath(name)
        if posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
            raise InputError(
                f"archive {self.path.name!r} holds a path that leads out of it", expected="paths inside it", got=name
            )
        if not regular:
            raise InputError(
                f"archive {self.path.name!r} holds something else than files",
                expected="files and folders, no links or devices",
                got=name,
                remedy="If you trust it, unpack it yourself and name the folder.",
            )
        if size > MOST_MEMBER_BYTES:
            raise InputError(
                f"a file in archive {self.path.name!r} is too large",
                expected=f"at most {MOST_MEMBER_BYTES} bytes",
                got=f"{size} in {name}",
            )


def files_below(
    path: Path, pattern: str, roots: Sequence[Path] | None, otherwise: str | None = None
) -> list[tuple[str, Path]]:
    """Return the files below a folder, hidden ones left out; links to folders are followed, each folder once.

    Parameters
    ----------
    path
        The folder.
    pattern
        A glob for the names of the files, without their folders.
    roots
        The folders that links may not leave; None: they may lead anywhere.
    otherwise
        What to do if there are none.

    Returns
    -------
    list of tuple
        Name below the folder, and path.

    Raises
    ------
    InputError
        If there are none, or a link leaves the roots.
    """
    found = []
    seen: set[str] = set()
    for folder, folders, names in os.walk(path, onerror=_refused, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            _check_link(Path(folder, name), roots)
        for name in names:
            file = Path(folder, name)
            if not _matches(name, pattern) or not file.is_file():
                continue
            _check_link(file, roots)
            found.append((file.relative_to(path).as_posix(), file))
    if not found:
        others = sorted({Path(name).suffix or name for name in _names(path)})
        got = f"others: {listed(others)}" if others else "none"
        raise InputError(f"folder {path.name!r} holds no file", expected=f"files {pattern}", got=got, remedy=otherwise)
    return sorted(found)


def _names(path: Path) -> list[str]:
    return [name for _, _, names in os.walk(path) for name in names if not name.startswith(".")]


def _check_link(path: Path, roots: Sequence[Path] | None) -> None:
    if roots is None or not path.is_symlink() or any(path.resolve().is_relative_to(root.resolve()) for root in roots):
        return
    raise InputError(f"the link {path.name!r} leaves the manifest's folder", remedy=LINKS)


def _refused(error: OSError) -> None:
    raise error  # a folder that cannot be listed is not an empty one


def _matches(name: str, pattern: str) -> bool:
    return not name.startswith(".") and fnmatch.fnmatchcase(name, pattern)
