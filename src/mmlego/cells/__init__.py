"""Many runs: each is a cell, which is data, and leaves a file; carried out one after another, or on Ray."""

from mmlego.cells.cell import Cell, plain, versions
from mmlego.cells.cohorts import cohort_of, in_dataset, in_manifest, keep_cohort
from mmlego.cells.folder import CellFolder
from mmlego.cells.running import CellFault, CellsFailed, Workers, executor_for, run_cells
from mmlego.cells.watch import Silent, Watch, listening, tell
from mmlego.cells.work import Ended, Work

__all__ = [
    "Cell",
    "CellFault",
    "CellFolder",
    "CellsFailed",
    "Ended",
    "Silent",
    "Watch",
    "Work",
    "Workers",
    "cohort_of",
    "executor_for",
    "in_dataset",
    "in_manifest",
    "keep_cohort",
    "listening",
    "plain",
    "run_cells",
    "tell",
    "versions",
]
