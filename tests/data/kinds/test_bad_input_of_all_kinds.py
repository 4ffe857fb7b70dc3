"""What goes wrong with real files, for each kind: it is named, nothing is executed, guessed or unpacked blindly."""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from mmlego.data import Cohort, Prepared
from mmlego.errors import InputError, LegoWarning, ShapeError
from tests.stays import text_of

PATIENTS = ("p0", "p1", "p2", "p3")
Files = dict[str, bytes]


@dataclass(frozen=True)
class Kind:
    """How four patients look in files of a kind, and what one of them is called there."""

    section: Mapping[str, object]
    files: Callable[[], Files]
    main: str


def table_files() -> Files:
    rows = ["id,age,stage", "p0,50,I", "p1,60,II", "p2,55,I", "p3,70,II"]
    return {"m.csv": "\n".join(rows).encode()}


def omics_files() -> Files:
    rows = ["id,TP53,EGFR,KRAS", *(f"p{i},{i},{i * i},{3 - i}" for i in range(4))]
    return {"m.csv": "\n".join(rows).encode()}


def packed(stays: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in stays.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def stay(patient: str, value: float = 80.0) -> bytes:
    rows = [("00:10", "HR", value), ("01:30", "Temp", 37.0 + value / 100)]
    return text_of(patient, rows).replace(b"RecordID", b"id")


def series_files(**instead: bytes) -> Files:
    stays = {f"{p}.txt": stay(p, 80.0 + i) for i, p in enumerate(PATIENTS)}
    return {"m.tar.gz": packed(stays | {f"{name}.txt": content for name, content in instead.items()})}


def tensor(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def bag_files() -> Files:
    return {f"bags/{p}.pt": tensor(torch.full((3 + i, 4), float(i))) for i, p in enumerate(PATIENTS)}


def sequence_files() -> Files:
    return {"m.fasta": "".join(f">p{i}\nACGT{'A' * i}\n" for i in range(4)).encode()}


KINDS = {
    "table": Kind({"kind": "table", "file": "m.csv"}, table_files, "m.csv"),
    "omics": Kind({"kind": "omics", "file": "m.csv"}, omics_files, "m.csv"),
    "series": Kind(
        {"kind": "series", "file": "m.tar.gz", "cache": False, "variables": ["HR", "Temp"]},
        series_files,
        "m.tar.gz",
    ),
    "bag": Kind({"kind": "bag", "pattern": "bags/{key}.pt"}, bag_files, "bags/p1.pt"),
    "sequence": Kind({"kind": "sequence", "file": "m.fasta", "alphabet": "dna"}, sequence_files, "m.fasta"),
}


def load(folder: Path, kind: str, files: Files, outcome: tuple[str, ...] = PATIENTS, **more: object) -> Cohort:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    rows = ["id,died", *(f"{patient},{i % 2}" for i, patient in enumerate(outcome))]
    (folder / "outcome.csv").write_text("\n".join(rows))
    manifest: dict[str, object] = {"key": "id", "modalities": {"m": {**KINDS[kind].section, **more}}}
    if outcome:
        manifest["outcome"] = {"task": "classification", "file": "outcome.csv", "label": "died"}
    (folder / "cohort.yaml").write_text(yaml.safe_dump(manifest))
    return Cohort.from_manifest(folder / "cohort.yaml")


@pytest.mark.parametrize("kind", KINDS)
def test_good_files(kind: str, tmp_path: Path) -> None:
    cohort = load(tmp_path, kind, KINDS[kind].files())
    assert cohort.patients == PATIENTS
    assert cohort.prepare(PATIENTS).data().present["m"].all()


@pytest.mark.parametrize("kind", KINDS)
def test_ids_of_another_form_meet_where_it_is_declared(kind: str, tmp_path: Path) -> None:
    cohort = load(tmp_path, kind, KINDS[kind].files(), outcome=("0", "1", "2", "3"), id={"pattern": "^p(.)$"})
    assert cohort.patients == ("0", "1", "2", "3")
    assert list(cohort.frames["m"].index) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ids", ["P{}", "patient p{}", "{}", "p00{}"])
def test_the_form_that_is_missed_is_named_and_works(kind: str, ids: str, tmp_path: Path) -> None:
    outcome = tuple(ids.format(i) for i in range(4))
    with pytest.raises(InputError, match="4 ids would meet in another form") as told:
        load(tmp_path, kind, KINDS[kind].files(), outcome=outcome)
    form, section = re.findall(r"Declare id: (\{.*\}) in the section of (\w+)\.", str(told.value))[0]
    manifest = yaml.safe_load((tmp_path / "cohort.yaml").read_text())
    part = manifest["outcome"] if section == "outcome" else manifest["modalities"][section]
    part["id"] = yaml.safe_load(form)
    (tmp_path / "cohort.yaml").write_text(yaml.safe_dump(manifest))
    assert len(Cohort.from_manifest(tmp_path / "cohort.yaml")) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_ids_that_meet_in_part_are_noted(kind: str, tmp_path: Path) -> None:
    cohort = load(tmp_path, kind, KINDS[kind].files(), outcome=("p0", "p1", "P2", "P3"))
    assert cohort.patients == ("p0", "p1")
    if kind != "bag":  # of files by name, those of nobody are noted as files
        assert "2 ids would meet in another form, 'p2' as 'P2': Declare id: {case: upper}" in str(cohort.dropped)


TWICE: dict[str, tuple[Callable[[], Files], dict[str, object], str, str]] = {
    "table": (lambda: {"m.csv": table_files()["m.csv"] + b"\np1,61,II"}, {}, "several rows that differ", "first"),
    "omics": (lambda: {"m.csv": omics_files()["m.csv"] + b"\np1,9,9,9"}, {}, "several rows that differ", "mean"),
    "series": (lambda: series_files(again=stay("p1", 99.0)), {}, "several stays", "first"),
    "bag": (
        lambda: bag_files() | {"bags/p1_2.pt": tensor(torch.ones(2, 4))},
        {"pattern": "bags/{key}*.pt"},
        "several files",
        "concat",
    ),
    "sequence": (
        lambda: {"m.fasta": sequence_files()["m.fasta"] + b">p1\nGGGG\n"},
        {},
        "several rows that differ",
        "first",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_patient_twice_is_named_or_follows_the_rule(kind: str, tmp_path: Path) -> None:
    files, more, message, rule = TWICE[kind]
    with pytest.raises(InputError, match=rf"1 patient with {message}.*p1"):
        load(tmp_path, kind, files(), **more)
    declared = {"stays" if kind == "series" else "rows": rule}
    assert load(tmp_path, kind, files(), **more, **declared).patients == PATIENTS


@pytest.mark.parametrize("kind", KINDS)
def test_a_patient_with_an_outcome_alone_is_noted(kind: str, tmp_path: Path) -> None:
    cohort = load(tmp_path, kind, KINDS[kind].files(), outcome=(*PATIENTS, "p9"))
    assert cohort.patients == PATIENTS
    assert "outcome: 1 patient without any modality (p9)" in map(str, cohort.dropped)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["truncated", "unreadable", "empty"])
def test_a_damaged_file_is_named(kind: str, damage: str, tmp_path: Path) -> None:
    name, files = KINDS[kind].main, KINDS[kind].files()
    if damage == "truncated" and name.endswith((".csv", ".fasta")):
        files[f"{name}.gz"] = gzip.compress(files.pop(name))
        name = f"{name}.gz"
    how = {
        "truncated": lambda x: x[: 2 * len(x) // 3],
        "unreadable": lambda x: b"\xff\xfe\x81" * 30,
        "empty": lambda x: b"",
    }
    files[name] = how[damage](files[name])
    more = {} if kind == "bag" else {"file": name}
    with pytest.raises(InputError, match=Path(name).name.replace(".", r"\.")):
        load(tmp_path, kind, files, **more)


SKIPPED: dict[str, tuple[Callable[[], Files], str]] = {
    "series": (lambda: series_files(p1=stay("p1")[:-7]), "p1.txt"),
    "bag": (lambda: bag_files() | {"bags/p1.pt": b"no tensors"}, "p1.pt"),
    "sequence": (lambda: {"m.fasta": sequence_files()["m.fasta"].replace(b"ACGTA\n", b"AC!TA\n")}, "p1"),
}


@pytest.mark.parametrize("kind", SKIPPED)
def test_the_rest_goes_on_where_that_is_declared(kind: str, tmp_path: Path) -> None:
    files, name = SKIPPED[kind]
    with pytest.raises(InputError, match=name):
        load(tmp_path, kind, files())
    cohort = load(tmp_path, kind, files(), on_error="skip")
    assert cohort.patients == ("p0", "p2", "p3")
    assert any(name in str(note) for note in cohort.dropped)


ZIPPED = "m.csv.zip"


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m.csv", content)
    return buffer.getvalue()


ZEROS = b"\n" * 2**23
BOMBS: dict[str, tuple[str, Callable[[], Files], dict[str, object]]] = {
    "a table, gz": ("table", lambda: {"m.csv.gz": gzip.compress(table_files()["m.csv"] + ZEROS)}, {"file": "m.csv.gz"}),
    "a table, zip": ("table", lambda: {ZIPPED: zipped(table_files()["m.csv"] + ZEROS)}, {"file": ZIPPED}),
    "omics, gz": ("omics", lambda: {"m.csv.gz": gzip.compress(omics_files()["m.csv"] + ZEROS)}, {"file": "m.csv.gz"}),
    "series, tar": ("series", lambda: series_files(p1=stay("p1") + ZEROS), {}),
    "sequence, gz": ("sequence", lambda: {"m.fasta.gz": gzip.compress(b">p0\n" + ZEROS)}, {"file": "m.fasta.gz"}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_grows_too_large_is_not_unpacked(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmlego.data.reading.files.FREE_BYTES", 2**20)
    kind, files, more = BOMBS[name]
    with pytest.raises(InputError, match=r"'m\.[a-z.]+' grows too large when unpacked"):
        load(tmp_path, kind, files(), **more)


@pytest.mark.parametrize("kind", ["bag", "omics"])
def test_declared_sizes_are_not_believed(kind: str, tmp_path: Path) -> None:
    """HDF5 makes terabytes of zeros out of a few bytes."""
    h5py = pytest.importorskip("h5py")
    pytest.importorskip("anndata")
    place = tmp_path / ("bags/p0.h5" if kind == "bag" else "m.h5ad")
    place.parent.mkdir(exist_ok=True)
    with h5py.File(place, "w") as file:
        file.create_dataset("features" if kind == "bag" else "X", (10**7, 10**4), "f4", chunks=True, compression="gzip")
    more = {"pattern": "bags/{key}.h5"} if kind == "bag" else {"file": "m.h5ad"}
    with pytest.raises(InputError, match=f"'{place.name}' grows too large when unpacked"):
        load(tmp_path, kind, {}, **more)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["up", "absolute", "link"])
def test_paths_stay_in_the_folder(kind: str, way: str, tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    home.mkdir()
    for name, content in KINDS[kind].files().items():
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        (outside / name).write_bytes(content)
    if way == "link":
        (home / "inner").symlink_to(outside, target_is_directory=True)
    start = {"up": "../outside", "absolute": str(outside), "link": "inner"}[way]
    where = KINDS[kind].section.get("pattern") or KINDS[kind].main
    with pytest.raises(InputError, match="leaves the manifest's folder"):
        load(home, kind, {}, **{"pattern" if kind == "bag" else "file": f"{start}/{where}"})


class Payload:
    """Unpickled, it would make a folder."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.place),)


def test_nothing_of_a_pickle_is_executed(tmp_path: Path) -> None:
    place = tmp_path / "made"
    files = bag_files() | {"bags/p1.pt": tensor({"features": torch.ones(2, 4), "more": Payload(place)})}
    with pytest.raises(InputError, match=r"p1\.pt.* holds something else than tensors, and nothing of it was executed"):
        load(tmp_path, "bag", files)
    assert not place.exists()


NEW: dict[str, tuple[Files, type[Exception], str]] = {
    "table": ({"m.csv": b"id,age\np0,50\n"}, InputError, "1 column missing in the table: stage"),
    "omics": ({"m.csv": b"id,TP53,EGFR\np0,1,2\n"}, InputError, "1 column missing.*KRAS"),
    "series": ({"m.tar.gz": packed({"p0.txt": stay("p0").replace(b"HR", b"RR").replace(b"Temp", b"pH")})}, InputError,
               "none of the variables is in the series"),
    "bag": ({"bags/p0.pt": tensor(torch.ones(3, 5))}, ShapeError, "another width for 1 patient"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NEW)
def test_what_is_missing_at_prediction_is_named(kind: str, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    trained = load(tmp_path / "old", kind, KINDS[kind].files()).prepare(PATIENTS)
    files, error, message = NEW[kind]
    more = {"variables": ["pH"]} if kind == "series" else {}
    new = load(tmp_path / "new", kind, files, outcome=(), **more)
    with pytest.raises(error, match=message):
        Prepared(new, trained.preprocessing, trained.task).data()


def test_unknown_categories_and_characters(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).mkdir()
    trained = load(tmp_path / "a", "table", table_files()).prepare(PATIENTS)
    new = load(tmp_path / "b", "table", {"m.csv": b"id,age,stage\np0,50,IV\n"}, outcome=())
    with pytest.warns(LegoWarning, match=r"stage.*IV|IV.*stage"):
        values = Prepared(new, trained.preprocessing, trained.task).data().batch().inputs["m"]
    assert np.isfinite(values.numpy()).all()
    trained = load(tmp_path / "c", "sequence", {"m.fasta": b">p0\nAAC\n>p1\nCCA\n>p2\nA\n>p3\nC\n"}).prepare(PATIENTS)
    new = load(tmp_path / "d", "sequence", {"m.fasta": b">p0\nAGT\n"}, outcome=())
    ids = Prepared(new, trained.preprocessing, trained.task).data().batch().inputs["m"].values
    assert ids[1] == ids[2] != ids[0], "characters that training has not seen are one and the same"


NOTHING: dict[str, tuple[Callable[[], Files], str]] = {
    "table": (lambda: {"m.csv": table_files()["m.csv"].replace(b"p1,60,II", b"p1,,")}, "p1"),
    "omics": (lambda: {"m.csv": omics_files()["m.csv"].replace(b"p1,1,1,2", b"p1,,,")}, "p1"),
    "series": (lambda: series_files(p1=text_of("p1", []).replace(b"RecordID", b"id")), "p1"),
    "sequence": (lambda: {"m.fasta": sequence_files()["m.fasta"].replace(b"ACGTA\n", b"\n")}, "p1"),
}


@pytest.mark.parametrize("kind", NOTHING)
def test_who_has_nothing_in_a_file_does_not_have_the_modality(kind: str, tmp_path: Path) -> None:
    files, patient = NOTHING[kind]
    cohort = load(tmp_path, kind, files())
    if patient in cohort.patients:
        assert not cohort.prepare(("p0", "p2", "p3")).data([patient]).present["m"].any()
    else:
        assert any(patient in str(note) for note in cohort.dropped)


def test_a_bag_without_a_patch_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"p1\.pt.* is an empty bag"):
        load(tmp_path, "bag", bag_files() | {"bags/p1.pt": tensor(torch.ones(0, 4))})
