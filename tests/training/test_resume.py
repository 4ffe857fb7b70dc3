"""A run that is interrupted, wherever that may be, ends as the unbroken one; a finished one is not run again."""

from __future__ import annotations

import json
import math
import pickle
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import Tensor

from mmlego import CheckpointError, InputError, fit
from mmlego.data import PatientData
from mmlego.run_folder import BEST, HISTORY, LAST, LOGS, RUN
from mmlego.tasks import Classification
from mmlego.training import resume
from mmlego.training.callbacks import KeepBest
from mmlego.training.module import Training
from mmlego.training.resume import SafeCheckpointIO
from tests.bricks import assert_same, snapshot
from tests.training.cases import QUICK, block, fuse, gapped, patients, table, two_classes

OPTIONS: dict[str, Any] = {"epochs": 5, "batch_size": 16, "lr": 1e-2, **QUICK}
Result = tuple[pd.DataFrame, dict[str, Tensor]]


class Killed(BaseException):
    """Nobody expects it, so nobody cleans up."""


def make() -> Any:
    return fuse(mode="weave", modality_dropout=0.4)


@cache
def unbroken(**options: Any) -> Result:
    model = make()
    return fit(model, gapped(), **{**OPTIONS, **options}), snapshot(model)


def assert_as_unbroken(found: Result, expected: Result) -> None:
    pd.testing.assert_frame_equal(found[0], expected[0], check_exact=True)
    assert_same(found[1], expected[1])


def killed_in(owner: Any, name: str, when: int, out: Path, **options: Any) -> None:
    """Run until the ``when``-th call of a function, and not beyond."""
    calls, whole = 0, getattr(owner, name)

    def fatal(*args: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > when:
            raise Killed
        return whole(*args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, fatal)
        with pytest.raises(Killed):
            fit(make(), gapped(), out=out, **{**OPTIONS, **options})
    assert not json.loads((out / "run.json").read_text()).get("finished")


# Where, after how many calls, and how many epochs the state of training holds then. An epoch has three steps.
PLACES: dict[str, tuple[Any, str, int, int]] = {
    "in the first epoch": (Training, "training_step", 1, 0),
    "in the middle of an epoch": (Training, "training_step", 7, 2),
    "in the validation": (Training, "validation_step", 2, 2),
    "before the state is written": (Training, "on_train_epoch_end", 2, 2),
    "while the state is written": (resume, "write_atomically", 2, 2),
    "between the state and the history": (KeepBest, "on_train_epoch_start", 3, 3),
    "before the best weights are written": (KeepBest, "on_fit_end", 0, 5),
    "before the run is noted as finished": (sys.modules["mmlego.training.fit"], "close_run", 0, 5),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_run_that_is_killed_ends_as_the_unbroken_one(tmp_path: Path, place: str) -> None:
    owner, name, when, done = PLACES[place]
    killed_in(owner, name, when, tmp_path)
    assert (tmp_path / "last.ckpt").is_file() == (done > 0)
    if done:
        assert len(SafeCheckpointIO().load_checkpoint(tmp_path / "last.ckpt")["history"]) == done
    trained: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        start = Training.on_train_epoch_start
        patch.setattr(
            Training, "on_train_epoch_start", lambda self: (trained.append(self.current_epoch), start(self))[1]
        )
        model = make()
        history = fit(model, gapped(), out=tmp_path, **OPTIONS)
    assert trained == list(range(done, 5))
    assert_as_unbroken((history, snapshot(model)), unbroken())
    assert not (tmp_path / "last.ckpt").exists()
    assert not [file.name for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_a_run_that_is_killed_after_it_has_stopped_early_stays_stopped(tmp_path: Path) -> None:
    """The next epoch would not be the last one, if it were better."""
    early = {"epochs": 40, "patience": 2, "lr": 0.1}
    killed_in(KeepBest, "on_fit_end", 0, tmp_path, **early)
    model = make()
    history = fit(model, gapped(), out=tmp_path, **{**OPTIONS, **early})
    assert len(history) < 40
    assert_as_unbroken((history, snapshot(model)), unbroken(**early))


def test_a_run_that_is_killed_twice(tmp_path: Path) -> None:
    killed_in(Training, "training_step", 4, tmp_path)
    killed_in(Training, "training_step", 5, tmp_path)
    model = make()
    assert_as_unbroken((fit(model, gapped(), out=tmp_path, **OPTIONS), snapshot(model)), unbroken())


def test_a_block_drawn_without_a_seed_resumes(tmp_path: Path) -> None:
    """The script that is run again draws another start; the run goes on from its own."""
    data, expected = patients(), block(seed=1)
    history = fit(expected, data, **OPTIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "on_validation_epoch_end", _after(2, Training.on_validation_epoch_end))
        with pytest.raises(Killed):
            fit(block(seed=1), data, out=tmp_path, **OPTIONS)
    model = block(seed=2)
    assert_as_unbroken((fit(model, data, out=tmp_path, **OPTIONS), snapshot(model)), (history, snapshot(expected)))


def _after(count: int, whole: Any) -> Any:
    calls: list[None] = []

    def fatal(*args: Any) -> Any:
        calls.append(None)
        if len(calls) > count:
            raise Killed
        return whole(*args)

    return fatal


def test_a_truncated_state_is_one_clear_error(tmp_path: Path) -> None:
    killed_in(Training, "training_step", 7, tmp_path)
    last = tmp_path / "last.ckpt"
    whole = last.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:3], b"", b"\x80\x04K\x01.", save({"a": torch.ones(1)})):
        last.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"last.ckpt cannot be resumed: .*Pass resume=False to start anew"):
            fit(make(), gapped(), out=tmp_path, **OPTIONS)
    for structure in ("{}", '{"tensor": "7"}', '{"dict": 1}', '{"a": 1, "b": 2}', "1", "[", '{"odd": []}'):
        last.write_bytes(save({"0": torch.ones(1)}, {"structure": structure}))
        with pytest.raises(CheckpointError, match=r"last.ckpt cannot be resumed"):
            fit(make(), gapped(), out=tmp_path, **OPTIONS)
    model = make()
    assert_as_unbroken((fit(model, gapped(), out=tmp_path, resume=False, **OPTIONS), snapshot(model)), unbroken())


