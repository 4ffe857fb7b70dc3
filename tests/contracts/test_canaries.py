"""Canaries in every kind's files: none is in what verbs write to be shared, and in what ``push`` sends."""

from __future__ import annotations

import gzip
import io
import json
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from mmlego.data import Cohort, load_splits
from mmlego.data.kinds import registry
from mmlego.run_folder import RunFolder
from tests.contracts.test_kinds import SUBJECTS, write
from tests.hub_server import serving, take_for_hub
from tests.terminal import done

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics on a handful of patients

#: Ids, a name, a comment with a date, a value that one patient has; ö, for JSON writes it otherwise.
PATIENTS = tuple(f"Zq7Ada-{row:02d}" for row in range(24))
NAME, COMMENT, VALUE = "Zq7 Lövelace", "Zq7 born 1815-12-10", 987654.25
PLANTED_IN = (0, 1, 3)  # the places of patients who have them; the seed is one with which they train
SETTINGS = {
    "seed": 1,
    "plate": {"channels": 4, "width": 8, "heads": 2, "head_width": 4},
    "encoder": {"name": "auto", "options": {"members": ["neural", "logistic"]}},
    "fit": {"epochs": 1},
    "fuse": {"fit": {"epochs": 1}, "across": None},
}


def in_table(folder: Path) -> None:
    def change(table: pd.DataFrame) -> None:
        table["doctor"] = [NAME, *["Smith", "Jones"] * 11, "Smith"]
        table["comment"] = [COMMENT, "Zq7 second", *[None] * 22]
        table.loc[3, "crp"] = VALUE

    edit(folder / "m.csv", change)


def in_number(column: str) -> Callable[[Path], None]:
    def change(table: pd.DataFrame) -> None:
        table.loc[3, column] = VALUE

    return lambda folder: edit(folder / "m.csv", change)


def in_stays(folder: Path) -> None:
    file = folder / "stays" / f"{PATIENTS[3]}.txt"
    lines = file.read_text().splitlines()
    assert any(",HR," in line for line in lines)
    file.write_text(
        "\n".join(f"{line.rsplit(',', 1)[0]},{VALUE}" if ",HR," in line or ",Age," in line else line for line in lines)
    )


def in_picture(folder: Path) -> None:
    image, plugin = pytest.importorskip("PIL.Image"), pytest.importorskip("PIL.PngImagePlugin")
    file = folder / f"m_{PATIENTS[3]}.png"
    told = plugin.PngInfo()
    told.add_text("Comment", COMMENT)
    with image.open(file) as opened:
        opened.load()
        opened.save(file, pnginfo=told)


