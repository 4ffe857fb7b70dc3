"""Baselines: the dull models that anybody would try first, and end-to-end ones, which bricks are measured against."""

from mmlego.baselines.base import Baseline
from mmlego.baselines.end_to_end import END_TO_END, Concatenation, EndToEnd, end_to_end, fit_end_to_end, fresh_block
from mmlego.baselines.registry import (
    Rival,
    baseline_class,
    baseline_names,
    register_baseline,
    register_rival,
    rivals_for,
)
from mmlego.baselines.tables import Tables, tables_of

__all__ = [
    "END_TO_END",
    "Baseline",
    "Concatenation",
    "EndToEnd",
    "Rival",
    "Tables",
    "baseline_class",
    "baseline_names",
    "end_to_end",
    "fit_end_to_end",
    "fresh_block",
    "register_baseline",
    "register_rival",
    "rivals_for",
    "tables_of",
]
