"""Sites with their cohorts and a finished run, made once; what a test changes, it copies."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cohorts import write_cohort, write_quick
from tests.terminal import done

MODALITIES = ("rna", "clinical", "labs")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 patients with three modalities and gaps, in ``cohort.yaml``; quick settings in ``quick.yaml``."""
    folder = tmp_path_factory.mktemp("site")
    write_cohort(folder, MODALITIES)
    write_quick(folder)
    return folder


@pytest.fixture(scope="session")
def finished(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with blocks, merge and fuse; not to be changed."""
    run = tmp_path_factory.mktemp("runs") / "run"
    done("train", "-d", site / "cohort.yaml", "-o", run, "-c", site / "quick.yaml", "--no-progress")
    done("merge", run)
    done("fuse", run, "-d", site / "cohort.yaml", "--no-progress")
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """The finished run, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def train(site: Path) -> Callable[..., Path]:
    """Train on the site's cohort, or on another manifest, with the quick settings; return the run."""

    def training(out: Path, *more: object, data: Path | None = None) -> Path:
        done("train", "-d", data or site / "cohort.yaml", "-o", out, "-c", site / "quick.yaml", "--no-progress", *more)
        return out

    return training
