"""Networks of MONAI and timm get arguments that they declare, and none by which they would fetch or read."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from mmlego.encoders import MonaiEncoder
from mmlego.encoders.network_arguments import admitted_arguments, check_fetches_nothing, parameters_of
from mmlego.errors import InputError


class Base(nn.Module):
    def __init__(self, width: int, depth: int = 2) -> None:
        super().__init__()


class Fetching(Base):
    def __init__(
        self, colours: int = 3, pretrained: bool = True, pretrained_url: str | None = None, **more: Any
    ) -> None:
        super().__init__(**more)


class Named(nn.Module):
    def __init__(self, path_or_repo_id: str = "owner/model") -> None:
        super().__init__()


def test_arguments_are_those_of_the_signature_and_of_what_it_passes_them_on_to() -> None:
    assert list(parameters_of(Fetching)) == ["width", "depth", "colours", "pretrained", "pretrained_url"]
    assert list(parameters_of(Base)) == ["width", "depth"]


def test_what_a_network_would_fetch_where_nothing_is_said_is_off() -> None:
    assert admitted_arguments({"width": 3}, Fetching, "it") == {"width": 3, "pretrained": False}
    assert admitted_arguments({"pretrained": False, "pretrained_url": None}, Fetching, "it") == {
        "pretrained": False,
        "pretrained_url": None,
    }
    with pytest.raises(InputError, match="it would fetch its weights: expected another network, got path_or_repo_id"):
        admitted_arguments({}, Named, "it")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"pretrained": True}, "would fetch its weights.*got pretrained=True"),
        ({"pretrained": "yes"}, "would fetch its weights"),
        ({"pretrained_url": "http://127.0.0.1:9/w.pth"}, "would fetch its weights.*got pretrained_url='http"),
        ({"depth": "http://127.0.0.1:9"}, "depth of arguments of it: expected a plain word"),
        ({"depth": ["a", {"b": "/etc/hosts"}]}, "b of depth of arguments of it: expected a plain word"),
        ({"depht": 2}, "wrong arguments for it: expected of width, depth, .*, got 'depht'"),
    ],
)
def test_what_would_fetch_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        admitted_arguments(given, Fetching, "it")


@pytest.mark.parametrize(
    "given",
    [
        {"pretrained_cfg": {"url": "x"}},
        {"pretrained_cfg_overlay": {"file": "x"}},
        {"checkpoint_path": "weights.pth"},
        {"cache_dir": "x"},
        {"hf_hub_id": "x"},
        {"norm_layer": "os/system"},
    ],
)
def test_arguments_of_timm(given: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        check_fetches_nothing(given, "timm's resnet18")
    check_fetches_nothing({"img_size": 96, "drop_path_rate": 0.1, "act_layer": "gelu", "patch_size": [8, 8]}, "it")


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        ("HoVerNet", {"mode": "fast", "pretrained_url": "http://127.0.0.1:9/weights.pth"}),
        ("Transchex", {}),
        ("ResNetFeatures", {"model_name": "resnet10", "pretrained": True}),
    ],
)
def test_networks_of_monai_that_would_fetch(network: str, arguments: dict[str, Any]) -> None:
    pytest.importorskip("monai", reason="needs mmlego[images]")
    with pytest.raises(InputError, match="would fetch its weights"):
        MonaiEncoder(network, arguments)


def test_a_network_of_monai_that_fetches_where_nothing_is_said_starts_at_random(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("monai", reason="needs mmlego[images]")
    import monai.networks.nets as nets

    heard: list[bool] = []

    class Pretending(nn.Module):
        def __init__(self, in_channels: int, pretrained: bool = True) -> None:
            super().__init__()
            heard.append(pretrained)

    monkeypatch.setattr(nets, "Pretending", Pretending, raising=False)
    MonaiEncoder("Pretending", {"in_channels": 1}, 4)
    assert heard == [False]
