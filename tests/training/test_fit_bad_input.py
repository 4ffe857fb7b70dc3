"""What ``fit``, ``evaluate`` and ``predict`` refuse, each with one clear error."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing import ProcessRaisedException

from mmlego import InputError, LegoBlock, LegoFuse, LegoWarning, MismatchError, evaluate, fit, predict
from mmlego.data import PatientData
from mmlego.errors import LegoError
from mmlego.tasks import Classification, Regression
from tests.bricks import assert_same, plate, snapshot
from tests.training.cases import QUICK, block, fuse, gapped, patients, table, two_classes

X, Y = table(30)

SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "no epochs": ({"epochs": 0}, "epochs of fit: expected an int ≥ 1, got 0"),
    "half an epoch": ({"epochs": 2.5}, "epochs of fit"),
    "epochs as a flag": ({"epochs": True}, "epochs of fit"),
    "an empty batch": ({"batch_size": 0}, "batch_size of fit"),
    "a learning rate of zero": ({"lr": 0.0}, "lr of fit: expected a number > 0, got 0"),
    "a negative learning rate": ({"lr": -1e-3}, "lr of fit"),
    "an infinite learning rate": ({"lr": math.inf}, "lr of fit"),
    "a learning rate that is not a number": ({"lr": math.nan}, "lr of fit"),
    "a learning rate as text": ({"lr": "1e-3"}, "lr of fit"),
    "a negative weight decay": ({"weight_decay": -0.1}, "weight_decay of fit: expected a number ≥ 0"),
    "no patience": ({"patience": 0}, "patience of fit"),
    "a gradient clip of zero": ({"gradient_clip": 0.0}, "gradient_clip of fit"),
    "a negative seed": ({"seed": -1}, "seed of fit: expected an int ≥ 0, below 2⁶³, got -1"),
    "an unknown accelerator": ({"accelerator": "x"}, "accelerator, devices, strategy, precision of fit"),
    "no devices": ({"devices": 0}, "accelerator, devices, strategy, precision of fit"),
    "an unknown strategy": ({"strategy": "x"}, "of fit: expected what Lightning"),
    "an unknown precision": ({"precision": 3}, "of fit: expected what Lightning"),
    "a huge seed": ({"seed": 2**70}, "seed of fit"),
    "a learning rate beyond all floats": ({"lr": 10**400}, "lr of fit: expected a number > 0"),
    "a learning rate beyond single precision": ({"lr": 1e38}, r"lr of fit: expected a number > 0, at most 1e\+30"),
    "more devices than can be counted": ({"devices": 10**30}, "of fit: expected what Lightning"),
    "a precision whose package is not here": ({"precision": "transformer-engine"}, "of fit: expected what Lightning"),
    "a folder that cannot be": ({"out": "a\0b"}, "out of fit: expected a folder that can be made"),
    "class weights by class": ({"class_weights": {0: 1, 1: 5}}, "class_weights: expected"),
    "class weights as bytes": ({"class_weights": b"ab"}, "class_weights: expected"),
    "a single class weight as a tensor": ({"class_weights": torch.tensor(1.0)}, "class_weights: expected"),
    "a set of class weights in no order": ({"class_weights": {1.0, 2.0}}, "class_weights: expected"),
    "a number for a folder": ({"out": 3}, "out of fit: expected a folder, got 3"),
    "a seed as text": ({"seed": "a"}, "seed of fit"),
    "an unknown metric": ({"monitor": "f1"}, "monitor of fit: expected one of loss, auroc.*got 'f1'"),
    "an unknown metric without validation": ({"monitor": "f1", "validation": None}, "monitor of fit"),
    "a metric of another task": ({"monitor": "c_index"}, "monitor of fit"),
    "an unknown word for class weights": ({"class_weights": "even"}, "class_weights: expected 'balanced' or one num"),
    "class weights for three of two classes": ({"class_weights": [1, 2, 3]}, "class_weights: expected 2 finite numb"),
    "a negative class weight": ({"class_weights": [1, -2]}, "class_weights: expected 2 finite numbers ≥ 0"),
    "a class weight that is not a number": ({"class_weights": [1, math.nan]}, "class_weights: expected"),
    "class weights as texts": ({"class_weights": ["a", "b"]}, "class_weights: expected"),
    "a single class weight": ({"class_weights": 2.0}, "class_weights: expected"),
    "class weights of zero": ({"class_weights": [0.0, 0.0]}, "class_weights leave no patient"),
    "a share of validation of one": ({"validation": 1.0}, r"validation as a share: expected a number in \(0, 1\)"),
    "a share of validation of zero": ({"validation": 0}, "validation as a share"),
    "validation as text": ({"validation": "half"}, "data of the wrong kind"),
    "weights in half precision": ({"precision": "bf16-true"}, "precision of fit: expected 32-true"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_that_cannot_be_used(case: str) -> None:
    options, message = SETTINGS[case]
    model = block()
    before = snapshot(model)
    with pytest.raises(InputError, match=message):
        fit(model, (X, Y), **QUICK, **options)
    assert_same(before, snapshot(model))


NAN = X.clone()
NAN[3, 1] = math.nan
HUGE = X.clone()
HUGE[3, 1] = math.inf
SPARSE = X.clone()
SPARSE[3] = math.nan

DATA: dict[str, tuple[Any, type[LegoError], str]] = {
    "features alone": (X, InputError, r"data of the wrong kind: expected a PatientData, or \(features, target\)"),
    "three things": ((X, Y, Y), InputError, "data of the wrong kind"),
    "no target": ((X, None), InputError, "the data has no target: expected a target for .*Classification"),
    "PatientData without target": (PatientData({"labs": X}), InputError, "the data has no target"),
    "a target of other length": ((X, Y[:-1]), InputError, "lengths disagree"),
    "a label out of range": ((X, Y + 1), InputError, "label is not a class: expected whole numbers from 0 to 1"),
    "a label that is missing": ((X, Y.float().masked_fill(Y == 1, math.nan)), InputError, "label is not a class"),
    "NaN features": ((NAN, Y), InputError, "'labs' has NaN or infinite features for 1 of 30 patients"),
    "infinite features": ((HUGE, Y), InputError, "'labs' has NaN or infinite features"),
    "a patient with nothing": ((SPARSE, Y), InputError, "1 patient without any modality"),
    "no patients": ((X[:0], Y[:0]), InputError, "no patients"),
    "another width": ((X[:, :3], Y), InputError, "wrong width: expected 4 features, got 3"),
    "an empty bag": (({"labs": [X[:2], X[:0]]}, Y[:2]), InputError, "'labs' is an empty bag"),
    "another modality": (
        PatientData({"rna": X}, Y, Classification(2)),
        InputError,
        r"the data has no modality of the model: expected \('labs',\), got \('rna',\)",
    ),
    "another task": (
        PatientData({"labs": X}, Y, Regression()),
        MismatchError,
        "the data's task is not the model's: .*got task: classification ≠ regression",
    ),
    "another number of classes": (
        PatientData({"labs": X}, Y, Classification(3)),
        MismatchError,
        "the data's task is not the model's: .*got classes",
    ),
}


@pytest.mark.parametrize("case", DATA)
def test_data_that_cannot_be_trained_on(case: str) -> None:
    data, error, message = DATA[case]
    with pytest.raises(error, match=message):
        fit(block(), data, epochs=1, **QUICK)
    with pytest.raises(error, match=message):
        evaluate(block(), data)


def test_features_of_one_modality_for_a_model_of_several() -> None:
    with pytest.raises(InputError, match=r"features of one modality: expected a dict of \('labs', 'slide', 'vitals'\)"):
        fit(fuse(), (X, Y), **QUICK)


def test_patients_on_both_sides() -> None:
    data = patients(30)
    with pytest.raises(InputError, match=r"5 patients are in both the training and the validation part.*p000, p001"):
        fit(block(), data, validation=data.subset(range(5)), **QUICK)


def test_rows_of_one_data_without_ids_on_both_sides() -> None:
    data = PatientData({"labs": X}, Y, Classification(2))
    with pytest.raises(InputError, match=r"2 patients are in both .*got 18, 19"):
        fit(block(), data.subset(range(20)), validation=data.subset(range(18, 30)), **QUICK)
    fit(block(), data.subset(range(20)), validation=data.subset(range(20, 30)), epochs=1, **QUICK)


@pytest.mark.parametrize("ids", [None, [f"p{i}" for i in range(10)]])
def test_two_data_without_ids_are_no_leakage_but_a_warning(ids: list[str] | None) -> None:
    train = PatientData({"labs": X[:20]}, Y[:20], Classification(2))
    validation = PatientData({"labs": X[20:]}, Y[20:], Classification(2), ids)
    with pytest.warns(LegoWarning, match="whether patients are in both cannot be checked. Give both patients="):
        history = fit(block(), train, validation=validation, epochs=1, **QUICK)
    assert len(history) == 1


def test_a_patient_of_several_modalities_on_both_sides() -> None:
    data = gapped(20)
    with pytest.raises(InputError, match="1 patients are in both"):
        fit(fuse(), data.subset(range(1, 20)), validation=data.subset([0, 1]), **QUICK)


def test_too_few_patients_to_cut_a_validation_part_from() -> None:
    with pytest.raises(InputError, match="a part of the split is empty"):
        fit(block(), (X[:1], Y[:1]), **QUICK)


def test_class_weights_as_numbers_need_classes() -> None:
    model = block(on=plate(Regression()))
    with pytest.raises(InputError, match="class_weights as numbers: expected a classification task"):
        fit(model, (X, X[:, 0]), class_weights=[1.0], **QUICK)


def test_nothing_free_to_move() -> None:
    frozen = block().requires_grad_(False)
    with pytest.raises(InputError, match="nothing in the model is free to move"):
        fit(frozen, (X, Y), **QUICK)
    tuned = LegoFuse([block()], freeze="blocks")
    tuned.head.requires_grad_(False)
    with pytest.raises(InputError, match="nothing in the model is free to move"):
        fit(tuned, (X, Y), **QUICK)


def test_out_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(InputError, match="out of fit: expected a folder, got a file in its place"):
        fit(block(), (X, Y), out=tmp_path / "run", **QUICK)
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.parametrize("validation", [None, 0.2])
@pytest.mark.parametrize("rows", [30, 8])
def test_training_that_diverges(validation: float | None, rows: int) -> None:
    data, model = (X[:rows], Y[:rows]), block()
    with pytest.raises(InputError, match=r"training diverged in epoch \d: expected .*finite.* Lower lr=, or set gradi"):
        fit(model, data, validation=validation, lr=1e30, batch_size=8, gradient_clip=None, epochs=4, **QUICK)


class Cliff(nn.Linear):
    """Its answer is finite, its gradient is not: the derivative of the root at zero."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + (0 * self.weight.sum()).sqrt()


