"""Networks of MONAI, transformers and timm: their outputs as tokens, their arguments, what is not fetched."""

from __future__ import annotations

import enum
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mmlego import InputError, LegoBlock, MissingExtraError, ShapeError, UnknownNameError
from mmlego.encoders import MonaiEncoder, TimmEncoder, VisionTransformerEncoder
from tests.bricks import plate, trained

# --- MONAI

UNET = {"spatial_dims": 2, "in_channels": 1, "out_channels": 4, "channels": [4, 8], "strides": [2]}
VOLUME = {**UNET, "spatial_dims": 3}
RESNET = {"model_name": "resnet10", "pretrained": False, "spatial_dims": 2, "in_channels": 1}
REGRESSOR = {"in_shape": [1, 8, 8], "out_shape": [6], "channels": [4], "strides": [2]}


@pytest.fixture
def monai() -> Any:
    return pytest.importorskip("monai", reason="needs mmlego[images]")


@pytest.mark.usefixtures("monai")
@pytest.mark.parametrize(
    ("network", "arguments", "size", "shape"),
    [
        ("UNet", UNET, (8, 8), (2, 64, 4)),
        ("UNet", VOLUME, (4, 4, 4), (2, 64, 4)),
        ("Regressor", REGRESSOR, (8, 8), (2, 6)),
        ("ResNetFeatures", RESNET, (32, 32), (2, 1, 512)),  # of five feature maps the last, 1 × 1
    ],
)
def test_any_output_of_monai_becomes_tokens(
    network: str, arguments: dict[str, Any], size: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    encoder, x = MonaiEncoder(network, arguments, shape[-1]).eval(), torch.randn(2, 1, *size)
    assert encoder(x).shape == shape
    block = trained(LegoBlock(encoder, plate(), "scan"))
    assert torch.isfinite(block(x).logits).all()


@pytest.mark.usefixtures("monai")
def test_the_width_may_be_found_by_a_sample() -> None:
    x = torch.randn(2, 1, 8, 8)
    assert LegoBlock(MonaiEncoder("UNet", UNET), plate(), "scan", sample=x).token_width == 4
    with pytest.raises(InputError, match="width of the tokens of modality 'scan' is not known"):
        LegoBlock(MonaiEncoder("UNet", UNET), plate(), "scan")


class Several(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Any:
        maps = [x[:, :, ::stride, ::stride] for stride in (1, 2, 4)]
        return {"list": maps, "tuple": tuple(maps), "nested": (maps, x)}[self.kind]


@pytest.mark.parametrize(
    ("kind", "output", "cells"),
    [("list", None, 4), ("list", 0, 64), ("tuple", None, 64), ("tuple", 1, 16), ("nested", None, 4)],
)
def test_which_of_several_outputs(
    monai: Any, monkeypatch: pytest.MonkeyPatch, kind: str, output: Any, cells: int
) -> None:
    import monai.networks.nets as nets

    monkeypatch.setattr(nets, "Several", Several, raising=False)
    encoder = MonaiEncoder("Several", {"kind": kind}, 1, output)
    assert encoder(torch.zeros(2, 1, 8, 8)).shape == (2, cells, 1)


@pytest.mark.usefixtures("monai")
@pytest.mark.parametrize(
    ("network", "arguments", "error", "message"),
    [
        ("Unett", UNET, UnknownNameError, "unknown network of MONAI: expected .*U[nN]et.*, got 'Unett'"),
        ("torch", {}, UnknownNameError, "unknown network of MONAI.*got 'torch'"),
        ("UNet", {**UNET, "depth": 3}, InputError, "wrong arguments for MONAI's UNet.*depth"),
        ("UNet", {}, InputError, "wrong arguments for MONAI's UNet.*missing"),
        ("ResNetFeatures", {**RESNET, "pretrained": True}, InputError, "would fetch its weights.*got pretrained=True"),
    ],
)
def test_wrong_networks_of_monai_are_refused(
    network: str, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        MonaiEncoder(network, arguments)


def test_a_network_that_needs_another_package_says_so(monai: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import monai.networks.nets as nets

    def needy() -> None:
        raise ImportError("No module named 'einops'")

    monkeypatch.setattr(Several, "__init__", lambda self: needy())
    monkeypatch.setattr(nets, "Several", Several, raising=False)
    with pytest.raises(MissingExtraError, match="Several needs a package beside MONAI: No module named 'einops'"):
        MonaiEncoder("Several", {})


@pytest.mark.usefixtures("monai")
def test_images_without_channels_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"expected \(b, ch, h, w\) or \(b, ch, d, h, w\), got \(2, 8, 8\)"):
        MonaiEncoder("UNet", UNET, 4)(torch.zeros(2, 8, 8))


# --- transformers

SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}
VISION: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "ViT": ({"model_type": "vit", "intermediate_size": 12, **SMALL}, (5, 8)),
    "DINOv2": ({"model_type": "dinov2", "num_channels": 1, **SMALL}, (5, 8)),
    "rectangular": ({"model_type": "vit", "intermediate_size": 12, **SMALL, "image_size": [16, 32]}, (9, 8)),
    "ConvNeXt": ({"model_type": "convnext", "hidden_sizes": [4, 6], "depths": [1, 1], "num_stages": 2}, (4, 6)),
    "ResNet": ({"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [4, 6], "depths": [1, 1]}, (4, 6)),
}


@pytest.mark.parametrize("name", VISION)
def test_vision_models_of_transformers(name: str) -> None:
    pytest.importorskip("transformers", reason="needs mmlego[text]")
    config, shape = VISION[name]
    encoder = VisionTransformerEncoder(config)
    assert encoder.training
    assert encoder.out_features == shape[1]
    size = {"rectangular": (16, 32)}.get(name, (16, 16))
    block = trained(LegoBlock(encoder, plate(), "photo"))
    x = torch.randn(2, encoder.in_channels, *size)
    assert encoder(x).shape == (2, *shape)
    torch.testing.assert_close(block(x[:1]).logits, block(x).logits[:1])


def test_an_image_of_another_size_than_the_model_was_made_for() -> None:
    pytest.importorskip("transformers", reason="needs mmlego[text]")
    block = LegoBlock(VisionTransformerEncoder(VISION["ViT"][0]), plate(), "photo")
    with pytest.raises(ShapeError, match=r"vit does not take images of \(20, 20\).*expected images of 16 pixels"):
        block(torch.zeros(2, 3, 20, 20))
    with pytest.raises(ShapeError, match=r"expected \(b, 3, h, w\)"):
        block(torch.zeros(2, 1, 16, 16))


# --- timm


@pytest.fixture
def real_timm() -> None:
    """Skip where timm cannot be imported; it needs torchvision in a build that fits the installed torch."""
    try:
        TimmEncoder("resnet10t")
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("real_timm")
@pytest.mark.parametrize("model", ["resnet10t", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_models_of_timm(model: str) -> None:
    encoder = TimmEncoder(model, in_channels=1).eval()
    tokens = encoder(torch.zeros(1, 1, 224, 224))
    assert tokens.ndim == 3
    assert tokens.shape[2] == encoder.out_features


class Format(enum.Enum):
    NHWC = "NHWC"
    NCHW = "NCHW"


class Network(nn.Module):
    """What timm's models have in common: ``num_features`` and ``forward_features``, in one of three shapes."""

    def __init__(self, shape: str, said: bool) -> None:
        super().__init__()
        self.num_features, self.shape = 6, shape
        self.convolution = nn.Conv2d(1, 6, 2, 2)
        if said:
            self.output_fmt = Format(shape)

    def forward_features(self, x: Tensor) -> Tensor:
        grid = self.convolution(x)
        return {"NCHW": grid, "NHWC": grid.permute(0, 2, 3, 1), "NLC": grid.flatten(2).mT}[self.shape]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand in for timm, so that what is around it is tested where timm is not; return how it was called."""
    seen: list[dict[str, Any]] = []

    def create_model(name: str, *, shape: str = "NCHW", said: bool = False, **options: Any) -> nn.Module:
        seen.append({"name": name, **options})
        return Network(shape, said)

    names = ["resnet18", "resnet34"]
    stand_in = SimpleNamespace(create_model=create_model, is_model=names.__contains__, list_models=lambda: names)
    monkeypatch.setitem(sys.modules, "timm", stand_in)
    return seen


# Where a model says its format, a grid may be as high as there are features.
FORMATS = [("NCHW", True, 12), ("NHWC", True, 12), ("NCHW", False, 12), ("NHWC", False, 10), ("NLC", False, 12)]


@pytest.mark.parametrize(("shape", "said", "height"), FORMATS)
def test_every_shape_of_timm_becomes_tokens(calls: list[dict[str, Any]], shape: str, said: bool, height: int) -> None:
    encoder, x = TimmEncoder("resnet18", 1, {"shape": shape, "said": said}), torch.randn(2, 1, height, 8)
    torch.testing.assert_close(encoder(x), encoder.network.convolution(x).flatten(2).mT)  # type: ignore[union-attr, operator]
    assert calls == [{"name": "resnet18", "pretrained": False, "num_classes": 0, "global_pool": "", "in_chans": 1}]


@pytest.mark.usefixtures("calls")
def test_wrong_models_of_timm_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown model of timm: expected resnet18, resnet34, got 'resnet19'"):
        TimmEncoder("resnet19")
    with pytest.raises(
        InputError, match=r"would fetch its weights.*got checkpoint_path='weights\.pth'.*load_state_dict"
    ):
        TimmEncoder("resnet18", 1, {"checkpoint_path": "weights.pth"})
    with pytest.raises(InputError, match="wrong arguments for timm's resnet18"):
        TimmEncoder("resnet18", 1, {"in_chans": 3})
    with pytest.raises(ShapeError, match=r"expected \(b, 3, h, w\)"):
        TimmEncoder("resnet18")(torch.zeros(2, 1, 8, 8))
