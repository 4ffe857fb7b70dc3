"""JSON of files that others may have written: what cannot be read is one kind of error, however it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DEEPEST = 200  # beyond which whatever walks it could not go down, either


def parse_json(text: str | bytes) -> Any:
    """Return what JSON holds.

    Parameters
    ----------
    text
        The JSON; of bytes the encoding is found, as by :func:`json.loads`.

    Raises
    ------
    ValueError
        If it is none, or nested deeper than anybody writes.

    Examples
    --------
    >>> parse_json('{"epochs": 3}')
    {'epochs': 3}
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ...
    ValueError: lists and objects are nested more than 200 deep
    """
    told = f"lists and objects are nested more than {DEEPEST} deep"
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError(told) from None
    level = [content] if isinstance(content, dict | list) else []
    for _ in range(DEEPEST + 1):
        if not level:
            return content
        inner = [part for node in level for part in (node.values() if isinstance(node, dict) else node)]
        level = [part for part in inner if isinstance(part, dict | list)]
    raise ValueError(told)


def read_json(path: Path) -> Any:
    """Return what a file of JSON in UTF-8 holds.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is a folder, no JSON, no UTF-8, or nested deeper than anybody writes.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "modalities.json"
    ...     _ = path.write_text('["rna", "clinical"]')
    ...     read_json(path)
    ['rna', 'clinical']
    """
    try:
        text = path.read_text(encoding="utf-8")
    except IsADirectoryError as error:
        raise ValueError("it is a folder") from error
    return parse_json(text)
