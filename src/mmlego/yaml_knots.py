"""Aliases of YAML that hold themselves, or unfold to more than anybody writes: refused before they are built."""

from __future__ import annotations

import yaml

MOST = 200_000  # values of a file, its aliases unfolded
DEEPEST = 60


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
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    sizes: dict[int, int] = {}
    if tree is not None and _size(tree, sizes, 0) > MOST:
        raise yaml.constructor.ConstructorError(None, None, f"it unfolds to more than {MOST} values", tree.start_mark)
    return tree


def _size(node: yaml.Node, sizes: dict[int, int], depth: int) -> int:
    """Return how many values a node unfolds to; each is looked at once."""
    if depth > DEEPEST:
        told = f"an alias holds itself, or sections are {DEEPEST} deep"
        raise yaml.constructor.ConstructorError(None, None, told, node.start_mark)
    if id(node) not in sizes:
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            inner = list(node.value)
        sizes[id(node)] = 1 + sum(_size(part, sizes, depth + 1) for part in inner)
    return sizes[id(node)]
