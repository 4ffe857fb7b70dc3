"""Baseplate: all that blocks share, so that what is trained apart fits together."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Self, get_args

import torch
from torch import Tensor, nn

from mmlego.bounds import bounds_of, within
from mmlego.budget import bounded
from mmlego.errors import InputError, MismatchError
from mmlego.nn.attention import CrossAttention
from mmlego.nn.feedforward import GatedFeedForward
from mmlego.nn.spectral import Domain, Spectrum, State
from mmlego.sections import PlateSettings
from mmlego.shaping import shapes_alone
from mmlego.tasks import Task, task_from_config


class Head(nn.Module):
    """Read-out in the frequency domain: mean over ``c`` → LayerNorm → Linear.

    Parameters
    ----------
    width
        ``d``, the width of the latent.
    outputs
        ``k``, the width of the logits.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, outputs)

    def forward(self, mean: Tensor) -> Tensor:
        """Return logits ``(b, k)`` of the mean over ``c`` of the real part, ``(b, d)``."""
        logits: Tensor = self.linear(self.norm(mean))
        return logits


class Step(nn.Module):
    """One step of a block: cross-attention over tokens of width ``e``, then a gated feed-forward.

    Parameters
    ----------
    plate
        Gives the latent's width and the heads.
    token_width
        ``e``, the width of the tokens.
    """

    def __init__(self, plate: Baseplate, token_width: int) -> None:
        super().__init__()
        self.attention = CrossAttention(
            plate.width,
            token_width,
            plate.heads,
            plate.head_width,
            temperature=plate.temperature,
            activation=plate.activation,
            steps=plate.steps if plate.share_steps else 1,
        )
        self.feedforward = GatedFeedForward(plate.width, plate.expansion)
        self.dropout = nn.Dropout(plate.dropout)


class InitialValues(Mapping[str, Tensor]):
    """Initial values by name, read-only: each access gives a copy, so that writing into one changes nothing.

    Parameters
    ----------
    values
        Tensors by name, which are kept as they are.

    Examples
    --------
    >>> values = InitialValues({"latent": torch.zeros(2)})
    >>> values["latent"].add_(1.0), values["latent"]
    (tensor([1., 1.]), tensor([0., 0.]))
    """

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Tensor:
        return self._values[name].clone()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"InitialValues({', '.join(f'{name} {tuple(value.shape)}' for name, value in self._values.items())})"


