"""JSON Schemas of what mmlego reads as YAML, for editors that check a file while it is written."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from mmlego.data.cohort.manifest import Manifest
from mmlego.data.cohort.outcomes import OUTCOMES
from mmlego.data.kinds import KINDS
from mmlego.recipes.recipe import Recipe
from mmlego.settings import Settings
from mmlego.version import __version__

DRAFT = "https://json-schema.org/draft/2020-12/schema"
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
        if which == "recipe":  # a folder alone stands for a block with a path
            blocks = made["properties"]["blocks"]
            blocks["additionalProperties"] = {"anyOf": [{"type": "string"}, blocks["additionalProperties"]]}
    return {
        "$schema": DRAFT,
        "title": f"mmlego {__version__}: {which}",
        **{k: v for k, v in made.items() if k != "title"},
    }


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
    made["properties"]["modalities"]["additionalProperties"] = {
        "oneOf": [refs[model, "validation"] for model in KINDS.values()]
    }
    made["properties"]["outcome"] = {"oneOf": [refs[model, "validation"] for model in OUTCOMES.values()]}
    return {**made, "$defs": definitions}
