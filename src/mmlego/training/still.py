"""What training leaves as it is, and the state of an interrupted run therefore need not hold."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mmlego.errors import CheckpointError
from mmlego.fingerprint import hash_tensors
from mmlego.training.evaluate import Model

_KEY = "still"
_PREFIX = "model."  # of the model in the state of whoever drives it


class Still:
    """The frozen parameters of a model in training: left out of its state, told there by name and hash.

    The weights of a large frozen encoder are most of a state that is written after every epoch, and whoever resumes has
    built the same encoder, or is refused. A parameter that was written to in place since the start, as an encoder might
    do in its forward pass, stays in the state. States that were written whole are read as ever.

    Parameters
    ----------
    model
        About to be trained.

    Examples
    --------
    >>> import torch
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.tasks import Classification
    >>> block = LegoBlock(torch.nn.Linear(5, 6), Baseplate(Classification(2), channels=4, width=8), "labs")
    >>> still = Still(block.freeze_encoder())
    >>> state = {"state_dict": {f"model.{name}": value for name, value in block.state_dict().items()}}
    >>> still.look()
    >>> still.leave_out(state)
    >>> state["still"]["names"], "model.encoder.weight" in state["state_dict"]
    (['encoder.weight', 'encoder.bias'], False)
    >>> still.put_back(state)
    >>> "model.encoder.weight" in state["state_dict"]
    True
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._at_first: dict[str, tuple[int, int]] = {}
        self._hashed: tuple[list[str], str] = ([], "")

    def look(self) -> None:
        """Note before the first epoch, what was resumed being in place, how frozen parameters are."""
        self._at_first = self._at_first or {name: _state(p) for name, p in self._frozen().items()}

    def leave_out(self, checkpoint: dict[str, Any]) -> None:
        """Take what stands still out of a state, the copies that callbacks hold too, and tell which it is.

        Parameters
        ----------
        checkpoint
            The state, as Lightning makes it: ``state_dict`` and ``callbacks``.
        """
        frozen = self._frozen()
        names = [name for name, p in frozen.items() if self._at_first.get(name) == _state(p)]
        if not names:
            return
        if self._hashed[0] != names:  # not in every epoch
            self._hashed = (names, hash_tensors({name: frozen[name].cpu() for name in names}))
        checkpoint[_KEY] = {"names": names, "sha256": self._hashed[1]}
        checkpoint["state_dict"] = _without(checkpoint["state_dict"], {_PREFIX + name for name in names})
        callbacks = checkpoint.get("callbacks", {})
        for name, kept in callbacks.items():
            if isinstance(kept, dict) and isinstance(kept.get("weights"), dict):
                callbacks[name] = kept | {"weights": _without(kept["weights"], set(names))}

    def put_back(self, checkpoint: dict[str, Any]) -> None:
        """Put what stands still into a state from which it was left out.

        Parameters
        ----------
        checkpoint
            The state.

        Raises
        ------
        CheckpointError
            If the model's own is not what the state was written with.
        """
        told = checkpoint.pop(_KEY, None)
        if told is None:
            return
        still = {name: p.cpu() for name, p in self._frozen().items() if name in told["names"]}
        if told != {"names": list(still), "sha256": hash_tensors(still)}:
            raise CheckpointError(
                "the state of training cannot be resumed",
                expected="the frozen weights that it was written with",
                got="others",
                remedy="Pass resume=False to start anew.",
            )
        checkpoint["state_dict"].update({_PREFIX + name: value for name, value in still.items()})
        for kept in checkpoint.get("callbacks", {}).values():
            if isinstance(kept, dict) and kept.get("weights"):
                whole = kept["weights"] | {name: value.clone() for name, value in still.items()}
                kept["weights"] = {name: whole[name] for name in self.model.state_dict()}

    def _frozen(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in self.model.named_parameters() if not p.requires_grad}


def _state(parameter: Tensor) -> tuple[int, int]:
    """Return what changes when something is written to a parameter, or another tensor takes its place."""
    return parameter._version, parameter.data_ptr()


def _without(tensors: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in tensors.items() if name not in names}