class Baseplate:
    """What every block of a family has in common; share it before training, and the blocks will merge.

    It holds the task, the shape of the latent and the initial values of all that does not depend on the
    modality: latent, query and output projections, feed-forward, norms and head. Blocks that start from the
    same values stay in a common basis; blocks that start from unrelated ones cannot be averaged. A Baseplate
    is never changed after it is made: its fields cannot be set, and ``initial`` gives copies.

    Parameters
    ----------
    task
        What the logits mean; its label space (classes, time bins) is part of the plate.
    channels
        ``c``, the number of latent channels.
    width
        ``d``, the width of the latent.
    steps
        ``S``, how often a block attends to its tokens.
    heads, head_width
        Number of attention heads and width of each.
    seed
        Seed of the initial values; the same seed gives the same plate on every machine.
    expansion
        Hidden width of the feed-forward, in multiples of ``width``.
    temperature
        Divides the attention scores.
    activation
        ``"identity"`` or ``"leaky_relu"``, after the attention's output projection.
    normalise
        Whether the latent is divided by its norm over ``c`` before each step.
    domain
        ``"frequency"``, or ``"spatial"`` (every transform is the identity).
    state
        What the inverse transform between steps keeps: ``"complex"``, ``"real"`` or ``"untracked"`` (the imaginary
        part of the spectrum is dropped before it). Blocks start from a real latent, for which the first two agree.
    share_steps
        Whether the steps of a block share their weights.
    dropout
        Dropout of each update while training.
    initial
        Initial values by name, instead of drawing them; used when a plate is loaded.

    Raises
    ------
    InputError
        If a number is out of range or a name is unknown, or a field is set afterwards.

    Examples
    --------
    >>> from mmlego.tasks import Classification
    >>> plate = Baseplate(Classification(2), channels=8, width=16, seed=1)
    >>> plate.fingerprint == Baseplate(Classification(2), channels=8, width=16, seed=1).fingerprint
    True
    >>> plate.differences(Baseplate(Classification(3), channels=8, width=16, seed=1, steps=3))[-2:]
    ['steps: 2 ≠ 3', 'initial values of head.linear.bias, head.linear.weight']
    """

    def __init__(
        self,
        task: Task,
        *,
        channels: int = 32,
        width: int = 32,
        steps: int = 2,
        heads: int = 4,
        head_width: int = 16,
        seed: int = 0,
        expansion: int = 2,
        temperature: float = 1.0,
        activation: str = "identity",
        normalise: bool = True,
        domain: Domain = "frequency",
        state: State = "complex",
        share_steps: bool = True,
        dropout: float = 0.0,
        initial: Mapping[str, Tensor] | None = None,
    ) -> None:
        if not isinstance(task, Task):
            raise InputError(
                "a Baseplate needs a task",
                expected="a task from mmlego.tasks, e.g. Classification(2)",
                got=type(task).__name__,
            )
        self.task = task
        self.channels, self.width, self.steps = channels, width, steps
        self.heads, self.head_width, self.seed = heads, head_width, seed
        self.expansion, self.temperature, self.activation = expansion, temperature, activation
        self.normalise, self.domain, self.state = normalise, domain, state
        self.share_steps, self.dropout = share_steps, dropout
        self._check()
        self.initial = InitialValues(self._draw() if initial is None else self._checked(initial))
        self.fingerprint: str = _fingerprint(self.config(), self.initial)

    def __setattr__(self, name: str, value: object) -> None:
        if "fingerprint" in self.__dict__:  # the last that is set while one is made
            raise InputError(
                f"{name} of a Baseplate cannot be set, for it is never changed once it is made",
                expected="a new Baseplate(task, ...)",
                got=f"{name} = {value!r:.60}",
            )
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise InputError(f"{name} of a Baseplate cannot be deleted, for it is never changed once it is made")

    def _check(self) -> None:
        for name in PlateSettings.model_fields:
            if bounds_of(PlateSettings, name) is not None:
                value = getattr(self, name)
                number = within(PlateSettings, name, value, f"{name} of a Baseplate")
                if type(value) not in (int, float):  # 1 stays 1 beside 1.0: the fingerprint tells them apart
                    setattr(self, name, number)
        choices: dict[str, tuple[object, ...]] = {
            "normalise": (True, False),
            "share_steps": (True, False),
            "activation": ("identity", "leaky_relu"),
            "domain": get_args(Domain),
            "state": get_args(State),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                expected = "one of " + ", ".join(map(str, known))
                raise InputError(f"{name} of a Baseplate", expected=expected, got=repr(getattr(self, name)))

    def _draw(self) -> dict[str, Tensor]:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"), bounded("a Baseplate"):
            torch.manual_seed(self.seed)
            values = _values(self)
            values["head.linear.bias"] = values["head.linear.bias"] + self.task.start
        return {name: value.detach().clone() for name, value in values.items()}

    def _checked(self, initial: Mapping[str, Tensor]) -> dict[str, Tensor]:
        expected = initial_shapes(self.config(), self.task.outputs)
        got = {name: tuple(value.shape) for name, value in initial.items()}
        if expected != got:
            odd = sorted(name for name in expected.keys() | got.keys() if expected.get(name) != got.get(name))
            raise MismatchError(
                "the initial values do not fit the Baseplate's fields",
                expected={name: expected.get(name) for name in odd},
                got={name: got.get(name) for name in odd},
            )
        return {name: initial[name].detach().cpu().float().clone() for name in expected}

    def start(self) -> Spectrum:
        """Return the spectrum of the shared start ``Z0``, scaled as a block scales it; batch of one."""
        start = Spectrum.of_latent(self.initial["latent"], self.domain)
        return start.normalised(self.domain) if self.normalise else start

    def config(self) -> dict[str, Any]:
        """Return all fields as JSON-able values; with the initial values it makes the same plate again."""
        names = (
            "channels width steps heads head_width seed expansion temperature activation normalise domain state "
            "share_steps dropout"
        )
        return {"task": self.task.config(), **{name: getattr(self, name) for name in names.split()}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], initial: Mapping[str, Tensor] | None = None) -> Self:
        """Return the plate that ``config()`` described."""
        fields = dict(config)
        return cls(task_from_config(fields.pop("task")), **fields, initial=initial)

    def differences(self, other: Baseplate) -> list[str]:
        """Return, a line each, in which fields and initial values another plate differs; the seed is no field."""
        mine, theirs = self.config(), other.config()
        lines = [f"task.{line}" for line in self.task.differences(other.task)]
        lines += [
            f"{name}: {mine[name]} ≠ {theirs[name]}"
            for name in mine
            if name not in ("task", "seed") and mine[name] != theirs[name]
        ]
        odd = [
            name
            for name in sorted(self.initial.keys() | other.initial.keys())
            if name not in self.initial
            or name not in other.initial
            or not torch.equal(self.initial[name], other.initial[name])
        ]
        return lines + ([f"initial values of {', '.join(odd)}"] if odd else [])

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # never changed, so copies of a model may share it

    def __repr__(self) -> str:
        return (
            f"Baseplate({self.task}, channels={self.channels}, width={self.width}, steps={self.steps}, "
            f"fingerprint={self.fingerprint[:12]})"
        )


def _values(plate: Any) -> dict[str, Tensor]:
    """Return new initial values for the fields of a plate, but for where the head starts."""
    values = {"latent": torch.randn(plate.channels, plate.width)}
    for s in range(1 if plate.share_steps else plate.steps):
        step = Step(plate, token_width=1).state_dict(prefix=f"steps.{s}.")
        values |= {name: value for name, value in step.items() if not depends_on_tokens(name)}
    return values | Head(plate.width, plate.task.outputs).state_dict(prefix="head.")


def initial_shapes(fields: Mapping[str, Any], outputs: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a plate's initial values by name, of which none is allocated.

    Parameters
    ----------
    fields
        As :meth:`Baseplate.config` has them; those left out have their defaults.
    outputs
        ``k``, the width of the logits.

    Examples
    --------
    >>> initial_shapes({"channels": 4, "width": 8}, 2)["latent"]
    (4, 8)
    """
    defaults = {one.name: one.default for one in inspect.signature(Baseplate).parameters.values()}
    plate = SimpleNamespace(**{**defaults, **fields, "task": SimpleNamespace(outputs=outputs)})
    with shapes_alone():
        return {name: tuple(value.shape) for name, value in _values(plate).items()}


def depends_on_tokens(name: str) -> bool:
    """Return whether a parameter's shape depends on the tokens, so that it belongs to one modality alone."""
    return any(part in name for part in (".norm_context.", ".to_k.", ".to_v."))


def _fingerprint(config: Mapping[str, Any], initial: Mapping[str, Tensor]) -> str:
    # The seed is left out: what counts is the values that it gave.
    fields = {name: value for name, value in config.items() if name != "seed"}
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode())
    for name in sorted(initial):
        value = initial[name].contiguous()
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
