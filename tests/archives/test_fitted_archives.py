"""Checkpoints of fitted bricks that earlier versions wrote still load, and answer what they answered then."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mmlego import Bundle, FittedBlock, LegoFuse, load
from tests.archives.make_fitted import LIBRARIES, answer

ARCHIVES = sorted(Path(__file__).parent.glob("v*/fitted"))
MODELS = [place for archive in ARCHIVES for place in sorted(archive.iterdir()) if place.is_dir()]


def test_there_is_an_archive_of_each_kind() -> None:
    names = {place.name for place in ARCHIVES[-1].iterdir() if place.is_dir()}
    ours = {"logistic", "coxnet", "forest", "boosting", "survival_boosting", "pooled", "run_counts", "selected"}
    assert names >= {*ours, "bundle", "merge", "across", *LIBRARIES}


@pytest.mark.parametrize("place", MODELS, ids=lambda place: f"{place.parent.parent.name}-{place.name}")
def test_it_answers_what_it_answered(place: Path) -> None:
    if place.name in LIBRARIES and importlib.util.find_spec(place.name) is None:
        pytest.skip(f"needs {place.name}")
    known = load_file(place.parent / "expected.safetensors")
    model = load(place)
    wanted = known[f"output.{place.name}"]
    torch.testing.assert_close(answer(model, known["input.labs"]), wanted, rtol=1e-6, atol=1e-6)
    assert float(wanted.std(0).max()) > 1e-3  # it tells patients apart
    kind = {"bundle": Bundle, "across": LegoFuse}.get(place.name)
    assert kind is None or type(model) is kind
    if isinstance(model, FittedBlock):
        assert model.card.patients == {"training": 60}
    assert (getattr(model, "across", None) is not None) == (place.name == "across")


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.parent.name)
def test_it_is_small(archive: Path) -> None:
    assert sum(file.stat().st_size for file in archive.rglob("*") if file.is_file()) < 224 * 1024
