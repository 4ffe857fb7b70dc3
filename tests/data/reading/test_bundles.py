from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmlego.data.reading import bundles, files
from mmlego.data.reading.bundles import Bundle
from mmlego.errors import InputError
from tests.stays import pack, pack_member

TEXTS = {"set/1.txt": b"one", "set/2.txt": b"two", "set/._2.txt": b"fork", "set/readme.md": b"read me"}
KINDS = ["set", "set.tar", "set.tar.gz", "set.tgz", "set.zip"]


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize("name", KINDS)
def test_files_of_every_kind(name: str, tmp_path: Path) -> None:
    bundle = Bundle.open(pack(tmp_path / name, TEXTS))
    assert bundle.files() == [("set/1.txt", b"one"), ("set/2.txt", b"two")]
    assert [name for name, _ in Bundle.open(tmp_path / name, "*.md").files()] == ["set/readme.md"]


@pytest.mark.parametrize("name", KINDS)
def test_the_digest_follows_the_content(name: str, tmp_path: Path) -> None:
    first = Bundle.open(pack(tmp_path / name, TEXTS)).digest
    assert Bundle.open(tmp_path / name).digest == first
    assert Bundle.open(pack(tmp_path / name, TEXTS | {"set/2.txt": b"owt"})).digest != first


def test_bytes_that_change_place_change_the_digest(tmp_path: Path) -> None:
    first = Bundle.open(pack(tmp_path / "a", {"1.txt": b"ab", "2.txt": b"c"})).digest
    assert Bundle.open(pack(tmp_path / "b", {"1.txt": b"a", "2.txt": b"bc"})).digest != first


def test_an_archive_is_read_from_the_bytes_that_were_hashed(tmp_path: Path) -> None:
    bundle = Bundle.open(pack(tmp_path / "set.tar.gz", TEXTS))
    pack(tmp_path / "set.tar.gz", {"1.txt": b"changed"})
    assert bundle.files()[0] == ("set/1.txt", b"one")


def test_folders_in_an_archive_are_no_files(tmp_path: Path) -> None:
    path = pack_member(tmp_path / "set.tar.gz", member("sub", tarfile.DIRTYPE))
    assert [name for name, _ in Bundle.open(path).files()] == ["1.txt"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (member("l.txt", tarfile.SYMTYPE, "/etc/passwd"), "something else than files: .*no links.* got l.txt"),
        (member("l.txt", tarfile.LNKTYPE, "1.txt"), "something else than files"),
        (member("d", tarfile.CHRTYPE), "something else than files"),
        (member("f.txt", tarfile.FIFOTYPE), "something else than files"),
        (member("s.txt", tarfile.GNUTYPE_SPARSE), "something else than files|cannot unpack"),
        (member("../1.txt"), r"leads out of it: expected paths inside it, got \.\./1\.txt"),
        (member("a/../../1.txt"), "leads out of it"),
        (member("/etc/1.txt"), "leads out of it"),
        (member("C:\\1.txt"), "leads out of it"),
        (member("a\\..\\1.txt"), "leads out of it"),
    ],
    ids=lambda value: value.name if isinstance(value, tarfile.TarInfo) else "",
)
def test_archives_that_reach_out_are_refused(bad: tarfile.TarInfo, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"archive 'set.tar.gz' holds .*{message}|cannot unpack 'set.tar.gz'"):
        Bundle.open(pack_member(tmp_path / "set.tar.gz", bad)).files()


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        link = zipfile.ZipInfo("1.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="something else than files"):
        Bundle.open(tmp_path / "set.zip").files()


@pytest.mark.parametrize("name", ["set.tar.gz", "set.zip"])
def test_bombs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / name, {"1.txt": b"0" * 2**21})
    assert len(Bundle.open(path).files()[0][1]) == 2**21
    monkeypatch.setattr(bundles, "MOST_MEMBER_BYTES", 2**20)
    with pytest.raises(InputError, match=r"a file in archive .* is too large: expected at most 1048576"):
        Bundle.open(path).files()
    monkeypatch.setattr(files, "FREE_BYTES", 2**20)
    monkeypatch.setattr(files, "RATIO", 2)
    with pytest.raises(InputError, match=rf"'{name}' grows too large when unpacked.*unpack it yourself"):
        Bundle.open(path).files()


