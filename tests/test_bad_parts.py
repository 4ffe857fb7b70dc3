"""Blocks, plates and models that cannot be made, as a table: each case gets one clear error."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mmlego import (
    Baseplate,
    InputError,
    LegoBlock,
    LegoFuse,
    LegoMerge,
    LegoWarning,
    MismatchError,
    Ragged,
    ShapeError,
    UnknownNameError,
)
from mmlego.encoders import SNN, PatchMLP, build_encoder
from mmlego.merge import combine, merge_heads
from mmlego.tasks import Classification, Regression, Survival
from tests.bricks import Custom, plate
from tests.cases import Case, assert_refused, by_name

ON = plate()
NAN, INF = math.nan, math.inf
X, BAG = torch.randn(3, 5), torch.randn(3, 4, 4)
TABLE, BAGS = LegoBlock(SNN(5), ON, "rna"), LegoBlock(PatchMLP(4, 6, 6), ON, "slide")
TWO = [TABLE, BAGS]
FIRST_EMPTY = torch.tensor([[False] * 4, [True] * 4, [True] * 4])


def answer(function: Callable[[Tensor], Any]) -> Any:
    """Call a block on bags whose encoder answers like this."""
    return LegoBlock(Custom(function), ON, "x", out_features=4)(BAG)


def block(encoder: Any = None, on: Any = ON, name: Any = "x", **options: Any) -> LegoBlock:
    return LegoBlock(SNN(5) if encoder is None else encoder, on, name, **options)


def beside(**options: Any) -> LegoMerge:
    """Merge a block with one on another plate."""
    return LegoMerge([TABLE, block(on=plate(**options))])


def forced(**options: Any) -> LegoMerge:
    return LegoMerge([TABLE, block(on=plate(**options))], allow_mismatch=True)


def merge(**options: Any) -> LegoMerge:
    return LegoMerge(TWO, **options)


def fuse(**options: Any) -> LegoFuse:
    return LegoFuse(TWO, **options)


ANSWERS = [
    Case(
        "a tuple",
        lambda: answer(lambda x: (x, x)),
        ShapeError,
        "'x' does not give tokens.*tuple of Tensor, Tensor.*Wrap",
    ),
    Case("4-D", lambda: answer(lambda x: x[None]), ShapeError, r"does not give tokens.*got shape \(1, 3, 4, 4\)"),
    Case("no tokens", lambda: answer(lambda x: x[:, :0]), ShapeError, "'x' gives no token"),
    Case("a sample masked", lambda: answer(lambda x: (x, FIRST_EMPTY)), ShapeError, "'x' gives no token"),
    Case("nothing", lambda: answer(lambda x: None), ShapeError, "does not give tokens.*got NoneType"),
    Case("integers", lambda: answer(lambda x: x.long()), ShapeError, "does not give tokens"),
    Case(
        "a sample less", lambda: answer(lambda x: x[1:]), ShapeError, "keep the samples apart.*of 3 samples, got.*of 2"
    ),
    Case("narrower", lambda: answer(lambda x: x[..., :3]), ShapeError, "another width.*expected 4, got 3.*sample="),
    Case(
        "other precision",
        lambda: answer(lambda x: x.double()),
        InputError,
        "differ in dtype.*float32, got torch.float64",
    ),
    Case("a GRU's", lambda: block(nn.GRU(4, 4, batch_first=True), sample=BAG), ShapeError, "a tuple of Tensor, Tensor"),
    Case(
        "an LSTM's", lambda: block(nn.LSTM(4, 4, batch_first=True), sample=BAG), ShapeError, "a tuple of Tensor, tuple"
    ),
    Case(
        "time first", lambda: block(nn.GRU(4, 4), out_features=4), InputError, "time before the batch.*batch_first=True"
    ),
]

BLOCKS = [
    Case("no encoder", lambda: block("snn"), InputError, "encoder of a LegoBlock: expected an nn.Module, got str"),
    Case("no plate", lambda: block(on=None), InputError, "needs a Baseplate.*got NoneType.*pass it to every block"),
    Case("a task as plate", lambda: block(on=Classification(2)), InputError, "needs a Baseplate.*got Classification"),
    Case("no name", lambda: block(name=""), InputError, "name of a modality.*without a dot, got ''"),
    Case("a dot in the name", lambda: block(name="rna.seq"), InputError, "without a dot, got 'rna.seq'"),
    Case("name of a method", lambda: block(name="values"), InputError, "taken.*got 'values'.*'values_data'"),
    Case("name no string", lambda: block(name=3), InputError, "name of a modality.*got 3"),
    Case(
        "unknown width",
        lambda: block(nn.ReLU()),
        InputError,
        "width of the tokens of modality 'x' is not known.*sample=x",
    ),
    Case(
        "width of 0", lambda: block(nn.ReLU(), out_features=0), InputError, "not known: expected out_features=.*got 0"
    ),
    Case("width disagrees", lambda: block(nn.ReLU(), out_features=3, sample=X), ShapeError, "expected 5, got 3"),
    Case("sample too wide", lambda: block(nn.Linear(4, 3), sample=X), ShapeError, "'x' cannot take this input"),
    Case("sample no tensor", lambda: block(nn.ReLU(), sample=[1.0]), InputError, "'x' is not a tensor.*got list"),
    Case("unknown encoder", lambda: build_encoder("resnet", {}), UnknownNameError, "one of .*gated_att.*, .*gru"),
    Case("its arguments", lambda: build_encoder("snn", {"depth": 2}), InputError, "arguments for encoder 'snn'.*depth"),
]

NUMBERS: dict[str, tuple[Any, ...]] = {
    "channels": (0, -1, 2.5, "8", True, None),
    "width": (0,),
    "steps": (0, 1.0),
    "heads": (0,),
    "head_width": (-4,),
    "expansion": (0, 0.5),
    "temperature": (0, -1.0, NAN, INF, "hot"),
    "dropout": (-0.1, 1.0, NAN, "half"),
    "seed": (-1, 0.5, "lucky", None),
    "activation": ("relu", None),
    "domain": ("wavelet", 3),
    "state": ("imaginary",),
    "normalise": ("no", None),
    "share_steps": (2,),
}


def wrong_number(name: str, value: Any) -> Case:
    message = f"{name} of a Baseplate: expected .*got {re.escape(repr(value))}"
    return Case(f"{name} {value!r}", lambda: Baseplate(Classification(2), **{name: value}), InputError, message)


PLATES = [
    Case("no task", lambda: Baseplate("survival"), InputError, "needs a task.*got str"),  # type: ignore[arg-type]
    Case("a task not made", lambda: Baseplate(Classification), InputError, "needs a task"),  # type: ignore[arg-type]
    *(wrong_number(name, value) for name, values in NUMBERS.items() for value in values),
]

SURVIVALS = [block(on=plate(Survival(times)), name=name) for times, name in (([1.0, 2.0], "a"), ([1.0, 3.0], "b"))]

MODELS = [
    Case("no blocks", lambda: LegoMerge([]), InputError, "nothing to put together.*at least one LegoBlock"),
    Case("no list", lambda: LegoMerge(TABLE), InputError, "a list of LegoBlocks, got LegoBlock"),  # type: ignore[arg-type]
    Case("None", lambda: LegoFuse(None), InputError, "a list of LegoBlocks, got NoneType"),  # type: ignore[arg-type]
    Case("no block", lambda: LegoMerge([TABLE, SNN(5)]), InputError, "LegoBlock, got SNN"),  # type: ignore[list-item]
    Case("a merge", lambda: LegoMerge([merge()]), InputError, "only blocks.*got LegoMerge"),  # type: ignore[list-item]
    Case("twice", lambda: LegoMerge([TABLE, TABLE]), InputError, r"two blocks are called 'rna'.*mmlego\.rename"),
    Case(
        "other seed",
        lambda: beside(seed=1),
        MismatchError,
        "'rna' and 'x' stand on .*initial values of .*latent.*allow_",
    ),
    Case("other fields", lambda: beside(steps=3, heads=4), MismatchError, "steps: 2 ≠ 3; heads: 2 ≠ 4.*allow_mismatch"),
    Case("other channels", lambda: forced(channels=7), MismatchError, r"channels: 6 ≠ 7.*one shared Baseplate\.$"),
    Case("other width", lambda: forced(width=9), MismatchError, "width: 8 ≠ 9"),
    Case("other domain", lambda: forced(domain="spatial"), MismatchError, "domain: frequency ≠ spatial"),
    Case("other task", lambda: forced(task=Regression()), MismatchError, "task.*classification.*regression"),
    Case("other classes", lambda: forced(task=Classification(["a", "b", "c"])), MismatchError, r"task\.classes"),
    Case("other time bins", lambda: LegoFuse(SURVIVALS), MismatchError, r"task\."),
    Case(
        "rule", lambda: merge(rule="median"), UnknownNameError, "rule: expected one of harmonic, mean, .*got 'median'"
    ),
    Case("rule no name", lambda: fuse(rule=["mean"]), UnknownNameError, "unknown merge rule"),
    Case("heads", lambda: merge(heads="nearest"), UnknownNameError, "one of common, linear, ot, slerp, got 'nearest'"),
    Case("heads no name", lambda: merge(heads=None), UnknownNameError, "unknown rule for heads"),
    Case("phase", lambda: merge(phase="median"), InputError, "phase: expected 'mean' or 'circular', got 'median'"),
    Case(
        "strength",
        lambda: merge(strength="much"),
        InputError,
        "strength: expected a number .*, got 'much'",
    ),
    Case(
        "infinite strength",
        lambda: merge(strength=INF),
        InputError,
        "strength: expected a number .*, got inf",
    ),
    Case("mode", lambda: fuse(mode="knit"), InputError, "mode of a LegoFuse.*'stack', 'weave', 'parallel'.*got 'knit'"),
    Case(
        "freeze",
        lambda: fuse(freeze="heads"),
        InputError,
        "freeze of a LegoFuse.*None or.*'encoders', 'blocks'.*'heads'",
    ),
    Case(
        "order, stranger",
        lambda: fuse(order=["rna", "mri"]),
        InputError,
        r"each of \('rna', 'slide'\) once, got .*'mri'",
    ),
    Case("order, short", lambda: fuse(order=["rna"]), InputError, "order of a LegoFuse"),
    Case("order, twice", lambda: fuse(order=["rna", "rna"]), InputError, "order of a LegoFuse"),
    Case("order, string", lambda: LegoFuse([TABLE], order="rna"), InputError, "order of a LegoFuse.*got rna"),
    Case("order, number", lambda: fuse(order=3), InputError, "order of a LegoFuse.*got 3"),
    *(
        Case(
            f"modality_dropout {value!r}",
            lambda value=value: fuse(modality_dropout=value),  # type: ignore[misc]
            InputError,
            r"modality_dropout of a LegoFuse: expected a number ≥ 0(, below 1)?, got " + re.escape(repr(value)),
        )
        for value in (-0.1, 1.0, NAN, "half", None)
    ),
]

NOT_ONE_EACH = r"weights: expected one number ≥ 0 for each of \['rna', 'slide'\], got "
WEIGHTS = [
    *(
        Case(repr(weights), lambda weights=weights: merge(weights=weights), InputError, NOT_ONE_EACH)  # type: ignore[misc]
        for weights in (
            [1.0, -0.5],
            [1.0],
            [1, 1, 1],
            [1.0, NAN],
            [1.0, INF],
            ["much", "little"],
            {"rna": None, "slide": 1.0},
            {"rna": 1},
            0.5,
            None,
        )
    ),
    Case("zero", lambda: merge(weights=[0, 0]), InputError, "weights: expected at least one number > 0"),
    Case(
        "stranger", lambda: merge(weights={"rna": 1, "mri": 1}), UnknownNameError, r"unknown modalities.*got \['mri'\]"
    ),
    Case("unknown way", lambda: merge(weights="inverse"), InputError, "'uniform', 'evidence', or one.*got 'inverse'"),
    Case(
        "no evidence",
        lambda: fuse(weights="evidence"),
        InputError,
        "'rna' has none: expected auroc.*got no scores. Fit",
    ),
]

HALF, HERE, Z = torch.full((2, 1), 0.5), torch.ones(2, 1) > 0, torch.ones(2, 1, 1, 1) + 0j
BAD_HEADS = [{"w": torch.ones(2)}, {"w": torch.full((2,), NAN)}]

TENSORS = [
    Case("unknown rule", lambda: combine("median", Z, HALF, HERE), UnknownNameError, "unknown merge rule"),
    Case("no start", lambda: combine("residual", Z, HALF, HERE), InputError, "residual needs the shared start"),
    Case("NaN in a head", lambda: merge_heads(BAD_HEADS, HALF[:, 0]), MismatchError, "merged head is not finite in w"),
    Case("lengths", lambda: Ragged(BAG[0], [3]), ShapeError, "lengths of a Ragged do not fit its values"),
]

CASES = by_name(
    {
        "answer": ANSWERS,
        "block": BLOCKS,
        "plate": PLATES,
        "model": MODELS,
        "weights": WEIGHTS,
        "tensors": TENSORS,
    }
)


@pytest.mark.parametrize("name", CASES)
def test_bad_parts_get_one_clear_error(name: str) -> None:
    assert_refused(CASES[name])


@pytest.mark.parametrize("make", [LegoMerge, LegoFuse])
@pytest.mark.parametrize(
    "options", [{"seed": 1}, {"steps": 3}, {"share_steps": False, "steps": 3}, {"state": "real"}, {"heads": 1}], ids=str
)
def test_a_mismatch_can_be_allowed_with_a_warning_that_points_at_the_caller(
    make: Any, options: dict[str, Any], recwarn: pytest.WarningsRecorder
) -> None:
    inputs = {"rna": X, "x": X}
    for blocks in ([TABLE, block(on=plate(**options))], [block(on=plate(**options)), TABLE]):
        model = make(blocks, allow_mismatch=True)
        warning = recwarn.pop(LegoWarning)
        assert warning.filename == __file__
        assert "stand on different baseplates" in str(warning.message)
        logits = model.eval()(inputs, {"x": torch.tensor([True, False, True])})
        assert torch.isfinite(logits).all()
        logits.sum().backward()
    weave = None if make is LegoMerge else make(blocks, mode="weave", allow_mismatch=True)
    assert weave is None or torch.isfinite(weave(inputs)).all()
