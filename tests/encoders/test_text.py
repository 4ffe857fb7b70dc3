"""TextEncoder and what it loads models with: configurations, folders, masks; nothing from the network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import mmlego
from mmlego import InputError, LegoBlock, Ragged, ShapeError
from mmlego.encoders import TextEncoder, VisionTransformerEncoder
from tests.bricks import plate, trained

transformers = pytest.importorskip("transformers", reason="needs mmlego[text]")
SMALL = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {"model_type": "bert", "intermediate_size": 12, "max_position_embeddings": 16, **SMALL},
    "distilbert": {
        "model_type": "distilbert",
        "vocab_size": 20,
        "dim": 8,
        "n_layers": 1,
        "n_heads": 2,
        "hidden_dim": 12,
    },
    "roberta": {"model_type": "roberta", "intermediate_size": 12, **SMALL},
    "gpt2": {"model_type": "gpt2", "vocab_size": 20, "n_embd": 8, "n_layer": 1, "n_head": 2},
    "t5": {"model_type": "t5", "vocab_size": 20, "d_model": 8, "d_kv": 4, "d_ff": 12, "num_layers": 1, "num_heads": 2},
}
MASK = torch.tensor([[True] * 6, [True, True, False, True, False, False], [False, False, False, False, True, True]])


@pytest.mark.parametrize("kind", CONFIGS)
def test_padding_changes_nothing_for_any_model(kind: str) -> None:
    block = trained(LegoBlock(TextEncoder(CONFIGS[kind]), plate(), "notes"))
    ids = torch.randint(2, 20, (3, 6))
    alone = torch.cat([block(row[keep][None]).logits for row, keep in zip(ids, MASK, strict=True)])
    torch.testing.assert_close(block(ids, MASK).logits, alone, rtol=1e-5, atol=1e-5)
    ragged = Ragged.from_list([row[keep] for row, keep in zip(ids, MASK, strict=True)])
    torch.testing.assert_close(block(ragged).logits, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_parameter_is_trained(kind: str) -> None:
    encoder = TextEncoder(CONFIGS[kind])
    tokens = encoder(torch.randint(2, 20, (2, 6)))
    assert tokens.shape == (2, 6, encoder.out_features) == (2, 6, 8)
    (tokens * torch.randn(tokens.shape)).sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a model, as save_pretrained writes it: with a pooling layer and a path in it."""
    config = transformers.AutoConfig.for_model(**CONFIGS["bert"])
    model = transformers.AutoModel.from_config(config)
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_folder_is_loaded_with_its_weights(folder: Path) -> None:
    ids = torch.randint(2, 20, (2, 6))
    theirs = transformers.AutoModel.from_pretrained(folder).eval()
    encoder = TextEncoder(str(folder))
    assert encoder.training
    assert all(module.training for module in encoder.modules())
    encoder.eval()
    torch.testing.assert_close(encoder(ids), theirs(input_ids=ids).last_hidden_state)
    assert not any("pooler" in name for name, _ in encoder.named_parameters())


def test_a_saved_block_needs_the_folder_no_longer(folder: Path, tmp_path: Path) -> None:
    block = trained(LegoBlock(TextEncoder(str(folder)), plate(), "notes"))
    ids = torch.randint(2, 20, (3, 6))
    saved = mmlego.save(block, tmp_path / "block")
    assert str(tmp_path) not in (saved / "config.json").read_text()
    shutil.rmtree(folder)
    torch.testing.assert_close(mmlego.load(saved)(ids, MASK).logits, block(ids, MASK).logits)


def test_half_precision_on_disk_comes_in_float32(folder: Path) -> None:
    transformers.AutoModel.from_pretrained(folder).to(torch.bfloat16).save_pretrained(folder)
    encoder = TextEncoder(str(folder))
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}


def test_a_frozen_encoder_stays_in_eval_mode(folder: Path) -> None:
    block = LegoBlock(TextEncoder(str(folder)), plate(), "notes", freeze_encoder=True).train()
    assert not any(module.training for module in block.encoder.modules())
    ids = torch.randint(2, 20, (2, 6))
    assert torch.equal(block.encoder(ids), block.encoder(ids))


def test_a_config_with_keys_of_long_ago_still_loads(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "a_key_of_long_ago": True}))
    encoder = TextEncoder(str(folder))
    assert "a_key_of_long_ago" not in encoder.config["model"]
    TextEncoder(encoder.config["model"])


def no_safetensors(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")  # a pickle, which is not opened


def fewer_layers(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))


def own_code(folder: Path) -> None:
    code = {"model_type": "mine", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (folder / "config.json").write_text(json.dumps(code))
    (folder / "code.py").write_text("raise SystemExit('this was run')")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, r"expected a local folder with config.json.*downloads nothing"),
        (no_safetensors, "cannot read the model in.*its weights as safetensors"),
        (fewer_layers, r"lacks weights: expected all of a BertModel, got no encoder\.layer\.2.* and 15 more"),
        (own_code, "cannot read the model in"),
    ],
)
def test_a_folder_that_is_no_whole_model_is_refused(folder: Path, damage: Any, message: str) -> None:
    damage(folder)
    with pytest.raises(InputError, match=message):
        TextEncoder(str(folder))


@pytest.mark.parametrize("make", [TextEncoder, VisionTransformerEncoder])
def test_a_name_on_the_hub_is_no_folder(make: Any) -> None:
    with pytest.raises(InputError, match=r"got 'google/some-model'\. mmlego downloads nothing"):
        make("google/some-model")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "berd"}, "is of no known model: expected a known model_type, got 'berd'"),
        ({"hidden_size": 8}, "expected a known model_type, got None"),
        ({**CONFIGS["bert"], "hiden_size": 8}, r"holds keys that 'bert' does not know: got \['hiden_size'\]"),
    ],
)
def test_a_configuration_of_no_model_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TextEncoder(config)


def test_texts_that_do_not_fit_the_model_are_refused() -> None:
    block = LegoBlock(TextEncoder(CONFIGS["bert"]), plate(), "notes")
    with pytest.raises(ShapeError, match=r"longer than its model allows: expected at most 16 ids, got 17\. Truncate"):
        block(torch.ones(1, 17, dtype=torch.int64))
    with pytest.raises(InputError, match="not in the vocabulary: expected numbers from 0 to 19, got 20"):
        block(torch.full((1, 3), 20))
    with pytest.raises(InputError, match="ids are no integers"):
        block(torch.zeros(1, 3))
