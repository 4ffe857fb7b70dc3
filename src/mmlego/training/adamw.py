"""AdamW for fits on the CPU: the steps of ``torch.optim.AdamW``, digit by digit, and its state.

That one goes through the parameters of a CPU one by one in Python, and asks torch's compiler before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class AdamW:
    """Move weights (Loshchilov and Hutter 2019): θ ← (1 − λγ)θ − γ m̂ / (√v̂ + ε).

    Parameters
    ----------
    groups
        Each with its ``params`` and their ``weight_decay``.
    lr, betas, eps
        γ, the decays of both means, ε.

    Raises
    ------
    RuntimeError
        From ``step``, if a gradient is sparse.

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = AdamW([{"params": [weight], "weight_decay": 0.0}], lr=0.1)
    >>> weight.grad = torch.tensor([3.0, -0.5])
    >>> optimizer.step()
    >>> weight.tolist()
    [0.8999999761581421, -1.899999976158142]
    """

    def __init__(
        self, groups: Sequence[dict[str, Any]], lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        self.lr, self.betas, self.eps = lr, betas, eps
        self.groups: list[tuple[list[Tensor], float]] = [(list(g["params"]), g["weight_decay"]) for g in groups]
        self.moved = [p for params, _ in self.groups for p in params]
        # By the number of the parameter: steps taken, and the means of gradients and of their squares.
        self.state: dict[int, tuple[int, Tensor, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.moved:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take a step with those parameters that have a gradient."""
        number = 0
        for params, decay in self.groups:
            alike: dict[int, list[int]] = {}  # a parameter that had no gradient in some batch has taken fewer steps
            for i in range(number, number + len(params)):
                if self.moved[i].grad is not None:
                    taken = self.state[i][0] if i in self.state else 0
                    alike.setdefault(taken + 1, []).append(i)
            for taken, some in alike.items():
                self._move(some, taken, decay)
            number += len(params)

    def _move(self, numbers: list[int], taken: int, decay: float) -> None:
        for i in numbers:
            p = self.moved[i]
            means = self.state[i][1:] if i in self.state else (torch.zeros_like(p), torch.zeros_like(p))
            self.state[i] = (taken, *means)
        weights = [_real(self.moved[i]) for i in numbers]
        gradients = [_real(_dense(self.moved[i])) for i in numbers]
        first = [_real(self.state[i][1]) for i in numbers]
        second = [_real(self.state[i][2]) for i in numbers]
        beta1, beta2 = self.betas
        if decay != 0:
            torch._foreach_mul_(weights, 1 - self.lr * decay)
        torch._foreach_lerp_(first, gradients, 1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, gradients, gradients, 1 - beta2)
        scale = torch._foreach_sqrt(second)
        torch._foreach_div_(scale, (1 - beta2**taken) ** 0.5)
        torch._foreach_add_(scale, self.eps)
        torch._foreach_addcdiv_(weights, first, scale, -self.lr / (1 - beta1**taken))

    def state_dict(self) -> dict[str, Any]:
        """Return the state as ``torch.optim.AdamW`` has it."""
        names = ("step", "exp_avg", "exp_avg_sq")
        state = {
            i: dict(zip(names, (torch.tensor(float(s)), m, v), strict=True)) for i, (s, m, v) in self.state.items()
        }
        plain = {"lr": self.lr, "betas": self.betas, "eps": self.eps, "amsgrad": False, "maximize": False}
        plain |= {"foreach": None, "capturable": False, "differentiable": False, "fused": None}
        groups, number = [], 0
        for params, decay in self.groups:
            those = list(range(number, number + len(params)))
            groups.append(plain | {"weight_decay": decay, "decoupled_weight_decay": True, "params": those})
            number += len(params)
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state of either."""
        self.state = {
            int(i): (int(of["step"]), of["exp_avg"].clone(), of["exp_avg_sq"].clone())
            for i, of in state["state"].items()
        }


def _dense(parameter: Tensor) -> Tensor:
    gradient = parameter.grad
    if gradient is None or gradient.is_sparse:
        raise RuntimeError("AdamW does not support sparse gradients")
    return gradient


def _real(value: Tensor) -> Tensor:
    return torch.view_as_real(value) if value.is_complex() else value
