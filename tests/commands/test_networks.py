"""Networks of other packages by name, from settings alone: MONAI, transformers, and encoders of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import mmlego
from tests.terminal import done, inside, refused

N, SIZE = 30, 16
VIT = {"model_type": "vit", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
       "image_size": SIZE, "patch_size": 8}  # fmt: skip
DENSE = {"out_channels": 8, "init_features": 4, "growth_rate": 4, "block_config": [1, 1]}
OWN = """
import torch
from torch import nn
from mmlego.encoders import register_encoder

@register_encoder("brightness")
class Brightness(nn.Module):
    ordered = tokenwise = False

    def __init__(self, out_features: int = 4) -> None:
        super().__init__()
        self.out_features = out_features
        self.linear = nn.Linear(1, out_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.flatten(1).mean(1, keepdim=True))
"""


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images in colour whose brightness is the outcome."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("scans")
    rng = np.random.default_rng(0)
    for i in range(N):
        pixels = rng.integers(0, 100, (SIZE, SIZE, 3)) + 120 * (i % 2)
        image.fromarray(pixels.astype(np.uint8)).save(folder / f"p{i:02d}.png")
    died = {"patient": [f"p{i:02d}" for i in range(N)], "died": ["no", "yes"] * (N // 2)}
    pd.DataFrame(died).to_csv(folder / "outcome.csv", index=False)
    scan = {"kind": "image", "pattern": "{key}.png", "size": [SIZE, SIZE], "colour": "rgb"}
    outcome = {"task": "classification", "file": "outcome.csv", "label": "died"}
    manifest = {"key": "patient", "outcome": outcome, "modalities": {"scan": scan}}
    (folder / "cohort.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def write(folder: Path, **scan: Any) -> Path:
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump({"fit": {"epochs": 1}, "encoders": {"scan": scan}}))
    return path


def trained(scans: Path, folder: Path, **scan: Any) -> Any:
    settings = write(folder, **scan)
    done("train", "-d", scans / "cohort.yaml", "-o", folder / "run", "-c", settings, "--no-progress")
    done("predict", folder / "run" / "blocks" / "scan", "-d", scans / "cohort.yaml", "-o", folder / "p.csv")
    assert pd.read_csv(folder / "p.csv")["probability_yes"].notna().all()
    return mmlego.load(folder / "run" / "blocks" / "scan")


def test_a_network_of_monai_is_told_channels_and_dimensions(scans: Path, tmp_path: Path) -> None:
    pytest.importorskip("monai")
    block = trained(scans, tmp_path, name="monai", options={"network": "DenseNet", "arguments": DENSE})
    assert block.encoder.config["arguments"] == {"spatial_dims": 2, "in_channels": 3, **DENSE}
    assert block.token_width == 8  # found on two patients


def test_a_network_whose_width_is_said(scans: Path, tmp_path: Path) -> None:
    """A width that is said is not looked for."""
    pytest.importorskip("monai")
    net = {"out_channels": 4, "channels": [4, 8], "strides": [2]}
    block = trained(scans, tmp_path, name="monai", options={"network": "UNet", "arguments": net, "out_features": 4})
    assert block.encoder.config["arguments"] == {"spatial_dims": 2, "in_channels": 3, **net}


def test_a_vision_transformer_stays_as_it_starts(scans: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    model = transformers.ViTModel(transformers.ViTConfig(**{k: v for k, v in VIT.items() if k != "model_type"}))
    model.save_pretrained(tmp_path / "vit")
    options = {"model": str(tmp_path / "vit")}
    block = trained(scans, tmp_path, name="transformers_vision", freeze=True, options=options)
    assert block.encoder_frozen
    weights = block.encoder.network.state_dict()
    for name, value in model.state_dict().items():
        assert name not in weights or torch.equal(weights[name], value), name
    assert set(weights) & set(model.state_dict())


def test_a_configuration_is_told_the_channels(scans: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    block = trained(scans, tmp_path, name="transformers_vision", options={"model": VIT})
    assert block.encoder.in_channels == 3
    assert not block.encoder_frozen


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("monai", {}, "missing a required argument: 'network'"),
        (
            "monai",
            {"network": "DenseNet", "arguments": {**DENSE, "in_channels": 1}},
            "expected 3, as the images have it",
        ),
        ("monai", {"network": "DensNet", "arguments": DENSE}, "unknown network of MONAI: expected DenseNet"),
        ("transformers_vision", {"model": {**VIT, "num_channels": 1}}, "num_channels of the configuration of vit"),
        ("transformers_vision", {"model": {**VIT, "image_size": 32}}, "expected images of 32 pixels, got (16, 16)"),
        ("small_cnn", {"chanels": [4]}, "wrong arguments for encoder 'small_cnn'"),
    ],
)
def test_what_does_not_fit_is_refused(scans: Path, tmp_path: Path, name: str, options: Any, told: str) -> None:
    pytest.importorskip({"monai": "monai", "transformers_vision": "transformers"}.get(name, "torch"))
    settings = write(tmp_path, name=name, options=options)
    given = ("train", "-d", scans / "cohort.yaml", "-o", tmp_path / "run", "-c", settings, "--no-progress")
    assert told in refused(*given)


def test_learners_are_not_frozen(scans: Path, tmp_path: Path) -> None:
    settings = write(tmp_path, name="logistic", freeze=True)
    told = refused("train", "-d", scans / "cohort.yaml", "-o", tmp_path / "run", "-c", settings)
    assert "freeze is of neural encoders" in told


def test_an_encoder_of_ones_own_is_imported_if_it_is_said(scans: Path, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "own_brightness.py").write_text(OWN)
    settings = write(tmp_path, name="brightness")
    given = ("train", "-d", scans / "cohort.yaml", "-o", "run", "-c", settings, "--no-progress")
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    with inside(tmp_path):
        assert "unknown encoder" in refused(*given)
        assert "--import nothing_of_that_name" in refused("--import", "nothing_of_that_name", *given)
        assert "Go to its folder and pass --import own." in refused("--import", "./own.py", *given)
        Path("own_wrong.py").write_text("1 / 0\n")
        assert "--import own_wrong: expected a module that runs, got ZeroDiv" in refused(
            "--import", "own_wrong", *given
        )
        done("--import", "own_brightness", *given)
        block = mmlego.load("run/blocks/scan")
        assert type(block.encoder).__name__ == "Brightness"
    from mmlego.encoders.registry import _ENCODERS

    _ENCODERS._known.pop("brightness")
