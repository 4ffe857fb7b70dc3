"""Done, total, failed and the time left on a terminal; in a log a line a stage and a line a minute."""

from __future__ import annotations

import time
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from mmlego.cells import Ended
from mmlego.commands import progress
from mmlego.commands.progress import along, duration, phase, training
from tests.cells.jobs import cell


class Terminal:
    """A console that writes to memory, as a terminal or as a log."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> None:
        self.file = StringIO()
        made: Any = Console(file=self.file, force_terminal=terminal, width=110, markup=False, highlight=False)
        monkeypatch.setattr(progress, "console", lambda: made)

    @property
    def text(self) -> str:
        return self.file.getvalue()


def test_a_log_has_a_line_where_something_begins_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Terminal(monkeypatch, terminal=False)
    with along(6, "[co]hort") as watch:
        watch.begins(4, 1, "on 2 workers")
        watch.stage("split 2 of 4: block rna")
        watch.ends(Ended(cell(2), 1.0))
        watch.ends(Ended(cell(3), 1.0, "too few"))
        watch("final models: merge")
    assert log.text.splitlines() == [
        "[co]hort: 6 to do",
        "[co]hort: 4 runs, 1 done before, on 2 workers",
        "[co]hort: 3 of 6 done, 1 failed, 0 s left; final models: merge",
        "[co]hort: 3 of 6 done, 1 failed after 0 s",
    ]


def test_a_log_has_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Terminal(monkeypatch, terminal=False)
    monkeypatch.setattr(progress, "EVERY", 0.05)
    with along(2, "trial") as watch:
        watch.begins(2, 0, "one after another")
        watch.stage("split 1 of 2: block rna")
        end = time.monotonic() + 30
        while log.text.count("split 1 of 2: block rna") < 2 and time.monotonic() < end:
            time.sleep(0.01)
        watch.ends(Ended(cell(1), 1.0))
    lines = log.text.splitlines()
    assert lines[2] == "trial: 0 of 2 done; split 1 of 2: block rna, after 0 s"
    assert lines[-1].startswith("trial: 1 of 2 done after ")
    told = len(log.text)
    time.sleep(0.2)
    assert len(log.text) == told  # nobody speaks after the end


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal(monkeypatch, terminal=True)
    with along(4, "[co]hort") as watch:
        watch.begins(4, 1, "on 2 workers")
        watch.ends(Ended(cell(2), 1.0))
        watch.ends(Ended(cell(3), 1.0, "too few"))
    for part in ("[co]hort", "3/4", "1 failed", "left", "number 3: failed"):
        assert part in shown.text


@pytest.mark.parametrize(("least", "said"), [(0.0, "reading cohort.yaml: ended after 0 s\n"), (30.0, "")])
def test_reading_is_a_stage_if_it_takes_a_while(monkeypatch: pytest.MonkeyPatch, least: float, said: str) -> None:
    log = Terminal(monkeypatch, terminal=False)
    monkeypatch.setattr(progress, "SHORT", least)
    with phase("reading cohort.yaml"):
        pass
    assert log.text == said


def test_reading_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal(monkeypatch, terminal=True)
    with phase("reading cohort.yaml"):
        pass
    assert "reading cohort.yaml" in shown.text


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_is_shown_where_nobody_wants_it(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    shown = Terminal(monkeypatch, terminal=terminal)
    with along(4, "trial", shown=False) as watch, phase("reading", shown=False):
        watch.begins(4, 0, "one after another")
        watch("one")
    assert shown.text == ""


def test_the_time_left_is_by_those_that_are_done() -> None:
    count = progress._Count("trial", 10)
    count.begins(10, 4, "one after another")
    assert count.left() is None  # nothing has been done yet, and what was done before tells nothing
    count.began = time.monotonic() - 60
    count.ends(Ended(cell(1), 30.0))
    count.ends(Ended(cell(2), 30.0, "too few"))
    assert count.left() == pytest.approx(60 / 2 * 4, rel=0.01)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (7325, "2 h 2 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("terminal", "apart", "bars"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_fits_have_bars_of_their_own_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, apart: bool, bars: bool
) -> None:
    shown = Terminal(monkeypatch, terminal=terminal)
    with training(2, "blocks", apart=apart) as (own, watch):
        watch("block rna")
        watch("block clinical")
    assert own is bars
    assert (shown.text == "") is bars  # two bars at once would overwrite each other
    if not terminal:
        assert shown.text.splitlines()[1] == "blocks: 1 of 2 done, 0 s left; block rna"
    with training(2, "blocks", shown=False) as (own, _):
        assert own is False
