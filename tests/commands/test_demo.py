"""``mmlego demo``: the main job on real data, from training to pictures and models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mmlego
from mmlego.bench import read_results
from mmlego.datasets import gse7390
from mmlego.job import data_of
from tests.terminal import done, refused
from tests.terminal import mmlego as command

SHORT = (
    "--folds", 2, "--repeats", 1, "-s", "fit.epochs=2", "-s", "fuse.fit.epochs=1", "-s", "plate.channels=4",
    "-s", "plate.width=8", "-s", "encoder.options.hidden=[8]",
)  # fmt: skip
METHODS = ["logit ensemble", "LegoMerge", "LegoFuse"]
PAIRED = ["end to end on 10 %: concatenation", "end to end on 10 %: sequential"]


@pytest.fixture(scope="module")
def gse(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("demo") / "out"
    return out, done("demo", "-o", out, *SHORT).text


def test_the_table_has_every_method(gse: tuple[Path, str]) -> None:
    results = read_results(gse[0])
    assert results.methods == ["block genes", "block clinical", *METHODS, *PAIRED]
    assert "GSE7390: 198 patients, 2 folds × 1, each block on patients of its own; c-index" in gse[1]
    assert "On 10 %: trained end to end on so many of the training and validation patients" in gse[1]
    for method in results.methods[:5]:
        assert re.search(rf"{method} │ 0\.\d\d\d ± 0\.\d\d\d", gse[1]), method
    assert results.outcome.keys() == set(gse7390().patients)


def test_picture_table_and_models_are_written_and_named(gse: tuple[Path, str]) -> None:
    out, text = gse
    files = ["table.md", "kaplan_meier.png", "private/results.json"]
    models = ["plate", "blocks/genes", "blocks/clinical", "merge", "fuse"]
    listed = text.split("Written: ")[1].split()
    assert [Path(name) for name in listed] == [out / name for name in [*files, *(f"models/{m}" for m in models)]]
    assert all(Path(name).exists() for name in listed)


def test_the_models_predict(gse: tuple[Path, str]) -> None:
    cohort = gse7390()
    for name in ("merge", "fuse"):
        model = mmlego.load(gse[0] / "models" / name)
        frame = mmlego.predict(model, data_of(model, cohort)).frame(cohort.patients)
        assert frame["risk"].notna().all()


def test_a_second_run_is_done_at_once(gse: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmlego.bench.cells.train", None)
    monkeypatch.setattr("mmlego.bench.cells.score_paired", None)
    before = (gse[0] / "private/results.json").read_bytes()
    done("demo", "-o", gse[0], *SHORT)
    assert (gse[0] / "private/results.json").read_bytes() == before


def test_classification(tmp_path: Path) -> None:
    said = done("demo", "-o", tmp_path, "--task", "classification", "--seed", 3, "--shared-patients", *SHORT)
    assert "AUROC on held-out patients" in said.text
    assert "all blocks on the same patients" in said.text
    assert (tmp_path / "roc.png").is_file()
    assert read_results(tmp_path).experiment["settings"]["seed"] == 3


@pytest.mark.parametrize(
    ("name", "patients", "modalities"),
    [("blca", 373, ["rna", "cnv", "mutations", "clinical"]), ("kirp", 260, ["rna", "mutations", "clinical"])],
)
def test_tcga(shared: Path, tmp_path: Path, name: str, patients: int, modalities: list[str]) -> None:
    file = shared / "data" / "tcga" / f"tcga_{name}_all_clean.csv.zip"
    said = done("demo", "--data", "tcga", "--path", file, "-o", tmp_path, *SHORT)
    assert f"tcga_{name}_all_clean: {patients} patients, 2 folds × 1" in said.text
    results = read_results(tmp_path)
    assert results.methods == [*(f"block {m}" for m in modalities), *METHODS, *PAIRED]
    tested = [patient for split in results.splits for patient in split["patients"]]
    assert len(tested) == len(set(tested)) == patients


@pytest.mark.parametrize(
    ("arguments", "got"),
    [
        (["--data", "tcga"], "tcga"),
        (["--path", "x.csv"], "gse7390"),
        (["--data", "gse7390", "--path", "x.csv"], "gse7390"),
    ],
)
def test_data_and_path_belong_together(arguments: list[str], got: str) -> None:
    assert refused("demo", *arguments) == f"--path goes with --data tcga: expected both or neither, got --data {got}"


def test_wrong_files(tmp_path: Path) -> None:
    assert "nowhere.csv" in refused("demo", "--data", "tcga", "--path", tmp_path / "nowhere.csv")
    (tmp_path / "other.csv").write_text("case_id,age\nP1,3\n")
    message = refused("demo", "--data", "tcga", "--path", tmp_path / "other.csv")
    assert message.startswith("other.csv is no such TCGA file")


def test_wrong_settings_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    message = refused("demo", "-o", tmp_path / "out", "-s", "fit.epoch=3")
    assert message.startswith("unknown setting 'fit.epoch': expected one of epochs")


def test_the_demo_runs_with_its_own_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def experiment(cohort: object, asked_for: object, *_: object, **__: object) -> None:
        asked.append(asked_for.settings.seed)  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr("mmlego.bench.run_experiment", experiment)
    for arguments, seed in ((["--seed", 5], 5), (["--seed", 5, "-s", "seed=6"], 6), ([], 0)):
        assert command("demo", "-o", tmp_path, *arguments).code == 130
        assert asked[-1] == seed
