"""Cohorts of the demo: GSE7390, which ships in scikit-survival, and TCGA files as published with PORPOISE."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from mmlego.data import Cohort
from mmlego.data.reading.files import read_table
from mmlego.errors import InputError, MissingExtraError

DemoTask = Literal["survival", "classification"]

_DAYS_A_YEAR = 365.25
_GSE7390_HORIZON = 5.0  # years: the usual end point of this cohort
_TCGA_HORIZON = 24.0  # months


def gse7390(task: DemoTask = "survival") -> Cohort:
    """Return GSE7390: 198 node-negative breast cancers, 76 genes and clinical data, metastasis-free survival.

    Desmedt et al. 2007, as shipped in scikit-survival.

    Parameters
    ----------
    task
        ``"survival"``, or ``"classification"``: metastasis within five years; patients who were lost before are
        left out.

    Raises
    ------
    MissingExtraError
        If scikit-survival is not installed.
    """
    try:
        from sksurv.datasets import load_breast_cancer
    except ImportError as error:
        raise MissingExtraError(
            "the demo's data ships in scikit-survival, which is not installed", remedy="pip install 'mmlego[demo]'"
        ) from error
    import pandas as pd

    x, y = load_breast_cancer()
    x = x.set_axis([f"GSE7390-{i:03d}" for i in range(len(x))], axis=0)
    # A grade that the data calls unknown is a missing value.
    x["grade"] = x["grade"].astype(object).where(x["grade"] != "unkown", None)
    clinical = ["age", "er", "grade", "size"]
    frames = {"genes": x.drop(columns=clinical), "clinical": x[clinical]}
    times = {"years": y["t.tdm"] / _DAYS_A_YEAR, "event": y["e.tdm"].astype(int)}
    return _with_task("GSE7390", frames, pd.DataFrame(times, index=x.index), task, _GSE7390_HORIZON)


def tcga(path: Path, task: DemoTask = "survival") -> Cohort:
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
    return _with_task(path.name.split(".")[0], frames, outcome, task, _TCGA_HORIZON)


def _with_task(name: str, frames: Mapping[str, Any], outcome: Any, task: DemoTask, horizon: float) -> Cohort:
    unit = outcome.columns[0]
    if task == "survival":
        spec: dict[str, object] = {"task": "survival", "time": unit, "event": "event", "event_when": 1, "bins": 4}
        return Cohort.from_frames(frames, outcome=outcome, task=spec, name=name)
    known = outcome[(outcome["event"] == 1) | (outcome[unit] >= horizon)]
    early = ((known["event"] == 1) & (known[unit] < horizon)).astype(int).to_frame("event_by_horizon")
    spec = {"task": "classification", "label": "event_by_horizon"}
    return Cohort.from_frames(frames, outcome=early, task=spec, name=name)
