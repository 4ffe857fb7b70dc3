"""Stacking: how much each modality counts, or each member of one, learnt from patients whom they had not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from mmlego.data import PatientData
from mmlego.errors import InputError, MismatchError
from mmlego.learners.out_of_fold import deal_folds
from mmlego.merge import LegoMerge
from mmlego.merge.sharing import spread_out, summed_by
from mmlego.merge.weights import parts_within
from mmlego.scalars import as_number
from mmlego.tasks import Task
from mmlego.training.evaluate import Data, all_logits, data_for, warn_of_memory

# Chosen on splits of seeds 0 and 1: see docs/merging.md.
SPREAD = 0.5
MOST = 2.0  # of a member's weight
LEAST = 1e-6  # of spread
FEWEST = 20  # patients with several modalities


def stack(model: LegoMerge, data: Data, *, spread: float = SPREAD, batch_size: int = 64) -> dict[str, float]:
    r"""Weigh the modalities of a merge, in place, by what they are worth together; return the weights.

    Stacking (Wolpert 1992; Breiman 1996) of logits: of all weights ``w ≥ 0`` that sum to 1 those that minimise
    ``Σ_i ℓ(z_i(w), y_i) + Σ_m (M w_m − 1)² / 2τ²``, where ``z_i(w)`` is what the merge answers to patient ``i`` with
    these weights, made over the modalities that ``i`` has. The second term draws them towards equal ones: with few
    patients they stay there. A modality that is no help to the others may lose its whole weight; that of a patient who
    has no other still counts.

    Blocks of one modality share its weight by their training patients. It needs patients who have several modalities.
    What each block says alone, without such patients, ``"evidence"`` and calibration weigh.

    Parameters
    ----------
    model
        With the common read-out and the rule ``residual``.
    data
        Patients whom its blocks were not trained on, or fitted blocks that tell their answers out of fold.
    spread
        τ, how far ``M w`` is thought to lie from 1 before any patient is seen; infinity: nothing is known.
    batch_size
        Patients at a time.

    Returns
    -------
    dict of str to float
        The weight of each modality, which the merge and its card have now.

    Raises
    ------
    InputError
        If fewer than twenty patients have several modalities and an outcome, heads are merged, the rule is another, or
        the spread is no number above zero.
    MismatchError
        If the model is no LegoMerge.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.tasks import Classification
    >>> plate = Baseplate(Classification(2), channels=4, width=8)
    >>> y, ids = torch.tensor([0, 1]).repeat(50), [f"p{i}" for i in range(100)]
    >>> told = {"rna": y[:, None] + torch.randn(100, 1), "noise": torch.randn(100, 1)}
    >>> blocks = [LegoBlock.of("logistic", plate, name, (x, y), patients=ids) for name, x in told.items()]
    >>> weights = stack(LegoMerge(blocks), PatientData(told, y, plate.task, ids))
    >>> weights["rna"] > weights["noise"]
    True
    """
    width = as_number(spread)
    if not width >= LEAST:
        raise InputError("spread of stack", expected=f"a number ≥ {LEAST:g}", got=repr(spread))
    if not isinstance(model, LegoMerge):
        raise MismatchError("the model whose weights are stacked", expected="a LegoMerge", got=type(model).__name__)
    if not model.in_common or model.rule != "residual":
        raise InputError(
            "weights='stacked' needs evidence that adds",
            expected="heads='common' and rule='residual'",
            got=f"heads={model.heads!r} and rule={model.rule!r}",
            remedy=_remedy(model),
        )
    patients = data_for(model, data, with_target=True)
    warn_of_memory(model, patients, stacklevel=3)
    present = summed_by(_present(model, patients).int(), model.sites) > 0
    target = cast(Tensor, patients.target)
    known = ~target.reshape(len(target), -1).isnan().all(1)  # whose labels are all unknown say nothing
    several = (present.sum(0) > 1) & known
    count = len({patient for patient, has in zip(patients.patients, several.tolist(), strict=True) if has})
    if count < FEWEST:
        raise InputError(
            "patients who have several modalities and an outcome, to stack weights on",
            expected=f"{FEWEST} or more",
            got=count,
            remedy="Choose weights 'auto', which asks for none.",
        )
    chosen = patients.subset(several)
    weights = _best(
        model, _evidence(model, chosen, batch_size), _present(model, chosen), cast(Tensor, chosen.target), width
    )
    with torch.no_grad():
        model.weights.copy_(_of_blocks(model, weights).to(model.weights))
    found = dict(zip(model.by_modality, weights.tolist(), strict=True))
    model.card.recipe["weights"] = f"stacked on {count} patients with several modalities"
    return found


def _remedy(model: LegoMerge) -> str:
    if model.plate.width < model.task.outputs:  # no heads that could be asked for would do
        return "Choose weights 'auto', or make the blocks on a plate as wide as the task has outputs."
    return "Leave heads=, rule= and preset= out, or choose other weights."


def _present(model: LegoMerge, data: PatientData) -> Tensor:
    """Return who has what, boolean ``(m, n)``."""
    nobody = torch.zeros(len(data), dtype=torch.bool)
    return torch.stack([data.present.get(name, nobody) for name in model.modalities])


def _evidence(model: LegoMerge, data: PatientData, batch_size: int) -> Tensor:
    """Return what each block adds to its prior, ``(m, n, k)``, zeros where there is nothing."""
    found = torch.zeros(len(model.modalities), len(data), model.task.outputs, dtype=torch.float64)
    for row, (name, here) in enumerate(zip(model.modalities, _present(model, data), strict=True)):
        if bool(here.any()):
            block = model.block(name)
            logits = all_logits(block, data.only([name]).subset(here), batch_size, out_of_fold=True)
            found[row, here] = logits.double() - block.prior().double()
    if not bool(torch.isfinite(found).all()):
        raise InputError("a block answers NaN or infinity", expected="finite logits")
    return found


def _best(model: LegoMerge, evidence: Tensor, present: Tensor, target: Tensor, spread: float) -> Tensor:
    """Return the weights of modalities ``(g,)`` by which the loss and the distance from equal ones are least."""
    from scipy.optimize import minimize

    count, patients = len(model.sites), present.shape[1]
    priors = model.priors.cpu().double()

    def cost(values: np.ndarray) -> tuple[float, np.ndarray]:
        raw = torch.tensor(values, requires_grad=True)
        weights = raw / raw.sum()
        loss = model.task.loss(_pooled(model, _of_blocks(model, weights), evidence, priors, present), target)
        total = patients * loss + ((count * weights - 1).square().sum() + (raw.sum() - 1).square()) / (2 * spread**2)
        (slope,) = torch.autograd.grad(total, raw)
        return float(total.detach()), slope.numpy()

    start = np.full(count, 1 / count)
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * count)
    best = torch.from_numpy(found.x if found.fun < cost(start)[0] else start)
    return best / best.sum()


def _of_blocks(model: LegoMerge, weights: Tensor) -> Tensor:
    """Return the weights of blocks ``(m,)``, of those of modalities ``(g,)``."""
    parts = parts_within({name: model.block(name) for name in model.modalities})
    return spread_out(weights, model.sites) * torch.tensor(parts, dtype=weights.dtype)


def _pooled(model: LegoMerge, weights: Tensor, evidence: Tensor, priors: Tensor, present: Tensor) -> Tensor:
    """Return the logits ``(n, k)`` that the merge would give with these weights of blocks ``(m,)``."""
    shares = model.shares_among(present, weights)
    said = (shares[:, :, None] * evidence).sum(0)
    strength = model.strength_of(shares)
    made: Tensor = shares.mT @ priors + (strength[:, 0] if isinstance(strength, Tensor) else strength) * said
    return made


@dataclass(frozen=True)
class Answers:
    """What several bricks of one modality said to patients whom they had not seen.

    Parameters
    ----------
    task
        Theirs.
    data
        The ``n`` patients, with their targets.
    prior
        Of the bricks together, ``(k,)``.
    evidence
        What each adds to its prior, ``(m, n, k)``.
    """

    task: Task
    data: PatientData
    prior: Tensor
    evidence: Tensor

    def weights(self, chosen: Tensor | None = None, *, spread: float = SPREAD) -> Tensor:
        """Return the weights ``v`` ``(m,)`` of members by which the loss, and their distance from 1/m, is least.

        ``Σ_i ℓ(z₀ + Σ_j v_j e_ij, y_i) + Σ_j (m v_j − 1)² / 2τ²``, with ``0 ≤ v ≤ 2``; they need not sum to 1, for
        members that say different things add up.

        Parameters
        ----------
        chosen
            Which patients count, boolean ``(n,)``; None: all.
        spread
            τ.
        """
        from scipy.optimize import minimize

        target = cast(Tensor, self.data.target)
        evidence, known = (self.evidence, target) if chosen is None else (self.evidence[:, chosen], target[chosen])
        count = len(evidence)

        def cost(values: np.ndarray) -> tuple[float, np.ndarray]:
            v = torch.tensor(values, requires_grad=True)
            loss = len(known) * self.task.loss(self.prior + (v[:, None, None] * evidence).sum(0), known)
            total = loss + (count * v - 1).square().sum() / (2 * spread**2)
            (slope,) = torch.autograd.grad(total, v)
            return float(total.detach()), slope.numpy()

        start = np.full(count, 1 / count)
        found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=[(0.0, MOST)] * count)
        return torch.from_numpy(found.x if found.fun < cost(start)[0] else start)

    def by_others(self) -> Tensor:
        """Return logits ``(n, k)``, each by the weights that fit the patients of other folds."""
        fold = torch.from_numpy(
            deal_folds(self.task.strata(cast(Tensor, self.data.target)).numpy(), self.data.patients)
        )
        made = torch.empty_like(self.evidence[0])
        for part in range(int(fold.max()) + 1):
            held = fold == part
            made[held] = self.prior + (self.weights(~held)[:, None, None] * self.evidence[:, held]).sum(0)
        return made.float()

    def of(self, some: PatientData) -> Tensor:
        """Return the logits of :meth:`by_others` of some of these patients, ``(b, k)`` in their order.

        Parameters
        ----------
        some
            Rows of the same patients; all rows of each.
        """
        rows: dict[str, list[int]] = {}
        for row, patient in enumerate(self.data.patients):
            rows.setdefault(patient, []).append(row)
        turns = {patient: iter(places) for patient, places in rows.items()}
        return self.by_others()[[next(turns[patient]) for patient in some.patients]]
