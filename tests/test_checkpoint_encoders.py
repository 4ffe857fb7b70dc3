"""Encoders in checkpoints: registered ones are built again, others are passed to ``load``."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mmlego import CheckpointError, InputError, LegoBlock, LegoFuse, LegoMerge, UnknownNameError, load, save
from mmlego.encoders import SNN, GatedAttentionMIL, GRUEncoder, PatchMLP, encoder_names, register_encoder
from mmlego.encoders import registry as encoder_registry
from tests.bricks import assert_same, plate, snapshot, table_block, trained


def test_every_registered_encoder_is_built_again(tmp_path: Path) -> None:
    made: dict[str, nn.Module] = {
        "snn": SNN(5, hidden=(4, 3), dropout=0.1, input_dropout=0.2),
        "patch_mlp": PatchMLP(5, 4, 3, dropout=0.1),
        "gated_attention_mil": GatedAttentionMIL(5, 4, attention_width=3),
        "gru": GRUEncoder(5, 4, layers=2, dropout=0.1),
    }
    assert set(made) <= set(encoder_names())
    for name, encoder in made.items():
        block = trained(LegoBlock(encoder, plate(), "x"))
        found = load(save(block, tmp_path / name))
        assert type(found.encoder) is type(encoder)
        assert found.encoder.config == encoder.config
        assert_same(snapshot(found), snapshot(block))


@pytest.fixture
def own_encoder(monkeypatch: pytest.MonkeyPatch) -> type[nn.Module]:
    monkeypatch.setattr(encoder_registry._ENCODERS, "_known", dict(encoder_registry._ENCODERS))

    @register_encoder("scaled")
    class Scaled(nn.Linear):
        def __init__(self, in_features: int, widths: tuple[int, ...] = (4,), *, scale: float = 1.0) -> None:
            super().__init__(in_features, widths[-1])
            self.scale = scale

    return Scaled


def test_an_encoder_that_the_user_registers(tmp_path: Path, own_encoder: type[nn.Module]) -> None:
    block = trained(LegoBlock(own_encoder(5, (3, 4), scale=2.5), plate(), "x"))
    found = load(save(block, tmp_path / "model"))
    assert type(found.encoder) is own_encoder
    assert found.encoder.scale == 2.5
    del encoder_registry._ENCODERS._known["scaled"]
    with pytest.raises(UnknownNameError, match="unknown encoder: expected one of"):
        load(tmp_path / "model")


def test_what_a_class_needs_is_imported_before_the_network_is_shut(
    tmp_path: Path, own_encoder: type[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As MONAI, which imports urllib3, which binds a socket to learn whether there is IPv6."""
    (tmp_path / "binds_when_imported.py").write_text(
        "import socket\nwith socket.socket() as one:\n    one.bind(('127.0.0.1', 0))\n"
    )
    place = save(LegoBlock(own_encoder(5), plate(), "x"), tmp_path / "model")
    monkeypatch.syspath_prepend(tmp_path)
    make = own_encoder.__init__

    def building(self: nn.Module, *given: object, **more: object) -> None:
        make(self, *given, **more)
        importlib.import_module("binds_when_imported")

    monkeypatch.setattr(own_encoder, "__init__", functools.wraps(make)(building))
    with pytest.raises(CheckpointError, match="binds_when_imported is not imported"):
        load(place)
    monkeypatch.setattr(own_encoder, "packages", ("binds_when_imported", "no_such_package"), raising=False)
    assert type(load(place).encoder) is own_encoder
    assert {name: encoder_registry.encoder_class(name).packages for name in ("monai", "timm", "graph")} == {
        "monai": ("monai.networks.nets",),
        "timm": ("timm",),
        "graph": ("torch_geometric.nn",),
    }


