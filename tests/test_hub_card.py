"""The card on the Hub: its header against the Hub's own library, and what a reader finds below it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import mmlego
from mmlego import Baseplate, LegoBlock, LegoMerge, fit
from mmlego.checkpoint_config import read_config
from mmlego.data import TablePreprocessor
from mmlego.encoders import SNN
from mmlego.hub_card import base_models, hub_card, licence_of, pipeline_of, results_of
from mmlego.tasks import Classification, MultiLabel, Regression, Survival, Task
from tests.bricks import plate, table_block

hub = pytest.importorskip("huggingface_hub", reason="needs mmlego[hub]")
PARENT = "hospital-a/rna@" + "0" * 40


def configured(model: Any, folder: Path) -> dict[str, Any]:
    return read_config(mmlego.save(model, folder / "model"))


def clinical(task: Task) -> LegoBlock:
    """A block of a table: age, and a column of two words that every patient has."""
    frame = pd.DataFrame({"age": np.arange(40.0, 60.0), "sex": ["f", "m"] * 10})
    fitted = TablePreprocessor.fit(frame)
    block = LegoBlock(SNN(3, hidden=(4,)), plate(task), "clinical")
    block.preprocessing = fitted
    return block


def test_the_header_is_what_the_library_reads(tmp_path: Path) -> None:
    block = clinical(Survival([12.0, 24.0], unit="months"))
    card = block.card
    card.data, card.licence, card.parents = "Trial A | 2010\n---", "CC-BY-4.0", [PARENT, "rna: no validation score"]
    card.validation, card.errors = {"c_index": 0.71, "ibs": 0.2}, {"c_index": 0.05}
    card.patients, card.recipe = {"training": 90, "validation": 30}, {"method": "fit", "patience": 10}
    config = configured(block, tmp_path)
    text = hub_card(config, hub, "hospital-a/clinical", "v2")
    read = hub.ModelCard(text)
    told = read.data.to_dict()
    assert told["library_name"] == "mmlego"
    assert told["license"] == "cc-by-4.0"
    assert told["base_model"] == "hospital-a/rna"
    assert "pipeline_tag" not in told  # the Hub has none for survival
    first, second = read.data.eval_results
    assert (first.metric_type, first.metric_value, first.metric_args) == ("c_index", 0.71, {"standard_error": 0.05})
    assert (second.metric_type, second.metric_value, second.metric_args) == ("ibs", 0.2, None)
    assert first.dataset_name == "Trial A | 2010 ---"
    assert first.dataset_split == "validation, by which the epoch was chosen"
    assert first.dataset_args == {"patients": {"training": 90, "validation": 30}, "unit": "months"}
    assert yaml.safe_load(text.split("\n---\n")[0])["model-index"][0]["name"] == "clinical"
    assert "| age | number | mean 49.5, deviation 5.77 |" in text
    assert "| sex | f, m |  |" in text
    assert "predicts the time to an event, as a risk and a curve (times in months) from clinical," in text
    assert 'mmlego.load("hospital-a/clinical", revision="v2")' in text


def test_scores_of_training(tmp_path: Path) -> None:
    torch.manual_seed(0)
    block = clinical(Classification(["well", "ill"]))
    x = torch.randn(50, 3)
    fit(block, (x, (x[:, 0] > 0).long()), epochs=1, progress=False, patience=None)
    found = {one["metric_type"]: one["metric_value"] for one in results_of(configured(block, tmp_path))}
    assert found == block.card.validation
    (split,) = {one["dataset_split"] for one in results_of(configured(block, tmp_path / "2"))}
    assert split == "validation, by which the epoch was chosen"  # also without patience the best one is kept


def test_scores_of_fewer_than_five_patients_are_marked_and_listed_nowhere(tmp_path: Path) -> None:
    blocks = [clinical(Classification(["well", "ill"])), table_block(plate(), "rna")]
    for block, patients in zip(blocks, (4, 5), strict=True):
        block.card.validation, block.card.patients = {"auroc": 0.75}, {"training": 12, "validation": patients}
        config = configured(block, tmp_path / block.modality)
        few = patients < 5
        assert (results_of(config) == []) is few
        text = hub_card(config, hub, "a/b")
        assert ("model-index" in text) is not few
        told = "0.7500, of 4 patients: tells of each of them" if few else "0.7500"
        assert f"| Validation | auroc {told} |" in text


@pytest.mark.parametrize(
    ("task", "tag"),
    [
        (Classification(2), "tabular-classification"),
        (Regression(), "tabular-regression"),
        (MultiLabel(2), None),
        (Survival([1.0]), None),
    ],
    ids=lambda one: getattr(one, "name", one),
)
def test_the_task_of_the_hub_is_told_where_it_is_one(task: Task, tag: str | None, tmp_path: Path) -> None:
    assert pipeline_of(configured(clinical(task), tmp_path / "table")) == tag
    assert pipeline_of(configured(table_block(plate(task)), tmp_path / "unknown")) is None


def test_a_model_of_several_kinds_of_data_has_no_task_of_the_hub() -> None:
    def of(*kinds: str) -> dict[str, Any]:
        blocks = [{"modality": kind, "preprocessing": {"name": kind}} for kind in kinds]
        return {"plates": [{"config": {"task": {"name": "classification"}}}], "blocks": blocks}

    assert pipeline_of(of("table", "omics")) == "tabular-classification"
    assert pipeline_of(of("image")) == "image-classification"
    for kinds in (("table", "image"), ("series",), ("bag",), ("table", "series"), ()):
        assert pipeline_of(of(*kinds)) is None, kinds


def test_scores_of_blocks_are_not_those_of_their_merge(tmp_path: Path) -> None:
    on = plate()
    blocks = [table_block(on, "rna"), table_block(on, "labs")]
    blocks[0].card.validation, blocks[0].card.parents = {"auroc": 0.9}, [PARENT]
    config = configured(LegoMerge(blocks, weights="uniform"), tmp_path)
    assert results_of(config) == []
    read = hub.ModelCard(hub_card(config, hub, "a/both"))
    assert (read.data.base_model, read.data["base_model_relation"]) == ("hospital-a/rna", "merge")
    assert "model-index" not in read.data.to_dict()
    assert "rna: auroc 0.900" in str(read)


def test_a_baseplate(tmp_path: Path) -> None:
    config = configured(Baseplate(Classification(2), channels=4, width=8), tmp_path)
    read = hub.ModelCard(hub_card(config | {"card": {"licence": "mit"}}, hub, "a/plate"))
    assert read.data.to_dict() == {"library_name": "mmlego", "license": "mit", "tags": ["mmlego", "classification"]}
    assert "It predicts nothing by itself." in str(read)


def test_many_columns_are_counted(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 70)), columns=[f"g|{i}" for i in range(70)])
    block = LegoBlock(SNN(70, hidden=(4,)), plate(), "rna")
    block.preprocessing = TablePreprocessor.fit(frame)
    text = hub_card(configured(block, tmp_path), hub, "a/rna")
    assert text.count("| g\\|") == 60
    assert "and 10 columns more, which config.json names." in text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", {}),
        ("MIT", {"license": "mit"}),
        ("OpenRAIL++", {"license": "openrail++"}),
        ("Hospital A: research\nonly", {"license": "other", "license_name": "hospital-a-research-only"}),
        ("§", {"license": "other", "license_name": "other"}),
    ],
)
def test_licences(text: str, told: dict[str, str]) -> None:
    assert licence_of(text) == told


def test_parents_are_whole_lines() -> None:
    lines = [f"x; {PARENT}", PARENT + "0", "a/b@main", PARENT]
    assert base_models({"card": {"parents": lines}}) == ["hospital-a/rna"]
