"""What docs/architecture.md says of the house is so: the tree, the registrations, the files that walk them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import mmlego
from mmlego.merge import combine, rules
from tests.outside import LARGEST, PAGE

ROOT = Path(__file__).parents[1]
SOURCE = Path(mmlego.__file__).parent


def tree() -> list[Path]:
    """Return what the picture names, each under the folders that it is drawn in."""
    drawn = re.search(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert drawn
    places: list[Path] = []
    folders: dict[int, Path] = {}
    for line in drawn[1].splitlines():
        depth = len(line) - len(line.lstrip())
        for name in re.findall(r"[\w/]+(?:\.py|/)(?=\s|$)", line.strip().split("   ")[0]):
            above = [folder for at, folder in folders.items() if at < depth]
            folder = above[-1] / name if above else ROOT / name
            places.append(folder)
            if name.endswith("/"):
                folders = {at: there for at, there in folders.items() if at < depth} | {depth: folder}
    return places


def test_the_picture_shows_what_is_there() -> None:
    places = tree()
    assert len(places) > 25
    assert [str(place.relative_to(ROOT)) for place in places if not place.exists()] == []
    drawn = {place.name for place in places}
    folders = [
        path for place in (SOURCE, SOURCE / "data") for path in place.iterdir() if (path / "__init__.py").exists()
    ]
    assert {folder.name for folder in folders} <= drawn, "draw the new folder in docs/architecture.md"


def test_files_that_the_page_names_are_there() -> None:
    for name in re.findall(r"`((?:[\w]+/)+\w+(?:\.\w+)?/?)`", PAGE):
        if "signal" not in name:
            assert any((base / name).exists() for base in (ROOT, SOURCE, SOURCE / "data")), name


def test_the_merge_rule_of_the_page_merges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules._RULES, "_known", rules._RULES.registered())
    exec(compile(LARGEST, "architecture.md", "exec", dont_inherit=True), {})
    spectra = torch.randn(3, 4, 2, 2, dtype=torch.complex64)
    weights = torch.tensor([[0.2, 0.6, 0.1, 0.4], [0.5, 0.3, 0.1, 0.2], [0.3, 0.1, 0.8, 0.4]])
    merged = combine("largest", spectra, weights, torch.ones(3, 4, dtype=torch.bool))
    assert torch.equal(merged, torch.stack([spectra[1, 0], spectra[0, 1], spectra[2, 2], spectra[0, 3]]))
