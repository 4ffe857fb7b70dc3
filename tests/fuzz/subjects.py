"""What is mutated, and what is done with it: for each kind of input a folder that is right, and a use of it."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import shutil
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from unittest import mock

import pandas as pd
import typer.main
import yaml

from mmlego.checkpoint import load
from mmlego.checkpoint_config import config_hash
from mmlego.cli import app
from mmlego.data import Cohort, Split, load_splits, save_splits
from mmlego.data.cohort.manifest import load_manifest, read_manifest
from mmlego.data.splits.foreign import read_parts
from mmlego.recipes import read_recipe
from mmlego.settings import read_settings
from tests.cohorts import CLASSES, SURVIVAL, write_cohort
from tests.fuzz.formats import FORMATS
from tests.fuzz.mutators import Content
from tests.fuzz.once import fitted_once, loaded_once, measured_once, read_once
from tests.fuzz.pictures import drawn_once

QUICK = {
    "plate": {"channels": 4, "width": 8, "heads": 2, "head_width": 4},
    "encoder": {"name": "logistic"},
    "encoders": {"rna": {"name": "snn", "options": {"hidden": [4]}}},
    "fit": {"epochs": 1},
    "fuse": {"fit": {"epochs": 1}, "across": None},
}


@dataclass(frozen=True)
class Subject:
    """A folder that is right, which of its files are mutated, and what is done with the folder.

    ``sealed`` puts right the hashes that stand in mutated files, so that what they guard is reached, too.
    """

    folder: Path
    targets: tuple[str, ...]
    act: Callable[[Path, Random], None]
    sealed: Callable[[dict[str, Content]], None] | None = None

    def files(self) -> dict[str, Content]:
        return {
            str(file.relative_to(self.folder)): file.read_bytes()
            for file in sorted(self.folder.rglob("*"))
            if file.is_file()
        }


def verb(*arguments: object) -> None:
    """Run a verb; its errors come as they are."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        _command()([str(argument) for argument in arguments], standalone_mode=False)


@cache
def _command() -> Callable[..., object]:
    """Return the command line, built once: typer builds it anew at each call, which takes longer than most cases."""
    return typer.main.get_command(app)


def use(manifest: Path, *, everybody: bool = False) -> None:
    """Read a cohort, prepare it, and make a batch of it."""
    cohort = Cohort.from_manifest(manifest)
    batch = cohort.prepare(list(cohort.patients)).data().batch()
    for name, x in batch.inputs.items():
        parts = (
            [x]
            if hasattr(x, "isfinite")
            else [v for v in vars(x).values() if hasattr(v, "isfinite")]
            if x is not None
            else []
        )
        if any(part.is_floating_point() and part.isinf().any() for part in parts):
            raise AssertionError(f"{name} holds infinite values")


# --- models, runs, results


@cache
def _trained(place: str) -> Path:
    """Return a folder with a cohort, settings and a run of it: blocks of two kinds, merge and fuse."""
    home = Path(place) / "trained"
    manifest = write_cohort(home, n=24, outcome=CLASSES)
    (home / "quick.yaml").write_text(yaml.safe_dump(QUICK))
    verb("train", "-d", manifest, "-o", home / "run", "-c", home / "quick.yaml", "--shared-patients", "--no-progress")
    verb("merge", home / "run", "-d", manifest)
    verb("fuse", home / "run", "-d", manifest, "--no-progress")
    shutil.rmtree(home / "run" / "private" / "fits" / "fuse" / "tensorboard")
    return home


def _sealed(made: dict[str, Content]) -> None:
    """Write the right hashes into every checkpoint."""
    for name in [name for name in made if name.endswith("config.json")]:
        content, weights = made[name], made.get(name.removesuffix("config.json") + "model.safetensors")
        with contextlib.suppress(ValueError, RecursionError, AttributeError, TypeError, KeyError):
            config = json.loads(content)  # type: ignore[arg-type]
            if isinstance(weights, bytes) and isinstance(config["weights"], dict):
                config["weights"]["sha256"] = hashlib.sha256(weights).hexdigest()
            config["sha256"] = config_hash(config)
            made[name] = json.dumps(config).encode()