def test_a_last_step_that_breaks_the_weights_is_noticed_without_validation() -> None:
    model = LegoBlock(Cliff(4, 5), two_classes(), "labs")
    with pytest.raises(InputError, match="training diverged in epoch 0: expected finite weights"):
        fit(model, (X, Y), validation=None, batch_size=64, epochs=1, **QUICK)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (
            "mmlego.errors.InputError: training diverged in epoch 0: expected a finite loss, got nan. Lower lr=.",
            InputError,
        ),
        ("ZeroDivisionError: division by zero", ProcessRaisedException),
    ],
)
def test_an_error_in_a_process_of_lightnings_own(
    monkeypatch: pytest.MonkeyPatch, last: str, expected: type[Exception]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ProcessRaisedException(f"-- Process 0 terminated with the following error:\nTraceback: …\n{last}\n", 0, 7)

    monkeypatch.setattr(pl.Trainer, "fit", fail)
    with pytest.raises(expected) as raised:
        fit(block(), (X, Y), precision="bf16-mixed", **QUICK)
    assert (str(raised.value) == last.partition(": ")[2]) == (expected is InputError)


def test_predictions_for_patients_without_any_modality_of_the_model() -> None:
    data = gapped(20)
    lacking = [name for name, has in zip(data.patients, data.present["vitals"], strict=True) if not has]
    message = f"{len(lacking)} patients have no modality of the model: .*got none for {', '.join(lacking[:5])}"
    with pytest.raises(InputError, match=message):
        predict(block("vitals"), data)


def test_predictions_from_a_tensor_alone() -> None:
    with pytest.raises(InputError, match="data of the wrong kind"):
        predict(block(), torch.zeros(2, 4))  # type: ignore[arg-type]
