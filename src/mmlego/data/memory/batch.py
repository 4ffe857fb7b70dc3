"""What a loader yields: the inputs of every modality for some patients, who has what, and the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from mmlego.nn.ragged import Ragged

Input: TypeAlias = Tensor | tuple[Tensor, Tensor] | Ragged | None


@dataclass
class Batch:
    """Some patients as a model takes them: ``model(batch.inputs, present=batch.present)``.

    Parameters
    ----------
    inputs
        For each modality, in order, a tensor ``(b, ...)``, a tensor with its token mask ``(b, n)``, a
        :class:`~mmlego.nn.ragged.Ragged` of ``b`` bags, or None where no patient of the batch has it.
    present
        For each modality a boolean tensor ``(b,)``: which patients have it. Rows without it are zeros (a
        tensor) or have length 0 (a Ragged).
    target
        The target in the task's canonical form, first axis ``b``, or None.
    patients
        The ``b`` patient ids.
    weights
        The weight of each patient in the loss, shape ``(b,)``, or None for equal weights.
    known
        By modality what fitted bricks answered out of fold, ``(b, q)``, NaN where they did not; None: ask them, by the
        features. Of patients whose features are left to chance they would know nobody.

    Examples
    --------
    >>> batch = Batch({"rna": torch.zeros(2, 3)}, {"rna": torch.tensor([True, False])}, None, ["p1", "p2"])
    >>> len(batch), batch.to("cpu").present["rna"].tolist()
    (2, [True, False])
    """

    inputs: dict[str, Input]
    present: dict[str, Tensor]
    target: Tensor | None
    patients: list[str]
    weights: Tensor | None = None
    known: dict[str, Tensor] | None = None

    def __len__(self) -> int:
        return len(self.patients)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """Return the batch on another device; floating dtypes stay as they are.

        Parameters
        ----------
        device
            Where to, say ``"cuda"``.
        non_blocking
            Copy without waiting, where the source lies in pinned memory.
        """
        return self._map(
            lambda tensor: tensor.to(device, non_blocking=non_blocking),
            lambda bags: bags.to(device, non_blocking=non_blocking),
        )

    def pin_memory(self) -> Batch:
        """Return the batch in pinned memory, as a data loader asks for."""
        return self._map(Tensor.pin_memory, lambda bags: bags.pin_memory())

    def _map(self, on_tensor: Callable[[Tensor], Tensor], on_bags: Callable[[Ragged], Ragged]) -> Batch:
        def moved(value: Input) -> Input:
            if value is None:
                return None
            if isinstance(value, Ragged):
                return on_bags(value)
            if isinstance(value, tuple):
                return on_tensor(value[0]), on_tensor(value[1])
            return on_tensor(value)

        return Batch(
            inputs={name: moved(value) for name, value in self.inputs.items()},
            present={name: on_tensor(mask) for name, mask in self.present.items()},
            target=None if self.target is None else on_tensor(self.target),
            patients=list(self.patients),
            weights=None if self.weights is None else on_tensor(self.weights),
            known=None if self.known is None else {name: on_tensor(told) for name, told in self.known.items()},
        )
