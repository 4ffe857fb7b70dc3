"""Several bricks of one modality as one: which, and how much each counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from mmlego.brick import Brick
from mmlego.bundle import Bundle
from mmlego.crossfit import spread_of
from mmlego.data import PatientData
from mmlego.errors import InputError
from mmlego.held_out import OUT_OF_FOLD, compare_with, tell_held_out
from mmlego.learners import learner_names, learners_for
from mmlego.merge.weights import STACKED
from mmlego.settings import MEAN, NEURAL, OF_AUTO
from mmlego.tasks import Task
from mmlego.training.calibrate import calibrate, scaled_by_others
from mmlego.training.evaluate import all_logits
from mmlego.training.stacking import Answers

BATCH = 64
STOPPED = "held out; but a neural member was stopped on these patients"  # what the recipe says of the scores
# Chosen on splits of seeds 0 and 1: see docs/merging.md. A kind of another package has a neural block.
LINEAR_AND_TREES = {
    "survival": ("coxnet", "survival_boosting"),
    "competing_risks": ("coxnet", "survival_boosting"),  # one of each a cause
    "classification": ("logistic", "boosting"),
    "multilabel": ("logistic", "boosting"),
    "regression": ("ridge", "boosting"),
}
TREES = {  # of counts of parts, which are many and rare
    "survival": ("survival_forest", "survival_boosting"),
    "competing_risks": ("survival_forest", "survival_boosting"),
    "classification": ("forest", "boosting"),
    "multilabel": ("forest", "boosting"),
    "regression": ("forest", "boosting"),
}
BY_KIND = {
    **dict.fromkeys(("table", "omics", "series", "bag"), LINEAR_AND_TREES),
    **dict.fromkeys(("fingerprint", "graph", "sequence"), TREES),
}
ALSO_NEURAL = frozenset({"bag"})
# A net with L1 besides costs many times as much, and is level with ridge alone once it is calibrated.
OPTIONS: dict[str, dict[str, Any]] = {
    "coxnet": {"l1_ratios": [0.0]},
    "forest": {"trees": 300},
    "survival_forest": {"trees": 300},
}
# Trees look at the columns that go most with the outcome: they grow slow with columns, a ridge does not.
LINEAR, MOST = frozenset({"coxnet", "logistic", "ridge"}), 500


FEWEST = 20  # patients, below which weights are those of the mean


def members_for(task: Task, options: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    """Return the labels of those who answer together: ``neural``, and names of learners.

    Parameters
    ----------
    task
        What is to be predicted.
    options
        ``members``, a list of labels; else the usual ones of the task and the kind. ``weights``: ``"mean"`` or
        ``"stacked"``, as :func:`pool` takes them.
    kind
        Of data, by the name of its preprocessing.

    Raises
    ------
    InputError
        If a label is none of these, or there is none, or weights are others.
    """
    unknown = sorted(options.keys() - OF_AUTO)
    if unknown:
        raise InputError("options of auto", expected="members, weights", got=", ".join(unknown))
    if options.get("weights", MEAN) not in (MEAN, STACKED):
        raise InputError("weights of auto", expected=f"{MEAN} or {STACKED}", got=repr(options["weights"]))
    asked = options.get("members", _usual(task, kind))
    serving = (NEURAL, *learners_for(task))
    if not isinstance(asked, list | tuple) or not asked or len(set(asked)) < len(asked):
        raise InputError("members of auto", expected=f"a list of some of {', '.join(serving)}", got=repr(asked))
    odd = [label for label in asked if label not in serving]
    if odd:
        known = "a learner of another task" if odd[0] in learner_names() else repr(odd[0])
        raise InputError("members of auto", expected=f"of {', '.join(serving)}", got=known)
    return tuple(asked)


def _usual(task: Task, kind: str) -> tuple[str, ...]:
    learners = BY_KIND.get(kind, {}).get(task.name, ())
    return (NEURAL, *learners) if not learners or kind in ALSO_NEURAL else learners


def pool(
    members: Mapping[str, Brick],
    watched: PatientData | None,
    everybody: PatientData | None = None,
    *,
    weights: str = MEAN,
) -> Bundle:
    """Return the members as one brick: the mean of what they have to say, each calibrated, or what fits best of it.

    Fitted ones are calibrated out of fold, a neural one on the validation patients, of whom the card tells how all do:
    each judged with the calibration that fits the others. That a neural member was stopped on them the card says.

    Parameters
    ----------
    members
        By label. Fitted ones answer out of fold.
    watched
        The validation patients; None: there are none.
    everybody
        Those and the training patients, whom new ones are compared with if all members answer out of fold.
    weights
        ``"mean"``, or ``"stacked"``: the ``v ≥ 0`` that minimise the loss of ``z₀ + Σ v_i (z_i − z₀)`` to all of these
        patients out of fold, drawn towards the mean; where a member is neural, to the validation patients. So one
        that is of no use loses its weight. Of fewer than twenty patients they are the mean.
    """
    others = None  # what the neural member answers to each, calibrated on the others
    if watched is not None and NEURAL in members and members[NEURAL].task.name != "regression":
        others = scaled_by_others(members[NEURAL], watched) if len(set(watched.patients)) > 1 else None
        calibrate(members[NEURAL], watched)
    told = watched if NEURAL in members else everybody
    stacked = weights == STACKED and told is not None and len(set(told.patients)) >= FEWEST
    fitted = [member for label, member in members.items() if label != NEURAL]
    prior = (fitted or list(members.values()))[0].prior()
    answers = _answers(members, cast(PatientData, told), prior) if stacked else None
    learnt = None if answers is None else answers.weights().tolist()
    bundle = Bundle(members, learnt)
    card = bundle.card
    card.prior = prior.tolist()
    card.patients = {part: n for member in members.values() for part, n in member.card.patients.items()}
    shares = dict(zip(members, bundle.weights.tolist(), strict=True))
    card.recipe = {"method": "pool", "members": shares}
    if answers is not None:
        card.recipe["weights"] = f"stacked on {len(set(answers.data.patients))} patients"
    elif weights == STACKED:
        card.recipe["weights"] = f"mean: fewer than {FEWEST} patients to stack on"
    if watched is not None and watched.target is not None:
        logits = all_logits(bundle, watched, BATCH, out_of_fold=True) if answers is None else answers.of(watched)
        card.recipe |= {"scores": "held out", "spread": spread_of(logits, bundle.prior())}
        if NEURAL in members:
            card.recipe["scores"] = STOPPED
        if others is not None:
            logits = logits + shares[NEURAL] * (others - all_logits(members[NEURAL], watched, BATCH))
        tell_held_out(card, bundle.task, logits, watched.target, reference=watched.target)
    if everybody is not None and everybody.target is not None and NEURAL not in members:
        logits = all_logits(bundle, everybody, BATCH, out_of_fold=True) if answers is None else answers.by_others()
        compare_with(card, bundle.task, logits, everybody.target, who=OUT_OF_FOLD)
    return bundle


def _answers(members: Mapping[str, Brick], data: PatientData, prior: Tensor) -> Answers:
    """Return what members say beyond their own priors, around that of the bundle, by which it will answer."""
    bricks = list(members.values())
    priors = torch.stack([brick.prior().double() for brick in bricks])
    logits = torch.stack([all_logits(brick, data, BATCH, out_of_fold=True).double() for brick in bricks])
    return Answers(bricks[0].task, data, prior.double(), logits - priors[:, None])
