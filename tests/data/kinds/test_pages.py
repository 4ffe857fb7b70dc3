"""The pages of the manifest: each kind has one, its sections are right, its whole example is read and prepared."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from mmlego import Baseplate, LegoBlock
from mmlego.data import check_manifest
from mmlego.data.cohort.manifest import parse_source
from mmlego.data.kinds import KINDS
from mmlego.encoders import build_encoder
from mmlego.tasks import Classification

PAGES = sorted((Path(__file__).parents[3] / "docs" / "kinds").glob("*.md"))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"^`([^`\n]+)`\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
PATIENTS = [f"P{i:02d}" for i in range(1, 7)]


def slides(folder: Path) -> None:
    from tests.data.kinds.bag.slides import patches, write_h5

    for seed, patient in enumerate(PATIENTS):
        for slide in "ab"[: 1 + seed % 2]:
            write_h5(folder / "slides" / f"{patient}_{slide}.h5", patches(5 + seed, 16, 2 * seed + (slide == "b")))


def pictures(folder: Path) -> None:
    from tests.data.kinds.image.scans import pixels, write_picture

    for seed, patient in enumerate(PATIENTS):
        write_picture(folder / "xrays" / f"{patient}.png", pixels(40, 36, seed=seed))


def model(folder: Path) -> None:
    from tests.data.kinds.text.test_texts import build_model

    build_model(folder / "models" / "tiny")


# What a page tells in words, for it is no text.
BINARY: dict[str, Callable[[Path], None]] = {"bag": slides, "image": pictures, "text": model}
NEEDS = {"bag": "h5py", "image": "monai", "text": "transformers", "graph": "torch_geometric", "fingerprint": "rdkit"}


def test_every_kind_has_a_page_that_the_manifest_lists() -> None:
    pages = {page.stem: page.read_text(encoding="utf-8") for page in PAGES}
    listed = (PAGES[0].parents[1] / "manifest.md").read_text(encoding="utf-8")
    for page in pages:
        assert f"(kinds/{page}.md)" in listed
    for kind in KINDS:
        assert any(f"kind: {kind}" in text for text in pages.values()), kind
        assert f"`{kind}`" in listed or kind in pages, kind


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_sections_are_right(page: Path) -> None:
    """A key that no longer exists, or was misspelt, is refused here as it would be in a manifest."""
    seen = 0
    for language, code in FENCE.findall(page.read_text(encoding="utf-8")):
        if language != "yaml":
            continue
        content = yaml.safe_load(code)
        sections = content.get("modalities", content) if isinstance(content, dict) else {}
        for name, section in sections.items():
            if isinstance(section, dict) and "kind" in section:
                assert parse_source(section, name, files=True).kind == section["kind"]
                seen += 1
    assert seen > 1


@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_whole_example_is_read_and_prepared(page: Path, tmp_path: Path) -> None:
    if page.stem in NEEDS:
        pytest.importorskip(NEEDS[page.stem])
    text = page.read_text(encoding="utf-8").partition("\n## A whole example\n")[2]
    files = dict(NAMED.findall(text))
    assert {"cohort.yaml", "outcome.csv"} <= files.keys()
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    if page.stem in BINARY:
        BINARY[page.stem](tmp_path)
    report = check_manifest(tmp_path / "cohort.yaml")
    assert report.wrong == []
    cohort = report.cohort
    assert cohort is not None
    assert list(cohort.patients) == PATIENTS
    (modality,) = cohort.modalities
    assert cohort.sources[modality].kind == page.stem
    prepared = cohort.prepare(PATIENTS[:4])
    data = prepared.data()
    assert data.present[modality].all()
    name, given = prepared.preprocessing[modality].encoder()
    plate = Baseplate(Classification(["no", "yes"]), channels=4, width=8, heads=2, head_width=4)
    block = LegoBlock(build_encoder(name, given), plate, modality).eval()
    logits = block(data.batch().inputs[modality]).logits
    assert logits.shape == (len(PATIENTS), 2)
    assert torch.isfinite(logits).all()
