"""Pages of the documentation as their readers follow them: files written, code run, what it prints compared.

A block with ``title="NAME"`` is a file of that name. Blocks of Python share their names from the top of the page to
its end. Of shell blocks ``mmlego`` is run, ``! mmlego`` has to be refused; ``head``, ``cat``, ``ls``, ``bash`` are
understood. A block of ``text`` is what came out of the block before it; a line ``...`` in it stands for others.
``python -m tests.pages PAGE`` fills those that are empty, and ``--keep=FOLDER`` behind it keeps what was made.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.terminal import done, inside, mmlego

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')
GOES_ON = re.compile(r"[Gg]oes on (?:from|in) [^()]*\(([^)]+\.md)[^)]*\)")
NUMBER = re.compile(r"[\[(]?([-+]?\d+(?:\.\d+)?(?:e-?\d+)?)(?:[-–]([-+]?\d+(?:\.\d+)?))?[\]),;:%]*")
WIDTH = 100


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file it is (or nothing), its text, and where the text stands in the page."""

    language: str
    title: str
    text: str
    start: int
    line: int


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        title = TITLE.search(match[2])
        line = text[: match.start(3)].count("\n") + 1
        found.append(Block(match[1], title[1] if title else "", match[3], match.start(3), line))
    return found


def goes_on_from(page: Path) -> Path | None:
    """Return the page whose folder this one goes on in."""
    match = GOES_ON.search(page.read_text(encoding="utf-8"))
    return (page.parent / match[1]).resolve() if match else None


def run_page(page: Path) -> Iterator[tuple[Block, str]]:
    """Run a page in the folder of now; yield each block of text with what the block before it printed."""
    names: dict[str, Any] = {"__name__": "__main__"}
    printed: str | None = None
    for block in blocks_of(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.language == "text":
            assert printed is not None, f"{where} is what comes out of nothing"
            yield block, printed
            printed = None
        elif block.title:
            path = Path(block.title)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            printed = None
        elif block.language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(block.text, where, "exec", dont_inherit=True), names)
            printed = out.getvalue()
        elif block.language == "sh":
            printed = "".join(_typed(line, where) for line in block.text.replace("\\\n", " ").splitlines())


def _typed(line: str, where: str) -> str:
    words = shlex.split(line, comments=True)
    if not words:
        return ""
    verb, *rest = words
    if verb == "mmlego":
        return done(*rest, width=WIDTH).out
    if words[:2] == ["!", "mmlego"]:
        said = mmlego(*words[2:], width=WIDTH)
        assert said.code == 1, where
        return said.err
    if verb == "pip":
        known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
        wanted = {extra for word in rest for names in re.findall(r"\[([\w,]+)\]", word) for extra in names.split(",")}
        assert wanted <= known.keys(), where
        return ""
    if verb == "ls":
        return "".join(f"{path.name}\n" for path in sorted(Path(rest[0] if rest else ".").iterdir()))
    if verb in {"head", "cat"}:
        lines = Path(rest[-1]).read_text(encoding="utf-8").splitlines(keepends=True)
        return "".join(lines[: int(rest[0].strip("-n")) if verb == "head" else None])
    if verb == "bash":
        script = Path(rest[-1]).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        return "".join(_typed(line, rest[-1]) for line in script if not line.startswith("export "))
    raise AssertionError(f"{where}: nobody knows how to run {verb}")


def differences(shown: str, printed: str) -> list[str]:
    """Return the lines that were shown and not printed, in this order; numbers may be off by rounding."""
    left = [words for line in printed.splitlines() if (words := _words(line))]
    lacking, at = [], 0
    for line in shown.splitlines():
        words = _words(line)
        if not words or words[0] == "...":
            continue
        place = next((place for place in range(at, len(left)) if _alike(words, left[place])), None)
        if place is None:
            lacking.append(line)
        else:
            at = place + 1
    return lacking


def _words(line: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", line) if word]


def _alike(shown: list[str], printed: list[str]) -> bool:
    if len(shown) != len(printed):
        return False
    for one, other in zip(shown, printed, strict=True):
        match, found = NUMBER.fullmatch(one), NUMBER.fullmatch(other)
        if match is None or found is None:
            if one != other:
                return False
            continue
        for a, b in zip(match.groups(), found.groups(), strict=True):
            # Another processor may round otherwise, and training goes on from there.
            if (a is None) != (b is None) or (a and abs(float(a) - float(b)) > 0.02 + 0.02 * abs(float(a))):
                return False
    return True


def fill(page: Path) -> None:
    """Write into the empty blocks of text of a page what comes out, and say which of the others differ."""
    with tempfile.TemporaryDirectory() as folder, inside(Path(folder)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = goes_on_from(page)
        for earlier in [before] if before else []:
            for _ in run_page(earlier):
                pass
        said = list(run_page(page))
        if len(sys.argv) > 2 and sys.argv[2].startswith("--keep="):
            shutil.copytree(folder, sys.argv[2].removeprefix("--keep="))
    text = page.read_text(encoding="utf-8")
    for block, printed in reversed(said):
        lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
        if not block.text.strip():
            text = text[: block.start] + "\n".join(lines) + "\n" + text[block.start + len(block.text) :]
        elif lacking := differences(block.text, printed):
            sys.stdout.write(f"{page}:{block.line}: not printed: {lacking}\nPrinted:\n{printed}\n")
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    fill(Path(sys.argv[1]).resolve())
