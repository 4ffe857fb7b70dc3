"""Each model of a file against its JSON Schema: what one takes, and refuses by its shape, the other does, too."""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, ValidationError

from mmlego.data.cohort.manifest import parse_manifest
from mmlego.data.cohort.outcomes import OUTCOMES
from mmlego.data.kinds import KINDS
from mmlego.errors import LegoError
from mmlego.recipes import check_recipe, json_schema
from mmlego.recipes.recipe import Recipe
from mmlego.settings import Settings, as_settings
from tests.contracts.test_kinds import SUBJECTS

KINDS.load_all()
MODELS: dict[str, tuple[type[BaseModel], dict[str, Any]]] = {
    **{name: (model, {"kind": name, "file": "a.csv"}) for name, model in KINDS.items()},
    **{name: (model, {"task": name, "file": "a.csv"}) for name, model in OUTCOMES.items()},
}
NEEDED = {"event": "e", "event_when": 1, "time": "t", "label": "l", "labels": ["l"], "target": "y"}
#: What somebody may write behind a key. Numbers and truths as texts, which pydantic turns, are not among them.
VALUES: tuple[object, ...] = (
    None,
    -9,
    3,
    0.5,
    "x",
    "*",
    "same",
    "scalar",
    "-365d",
    "days",
    ".",
    [],
    ["x", "y"],
    ["x", -9, 0.5],
    [["x"]],
    ["-365d", 0],
    [0, None],
    [1, 2, 3],
    {},
    {"x": "y"},
    {"x": -9},
    {"x": ["a", 1]},
    {"x": {"y": "z"}},
    {"file": "x"},
    {"file": "x", "column": "y"},
    {"x": {"since": "y"}},
)


def refused(model: type[BaseModel], section: dict[str, Any]) -> bool | None:
    """Return whether a model refuses a section by its shape; None: by what it means, which a schema need not know."""
    try:
        model.model_validate(section)
    except ValidationError as error:
        return True if any(fault["type"] != "value_error" for fault in error.errors()) else None
    return False


@cache
def schema(which: Any) -> dict[str, Any]:
    return json_schema(which)


def validator(which: Any, name: str | None) -> jsonschema.Draft202012Validator:
    whole = schema(which)
    if name is None:
        return jsonschema.Draft202012Validator(whole)
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": whole["$defs"]})


def differing(model: type[BaseModel], check: Any, base: dict[str, Any]) -> list[str]:
    """Return the keys and values of which model and schema say different things."""
    odd = []
    for key in [*model.model_fields, "unknown"]:
        for value in VALUES:
            if (key, value) == ("file", None):
                continue  # tables in memory have no file; a manifest needs it, see below
            section = {**base, key: value}
            told = refused(model, section)
            if told is not None and told == (not list(check.iter_errors(section))):
                odd.append(f"{key}: {value!r} is {'refused' if told else 'taken'} by the model alone")
    return odd


@pytest.mark.parametrize("name", MODELS)
def test_schema_and_model_of_a_section_agree(name: str) -> None:
    model, base = MODELS[name]
    base = base | {key: value for key, value in NEEDED.items() if key in model.model_fields}
    assert differing(model, validator("cohort", model.__name__), base) == []


@pytest.mark.parametrize("section", [None, "plate", "encoder", "fit", "merge", "fuse"])
def test_schema_and_model_of_settings_agree(section: str | None) -> None:
    inner: Any = Settings.model_fields[section].annotation if section else Settings
    check = validator("settings", inner.__name__ if section else None)
    assert differing(inner, check, {}) == []


def test_schema_and_model_of_a_recipe_agree() -> None:
    assert differing(Recipe, validator("recipe", None), {"blocks": {"rna": "b/rna"}}) == []


@pytest.mark.parametrize("kind", [kind for kind in SUBJECTS if kind in KINDS])
def test_sections_of_every_kind_fit(kind: str) -> None:
    section = {**SUBJECTS[kind].section, "kind": kind}
    content = {"key": "id", "modalities": {"m": section}}
    assert parse_manifest(content).modalities["m"].kind == kind
    assert fits("cohort", content)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_needs_to_be_read_it_needs_in_the_schema(kind: str) -> None:
    for more in ({}, {"file": None}, {"file": None, "pattern": None}):
        content = {"key": "id", "modalities": {"m": {"kind": kind, **more}}}
        assert not fits("cohort", content), more
        if kind not in ("graph", "omics", "text"):  # which say so when they are read
            assert not taken(parse_manifest, content), more


NAMES = (
    "rna",
    "ä b",
    "a@b",
    "a@b@c",
    "@a",
    "a@",
    ".a",
    " a",
    "a ",
    "a/b",
    "a\\b",
    "a.b",
    "",
    "a\n",
    "x" * 100,
    "x" * 101,
)


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    manifest = {"key": "id", "modalities": {name: {"kind": "table", "file": "a.csv"}}}
    assert fits("cohort", manifest) == taken(parse_manifest, manifest)
    recipe = {"blocks": {name: "a"}}
    assert fits("recipe", recipe) == taken(check_recipe, recipe)


@pytest.mark.parametrize(
    ("content", "right"),
    [
        ({"blocks": {"a": {"path": "x", "hub": "a/b", "revision": "main"}}}, False),
        ({"blocks": {"a": {"hub": "a/b"}}}, False),
        ({"blocks": {"a": {"path": "x", "revision": "main"}}}, False),
        ({"blocks": {"a": {}}}, False),
        ({"blocks": {"a": {"hub": "a/b", "revision": "main"}}}, True),
        ({"blocks": {"a": {"train": {"data": "c.yaml"}}}}, True),
        ({"blocks": {}}, False),
        ({"blocks": {"a": "x"}, "weights": "stacked"}, False),
        ({"blocks": {"a": "x"}, "calibrate": True}, False),
        ({"blocks": {"a": "x"}, "calibrate": False}, True),
        ({"blocks": {"a": "x"}, "calibrate": True, "held_out": {"data": "c.yaml"}}, True),
        ({"blocks": {"a": "x"}, "rule": "mien"}, False),
        ({"blocks": {"a": "x"}, "fuse": {"data": "c.yaml", "across": "nothing"}}, False),
        ({"blocks": {"a": "x"}, "fuse": {"data": "c.yaml", "across": None}}, True),
    ],
)
def test_what_sections_of_a_recipe_ask_of_each_other(content: dict[str, Any], right: bool) -> None:
    assert taken(check_recipe, content) is right
    assert fits("recipe", content) is right


@pytest.mark.parametrize(
    "given", [{"encoder": {"name": "sn"}}, {"merge": {"heads": "x"}}, {"encoders": {"rna": {"name": 1}}}]
)
def test_names_of_registries(given: dict[str, Any]) -> None:
    assert not fits("settings", given)
    assert not taken(as_settings, given)


def test_privacy_of_settings() -> None:
    for rule, right in (({"epsilon": 3, "delta": 1e-5}, True), ({"epsilon": 3}, False), ({"delta": 0}, False)):
        content = {"encoder": {"name": "neural"}, "fit": {"privacy": rule}}
        assert fits("settings", content) is right
        assert taken(as_settings, content) is right


def fits(which: Any, content: object) -> bool:
    return not list(validator(which, None).iter_errors(content))


def taken(read: Any, content: object) -> bool:
    try:
        read(content)
    except LegoError:
        return False
    return True
