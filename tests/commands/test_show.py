"""What the verbs print: tables at any width, names as they are, each warning once."""

from __future__ import annotations

import math
import warnings
from io import StringIO
from pathlib import Path

import pytest

from mmlego.commands import show
from mmlego.commands.show import metrics_table, plain_warnings, say, short
from mmlego.errors import LegoWarning
from tests.terminal import inside


def printed(scores: dict[str, dict[str, float]], width: int) -> list[str]:
    from rich.console import Console

    text = StringIO()
    Console(file=text, width=width, markup=False).print(metrics_table("Title", "model", scores, width))
    return [line.rstrip() for line in text.getvalue().splitlines()]


SCORES = {"runs/a": {"patients": 12, "balanced_accuracy": 0.5, "f1": math.nan}, "b": {"patients": 3, "brier": 0.25}}


def test_a_wide_terminal_has_one_table() -> None:
    lines = printed(SCORES, 80)
    assert lines[0] == "Title"
    assert lines[1].split() == ["model", "patients", "balanced_accuracy", "f1", "brier"]
    assert lines[3].split() == ["runs/a", "12", "0.5000", "not", "defined"]
    assert lines[4].split() == ["b", "3", "0.2500"]


@pytest.mark.parametrize("width", [28, 40, 50])
def test_a_narrow_one_has_several_and_nothing_is_cut(width: int) -> None:
    lines = printed(SCORES, width)
    assert max(map(len, lines)) <= width
    headings = [line.split()[1:] for line in lines if line.startswith("model")]
    assert [name for part in headings for name in part] == ["patients", "balanced_accuracy", "f1", "brier"]
    assert len(headings) > 1
    assert sum(line.startswith("runs/a") for line in lines) == len(headings)


def test_models_without_scores_are_listed() -> None:
    assert printed({"rna": {}}, 80)[-1] == "rna"


def test_names_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show.console().print("[bold]odd[/bold] :smile: [/x] /a/1.5")
    say("[a]", "x" * 500)
    assert capsys.readouterr().out == "[bold]odd[/bold] :smile: [/x] /a/1.5\n[a]\n" + "x" * 500 + "\n"


def test_each_warning_is_said_once_and_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with plain_warnings():
        for _ in range(3):
            warnings.warn("short [of] patients " + "y" * 100, LegoWarning, stacklevel=1)
    said = capsys.readouterr()
    assert said.err == "warning: short [of] patients " + "y" * 100 + "\n"
    assert said.out == ""


def test_warnings_of_others_are_theirs() -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        with plain_warnings():
            warnings.warn("theirs", FutureWarning, stacklevel=1)
        assert [str(warning.message) for warning in found] == ["theirs"]


def test_places_below_are_relative(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    with inside(tmp_path / "here"):
        assert short(tmp_path / "here" / "runs" / "a") == short(Path("runs/a")) == "runs/a"
        assert short(tmp_path / "there") == str(tmp_path / "there")
