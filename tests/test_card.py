"""What a card tells, and how it is written."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from mmlego import Card, LegoBlock, LegoFuse, LegoMerge, __version__, calibrate, fit, load, save
from mmlego.card import few_scored
from mmlego.errors import InputError
from mmlego.tasks import Classification, MultiLabel, Regression, Survival, task_names
from tests.bricks import family, plate, table_block


def card_of(model: Any, folder: Path) -> str:
    return (save(model, folder / "model") / "README.md").read_text(encoding="utf-8")


def rows(text: str) -> dict[str, str]:
    """Return the table of a card."""
    cells = [line.strip("| ").split(" | ", 1) for line in text.splitlines() if line.startswith("| ") and " | " in line]
    return {cell[0]: cell[1] for cell in cells if len(cell) == 2}


def header(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---")[1])
    return found


def test_the_card_of_a_block_after_training(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 5)
    block = table_block(plate(Classification(["well", "ill"])))
    fit(block, (x, (x[:, 0] > 0).long()), epochs=1, lr=2e-3, progress=False)
    block.card.licence = "CC-BY-4.0"
    text = (save(block, tmp_path / "block", data="Cohort A, 2010–2015") / "README.md").read_text(encoding="utf-8")
    assert header(text) == {"library_name": "mmlego", "license": "CC-BY-4.0", "tags": ["mmlego", "classification"]}
    assert "# LegoBlock: rna" in text
    told = rows(text)
    assert told["Task"] == "name classification, classes ['well', 'ill']"
    assert told["Meaning of outputs"] == "logits of the classes; probabilities by softmax"
    assert told["Modalities"] == "rna"
    assert told["Baseplate"] == block.plate.fingerprint[:12]
    assert told["Data"] == "Cohort A, 2010–2015"
    assert told["Patients"] == "40 training, 10 validation"
    assert f"auroc {block.card.validation['auroc']:.4f}" in told["Validation"]
    assert told["Made with"] == f"mmlego {__version__}, torch {torch.__version__.split('+')[0]}"
    assert "- lr: 0.002" in text
    assert "- method: fit" in text
    assert 'mmlego.load("path/to/this/folder")' in text


def test_the_card_of_a_baseplate(tmp_path: Path) -> None:
    text = card_of(plate(Survival([1.0, 2.0])), tmp_path)
    assert "# Baseplate\n" in text
    assert set(rows(text)) == {"Task", "Meaning of outputs", "Baseplate", "Made with"}
    assert header(text)["tags"] == ["mmlego", "survival"]


@pytest.mark.parametrize("kind", [LegoMerge, LegoFuse])
def test_the_card_of_a_model_names_what_it_was_made_of(tmp_path: Path, kind: Any) -> None:
    blocks = family(2)
    blocks[0].card = Card(data="site A", validation={"auroc": 0.75})
    model = kind(blocks, weights=[1, 3])
    text = card_of(model, tmp_path)
    assert f"# {kind.__name__}: rna, slide" in text
    assert rows(text)["Data"] == "not described"
    assert "- rna: auroc 0.750; site A" in text
    assert "- slide: no validation score" in text
    assert "- weights: [0.25, 0.75]" in text
    assert "- rule: residual" in text
    found = load(tmp_path / "model")
    assert found.card == model.card
    assert found.block("rna").card == blocks[0].card


@pytest.mark.parametrize(
    "task", [Survival([1.0]), Classification(2), MultiLabel(2), Regression()], ids=lambda task: task.name
)
def test_the_card_says_what_outputs_mean(tmp_path: Path, task: Any) -> None:
    assert task.name in task_names()
    assert rows(card_of(plate(task), tmp_path))["Meaning of outputs"]


def test_what_a_user_writes_cannot_break_the_card(tmp_path: Path) -> None:
    block = table_block(plate())
    block.card = Card(data="a | b\n\n# Title\n---", licence="MIT\nlibrary_name: other", parents=["x\n- y"])
    text = card_of(block, tmp_path)
    assert rows(text)["Data"] == r"a \| b # Title --- |".rstrip(" |")
    assert "\n# Title" not in text
    assert "\n- y" not in text
    assert header(text)["license"] == "MIT\nlibrary_name: other"
    assert load(tmp_path / "model").card.data == "a | b\n\n# Title\n---"


def test_the_card_says_which_modules_to_pass(tmp_path: Path) -> None:
    on = plate()
    model = LegoMerge([table_block(on), LegoBlock(nn.Linear(3, 4), on, "labs", out_features=4)])
    assert 'mmlego.load("path/to/this/folder", encoders={"labs": module})' in card_of(model, tmp_path)


def test_scores_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    block = table_block(plate())
    block.card.validation = {"auroc": math.nan, "accuracy": 0.5, "brier": math.inf}
    assert block.card.config()["validation"] == {"accuracy": 0.5}
    folder = save(block, tmp_path / "block")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    json.loads((folder / "config.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert load(folder).card.validation == {"accuracy": 0.5}


def test_a_card_begins_empty_and_is_not_shared() -> None:
    first, second = Card(), Card()
    first.validation["auroc"] = 1.0
    first.parents.append("x")
    assert second == Card()
    assert set(second.config()) == {
        "data",
        "licence",
        "validation",
        "errors",
        "held_out",
        "prior",
        "patients",
        "recipe",
        "parents",
    }


def test_a_calibration_is_told_in_words(tmp_path: Path) -> None:
    block = table_block(plate(Classification(["well", "ill"])))
    scale = calibrate(block, (torch.randn(20, 5), torch.tensor([0, 1] * 10)))
    assert f"- calibration: scale {round(scale, 6)}, patients 20\n" in card_of(block, tmp_path)


@pytest.mark.parametrize(
    ("field", "value"), [("validation", None), ("errors", "x"), ("recipe", 3), ("data", 1), ("prior", 0.5)]
)
def test_a_card_refuses_values_of_another_kind(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{field} of a card: expected a "):
        setattr(Card(), field, value)
    with pytest.raises(InputError, match=f"{field} of a card: expected a "):
        Card(**{field: value})


@pytest.mark.parametrize("field", ["validation", "errors"])
@pytest.mark.parametrize("score", ["high", True, None])
def test_a_score_that_is_no_number_is_refused_where_the_card_is_read(field: str, score: Any, tmp_path: Path) -> None:
    block = table_block(plate(Classification(["well", "ill"])))
    getattr(block.card, field)["auroc"] = score
    for read in (lambda: LegoMerge([block]), lambda: save(block, tmp_path / "block")):
        with pytest.raises(InputError, match=f"{field} of a card: expected a number for each name, got {{'auroc'"):
            read()


def test_numbers_of_other_packages_and_what_json_cannot_say(tmp_path: Path) -> None:
    block = table_block(plate(Classification(["well", "ill"])))
    block.card.validation = {"auroc": torch.tensor(0.75), "auprc": math.nan, "brier": 10**400}
    block.card.errors = {"auroc": 1e300, "auprc": np.array(math.nan)}
    block.card.prior = (0.5, 10**400)
    assert block.card.config()["validation"] == {"auroc": 0.75}
    assert load(save(LegoMerge([block]), tmp_path / "merge")).block("rna").card.validation == {"auroc": 0.75}
    block.card.parents = [3]
    with pytest.raises(InputError, match=r"parents of a card: expected a line for each, got \[3\]"):
        save(block, tmp_path / "block")


def test_scores_of_few_are_marked_where_a_merge_tells_of_its_blocks() -> None:
    blocks = family(2)
    blocks[0].card = Card(data="site A", validation={"auroc": 0.75}, patients={"training": 9, "validation": 3})
    told = LegoMerge(blocks, weights="uniform").card.parents[0]
    assert told == "rna: auroc 0.750, of 3 patients: tells of each of them; site A"


@pytest.mark.parametrize(
    ("fields", "few"),
    [
        ({"patients": {"validation": 4}}, 4),
        ({"patients": {"validation": 5}}, None),
        ({"patients": {"training": 3}}, None),  # on whom they were taken is not told
        ({"patients": {"training": 30}, "held_out": {"patients": 2}}, 2),
        ({"patients": {"training": 30, "validation": 2}, "recipe": {"scores": "out of fold"}}, None),
        ({"patients": {"training": 4, "validation": 20}, "recipe": {"scores": "out of fold"}}, 4),
        ({"patients": {"validation": 4}, "held_out": {"patients": 20}}, 4),  # a bundle is compared with all patients
    ],
)
def test_scores_of_few_are_those_of_whom_they_were_taken_on(fields: dict[str, Any], few: int | None) -> None:
    assert few_scored(Card(validation={"auroc": 0.5}, **fields)) == few
    assert few_scored(Card(**fields)) is None
