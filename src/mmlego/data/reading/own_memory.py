"""Bytes for pyarrow to parse, in memory of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def own_memory(content: bytes | memoryview) -> pa.BufferReader:
    """Return content for pyarrow to read, copied into memory that belongs to pyarrow.

    A thread of pyarrow may let go of what it read a while after the table was returned. Where that is an object of
    Python, the thread asks for Python's lock first, and if the interpreter is shutting down by then, the whole process
    is aborted after all its work is done (pyarrow 26.0.1, one of some hundred processes on a busy machine). A copy
    costs a hundredth of what parsing does. A Python function as ``invalid_row_handler`` is such an object, too.

    Parameters
    ----------
    content
        What is to be read.

    Examples
    --------
    >>> own_memory(b"a,b").read()
    b'a,b'
    """
    import pyarrow as pa

    kept = pa.allocate_buffer(len(content))
    if len(content):
        memoryview(kept).cast("B")[:] = content
    return pa.BufferReader(kept)