def test_nothing_is_unpickled_when_a_run_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_in(Training, "training_step", 7, tmp_path)

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("something was unpickled")

    for owner, name in ((pickle, "Unpickler"), (pickle, "load"), (pickle, "loads"), (torch, "load")):
        monkeypatch.setattr(owner, name, never)
    assert len(fit(make(), gapped(), out=tmp_path, **OPTIONS)) == 5


def test_a_finished_run_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make()
    history = fit(model, gapped(), out=tmp_path, **OPTIONS)
    monkeypatch.setattr(Training, "training_step", _after(0, None))
    again = make()
    assert_as_unbroken((fit(again, gapped(), out=tmp_path, **OPTIONS), snapshot(again)), (history, snapshot(model)))
    assert again.card == model.card


def test_a_score_that_is_not_defined_comes_back_from_a_finished_run(tmp_path: Path) -> None:
    valid = (table(12, seed=7)[0], torch.ones(12))
    with pytest.warns(UserWarning, match="one class only"):
        first = fit(block(), table(), validation=valid, out=tmp_path, **OPTIONS)
    with pytest.warns(UserWarning, match="one class only"):
        again = fit(block(), table(), validation=valid, out=tmp_path, **OPTIONS)
    assert first["validation_auroc"].isna().all()
    pd.testing.assert_frame_equal(first, again, check_exact=True)


@pytest.mark.parametrize("damage", ["no history", "an odd history", "no weights", "half the weights", "other weights"])
def test_a_finished_run_whose_result_is_damaged(tmp_path: Path, damage: str) -> None:
    fit(make(), gapped(), out=tmp_path, **OPTIONS)
    best, history = tmp_path / "best.safetensors", tmp_path / "history.csv"
    if damage == "no history":
        history.unlink()
    elif damage == "an odd history":
        history.write_text("epoch,train_loss\n0,much\n")
    elif damage == "no weights":
        best.unlink()
    elif damage == "half the weights":
        best.write_bytes(best.read_bytes()[:100])
    else:
        best.write_bytes(save({"latent": torch.ones(2)}))
    with pytest.raises(CheckpointError, match=r"the result of the run in .* cannot be read.*Pass resume=False"):
        fit(make(), gapped(), out=tmp_path, **OPTIONS)
    assert len(fit(make(), gapped(), out=tmp_path, resume=False, **OPTIONS)) == 5


def _shifted() -> PatientData:
    data = gapped()
    return PatientData(
        {"labs": data.batch().inputs["labs"] + 1e-6, "slide": [torch.ones(2, 3)] * 60},
        data.target,
        data.task,
        data.patients,
    )


def _relabelled() -> PatientData:
    x, y = table()
    return PatientData({"labs": x}, 1 - y, Classification(2), patients().patients)


