"""Pages of the documentation: followed from top to bottom by a reader in an empty folder, they do what they say."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmlego.data.cohort.manifest import parse_source
from tests.pages import DOCS, ROOT, blocks_of, differences, goes_on_from, run_page
from tests.terminal import inside

# Pages whose code other tests run, and which: their blocks are called upon one by one, or stand for a family.
ELSEWHERE = {
    "architecture.md": "tests/outside.py",
    "command-line.md": "tests/test_readme.py",
    "estimators.md": "tests/estimators/test_page.py",
    "learners.md": "tests/learners/test_page.py",
    "encoders.md": "tests/encoders/test_page.py",
    **{f"kinds/{page.name}": "tests/data/kinds/test_pages.py" for page in (DOCS / "kinds").glob("*.md")},
}
PAGES = [
    page
    for page in sorted(DOCS.rglob("*.md"))
    if str(page.relative_to(DOCS)) not in ELSEWHERE and any(b.language in {"python", "sh"} for b in blocks_of(page))
]
FIRST = [page for page in PAGES if goes_on_from(page) is None]


def follow(page: Path) -> dict[str, list[str]]:
    """Follow a page in the folder of now, and those that go on from it after it; return what comes out otherwise."""
    found = {f"{page.name}:{block.line}": differences(block.text, printed) for block, printed in run_page(page)}
    for other in PAGES:
        if goes_on_from(other) == page:
            found |= follow(other)
    return {place: lines for place, lines in found.items() if lines}


@pytest.mark.slow
@pytest.mark.usefixtures("all_trees")
@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
@pytest.mark.parametrize("page", FIRST, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_reader_gets_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    with inside(tmp_path):
        assert follow(page) == {}


def test_no_page_is_left_out() -> None:
    for page in PAGES:
        first = page
        while (before := goes_on_from(first)) is not None:
            assert before in PAGES, page.name
            first = before
        assert first in FIRST
    for name, test in ELSEWHERE.items():
        folder, _, file = name.rpartition("/")
        assert (folder or file) in (ROOT / test).read_text(encoding="utf-8"), name


SECTIONS = [
    pytest.param(block.text, id=f"{page.relative_to(DOCS)}:{block.line}")
    for page in sorted(DOCS.rglob("*.md"))
    if page.parent.name != "kinds"
    for block in blocks_of(page)
    if block.language == "yaml"
]


@pytest.mark.parametrize("text", SECTIONS)
def test_sections_of_manifests_are_right(text: str) -> None:
    """A key that no longer exists, or was misspelt, is refused here as it would be in a manifest."""
    for content in yaml.safe_load_all(text):
        sections: dict[str, Any] = content.get("modalities", {})
        for name, section in sections.items():
            if section.keys() > {"kind"}:
                assert parse_source(section, name, files=True).kind == section["kind"]


def test_differences_are_seen() -> None:
    printed = "model  c_index\nmerge  0.712\nfuse   0.731\n"
    assert differences("merge 0.71\n...\nfuse 0.73\n", printed) == []
    assert differences("merge 0.65\n", printed) == ["merge 0.65"]
    assert differences("fuse 0.731\nmerge 0.712\n", printed) == ["merge 0.712"]
    assert differences("merge 0.71 0.2\n", printed) == ["merge 0.71 0.2"]
    assert differences("95%: 0.50-0.61\n", "95%: 0.50-0.91\n") == ["95%: 0.50-0.61"]


def test_the_drawing_is_what_its_script_draws() -> None:
    script = DOCS / "pictures" / "concepts.py"
    assert runpy.run_path(str(script))["figure"]() == script.with_suffix(".svg").read_text(encoding="utf-8")
