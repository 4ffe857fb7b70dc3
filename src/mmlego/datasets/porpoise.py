"""TCGA cohorts as published with PORPOISE: one wide CSV, a row a slide."""

from __future__ import annotations

from pathlib import Path

from mmlego.data import Cohort
from mmlego.data.reading.tables import read_table
from mmlego.datasets.ending import FollowedTask, with_task
from mmlego.datasets.registry import Dataset, register_dataset
from mmlego.errors import InputError

HORIZON = 24.0  # months


def tcga(path: Path, task: FollowedTask = "survival") -> Cohort:
    """Return a TCGA cohort with RNA, CNV, mutations and clinical data from one wide CSV, a row a slide.

    Parameters
    ----------
    path
        CSV, possibly zipped: ``case_id``, ``*_rnaseq``, ``*_cnv``, ``*_mut``, ``age``, ``is_female``,
        ``survival_months``, ``censorship`` (1 = censored). Kinds of columns that a file lacks are left out.
    task
        ``"survival"``, or ``"classification"``: death within two years; patients censored before are left out.

    Raises
    ------
    InputError
        If the file lacks columns.
    """
    frame = read_table(path, "case_id")
    needed = ["case_id", "survival_months", "censorship", "age", "is_female"]
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise InputError(f"{path.name} is no such TCGA file", expected=f"columns {needed}", got=f"no {missing}")
    frame = frame.drop_duplicates("case_id").set_index("case_id")  # features and outcome are the patient's
    endings = {"rna": "_rnaseq", "cnv": "_cnv", "mutations": "_mut"}
    frames = {name: frame[[c for c in frame.columns if c.endswith(end)]] for name, end in endings.items()}
    frames = {name: part for name, part in frames.items() if part.shape[1]} | {"clinical": frame[["age", "is_female"]]}
    outcome = frame[["survival_months", "censorship"]].set_axis(["months", "event"], axis=1)
    outcome = outcome.assign(event=1 - outcome["event"])
    return with_task(path.name.split(".")[0], frames, outcome, task, HORIZON)


register_dataset(Dataset("tcga", "TCGA: a wide file with RNA, CNV, mutations and clinical data", tcga))