OTHERS: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "another seed": (block, patients, {"seed": 1}, "the same settings, data"),
    "another learning rate": (block, patients, {"lr": 2e-2}, "the same settings"),
    "more epochs": (block, patients, {"epochs": 6}, "the same settings"),
    "other patients": (block, lambda: patients(prefix="q"), {}, "the same data"),
    "other labels": (block, _relabelled, {}, "the same data"),
    "other features of the same patients": (block, lambda: patients(seed=3), {}, "the same data"),
    "another model": (lambda: block(on=two_classes(steps=3)), patients, {}, "the same model"),
    "another dropout": (lambda: block(dropout=0.5), patients, {}, "the same model"),
    "another frozen encoder": (lambda: block(seed=1).freeze_encoder(), patients, {}, "the same model, start"),
}


@pytest.mark.parametrize("name", [RUN, LAST, BEST, HISTORY, LOGS])
@pytest.mark.parametrize("resume", [True, False])
def test_files_of_others_stay(tmp_path: Path, name: str, resume: bool) -> None:
    if name == LOGS:
        (tmp_path / LOGS).mkdir()
    (tmp_path / LOGS / "theirs" if name == LOGS else tmp_path / name).write_text('{"settings": "mine"}')
    with pytest.raises(InputError, match=f"holds files that no fit wrote: .*{name}.*Choose another folder"):
        fit(block(), patients(), out=tmp_path, resume=resume, **OPTIONS)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ['{"settings": "mine"}']


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("name", [BEST, HISTORY])
def test_one_bit_of_a_finished_run_is_told(tmp_path: Path, name: str) -> None:
    fit(block(), patients(), out=tmp_path, **OPTIONS)
    flip(tmp_path / name, -3)
    with pytest.raises(CheckpointError, match=f"cannot be read.*got {name} was changed since. Pass resume=False"):
        fit(block(), patients(), out=tmp_path, **OPTIONS)
    described = json.loads((tmp_path / RUN).read_text())
    (tmp_path / RUN).write_text(json.dumps({key: value for key, value in described.items() if key != "sha256"}))
    fit(block(), patients(), out=tmp_path, **OPTIONS)  # as of a run that was made before hashes were kept


@pytest.mark.parametrize("at", [-1, -200, 300])
def test_one_bit_of_the_state_of_training_is_told(tmp_path: Path, at: int) -> None:
    kept = SafeCheckpointIO()
    state = {"epoch": 3, "state_dict": {f"{i}": torch.randn(7) for i in range(12)}, "one": torch.tensor(1.0)}
    kept.save_checkpoint(state, tmp_path / "a")
    assert kept.load_checkpoint(tmp_path / "a")["epoch"] == 3
    flip(tmp_path / "a", at)
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        kept.load_checkpoint(tmp_path / "a")


@pytest.mark.parametrize("case", OTHERS)
def test_a_folder_with_another_run_is_refused(tmp_path: Path, case: str) -> None:
    fit(block(), patients(), out=tmp_path, **OPTIONS)
    kept = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    make_model, make_data, options, message = OTHERS[case]
    options = {**OPTIONS, **options}
    with pytest.raises(InputError, match=f"holds another run: expected {message}, got .* or pass resume=False"):
        fit(make_model(), make_data(), out=tmp_path, **options)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == kept
    model, twin = make_model(), make_model()
    history = fit(model, make_data(), out=tmp_path, resume=False, **options)
    assert_as_unbroken((history, snapshot(model)), (fit(twin, make_data(), **options), snapshot(twin)))


def test_a_fuse_of_blocks_that_were_trained_anew_is_another_run(tmp_path: Path) -> None:
    fit(make(), gapped(), out=tmp_path, **OPTIONS)
    other = make()
    with torch.no_grad():
        other.block("labs").encoder[0].weight.add_(0.1)
    with pytest.raises(InputError, match="holds another run: expected the same start"):
        fit(other, gapped(), out=tmp_path, **OPTIONS)
    with pytest.raises(InputError, match="holds another run: expected the same model"):
        fit(fuse(mode="stack", modality_dropout=0.4), gapped(), out=tmp_path, **OPTIONS)


def test_bags_and_masks_are_part_of_what_a_run_is(tmp_path: Path) -> None:
    fit(make(), gapped(), out=tmp_path, **OPTIONS)
    with pytest.raises(InputError, match="holds another run: expected the same data"):
        fit(make(), _shifted(), out=tmp_path, **OPTIONS)


