"""GSE7390 (Desmedt et al. 2007), which ships in scikit-survival: in memory, or as the files that a user would have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from mmlego.data import Cohort
from mmlego.datasets.ending import FollowedTask, with_task
from mmlego.datasets.registry import Dataset, register_dataset
from mmlego.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

DAYS_A_YEAR = 365.25
HORIZON = 5.0  # years: the usual end point of this cohort
KEY = "patient"
MANIFEST: Mapping[str, object] = MappingProxyType(
    {
        "name": "GSE7390",
        "key": KEY,
        "outcome": {
            "task": "survival",
            "file": "outcome.csv",
            "time": "years",
            "unit": "years",
            "event": "metastasis",
            "event_when": 1,
        },
        "modalities": {
            "genes": {"kind": "table", "file": "genes.csv"},
            "clinical": {"kind": "table", "file": "clinical.csv"},
        },
    }
)


def gse7390(task: FollowedTask = "survival") -> Cohort:
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
    times = {"years": y["t.tdm"] / DAYS_A_YEAR, "event": y["e.tdm"].astype(int)}
    return with_task("GSE7390", frames, pd.DataFrame(times, index=x.index), task, HORIZON)


def write_gse7390(folder: Path, seed: int = 0) -> Path:
    """Write GSE7390 as tables of genes, clinical data and outcome, with a manifest.

    Parameters
    ----------
    folder
        Where to; made if it is not there.
    seed
        Without effect: nothing is drawn.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    MissingExtraError
        If scikit-survival is not installed, in which the data ship.
    """
    import yaml

    cohort = gse7390()
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in cohort.frames.items():
        frame.to_csv(folder / f"{name}.csv", index_label=KEY)
    outcome = cast("pd.DataFrame", cohort.outcome).rename(columns={"time": "years", "event": "metastasis"})
    outcome.astype({"metastasis": int}).to_csv(folder / "outcome.csv", index_label=KEY)
    manifest = folder / "cohort.yaml"
    manifest.write_text(yaml.safe_dump(dict(MANIFEST), sort_keys=False), encoding="utf-8")
    return manifest


register_dataset(Dataset("gse7390", "breast cancer, genes and clinical", gse7390, write_gse7390))
