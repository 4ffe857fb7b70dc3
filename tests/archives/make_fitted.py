"""Make the archive of fitted bricks of this version, one of each kind, and what they answer. From the repository.

``python -m tests.archives.make_fitted`` writes ``tests/archives/v<version>/fitted``, which needs LightGBM, XGBoost,
CatBoost and skops; what stands there already is not written again. All are fitted to numbers drawn at random.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from mmlego import Baseplate, Bundle, LegoBlock, LegoFuse, LegoMerge, Ragged, __version__, save
from mmlego.data import PatientData
from mmlego.encoders import SNN
from mmlego.job.across import add_across
from mmlego.tasks import Classification, Survival

HERE = Path(__file__).parent
N = 60
LIBRARIES = ("lightgbm", "xgboost", "catboost", "skops")  # what is called so needs it


def plate_of(task: Any) -> Baseplate:
    """Return a small baseplate."""
    return Baseplate(task, channels=3, width=4, heads=1, head_width=3, expansion=1, seed=9)


def patients() -> tuple[Tensor, Tensor, Tensor]:
    """Return features, classes and what happened when, of patients drawn at random."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 3))
    level = x[:, 0] + 0.5 * rng.normal(size=N)
    time = rng.exponential(np.exp(-level)) + 0.01
    event = rng.random(N) < 0.7
    died = torch.from_numpy(np.stack([event, time], 1)).float()
    return torch.from_numpy(x).float(), torch.from_numpy(level > 0).long(), died


def make() -> dict[str, Any]:
    """Return a model of each kind by name."""
    from sklearn.naive_bayes import GaussianNB

    x, had, died = patients()
    classes, survival = plate_of(Classification(["no", "yes"])), plate_of(Survival([0.3, 0.8]))
    few = {"rounds": 3, "learning_rate": 0.3}
    shallow = {**few, "depth": 2}
    sure = {**shallow, "min_weight": 0.1, "columns": 1.0}
    made: dict[str, Any] = {
        "logistic": LegoBlock.of("logistic", classes, "labs", (x, had)),
        "coxnet": LegoBlock.of("coxnet", survival, "labs", (x, died)),
        "forest": LegoBlock.of("forest", classes, "labs", (x, had), options={"trees": 3, "min_leaf": 8}),
        "boosting": LegoBlock.of("boosting", classes, "labs", (x, had), options={**few, "leaves": 3}),
        "survival_boosting": LegoBlock.of("survival_boosting", survival, "labs", (x, died), options={"rounds": 3}),
        "lightgbm": LegoBlock.of("lightgbm", classes, "labs", (x, had), options={**few, "leaves": 3}),
        "xgboost": LegoBlock.of("xgboost", classes, "labs", (x, had), options=sure),
        "catboost": LegoBlock.of("catboost", classes, "labs", (x, had), options=shallow),
        "skops": LegoBlock.of(GaussianNB(), classes, "labs", (x, had)),
    }
    bags, codes = bags_of(x), codes_of(x)
    made["pooled"] = LegoBlock.of("logistic", classes, "slide", (bags, had))
    made["run_counts"] = LegoBlock.of("logistic", classes, "codes", (codes, had))
    made["selected"] = LegoBlock.of("logistic", classes, "twice", (torch.cat([x, x[:, :1]], 1), had))
    torch.manual_seed(1)
    neural = LegoBlock(SNN(3, hidden=(3,)), classes, "labs").eval()
    neural.card.prior = made["logistic"].card.prior
    made["bundle"] = Bundle(
        {"neural": neural, "linear": LegoBlock.of("logistic", classes, "labs", (x, had))}, [0.4, 0.6]
    )
    names = [f"p{i}" for i in range(N)]
    pair = [LegoBlock.of("logistic", classes, name, (part, had)) for name, part in (("labs", x), ("more", x.flip(1)))]
    made["merge"] = LegoMerge([LegoBlock.of("logistic", classes, "labs", (x, had)), pair[1]])
    fuse = LegoFuse(pair)
    add_across(fuse, PatientData({"labs": x, "more": x.flip(1)}, had, fuse.task, names), "logistic", seen=N, seed=0)
    made["across"] = fuse
    return {name: model.eval() for name, model in made.items()}


def bags_of(x: Tensor) -> Ragged:
    """Return bags of two to four tokens made of rows."""
    return Ragged.from_list([torch.stack([row * (i + 1) for i in range(2 + at % 3)]) for at, row in enumerate(x)])


def codes_of(x: Tensor) -> Tensor:
    """Return four codes for each row."""
    return torch.stack([(x[:, i % 3] > 0.5 * (i - 1)).long() + i % 2 for i in range(4)], 1)


def inputs() -> dict[str, Tensor]:
    """Return features of four patients."""
    return {"labs": torch.randn((4, 3), generator=torch.Generator().manual_seed(2))}


def answer(model: Any, x: Tensor) -> Tensor:
    """Return the logits of a model for patients with these features."""
    given = {
        "labs": x,
        "more": x.flip(1),
        "slide": bags_of(x),
        "codes": codes_of(x),
        "twice": torch.cat([x, x[:, :1]], 1),
    }
    with torch.no_grad():
        if isinstance(model, LegoMerge | LegoFuse):
            made: Tensor = model({name: given[name] for name in model.modalities})
        else:
            made = model(given[model.modality]).logits
    return made


def main() -> None:
    """Write what is not there."""
    folder = HERE / f"v{__version__}" / "fitted"
    if (folder / "expected.safetensors").exists():
        return
    features, said = inputs(), {}
    for name, model in make().items():
        save(model, folder / name, data="No patients: numbers drawn at random.")
        said[f"output.{name}"] = answer(model, features["labs"]).contiguous()
    save_file(said | {f"input.{name}": value for name, value in features.items()}, folder / "expected.safetensors")


if __name__ == "__main__":
    main()
