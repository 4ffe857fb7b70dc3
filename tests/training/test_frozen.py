"""Features of frozen encoders: computed once, equal to what every epoch anew gives, and kept by content."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mmlego import Baseplate, LegoBlock, LegoFuse, LegoMerge, fit
from mmlego.data import PatientData
from mmlego.data.memory.lazy import LazyColumn
from mmlego.errors import LegoWarning
from mmlego.run_folder import FEATURES
from mmlego.tasks import Classification
from mmlego.training import frozen, loop

PATIENTS, EPOCHS = 24, 4
PLATE = Baseplate(Classification(2), channels=4, width=8)


class Counting(nn.Module):
    """An encoder that counts how many samples it has seen."""

    def __init__(self, net: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.net, self.scale = net, scale
        self.seen: list[int] = []

    def __repr__(self) -> str:
        return "Counting"

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        return self.scale * self.net(x)


class Masked(nn.Module):
    """An encoder that takes a mask: each token beside the mean of those that are real."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 6)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        weights = torch.ones(x.shape[:2]) if mask is None else mask.float()
        mean = (x * weights[..., None]).sum(1, keepdim=True) / weights.sum(1)[:, None, None]
        return self.linear(x - mean)


def images() -> Any:
    return torch.randn(PATIENTS, 1, 8, 8)


def bags() -> Any:
    return [torch.randn(2 + row % 5, 3) for row in range(PATIENTS)]


def padded() -> Any:
    mask = torch.arange(6)[None] < torch.randint(2, 7, (PATIENTS, 1))
    return torch.randn(PATIENTS, 6, 3), mask


def series() -> Any:
    return torch.randn(PATIENTS, 7, 3)


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[], Any], dict[str, Any]]] = {
    "tokens": (lambda: nn.Sequential(nn.Conv2d(1, 5, 3), nn.GELU(), nn.Flatten(2)), images, {"out_features": 36}),
    "pooled": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.BatchNorm1d(6)), images, {"out_features": 6}),
    "bags": (lambda: nn.Linear(3, 6), bags, {"tokenwise": True}),
    "bags, one by one": (lambda: nn.Linear(3, 6), bags, {"tokenwise": False}),
    "bags, padded": (Masked, bags, {"out_features": 6}),
    "mask": (Masked, padded, {"out_features": 6, "ordered": True}),
    "last Linear held": (
        lambda: nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 6)),
        series,
        {"ordered": True, "out_features": 6},
    ),
    "narrow": (lambda: nn.Linear(3, 2), series, {"ordered": True, "out_features": 2}),
}


def made(case: str = "tokens") -> tuple[LegoBlock, PatientData]:
    """Return an untrained block over a frozen encoder, and its data: the same each time."""
    build, features, options = CASES[case]
    torch.manual_seed(0)
    block = LegoBlock(build(), PLATE, "ct", freeze_encoder=True, **options)
    return block, PatientData({"ct": features()}, torch.arange(PATIENTS) % 2, PLATE.task)


def counting(scale: float = 1.0, seed: int = 0) -> tuple[LegoBlock, Counting, PatientData]:
    data = made()[1]
    torch.manual_seed(seed)
    encoder = Counting(CASES["tokens"][0](), scale)
    torch.manual_seed(0)
    return LegoBlock(encoder, PLATE, "ct", out_features=36, freeze_encoder=True), encoder, data


def trained(model: Any, data: PatientData, **options: Any) -> dict[str, Tensor]:
    fit(model, data, epochs=EPOCHS, batch_size=7, progress=False, **options)
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have encoders work in each epoch, as they did before there were features."""
    monkeypatch.setattr(loop, "with_features", lambda model, data, valid, **_: (data, valid))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many patients encoders are asked about to keep what they say, call by call."""
    counts: list[int] = []
    whole = frozen._Encoder._encoded
    monkeypatch.setattr(frozen._Encoder, "_encoded", lambda *args: (counts.append(len(args[1])), whole(*args))[1])
    return counts


