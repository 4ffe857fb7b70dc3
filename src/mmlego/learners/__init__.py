"""Learners: classical models that are fitted in one call, answer raw scores, and are saved as plain tensors."""

from mmlego.learners.base import Learner
from mmlego.learners.coxnet import Coxnet
from mmlego.learners.linear import Linear, Logistic, Ridge
from mmlego.learners.registry import (
    build_learner,
    learner_class,
    learner_names,
    learner_options,
    learners_for,
    register_learner,
)

__all__ = [
    "Coxnet",
    "Learner",
    "Linear",
    "Logistic",
    "Ridge",
    "build_learner",
    "learner_class",
    "learner_names",
    "learner_options",
    "learners_for",
    "register_learner",
]
