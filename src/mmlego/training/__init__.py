"""Training on Lightning, and evaluation and prediction over data sets, which need no Lightning."""

from mmlego.training.evaluate import evaluate, predict
from mmlego.training.fit import fit

__all__ = ["evaluate", "fit", "predict"]
