"""JSON Schemas say of a file what mmlego says of it."""

from __future__ import annotations

import json
import re
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mmlego.data.cohort.manifest import parse_manifest
from mmlego.data.cohort.manifest_yaml import ManifestLoader
from mmlego.errors import LegoError
from mmlego.recipes import check_recipe, json_schema
from mmlego.settings import Settings, as_settings, write_settings

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("docs/**/*.md"))


@cache
def schema(which: Any) -> dict[str, Any]:
    return json_schema(which)


def fits(which: Any, content: object) -> bool:
    return not list(jsonschema.Draft202012Validator(schema(which)).iter_errors(content))


@pytest.mark.parametrize("which", ["recipe", "cohort", "settings"])
def test_they_are_schemas(which: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(which))
    assert json_schema(which)["title"].endswith(f": {which}")


def manifests_of_pages() -> list[tuple[str, object]]:
    """Return the whole manifests of the documentation."""
    found = []
    for page in PAGES:
        for text in re.findall(
            r"^```yaml[^\n]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            try:
                content = yaml.load(text, Loader=ManifestLoader)
            except yaml.YAMLError:  # pieces of several, beside each other
                continue
            if isinstance(content, dict) and {"key", "modalities"} <= content.keys():
                found.append((page.name, content))
    return found


def test_manifests_of_the_documentation_fit() -> None:
    found = manifests_of_pages()
    assert len(found) > 3
    for page, content in found:
        assert fits("cohort", content) or not taken(content), page


def sections_of_pages() -> list[tuple[str, dict[str, Any]]]:
    """Return the sections of modalities that pages of the documentation show by themselves."""
    found = []
    for page in PAGES:
        for text in re.findall(
            r"^```yaml[^\n]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            try:
                content = yaml.load(f"modalities:\n{textwrap.indent(text, '  ')}", Loader=ManifestLoader)
            except yaml.YAMLError:
                continue
            parts = content["modalities"] or {}
            found += [(page.name, part) for part in parts.values() if isinstance(part, dict) and "kind" in part]
    return found


def test_sections_of_the_documentation_fit() -> None:
    found = sections_of_pages()
    assert len(found) > 20
    for page, section in found:
        content = {"key": "id", "modalities": {"m": section}}
        written = json.loads(json.dumps(content, default=str))  # JSON, and editors, know no dates
        assert fits("cohort", written) or not taken(content), (page, section)


def taken(content: object) -> bool:
    try:
        parse_manifest(content)
    except LegoError:
        return False
    return True


@pytest.mark.parametrize(
    ("content", "right"),
    [
        ({"key": "id", "modalities": {"rna": {"kind": "omics", "file": "a.csv", "genes": "rows"}}}, True),
        ({"key": "id", "modalities": {"rna": {"kind": "omics", "file": "a.csv", "gens": "rows"}}}, False),
        ({"key": "id", "modalities": {"rna": {"kind": "nothing", "file": "a.csv"}}}, False),
        ({"modalities": {"rna": {"kind": "table", "file": "a.csv"}}}, False),
        (
            {
                "key": "id",
                "modalities": {"rna": {"kind": "table", "file": "a.csv"}},
                "outcome": {"task": "survival", "file": "b.csv", "time": "t", "event": "e", "event_when": "dead"},
            },
            True,
        ),
        (
            {
                "key": "id",
                "modalities": {"rna": {"kind": "table", "file": "a.csv"}},
                "outcome": {"task": "survival", "file": "b.csv", "time": "t", "label": "e"},
            },
            False,
        ),
    ],
)
def test_of_a_manifest(content: dict[str, Any], right: bool) -> None:
    assert fits("cohort", content) is right
    if right:
        parse_manifest(content)
    else:
        with pytest.raises(LegoError):
            parse_manifest(content)


def test_of_settings() -> None:
    assert fits("settings", yaml.safe_load(write_settings(Settings())))
    assert fits("settings", {"fit": {"epochs": 3}})
    for wrong in ({"fit": {"epochs": 0}}, {"fits": {}}, {"merge": {"phase": "mien"}}):
        assert not fits("settings", wrong)
        with pytest.raises(LegoError):
            as_settings(wrong)


def test_of_a_recipe() -> None:
    right = {"blocks": {"rna": "a/rna", "labs@b": {"path": "b/labs"}}, "weights": "uniform"}
    assert fits("recipe", right)
    check_recipe(right)
    for wrong in ({"blocks": {"rna": 3}}, {"blocks": {"rna": {"pth": "a"}}}, {"rule": "mean"}):
        assert not fits("recipe", wrong)
        with pytest.raises(LegoError):
            check_recipe(wrong)