class Tied(nn.Module):
    """A foreign encoder: two layers of one weight, a buffer, and no registered name."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(width)
        self.out_features = width

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.second(self.first(x).tanh()))


def test_foreign_encoders_are_passed_to_load(tmp_path: Path) -> None:
    block = trained(LegoBlock(Tied(), plate(), "labs"))
    folder = save(block, tmp_path / "block")
    for given in (Tied(), {"labs": Tied()}):
        found = load(folder, encoders=given)
        assert_same(snapshot(found), snapshot(block))
        module = given["labs"] if isinstance(given, dict) else given
        assert found.encoder is module
        assert module.first.weight is module.second.weight
        x = torch.randn(3, 5)
        assert torch.equal(found(x).logits, block(x).logits)


def test_foreign_encoders_in_merged_and_fused_models(tmp_path: Path) -> None:
    blocks = [
        trained(LegoBlock(Tied(), on := plate(), "labs")),
        table_block(on),
        LegoBlock(nn.Identity(), on, "raw", out_features=3),
    ]
    for kind in (LegoMerge, LegoFuse):
        model = kind(blocks).eval()
        folder = save(model, tmp_path / kind.__name__)
        with pytest.raises(InputError, match=r"the encoder of 'labs' is a Tied.*expected encoders=\{'labs': module\}"):
            load(folder)
        with pytest.raises(InputError, match="the encoder of 'raw' is a Identity"):
            load(folder, encoders={"labs": Tied()})
        found = load(folder, encoders={"labs": Tied(), "raw": nn.Identity()})
        assert_same(snapshot(found), snapshot(model))
        tied = found.block("labs").encoder
        assert tied.first.weight is tied.second.weight
        inputs = {"labs": torch.randn(3, 5), "rna": torch.randn(3, 5), "raw": torch.randn(3, 3)}
        assert torch.equal(found(inputs), model(inputs))


def test_a_foreign_encoder_that_is_missing_or_wrong(tmp_path: Path) -> None:
    block = LegoBlock(Tied(), plate(), "labs")
    folder = save(block, tmp_path / "block")
    with pytest.raises(InputError, match="the encoder of 'labs' is a Tied, which mmlego cannot build"):
        load(folder)
    with pytest.raises(InputError, match=r"encoders name unknown modalities: expected of \['labs'\], got \['lab'\]"):
        load(folder, encoders={"lab": Tied()})
    with pytest.raises(InputError, match=r"encoders of load: expected \{modality: module\}, got list"):
        load(folder, encoders=[Tied()])  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=r"the block of 'labs' cannot be built: .*expected an nn.Module, got str"):
        load(folder, encoders={"labs": "Tied"})  # type: ignore[dict-item]
    for wrong in (Tied(6), SNN(5), nn.Sequential(Tied()), nn.Identity()):
        before = snapshot(wrong)
        with pytest.raises(
            CheckpointError, match=r"the module given for 'labs' is not the one that was saved: expecte"
        ):
            load(folder, encoders=wrong)
        assert_same(snapshot(wrong), before)


def test_a_wrong_module_in_a_merge_is_named(tmp_path: Path) -> None:
    on = plate()
    model = LegoMerge([table_block(on), LegoBlock(Tied(), on, "labs"), LegoBlock(Tied(4), on, "encoder")])
    folder = save(model, tmp_path / "merge")
    with pytest.raises(
        CheckpointError, match=r"given for 'encoder' .* blocks.encoder.encoder.first.bias \(4,\), got \(5,\)"
    ):
        load(folder, encoders={"labs": Tied(), "encoder": Tied()})
    with pytest.raises(InputError, match=r"encoders of load: expected \{modality: module\}, got Tied"):
        load(folder, encoders=Tied())


def test_a_module_may_be_given_for_a_registered_encoder_too(tmp_path: Path) -> None:
    block = table_block(plate())
    encoder = SNN(5, hidden=(7,), dropout=0.0)
    found = load(save(block, tmp_path / "block"), encoders=encoder)
    assert found.encoder is encoder
    assert_same(snapshot(found), snapshot(block))


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("tokenwise", [True, False])
def test_what_a_block_was_told_of_its_encoder_is_kept(
    tmp_path: Path, tokenwise: bool, ordered: bool, frozen: bool
) -> None:
    options = {"tokenwise": tokenwise, "ordered": ordered, "freeze_encoder": frozen}
    block = LegoBlock(nn.Linear(4, 3), plate(), "x", out_features=3, **options)
    found = load(save(block, tmp_path / "model"), encoders=nn.Linear(4, 3))
    assert (found.encoder.tokenwise, found.ordered, found.encoder_frozen) == (tokenwise, ordered, frozen)
    assert all(p.requires_grad != frozen for p in found.encoder.parameters())
    assert found.train().encoder.training != frozen


def test_a_frozen_encoder_in_half_precision_is_kept(tmp_path: Path) -> None:
    block = LegoBlock(nn.Linear(5, 4).bfloat16(), plate(), "x", out_features=4, freeze_encoder=True).eval()
    found = load(save(block, tmp_path / "model"), encoders=nn.Linear(5, 4))
    assert found.encoder.weight.dtype == torch.bfloat16
    assert found.latent.dtype == torch.float32
    assert_same(snapshot(found), snapshot(block))
