"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from safetensors import SafetensorError

from mmlego import InputError
from mmlego.files import folder_atomically, naming, write_atomically


def ours(folder: Path) -> bool:
    return (folder / "mark").is_file()


def write(path: Path, text: str, *, overwrite: bool = False) -> None:
    with folder_atomically(path, overwrite=overwrite, ours=ours, what="a marked one") as folder:
        (folder / "mark").write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_as_utf_8_and_bytes_as_they_are(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new" / "deep" / "text", "Größe ✓\n")
    assert (tmp_path / "new" / "deep" / "text").read_bytes() == "Größe ✓\n".encode()
    write_atomically(tmp_path / "bytes", b"\x00\xff\r\n")
    assert (tmp_path / "bytes").read_bytes() == b"\x00\xff\r\n"
    write_atomically(tmp_path / "bytes", b"")
    assert (tmp_path / "bytes").read_bytes() == b""
    assert names(tmp_path) == ["bytes", "new"]


def test_a_written_file_can_be_read_by_others(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", "x")
    with folder_atomically(tmp_path / "folder", overwrite=False, ours=lambda _: True, what="a folder") as fresh:
        (fresh / "deep").mkdir(mode=0o700)
        (fresh / "deep" / "weights").touch(mode=0o600)  # as a library writes them
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.rglob("*")}
    assert modes == {"file": "0o644", "folder": "0o755", "deep": "0o755", "weights": "0o644"}


def test_who_may_read_is_what_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", "x")
        write(tmp_path / "folder", "x")
    finally:
        os.umask(before)
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.iterdir()}
    assert modes == {"file": "0o640", "folder": "0o750"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_an_error_of_the_system_names_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("mmlego.files.os.fsync", full)
    for write_it in (lambda: write_atomically(tmp_path / "m", "x"), lambda: write(tmp_path / "m", "x")):
        with pytest.raises(OSError, match=f"{os.strerror(number)}.*m") as caught:
            write_it()
        assert caught.value.errno == number
        assert names(tmp_path) == []


def test_what_safetensors_says_of_a_full_disk_is_said_as_the_system_does() -> None:
    told = "Error while serializing: I/O error: No space left on device (os error 28)"  # safetensors 0.8
    with pytest.raises(OSError, match=r"No space left on device: 'model'"), naming(Path("model")):
        raise SafetensorError(told)
    with pytest.raises(SafetensorError, match="invalid"), naming(Path("model")):
        raise SafetensorError("invalid header")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    write_atomically(tmp_path / "file", "old")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", "new")
    monkeypatch.undo()
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    with folder_atomically(place, overwrite=False, ours=ours, what="a marked one") as folder:
        (folder / "mark").write_text("new")
        assert folder.parent == place.parent, "a rename must not cross file systems"
        assert not place.exists()
    assert (place / "mark").read_text() == "new"
    assert names(tmp_path / "a") == ["b"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", "new")
    assert (tmp_path / "empty" / "mark").read_text() == "new"
    assert names(tmp_path) == ["empty"]


@pytest.mark.parametrize("standing", ["nothing", "empty", "ours"])
def test_an_error_leaves_what_stood_there(tmp_path: Path, standing: str) -> None:
    place = tmp_path / "place"
    if standing == "empty":
        place.mkdir()
    elif standing == "ours":
        write(place, "old")

    def half() -> None:
        with folder_atomically(place, overwrite=True, ours=ours, what="a marked one") as folder:
            (folder / "mark").write_text("new")
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        half()
    assert names(tmp_path) == ([] if standing == "nothing" else ["place"])
    assert standing == "nothing" or names(place) == (["mark"] if standing == "ours" else [])
    assert standing != "ours" or (place / "mark").read_text() == "old"


def test_the_old_folder_comes_back_if_the_new_one_cannot_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "place", "old")
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if ".new-" in self.name:
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="no"):
        write(tmp_path / "place", "new", overwrite=True)
    monkeypatch.undo()
    assert names(tmp_path) == ["place"]
    assert (tmp_path / "place" / "mark").read_text() == "old"


def test_only_what_is_ours_is_replaced_and_only_if_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "place", "old")
    with pytest.raises(InputError, match=r"got a folder with files\. Choose another place, or pass overwrite=True"):
        write(tmp_path / "place", "new")
    write(tmp_path / "place", "new", overwrite=True)
    assert (tmp_path / "place" / "mark").read_text() == "new"
    assert names(tmp_path) == ["place"]
    (tmp_path / "place" / "mark").rename(tmp_path / "place" / "other")
    with pytest.raises(InputError, match=r"or a marked one and nothing else, to replace, got a folder with files\."):
        write(tmp_path / "place", "newer", overwrite=True)
    assert names(tmp_path / "place") == ["other"]


def test_a_file_in_the_place_stays(tmp_path: Path) -> None:
    (tmp_path / "place").write_text("mine")
    for overwrite in (True, False):
        with pytest.raises(InputError, match=r"exists: expected a new or empty folder.*got a file"):
            write(tmp_path / "place", "new", overwrite=overwrite)
    assert (tmp_path / "place").read_text() == "mine"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    write(tmp_path / "target", "old")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "broken").symlink_to("later")
    write(tmp_path / "link", "new", overwrite=True)
    write(tmp_path / "broken", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target" / "mark").read_text() == "new"
    assert (tmp_path / "later" / "mark").read_text() == "new"
    assert names(tmp_path) == ["broken", "later", "link", "target"]


def test_the_place_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write(Path(), "new")
    assert (tmp_path / "here" / "mark").read_text() == "new"
    assert names(tmp_path) == ["here"]
