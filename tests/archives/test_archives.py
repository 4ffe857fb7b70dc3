"""Checkpoints that earlier versions wrote still load, and give the numbers that they gave then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from mmlego import Baseplate, LegoBlock, LegoFuse, LegoMerge, load
from mmlego.checkpoint_config import read_config
from tests.archives.make import Foreign, answers, answers_of_several

VERSIONS = sorted(Path(__file__).parent.glob("v*"))


def test_there_is_an_archive() -> None:
    assert VERSIONS


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name)
def archive(request: pytest.FixtureRequest) -> Path:
    return request.param  # type: ignore[no-any-return]


def models_of(archive: Path) -> dict[str, Any]:
    needed = {"fuse": {"scores": Foreign()}}
    return {kind: load(archive / kind, encoders=needed.get(kind)) for kind in ("baseplate", "block", "merge", "fuse")}


def expected_of(file: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    expected = load_file(file)
    return tuple(  # type: ignore[return-value]
        {name.removeprefix(start): v for name, v in expected.items() if name.startswith(start)}
        for start in ("input.", "output.")
    )


def common_of(archive: Path) -> dict[str, Any]:
    return {kind: load(archive / kind) for kind in ("common-merge", "common-fuse")}


@pytest.mark.parametrize("what", ["expected", "common"])
def test_old_checkpoints_give_the_same_numbers(archive: Path, what: str) -> None:
    features, outputs = expected_of(archive / f"{what}.safetensors")
    if what == "common":
        found = answers_of_several(common_of(archive), features)
    else:
        found = answers(models_of(archive), features)
    assert found.keys() == outputs.keys()
    for name, value in outputs.items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_old_checkpoints_are_what_they_were(archive: Path) -> None:
    models = models_of(archive)
    assert isinstance(models["baseplate"], Baseplate)
    assert type(models["block"]) is LegoBlock
    assert type(models["merge"]) is LegoMerge
    assert type(models["fuse"]) is LegoFuse
    plate = models["baseplate"].fingerprint
    assert {read_config(archive / kind)["plates"][0]["fingerprint"] for kind in models} == {plate}
    assert models["block"].card.validation == {"c_index": 0.625}
    assert models["merge"].weights.tolist() == pytest.approx([0.5, 0.2, 0.3])
    assert models["merge"].block("vitals").encoder_frozen
    fuse = models["fuse"]
    assert (fuse.mode, fuse.order, fuse.freeze, fuse.modality_dropout) == (
        "weave",
        ("scores", "slide"),
        "encoders",
        0.25,
    )


def test_what_was_merged_in_common_is_what_it_was(archive: Path) -> None:
    models = common_of(archive)
    merge, fuse = models["common-merge"], models["common-fuse"]
    assert (merge.heads, merge.rule, merge.strength, fuse.mode) == ("common", "residual", "auto", "parallel")
    assert merge.weights[1] > merge.weights[0] > 0.4
    assert merge.priors.tolist() == [pytest.approx([0.3, 0.0]), pytest.approx([0.3, -0.3])]
    assert 0 < merge.card.recipe["calibration"]["scale"] != 1.0


def test_old_blocks_still_merge_with_new_ones(archive: Path) -> None:
    models = models_of(archive)
    new = LegoBlock(torch.nn.Linear(3, 4), models["baseplate"], "new", out_features=4)
    merged = LegoMerge([models["block"], models["merge"].block("slide"), models["fuse"].block("scores"), new])
    assert merged.modalities == ("clinical", "slide", "scores", "new")


def test_an_archive_is_small(archive: Path) -> None:
    files = [file for file in archive.rglob("*") if file.is_file() and "fitted" not in file.parts]
    assert sum(file.stat().st_size for file in files) < 96 * 1024
