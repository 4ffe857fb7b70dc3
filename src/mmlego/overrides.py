"""YAML as settings are written in it, and single settings on the command line: ``section.key=value``."""

from __future__ import annotations

import re
from typing import Any

import yaml

from mmlego.errors import InputError
from mmlego.wording import shortened
from mmlego.yaml_knots import read_yaml


class _Loader(yaml.SafeLoader):
    """The safe loader, to which 1e-3 is a number, as to everybody: YAML 1.1 asks for a point in it."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_yaml(text: str) -> Any:
    """Return what YAML holds; 1e-3 is a number.

    Parameters
    ----------
    text
        The YAML.

    Raises
    ------
    yaml.YAMLError
        If it is none.
    """
    return read_yaml(text, _Loader)


def override(content: dict[str, Any], said: str) -> None:
    """Put one setting into what a file says.

    Parameters
    ----------
    content
        What it says; changed in place.
    said
        As ``fit.lr=1e-3``.

    Raises
    ------
    InputError
        If it is not of that form.

    Examples
    --------
    >>> content = {"fit": {"epochs": 3}}
    >>> override(content, "fit.lr=1e-3")
    >>> content
    {'fit': {'epochs': 3, 'lr': 0.001}}
    """
    name, equals, text = said.partition("=")
    keys = name.split(".")
    if not equals or not all(keys):
        raise InputError("an override", expected="section.key=value", got=repr(said))
    place = content
    for key in keys[:-1]:
        if place.get(key) is None:
            place[key] = {}
        place = place[key]
        if not isinstance(place, dict):
            raise InputError(f"the override {said!r}", expected=f"{key!r} to be a section", got="a value")
    try:
        place[keys[-1]] = parse_yaml(text)
    except yaml.YAMLError as error:
        raise InputError(
            f"the override {shortened(said, 80)!r}", expected="a YAML value", got=shortened(text)
        ) from error
