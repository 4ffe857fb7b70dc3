"""Keys that a form of a kind does not heed are refused: they would do nothing, in silence."""

from __future__ import annotations

import pytest

from mmlego.data.cohort.manifest import parse_manifest
from mmlego.errors import InputError

UNHEEDED = {
    "bag by name": ({"kind": "bag", "pattern": "{key}.pt", "column": "path"}, "column"),
    "image by columns": (
        {"kind": "image", "size": [8, 8], "file": "m.csv", "pattern": "{a}.png", "column": "p"},
        "column",
    ),
    "text by name": ({"kind": "text", "model": "x", "pattern": "{key}.txt", "column": "note"}, "column"),
    "text of a table": ({"kind": "text", "model": "x", "file": "m.csv", "rows": "concat"}, "rows"),
    "graphs by name": ({"kind": "graph", "pattern": "{key}.graphml", "directed": True}, "directed"),
    "omics without sets": ({"kind": "omics", "file": "m.csv", "smallest": 3}, "smallest"),
    "dates and a number": (None, "decimal"),
}


@pytest.mark.parametrize("case", UNHEEDED)
def test_a_key_that_would_do_nothing_is_refused_and_named(case: str) -> None:
    section, key = UNHEEDED[case]
    content: dict[str, object] = {"key": "id", "modalities": {"m": section or {"kind": "table", "file": "m.csv"}}}
    if section is None:
        dates = {"task": "survival", "file": "o.csv", "start": "s", "end": "e", "unit": "days"}
        content["outcome"] = {**dates, "event": "d", "event_when": 1, "decimal": ","}
    with pytest.raises(InputError, match=rf"{'outcome' if section is None else 'modality m'}: {key}: .*"):
        parse_manifest(content)
