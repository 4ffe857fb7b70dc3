"""What a checkpoint holds of patients is listed, and for how many each value stands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import mmlego
from mmlego import Baseplate, LegoBlock, LegoMerge, save
from mmlego.anonymity import Kept
from mmlego.checkpoint_config import config_hash
from mmlego.data import Cohort
from mmlego.disclosure import flagged, kept_of
from mmlego.encoders import SNN, build_encoder
from mmlego.errors import CheckpointError, LegoWarning
from mmlego.tasks import Classification, CompetingRisks, MultiLabel, Regression, Survival

ARCHIVE = Path(__file__).parent / "archives" / "v0.1.0"


def block(task: object = None, **card: object) -> LegoBlock:
    ids = [f"p{i:02d}" for i in range(12)]
    frame = pd.DataFrame({"age": np.arange(12.0), "site": ["Ulm"] * 7 + ["Bonn"] * 5}, index=ids)
    fitted = Cohort.from_frames({"age": frame}).prepare(ids).preprocessing["age"]
    name, arguments = fitted.encoder()
    plate = Baseplate(task or Classification(["no", "yes"]), channels=4, width=8)
    made = LegoBlock(build_encoder(name, arguments), plate, "age")
    made.preprocessing = fitted
    for field, value in card.items():
        setattr(made.card, field, value)
    return made


def at(found: list[Kept], where: str) -> Kept:
    (one,) = (kept for kept in found if kept.where == where)
    return one


def test_preprocessing_is_listed_with_its_counts(tmp_path: Path) -> None:
    found = kept_of(save(block(), tmp_path / "block"))
    sites = [kept for kept in found if kept.where == "blocks.age.preprocessing.site"]
    assert [(kept.value, kept.patients) for kept in sites] == [("Bonn", 5), ("Ulm", 5)]  # seven: in steps of five
    assert at(found, "blocks.age.preprocessing.age").patients == 10
    weights = [kept for kept in found if kept.what == "weights"]
    assert [kept.patients for kept in weights] == [None]
    size = sum(value.numel() for value in block().state_dict().values())
    assert weights[0].value == f"{size} numbers"
    assert not any(map(flagged, found))


def test_cards_are_listed_and_small_numbers_are_flagged(tmp_path: Path) -> None:
    held = {
        "patients": 40,
        "who": "validation",
        "risk": [-1.0] * 21,
        "least": 5,
        "groups": [{"patients": 20, "events": 3}],
    }
    card = {"patients": {"training": 60, "validation": 4}, "validation": {"auroc": 0.75}, "held_out": held}
    found = kept_of(save(block(**card), tmp_path / "block"))
    place = "blocks.age.card"
    assert at(found, f"{place}.held_out.risk").patients == 5
    assert at(found, f"{place}.held_out.groups[0]").patients == 20
    assert at(found, f"{place}.validation.auroc").value == "0.75"
    assert [kept.where for kept in found if flagged(kept)] == [f"{place}.patients.validation"]
    old = {name: value for name, value in held.items() if name != "least"}  # the least risk was that of one patient
    found = kept_of(save(block(held_out=old), tmp_path / "old"))
    assert flagged(at(found, f"{place}.held_out.risk"))


@pytest.mark.parametrize(
    ("task", "values"),
    [
        (Survival([12.0, 24.0]), [("12", None), ("24", None)]),
        (Survival([12.0, 24.0], typical_time=18), [("12", None), ("24", 1), ("18", None)]),
        (Classification(["no", "yes"]), [("no", None), ("yes", None)]),
        (MultiLabel(["liver"]), [("liver", None)]),
        (CompetingRisks([12.0], ["relapse", "death"]), [("12", None), ("relapse", None), ("death", None)]),
        (Regression(["age"], mean=50.0, scale=9.0), [("[50.0]", None), ("[9.0]", None)]),
    ],
)
def test_tasks_are_listed(task: object, values: list[tuple[str, int | None]], tmp_path: Path) -> None:
    found = kept_of(save(Baseplate(task, channels=4, width=8), tmp_path / "plate"))
    assert [(kept.value, kept.patients) for kept in found] == values


def test_models_that_carry_rows_are_flagged(tmp_path: Path) -> None:
    neighbours = pytest.importorskip("sklearn.neighbors")
    pytest.importorskip("skops")
    x, y = torch.randn(40, 3), torch.tensor([0, 1] * 20)
    plate = Baseplate(Classification(2), channels=4, width=8)
    one = LegoBlock.of(neighbours.KNeighborsClassifier(5), plate, "labs", (x, y))
    with pytest.warns(LegoWarning, match="holds rows of the patients whom it was fitted to"):
        place = save(LegoMerge([one]), tmp_path / "merge")
    rows = [kept for kept in kept_of(place) if flagged(kept)]
    assert [(kept.what, kept.value) for kept in rows] == [("rows of training patients", "_fit_X, 40 × 3")]


def test_old_models_of_lightgbm_are_flagged(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    old = [kept.what for kept in kept_of(ARCHIVE / "fitted" / "lightgbm") if flagged(kept)]
    assert "smallest and largest value of columns" in old
    x, y = torch.randn(60, 3), torch.tensor([0, 1] * 30)
    plate = Baseplate(Classification(2), channels=4, width=8)
    place = save(LegoBlock.of("lightgbm", plate, "labs", (x, y)), tmp_path / "block")
    assert [kept for kept in kept_of(place) if flagged(kept)] == []


@pytest.mark.parametrize("place", sorted(path.parent for path in ARCHIVE.rglob("config.json")), ids=lambda p: p.name)
def test_old_checkpoints_are_read(place: Path) -> None:
    found = kept_of(place)
    assert all(kept.patients is None or kept.patients >= 0 for kept in found)
    if mmlego.checkpoint_config.read_config(place)["kind"] != "baseplate":
        assert any(kept.what == "weights" for kept in found)


@pytest.mark.parametrize("causes", [[], ["relapse", "death"]])
def test_cuts_that_were_declared_are_not_of_patients(tmp_path: Path, causes: list[str]) -> None:
    """The file says where cuts come from; one that does not, as of earlier versions, is taken to be of patients."""

    def kept(task: object, name: str) -> list[Kept]:
        first = save(Baseplate(task, channels=4, width=8), tmp_path / f"{name}_1")
        again = save(LegoBlock(SNN(3), mmlego.load(first), "rna"), tmp_path / f"{name}_2")
        found = [one for one in kept_of(again) if ".cuts[" in one.where]
        assert found == [one for one in kept_of(first) if ".cuts[" in one.where]
        return found

    event, time = np.arange(40) % (len(causes) + 1 or 2), np.arange(1.0, 41.0)
    declared = CompetingRisks([5.0, 9.0], causes) if causes else Survival([5.0, 9.0])
    learnt = CompetingRisks.from_data(event, time, causes, 3) if causes else Survival.from_data(event > -1, time, 3)
    told = kept(declared, "declared")
    assert [one.what for one in told] == ["a declared cut of time"] * 2
    assert not any(map(flagged, told))
    told = kept(learnt, "learnt")
    assert [flagged(one) for one in told] == [False, True]
    assert "unless" not in told[-1].note
    told = kept(type(learnt).from_config(declared.config()), "unknown")
    assert [flagged(one) for one in told] == [False, True]
    assert told[-1].note.endswith("which this file does not say")
    assert Baseplate(declared).fingerprint == Baseplate(type(learnt).from_config(declared.config())).fingerprint


def test_a_manifest_declares_cuts(tmp_path: Path) -> None:
    frame = pd.DataFrame({"age": 0.0, "t": np.arange(1.0, 31.0), "e": [0, 1] * 15}, index=[f"p{i}" for i in range(30)])
    task = {"task": "survival", "time": "t", "event": "e", "event_when": 1}
    for more, source in (({"cuts": [5, 20]}, "declared"), ({"bins": 3}, "patients")):
        cohort = Cohort.from_frames({"age": frame[["age"]] + np.arange(30)[:, None]}, outcome=frame, task=task | more)
        assert cohort.prepare(list(frame.index)).task.cuts_from == source


@pytest.mark.parametrize("held", [{"risk": ["a", "b"]}, {"patients": 3, "groups": [1]}, {"levels": {"0.9": "high"}}])
def test_a_card_that_is_none_is_damaged(tmp_path: Path, held: object) -> None:
    """Its hash is right: somebody has written it so."""
    plate = Baseplate(Classification(2), channels=4, width=8)
    save(LegoMerge([LegoBlock(SNN(3), plate, name) for name in ("rna", "labs")]), tmp_path / "merge")
    assert kept_of(tmp_path / "merge")
    config = json.loads((tmp_path / "merge" / "config.json").read_text())
    config["card"]["held_out"] = held
    config["sha256"] = config_hash(config)
    (tmp_path / "merge" / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"merge is damaged: expected format \d as it is specified, got \w+Error"):
        kept_of(tmp_path / "merge")
