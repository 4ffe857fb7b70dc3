"""Training, alone on the CPU or on Lightning, and evaluation and prediction over data sets."""

from mmlego.training.calibrate import calibrate
from mmlego.training.evaluate import evaluate, predict
from mmlego.training.fit import fit
from mmlego.training.stacking import stack

__all__ = ["calibrate", "evaluate", "fit", "predict", "stack"]