def checkpoint(place: Path) -> Subject:
    home = _trained(str(place)) / "run"
    folder = place / "checkpoint"
    for name in ("plate", "blocks/rna", "blocks/clinical", "merge", "fuse"):
        shutil.copytree(home / name, folder / name)
    names = tuple(
        str(file.relative_to(folder)) for file in sorted(folder.rglob("*")) if file.suffix in (".json", ".safetensors")
    )

    def act(here: Path, rng: Random) -> None:
        for name in {str(Path(name).parent) for name in names}:
            if _changed(here / name, folder / name):
                if rng.random() < 0.3:
                    verb("inspect", *(["--privacy"] if rng.random() < 0.5 else []), here / name)
                else:
                    load(here / name)

    return Subject(folder, names, act, _sealed)


def _changed(one: Path, other: Path) -> bool:
    """Return whether a checkpoint is not as it was."""
    for name in ("config.json", "model.safetensors"):
        try:
            if (one / name).read_bytes() != (other / name).read_bytes():
                return True
        except OSError:
            return True
    return False


def run(place: Path) -> Subject:
    home = _trained(str(place))
    folder = place / "run-of"
    shutil.copytree(home, folder)
    names = tuple(
        str(file.relative_to(folder))
        for file in sorted((folder / "run").rglob("*"))
        if file.is_file()
        and file.suffix in (".json", ".yaml", ".csv", ".safetensors")
        and "tensorboard" not in str(file)
    )
    private = tuple(name for name in names if "private" in name or name.count("/") == 1)
    fitted, loaded, read = fitted_once(), loaded_once(), read_once()

    def act(here: Path, rng: Random) -> None:
        with (
            mock.patch("mmlego.job.one_block.fit_learner", fitted),
            mock.patch("mmlego.checkpoint._load", loaded),
            mock.patch.object(Cohort, "from_manifest", read),
        ):
            use_run(here, rng)

    def use_run(here: Path, rng: Random) -> None:
        r, d = here / "run", home / "cohort.yaml"
        match rng.randrange(6):
            case 0:
                verb("merge", r, "-d", d, "--overwrite")
            case 1:
                verb("fuse", r, "-d", d, "--no-progress", "--overwrite")
            case 2:
                verb("evaluate", r, "-d", d)
            case 3:
                verb("inspect", r)
            case 4:
                verb("predict", r / "fuse", "-d", d, "-o", here / "p.csv")
                _finite(here / "p.csv")
            case _:
                verb("train", "-d", d, "-o", r, "-c", here / "quick.yaml", "--shared-patients", "--no-progress")

    return Subject(folder, names + 2 * private, act, _sealed)


def results(place: Path) -> Subject:
    folder = place / "bench"
    write_cohort(folder, n=24, outcome=SURVIVAL)
    settings = QUICK | {"encoder": {"name": "coxnet"}, "encoders": {}}
    (folder / "quick.yaml").write_text(yaml.safe_dump(settings))
    how = ("-c", "quick.yaml", "--folds", 2, "--repeats", 1, "--shared-patients")

    def bench(here: Path) -> None:
        given = ("-d", here / "cohort.yaml", "-o", here / "b", "-c", here / "quick.yaml", "--workers", 1)
        verb("bench", *given, *how[2:])

    bench(folder)
    (folder / "b" / "kaplan_meier.png").unlink()
    names = tuple(str(file.relative_to(folder)) for file in sorted((folder / "b" / "private").rglob("*.json")))

    known: dict[str, bytes] = {}
    again = measured_once()  # a result that is refused is measured anew, out of files that are as they were

    def act(here: Path, rng: Random) -> None:
        with drawn_once(known), mock.patch("mmlego.bench.cells._measured", again):
            if rng.random() < 0.7:
                verb("report", here / "b", "-o", here / "page.html")
            else:
                bench(here)

    return Subject(folder, names, act)


