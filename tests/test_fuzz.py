"""A few mutations of every kind of input; that what must not happen would be noticed; and that a case can be repeated.

``make fuzz`` runs ten thousand of each kind.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from mmlego import InputError
from tests.fuzz.__main__ import fill
from tests.fuzz.cases import ACCEPTED, FAULT, REFUSED, Kind
from tests.fuzz.guard import Guard
from tests.fuzz.mutators import GONE, Link, change, of_tree, of_yaml
from tests.fuzz.pictures import drawn_once
from tests.fuzz.subjects import SUBJECTS, Subject

QUICK = ("settings", "splits", "manifest with its tables", "file csv", "file npy", "file fasta")
COSTLY = {"results": 6, "run folder": 12, "patients to predict for": 12}  # how many, where a case takes a second
GUARD = Guard()


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path.cwd())
    monkeypatch.setattr("tempfile.tempdir", None)
    for name in ("disable",):
        monkeypatch.setattr(f"logging.{name}", lambda level: None)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SUBJECTS]
)
def test_inputs_are_accepted_or_refused(name: str, tmp_path: Path) -> None:
    kind = Kind(name, tmp_path, GUARD)
    kind.warm()
    assert kind.run(0, -1, plain=True).what == ACCEPTED
    found = [kind.run(0, number) for number in range(COSTLY.get(name, 30))]
    assert [one for one in found if one.what == FAULT] == []
    assert {one.what for one in found} & {REFUSED, ACCEPTED}


def in_place(act: Callable[[Path, Random], None], place: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """Return a kind whose only file is ``a.json``, and what is done with it."""

    def make(folder: Path) -> Subject:
        (folder / "right").mkdir()
        (folder / "right" / "a.json").write_text(json.dumps({"a": [1, 2], "b": "x"}))
        return Subject(folder / "right", ("a.json",), act)

    monkeypatch.setitem(SUBJECTS, "own", make)  # type: ignore[arg-type]
    return Kind("own", place, GUARD)


def writes_beside(here: Path, _: Random) -> None:
    (here.parent.parent / "outside" / "new").write_text("x")


def makes_a_link(here: Path, _: Random) -> None:
    (here.parent / "link").symlink_to("x")


def asks_an_address(here: Path, _: Random) -> None:
    with socket.socket() as one:
        one.settimeout(0.01)
        one.connect_ex(("127.0.0.1", 9))


def unpickles(here: Path, _: Random) -> None:
    import pickle

    pickle.loads(pickle.dumps(Path("x")))


def never_ends(here: Path, _: Random) -> None:
    while True:
        try:
            time.sleep(0.01)
        except Exception:  # noqa: BLE001 — as code might that swallows what it should not
            pass


def raises_another(here: Path, _: Random) -> None:
    raise KeyError("a")


def starts_a_process(here: Path, _: Random) -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.parametrize(
    ("act", "place"),
    [
        (writes_beside, "guard"),
        (makes_a_link, "guard"),
        (asks_an_address, "guard"),
        (unpickles, "guard"),
        (starts_a_process, "guard"),
        (never_ends, "time"),
        (raises_another, "raises_another"),
    ],
)
def test_what_must_not_happen_is_noticed(
    act: Callable[[Path, Random], None], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = Guard.watching
    monkeypatch.setattr(Guard, "watching", lambda self, *folders: ordinary(self, *folders, seconds=0.3))
    found = in_place(act, tmp_path, monkeypatch).run(0, 0)
    assert found.what == FAULT
    assert place in found.place


def test_what_may_happen_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def writes_within(here: Path, rng: Random) -> None:
        (here / "new").mkdir()
        (here / "new" / "b").write_text("x")
        if rng.random() < 0.5:
            raise InputError("no")

    found = [in_place(writes_within, tmp_path / str(i), monkeypatch).run(0, i) for i in range(20) if _made(tmp_path, i)]
    assert {one.what for one in found} == {ACCEPTED, REFUSED}


def _made(folder: Path, i: int) -> bool:
    (folder / str(i)).mkdir()
    return True


def test_a_case_is_told_by_its_seed_and_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    kind = in_place(
        lambda here, rng: seen.append([path.read_bytes() for path in here.glob("*.json")]), tmp_path, monkeypatch
    )
    for seed, number in ((0, 1), (0, 2), (0, 1), (1, 1)):
        kind.run(seed, number)
    assert seen[0] == seen[2]
    assert len({str(one) for one in seen}) == 3
    assert os.listdir(tmp_path / "case") == []


def test_mutations_are_of_many_sorts() -> None:
    whole = json.dumps({"a": [1, 2, {"b": None}], "c": "text", "d": 0.5}).encode()
    made = [change("a.json", whole, Random(i), {}) for i in range(600)]
    assert sum(isinstance(one, Link) or one == GONE for one in made) > 3
    texts = [one for one in made if isinstance(one, bytes)]
    assert len(set(texts)) > 350
    assert any(len(one) > 10_000 for one in texts)  # deeper than parsers go
    assert sum(_is_json(one) for one in texts) > 200
    assert of_tree({}, Random(0)) != {}
    assert all(of_yaml(b"a: &a [*a, {b: 1}]", Random(i)) for i in range(20))


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def test_the_page_holds_what_a_command_has_counted(tmp_path: Path) -> None:
    page = tmp_path / "safety.md"
    page.write_text("before\n<!-- make fuzz -->\nold\n<!-- end -->\nafter\n")
    counts = {ACCEPTED: 300, REFUSED: 699, FAULT: 1, "seed": 7}
    fill(page, {"bounds": {"seconds": 20, "bytes": 2**31}, "kinds": {"settings": counts, "recipe": counts}})
    told = page.read_text()
    assert "2,000 mutations, bounded to 20 s and 2 GiB a case:" in told
    assert "| settings | 1,000 | 300 | 699 | 1 | 7 |" in told
    assert told.startswith("before\n")
    assert told.endswith("<!-- end -->\nafter\n")
    assert "old" not in told


def test_the_table_of_the_page_is_that_of_the_counts(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    page = root / "docs" / "safety.md"
    copy = tmp_path / "safety.md"
    copy.write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
    found = json.loads((root / "tests" / "fuzz" / "counts.json").read_text())
    fill(copy, found)
    assert copy.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
    assert set(found["kinds"]) <= set(SUBJECTS)


def test_a_figure_is_drawn_once_and_anew_when_it_shows_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    def save(height: float, colour: str = "C0", title: str = "") -> bytes:
        figure = Figure(figsize=(2, 2))
        axes = figure.subplots()
        axes.plot([1, 2], [0, 1])
        axes.bar([1, 2], [height, 1], color=colour)
        axes.set_title(title)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg")
        return buffer.getvalue()

    drawn: list[object] = []
    ordinary = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda *given, **named: (drawn.append(0), ordinary(*given, **named))[1])
    known: dict[str, bytes] = {}
    with drawn_once(known):
        first, again = save(1.0), save(1.0)
        others = [save(1.001), save(1.0, "C1"), save(1.0, title="b")]
    assert first == again
    assert len({first, *others}) == 4
    assert len(drawn) == len(known) == 4
