"""Training with differential privacy: what a patient can move is bounded, and hidden in noise (DP-SGD).

Each step draws every patient with probability ``q`` apart (Poisson sampling), clips the gradient of each to a norm of
``C``, adds noise of ``N(0, σ²C²)`` to their sum and divides by the size that a batch is expected to have (Abadi et al.
2016, *Deep learning with differential privacy*, algorithm 1). ε is that of Rényi differential privacy of the sampled
Gaussian mechanism (Mironov, Talwar, Zhang 2019), as ``opacus`` counts it.

Gradients are taken patient by patient: so they are right for any encoder, complex layers and bags of any length.
"""

from __future__ import annotations

import math
import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from mmlego.block import LegoBlock
from mmlego.brick import Brick
from mmlego.data import Batch, PatientData
from mmlego.errors import InputError
from mmlego.extras import import_extra
from mmlego.sections import PrivacySettings
from mmlego.training.adamw import AdamW
from mmlego.training.alone import TrainerAlone, TrainingAlone
from mmlego.training.callbacks import Callback

INSTALL = "'mmlego[private]'"
ACCOUNTANT = "rdp"
MOST_NOISE = 1e4  # of the multiplier: where so much is needed, nothing would be learnt
# What is fitted to the same patients, or looks at them, and is not covered.
UNCOVERED = "preprocessing, cuts of time, scales of targets, prior, scores, early stopping and calibration"


@dataclass(frozen=True)
class Privacy:
    """What was promised of the weights of one training.

    Parameters
    ----------
    epsilon, delta
        Whether one more patient was trained on changes the probability of any weights at most by a factor of
        ``exp(epsilon)``, but for ``delta``.
    noise_multiplier
        ``σ``: the deviation of the noise in units of ``max_grad_norm``.
    max_grad_norm
        ``C``: the largest norm of the gradient of one patient.
    sample_rate, steps
        ``q``, the probability that a step sees a patient, and the number of steps that ε is of: all that were
        planned, also where early stopping took fewer.
    accountant
        By which it was counted.
    """

    epsilon: float
    delta: float
    noise_multiplier: float
    max_grad_norm: float
    sample_rate: float
    steps: int
    accountant: str = ACCOUNTANT

    def config(self, *, begun: bool) -> dict[str, Any]:
        """Return it as a card tells it.

        Parameters
        ----------
        begun
            Whether the weights had been trained before.
        """
        told = asdict(self) | {"covers": f"the training of the weights, not {UNCOVERED}"}
        if begun:
            told["begun"] = "from weights that were trained before, whose own training it does not cover"
        return told


def plan(given: Mapping[str, Any], patients: int, batch_size: int, epochs: int) -> Privacy:
    """Return what a training will promise: the noise for an ε, or the ε of a noise.

    Parameters
    ----------
    given
        The fields of :class:`~mmlego.sections.PrivacySettings`.
    patients
        To train on.
    batch_size
        Patients that a step shall see on average.
    epochs
        At most so many.

    Raises
    ------
    MissingExtraError
        If opacus is not installed.
    InputError
        If ``delta`` is not below one by the number of patients, or no noise gives so small an ε.
    """
    wanted = PrivacySettings(**given)
    if wanted.delta >= 1 / patients:
        least = 10.0 ** math.floor(math.log10(0.1 / patients))
        raise InputError(
            "delta of privacy",
            expected=f"far below 1 / {patients}, one by the number of training patients",
            got=f"{wanted.delta:g}",
            remedy=f"Set delta to {least:g}: at 1 / n a patient may be given away.",
        )
    a_epoch = math.ceil(patients / batch_size)
    rate, steps = 1 / a_epoch, a_epoch * epochs
    noise = wanted.noise_multiplier
    if noise is None:
        noise = _noise_for(cast(float, wanted.epsilon), wanted.delta, rate, steps)
    epsilon = epsilon_of(noise, wanted.delta, rate, steps)
    return Privacy(epsilon, wanted.delta, noise, wanted.max_grad_norm, rate, steps)


