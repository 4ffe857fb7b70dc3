"""Experiments: the main job over repeated splits by patient, results as JSON, reports drawn from them."""

from mmlego.bench.experiment import Experiment, run_experiment, run_split
from mmlego.bench.results import Results, read_results
from mmlego.bench.score import score_bricks
from mmlego.bench.statistics import Comparison, compare

__all__ = [
    "Comparison",
    "Experiment",
    "Results",
    "compare",
    "read_results",
    "run_experiment",
    "run_split",
    "score_bricks",
]
