"""Every registered kind, walked through one list of checks, from files on disk to a block that is saved and loaded."""

from __future__ import annotations

import io
import json
import sys
import tempfile
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

import mmlego
from mmlego import Baseplate, LegoBlock, MissingExtraError
from mmlego.data import Cohort, PatientData, Prepared, Split, check_leakage, duplicates, preprocessing_from_config
from mmlego.data.kinds import registry
from mmlego.encoders import build_encoder
from mmlego.errors import CheckpointError, InputError, VersionError
from mmlego.tasks import Classification
from tests.outside import SIGNAL
from tests.stays import text_of

Seeds = Mapping[str, int]  # by patient, of what his data are drawn: equal seeds give equal data

# Ids that are text: nothing may read them as numbers. "08" is "01" under another id; "99" does not have the modality.
PATIENTS = ("01", "02", "03", "04", "05", "06", "07", "08")
SEEDS = {patient: row for row, patient in enumerate(PATIENTS)} | {"08": 0}
TRAIN, LACKS = PATIENTS[:5], "99"


@dataclass(frozen=True)
class Subject:
    """A kind's section of a manifest, and how files of it are written; a new kind needs one line below."""

    section: Mapping[str, object]
    write: Callable[[Path, Seeds], None]
    by_chance: bool = False  # whether patients may well share all that it holds, which is then no sign of a copy
    options: Mapping[str, object] | None = None  # of its encoder, to keep it small


def draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).round(4)


def rows(folder: Path, seeds: Seeds, head: str, cells: Callable[[int], Sequence[object]]) -> None:
    """Write ``m.csv``, a row a patient."""
    lines = [",".join([patient, *map(str, cells(seed))]) for patient, seed in seeds.items()]
    (folder / "m.csv").write_text("\n".join([f"id,{head}", *lines]))


def table(folder: Path, seeds: Seeds) -> None:
    names = "age,bmi,crp,hb,alt,ast,ldh,ca,na,k,stage"
    rows(folder, seeds, names, lambda i: [*draw(i, 10), ("I", "II")[i % 2]])


def omics(folder: Path, seeds: Seeds) -> None:
    rows(folder, seeds, ",".join(f"ENSG{j}" for j in range(12)), lambda i: list(draw(i, 12)))


def molecules(folder: Path, seeds: Seeds) -> None:
    rows(folder, seeds, "smiles", lambda i: ["C" * (i + 1) + "Oc1ccccc1" + "N" * (i % 3)])


def notes(folder: Path, seeds: Seeds) -> None:
    from tests.data.kinds.text.test_texts import WORDS, build_model

    build_model(folder / "model")
    words = [word for word in WORDS if word.isalpha()]

    def note(seed: int) -> list[str]:
        return [" ".join([*words[seed % 9 :], *words[: seed % 9], *(f"{seed}{j}" for j in range(3))])]

    rows(folder, seeds, "text", note)


def stays(folder: Path, seeds: Seeds) -> None:
    (folder / "stays").mkdir()
    for patient, seed in seeds.items():
        values = 80 + draw(seed, 4, 2)
        lines = [
            (f"{hour:02d}:30", name, x) for hour in range(4) for name, x in zip(("HR", "RR"), values[hour], strict=True)
        ]
        lines = [("00:00", "Age", 50 + seed % 3), ("00:00", "Gender", seed % 2), *lines]
        content = text_of(patient, lines).replace(b"RecordID", b"id")
        (folder / "stays" / f"{patient}.txt").write_bytes(content)


def bags(folder: Path, seeds: Seeds) -> None:
    for patient, seed in seeds.items():
        buffer = io.BytesIO()  # the name of a file would stand in it
        torch.save(torch.from_numpy(draw(seed, 3 + seed, 4)).float(), buffer)
        (folder / f"m_{patient}.pt").write_bytes(buffer.getvalue())


def pictures(folder: Path, seeds: Seeds) -> None:
    image = pytest.importorskip("PIL.Image")
    for patient, seed in seeds.items():
        image.fromarray((60 * draw(seed, 8, 6) + 128).clip(0, 255).astype(np.uint8)).save(folder / f"m_{patient}.png")


def scans(folder: Path, seeds: Seeds) -> None:
    nibabel = pytest.importorskip("nibabel")
    for patient, seed in seeds.items():
        made = nibabel.Nifti1Image(draw(seed, 6, 5, 4).astype(np.float32), np.eye(4))
        made.header.set_xyzt_units("mm")
        nibabel.save(made, folder / f"m_{patient}.nii.gz")


def sequences(folder: Path, seeds: Seeds) -> None:
    letters = {patient: np.random.default_rng(seed).choice(list("ACGT"), 20 + seed) for patient, seed in seeds.items()}
    (folder / "m.fasta").write_text("".join(f">{patient} a gene\n{''.join(s)}\n" for patient, s in letters.items()))


def edges(folder: Path, seeds: Seeds) -> None:
    lines = ["id,source,target,weight"]
    for patient, seed in seeds.items():
        lines += [f"{patient},g{j},g{j + 1},{weight}" for j, weight in enumerate(draw(seed, 9 + seed))]
    (folder / "m.csv").write_text("\n".join(lines))


