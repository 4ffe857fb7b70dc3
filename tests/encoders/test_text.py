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
        (own_code, "the model in 'model' is of no known model.*got 'mine'"),
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
        ({**CONFIGS["bert"], "hiden_size": 8}, r"holds keys that 'bert' does not know: got 'hiden_size'"),
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


LEAKY = ("fnet", "convbert", "nystromformer", "mobilebert", "yoso")


def small(kind: str, longest: int = 66) -> dict[str, Any]:
    known = transformers.AutoConfig.for_model(kind)
    size = {**SMALL, "intermediate_size": 12, "max_position_embeddings": longest, "attention_window": 8}
    return {"model_type": kind, **{key: value for key, value in size.items() if hasattr(known, key)}}


@pytest.mark.parametrize("kind", LEAKY)
def test_texts_stand_alone_where_a_model_mixes_in_the_padding(kind: str) -> None:
    """FNet of transformers 5.23 takes a mask and does not look at it; others convolve words with what comes behind."""
    block = trained(LegoBlock(TextEncoder(small(kind)), plate(), "notes"))
    texts = [torch.randint(4, 20, (n,)) for n in (5, 30, 5, 12)]
    alone = torch.cat([block(text[None]).logits for text in texts])
    among = block(Ragged.from_list(texts)).logits
    torch.testing.assert_close(among, alone, rtol=1e-5, atol=1e-5)
    padded = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=7)
    mask = torch.arange(30) < torch.tensor([[5], [30], [5], [12]])
    torch.testing.assert_close(block(padded, mask).logits, alone, rtol=1e-5, atol=1e-5)
    encoder = block.encoder
    tokens, _ = encoder(padded, mask)
    leaked = encoder.network(input_ids=padded, attention_mask=mask.long()).last_hidden_state
    assert not torch.allclose(tokens[0, :5], leaked[0, :5], rtol=1e-3, atol=1e-4)  # what would have been answered
    tokens.sum().backward()
    nobody, _ = encoder(padded[:2], torch.zeros(2, 30, dtype=torch.bool))
    assert nobody.shape == (2, 30, encoder.out_features)


def test_long_texts_stand_alone_where_blocks_of_attention_reach_into_the_padding() -> None:
    """BigBird's last block, which all words look at, is that of the longest text in the batch."""
    config = small("big_bird", 400) | {"block_size": 8, "num_random_blocks": 1}
    encoder = TextEncoder(config).eval()
    text, long = torch.randint(4, 20, (120,)), torch.randint(4, 20, (240,))
    padded = torch.nn.utils.rnn.pad_sequence([text, long], batch_first=True)
    mask = torch.arange(240) < torch.tensor([[120], [240]])
    torch.testing.assert_close(encoder(padded, mask)[0][0, :120], encoder(text[None])[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "roberta", "mpnet", "longformer", "esm", "gpt2", "opt", "bart"])
def test_the_longest_text_that_a_model_takes(kind: str) -> None:
    """Positions of RoBERTa and its kin begin behind the id of padding: 30 of a table of 32 (transformers 5.23)."""
    longest = 32 - (2 if kind in ("roberta", "mpnet", "longformer", "esm") else 0)
    more = {"gpt2": {"n_positions": 32, "n_embd": 8, "n_layer": 1, "n_head": 2}}
    more |= {"bart": {"d_model": 8, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 8}}
    more["bart"] |= {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 8}
    config = more.get(kind, small(kind, 32)) | {"model_type": kind, "vocab_size": 20, "pad_token_id": 1}
    if kind in ("gpt2", "opt", "bart"):
        config |= {"bos_token_id": 0, "eos_token_id": 2}
    if kind == "bart":
        config["max_position_embeddings"] = 32
    if kind == "opt":
        config |= {"word_embed_proj_dim": 8, "ffn_dim": 8}
    encoder = TextEncoder(config).eval()
    assert encoder.longest == longest
    assert encoder(torch.full((1, longest), 5)).shape[1] == longest
    with pytest.raises(ShapeError, match=f"expected at most {longest} ids, got {longest + 1}"):
        encoder(torch.full((1, longest + 1), 5))


@pytest.mark.parametrize(("kind", "whole"), [("t5", False), ("t5", True), ("umt5", False), ("mt5", False)])
def test_the_encoder_alone_of_a_model_with_a_decoder(kind: str, whole: bool, tmp_path: Path) -> None:
    """Large protein models are published as a T5EncoderModel; of a T5Model the encoder is taken."""
    config = transformers.AutoConfig.for_model(kind, **{k: v for k, v in CONFIGS["t5"].items() if k != "model_type"})
    name = {"t5": "T5", "umt5": "UMT5", "mt5": "MT5"}[kind] + ("Model" if whole else "EncoderModel")
    theirs = getattr(transformers, name)(config).eval()
    theirs.save_pretrained(tmp_path / "model")
    encoder = TextEncoder(str(tmp_path / "model")).eval()
    ids = torch.randint(3, 20, (2, 7))
    torch.testing.assert_close(encoder(ids), theirs.get_encoder()(input_ids=ids).last_hidden_state)
    assert not any("decoder" in key for key in encoder.state_dict())
    block = trained(LegoBlock(encoder, plate(), "notes"))
    loaded = mmlego.load(mmlego.save(block, tmp_path / "block"))
    torch.testing.assert_close(loaded(ids).logits, block(ids).logits)


def test_models_that_are_refused() -> None:
    with pytest.raises(InputError, match="a model of type 'canine' has no vocabulary: expected ids of a tokenizer"):
        TextEncoder({"model_type": "canine", "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1})
    reformer = {
        "axial_pos_shape": [8, 8],
        "axial_pos_embds_dim": [4, 4],
        "attn_layers": ["lsh"],
        "feed_forward_size": 8,
    }
    reformer |= {"hidden_size": 8, "num_attention_heads": 2, "attention_head_size": 4, "max_position_embeddings": 64}
    reformer |= {"lsh_attn_chunk_length": 4, "num_buckets": 2, "vocab_size": 20}
    with pytest.raises(InputError, match="a model of type 'reformer' answers differently each time it is asked"):
        TextEncoder({"model_type": "reformer", **reformer})
    with pytest.raises(InputError, match=r"no model of type .bart. can be built for TextEncoder: .*embed_dim must be"):
        TextEncoder({"model_type": "bart", "d_model": 8, "encoder_attention_heads": 3})
    with pytest.raises(InputError, match="no model of type 'bert' can be built for TextEncoder"):
        TextEncoder({"model_type": "bert", "hidden_size": "wide"})
    with pytest.raises(InputError, match=r"a model of type 'gptj' cannot read a text: .*got The size"):
        TextEncoder({"model_type": "gptj", "vocab_size": 20, "n_embd": 8, "n_layer": 1, "n_head": 1, "rotary_dim": 64})
