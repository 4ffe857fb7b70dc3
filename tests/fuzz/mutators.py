"""Small changes to files: of bytes, of what JSON and YAML hold, of cells of a table, of what stands at a path."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import yaml

DEEP = 20_000  # beyond what any parser goes down to


@dataclass(frozen=True)
class Link:
    """A link that stands where a file should."""

    to: str


FOLDER, GONE = "a folder", "nothing"
Content = bytes | Link | str  # the bytes of a file, a link, or FOLDER, or GONE
Files = Mapping[str, Content]

#: Values that nobody expects, and those that look like others.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 3, 1e-3, -0.5, 0.5, 1e308, 10**12, 2**63, -(2**63), 10**40),
    *(
        math.nan,
        math.inf,
        -math.inf,
        "",
        " ",
        "x",
        "nan",
        "None",
        "1e400",
        "yes",
        "0x1f",
        "\0",
        "a\0b",
        "ä\u2028\x1b[31m",
    ),
    *(
        "x" * 300,
        "y" * 5000,
        "a/b",
        "..",
        "../..",
        "../../outside/new",
        "/etc/passwd",
        "~",
        "*",
        "%s{0}{key}",
        "[",
        "(a+)+$",
    ),
    *("http://127.0.0.1:9/x", "hf://org/name", "file:///etc/passwd", "os.system", "numpy.random", "torch.nn.Linear"),
    *(
        [],
        {},
        [None],
        [[]],
        {"": None},
        [1, "a", None],
        {"a": {"b": {}}},
        list(range(300)),
        [[1, 2], [3]],
        [1e308, 1e308],
    ),
)
#: Pieces of YAML that are no data of ours, or no YAML.
YAML_ODD = (
    *(
        "&a [*a]",
        "{<<: *b}",
        "2020-13-45",
        "2020-02-30",
        "0001-01-01",
        "9" * 6000,
        "0x" + "f" * 6000,
        "!!set {a, b}",
        "*nobody",
    ),
    *(
        "!!binary zzzz",
        "!!binary aGk=",
        "!!python/object/apply:os.system [id]",
        "!!timestamp x",
        "!!int x",
        "!!float x",
    ),
    *(
        "? [a, b]\n: c",
        "{[a]: b}",
        "{{a: b}: c}",
        "{a: 1, a: 2}",
        "!!omap [a: 1]",
        "!!pairs [a: 1]",
        "!!null x",
        "!x y",
    ),
    *(
        "- a\n- b",
        "|\n  text",
        "--- a\n--- b",
        "%YAML 9.9\n---\na",
        "\t",
        "'",
        "{",
        "@",
        "`",
        "12:30:45",
        "1_000",
        "=",
        "<<",
    ),
    *(
        "!!bool maybe",
        "!!merge x",
        "{=: 1}",
        "!!str",
        "!!map x",
        "!!seq x",
        ".inf",
        ".nan",
        "-.inf",
        "0o8",
        "08",
        "1e3",
        "~",
    ),
)


def mutated(
    files: Files, rng: Random, targets: list[str], sealed: Callable[[dict[str, Content]], None] | None
) -> Files:
    """Return files with one to three changes; ``sealed`` puts right hashes in them, mostly."""
    made = dict(files)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        name = rng.choice(targets)
        content = made.get(name, b"")
        if isinstance(content, bytes):
            made[name] = change(name, content, rng, files)
    if sealed is not None and rng.random() < 0.75:
        sealed(made)
    return made


def change(name: str, content: bytes, rng: Random, files: Files) -> Content:
    """Return a file changed once, in a way that fits its name."""
    if rng.random() < 0.04:
        return at_a_path(rng)
    ending = name.rsplit(".", 1)[-1]
    if rng.random() < 0.75:
        if ending == "json":
            return of_json(content, rng)
        if ending in ("yaml", "yml"):
            return of_yaml(content, rng)
        if ending in ("csv", "tsv", "txt"):
            return of_cells(content, rng, "\t" if ending == "tsv" else ",")
    return of_bytes(content, rng, files)


def at_a_path(rng: Random) -> Content:
    """Return what may stand at a path in place of a file."""
    return rng.choice((FOLDER, GONE, Link("nowhere"), Link("."), Link("../outside/canary"), Link("\0self"), b""))


def of_bytes(content: bytes, rng: Random, files: Files) -> bytes:
    """Flip, cut, double, insert, overwrite, truncate."""
    made = bytearray(content)
    size = len(made)
    if not size:
        return rng.randbytes(rng.randrange(1, 64))
    at = (
        rng.randrange(size) if rng.random() < 0.5 else min(size - 1, int(rng.expovariate(1 / 200)))
    )  # headers matter more
    length = min(size - at, 1 + int(rng.expovariate(1 / 16)))
    match rng.randrange(9):
        case 0:
            for _ in range(rng.choice((1, 1, 2, 8))):
                made[rng.randrange(size)] ^= 1 << rng.randrange(8)
        case 1:
            made[at] ^= 1 << rng.randrange(8)
        case 2:
            del made[at : at + length]
        case 3:
            made[at:at] = made[at : at + length] * rng.choice((1, 2, 50))
        case 4:
            made[at:at] = rng.randbytes(length)
        case 5:
            made[at : at + length] = rng.randbytes(length)
        case 6:
            del made[at:]
        case 7:
            word = rng.choice(
                (b"\0" * 8, b"\xff" * 8, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x01\0\0\0", b"\0\0\0\x80", b"\r\n")
            )
            made[at : at + len(word)] = word
        case _:
            others = [other for other in files.values() if isinstance(other, bytes) and other]
            other = rng.choice(others) if others else b"?"
            start = rng.randrange(len(other))
            made[at : at + length] = other[start : start + 10 * length]
    return bytes(made)


def of_json(content: bytes, rng: Random) -> bytes:
    """Change a value, a key or the shape of what JSON holds; or go deeper than parsers go."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return of_bytes(content, rng, {})
    if rng.random() < 0.03:
        return b"[" * DEEP if rng.random() < 0.5 else b'{"a":' * DEEP + b"1" + b"}" * DEEP
    tree = of_tree(tree, rng)
    return json.dumps(tree).encode()