def test_a_new_start_takes_the_old_logs_away_and_nothing_else(tmp_path: Path) -> None:
    options = OPTIONS | {"tensorboard": True}
    fit(block(), patients(), out=tmp_path, **options)
    (tmp_path / "notes.txt").write_text("mine")
    old = {file.name for file in (tmp_path / "tensorboard").glob("events*")}
    fit(block(), patients(), out=tmp_path, resume=False, **options)
    new = {file.name for file in (tmp_path / "tensorboard").glob("events*")}
    assert len(new) == 1
    assert not new & old
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("content", ["{", "", "[1, 2]", "\x00"])
def test_a_damaged_description_of_the_run(tmp_path: Path, content: str) -> None:
    fit(block(), patients(), out=tmp_path, **OPTIONS)
    (tmp_path / "run.json").write_text(content)
    error, told = (InputError, "no fit wrote") if content.startswith("[") else (CheckpointError, "resume=False")
    with pytest.raises(error, match=told):
        fit(block(), patients(), out=tmp_path, **OPTIONS)


def test_a_run_can_be_moved(tmp_path: Path) -> None:
    killed_in(Training, "training_step", 7, tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    model = make()
    assert_as_unbroken((fit(model, gapped(), out=tmp_path / "there", **OPTIONS), snapshot(model)), unbroken())
    assert not (tmp_path / "here").exists()


tensors = st.one_of(
    st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.int64]).map(
        lambda d: torch.ones(2, 0, 3).to(d)
    ),
    st.floats(width=32).map(torch.tensor),
    st.lists(st.booleans(), max_size=4).map(torch.tensor),
    st.lists(st.integers(-(2**40), 2**40), min_size=1).map(lambda v: torch.tensor(v)[::2]),
)
plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), tensors)
keys = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.tuples(st.integers(), st.text()))
nested = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
        st.dictionaries(st.sampled_from(["tensor", "dict", "list", "tuple"]), inner, max_size=2),
    ),
    max_leaves=12,
)


def same(first: Any, second: Any) -> bool:
    if type(first) is not type(second):
        return False
    if isinstance(first, Tensor):
        bits = (torch.empty(x.numel(), dtype=x.dtype).copy_(x.flatten()).view(torch.uint8) for x in (first, second))
        return first.dtype == second.dtype and first.shape == second.shape and torch.equal(*bits)
    if isinstance(first, dict):
        pairs = zip(first.items(), second.items(), strict=True)
        return len(first) == len(second) and all(same(a, c) and same(b, d) for (a, b), (c, d) in pairs)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, float) and math.isnan(first):
        return math.isnan(second)
    return bool(first == second)


@given(st.dictionaries(st.text(), nested, max_size=4))
def test_nested_containers_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    file = tmp_path_factory.mktemp("state") / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(content, file)
    found = SafeCheckpointIO().load_checkpoint(file)
    assert same(found, content)


def test_what_is_written_beside_plain_values(tmp_path: Path) -> None:
    file = tmp_path / "last.ckpt"
    tied = torch.ones(3)
    content = {"numpy": np.float64(1.5), "dtype": torch.float32, "path": Path("a"), "tied": [tied, tied, tied[1:]]}
    SafeCheckpointIO().save_checkpoint(content, file)
    found = SafeCheckpointIO().load_checkpoint(file)
    assert (found["numpy"], found["dtype"], found["path"]) == (1.5, "torch.float32", "a")
    assert [len(part) for part in found["tied"]] == [3, 3, 2]
    SafeCheckpointIO().remove_checkpoint(file)
    SafeCheckpointIO().remove_checkpoint(file)
    assert not file.exists()


def test_an_object_in_the_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="the state of training cannot be written: expected tensors"):
        SafeCheckpointIO().save_checkpoint({"a": [Killed()]}, tmp_path / "last.ckpt")
    assert list(tmp_path.iterdir()) == []


def test_the_state_holds_the_best_weights_too(tmp_path: Path) -> None:
    """Or a run that is resumed after its best epoch would lose them; what is frozen it has."""
    killed_in(Training, "training_step", 7, tmp_path)
    state = SafeCheckpointIO().load_checkpoint(tmp_path / "last.ckpt")
    best = next(value for value in state["callbacks"].values() if "weights" in value)
    frozen = {name for name, weight in make().named_parameters() if not weight.requires_grad}
    assert set(best["weights"]) == set(snapshot(make())) - frozen
    assert set(state["still"]["names"]) == frozen
