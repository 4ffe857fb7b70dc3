"""Make the archive of this version: small checkpoints, and what they answer. Run once a release, from the repository.

``python -m tests.archives.make`` writes ``tests/archives/v<version>``. An archive is never changed afterwards: later
versions must load it and give the same numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mmlego import Baseplate, LegoBlock, LegoFuse, LegoMerge, Ragged, __version__, calibrate, save
from mmlego.data import TablePreprocessor
from mmlego.encoders import SNN, GRUEncoder, PatchMLP
from mmlego.tasks import Classification, Survival

HERE = Path(__file__).parent
FRAME = pd.DataFrame({"age": [40.0, None, 61.5], "crp": [0.1, 1 / 3, 2e-3], "sex": ["f", "m", None]})


class Foreign(nn.Module):
    """An encoder that is not registered, as a caller of ``load`` has to pass it."""

    out_features = 3

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).tanh()


def make() -> dict[str, Any]:
    """Return one model of each kind, in every part moved away from its start."""
    torch.manual_seed(0)
    plate = Baseplate(Survival([6.0, 12.5, 24.0]), channels=3, width=4, heads=1, head_width=3, expansion=1, seed=7)
    table = TablePreprocessor.fit(FRAME)
    clinical = LegoBlock(SNN(table.out_features, hidden=(3,)), plate, "clinical")
    clinical.preprocessing = table
    clinical.card.validation, clinical.card.licence = {"c_index": 0.625}, "CC0-1.0"
    slide = LegoBlock(PatchMLP(3, 3, 3), plate, "slide")
    vitals = LegoBlock(GRUEncoder(2, 3), plate, "vitals", freeze_encoder=True)
    foreign = LegoBlock(Foreign(), plate, "scores")
    blocks = [clinical, slide, vitals]
    for block in [*blocks, foreign]:
        _stir(block)
    merge = LegoMerge(blocks, rule="harmonic", phase="mean", heads="slerp", weights=[0.5, 0.2, 0.3])
    fuse = LegoFuse([slide, foreign], mode="weave", order=["scores", "slide"], freeze="encoders", modality_dropout=0.25)
    _stir(fuse)
    return {"baseplate": plate, "block": clinical, "merge": merge, "fuse": fuse}


def make_common() -> dict[str, Any]:
    """Return a merge and a fuse as they are by default, on two classes, stirred and calibrated."""
    torch.manual_seed(3)
    plate = Baseplate(Classification(["no", "yes"]), channels=3, width=4, heads=1, head_width=3, expansion=1, seed=8)
    blocks = [LegoBlock(SNN(4, hidden=(3,)), plate, "clinical"), LegoBlock(PatchMLP(3, 3, 3), plate, "slide")]
    for i, block in enumerate(blocks):
        _stir(block)
        block.card.validation, block.card.errors = {"auroc": 0.7 + 0.1 * i}, {"auroc": 0.05}
        block.card.prior = [0.3, -0.3 * i]
    merge, fuse = LegoMerge(blocks), LegoFuse(blocks)
    _stir(fuse)
    features = {name: value for name, value in inputs().items() if name in merge.modalities}
    bags = list(features["slide"].split([1, 4, 2, 1]))
    calibrate(merge, ({**features, "slide": bags}, torch.tensor([0, 1, 1, 0])))
    return {"common-merge": merge, "common-fuse": fuse}


def inputs() -> dict[str, Tensor]:
    """Return features of four patients by modality; the bags of ``slide`` end to end."""
    draw = torch.Generator().manual_seed(1)
    shapes = {"clinical": (4, 4), "slide": (8, 3), "vitals": (4, 5, 2), "scores": (4, 2)}
    return {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}


def answers(models: dict[str, Any], features: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what the models say of the features, some of them missing."""
    said: dict[str, Tensor] = {"baseplate.start": torch.view_as_real(models["baseplate"].start().full())}
    with torch.no_grad():
        spectrum, said["block.logits"] = models["block"].eval()(features["clinical"])
        said["block.spectrum"] = torch.view_as_real(spectrum)
    said |= answers_of_several({kind: models[kind] for kind in ("merge", "fuse")}, features)
    said["block.features"] = models["block"].preprocessing.transform(FRAME)
    return {name: value.contiguous() for name, value in said.items()}


def answers_of_several(models: dict[str, Any], features: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what models of several modalities say."""
    given: dict[str, Any] = {**features, "slide": Ragged(features["slide"], [1, 4, 2, 1])}
    gap = torch.tensor([True, False, True, True])
    said: dict[str, Tensor] = {}
    with torch.no_grad():
        for kind, model in models.items():
            known = {name: given[name] for name in model.eval().modalities}
            said[f"{kind}.logits"] = model(known)
            said[f"{kind}.logits of gaps"] = model(known, {"slide": gap})
            said[f"{kind}.spectrum"] = torch.view_as_real(model.spectrum(known))
    return {name: value.contiguous() for name, value in said.items()}


def _stir(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))


def main() -> None:
    folder = HERE / f"v{__version__}"
    features = inputs()
    for models, said, file in (
        (make(), answers, "expected.safetensors"),
        (make_common(), answers_of_several, "common.safetensors"),
    ):
        if (folder / file).exists():
            continue
        for kind, model in models.items():
            described = None if kind == "baseplate" else "No patients: numbers drawn at random."
            save(model, folder / kind, data=described)
        content = {f"input.{name}": value for name, value in features.items()}
        content |= {f"output.{name}": value for name, value in said(models, features).items()}
        save_file(content, folder / file)


if __name__ == "__main__":
    main()
