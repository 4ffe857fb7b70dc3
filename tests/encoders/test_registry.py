"""The registry: encoders by name, with arguments read off the signature."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmlego import InputError, UnknownNameError
from mmlego.encoders import SNN, build_encoder, encoder_names, register_encoder
from mmlego.encoders import registry as module

NAMES = (
    "char_transformer",
    "column_transformer",
    "gated_attention_mil",
    "graph",
    "gru",
    "gru_d",
    "monai",
    "patch_mlp",
    "pathways",
    "small_cnn",
    "snn",
    "text",
    "time_transformer",
    "timm",
    "transformers_vision",
)


def test_known_names() -> None:
    assert encoder_names() == NAMES


def test_arguments_are_recorded_with_their_defaults() -> None:
    encoder = SNN(10, (8, 4))
    assert encoder.registered_name == "snn"
    assert encoder.config == {"in_features": 10, "hidden": [8, 4], "dropout": 0.25, "input_dropout": 0.0}


def test_an_encoder_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._ENCODERS, "_known", dict(module._ENCODERS))

    @register_encoder("double")
    class Double(nn.Module):
        def __init__(self, in_features: int, scale: float = 2.0) -> None:
            super().__init__()
            self.in_features = self.out_features = in_features
            self.scale = scale

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.scale * x

    assert "double" in encoder_names()
    built = build_encoder("double", {"in_features": 3})
    assert built.config == {"in_features": 3, "scale": 2.0}
    assert torch.equal(built(torch.ones(1, 3)), torch.full((1, 3), 2.0))

    class Mine(Double):
        """A subclass has arguments of its own, so it is not the registered one."""

        def __init__(self) -> None:
            super().__init__(3)

    assert not hasattr(Mine(), "config")
    assert not hasattr(Mine(), "registered_name")


def test_arguments_are_recorded_as_they_come_back_from_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._ENCODERS, "_known", dict(module._ENCODERS))

    @register_encoder("from_folder")
    class FromFolder(nn.Module):
        """What its folder held is recorded, for the folder means nothing elsewhere."""

        def __init__(self, folder: str | dict[str, int], shape: tuple[tuple[int, int], ...] = ((1, 2),)) -> None:
            super().__init__()

        def portable_arguments(self) -> dict[str, object]:
            return {"folder": {"size": (3, 4)}}

    assert FromFolder("here").config == {"folder": {"size": [3, 4]}, "shape": [[1, 2]]}


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=f"expected one of {', '.join(NAMES)}, got 'sn'"):
        build_encoder("sn", {})


@pytest.mark.parametrize("config", [{}, {"in_features": 3, "hiden": [4]}])
def test_wrong_arguments_are_named(config: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"wrong arguments for encoder 'snn'.*expected of \['in_features', 'hidden'"):
        build_encoder("snn", config)