def patients(place: Path) -> Subject:
    """Patients to predict for: whatever comes, a prediction is finite, or there is none and a note why."""
    folder = place / "patients"
    write_cohort(folder, n=6, outcome=None, first=100, seed=3)
    place_of = _trained(str(place)) / "run" / "merge"
    model = load(place_of)  # the same in all cases, and predicting changes nothing of it

    def act(here: Path, rng: Random) -> None:
        with mock.patch("mmlego.commands.apply.load_model", return_value=model):
            verb("predict", place_of, "-d", here / "cohort.yaml", "-o", here / "p.csv")
        _finite(here / "p.csv")

    return Subject(folder, ("cohort.yaml", "rna.csv", "clinical.csv", "rna.csv", "clinical.csv"), act)


def _finite(file: Path) -> None:
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    told = table["note"] != ""
    for name in table.columns:
        if name.startswith("probability") and not pd.to_numeric(table[name], errors="coerce")[~told].notna().all():
            raise AssertionError(f"{name}: a prediction that is no number, and no note says why")


# --- what people write


SECTIONS = """
name: everything
key: id
id: {pattern: "TCGA-..-....", case: upper}
roots: {more: .}
links: false
min_patients: 1
split: {by: group, file: clinical.csv, column: site}
outcome: {task: survival, file: clinical.csv, time: months, event: status, event_when: dead, unit: months,
  missing: [NA], cuts: [12, 24]}
modalities:
  clinical: {kind: table, file: clinical.csv, columns: [age, sex], missing: {age: [-9]}, numeric: [age],
    categories: [sex], decimal: ",", rows: first, keep: 3}
  rna: {kind: omics, file: rna.csv, genes: rows, keep: 5}
  slides: {kind: bag, pattern: "slides/{key}.h5"}
  ct: {kind: volume, pattern: "ct/{key}.nii.gz", size: [8, 8, 8]}
  notes: {kind: text, file: notes.csv, model: model}
  stays: {kind: series, file: stays, variables: [HR, RR], cache: true}
  net: {kind: graph, edges: edges.csv, nodes: nodes.csv, node_columns: [a]}
  gene: {kind: sequence, file: seqs.fasta, alphabet: dna}
  drug: {kind: fingerprint, file: drugs.csv, bits: 64}
"""


def manifest(place: Path) -> Subject:
    folder = place / "manifest"
    write_cohort(folder, ("rna", "clinical", "labs"), n=12)
    (folder / "all.yaml").write_text(SECTIONS)

    def act(here: Path, rng: Random) -> None:
        read_manifest(here / "all.yaml")
        if rng.random() < 0.8:
            use(here / "cohort.yaml")
        else:
            verb("check", here / "cohort.yaml")

    tables = ("rna.csv", "clinical.csv", "labs.csv", "outcome.csv")
    return Subject(folder, ("cohort.yaml", "cohort.yaml", "all.yaml", "all.yaml", *tables), act)


def settings(place: Path) -> Subject:
    folder = place / "settings"
    folder.mkdir()
    from mmlego.settings import Settings, write_settings

    (folder / "s.yaml").write_text(write_settings(Settings()))
    more = QUICK | {
        "encoders": {
            "rna": {"name": "ridge"},
            "slides": {"name": "gated_attention_mil", "options": {"hidden": 4}},
            "ct": {"name": "monai", "options": {"network": "resnet18"}},
            "all": {"name": "auto", "options": {"members": ["neural", "ridge"], "weights": "stacked"}},
            "notes": {"name": "text"},
            "boost": {"name": "boosting", "options": {"min_leaf": 3}},
        }
    }
    (folder / "s2.yaml").write_text(yaml.safe_dump(more))
    overrides = ["fit.epochs: 3", "plate.width: 8", "encoder.name: snn", "encoder.options.hidden: [8]", "seed: 1"]
    (folder / "set.yaml").write_text("\n".join(overrides))

    def act(here: Path, rng: Random) -> None:
        with contextlib.suppress(OSError):
            given = (here / "set.yaml").read_text(errors="replace").splitlines()
            read_settings(None, [line.replace(": ", "=", 1) for line in given])
        read_settings(here / rng.choice(("s.yaml", "s2.yaml")))

    return Subject(folder, ("s.yaml", "s2.yaml", "set.yaml"), act)


