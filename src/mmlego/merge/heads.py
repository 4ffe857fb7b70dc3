"""Rules that merge heads: the rows of each tensor are interpolated linearly, on the sphere, or after matching."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from mmlego.errors import MismatchError, UnknownNameError

HeadTensors = dict[str, Tensor]

_NEARLY = 1e-6  # closer to (anti)parallel than this, the great circle is not determined: linear instead
_ROUNDS = 64


def linear(vectors: Tensor, weights: Tensor) -> Tensor:
    """Return ``Σ w_m θ_m`` of vectors ``(m, …)`` with weights ``(m,)``."""
    mean: Tensor = torch.tensordot(weights.to(vectors.dtype), vectors, dims=1)
    return mean


def slerp(vectors: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of directions on the sphere, with linearly interpolated norms.

    For two vectors the great-circle interpolation (Shoemake 1985); for more the weighted Karcher mean, by
    fixed-point steps ``μ ← exp_μ(Σ w_m log_μ u_m)`` (Buss and Fillmore 2001), which for two is the same. Where a
    vector is zero, or the directions are (anti)parallel, so that no great circle is determined: linear.

    Parameters
    ----------
    vectors
        Shape ``(m, …, d)``; each ``d``-vector is a point of its own.
    weights
        Shape ``(m,)``, ≥ 0, sum 1.

    Returns
    -------
    Tensor
        Shape ``(…, d)``.

    Examples
    --------
    >>> slerp(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0.5, 0.5]))
    tensor([0.7071, 0.7071])
    """
    counted = weights > 0
    vectors, w = vectors[counted], weights[counted].to(vectors.dtype)
    flat = linear(vectors, w)
    if vectors.shape[-1] == 1:
        return flat  # numbers have no directions between + and −
    norms = vectors.norm(dim=-1, keepdim=True)  # (m, …, 1)
    zero = (norms == 0).any(0)
    units = vectors / torch.where(norms == 0, 1.0, norms)
    column = w.reshape(-1, *[1] * (vectors.ndim - 1))
    mean = (column * units).sum(0)
    length = mean.norm(dim=-1, keepdim=True)
    # length 1: all parallel. length 0, or two that point apart: no mean on the sphere.
    straight = zero | (length > 1 - _NEARLY) | (length < _NEARLY)
    if len(vectors) == 2:
        straight = straight | ((units[0] * units[1]).sum(-1, keepdim=True) < _NEARLY - 1)
    # Rows that fall back get two orthogonal stand-ins, so that no NaN enters their gradients.
    safe = torch.zeros_like(units)
    safe[0, ..., 0] = 1.0
    safe[1:, ..., -1] = 1.0
    units = torch.where(straight, safe, units)
    direction = _two(units, w) if len(vectors) == 2 else _karcher(units, column)
    return torch.where(straight, flat, direction * (column * norms).sum(0))


def _two(units: Tensor, w: Tensor) -> Tensor:
    angle = _angle(units[0], units[1])
    return (torch.sin(w[0] * angle) * units[0] + torch.sin(w[1] * angle) * units[1]) / torch.sin(angle)


def _angle(a: Tensor, b: Tensor) -> Tensor:
    # atan2 of half-chords is accurate near 0 and π, where acos is not (Kahan).
    return 2 * torch.atan2((a - b).norm(dim=-1, keepdim=True), (a + b).norm(dim=-1, keepdim=True))


def _karcher(units: Tensor, column: Tensor) -> Tensor:
    total = (column * units).sum(0)
    mean: Tensor = total / total.norm(dim=-1, keepdim=True)
    for _ in range(_ROUNDS):
        cosine = (units * mean).sum(-1, keepdim=True)
        away = units - cosine * mean
        sine = away.norm(dim=-1, keepdim=True)
        still = sine < _NEARLY
        angle = torch.where(still, 1.0, torch.atan2(sine, cosine) / torch.where(still, 1.0, sine))
        move = (column * angle * away).sum(0)
        size = move.norm(dim=-1, keepdim=True)
        if bool((size < _NEARLY).all()):
            break
        mean = torch.cos(size) * mean + torch.sin(size) * move / torch.where(size < _NEARLY, 1.0, size)
    return mean


def ot(vectors: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of rows after matching them by optimal transport to a common centre.

    The centre starts as the linear mean; each matrix's rows are matched to it (exact transport between
    uniform measures, squared Euclidean cost) and averaged, twice. A vector has nothing to match: linear.

    Parameters
    ----------
    vectors
        Shape ``(m, rows, d)``.
    weights
        Shape ``(m,)``, ≥ 0, sum 1.
    """
    with warnings.catch_warnings():
        # Compiling it for the first time warns of escapes in its docstrings.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        import ot as transport

    centre = linear(vectors, weights)
    if vectors.ndim < 3 or vectors.shape[1] == 1:  # a single row would be matched to itself
        return centre
    rows = vectors.shape[1]
    even = torch.full((rows,), 1.0 / rows, dtype=torch.float64).numpy()
    for _ in range(2):
        target = centre.detach().double().cpu()
        matched = []
        for matrix in vectors:
            cost = torch.cdist(target, matrix.detach().double().cpu()).square().numpy()
            plan = torch.as_tensor(transport.emd(even, even, cost) * rows)
            matched.append(plan.to(matrix.device, matrix.dtype) @ matrix)
        centre = linear(torch.stack(matched), weights)
    return centre


_HEADS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"linear": linear, "slerp": slerp, "ot": ot}


def head_rules() -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Return the rules that merge heads, by name.

    Examples
    --------
    >>> sorted(head_rules())
    ['linear', 'ot', 'slerp']
    """
    return dict(_HEADS)


def check_head_rule(name: str, *more: str) -> None:
    """Raise an UnknownNameError that lists the known rules, and ``more``, if the name is none of them."""
    known = sorted([*_HEADS, *more])
    if not isinstance(name, str) or name not in known:
        raise UnknownNameError("unknown rule for heads", expected=f"one of {', '.join(known)}", got=repr(name))


def merge_heads(heads: Sequence[Mapping[str, Tensor]], weights: Tensor, rule: str = "slerp") -> HeadTensors:
    """Merge heads tensor by tensor.

    Parameters
    ----------
    heads
        The named tensors of each head; the last dimension of each tensor is a vector.
    weights
        Shape ``(m,)``, ≥ 0, sum 1.
    rule
        ``"linear"``, ``"slerp"`` or ``"ot"``.

    Returns
    -------
    dict of str to Tensor
        One merged tensor a name; one head alone is returned as it is.

    Raises
    ------
    UnknownNameError
        If the rule is unknown.
    MismatchError
        If the merged head is not finite.
    """
    check_head_rule(rule)
    used = [i for i, weight in enumerate(weights.tolist()) if weight > 0]
    if len(used) == 1:
        return dict(heads[used[0]])
    with torch.autocast(weights.device.type, enabled=False):
        merged = {name: _HEADS[rule](torch.stack([head[name] for head in heads]), weights) for name in heads[0]}
    for name, value in merged.items():
        if not bool(torch.isfinite(value).all()):
            raise MismatchError(
                f"the merged head is not finite in {name}",
                expected="finite weights in every block",
                got="NaN or infinity",
                remedy="Look for a block whose training diverged.",
            )
    return merged