def signals(folder: Path, seeds: Seeds) -> None:
    for patient, seed in seeds.items():
        np.save(folder / f"m_{patient}.npy", draw(seed, 20 + seed))


SERIES = {"file": "stays", "cache": False}
SUBJECTS = {
    "table": Subject({"file": "m.csv", "min_patients": 1}, table),
    "omics": Subject({"file": "m.csv"}, omics),
    "series": Subject({**SERIES, "variables": ["HR", "RR"]}, stays),
    "static": Subject({**SERIES, "variables": ["Age", "Gender"]}, stays, by_chance=True),
    "bag": Subject({"pattern": "m_{key}.pt"}, bags),
    "image": Subject({"pattern": "m_{key}.png", "size": [8, 8]}, pictures, options={"channels": [4, 4]}),
    "volume": Subject({"pattern": "m_{key}.nii.gz", "size": [8, 8, 8]}, scans, options={"channels": [4, 4]}),
    "sequence": Subject({"file": "m.fasta", "alphabet": "dna"}, sequences, options={"layers": 1}),
    "fingerprint": Subject({"file": "m.csv", "bits": 64}, molecules),
    "graph": Subject({"edges": "m.csv"}, edges, by_chance=True),
    "text": Subject({"file": "m.csv", "model": "model"}, notes),
    "signal": Subject({"pattern": "m_{key}.npy"}, signals),  # the one of docs/architecture.md
}


