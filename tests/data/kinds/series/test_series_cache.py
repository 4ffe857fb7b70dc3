from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mmlego.data.kinds.series import cache as series_cache
from mmlego.data.kinds.series.cache import cache_folder, through_cache
from mmlego.data.kinds.series.stays import Stays
from mmlego.errors import LegoWarning

STAYS = Stays(
    ("7", "ü8"),
    [2, 0],
    ("HR", "Temp"),
    np.int32([1, 0]),
    np.array([0.1, 1 / 3]),
    np.float32([37.8, 80]),
    ("9.txt: cut",),
)


def never() -> Stays:
    raise AssertionError("read again")


def keep(folder: Path) -> Path:
    through_cache(folder, "ab", {"layout": "long"}, lambda: STAYS)
    return next(folder.glob("stays-*"))


def same(left: Stays, right: Stays) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(vars(left).values(), vars(right).values(), strict=True))


def test_what_comes_out_is_what_went_in(tmp_path: Path) -> None:
    keep(tmp_path)
    kept = through_cache(tmp_path, "ab", {"layout": "long"}, never)
    assert same(kept, STAYS)
    assert [array.dtype for array in (kept.variable, kept.time, kept.value)] == ["int32", "float64", "float32"]
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith("stays-")] == [".gitignore"]


@pytest.mark.parametrize("before", [None, 0o755])
def test_what_was_measured_is_for_its_owner_alone(before: int | None, tmp_path: Path) -> None:
    folder = cache_folder(tmp_path)
    if before is not None:
        folder.mkdir(mode=before)
    assert keep(folder).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("digest", "how"), [("ac", {"layout": "long"}), ("ab", {"layout": "other"}), ("ab", {})])
def test_other_content_or_settings_are_another_entry(digest: str, how: dict[str, object], tmp_path: Path) -> None:
    keep(tmp_path)
    with pytest.raises(AssertionError, match="read again"):
        through_cache(tmp_path, digest, how, never)


def test_another_reader_reads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path)
    monkeypatch.setattr(series_cache, "READER", series_cache.READER + 1)
    with pytest.raises(AssertionError, match="read again"):
        through_cache(tmp_path, "ab", {"layout": "long"}, never)


def test_no_cache(tmp_path: Path) -> None:
    assert through_cache(None, "ab", {}, lambda: STAYS) is STAYS
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep_bytes", [0, 5, 100, -1])
def test_truncated_entries_are_read_anew(keep_bytes: int, tmp_path: Path) -> None:
    file = keep(tmp_path)
    file.write_bytes(file.read_bytes()[:keep_bytes])
    assert through_cache(tmp_path, "ab", {"layout": "long"}, lambda: STAYS) is STAYS
    assert same(through_cache(tmp_path, "ab", {"layout": "long"}, never), STAYS)


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": np.int64([1, 0])},
        {"sizes": np.int64([3, -1])},
        {"sizes": np.int64([2])},
        {"variable": np.int32([2, 0])},
        {"variable": np.int32([-1, 0])},
        {"value": np.float32([1])},
        {"key": "another"},
        {"patients": "not JSON"},
        {"names": None},
    ],
)
def test_entries_that_do_not_fit_are_read_anew(change: dict[str, object], tmp_path: Path) -> None:
    file = keep(tmp_path)
    arrays = load_file(file)
    from safetensors import safe_open

    with safe_open(file, "numpy") as content:
        said = dict(content.metadata())
    for name, value in change.items():
        if isinstance(value, np.ndarray):
            arrays[name] = value
        elif value is None:
            del said[name]
        else:
            said[name] = str(value)
    save_file(arrays, file, metadata=said)
    assert through_cache(tmp_path, "ab", {"layout": "long"}, lambda: STAYS) is STAYS


def test_the_key_says_how_it_was_read(tmp_path: Path) -> None:
    from safetensors import safe_open

    with safe_open(keep(tmp_path), "numpy") as content:
        assert json.loads(content.metadata()["key"]) == {
            "digest": "ab",
            "layout": "long",
            "reader": series_cache.READER,
        }


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(LegoWarning, match="cannot be written .*MMLEGO_CACHE"):
        assert through_cache(tmp_path / "file" / "cache", "ab", {}, lambda: STAYS) is STAYS


def test_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMLEGO_CACHE", raising=False)
    assert cache_folder(tmp_path) == tmp_path / ".mmlego-cache"
    monkeypatch.setenv("MMLEGO_CACHE", str(tmp_path / "all"))
    assert cache_folder(tmp_path) == tmp_path / "all"
    assert cache_folder(tmp_path, tmp_path / "own") == tmp_path / "own"