RECIPE = """
blocks:
  rna: run/blocks/rna
  clinical@a: {path: run/blocks/clinical}
  labs: {train: {data: cohort.yaml, modality: labs, test: 0.2, settings: {fit: {epochs: 1}}}}
rule: residual
heads: common
weights: {rna: 0.7, clinical@a: 0.3, labs: 1}
strength: auto
calibrate: true
held_out: {data: cohort.yaml, unseen: true}
fuse: {data: cohort.yaml, mode: parallel, fit: {epochs: 1}}
"""
SMALL_RECIPE = "blocks: {rna: run/blocks/rna, clinical: run/blocks/clinical}\nrule: residual\nweights: auto\n"


def recipe(place: Path) -> Subject:
    folder = place / "recipe"
    shutil.copytree(_trained(str(place)), folder)
    (folder / "r.yaml").write_text(RECIPE)
    (folder / "small.yaml").write_text(SMALL_RECIPE)

    def act(here: Path, rng: Random) -> None:
        read_recipe(here / "r.yaml")
        if rng.random() < 0.3:
            verb("run", here / "small.yaml", "-o", here / "made")
        else:
            read_recipe(here / "small.yaml")

    return Subject(folder, ("r.yaml", "small.yaml"), act)


def splits(place: Path) -> Subject:
    folder = place / "splits"
    folder.mkdir()
    who = [f"{i:02d}" for i in range(9)]
    save_splits([Split([0, 1, 2], [3, 4], [5, 6]), Split([5, 6], [0], [1, 2])], who, folder / "own.json")
    parts = ["train", "val", "test"]
    (folder / "parts.csv").write_text(
        "\n".join(["id,split,fold_1", *(f"{p},{parts[i % 3]},{i % 3}" for i, p in enumerate(who))])
    )
    (folder / "lists.csv").write_text(
        "\n".join([",train,val,test", *(f"{i},{who[i]},{who[3 + i]},{who[6 + i]}" for i in range(3))])
    )
    (folder / "lists.json").write_text(json.dumps([{"train": who[:3], "validation": who[3:6], "test": who[6:]}]))

    def seal(made: dict[str, Content]) -> None:
        from mmlego.data.splits.files import _hash_parts

        with contextlib.suppress(ValueError, TypeError, AttributeError, RecursionError):
            content = json.loads(made["own.json"])  # type: ignore[arg-type]
            content["splits_sha256"] = _hash_parts(content.get("splits"))
            made["own.json"] = json.dumps(content).encode()

    def act(here: Path, rng: Random) -> None:
        if rng.random() < 0.5:
            load_splits(here / "own.json", who)
        else:
            read_parts(here / rng.choice(("parts.csv", "lists.csv", "lists.json")), who, "id")

    return Subject(folder, ("own.json", "own.json", "parts.csv", "lists.csv", "lists.json"), act, seal)


def _of_format(name: str) -> Callable[[Path], Subject]:
    def make(place: Path) -> Subject:
        folder = place / f"format-{name}"
        folder.mkdir()
        targets = FORMATS[name](folder)
        content = load_manifest(folder / "cohort.yaml")  # the same in all cases: parsed once

        def act(here: Path, rng: Random) -> None:
            given = copy.deepcopy(content)
            with mock.patch("mmlego.data.cohort.manifest.load_manifest", return_value=given):
                use(here / "cohort.yaml")

        return Subject(folder, tuple(targets), act)

    return make


SUBJECTS: Mapping[str, Callable[[Path], Subject]] = {
    "checkpoint": checkpoint,
    "manifest with its tables": manifest,
    "run folder": run,
    "results": results,
    "patients to predict for": patients,
    "settings": settings,
    "recipe": recipe,
    "splits": splits,
    **{f"file {name}": _of_format(name) for name in FORMATS},
}


def of_safetensors(content: bytes, rng: Random, change: Callable[[bytes, Random], bytes]) -> bytes:
    """Change the header of a file of safetensors, and keep its length right."""
    length = struct.unpack("<Q", content[:8])[0]
    header = change(content[8 : 8 + length], rng)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]