def test_every_registered_kind_is_here() -> None:
    assert sorted(SUBJECTS) == sorted([*registry.KINDS, "signal"])


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the kind of the page on architecture for the time of a test."""
    for names in (registry.KINDS, registry._FITTED):
        monkeypatch.setattr(names, "_known", dict(names._known))
    module = types.ModuleType("signals_of_the_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(SIGNAL, "architecture.md", "exec", dont_inherit=True), module.__dict__)


def write(kind: str, folder: Path, seeds: Seeds = SEEDS, **more: object) -> Path:
    """Write a cohort of a modality ``m`` and a table that all have; return the manifest."""
    SUBJECTS[kind].write(folder, seeds)
    everyone = [*seeds, LACKS]
    lines = [f"{patient},{40 + row},{row % 2}" for row, patient in enumerate(everyone)]
    (folder / "clinical.csv").write_text("\n".join(["id,age,died", *lines]))
    manifest = {
        "key": "id",
        "outcome": {"task": "classification", "file": "clinical.csv", "label": "died"},
        "modalities": {
            "m": {"kind": kind, **SUBJECTS[kind].section, **more},
            "clinical": {"kind": "table", "file": "clinical.csv", "columns": "age"},
        },
    }
    (folder / "cohort.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    return folder / "cohort.yaml"


@cache
def home(kind: str) -> tempfile.TemporaryDirectory[str]:
    """Return a folder with files of a kind, which lasts as long as the tests."""
    made = tempfile.TemporaryDirectory()
    write(kind, Path(made.name))
    return made


def read(kind: str) -> Cohort:
    return Cohort.from_manifest(Path(home(kind).name) / "cohort.yaml")


def prepared(kind: str) -> Prepared:
    return read(kind).prepare(TRAIN)


def features(made: Prepared, patients: Sequence[str]) -> Any:
    return made.data(patients).batch().inputs["m"]


def contents(x: Any) -> list[Tensor]:
    return [x] if isinstance(x, Tensor) else [part for part in vars(x).values() if isinstance(part, Tensor)]


def assert_same(one: Any, other: Any) -> None:
    for ours, theirs in zip(contents(one), contents(other), strict=True):
        torch.testing.assert_close(ours, theirs, equal_nan=True)


# --- the checks


@pytest.mark.parametrize("kind", registry.KINDS)
def test_what_is_kept_says_for_how_many_it_stands(kind: str) -> None:
    kept = prepared(kind).preprocessing["m"].kept()
    least = read(kind).sources["m"].min_patients
    assert all(one.patients is not None and one.patients >= least for one in kept), kept
    assert bool(kept) == (kind not in ("bag", "text", "fingerprint"))  # of which nothing is learnt


def reads_a_row_a_patient(kind: str) -> None:
    cohort = read(kind)
    frame = cohort.frames["m"]
    assert list(frame.index) == list(PATIENTS)
    assert cohort.patients == (*PATIENTS, LACKS)
    assert isinstance(cohort.sources["m"].width(frame), int)
    assert cohort.sources["m"].width(frame) > 0
    assert any(line.split()[:3] == ["m", kind, "8"] for line in cohort.summary().splitlines())


def refuses_a_key_that_it_does_not_know(kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        manifest = write(kind, Path(folder), patern="x")
        with pytest.raises(InputError, match="modality m: unknown key 'patern'"):
            Cohort.from_manifest(manifest)


def learns_from_training_patients_alone(kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        others = {patient: SEEDS[patient] if patient in TRAIN else 20 + i for i, patient in enumerate(PATIENTS)}
        fitted = Cohort.from_manifest(write(kind, Path(folder), others)).prepare(TRAIN).preprocessing["m"]
    assert fitted.config() == prepared(kind).preprocessing["m"].config()


def gives_features_that_depend_on_nobody_else(kind: str) -> None:
    made = prepared(kind)
    together = features(made, PATIENTS)
    backwards = features(made, PATIENTS[::-1])
    for row, patient in enumerate(PATIENTS):
        alone = features(made, [patient])
        assert_same(together[[row]], alone)
        assert_same(backwards[[len(PATIENTS) - 1 - row]], alone)
    if not made.preprocessing["m"].accepts_missing:
        assert all(torch.isfinite(part).all() for part in contents(together) if part.is_floating_point())


def leaves_its_frame_alone(kind: str) -> None:
    made = prepared(kind)
    frame = made.cohort.frames["m"]
    before = frame.copy(deep=True)
    made.data()
    assert list(frame.index) == list(before.index)
    assert list(frame.columns) == list(before.columns)
    for column in frame.columns:
        assert all(
            a is b or a == b or (a != a and b != b) for a, b in zip(frame[column], before[column], strict=True)
        )  # objects stay the same objects


def comes_back_from_its_config(kind: str) -> None:
    made = prepared(kind)
    config = made.preprocessing["m"].config()
    assert json.loads(json.dumps(config)) == config
    again = preprocessing_from_config(json.loads(json.dumps(config)))
    assert again.config() == config
    assert type(again) is type(made.preprocessing["m"])
    assert_same(features(Prepared(made.cohort, {"m": again}), PATIENTS), features(made, PATIENTS))


def refuses_a_newer_and_a_damaged_config(kind: str) -> None:
    fitted = prepared(kind).preprocessing["m"]
    config, known = fitted.config(), get_args(fitted.saved_as.model_fields["version"].annotation)
    assert config["version"] in known
    with pytest.raises(VersionError, match="newer"):
        preprocessing_from_config(config | {"version": max(known) + 1})
    for key in config.keys() - {"name", "version"}:
        with pytest.raises(CheckpointError, match="damaged"):
            preprocessing_from_config(config | {key: object()})


def knows_the_shape_of_nobody(kind: str) -> None:
    made = prepared(kind)
    assert made.data().present["m"].tolist() == [True] * len(PATIENTS) + [False]
    nobody = made.data([LACKS])
    assert nobody.batch().inputs["m"] is None
    joined = PatientData.concat([nobody, made.data(["01"])])  # refused if the widths were others
    assert_same(joined.batch([1]).inputs["m"], features(made, ["01"]))
    assert joined.present["m"].tolist() == [False, True]


def tells_patients_apart_and_finds_a_copy(kind: str) -> None:
    cohort = read(kind)
    frame, source = cohort.frames["m"], cohort.sources["m"]
    marks = source.fingerprints(frame)
    assert all(mark is None or isinstance(mark, bytes) for mark in marks)
    assert source.fingerprints(frame[::-1]) == marks[::-1]
    if SUBJECTS[kind].by_chance:
        assert duplicates(cohort) == {}
        return
    assert len(set(marks)) == len(PATIENTS) - 1
    assert duplicates(cohort) == {"m": [("01", "08")]}
    place = {patient: row for row, patient in enumerate(cohort.patients)}
    apart = Split([place[p] for p in TRAIN], [place["06"]], [place["07"], place["08"]])
    with pytest.raises(InputError, match=r"leakage: m has the same features under several ids.*01 = 08"):
        check_leakage(cohort, apart)
    check_leakage(cohort, Split([place[p] for p in (*TRAIN, "08")], [place["06"]], [place["07"]]))


def makes_a_block_that_is_saved_and_loaded(kind: str) -> None:
    made = prepared(kind)
    name, given = made.preprocessing["m"].encoder()
    plate = Baseplate(Classification(["no", "yes"]), channels=4, width=8, heads=2, head_width=4)
    block = LegoBlock(build_encoder(name, {**given, **(SUBJECTS[kind].options or {})}), plate, "m").eval()
    block.preprocessing = made.preprocessing["m"]
    logits = block(features(made, PATIENTS)).logits
    assert logits.shape == (len(PATIENTS), 2)
    assert torch.isfinite(logits).all()
    with tempfile.TemporaryDirectory() as folder:
        again = mmlego.load(mmlego.save(block, f"{folder}/block"))
    fresh = Prepared(read(kind), {"m": again.preprocessing})
    torch.testing.assert_close(again(features(fresh, PATIENTS)).logits, logits)


LAWS = (
    reads_a_row_a_patient,
    refuses_a_key_that_it_does_not_know,
    learns_from_training_patients_alone,
    gives_features_that_depend_on_nobody_else,
    leaves_its_frame_alone,
    comes_back_from_its_config,
    refuses_a_newer_and_a_damaged_config,
    knows_the_shape_of_nobody,
    tells_patients_apart_and_finds_a_copy,
    makes_a_block_that_is_saved_and_loaded,
)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("assert_law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("kind", SUBJECTS)
def test_a_kind(kind: str, assert_law: Callable[[str], None]) -> None:
    try:
        assert_law(kind)
    except MissingExtraError as error:
        pytest.skip(str(error))
