"""The manifests in ``examples`` from files to models: a score of every block and of their merge is printed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmlego.data import read_manifest
from mmlego.datasets import write_dataset, write_synthetic
from tests.terminal import done

ROOT = Path(__file__).parents[2]
SHORT = ("-s", "fit.epochs=2", "-s", "fuse.fit.epochs=1")


@dataclass(frozen=True)
class Example:
    """A manifest, and where its files come from: a folder of the shared data, or made on the spot."""

    manifest: str
    shared: str | None = None
    make: Callable[[Path], Path] | None = None
    settings: str | None = None


EXAMPLES = {
    "synthetic": Example("synthetic/cohort.yaml", make=lambda folder: write_synthetic(folder, patients=60)),
    "gse7390": Example("gse7390/cohort.yaml", make=lambda folder: write_dataset("gse7390", folder)),
    "blca": Example("tcga/blca.yaml", "tcga"),
    "kirp": Example("tcga/kirp.yaml", "tcga"),
    "icu": Example("icu/cohort.yaml", "physionet2012", settings="icu/settings.yaml"),
    "icu, all in one": Example("icu/all.yaml", "physionet2012", settings="icu/all-settings.yaml"),
}


@pytest.fixture(autouse=True)
def _cache_elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MMLEGO_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    return


def where(example: Example, tmp_path: Path) -> list[object]:
    """Return the options that name manifest, files and settings, or skip."""
    if example.make is not None:
        folder = example.make(tmp_path / "data").parent
    else:
        folder = ROOT.parent / "shared" / "data" / str(example.shared)
        if not folder.is_dir():
            pytest.skip(f"the files of {example.manifest} do not lie in the folder `shared`")
    options: list[object] = ["-d", ROOT / "examples" / example.manifest, "--data-dir", folder, *SHORT]
    return [*options, "-c", ROOT / "examples" / example.settings] if example.settings else options


@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
@pytest.mark.parametrize("name", EXAMPLES)
def test_train_merge_evaluate(name: str, tmp_path: Path) -> None:
    example, run = EXAMPLES[name], tmp_path / "run"
    options = where(example, tmp_path)
    modalities = list(read_manifest(ROOT / "examples" / example.manifest).modalities)
    done("train", *options, "-o", run, "--shared-patients", "--no-progress")
    scored = [f"blocks/{modality}" for modality in modalities]
    if len(modalities) > 1:
        done("merge", run)
        scored.append("merge")
    said = done("evaluate", run, *options[:4], width=200).out
    for model in scored:
        assert re.search(rf"^{re.escape(model)} +\d+ .*\d\.\d", said, re.MULTILINE), said


@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
@pytest.mark.parametrize("name", ["synthetic", pytest.param("icu", marks=pytest.mark.slow)])
def test_bench_prints_every_block_and_their_merge(name: str, tmp_path: Path) -> None:
    example = EXAMPLES[name]
    options = where(example, tmp_path)
    how = ("--folds", 2, "--repeats", 1, "--shared-patients")
    said = done("bench", *options, "-o", tmp_path / "bench", *how, width=200).out
    methods = [f"block {name}" for name in read_manifest(ROOT / "examples" / example.manifest).modalities]
    for method in (*methods, "logit ensemble", "LegoMerge", "LegoFuse"):
        assert re.search(rf"│ {method} +│ +\d\.\d{{3}} ± ", said), said


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_readme_names_manifest_files_and_settings(name: str) -> None:
    example = EXAMPLES[name]
    manifest = read_manifest(ROOT / "examples" / example.manifest)
    files = {manifest.outcome.file, *(getattr(source, "file", None) for source in manifest.modalities.values())}
    text = (ROOT / "examples" / example.manifest).with_name("README.md").read_text(encoding="utf-8")
    for said in (*files, f"-d examples/{example.manifest} ", example.settings):
        assert said is None or said in text, said