@pytest.mark.parametrize("name", KINDS)
def test_nothing_that_matches(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no file: expected files \*\.csv, got (none|others: \.md, \.txt)"):
        Bundle.open(pack(tmp_path / name, TEXTS), "*.csv").files()


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.zip"])
@given(place=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
def test_damage_is_an_error_of_ours_or_harmless(
    name: str, place: float, byte: int, cut: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    texts = {f"{i}.txt": os.urandom(900) for i in range(3)}
    path = pack(tmp_path_factory.mktemp("damage") / name, texts)
    content = bytearray(path.read_bytes())
    at = int(place * (len(content) - 1))
    path.write_bytes(bytes(content[:at]) if cut else bytes(content[:at]) + bytes([byte]) + bytes(content[at + 1 :]))
    with contextlib.suppress(InputError):
        found = [text for _, text in Bundle.open(path).files()]
        assert len(found) <= len(texts)
        # Only a bare tar has no checksum of its contents; even there nothing grows or is cut.
        assert all(len(text) == 900 if name == "set.tar" else text in texts.values() for text in found)


@pytest.mark.parametrize("keep", [0.3, 0.99])
@pytest.mark.parametrize("name", ["set.tar.gz", "set.zip"])
def test_truncated_archives(name: str, keep: float, tmp_path: Path) -> None:
    path = pack(tmp_path / name, {f"{i}.txt": os.urandom(900) for i in range(3)})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(InputError, match=f"cannot unpack '{name}'"):
        Bundle.open(path).files()


def test_an_encrypted_zip(tmp_path: Path) -> None:
    path = pack(tmp_path / "set.zip", {"1.txt": b"one"})
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag of the member and of the table of contents
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"cannot unpack 'set\.zip'.*unencrypted"):
        Bundle.open(path).files()


def test_links_in_a_folder_stay_in_the_manifests_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    home = tmp_path / "home"
    pack(home / "set", {"1.txt": b"one"})
    (home / "2.txt").write_text("two")
    (home / "set" / "2.txt").symlink_to(home / "2.txt")
    assert [name for name, _ in Bundle.open(home / "set", roots=[home]).files()] == ["1.txt", "2.txt"]
    (home / "set" / "3.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(InputError, match=r"the link '3\.txt' leaves the manifest's folder"):
        Bundle.open(home / "set", roots=[home])
    assert len(Bundle.open(home / "set").files()) == 3


def test_what_is_no_file_in_a_folder_is_passed_by(tmp_path: Path) -> None:
    pack(tmp_path / "set", {"1.txt": b"one", ".git/2.txt": b"hidden"})
    os.mkfifo(tmp_path / "set" / "0.txt")
    (tmp_path / "set" / "3.txt").mkdir()
    (tmp_path / "set" / "4.txt").symlink_to(tmp_path / "nowhere")
    assert Bundle.open(tmp_path / "set").files() == [("1.txt", b"one")]


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(tmp_path / "set", {"1.txt": b"one"})

    def read(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", read)
    with pytest.raises(InputError, match=r"cannot read 'set' \(Permission denied\)"):
        Bundle.open(tmp_path / "set")


def test_a_member_that_tells_another_size_than_it_has(tmp_path: Path) -> None:
    path = tmp_path / "set.tar"
    with tarfile.open(path, "w") as archive:
        told = tarfile.TarInfo("1.txt")
        told.size = 10
        archive.addfile(told, io.BytesIO(b"0123456789"))
    path.write_bytes(path.read_bytes()[:515])
    with pytest.raises(InputError, match=r"cannot unpack 'set\.tar'"):
        Bundle.open(path).files()
