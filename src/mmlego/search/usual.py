"""What is tried of a method where nobody says it: made of the signatures of encoders and learners, and the settings."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mmlego.data import Preprocessing
from mmlego.encoders.registry import encoder_class
from mmlego.job.pooling import members_for
from mmlego.learners import learner_names, learner_options
from mmlego.learners.options import Count, Penalty, Ratios, Several, Share, Step
from mmlego.learners.options import Tried as Columns
from mmlego.learners.registry import learner_class
from mmlego.sections import Range, Tried
from mmlego.settings import AUTO, NEURAL, FitSettings, Settings
from mmlego.tasks import Task

# Of more of these a learner takes longer, and is seldom worse: they are no strength.
_EFFORT = frozenset({"folds", "penalties", "rounds", "trees"})
_WIDTHS = [16, 32, 64, 128]
_LAYERS = [[16], [32], [64], [64, 64]]


def methods_for(fitted: Preprocessing, task: Task, modality: str, settings: Settings) -> tuple[str, ...]:
    """Return the methods that are tried of a modality: what the settings name, and what ``auto`` is made of.

    Parameters
    ----------
    fitted
        The preprocessing of the modality.
    task
        What is learnt.
    modality
        Its name.
    settings
        Of encoders.
    """
    chosen = settings.encoders.get(modality) or settings.encoder
    suited = fitted.encoder()[0]
    if chosen.name != AUTO:
        return (suited if chosen.name == NEURAL else chosen.name,)
    members = members_for(task, chosen.options, fitted.name)
    return tuple(dict.fromkeys((AUTO, *(suited if label == NEURAL else label for label in members))))


def usual_space(method: str, fit: FitSettings) -> dict[str, Tried]:
    """Return what is tried of a method, by dotted setting; empty where nothing is left to choose.

    Of a neural encoder learning rate, weight decay and epochs around what the settings say, and of its own options
    widths and dropout. Of a learner what its ``_fit`` declares of strength: steps, penalties, shares of rows and
    columns, the size of trees. Some, as ``ridge``, find their strength themselves.

    Parameters
    ----------
    method
        The name of an encoder or learner, or ``auto``.
    fit
        The training of neural blocks.

    Raises
    ------
    UnknownNameError
        If there is no such method.

    Examples
    --------
    >>> usual_space("ridge", FitSettings()), usual_space("auto", FitSettings())
    ({}, {})
    >>> usual_space("snn", FitSettings(lr=1e-2))["fit.lr"]
    Range(low=0.001, high=0.1, log=True)
    >>> sorted(usual_space("boosting", FitSettings()))
    ['options.columns', 'options.l2', 'options.learning_rate', 'options.leaves', 'options.min_leaf']
    """
    if method == AUTO:
        return {}
    return _of_learner(method) if method in learner_names() else _of_encoder(method, fit)


def _of_encoder(name: str, fit: FitSettings) -> dict[str, Tried]:
    decay = fit.weight_decay
    found: dict[str, Tried] = {
        "fit.lr": Range(low=fit.lr / 10, high=fit.lr * 10, log=True),
        "fit.weight_decay": Range(low=decay / 100, high=decay * 10, log=True) if decay else [0.0, 1e-3, 1e-2, 1e-1],
        "fit.epochs": Range(low=max(1, fit.epochs // 4), high=2 * fit.epochs),
    }
    parameters = inspect.signature(encoder_class(name).__init__).parameters
    for option in ("dropout", "input_dropout"):
        if option in parameters:
            found[f"options.{option}"] = Range(low=0.0, high=0.7)
    for option in ("hidden", "out_features"):
        default = parameters[option].default if option in parameters else None
        if isinstance(default, list | tuple):
            found[f"options.{option}"] = _LAYERS
        elif isinstance(default, int):
            found[f"options.{option}"] = _WIDTHS
    return found


def _of_learner(name: str) -> dict[str, Tried]:
    hints: Mapping[str, Any] = get_type_hints(learner_class(name)._fit, include_extras=True)
    found: dict[str, Tried] = {}
    for option, default in learner_options(name).items():
        kind = hints.get(option)
        if option in _EFFORT or kind is None:
            continue
        # Trees twice as deep take many times as long.
        tried = Range(low=max(1, default - 2), high=default + 3) if option == "depth" else _around(kind, default)
        if tried is not None:
            found[f"options.{option}"] = tried
    return found


def _around(kind: Any, default: Any) -> Tried | None:
    """Return what is tried of an option of a learner; None where its kind says nothing of a strength."""
    if kind == Columns:
        return list(dict.fromkeys(["sqrt", "log2", 0.3, 1.0, default]))
    if kind == Ratios:
        return [[0.0], [0.1], [0.5], [1.0], list(default)]
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    if kind is bool:
        return [False, True]
    if default is None or get_origin(kind) in (Union, types.UnionType):
        return None
    if kind == Share:
        return Range(low=0.1, high=1.0)
    if kind in (Count, Several) and default > 1:
        return Range(low=max(2 if kind == Several else 1, default // 3), high=3 * default, log=True)
    if kind == Step:
        return Range(low=default / 5, high=default * 5, log=True)
    if kind == Penalty and default > 0:
        return Range(low=default / 100, high=default * 100, log=True)
    return None
