"""JSON that cannot be read is one kind of error, however it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmlego.json_files import DEEPEST, parse_json, read_json

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=3)


@given(st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)))
def test_what_was_written_comes_back(value: object) -> None:
    assert parse_json(json.dumps(value)) == value


@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
def test_how_deep_it_may_be(opened: str, closed: str) -> None:
    assert parse_json(opened * DEEPEST + "0" + closed * DEEPEST) is not None
    for depth in (DEEPEST + 1, 50_000):
        with pytest.raises(ValueError, match="nested more than 200 deep"):
            parse_json(opened * depth + "0" + closed * depth)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"9" * 6000, b"[" * 50_000, b'{"a": 1'])
def test_a_file_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        read_json(tmp_path / "a.json")
    with pytest.raises(ValueError, match="it is a folder"):
        read_json(tmp_path)
