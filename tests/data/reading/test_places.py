"""Where files may lie: in the manifest's folder and under named roots; what leads out of them is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmlego.data.reading.places import Places
from mmlego.errors import InputError


def put(path: Path, text: str = "id\n1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_files_stay_inside_the_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    outer, inner = put(tmp_path / "outer.csv"), put(home / "inner.csv")
    (home / "link.csv").symlink_to(outer)
    strict, free = Places((home,)), Places((home,), allow_outside=True)
    assert strict.file("inner.csv") == inner
    assert strict.file("../home/inner.csv").samefile(inner)
    assert strict.file(str(inner)).samefile(inner)
    for name in ("../outer.csv", str(outer), "link.csv"):
        with pytest.raises(InputError, match="leaves the manifest's folder"):
            strict.file(name)
        assert not strict.holds(name)
        assert free.file(name).samefile(outer)


def test_links_where_they_are_allowed_and_nothing_else(tmp_path: Path) -> None:
    home = tmp_path / "home"
    outer = put(tmp_path / "store" / "outer.csv")
    home.mkdir()
    (home / "link.csv").symlink_to(outer)
    (home / "folder").symlink_to(tmp_path / "store", target_is_directory=True)
    places = Places((home,), links=True)
    assert places.file("link.csv").samefile(outer)
    assert places.file("folder/outer.csv").samefile(outer)
    for name in ("../store/outer.csv", str(outer), "folder/../store/outer.csv"):
        with pytest.raises(InputError, match=r"leaves the manifest's folder\. .*roots: in the manifest"):
            places.file(name)
    with pytest.raises(InputError, match=r"'link\.csv' leaves the manifest's folder\. It is a link\. .*links: true"):
        Places((home,)).file("link.csv")


def test_a_root_that_is_named_is_the_remedy(tmp_path: Path) -> None:
    home, store = tmp_path / "home", tmp_path / "store"
    outer = put(store / "outer.csv")
    home.mkdir()
    (home / "link.csv").symlink_to(outer)
    places = Places((home, store))
    for name in ("outer.csv", "../store/outer.csv", str(outer), "link.csv"):
        assert places.file(name).samefile(outer)
    put(tmp_path / "secret.csv")
    with pytest.raises(InputError, match="leaves the roots"):
        places.file("../secret.csv")


def test_roots_with_names(tmp_path: Path) -> None:
    home, scans, slides = (tmp_path / name for name in ("home", "a/scans", "b/slides"))
    for path in (home / "o.csv", scans / "p1.nii", slides / "p1.h5", slides / "deep/p2.h5"):
        put(path)
    places = Places((home, scans, slides), named={"mri": scans, "wsi": slides})
    assert places.file("mri/p1.nii") == scans / "p1.nii"
    assert places.file("wsi/deep/p2.h5") == slides / "deep/p2.h5"
    assert places.file("p1.h5") == slides / "p1.h5"
    assert places.glob("wsi/{key}.h5") == ["wsi/p1.h5"]
    assert places.glob("**/{key}.h5") == ["deep/p2.h5", "p1.h5"]
    assert places.glob("wsi/**/{key}.h5") == ["wsi/deep/p2.h5", "wsi/p1.h5"]
    with pytest.raises(InputError, match=r"no file 'wsi/p2\.h5' in .*home, "):
        places.file("wsi/p2.h5")


def test_a_file_under_two_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = put(tmp_path / "one" / "a.csv"), put(tmp_path / "two" / "a.csv")
    places = Places((tmp_path / "one", tmp_path / "two"))
    assert places.file("a.csv") == one, "copies"
    put(two, "id\n2\n")  # as long as the other
    with pytest.raises(InputError, match=r"'a\.csv' lies under two roots: .*got .*one/a\.csv, .*two/a\.csv"):
        places.file("a.csv")
    monkeypatch.setattr("mmlego.data.reading.places.MOST_COMPARED", 0)
    with pytest.raises(InputError, match="lies under two roots"):
        places.file("a.csv")
    two.unlink()
    two.symlink_to(one)
    assert places.file("a.csv") == one, "one file by two ways"
    put(tmp_path / "one" / "s" / "1.dcm")
    put(tmp_path / "two" / "s" / "2.dcm")
    with pytest.raises(InputError, match="'s' lies under two roots"):
        places.file("s", folders=True)


def test_a_missing_file_is_named_with_the_nearest(tmp_path: Path) -> None:
    put(tmp_path / "clinical.csv")
    places = Places((tmp_path,))
    with pytest.raises(InputError, match=r"no file 'clinica\.csv' beside the manifest\. Did you mean 'clinical\.csv'"):
        places.file("clinica.csv")
    with pytest.raises(InputError, match="None is known here"):
        places.file("nowhere/clinical.csv")
    (tmp_path / "scans").mkdir()
    with pytest.raises(InputError, match="'scans' is a folder: expected a file"):
        places.file("scans")
    assert places.file("scans", folders=True) == tmp_path / "scans"


def test_files_in_another_folder(tmp_path: Path) -> None:
    put(tmp_path / "data" / "a.csv")
    put(tmp_path / "secret.csv")
    places = Places((tmp_path / "data",), elsewhere=True)
    assert places.file("a.csv").is_file()
    with pytest.raises(InputError, match=r"'\.\./secret\.csv' leaves the folder of the data"):
        places.file("../secret.csv")
    with pytest.raises(InputError, match=r"no file 'b\.csv' in .*data\."):
        places.file("b.csv")
    with pytest.raises(InputError, match=r"beside the manifest\. Known: a\.csv\. .* say so: folder=PATH, or roots:"):
        Places((tmp_path / "data",)).file("zzzz.tsv")


@pytest.mark.parametrize("links", [False, True])
def test_paths_that_the_system_refuses(links: bool, tmp_path: Path) -> None:
    os.symlink("loop", tmp_path / "loop")
    put(tmp_path / "file.csv")
    places = Places((tmp_path,), links=links)
    for name, why in {"a" * 5000: "a…' is a path|leaves", "a\0b": "no file|refuses", "loop": "no file|refuses",
                      "loop/a.csv": "no file|refuses", "file.csv/a": "no file"}.items():  # fmt: skip
        with pytest.raises(InputError, match=why):
            places.file(name)
