"""How large what is built may become: told before anything is allocated, not when memory has run out."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

from mmlego.errors import InputError

_BYTES = 4  # of a weight in single precision; gradients and what Adam keeps come on top where it is trained
_SLACK = 2**24  # numbers that are no weights, as masks and positions
_CGROUP = Path("/sys/fs/cgroup/memory.max")
_SHAPED = frozenset({torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn})
_SIZED_FIRST = frozenset({torch.full, torch.empty_strided})
_NEW = frozenset({Tensor.new_empty, Tensor.new_zeros, Tensor.new_ones, Tensor.new_full})


class TooLargeError(InputError):
    """What would be built needs more memory than it may."""


@dataclass
class _Budget:
    what: str
    numbers: int  # of all weights and buffers
    tensors: int  # how many of them
    why: str
    weights: int = 0
    count: int = 0
    modules: int = 0

    def one(self, numbers: int) -> None:
        if numbers > self.numbers + _SLACK:
            raise _too_large(self, f"a tensor of {told(numbers)}")

    def add(self, numbers: int) -> None:
        self.weights, self.count = self.weights + numbers, self.count + 1
        if self.weights > self.numbers + _SLACK:
            raise _too_large(self, f"{told(self.weights)} and more")
        if self.count > self.tensors:
            raise _too_large(self, f"more than {self.tensors} tensors")


_NOW: ContextVar[tuple[_Budget, ...]] = ContextVar("_NOW", default=())
_HOOKED = threading.Lock()
_hooked: dict[str, Any] = {"users": 0, "handles": []}


def memory() -> int:
    """Return how many bytes of memory the machine has, or the part of it that this process may use.

    Examples
    --------
    >>> memory() > 2**20
    True
    """
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        found = 2**36
    try:
        return min(found, int(_CGROUP.read_text(encoding="ascii")))
    except (OSError, ValueError):  # there is none, or it says "max"
        return found


def most_weights() -> int:
    """Return how many weights in single precision the memory of this machine holds."""
    return memory() // _BYTES


_MACHINE = "in single precision, in the memory of this machine"
_FILE = "as the weights in the file have it"


@contextmanager
def bounded(what: str, *, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Iterator[None]:
    """Refuse tensors that would not fit before they are allocated, for as long as something is built.

    Without shapes the bound is the memory of the machine. With those of the tensors in a file it is eight times what is
    there, for some networks build a part that they leave out; and as many tensors and modules in proportion.

    Parameters
    ----------
    what
        What is built, for the message.
    shapes
        Of the tensors in the file, by name.

    Raises
    ------
    TooLargeError
        If what is built is too large.

    Examples
    --------
    >>> with bounded("an example", shapes={"weight": (8, 8)}):
    ...     nn.Linear(100_000, 100_000)
    Traceback (most recent call last):
    ...
    mmlego.budget.TooLargeError: an example is too large: expected at most ... numbers (...), got a tensor of ...
    """
    if shapes is None:
        budget = _Budget(what, most_weights(), 100_000, _MACHINE)
    else:
        budget = _Budget(what, 8 * sum(map(math.prod, shapes.values())), 1000 + 8 * len(shapes), _FILE)
    token = _NOW.set((*_NOW.get(), budget))
    _hook(1)
    try:
        with _Sizes():
            yield
    finally:
        _hook(-1)
        _NOW.reset(token)


def _hook(change: int) -> None:
    """Count parameters, buffers and modules of all threads that have a budget, as long as one has."""
    with _HOOKED:
        _hooked["users"] += change
        if _hooked["users"] == 1 and change == 1:
            _hooked["handles"] = [
                hooks.register_module_parameter_registration_hook(_weighed),
                hooks.register_module_buffer_registration_hook(_weighed),
                hooks.register_module_module_registration_hook(_counted),
            ]
        elif not _hooked["users"]:
            for handle in _hooked["handles"]:
                handle.remove()
            _hooked["handles"] = []


def _weighed(module: nn.Module, name: str, value: Tensor | None) -> None:
    if isinstance(value, Tensor) and not isinstance(value, nn.UninitializedParameter | nn.UninitializedBuffer):
        for budget in _NOW.get():
            budget.add(value.numel())


def _counted(module: nn.Module, name: str, value: nn.Module | None) -> None:
    for budget in _NOW.get():
        budget.modules += 1
        if budget.modules > 10 * budget.tensors:
            raise _too_large(budget, f"more than {10 * budget.tensors} modules")


class _Sizes(TorchFunctionMode):
    """Looks at the size of each new tensor before it is there."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, if what it makes is not too large."""
        kwargs = kwargs or {}
        numbers = _numbers(func, args, kwargs)
        if numbers:
            for budget in _NOW.get():
                budget.one(numbers)
        return func(*args, **kwargs)


def _numbers(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """Return how many numbers a function would make; 0 where that is not known, or no more than it was given."""
    if func in _SHAPED:
        return _product(kwargs.get("size", args))
    if func in _SIZED_FIRST:
        return _product(kwargs.get("size", args[:1]))
    if func in _NEW:
        return _product(kwargs.get("size", args[1:2] if func is Tensor.new_full else args[1:]))
    if func is torch.randint:
        return _product(kwargs.get("size", args[-1:]))
    if func is torch.randperm:
        return _product(args[:1])
    if func is torch.eye:
        return _product((*args, *args)[:2])
    if func is torch.arange:
        bounds = [one for one in args if isinstance(one, int | float)] + [
            kwargs[name] for name in ("start", "end", "step") if name in kwargs
        ]
        start, end, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1, 1)[:3]
        return max(0, int((end - start) / step)) if step and all(map(math.isfinite, (start, end, step))) else 0
    if func in (torch.linspace, torch.logspace):
        return _product((kwargs.get("steps", args[2] if len(args) > 2 else 0),))
    if func is Tensor.repeat:
        given = args[1] if len(args) == 2 and not isinstance(args[1], int) else args[1:]
        return int(args[0].numel()) * _product((kwargs.get("repeats", given),))
    return 0


def _product(size: Any) -> int:
    """Return the product of a shape that is given as numbers or as one sequence of them."""
    numbers = 1
    for part in size if isinstance(size, tuple | list) else (size,):
        if isinstance(part, tuple | list):
            numbers *= _product(part)
        elif isinstance(part, int):
            numbers *= part
    return numbers


def _too_large(budget: _Budget, got: str) -> TooLargeError:
    return TooLargeError(
        f"{budget.what} is too large",
        expected=f"at most {told(budget.numbers + _SLACK)} ({budget.why})",
        got=got,
        remedy="Choose smaller sizes." if budget.why == _MACHINE else "The file is not what a save of mmlego wrote.",
    )


def told(numbers: int) -> str:
    """Return how many numbers these are, in brief.

    Examples
    --------
    >>> told(1200), told(10**12)
    ('1200 numbers', '1.0e+12 numbers')
    """
    return f"{numbers} numbers" if numbers < 10**6 else f"{float(min(numbers, 10**300)):.1e} numbers"