def in_scan(folder: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    file = folder / f"m_{PATIENTS[3]}.nii.gz"
    made = nibabel.load(file)
    changed = nibabel.Nifti1Image(np.asarray(made.dataobj), made.affine, made.header)
    changed.header["descrip"] = COMMENT.encode()
    nibabel.save(changed, file)


def in_sequence(folder: Path) -> None:
    file = folder / "m.fasta"
    file.write_text(file.read_text().replace(f">{PATIENTS[3]} a gene", f">{PATIENTS[3]} {COMMENT}"))


def in_molecule(folder: Path) -> None:
    def change(table: pd.DataFrame) -> None:
        table.loc[3, "smiles"] = MOLECULE

    edit(folder / "m.csv", change)


def in_edges(folder: Path) -> None:
    def change(table: pd.DataFrame) -> None:
        table["kind"] = np.where(table["id"] == PATIENTS[3], NAME, np.where(table.index % 2, "a", "b"))

    edit(folder / "m.csv", change)


def in_note(folder: Path) -> None:
    def change(table: pd.DataFrame) -> None:
        table.loc[3, "text"] += f" {NAME} {COMMENT}"

    edit(folder / "m.csv", change)


def nothing_more(folder: Path) -> None:
    """Files of tensors hold no text; ids stand in their names."""


MOLECULE = "CC[Se]CC(Br)CCCl"
PLANTED: dict[str, Callable[[Path], None]] = {
    "table": in_table,
    "omics": in_number("ENSG3"),
    "series": in_stays,
    "static": in_stays,
    "bag": nothing_more,
    "image": in_picture,
    "volume": in_scan,
    "sequence": in_sequence,
    "fingerprint": in_molecule,
    "graph": in_edges,
    "text": in_note,
}


def edit(file: Path, change: Callable[[pd.DataFrame], None]) -> None:
    table = pd.read_csv(file, dtype={"id": str})
    change(table)
    table.to_csv(file, index=False)


def trained(run: Path, manifest: Path) -> list[str]:
    cohort = Cohort.from_manifest(manifest)
    return load_splits(RunFolder(run).split, cohort.patients)[0].named(cohort.patients)["train"]


def canaries(folder: Path) -> dict[str, list[bytes]]:
    """Return by canary how it may be written."""
    texts = {**{patient: patient for patient in PATIENTS}, "name": NAME, "comment": COMMENT, "molecule": MOLECULE}
    texts |= {"any": "Zq7", "date": "1815-12-10", "place": str(folder), "home": str(Path.home())}
    spelt = {
        what: [text.encode(), text.encode("utf-16-le"), text.encode("latin-1"), json.dumps(text)[1:-1].encode()]
        for what, text in texts.items()
    }
    numbers = [str(VALUE).encode(), b"987654", struct.pack("<d", VALUE), struct.pack("<f", VALUE)]
    return {**spelt, "value": numbers}


def contents(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what a file holds, and what is packed in it."""
    yield name, content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            for part in parts.namelist():
                yield from contents(f"{name}:{part}", parts.read(part))
    elif content[:2] == b"\x1f\x8b":
        yield from contents(f"{name}:", gzip.decompress(content))


def found(files: list[Path], planted: dict[str, list[bytes]]) -> list[str]:
    hits = []
    for file in files:
        for name, content in contents(str(file), file.read_bytes()):
            hits += [f"{what} in {name}" for what, ways in planted.items() if any(way in content for way in ways)]
            hits += [f"{what} in the name {name}" for what, ways in planted.items() if ways[0] in file.name.encode()]
    return hits


def parted(*runs: Path) -> tuple[list[Path], list[Path]]:
    """Return the files that are to be shared, and those of private parts."""
    files = [file for run in runs for file in run.rglob("*") if file.is_file()]
    return [f for f in files if "private" not in f.parts], [f for f in files if "private" in f.parts]


def pushed(places: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Send checkpoints to a hub on this machine; return all that it got, as files."""
    with serving("hf_mine") as hub:
        take_for_hub(hub, folder / "cache", monkeypatch)
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
        for number, place in enumerate(places):
            done("push", place, f"a/{number}", "--licence", "mit")
        got = {
            f"{repo}/{commit[:7]}/{name}": file
            for repo, commits in hub.repos.items()
            for commit, files in commits.items()
            for name, file in files.items()
        }
        got["asked.txt"] = "\n".join(hub.asked).encode()
    for name, content in got.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    assert len(got) == 3 * len(places) + 1
    return [folder / name for name in got]


def test_every_kind_has_its_canaries() -> None:
    assert sorted(PLANTED) == sorted(registry.KINDS)
    assert set(PLANTED) <= set(SUBJECTS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PLANTED)
def test_no_canary_leaves_the_house(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, run, bench, made = tmp_path / "Zq7 home", tmp_path / "run", tmp_path / "bench", tmp_path / "made"
    home.mkdir()
    manifest = write(kind, home, {patient: row for row, patient in enumerate(PATIENTS)}, min_patients=5)
    PLANTED[kind](home)
    clinical = pd.read_csv(home / "clinical.csv", dtype=str)
    clinical.assign(name=NAME, seen="1815-12-10").to_csv(home / "clinical.csv", index=False)
    (home / "settings.yaml").write_text(yaml.safe_dump(SETTINGS))
    told = ("-d", manifest, "-c", home / "settings.yaml")
    done("train", *told, "-o", run, "--shared-patients", "--no-progress")
    done("merge", run)
    done("fuse", run, "-d", manifest, "--no-progress")
    done("bench", *told, "-o", bench, "--folds", 2, "--repeats", 1, "--shared-patients")
    assert {PATIENTS[row] for row in PLANTED_IN} <= set(trained(run, manifest))
    training = {"data": manifest.name, "settings": SETTINGS, "shared_patients": True}
    recipe = {"blocks": {"m": "../run/blocks/m", "clinical": {"train": training}}}
    (home / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    done("run", home / "recipe.yaml", "-o", made, "--no-progress")
    shared, private = parted(run, bench, made)
    shared.remove(made / "recipe.yaml")  # which keeps the ways to files that the recipe names, as it names them
    assert "Zq7 home" in (made / "recipe.yaml").read_text()
    assert str(tmp_path) not in (made / "recipe.yaml").read_text()
    shared += pushed([run / "blocks" / "m", run / "fuse", made / "merge"], tmp_path / "hub", monkeypatch)
    assert {"config.json", "model.safetensors", "README.md", "settings.yaml", "table.md"} <= {f.name for f in shared}
    planted = canaries(tmp_path)
    assert found(shared, planted) == []
    # the search finds what there is: results of splits name patients
    assert any(hit.startswith(PATIENTS[0]) for hit in found(private, planted))
    for place in (run, bench, made / "runs" / "clinical"):
        assert stat.S_IMODE((place / "private").stat().st_mode) == 0o700
    for file in shared:
        assert stat.S_IMODE(file.stat().st_mode) & 0o044 == 0o044, file


def test_what_few_patients_have_would_be_found(tmp_path: Path) -> None:
    manifest = write("table", tmp_path, {patient: row for row, patient in enumerate(PATIENTS)}, min_patients=1)
    PLANTED["table"](tmp_path)
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(SETTINGS))
    told = ("-d", manifest, "-c", tmp_path / "settings.yaml")
    done("train", *told, "-o", tmp_path / "run", "--shared-patients", "--no-progress")
    shared, _ = parted(tmp_path / "run")
    assert any(hit.startswith(("name", "comment")) for hit in found(shared, canaries(tmp_path)))


def test_what_is_packed_is_looked_into(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.array([VALUE]))
    (tmp_path / "b.gz").write_bytes(gzip.compress(json.dumps(NAME).encode()))
    hits = found(sorted(tmp_path.iterdir()), canaries(tmp_path))
    assert [hit.split(" ")[0] for hit in hits] == ["value", "name", "any"]
