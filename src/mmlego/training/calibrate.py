"""Calibration: one number that scales what a model has to say, so that its probabilities fit new patients."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from mmlego.baseplate import Head
from mmlego.block import LegoBlock
from mmlego.brick import Brick
from mmlego.data import PatientData
from mmlego.errors import InputError
from mmlego.fuse import LegoFuse
from mmlego.held_out import VALIDATION, compare_with
from mmlego.learners.out_of_fold import deal_folds
from mmlego.merge import LegoMerge
from mmlego.merge.merging import Merging
from mmlego.scalars import as_number
from mmlego.training.evaluate import Data, Model, all_logits, bricks_of, data_for, warn_of_memory

# Chosen on repeated splits of GSE7390, TCGA-BLCA, TCGA-KIRP and PhysioNet-2012: see docs/merging.md.
SPREAD = 0.25
LEAST = 1e-6  # of spread
MOST = 3.0  # of |ln s|
_LINEAR = ("residual", "mean", "sum")


def calibrate(model: Model, data: Data, *, spread: float = SPREAD, batch_size: int = 64) -> float:
    """Scale the evidence of a model, in place, by the number that fits data best; return the number.

    Temperature scaling (Guo et al. 2017) around the prior: logits become ``a + s (z − a)``, with ``a`` the logits of
    who knows nothing, so that a patient without evidence keeps the frequency of the outcome. ``s`` minimises
    ``Σ_i ℓ(a_i + s (z_i − a_i), y_i) + (ln s)² / 2τ²``: the second term keeps it near 1 where patients are few. Of two
    classes the order of patients who have the same modalities stays as it is. The number is written into the head.

    For a ``LegoMerge`` it tells how far the modalities repeat each other, which blocks alone cannot know: patients
    with several modalities are needed, some dozens of them. Calibrated again, a model starts from what it was before:
    ``s`` counts from there in the first term, from 1 in the second. Scores that may hang on the scale leave the card,
    but for the primary one, by which evidence is weighed.

    Parameters
    ----------
    model
        A LegoBlock; a LegoMerge with the common read-out and the rule ``residual``, ``mean`` or ``sum``; a LegoFuse.
    data
        Patients whom the model was not trained on: the validation part; never those on whom it will be judged.
    spread
        τ, how far ``ln s`` is thought to lie from 0 before any patient is seen; infinity: nothing is known.
    batch_size
        Patients at a time.

    Returns
    -------
    float
        ``s``; below 1 if the model was too sure. All such numbers multiplied are in the card, as ``calibration``.

    Raises
    ------
    InputError
        If the task has no probabilities, the heads of a merge (or of a fuse in parallel) are merged, its rule is not
        one of those above, a head is not as mmlego made it, or an argument is wrong.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Classification
    >>> block = LegoBlock(SNN(5), Baseplate(Classification(2), channels=4, width=8), "labs")
    >>> x, y = torch.randn(40, 5), torch.tensor([0, 1]).repeat(20)
    >>> calibrate(block, (x, y)) <= 1.0  # it knows nothing yet, and should say less
    True
    """
    width = as_number(spread)
    if not width >= LEAST:
        raise InputError("spread of calibrate", expected=f"a number ≥ {LEAST:g}", got=repr(spread))
    _check_model(model)
    patients = data_for(model, data, with_target=True)
    warn_of_memory(model, patients, stacklevel=3)
    prior = _prior(model, patients)
    evidence = all_logits(model, patients, batch_size, out_of_fold=True).double() - prior
    if not bool(torch.isfinite(evidence).all()):
        raise InputError("the model answers NaN or infinity", expected="finite logits")
    before = _scale_so_far(model)
    target = cast(Tensor, patients.target)
    scale = _best_scale(model, prior, evidence, target, width, before)
    _rescale(model, scale)
    compare_with(model.card, model.task, (prior + scale * evidence).float(), target, who=VALIDATION)
    model.card.recipe["calibration"] = {"scale": round(before * scale, 6), "patients": len(set(patients.patients))}
    kept = ("auroc", "auprc") if _ranks_stay(model) else (model.task.primary_metric,)
    model.card.validation = {name: value for name, value in model.card.validation.items() if name in kept}
    return scale


def scaled_by_others(brick: Brick, data: PatientData, *, spread: float = SPREAD, batch_size: int = 64) -> Tensor:
    """Return the logits ``(n, k)`` of patients, each scaled by the number that fits the patients of other folds.

    What :func:`calibrate` would make of a brick is judged by these honestly: nobody has a part in the number that
    scales their own answer. The brick stays as it is.

    Parameters
    ----------
    brick
        Not calibrated yet.
    data
        The patients, with their targets.
    spread, batch_size
        As :func:`calibrate` takes them.

    Raises
    ------
    InputError
        If there are fewer than two patients.
    """
    prior, target = brick.prior().double(), cast(Tensor, data.target)
    evidence = all_logits(brick, data, batch_size, out_of_fold=True).double() - prior
    fold = torch.from_numpy(deal_folds(brick.task.strata(target).numpy(), data.patients))
    made = torch.empty_like(evidence)
    for part in range(int(fold.max()) + 1):
        held = fold == part
        scale = _best_scale(brick, prior, evidence[~held], target[~held], spread, _scale_so_far(brick))
        made[held] = prior + scale * evidence[held]
    return made.float()


def _scale_so_far(model: Model) -> float:
    """Return what the card tells of calibrations before, 1 if that is no positive number."""
    told = model.card.recipe.get("calibration")
    scale = as_number(told.get("scale") if isinstance(told, dict) else None)
    return scale if 1e-100 < scale < 1e100 else 1.0


def _ranks_stay(model: Model) -> bool:
    """Return whether each answer is one number, whose order no scale changes."""
    return model.task.name == "multilabel" or (model.task.name == "classification" and model.task.outputs == 2)


def _check_model(model: Model) -> None:
    if not isinstance(model, (Brick, LegoMerge, LegoFuse)):
        raise InputError("model of calibrate", expected="a LegoBlock, LegoMerge or LegoFuse", got=type(model).__name__)
    if model.task.name == "regression":
        raise InputError("a regression has no probabilities to calibrate", got=model.task)
    if not isinstance(model, Brick) and not _in_sequence(model) and not model.in_common:
        raise InputError(
            "calibrate needs one read-out for all patterns of presence", expected="heads='common'", got=model.heads
        )
    known = nn.Linear if isinstance(model, LegoFuse) and not _in_sequence(model) else Head
    if any(type(head) is not known for head in _heads(model)):
        raise InputError("the head of a model to be calibrated", expected="as mmlego made it", got="another")
    if isinstance(model, LegoMerge) and model.rule not in _LINEAR:
        raise InputError("calibrate needs a rule by which evidence adds", expected=f"one of {_LINEAR}", got=model.rule)


def _heads(model: Model) -> list[nn.Module]:
    """Return the heads that are scaled; a fitted brick has none, and scales itself."""
    if isinstance(model, LegoFuse):
        return [model.head]
    parts = [part for brick in bricks_of(model) for part in brick.modules()]
    return [part.head for part in parts if isinstance(part, LegoBlock)]


def _prior(model: Model, data: PatientData) -> Tensor:
    """Return what each patient is told who has no evidence, ``(n, k)`` or ``(k,)``, in double precision."""
    if isinstance(model, Brick):
        return model.prior().double()
    if _in_sequence(model):
        return _prior_of_all(model).cpu().double()
    nobody = torch.zeros(len(data), dtype=torch.bool)
    present = torch.stack([data.present.get(name, nobody) for name in model.modalities])
    return model.shares_among(present, model.weights.cpu().double()).mT @ model.priors.cpu().double()


def _in_sequence(model: Model) -> bool:
    """Return whether one head of its own reads every pattern of presence, the prior included."""
    return isinstance(model, LegoFuse) and model.mode != "parallel"


def _prior_of_all(model: Merging) -> Tensor:
    """Return the prior ``(k,)`` of those who have all modalities."""
    return model.weights @ model.priors


def _best_scale(model: Model, prior: Tensor, evidence: Tensor, target: Tensor, spread: float, before: float) -> float:
    from scipy.optimize import minimize_scalar

    def cost(log: float) -> float:
        loss = float(model.task.loss(prior + math.exp(log) * evidence, target))
        return len(evidence) * loss + 0.5 * ((log + math.log(before)) / spread) ** 2

    found = minimize_scalar(cost, bounds=(-MOST, MOST), method="bounded", options={"xatol": 1e-4})
    return math.exp(found.x) if cost(found.x) < cost(0.0) else 1.0


@torch.no_grad()
def _rescale(model: Model, scale: float) -> None:
    if isinstance(model, Brick):
        model.rescale(model.prior(), scale)
    elif _in_sequence(model):
        _rescale_head(cast(Head, model.head), _prior_of_all(model), scale)
    elif isinstance(model, LegoFuse):  # its head reads evidence alone: the prior is added afterwards
        for value in model.head.parameters():
            value.mul_(scale)
        if model.across is not None:
            model.across.brick.rescale(_prior_of_all(model), scale)
    else:
        for name, prior in zip(model.modalities, model.priors, strict=True):
            model.block(name).rescale(prior, scale)


def _rescale_head(head: Head, prior: Tensor, scale: float) -> None:
    linear = head.linear
    prior = prior.to(linear.bias.device, linear.bias.dtype)
    linear.weight.mul_(scale)
    linear.bias.copy_(prior + scale * (linear.bias - prior))
