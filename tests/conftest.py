"""What all tests share: one Hypothesis profile, fixed seeds, and the folder of data and recorded numbers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from mmlego.job.pooling import OPTIONS
from tests.few_trees import USUAL

# The tensors here are small: a second thread costs more than it gives.
torch.set_num_threads(1)

# Under pandas 3 names are texts of a type that anndata 0.12 writes only where this says so.
os.environ.setdefault("ANNDATA_ALLOW_WRITE_NULLABLE_STRINGS", "1")

# Shared machines stall now and then: a slow example is no failure.
settings.register_profile(
    "mmlego", deadline=None, max_examples=20, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("mmlego")


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    torch.manual_seed(0)


@pytest.fixture
def all_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many trees as users get, where numbers are those of a page."""
    for name in list(OPTIONS):
        monkeypatch.delitem(OPTIONS, name)
    for name, options in USUAL.items():
        monkeypatch.setitem(OPTIONS, name, options)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of shared data that lies beside the checkout."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the folder `shared` with data and recorded numbers does not lie beside the checkout")
    return folder


@pytest.fixture(autouse=True)
def _one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let experiments start Ray only where a test asks for workers: it takes ten seconds, and its workers are nice."""
    monkeypatch.setattr("mmlego.cells.running.FEW", 10**6)


@pytest.fixture(autouse=True)
def _modules_of_a_test_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers of Ray import what this test has imported by ``--import``, and nothing of another test."""
    monkeypatch.setattr("mmlego.plugins._IMPORTED", {})