@pytest.mark.parametrize("case", CASES)
def test_training_is_what_it_is_with_the_encoder_in_each_epoch(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = trained(*made(case))
    anew(monkeypatch)
    for name, value in trained(*made(case)).items():
        torch.testing.assert_close(kept[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_the_encoder_sees_each_patient_once(monkeypatch: pytest.MonkeyPatch) -> None:
    block, encoder, data = counting()
    trained(block, data)
    held = round(0.2 * PATIENTS)
    # Batches of seven, filled up, and one to try; the scores on the validation part are told by a batch of its own.
    assert encoder.seen == [7] * (1 + math.ceil((PATIENTS - held) / 7) + 1) + [held]
    anew(monkeypatch)
    block, encoder, data = counting()
    trained(block, data)
    assert sum(encoder.seen) >= EPOCHS * PATIENTS


class Sociable(nn.Module):
    """An encoder in which a batch has a say: its answer is told less the mean of all, or of those who come before."""

    def __init__(self, before: bool) -> None:
        super().__init__()
        self.before, self.seen = before, []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        flat = x.flatten(1)
        return flat - (flat.cumsum(0) if self.before else flat.mean(0))


@pytest.mark.parametrize("before", [False, True])
def test_where_a_batch_has_a_say_patients_are_encoded_alone(before: bool) -> None:
    encoder, data = Sociable(before), made()[1]
    block = LegoBlock(encoder, PLATE, "ct", out_features=64, freeze_encoder=True)
    column, _ = frozen.with_features(block, data, None, batch_size=32)
    assert encoder.seen == [8, 8] + [1] * PATIENTS
    assert float(column.column("ct").input().values.abs().max()) == 0.0  # type: ignore[union-attr]


@pytest.mark.parametrize("case", ["tokens", "pooled"])
def test_what_is_kept_of_a_patient_depends_on_nobody_else(case: str) -> None:
    """A run that is resumed encodes the rest of its patients: others than those with whom they would have been."""
    block, data = made(case)

    def told(rows: list[int]) -> list[Tensor]:
        found, _ = frozen.with_features(block, data.subset(rows), None, batch_size=32)
        return found.column("ct").input().unbind()  # type: ignore[union-attr]

    everyone = told(list(range(PATIENTS)))
    for rows in ([3], [5, 3], [20, 3, 19, 18, 17, 16, 15, 14, 13, 12, 5]):
        assert all(torch.equal(one, everyone[row]) for one, row in zip(told(rows), rows, strict=True))


def test_a_fuse_over_frozen_encoders_with_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    def fused() -> tuple[LegoFuse, PatientData]:
        block, data = made()
        torch.manual_seed(1)
        other = LegoBlock(nn.Linear(3, 5), PLATE, "labs")
        here = torch.arange(PATIENTS) % 3 > 0
        features = {"ct": data.column("ct").input(), "labs": torch.randn(PATIENTS, 3)}
        both = PatientData(
            features, data.target, PLATE.task, present={"ct": here, "labs": ~here | (torch.arange(PATIENTS) % 2 > 0)}
        )
        return LegoFuse(LegoMerge([block, other]).blocks.values(), freeze="encoders"), both

    kept = trained(*fused(), lr=1e-2)
    anew(monkeypatch)
    for name, value in trained(*fused(), lr=1e-2).items():
        torch.testing.assert_close(kept[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_features_are_kept_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[int]) -> None:
    monkeypatch.setenv("MMLEGO_CACHE", str(tmp_path))

    def encoded(scale: float = 1.0, seed: int = 0) -> int:
        asked.clear()
        trained(*counting(scale, seed)[::2])
        return sum(asked)

    files = tmp_path / "private" / "features"
    assert encoded() == PATIENTS
    assert files.parent.stat().st_mode & 0o777 == 0o700  # they tell of patients
    assert len(list(files.iterdir())) == PATIENTS
    first = trained(*counting()[::2])
    assert encoded() == 0
    assert encoded(scale=2.0) == PATIENTS  # the same weights, another setting
    assert encoded(seed=1) == PATIENTS  # other weights
    assert encoded() == 0
    file = next(iter(sorted(files.iterdir())))
    whole = bytearray(file.read_bytes())
    whole[-1] ^= 1
    file.write_bytes(whole)
    changed = sum(encoded(scale, seed) for scale, seed in ((1.0, 0), (2.0, 0), (1.0, 1)))
    assert changed == 1  # a file that is not as it was written is made anew
    assert all(torch.equal(first[name], value) for name, value in trained(*counting()[::2]).items())


def test_an_interrupted_fit_goes_on_with_its_features_and_a_finished_one_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[int]
) -> None:
    out = tmp_path / "fit"
    block, _encoder, data = counting()
    with monkeypatch.context() as patched:
        patched.setattr(loop.TrainerAlone, "fit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            trained(block, data, out=out)
    assert len(list((out / FEATURES).iterdir())) == sum(asked) == PATIENTS
    after = trained(*counting()[::2], out=out)
    assert sum(asked) == PATIENTS
    assert not (out / FEATURES).exists()
    assert all(torch.equal(after[name], value) for name, value in trained(*counting()[::2]).items())


def test_settings_that_are_arrays_tell_encoders_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[int]
) -> None:
    monkeypatch.setenv("MMLEGO_CACHE", str(tmp_path))
    made = []
    for middle in (0.0, 1e-9, 0.0):
        block, encoder, data = counting()
        encoder.middle = np.full(64, middle)  # type: ignore[assignment]
        trained(block, data)
        made.append(sum(asked))
        asked.clear()
    assert made == [PATIENTS, PATIENTS, 0]


class Turned:
    """An image that is turned while training."""

    def __init__(self, image: Tensor, varies: bool | None) -> None:
        self.image = image
        if varies is not None:
            self.varies = varies

    def load(self, rng: Any = None) -> Tensor:
        return self.image if rng is None else self.image.flip(-1)

    def size(self) -> int:
        return self.image.numel()

    def fingerprint(self) -> bytes:
        return b"turned"


@pytest.mark.parametrize("varies", [True, None])  # one that does not say may change
def test_what_is_augmented_is_encoded_anew_and_that_is_told(varies: bool | None, asked: list[int]) -> None:
    block, encoder, data = counting()
    column = data.column("ct").input()
    lazy = LazyColumn([Turned(image, varies) for image in column], column[:0], ragged=False)  # type: ignore[arg-type]
    with pytest.warns(LegoWarning, match="encoder of 'ct' works anew in each epoch: what training sees changes"):
        trained(block, data.with_column("ct", lazy))
    assert sum(asked) == round(0.2 * PATIENTS)  # the validation part alone
    assert sum(encoder.seen) >= EPOCHS * 0.7 * PATIENTS


def test_an_item_that_does_not_change_is_encoded_once(asked: list[int]) -> None:
    block, _encoder, data = counting()
    column = data.column("ct").input()
    lazy = LazyColumn([Turned(image, False) for image in column], column[:0], ragged=False)  # type: ignore[arg-type]
    trained(block, data.with_column("ct", lazy))
    assert sum(asked) == PATIENTS


def test_features_that_do_not_fit_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen, "memory", lambda: 4 * 1000)
    block, encoder, data = counting()
    with pytest.warns(
        LegoWarning, match="works anew in each epoch: features of 19 patients do not fit into the memory"
    ):
        trained(block, data)
    assert sum(encoder.seen) >= EPOCHS * 0.7 * PATIENTS


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MMLEGO_CACHE", str(tmp_path / "file"))
    with pytest.warns(LegoWarning, match="Features cannot be kept in") as told:
        trained(*counting()[::2])
    assert len([one for one in told if "cannot be kept" in str(one.message)]) == 1