def epsilon_of(noise_multiplier: float, delta: float, sample_rate: float, steps: int) -> float:
    """Return the ε of so many steps, as opacus counts it.

    Parameters
    ----------
    noise_multiplier, delta, sample_rate, steps
        As in :class:`Privacy`.

    Raises
    ------
    MissingExtraError
        If opacus is not installed.
    """
    accountant = import_extra("opacus.accountants", "training with privacy", INSTALL).create_accountant(ACCOUNTANT)
    accountant.history = [(noise_multiplier, sample_rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that another order might tell a smaller ε: this one holds, too
        return float(accountant.get_epsilon(delta))


def _noise_for(epsilon: float, delta: float, rate: float, steps: int) -> float:
    """Return the least noise whose ε is not above what is asked for, to a thousandth."""
    utils = import_extra("opacus.accountants.utils", "training with privacy", INSTALL)
    options = {"target_epsilon": epsilon, "target_delta": delta, "sample_rate": rate, "steps": steps}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found = float(
                utils.get_noise_multiplier(**options, accountant=ACCOUNTANT, epsilon_tolerance=epsilon / 1000)
            )
    except ValueError as error:
        raise InputError(
            "epsilon of privacy cannot be had", expected="a larger one, or fewer epochs", got=f"{epsilon:g}"
        ) from error
    if found > MOST_NOISE:
        raise InputError("epsilon of privacy", expected="one that noise below 10⁴ gives", got=f"{epsilon:g}")
    return found


def check_private(model: object, data: PatientData, class_weights: object) -> None:
    """Refuse what cannot be trained so that one patient's part is bounded.

    Parameters
    ----------
    model
        What shall be trained.
    data
        Its patients.
    class_weights
        As ``fit`` takes them.

    Raises
    ------
    InputError
        If it is no neural block, has layers that mix the patients of a batch, patients have several rows, or
        classes have weights.
    """
    if not isinstance(model, LegoBlock) or not model.learns:
        raise InputError(
            "privacy of fit",
            expected="a neural block",
            got=type(model).__name__,
            remedy="Merge blocks that were trained with privacy: merging trains nothing."
            if not isinstance(model, Brick)
            else "Make a LegoBlock with an encoder: a fitted model answers by patients without noise.",
        )
    for name, part in model.named_modules():
        mixes = isinstance(part, nn.modules.batchnorm._BatchNorm) or getattr(part, "track_running_stats", False)
        if mixes and part.training:
            raise InputError(
                f"layer {name} of the block of {model.modality!r} mixes the patients of a batch",
                expected="layers that treat each patient apart",
                got=type(part).__name__,
                remedy="Use another norm, as LayerNorm or GroupNorm, or freeze the encoder.",
            )
    if len(set(data.patients)) < len(data):
        raise InputError(
            "patients with several rows: privacy is of a patient",
            expected="one row a patient",
            got=f"{len(data)} rows of {len(set(data.patients))} patients",
        )
    if class_weights is not None:
        raise InputError(
            "class_weights with privacy",
            expected="None",
            got=f"{class_weights!r}: their scale counts the patients of each class",
            remedy="Leave class_weights out.",
        )


def clipped_sum(gradients: Iterator[Sequence[Tensor]], like: Sequence[Tensor], most: float) -> list[Tensor]:
    """Return the sum of gradients, each patient's as a whole clipped to a norm, ``Σᵢ gᵢ min(1, C / |gᵢ|)``.

    Parameters
    ----------
    gradients
        Of one patient after the other, a tensor a parameter.
    like
        The parameters.
    most
        ``C``.

    Raises
    ------
    InputError
        If the gradient of a patient is not finite.

    Examples
    --------
    >>> [total] = clipped_sum(iter([[torch.tensor([3.0, 4.0])], [torch.tensor([0.0, 0.5])]]), [torch.zeros(2)], 1.0)
    >>> total
    tensor([0.6000, 1.3000])
    """
    total = [torch.zeros_like(p) for p in like]
    for own in gradients:
        norm = float(torch.stack([torch.linalg.vector_norm(g).double() for g in own]).norm())
        if not math.isfinite(norm):
            raise InputError(
                "training diverged", expected="finite gradients", got="NaN or infinity", remedy="Lower lr=."
            )
        scale = min(1.0, most / norm) if norm else 1.0
        torch._foreach_add_(total, list(own), alpha=scale)
    return total


class PrivateTrainer(TrainerAlone):
    """Drive a block through its epochs with noise; chance is the system's own, for a seed would tell the noise.

    Parameters
    ----------
    privacy
        What is promised.
    callbacks, max_epochs, gradient_clip, folder, resumable, tensorboard
        As :class:`~mmlego.training.alone.TrainerAlone` takes them.
    """

    def __init__(
        self,
        privacy: Privacy,
        callbacks: Sequence[Callback],
        *,
        max_epochs: int,
        gradient_clip: float | None,
        folder: Path,
        resumable: bool,
        tensorboard: bool,
    ) -> None:
        super().__init__(
            callbacks,
            max_epochs=max_epochs,
            gradient_clip=gradient_clip,
            folder=folder,
            resumable=resumable,
            tensorboard=tensorboard,
        )
        self.privacy = privacy
        self.chance = torch.Generator().manual_seed(secrets.randbits(63))

    def _steps(self, training: TrainingAlone, optimizer: AdamW, batches: object) -> None:
        rule = self.privacy
        rows, seen, lost = len(training.data), 0, 0.0
        buffers = {name: value.clone() for name, value in training.model.named_buffers()}
        for _ in range(round(1 / rule.sample_rate)):
            drawn = torch.rand(rows, generator=self.chance) < rule.sample_rate
            chosen = drawn.nonzero().flatten().tolist()
            each = _Each(training, optimizer.moved, chosen)
            total = clipped_sum(iter(each), optimizer.moved, rule.max_grad_norm)
            for p, clipped in zip(optimizer.moved, total, strict=True):
                noise = torch.empty_like(clipped).normal_(generator=self.chance)
                p.grad = (clipped + noise * rule.noise_multiplier * rule.max_grad_norm) / (rows * rule.sample_rate)
            optimizer.step()
            self.global_step += 1
            seen, lost = seen + len(chosen), lost + each.lost
        training._loss = torch.tensor(lost / max(seen, 1) * rows)
        for name, value in training.model.named_buffers():
            if not torch.equal(value, buffers[name]):
                raise InputError(
                    f"{name} of the block of {training.model.modalities[0]!r} changes as patients pass",
                    expected="layers that keep nothing of them but weights, which noise covers",
                    got=type(training.model).__name__,
                )


class _Each:
    """The gradients of some patients, one after the other; the sum of their losses beside it."""

    def __init__(self, training: TrainingAlone, moved: Sequence[Tensor], rows: Sequence[int]) -> None:
        self.training, self.moved, self.rows = training, moved, rows
        self.lost = 0.0

    def __iter__(self) -> Iterator[list[Tensor]]:
        for row in self.rows:
            batch: Batch = self.training.made([row], self.training.current_epoch)
            logits = self.training._logits_of(batch)
            loss = self.training.model.task.loss(logits, cast(Tensor, batch.target), batch.weights)
            self.lost += float(loss.detach())
            found = torch.autograd.grad(loss, self.moved, allow_unused=True)
            yield [torch.zeros_like(p) if g is None else g for p, g in zip(self.moved, found, strict=True)]
