"""What each column of a row adds to the answer of a fitted model, beside that to another row."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmlego.errors import InputError
from mmlego.explaining.tree_shares import tree_shares, ways_of
from mmlego.learners.linear import Linear
from mmlego.learners.per_cause import PerCause
from mmlego.learners.selected import Selected
from mmlego.learners.trees import Trees

ORDERS = 16  # in which columns come in, forwards and backwards, where nothing better is known
MOST_COLUMNS = 2000  # of such a model


def row_shares(learner: nn.Module, row: Tensor, base: Tensor, weight: Tensor) -> tuple[Tensor, bool]:
    r"""Return how much each column of a row adds to ``w · raw scores``, beside those of another row.

    Linear models: ``w_j (x_j − x'_j)``, exact. Trees and forests: :func:`tree_shares`, exact. Any other: Shapley values
    over 32 orders in which columns come in, sixteen drawn and each of these backwards (Castro et al. 2009); their sum
    is exact, the shares are estimates.

    Parameters
    ----------
    learner
        Rows ``(b, p)`` to raw scores ``(b, m)``.
    row, base
        ``(p,)`` each.
    weight
        ``w``, ``(m,)``.

    Returns
    -------
    Tensor, bool
        Float64 ``(p,)``, whose sum is ``w · (raw(row) − raw(base))``; and whether they are exact.

    Raises
    ------
    InputError
        If a model that can only be asked has more than 2000 columns.

    Examples
    --------
    >>> import numpy as np
    >>> from mmlego.learners import Ridge
    >>> ridge = Ridge.of(np.array([[2.0], [1.0]]), np.array([3.0]))
    >>> row_shares(ridge, torch.tensor([1.0, 4.0]), torch.zeros(2), torch.ones(1))
    (tensor([2., 4.], dtype=torch.float64), True)
    """
    row, base, weight = row.double(), base.double(), weight.double()
    if isinstance(learner, Selected):
        kept = torch.tensor(learner.config["kept"])
        inner, exact = row_shares(learner.learner, row[kept], base[kept], weight)
        return torch.zeros_like(row).index_copy(0, kept, inner), exact
    if isinstance(learner, PerCause):
        parts = [row_shares(one, row, base, weight[cause : cause + 1]) for cause, one in enumerate(learner.learners)]
        return torch.stack([shares for shares, _ in parts]).sum(0), all(exact for _, exact in parts)
    if isinstance(learner, Linear):
        return (row - base) * (learner.weight @ weight), True
    if isinstance(learner, Trees):
        return tree_shares(learner, row, base, weight), True
    return _sampled(learner, row, base, weight), False


def beside_others(learner: nn.Module, row: Tensor, others: Tensor, weight: Tensor) -> Tensor | None:
    """Return the shares of :func:`row_shares` beside each of several rows, float64 ``(r, p)``.

    None for models that can only be asked, of whom that would be asking much.

    Parameters
    ----------
    learner, row, weight
        As there.
    others
        ``(r, p)``.
    """
    if isinstance(learner, Selected):
        kept = torch.tensor(learner.config["kept"])
        inner = beside_others(learner.learner, row[kept], others[:, kept], weight)
        return None if inner is None else inner.new_zeros(len(others), len(row)).index_copy(1, kept, inner)
    if isinstance(learner, PerCause):
        parts = [beside_others(one, row, others, weight[c : c + 1]) for c, one in enumerate(learner.learners)]
        known = [part for part in parts if part is not None]
        return torch.stack(known).sum(0) if len(known) == len(parts) else None
    row, others, weight = row.double(), others.double(), weight.double()
    if isinstance(learner, Linear):
        return (row - others) * (learner.weight @ weight)
    if isinstance(learner, Trees):
        ways = ways_of(learner)
        return torch.stack([tree_shares(learner, row, other, weight, ways) for other in others])
    return None


def _sampled(learner: nn.Module, row: Tensor, base: Tensor, weight: Tensor) -> Tensor:
    differ = (~((row == base) | (row.isnan() & base.isnan()))).nonzero().squeeze(1)
    if len(differ) > MOST_COLUMNS:
        raise InputError(
            "a model of another library has too many columns to be explained",
            expected=f"at most {MOST_COLUMNS} that differ from the base",
            got=len(differ),
            remedy="Explain a model of learners, as encoders.NAME.name: ridge, forest or boosting makes it.",
        )
    total = torch.zeros_like(row)
    generator = torch.Generator().manual_seed(0)
    orders = [order for _ in range(ORDERS) for order in _both_ways(torch.randperm(len(differ), generator=generator))]
    for order in orders:
        rows = base.expand(len(order) + 1, -1).clone()
        for place, column in enumerate(differ[order].tolist(), start=1):
            rows[place:, column] = row[column]
        answers = learner(rows).double() @ weight
        total[differ[order]] += answers.diff() / len(orders)
    return total


def _both_ways(order: Tensor) -> tuple[Tensor, Tensor]:
    return order, order.flip(0)
