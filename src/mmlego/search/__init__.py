"""Settings chosen by inner cross-validation: trials are cells, asked of Optuna, and see the training part alone."""

from mmlego.search.found import Trial, Tuned
from mmlego.search.tune import tune
from mmlego.search.usual import methods_for, usual_space

__all__ = ["Trial", "Tuned", "methods_for", "tune", "usual_space"]
