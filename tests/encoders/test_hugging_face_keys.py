"""Configurations of transformers: what names code, weights or places is refused, in mappings and in folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmlego.encoders import TextEncoder, VisionTransformerEncoder
from mmlego.encoders.hugging_face import describe_hugging_face
from mmlego.errors import InputError

transformers = pytest.importorskip("transformers", reason="needs mmlego[text]")

BERT = {
    "model_type": "bert",
    "vocab_size": 20,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
}
NAMES_CODE: list[dict[str, Any]] = [
    {"attn_implementation": "owner/kernels"},
    {"_attn_implementation": "owner/kernels"},
    {"_attn_implementation_internal": "owner/kernels"},
    {"attn_implementation": "flash_attention_2"},
    {"attn_implementation": {"": "owner/kernels"}},
    {"_experts_implementation": "owner/kernels"},
    {"auto_map": {"AutoModel": "code.Model"}},
    {"trust_remote_code": True},
    {"kernel_config": {"RMSNorm": "owner/kernels"}},
    {"use_kernels": True},
    {"quantization_config": {"quant_method": "bitsandbytes"}},
    {"hidden_act": "https://example.org"},
    {"backbone": "resnet50"},
]


@pytest.mark.parametrize("more", NAMES_CODE, ids=str)
def test_what_names_code_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="in the configuration of TextEncoder"):
        TextEncoder({**BERT, **more})


@pytest.mark.parametrize("more", NAMES_CODE, ids=str)
def test_what_names_code_in_a_folder_is_refused(more: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    transformers.BertModel(
        transformers.BertConfig(**{k: v for k, v in BERT.items() if k != "model_type"})
    ).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    TextEncoder(str(folder))
    (folder / "config.json").write_text(json.dumps({**config, **more}))
    with pytest.raises(InputError, match="in the configuration of the model in 'model'"):
        TextEncoder(str(folder))
    with pytest.raises(InputError, match="in the configuration of the model in 'model'"):
        describe_hugging_face(str(folder))


def test_what_asks_for_nothing_is_left_out(tmp_path: Path) -> None:
    more = {"auto_map": None, "attn_implementation": "eager", "_attn_implementation": "sdpa", "dtype": "float16"}
    (tmp_path / "config.json").write_text(json.dumps({**BERT, **more}))
    found = describe_hugging_face(str(tmp_path))
    assert found["hidden_size"] == 8
    assert not found.keys() & more.keys()
    assert TextEncoder({**BERT, "architectures": ["BertModel"], "id2label": {0: "in situ / not"}}).out_features == 8


def test_configurations_within_others_are_looked_at_likewise() -> None:
    vision = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    for inner in ({"auto_map": {"AutoModel": "code.Model"}}, {"_attn_implementation": "owner/kernels"}):
        config = {"model_type": "clip", "vision_config": {**vision, **inner}}
        with pytest.raises(InputError, match="in the configuration of vision_config of VisionTransformerEncoder"):
            VisionTransformerEncoder(config)


@pytest.mark.parametrize("kind", ["timm_wrapper", "timm_backbone"])
def test_types_that_are_models_of_others_by_name(kind: str) -> None:
    with pytest.raises(InputError, match="expected a model of transformers itself"):
        VisionTransformerEncoder({"model_type": kind})


def test_keys_that_a_type_does_not_declare_are_left_out_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**BERT, "output_past": True, "_name_or_path": "somewhere/else"}))
    found = describe_hugging_face(str(tmp_path))
    assert "output_past" not in found
    assert "_name_or_path" not in found
    assert found["hidden_size"] == 8


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "{", '{"model_type": ["bert"]}', '{"model_type": {}}'])
def test_what_is_no_configuration(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match="model"):
        describe_hugging_face(str(tmp_path))


def test_a_folder_whose_weights_would_be_looked_for_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(BERT))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="finds an adapter"):
        TextEncoder(str(tmp_path))
    (tmp_path / "adapter_config.json").unlink()
    index = tmp_path / "model.safetensors.index.json"
    for content, told in (
        ({"weight_map": {"x": "../other.safetensors"}}, "expected files beside it"),
        ({"weight_map": [1]}, "cannot be read"),
        ([], "cannot be read"),
    ):
        index.write_text(json.dumps(content))
        with pytest.raises(InputError, match=told):
            TextEncoder(str(tmp_path))
