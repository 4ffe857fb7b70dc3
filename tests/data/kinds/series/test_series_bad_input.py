"""Bad input of manifests of series, as a table: each case is one clear error that names what is wrong."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmlego.data import Cohort
from mmlego.data.reading import files
from mmlego.errors import InputError
from tests.stays import pack, pack_member, text_of

GOOD = text_of("1", [("00:10", "HR", 80), ("01:00", "Lactate", 1.5)])
LONG = "id,time,variable,value\n1,0.5,HR,80\n2,1,HR,90\n"


@dataclass(frozen=True)
class Case:
    """What lies in the folder, what the section says beside the file, and the message."""

    put: Callable[[Path], Path]
    message: str
    section: dict[str, Any] | None = None
    key: str = "RecordID"


def archive(*contents: bytes) -> Callable[[Path], Path]:
    return lambda folder: pack(folder / "set.tar.gz", {f"{i}.txt": content for i, content in enumerate(contents)})


def link(kind: bytes, name: str = "2.txt", target: str = "1.txt") -> Callable[[Path], Path]:
    def put(folder: Path) -> Path:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        return pack_member(folder / "set.tar.gz", member)

    return put


def table(text: str, name: str = "long.csv") -> Callable[[Path], Path]:
    def put(folder: Path) -> Path:
        (folder / name).write_text(text)
        return folder / name

    return put


def truncated(folder: Path) -> Path:
    path = archive(GOOD * 50)(folder)
    path.write_bytes(path.read_bytes()[:-20])
    return path


def outer(folder: Path) -> Path:
    pack(folder.parent / "outer", {"1.txt": GOOD})
    return Path("../outer")


def linked(folder: Path) -> Path:
    (folder.parent / "secret.txt").write_bytes(GOOD)
    path = pack(folder / "set", {"1.txt": GOOD})
    (path / "2.txt").symlink_to(folder.parent / "secret.txt")
    return path


CASES = {
    "unreadable stay": Case(archive(b"\xff\xfe"), r"cannot read the stay 0\.txt: .*codec"),
    "truncated stay": Case(archive(GOOD, GOOD[:-6]), r"cannot read the stay 1\.txt: line 4 .*truncated\?"),
    "truncated archive": Case(truncated, r"cannot unpack 'set\.tar\.gz' \(.*expected a whole, unencrypted archive"),
    "no archive at all": Case(table("text", "set.tar.gz"), r"cannot unpack 'set\.tar\.gz'"),
    "unknown variable": Case(
        archive(GOOD), "icu: no variable matches 'Lactat'. Did you mean 'Lactate'", {"variables": ["HR", "Lactat"]}
    ),
    "unknown glob": Case(archive(GOOD), r"icu: no variable matches 'Z\*'", {"variables": "Z*"}),
    "descriptor by glob": Case(archive(GOOD), r"icu: no variable matches 'ICU\*'", {"variables": "ICU*"}),
    "bad time": Case(archive(GOOD + b"soon,HR,1\n"), r"0\.txt: line 5: 'soon' is no time HH:MM"),
    "negative time": Case(
        archive(GOOD + b"-00:10,HR,1\n"),
        r"icu: 1 measurement before the start, of 1 patient \(1\): .*window: \[-1, null\]",
    ),
    "not a number": Case(archive(GOOD + b"00:10,HR,high\n"), r"0\.txt: line 5: HR is 'high', not a number"),
    "duplicated stay": Case(archive(GOOD, GOOD), r"icu: 1 patient with several stays \(1\).*stays: first or"),
    "no patient id": Case(archive(GOOD), r"0\.txt: it names 0 patients \(patient\), not one", key="patient"),
    "symbolic link in an archive": Case(link(tarfile.SYMTYPE), "holds something else than files.* got 2.txt"),
    "hard link in an archive": Case(link(tarfile.LNKTYPE), "holds something else than files.*no links"),
    "path out of an archive": Case(link(tarfile.REGTYPE, "../2.txt"), r"leads out of it: .* got \.\./2\.txt"),
    "absolute path in an archive": Case(link(tarfile.REGTYPE, "/2.txt"), "leads out of it: .* got /2.txt"),
    "bomb": Case(archive(GOOD + b"\n" * 2**23), r"file 'set\.tar\.gz' grows too large when unpacked: expected at most"),
    "empty archive": Case(archive(), r"'set\.tar\.gz' holds no file: expected files \*\.txt, got none"),
    "file outside the folder": Case(outer, r"'\.\./outer' leaves the manifest's folder"),
    "link outside the folder": Case(linked, r"the link '2\.txt' leaves the manifest's folder"),
    "cache outside the folder": Case(archive(GOOD), r"cache '\.\./c' leaves the manifest's folder", {"cache": "../c"}),
    "no such file": Case(lambda folder: folder / "sets", r"no file or folder 'sets' beside the manifest"),
    "zero-length series alone": Case(archive(text_of("1", [])), "no patient is left|no patient has"),
    "leakage": Case(archive(GOOD + b"00:10,died,1\n"), r"leakage: icu holds variables of the outcome \(died\)"),
    "unknown key": Case(archive(GOOD), "unknown key 'variabels'. Did you mean 'variables'", {"variabels": "HR"}),
    "unknown rule": Case(archive(GOOD), "'aggregate' is wrong", {"aggregate": "median"}),
    "bins of no width": Case(archive(GOOD), "'bin_hours' is wrong", {"bin_hours": 0}),
    "a window without length": Case(
        archive(GOOD), "modality icu: window is from one time to a later one", {"window": [5, 5]}
    ),
    "a window of another form": Case(archive(GOOD), r"'window' is wrong .*-24h", {"window": ["soon", 5]}),
    "a window and a horizon": Case(archive(GOOD), "leave one out", {"window": [0, 5], "horizon": 5}),
    "a horizon before the window": Case(archive(GOOD), "before the window", {"window": [6, None], "horizon": 5}),
    "horizon before the start": Case(archive(GOOD), "'horizon' is wrong", {"horizon": -1}),
    "no patient column": Case(table(LONG), r"'long\.csv' has no key column 'RecordID'. Known: id, time"),
    "missing column": Case(
        table(LONG), r"long\.csv has no column 'values': .*Did you mean 'value'", {"value": "values"}, "id"
    ),
    "missing stay column": Case(table(LONG), r"long\.csv has no column 'stay'", {"stay": "stay"}, "id"),
    "bad time in a table": Case(table(LONG + "2,noon,HR,80\n"), "of patient 2, time is 'noon', no time", key="id"),
    "negative time in a table": Case(table(LONG + "2,-1,HR,80\n"), "icu: 1 measurement before the start", key="id"),
    "word in a table": Case(table(LONG + "2,1,HR,high\n"), "of patient 2, value is 'high', not a number", key="id"),
    "unknown variable in a table": Case(table(LONG), "icu: no variable matches 'Hr'", {"variables": "Hr"}, "id"),
    "unknown unit": Case(table(LONG), "'unit' is wrong", {"unit": "weeks"}, "id"),
    "empty table": Case(table(""), r"cannot read the table 'long\.csv'", key="id"),
    "a table of another kind": Case(table(LONG, "long.xls"), r"'long\.xls' is of a kind that is not read", key="id"),
}


def load(case: Case, folder: Path, **more: Any) -> Cohort:
    folder.mkdir()
    path = case.put(folder)
    name = str(path.relative_to(folder)) if path.is_absolute() else str(path)
    section = {"kind": "series", "file": name, "cache": False} | (case.section or {}) | more
    (folder / "died.csv").write_text(f"{case.key},died\n1,1\n2,0\n")
    outcome = {"task": "classification", "file": "died.csv", "label": "died"}
    content = {"key": case.key, "outcome": outcome, "modalities": {"icu": section}}
    (folder / "cohort.yaml").write_text(yaml.safe_dump(content))
    return Cohort.from_manifest(folder / "cohort.yaml")


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FREE_BYTES", 2**22)
    case = CASES[name]
    with pytest.raises(InputError, match=case.message):
        load(case, tmp_path / "home")


@pytest.mark.parametrize("bad", [b"", b"\xff", GOOD[:-6], GOOD + b"soon,HR,1\n", GOOD + b"00:10,HR,high\n"])
def test_bad_stays_can_be_skipped(bad: bytes, tmp_path: Path) -> None:
    case = Case(archive(bad, text_of("2", [("00:10", "HR", 1)])), "")
    cohort = load(case, tmp_path / "home", on_error="skip")
    assert cohort.patients == ("2",)
    assert "icu: 1 part of set.tar.gz left out: 0.txt: " in cohort.summary()


@pytest.mark.parametrize("name", ["bad time in a table", "word in a table"])
def test_bad_rows_can_be_skipped(name: str, tmp_path: Path) -> None:
    cohort = load(CASES[name], tmp_path / "home", on_error="skip")
    assert cohort.patients == ("1",)
    assert "1 stay with unreadable rows (2), the first: " in cohort.summary()
    assert "outcome: 1 patient without any modality (2)" in cohort.summary()


@pytest.mark.parametrize("name", ["truncated archive", "symbolic link in an archive", "path out of an archive"])
def test_bad_archives_cannot_be_skipped(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=CASES[name].message):
        load(CASES[name], tmp_path / "home", on_error="skip")


def test_series_of_no_length_are_absent_and_noted(tmp_path: Path) -> None:
    case = Case(archive(GOOD, text_of("2", [("00:00", "Age", 50)])), "")
    cohort = load(case, tmp_path / "home")
    assert cohort.patients == ("1",)
    assert "icu: 1 patient without any measurement (2)" in cohort.summary()


def test_links_may_lead_outside_if_that_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load(CASES["link outside the folder"], tmp_path / "home")
    (tmp_path / "secret.txt").write_bytes(text_of("2", [("00:10", "HR", 1)]))
    cohort = Cohort.from_manifest(tmp_path / "home" / "cohort.yaml", allow_outside=True)
    assert cohort.patients == ("1", "2")
