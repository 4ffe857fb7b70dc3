"""Whatever a checkpoint says, ``load`` builds what is registered, of what it admits, and of the size of the file."""

from __future__ import annotations

import importlib
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from mmlego import CheckpointError, LegoBlock, load, save
from mmlego.encoders import MonaiEncoder, TextEncoder, register_encoder
from mmlego.encoders import registry as encoder_registry
from tests.bricks import assert_same, plate, snapshot, table_block
from tests.encoders.test_hugging_face_keys import BERT
from tests.test_checkpoint_damage import config_of, rewrite

UNET = {"spatial_dims": 2, "in_channels": 1, "out_channels": 4, "channels": [4, 8], "strides": [2]}


def say(folder: Path, **arguments: Any) -> None:
    """Let a checkpoint of one block ask for other arguments of its encoder; its hashes are right."""
    config = config_of(folder)
    config["blocks"][0]["encoder"]["config"] = {**config["blocks"][0]["encoder"]["config"], **arguments}
    rewrite(folder, config)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_registry._ENCODERS, "_known", encoder_registry._ENCODERS.registered())


def test_a_network_is_asked_to_fetch_and_nobody_is_called(tmp_path: Path, listening: socket.socket) -> None:
    pytest.importorskip("monai", reason="needs mmlego[images]")
    folder = save(LegoBlock(MonaiEncoder("UNet", UNET, 4), plate(), "scan"), tmp_path / "block")
    assert load(folder).encoder.config["network"] == "UNet"
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/weights.pth"
    for network, arguments in (
        ("HoVerNet", {"mode": "fast", "pretrained_url": address}),
        ("UNet", {**UNET, "act": address}),
        ("ResNetFeatures", {"model_name": "resnet10", "pretrained": True}),
    ):
        say(folder, network=network, arguments=arguments)
        with pytest.raises(CheckpointError, match="the encoder of 'scan' cannot be built"):
            load(folder)
    with pytest.raises(TimeoutError):
        listening.accept()


@pytest.mark.parametrize(
    "model",
    [
        {**BERT, "_attn_implementation": "owner/kernels"},
        {**BERT, "attn_implementation": "owner/kernels"},
        {**BERT, "auto_map": {"AutoModel": "code.Model"}},
        "/",
        "bert-base-uncased",
        {**BERT, "hidden_size": "8"},
    ],
    ids=str,
)
def test_a_text_model_that_names_code_or_a_folder(model: Any, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs mmlego[text]")
    folder = save(LegoBlock(TextEncoder(BERT), plate(), "note"), tmp_path / "block")
    assert load(folder).encoder.out_features == 8
    say(folder, model=model)
    with pytest.raises(CheckpointError, match="the encoder of 'note' cannot be built"):
        load(folder)


@pytest.mark.usefixtures("own")
def test_the_encoder_of_a_user_works_and_reaches_nothing_while_it_is_built(
    tmp_path: Path, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "harmless_layers.py").write_text("RUN = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    port = listening.getsockname()[1]

    @register_encoder("reaching")
    class Reaching(nn.Linear):
        def __init__(
            self, in_features: int, call: bool = False, layers: str = "", widths: tuple[int, ...] = (4,)
        ) -> None:
            super().__init__(in_features, widths[-1])
            if call:
                socket.create_connection(("127.0.0.1", port)).close()
            if layers:
                importlib.import_module(layers)

    block = LegoBlock(Reaching(5, widths=(3, 4)), plate(), "x")
    folder = save(block, tmp_path / "block")
    assert_same(snapshot(load(folder)), snapshot(block))
    say(folder, call=True)
    with pytest.raises(CheckpointError, match="the encoder of 'x' asked for the network"):
        load(folder)
    say(folder, call=False, layers="harmless_layers")
    with pytest.raises(CheckpointError, match=r"the encoder of 'x' cannot be built.*harmless_layers is not imported"):
        load(folder)
    assert "harmless_layers" not in sys.modules
    for odd in ("4", [4.5], [[4]], 4):
        say(folder, layers="", widths=odd)
        with pytest.raises(CheckpointError, match=r"widths(\[\d\])? of encoder 'reaching'"):
            load(folder)
    with pytest.raises(TimeoutError):
        listening.accept()


@pytest.mark.parametrize(
    "arguments",
    [
        {"hidden": [10**9]},
        {"hidden": [2**24, 2**24]},
        {"in_features": 2**24, "hidden": [2**20]},
        {"hidden": [4] * 10**6},
        {"dropout": 7},
        {"hidden": "4"},
        {"input_dropout": [0.1]},
        {"hidden": []},
    ],
    ids=lambda one: str(one)[:40],
)
def test_sizes_and_kinds_that_no_encoder_has(arguments: dict[str, Any], tmp_path: Path) -> None:
    folder = save(table_block(plate()), tmp_path / "block")
    say(folder, **arguments)
    before = time.monotonic()
    with pytest.raises(CheckpointError, match="the encoder of 'rna' cannot be built"):
        load(folder)
    assert time.monotonic() - before < 10


@pytest.mark.parametrize(
    "field",
    [
        {"channels": 10**9},
        {"width": 2**20, "channels": 2**20},
        {"steps": 10**9},
        {"steps": 1000, "share_steps": False},
        {"heads": 10**9},
        {"expansion": 10**12},
        {"head_width": 2**20},
    ],
    ids=str,
)
def test_sizes_that_no_plate_has(field: dict[str, int], tmp_path: Path) -> None:
    folder = save(table_block(plate()), tmp_path / "block")
    config = config_of(folder)
    config["plates"][0]["config"].update(field)
    rewrite(folder, config)
    before = time.monotonic()
    with pytest.raises(CheckpointError, match=r"damaged: expected (a baseplate|format 1 as)"):
        load(folder)
    assert time.monotonic() - before < 10
