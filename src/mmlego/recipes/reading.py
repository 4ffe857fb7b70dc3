"""Recipes as YAML: all that is wrong is told at once, each with its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mmlego.errors import InputError
from mmlego.overrides import parse_yaml
from mmlego.recipes.recipe import NEEDED, Recipe, needs_patients
from mmlego.wording import counted, meant, shortened
from mmlego.yaml_knots import refuse_knots, text_of


def read_recipe(path: Path) -> Recipe:
    r"""Return a recipe, checked.

    Parameters
    ----------
    path
        The YAML file.

    Raises
    ------
    InputError
        If it cannot be read, is not YAML, or anything in it is wrong: all of it, a line each.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "recipe.yaml"
    ...     _ = path.write_text("blocks: {rna: b/rna}\nrul: mean\ncalibrate: maybe\n")
    ...     read_recipe(path)
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: recipe.yaml: 2 things are wrong:
      line 2: unknown key 'rul'. Did you mean 'rule'?
      line 3: 'calibrate' is wrong (Input should be a valid boolean, unable to interpret input), got 'maybe'
    """
    text = text_of(path, "recipe")
    try:
        content, tree = parse_yaml(text), refuse_knots(text)
    except yaml.YAMLError as error:
        raise InputError(f"the recipe {path.name} is not YAML ({error})") from error
    return check_recipe(content, path.name, tree)


def check_recipe(content: object, where: str = "recipe", tree: yaml.Node | None = None) -> Recipe:
    """Check a recipe that is already in memory.

    Parameters
    ----------
    content
        Nested mappings.
    where
        The file, for messages.
    tree
        Where in the file each of it stands; None: lines are not told.

    Raises
    ------
    InputError
        If anything is wrong.
    """
    if not isinstance(content, Mapping):
        got = "nothing" if content is None else type(content).__name__
        raise InputError(f"{where} is no recipe", expected="keys with values, blocks: first", got=got)
    faults = [(_line(tree, place), f"key {place[-1]!r} is given twice") for place in _twice(tree)]
    try:
        recipe = Recipe.model_validate(dict(content))
    except ValidationError as error:
        found: dict[tuple[Any, ...], list[Any]] = {}
        for fault in error.errors():  # a value that may be of several kinds has a fault for each
            alone = fault["loc"] if fault["type"] in ("extra_forbidden", "missing") else ()
            found.setdefault((*_place(fault["loc"], content), alone), []).append(fault)
        faults += [(_line(tree, place), _said(alike, content)) for (*place, _), alike in found.items()]
        lacking = needs_patients(content)
        if lacking and not any(NEEDED in text for _, text in faults):
            faults.append((_line(tree, [lacking]), f"{lacking} {NEEDED}"))
    else:
        if not faults:
            return recipe
    ordered = sorted(faults, key=lambda one: one[0] or 0)
    told = [text if line is None else f"line {line}: {text}" for line, text in ordered]
    if len(told) == 1:
        raise InputError(f"{where}, {told[0]}" if told[0].startswith("line ") else f"{where}: {told[0]}")
    raise InputError("\n  ".join([f"{where}: {counted(len(told), 'thing')} are wrong:", *told]))


def _place(loc: Sequence[Any], content: Any) -> list[Any]:
    """Return the keys of the file that lead to a fault, without what pydantic adds of its own."""
    place = []
    for key in loc:
        if isinstance(content, Mapping) and key in content:
            place.append(key)
            content = content[key]
        elif isinstance(content, list) and isinstance(key, int) and key < len(content):
            place.append(key)
            content = content[key]
    return place


def _said(faults: Sequence[Any], content: Any) -> str:
    """Return in words what is wrong in one place."""
    fault = faults[0]
    loc = list(fault["loc"])
    place = ".".join(map(str, _place(loc, content)))
    if fault["type"] == "extra_forbidden":
        inside = ".".join(map(str, _place(loc[:-1], content)))
        hint = meant(str(loc[-1]), _keys(loc[:-1]))
        return f"unknown key {loc[-1]!r}{f' in {inside!r}' if inside else ''}" + (f". {hint}" if hint else "")
    if fault["type"] == "missing":
        return f"{loc[-1]!r} is missing{f' in {place!r}' if place else ''}"
    reason = "; or: ".join(dict.fromkeys(one["msg"].removeprefix("Value error, ") for one in faults))
    if not place or isinstance(fault["input"], Mapping):
        return f"{place}: {reason}" if place else reason
    return f"{place!r} is wrong ({reason}), got {_brief(fault['input'])}"


def _brief(value: Any) -> str:
    try:
        return shortened(repr(value), 200)
    except ValueError:  # a number of thousands of digits
        return "a number too long to be told"


def _keys(loc: Sequence[Any]) -> list[str]:
    """Return the keys that a section knows."""
    model: Any = Recipe
    for key in loc:
        fields = getattr(model, "model_fields", None)
        if fields is None or key not in fields:
            continue  # the name of a block, or what pydantic adds
        inner = fields[key].annotation
        models = [inner, *getattr(inner, "__args__", ())]
        model = next((one for one in models if hasattr(one, "model_fields")), model)
    return list(model.model_fields)


def _twice(tree: yaml.Node | None, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of keys that are given twice: the first would be lost in silence."""
    found: list[tuple[Any, ...]] = []
    if isinstance(tree, yaml.MappingNode):
        keys = [key.value for key, _ in tree.value]
        found += [(*place, key) for key in dict.fromkeys(keys) if keys.count(key) > 1]
        for key, value in tree.value:
            found += _twice(value, (*place, key.value))
    return found


def _line(tree: yaml.Node | None, place: Sequence[Any]) -> int | None:
    """Return the line in which something stands, from 1: that of its key; of the whole the first."""
    if tree is None:
        return None
    line = tree.start_mark.line
    for key in place:
        if isinstance(tree, yaml.MappingNode):
            pairs = [(name, value) for name, value in tree.value if name.value == str(key)]
            if not pairs:
                break
            name, tree = pairs[-1]
            line = name.start_mark.line
        elif isinstance(tree, yaml.SequenceNode) and isinstance(key, int):
            tree = tree.value[key]
            line = tree.start_mark.line
    return int(line) + 1
