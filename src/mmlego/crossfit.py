"""Fit a model to patients, and ask it about each of them as if it had not seen that patient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn

from mmlego.baseplate import Baseplate
from mmlego.bounds import within
from mmlego.brick import check_place
from mmlego.encoding import check_kind
from mmlego.errors import InputError
from mmlego.fitted import FittedBlock
from mmlego.held_out import OUT_OF_FOLD, VALIDATION, tell_held_out
from mmlego.learners.base import Learner, serves
from mmlego.learners.calibration import Scale, calibrated_map, identity_map
from mmlego.learners.copies import fit_copy
from mmlego.learners.foreign import wrap
from mmlego.learners.options import check_options
from mmlego.learners.out_of_fold import FOLDS, OutOfFold, deal_folds, ids_of, marks_of
from mmlego.learners.per_cause import PerCause
from mmlego.learners.registry import learner_class, options_of
from mmlego.learners.rows import Rows
from mmlego.learners.selected import Selected
from mmlego.nn.ragged import Ragged
from mmlego.sections import PlateSettings
from mmlego.tasks import CompetingRisks, Survival, Task
from mmlego.tasks.prior import prior_logits
from mmlego.tasks.time_bins import BinnedTime

FEW = 10  # patients of a fold, below which their mean says little

Make: TypeAlias = Callable[[np.ndarray, Tensor, int], nn.Module]


def fit_block(
    make: Make,
    plate: Baseplate,
    modality: str,
    *,
    x: Tensor,
    rows: Rows,
    target: Tensor,
    patients: Sequence[str] | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> FittedBlock:
    """Return a brick of a model that is fitted to all patients, calibrated on answers out of fold.

    The model is fitted once without each of the folds, and once to all. What it says of the patients of a fold that it
    has not seen gives the calibration, the score in the card and its standard error, and stands in place of its own
    answers where more is learnt on these patients, as weights and a fuse are.

    Parameters
    ----------
    make
        ``make(x, target, seed)`` fits a model to rows ``(n, p)``; it answers raw scores ``(b, m)``.
    plate, modality
        Of the brick.
    x
        Rows ``(n, p)``.
    rows
        How the modality became rows.
    target
        ``(n, …)``, as the task takes it.
    patients
        ``n`` ids; rows of one patient are in one fold. None: each row is a patient who has no name.
    folds
        How many.
    seed
        Of the folds and the fits.

    Raises
    ------
    InputError
        If there are too few patients, or the plate is too narrow.
    """
    task = plate.task
    target = task.check_target(target)
    if len(x) != len(target):
        raise InputError("rows and target do not belong together", expected=f"{len(x)} targets", got=len(target))
    names = [str(row) for row in range(len(x))] if patients is None else ids_of(patients)
    fold = deal_folds(task.strata(target).numpy(), names, folds=folds, seed=seed)
    values = x.double().numpy()
    whole = make(values, target, seed)
    scale = Scale.of(task, whole(x.double()))
    scores = torch.full((len(x), len(scale.centre)), torch.nan, dtype=torch.float64)
    for part in range(int(fold.max()) + 1):
        seen, held = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
        model = make(values[seen], target[seen], seed)
        # Each fit has its own scale, a net that was shrunk to nothing none at all.
        answers = Scale.of(task, model(x[seen].double())).apply(model(x[held].double()))
        # A fit without the likes of these starts from the others' frequency, which is off the other way.
        scores[held] = answers - answers.mean(0) if len(held) >= FEW else answers
    if not bool(torch.isfinite(scores).all()):
        raise InputError(f"the model of {modality!r} answers NaN or infinity", expected="finite scores")
    prior = prior_logits(task, target)
    matrix, shift = calibrated_map(task, scores, target, prior)
    slope = matrix / scale.spread
    offset = shift - slope @ scale.centre
    brick = FittedBlock(whole, plate, modality, rows=rows, slope=slope, offset=offset, base=prior)
    brick.check_room()
    logits = (scores @ matrix.mT + shift).float()
    brick.out_of_fold = None if patients is None else OutOfFold(tuple(names), logits, marks_of(x))
    describe(brick, task, logits, target, len(set(names)), OUT_OF_FOLD)
    brick.card.recipe = {"scores": "out of fold", "spread": spread_of(logits, prior)}
    return brick


def spread_of(logits: Tensor, prior: Tensor) -> float:
    """Return how far evidence spreads: the root of the mean over outputs of its variance over patients.

    Parameters
    ----------
    logits
        ``(n, k)``, of patients whom the model had not seen.
    prior
        ``(k,)``.

    Examples
    --------
    >>> spread_of(torch.tensor([[0.0, 1.0], [2.0, 1.0]]), torch.zeros(2))
    0.7071067811865476
    """
    return float((logits.double() - prior.double()).var(0, correction=0).mean().sqrt())


def brick_of(
    estimator: Any,
    plate: Baseplate,
    modality: str,
    data: tuple[Any, Any] | None,
    *,
    held_out: tuple[Any, Any] | None,
    patients: Sequence[str] | None,
    folds: int,
    ordered: bool,
    seed: int,
    options: Mapping[str, Any],
) -> FittedBlock:
    """Return any estimator as a brick; see :meth:`mmlego.LegoBlock.of`."""
    check_place(plate, modality)
    if isinstance(estimator, type):
        name = estimator.__name__
        raise InputError("the estimator", expected=f"an object, as {name}()", got=f"the class {name} itself")
    if not isinstance(options, Mapping):
        raise InputError("options of a learner", expected="values by name", got=repr(options))
    if not isinstance(ordered, bool):
        raise InputError("ordered of a brick", expected="True or False", got=repr(ordered))
    within(PlateSettings, "seed", seed, "seed of a brick")
    if data is not None and held_out is not None:
        raise InputError(
            "data and held_out",
            expected="one of them",
            got="both",
            remedy="Give data= to fit it, or held_out= if it is fitted already.",
        )
    if data is None and (options or patients is not None):
        raise InputError(
            "options and patients are of an estimator that is fitted here",
            expected="data= to fit it to",
            got="none",
            remedy="Leave them out, or give data=.",
        )
    if data is None:
        return _as_it_is(estimator, plate, modality, held_out, ordered=ordered)
    x, rows, target = _read(data, modality, ordered=ordered)
    make = maker_of(estimator, plate.task, options)
    brick = fit_block(make, plate, modality, x=x, rows=rows, target=target, patients=patients, folds=folds, seed=seed)
    named = estimator if isinstance(estimator, str) else type(estimator).__name__
    brick.card.recipe |= {"method": "fitted", "learner": named, **options, "seed": seed}
    return brick


def _as_it_is(
    estimator: Any, plate: Baseplate, modality: str, held_out: tuple[Any, Any] | None, *, ordered: bool
) -> FittedBlock:
    if isinstance(estimator, str):
        raise InputError(f"the learner {estimator!r} is not fitted", expected="data= to fit it to", got="none")
    task = plate.task
    if held_out is None:
        learner = wrap(estimator, task, _columns_of(estimator))
        if isinstance(task, BinnedTime):
            raise InputError(
                "a risk alone tells no hazards",
                expected="held_out=(x, target), patients on whom it was not fitted",
                got="none",
                remedy="Give these, or data= to fit it to.",
            )
        slope, offset = identity_map(task, learner.raw)
        base = torch.zeros(task.outputs)
        rows = Rows("flat", learner.in_features)
        brick = FittedBlock(learner, plate, modality, rows=rows, slope=slope, offset=offset, base=base)
        brick.check_room()
        return brick
    x, rows, target = _read(held_out, modality, ordered=ordered)
    target = task.check_target(target)
    learner = wrap(estimator, task, x.shape[1])
    raw = learner(x)
    prior = prior_logits(task, target)
    scale = Scale.of(task, raw)
    matrix, shift = calibrated_map(task, scale.apply(raw), target, prior)
    slope = matrix / scale.spread
    offset = shift - slope @ scale.centre
    brick = FittedBlock(learner, plate, modality, rows=rows, slope=slope, offset=offset, base=prior)
    brick.check_room()
    logits = (raw @ slope.mT + offset).float()
    honest = _by_others(task, scale.apply(raw), target)
    describe(brick, task, logits if honest is None else honest, target, len(x), VALIDATION)
    brick.card.patients = {"validation": len(x)}
    how = "held out" if honest is not None else "held out; but calibrated on these patients"
    said = {"scores": how, "spread": spread_of(logits, prior)}
    brick.card.recipe = {"method": "given", "learner": type(estimator).__name__, **said}
    return brick


def _by_others(task: Task, scores: Tensor, target: Tensor) -> Tensor | None:
    """Return logits ``(n, k)``, each calibrated on the patients of other folds; None where these are too few."""
    if len(scores) < FOLDS * FEW:
        return None
    fold = torch.from_numpy(deal_folds(task.strata(target).numpy(), [str(row) for row in range(len(scores))]))
    made = scores.new_zeros(len(scores), task.outputs)
    for part in range(int(fold.max()) + 1):
        held = fold == part
        matrix, shift = calibrated_map(task, scores[~held], target[~held], prior_logits(task, target[~held]))
        made[held] = scores[held] @ matrix.mT + shift
    return made.float()


def _read(data: tuple[Any, Any], modality: str, *, ordered: bool) -> tuple[Tensor, Rows, Any]:
    """Return rows, how they came to be, and the target of a pair of features and target."""
    if not isinstance(data, tuple) or len(data) != 2:
        raise InputError("data of a brick", expected="a pair (features, target)", got=type(data).__name__)
    features, target = data
    pair = isinstance(features, tuple) and len(features) == 2
    x, mask = features if pair else (features, None)
    if not isinstance(x, Tensor | Ragged):
        try:
            x = torch.from_numpy(np.array(x, dtype=np.float32))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"features of modality {modality!r}",
                expected="a tensor, an array or a table of numbers, or a Ragged",
                got=error,
                remedy="Turn words into numbers first, or read them as a cohort, whose preprocessing does.",
            ) from error
    check_kind(x, mask, modality)
    if (x.values if isinstance(x, Ragged) else x).is_complex():
        raise InputError(f"features of modality {modality!r}", expected="real numbers", got="complex ones")
    rows = Rows.of(x, mask, ordered=ordered)
    return rows(x, mask), rows, target


def maker_of(estimator: Any, task: Task, options: Mapping[str, Any], most: int | None = None) -> Make:
    """Return what fits a learner by its name, or a fresh copy of an estimator; of competing causes one for each.

    Parameters
    ----------
    estimator
        A name, or an object with ``fit``.
    task
        What is to be predicted.
    options
        Of a learner.
    most
        How many columns a learner may look at; None: all.

    Raises
    ------
    UnknownNameError
        If no learner has this name.
    InputError
        If an estimator is given options.
    """
    if isinstance(task, CompetingRisks):
        one = maker_of(estimator, Survival(task.cuts, task.unit, task.typical_time), options, most)
        return lambda x, target, seed: PerCause.fitted(lambda y, _: cast(Learner, one(x, y, seed)), target, task)
    if isinstance(estimator, str):
        cls = learner_class(estimator)
        serves(cls, task)
        options = check_options(cls, options, options_of(cls))
        return lambda x, target, seed: Selected.fitted(cls, x, target, task, seed=seed, options=options, most=most)
    if options:
        raise InputError(
            "options of an estimator", expected="none: it has its own", got=", ".join(options), remedy="Set them on it."
        )
    return lambda x, target, seed: fit_copy(estimator, x, target, task)


def _columns_of(estimator: Any) -> int:
    found = getattr(estimator, "in_features", getattr(estimator, "n_features_in_", None))
    if not isinstance(found, int | np.integer) or found < 1:
        raise InputError(
            f"{type(estimator).__name__} does not say how many columns it was fitted to",
            expected="n_features_in_",
            got=repr(found),
            remedy="Give held_out=(x, target), patients on whom it was not fitted.",
        )
    return int(found)


def describe(brick: FittedBlock, task: Task, logits: Tensor, target: Tensor, patients: int, who: str) -> None:
    """Write into the card of a brick how good it was on patients whom it had not seen.

    Parameters
    ----------
    brick
        The brick.
    task
        Its task.
    logits, target
        Its answers on these patients, and what happened.
    patients
        How many it was fitted on.
    who
        They are, as :func:`tell_held_out` takes it.
    """
    tell_held_out(brick.card, task, logits, target, reference=target, who=who)
    brick.card.prior = brick.base.tolist()
    brick.card.patients = {"training": patients}
