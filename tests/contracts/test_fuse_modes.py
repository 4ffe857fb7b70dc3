"""Every mode of LegoFuse, on every kind of plate, walked through one list of checks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch

from mmlego import Baseplate, LegoFuse
from mmlego.fuse import Mode
from mmlego.tasks import Classification, MultiLabel, Regression, Survival
from tests.bricks import assert_same, batch, doubled, family, gradients, only, plate, snapshot

PLATES: dict[str, Callable[[], Baseplate]] = {
    "classes": plate,
    "odd channels, own steps": lambda: plate(channels=7, steps=3, share_steps=False),
    "spatial": lambda: plate(domain="spatial"),
    "real": lambda: plate(state="real"),
    "untracked, not normalised": lambda: plate(state="untracked", normalise=False),
    "one step": lambda: plate(steps=1),
    # Normalised over one channel, a latent keeps its signs alone: nothing of the first block would be heard.
    "one channel": lambda: plate(channels=1, normalise=False),
    "survival": lambda: plate(Survival([1.0, 2.0, 3.0])),
    "labels": lambda: plate(MultiLabel(["a", "b"])),
    "one number": lambda: plate(Regression()),
    "two classes": lambda: plate(Classification(2)),
}
PRESENT = {
    "rna": torch.tensor([True, False, True, False, True]),
    "slide": torch.tensor([True, True, False, False, True]),
    "vitals": torch.tensor([True, True, False, True, True]),
}


def fuse(mode: Any, on: Baseplate, **options: Any) -> LegoFuse:
    return LegoFuse(family(3, on), mode=mode, **options).eval()


def inputs_of(model: LegoFuse, b: int = 5) -> dict[str, Any]:
    return batch([model.block(name) for name in model.modalities], b)


# --- the checks


def answers_in_shape(mode: Any, on: Baseplate) -> None:
    model = fuse(mode, on)
    for b in (1, 5):
        inputs = inputs_of(model, b)
        assert model(inputs).shape == (b, on.task.outputs)
        spectrum = model.spectrum(inputs)
        assert spectrum.shape == (b, on.channels, on.width)
        assert spectrum.is_complex()
        assert torch.isfinite(torch.view_as_real(spectrum)).all()


def predicts_in_units_of_the_task(mode: Any, on: Baseplate) -> None:
    model = fuse(mode, on)
    assert type(model.predict(inputs_of(model))) is type(on.task.predict(torch.zeros(5, on.task.outputs)))


def treats_samples_apart_whoever_is_missing(mode: Any, on: Baseplate) -> None:
    """In double precision: where phases nearly cancel, their mean magnifies rounding."""
    model = fuse(mode, on).double()
    inputs = doubled(inputs_of(model))
    logits = model(inputs, PRESENT)
    for i in range(5):
        alone = model(only(inputs, [i], [name for name, row in PRESENT.items() if row[i]]))
        torch.testing.assert_close(logits[i : i + 1], alone)


def hears_every_modality(mode: Any, on: Baseplate) -> None:
    model = fuse(mode, on)
    inputs, other = inputs_of(model), batch([model.block(name) for name in model.modalities], 5, seed=9)
    before = model(inputs)
    for name in inputs:
        assert (model({**inputs, name: other[name]}) - before).abs().max() > 1e-6


def trains_every_block_and_nothing_else(mode: Any, on: Baseplate) -> None:
    blocks = family(3, on)
    source = [snapshot(block) for block in blocks]
    model = LegoFuse(blocks, mode=mode)
    before = snapshot(model)
    model(inputs_of(model), PRESENT).square().sum().backward()
    assert_same(before, snapshot(model))
    for name in model.modalities:
        assert any(grad.abs().max() > 0 for grad in gradients(model.block(name)).values())
    assert all(torch.isfinite(grad).all() for grad in gradients(model).values())
    for block, was in zip(blocks, source, strict=True):
        assert_same(was, snapshot(block))


def answers_twice_alike_and_as_its_copy(mode: Any, on: Baseplate) -> None:
    model = fuse(mode, on)
    inputs = inputs_of(model)
    first = model(inputs, PRESENT)
    assert torch.equal(model(inputs, PRESENT), first)
    assert torch.equal(copy.deepcopy(model)(inputs, PRESENT), first)


def drops_modalities_in_training(mode: Any, on: Baseplate) -> None:
    model = fuse(mode, on, modality_dropout=0.5).train()
    for _ in range(5):
        assert torch.isfinite(model(inputs_of(model), PRESENT)).all()


LAWS = (
    answers_in_shape,
    predicts_in_units_of_the_task,
    treats_samples_apart_whoever_is_missing,
    hears_every_modality,
    trains_every_block_and_nothing_else,
    answers_twice_alike_and_as_its_copy,
    drops_modalities_in_training,
)


@pytest.mark.parametrize("assert_law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("kind", PLATES)
@pytest.mark.parametrize("mode", get_args(Mode))
def test_a_mode(mode: str, kind: str, assert_law: Callable[[Any, Baseplate], None]) -> None:
    assert_law(mode, PLATES[kind]())
