"""What pyarrow parses is memory of its own, and no Python function is handed to its threads."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import mmlego
from mmlego.data.reading.own_memory import own_memory

SOURCES = sorted(Path(mmlego.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("content", [b"", b"a", b"id,x\n" * 10_000])
def test_the_bytes_are_copied(content: bytes) -> None:
    content = bytes(bytearray(content))
    before = sys.getrefcount(content)
    held = [own_memory(content), own_memory(memoryview(content)[1:])]
    assert sys.getrefcount(content) == before
    assert held[0].read() == content
    assert held[1].read() == content[1:]


def test_what_was_read_outlives_the_bytes() -> None:
    content = bytearray(b"1,2\n")
    reader = own_memory(memoryview(content))
    content[:] = b"9,9\n"
    assert reader.read() == b"1,2\n"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_thread_of_pyarrow_holds_an_object_of_python(path: Path) -> None:
    """Neither bytes nor a callback: a thread that lets go of them after the interpreter began to end aborts it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in {"BufferReader", "PythonFile", "py_buffer"}:
            assert path.name == "own_memory.py", f"{path.name}:{node.lineno}"
        if isinstance(node, ast.keyword):
            assert node.arg != "invalid_row_handler", f"{path.name}:{node.value.lineno}"
