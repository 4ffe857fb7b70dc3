"""JSON Schemas of what mmlego reads as YAML, for editors that check a file while it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from mmlego.data.cohort.manifest import Manifest
from mmlego.data.cohort.outcomes import OUTCOMES
from mmlego.data.kinds import KINDS
from mmlego.encoders import encoder_names
from mmlego.learners import learner_names
from mmlego.merge.heads import head_rules
from mmlego.merge.rules import merge_rules
from mmlego.merge.weights import STACKED
from mmlego.readout import COMMON
from mmlego.recipes.recipe import MOST_LETTERS, Recipe
from mmlego.settings import AUTO, NEURAL, Settings
from mmlego.version import __version__

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_LETTER = r"[^/\\@\x00-\x1f\x7f]"
_MODALITY = rf"^(?![.\s]){_LETTER}+(?<!\s)(?![\s\S])"
_OF_BLOCK = _LETTER.replace("/", "/.")
_BLOCK = rf"^(?!\s){_OF_BLOCK}+(?<!\s)(@(?!\s){_OF_BLOCK}+(?<!\s))?(?![\s\S])"
_CALIBRATE = {"properties": {"calibrate": {"const": True}}, "required": ["calibrate"]}
_PLACES = ("file", "pattern", "edges")
# Names that registries know, those of --import and of installed distributions too: section, key, names.
_NAMES: tuple[tuple[str | None, str, Callable[[], Iterable[str]]], ...] = (
    ("EncoderSettings", "name", lambda: {AUTO, NEURAL, *encoder_names(), *learner_names()}),
    ("FuseSettings", "across", lambda: {AUTO, *learner_names()}),
    ("FuseSection", "across", lambda: {AUTO, *learner_names()}),
    ("MergeSettings", "rule", merge_rules),
    ("MergeSettings", "heads", lambda: {COMMON, *head_rules()}),
    (None, "rule", merge_rules),
    (None, "heads", lambda: {COMMON, *head_rules()}),
)
Which = Literal["recipe", "cohort", "settings"]


def json_schema(which: Which) -> dict[str, Any]:
    """Return the JSON Schema of a file, draft 2020-12.

    Parameters
    ----------
    which
        ``recipe``, ``cohort`` (a manifest) or ``settings``.

    Examples
    --------
    >>> sorted(json_schema("recipe")["properties"])[:3]
    ['blocks', 'calibrate', 'fuse']
    >>> json_schema("cohort")["required"]
    ['key', 'modalities']
    """
    if which == "cohort":
        made = _of_manifest()
    else:
        made = (Recipe if which == "recipe" else Settings).model_json_schema()
        if which == "recipe":
            _of_recipe(made)
        for where, name, known in _NAMES:
            section = made if where is None else made["$defs"].get(where, {})
            if name in section.get("properties", {}):
                _may_be(section["properties"][name], known())
    return {
        "$schema": DRAFT,
        "title": f"mmlego {__version__}: {which}",
        **{k: v for k, v in made.items() if k != "title"},
    }


def _of_recipe(made: dict[str, Any]) -> None:
    """Say in the schema of a recipe what its sections ask of each other."""
    blocks, block = made["properties"]["blocks"], made["$defs"]["BlockSection"]
    # a folder alone stands for a block with a path
    blocks["additionalProperties"] = {"anyOf": [{"type": "string"}, blocks["additionalProperties"]]}
    blocks["propertyNames"] = {"pattern": _BLOCK, "maxLength": MOST_LETTERS}
    block["oneOf"] = [_given("path"), _given("hub"), _given("train")]
    block["dependentRequired"] = {"hub": ["revision"], "revision": ["hub"]}
    needs = {"anyOf": [{"properties": {"weights": {"const": STACKED}}, "required": ["weights"]}, _CALIBRATE]}
    made["if"], made["then"] = needs, _given("held_out")


def _given(name: str) -> dict[str, Any]:
    """Return the schema of a section that has a key, and not null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _may_be(schema: dict[str, Any], known: Iterable[str]) -> None:
    """Say of a name which there are, where it is a text."""
    text = next(one for one in [schema, *schema.get("anyOf", [])] if one.get("type") == "string")
    text["enum"] = sorted(known)


def _of_manifest() -> dict[str, Any]:
    """Return the schema of a manifest, each modality by its kind and the outcome by its task."""
    KINDS.load_all()
    models: list[type[BaseModel]] = [Manifest, *KINDS.values(), *OUTCOMES.values()]
    refs, whole = models_json_schema([(model, "validation") for model in models])
    definitions = whole["$defs"]
    made: dict[str, Any] = definitions[refs[Manifest, "validation"]["$ref"].rpartition("/")[2]]
    for key, known in (("kind", KINDS), ("task", OUTCOMES)):
        for name, model in known.items():
            one = definitions[refs[model, "validation"]["$ref"].rpartition("/")[2]]
            one["properties"] = {**one.get("properties", {}), key: {"const": name}}
            one["required"] = sorted({*one.get("required", []), key})
            if {"event_when", "causes"} <= one["properties"].keys():  # causes say by themselves what happened
                one["required"].remove("event_when")
                one["anyOf"] = [{"required": ["event_when"]}, {"required": ["causes"]}]
    for kind in KINDS.values():
        one = definitions[refs[kind, "validation"]["$ref"].rpartition("/")[2]]
        places = [name for name in _PLACES if name in kind.model_fields]
        if kind.needs:
            one["allOf"] = [_given(name) for name in kind.needs]
        elif places:  # one of them says where the files are
            one["anyOf"] = [_given(name) for name in places]
    modalities = made["properties"]["modalities"]
    modalities["additionalProperties"] = {"oneOf": [refs[model, "validation"] for model in KINDS.values()]}
    modalities |= {"minProperties": 1, "propertyNames": {"pattern": _MODALITY, "maxLength": MOST_LETTERS}}
    of_tasks = {"oneOf": [refs[model, "validation"] for model in OUTCOMES.values()], **_given("file")}
    made["properties"]["outcome"] = {"anyOf": [{"type": "null"}, of_tasks]}
    return {**made, "$defs": definitions}