def of_yaml(content: bytes, rng: Random) -> bytes:
    """Change what YAML holds, or put a piece into it that only YAML knows."""
    text = content.decode("utf-8", "replace")
    roll = rng.random()
    if roll < 0.03:
        return (rng.choice(("[", "{a: ", "- ", "? ")) * DEEP).encode()
    if roll < 0.35:
        lines = text.splitlines() or [""]
        at = rng.randrange(len(lines))
        head, colon, _ = lines[at].partition(": ")
        lines[at] = f"{head}: {rng.choice(YAML_ODD)}" if colon or rng.random() < 0.5 else rng.choice(YAML_ODD)
        return "\n".join(lines).encode()
    if roll < 0.4:
        lines = text.splitlines() or [""]
        at = rng.randrange(len(lines))
        lines.insert(
            rng.randrange(len(lines)),
            lines[at] if rng.random() < 0.5 else " " * rng.randrange(4) + rng.choice(YAML_ODD),
        )
        return "\n".join(lines).encode()
    try:
        return yaml.safe_dump(of_tree(yaml.safe_load(text), rng), sort_keys=False).encode()
    except (yaml.YAMLError, RecursionError, ValueError, AttributeError, TypeError, KeyError, OverflowError):
        return of_bytes(content, rng, {})


def of_tree(tree: Any, rng: Random) -> Any:
    """Return nested values with one change somewhere."""
    tree = copy.deepcopy(tree)
    places: list[tuple[Any, Any]] = []
    stack, seen = [tree], set()
    while stack:
        node = stack.pop()
        if id(node) in seen:  # of YAML whose alias holds itself
            continue
        seen.add(id(node))
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            places.append((node, key))
            stack.append(node[key])
    if not places:
        return rng.choice(ODD)
    node, key = rng.choice(places)
    value = node[key]
    match rng.randrange(8):
        case 0 if isinstance(node, dict):
            del node[key]
        case 1 if isinstance(node, dict):
            node[str(rng.choice(ODD))[:200]] = node.pop(key)
        case 2 if isinstance(node, dict):
            node[rng.choice(("unknown", "name", "path", "kind", "options"))] = rng.choice(ODD)
        case 3:
            other, of = rng.choice(places)
            node[key] = copy.deepcopy(other[of])
        case 4 if isinstance(value, list) and value:
            node[key] = value[: rng.randrange(len(value))] if rng.random() < 0.5 else value + value
        case 5 if isinstance(value, int | float) and not isinstance(value, bool):
            node[key] = rng.choice(
                (-value, value * 10, value + 1, value - 1, value / 3, float(value), value * 1e9, str(value))
            )
        case 6 if isinstance(value, str) and value:
            node[key] = rng.choice((value[:-1], value + value, value.upper(), [value], {value: value}, value + "\0"))
        case _:
            node[key] = rng.choice(ODD)
    return tree


def of_cells(content: bytes, rng: Random, mark: str) -> bytes:
    """Change a cell, a column or a line of a text table."""
    lines = [line.split(mark) for line in content.decode("utf-8", "replace").splitlines()] or [[""]]
    at = rng.randrange(len(lines))
    column = rng.randrange(len(lines[at]))
    match rng.randrange(8):
        case 0:
            del lines[at]
        case 1:
            lines.insert(rng.randrange(len(lines)), list(lines[at]))
        case 2:
            lines[0][rng.randrange(len(lines[0]))] = rng.choice((*lines[0], "", str(rng.choice(ODD))[:400]))
        case 3:
            del lines[at][column]
        case 4:
            lines[at].insert(column, str(rng.choice(ODD))[:400])
        case 5:
            for line in lines[1:]:
                if column < len(line):
                    line[column] = str(rng.choice(ODD))[:400]
        case 6:
            lines[at][column] = rng.choice(
                ('"', "'", '"a', ";", "\t", "\ufeff", "1,5", "1.234,5", "2020-02-30", "<5", ">90", "-9")
            )
        case _:
            lines[at][column] = str(rng.choice(ODD))[:400]
    return "\n".join(mark.join(line) for line in lines).encode("utf-8", "surrogatepass")
