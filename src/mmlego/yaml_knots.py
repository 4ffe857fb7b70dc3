"""YAML of files that others may have written: knots are refused unbuilt, all else is one kind of error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mmlego.errors import InputError
from mmlego.wording import UTF8

MOST = 200_000  # values of a file, its aliases unfolded
DEEPEST = 60
LONGEST = 400  # digits of a number: one of thousands cannot even be told in a message


def text_of(path: Path, what: str) -> str:
    """Return the text of a file that shall be YAML.

    Parameters
    ----------
    path
        The file.
    what
        What it is to the user, for messages.

    Raises
    ------
    InputError
        If it cannot be read, or is not in UTF-8.

    Examples
    --------
    >>> text_of(Path("none.yaml"), "recipe")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: cannot read the recipe none.yaml (No such file or directory)
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read the {what} {path} ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the {what} {path.name} is no text ({error})", remedy=UTF8) from error


def read_yaml(text: str, loader: type[yaml.SafeLoader]) -> Any:
    r"""Return what YAML holds.

    Parameters
    ----------
    text
        The YAML.
    loader
        What makes data of it.

    Raises
    ------
    yaml.YAMLError
        If it is none, or holds what is no data: a date that is not in the calendar, a number of thousands of digits, a
        key that is a list.

    Examples
    --------
    >>> read_yaml("born: 2020-02-30", yaml.SafeLoader)
    Traceback (most recent call last):
    ...
    yaml.error.YAMLError: it holds what is no value: day is out of range for month
    """
    reading = _begun(text, loader)
    tree = _tree(reading)
    try:
        return None if tree is None else reading.construct_document(tree)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        # what PyYAML's constructors let through
        raise yaml.YAMLError(f"it holds what is no value: {error}") from error


def refuse_knots(text: str) -> yaml.Node | None:
    r"""Return the tree of a YAML text; refuse one that nobody could walk.

    Parameters
    ----------
    text
        The YAML.

    Raises
    ------
    yaml.YAMLError
        If it is none, an alias holds itself, or it unfolds to too much.

    Examples
    --------
    >>> refuse_knots("a: &x {b: *x}")
    Traceback (most recent call last):
    ...
    yaml.constructor.ConstructorError: an alias holds itself, or sections are 60 deep
      in "<unicode string>", line 1, column 8:
        a: &x {b: *x}
               ^
    """
    return _tree(_begun(text, yaml.SafeLoader))


def _begun(text: str, loader: type[yaml.SafeLoader]) -> yaml.SafeLoader:
    try:
        return loader(text)
    except (ValueError, OverflowError) as error:
        raise yaml.YAMLError(f"it cannot be read: {error}") from error


def _tree(reading: yaml.SafeLoader) -> yaml.Node | None:
    try:
        tree: yaml.Node | None = reading.get_single_node()
    except RecursionError:
        raise yaml.YAMLError(f"sections are more than {DEEPEST} deep") from None
    except (ValueError, OverflowError, KeyError, AttributeError) as error:  # of escapes that name no letter
        raise yaml.YAMLError(f"it cannot be read: {error}") from error
    sizes: dict[int, int] = {}
    if tree is not None and _size(tree, sizes, 0) > MOST:
        raise yaml.constructor.ConstructorError(None, None, f"it unfolds to more than {MOST} values", tree.start_mark)
    return tree


def _size(node: yaml.Node, sizes: dict[int, int], depth: int) -> int:
    """Return how many values a node unfolds to; each is looked at once."""
    if depth > DEEPEST:
        told = f"an alias holds itself, or sections are {DEEPEST} deep"
        raise yaml.constructor.ConstructorError(None, None, told, node.start_mark)
    if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":int") and len(node.value) > LONGEST:
        raise yaml.constructor.ConstructorError(None, None, f"a number of over {LONGEST} digits", node.start_mark)
    if id(node) not in sizes:
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            inner = list(node.value)
        sizes[id(node)] = 1 + sum(_size(part, sizes, depth + 1) for part in inner)
    return sizes[id(node)]
