"""Numbers and dates of outcomes that rather say that nothing is known are doubted, with what to declare."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.data.cohort.manifest import parse_outcome
from mmlego.data.reading.remarks import Doubtful

IDS = [f"p{i}" for i in range(6)]
EVENTS = [0, 1] * 3


def doubts(outcome: dict[str, Any], task: dict[str, Any]) -> tuple[list[str], int]:
    """Return what is doubtful, and how many patients have an outcome."""
    frames = {"x": pd.DataFrame({"x": range(6)}, index=IDS)}
    cohort = Cohort.from_frames(frames, outcome=pd.DataFrame(outcome, index=IDS), task=task)
    return [str(note) for note in cohort.dropped if isinstance(note, Doubtful)], len(cohort.patients)


@pytest.mark.parametrize(
    ("task", "column", "code", "told"),
    [
        ("regression", [5.0, 7, -999, 9, 11, 13], -999, "'y' holds -999 1×, far from all others (5 to 13)"),
        ("regression", [-2.0, 2, -9, 1, 0, -9], -9, "'y' holds -9 2×, far from all others (-2 to 2)"),
        ("survival", [5, 7, 9999, 9, 11, 13], 9999, "'y' holds 9999 1×, far from all others (5 to 13)"),
    ],
)
def test_codes_among_numbers(task: str, column: list[float], code: float, told: str) -> None:
    said = {"task": task, "target": "y"} if task == "regression" else {"task": task, "time": "y", "event": "e"}
    said |= {} if task == "regression" else {"event_when": 1}
    found, _ = doubts({"y": column, "e": EVENTS}, said)
    assert found == [f"outcome: {told}: if nothing is known there, declare missing: [{code}]"]
    assert doubts({"y": column, "e": EVENTS}, said | {"missing": [code]}) == ([], 6 - column.count(code))


@pytest.mark.parametrize("column", [[5.0, 7, 99, 40, 11, 13], [-9.0, -8.5, 3, 1, 0, 2], [-9.0] * 5 + [2]])
def test_numbers_near_others_are_none(column: list[float]) -> None:
    found, _ = doubts({"y": column}, {"task": "regression", "target": "y"})
    assert found == []


@pytest.mark.parametrize(("unit", "told"), [("months", True), ("weeks", False), ("days", False), (None, False)])
def test_times_longer_than_a_life(unit: str | None, told: bool) -> None:
    said = {"task": "survival", "time": "y", "event": "e", "event_when": 1} | ({"unit": unit} if unit else {})
    found, _ = doubts({"y": [300, 2000, 4000, 900, 1500, 1200], "e": EVENTS}, said)
    text = "outcome: 'y' is longer than anybody lives (4000 months are 333 years): is it in another unit?"
    assert found == ([text] if told else [])


def test_dates_of_outcomes() -> None:
    start = ["2017-03-01"] * 5 + ["1900-01-01"]
    end = ["2018-03-01", "9999-12-31"] * 3
    said = {"task": "survival", "start": "s", "end": "d", "unit": "days", "event": "e", "event_when": 1}
    found, _ = doubts({"s": start, "d": end, "e": EVENTS}, said)
    way = "if no date is meant, declare missing: ['{0}'], or empty these cells"
    assert found == [
        f"outcome: 's' holds dates that hardly are any ('1900-01-01' in 1 patient): {way.format('1900-01-01')}",
        f"outcome: 'd' holds dates that hardly are any ('9999-12-31' in 3 patients): {way.format('9999-12-31')}",
    ]
    assert doubts(
        {"s": start, "d": end, "e": ["0", "0", "1"] * 2}, said | {"missing": ["9999-12-31", "1900-01-01"]}
    ) == (
        [],
        3,
    )


def test_an_event_and_a_date_of_one_that_do_not_agree_are_doubted() -> None:
    died = ["2020-05-01", "2020-06-01", None, "2020-07-01", None, "2020-08-01", None, None]
    frame = pd.DataFrame({"s": "2020-01-01", "d": died, "l": "2020-12-31"}, index=[f"p{i}" for i in range(8)])
    frame["e"] = ["dead", "dead", "dead", "dead", "alive", "alive", "alive", "alive"]
    section = {"task": "survival", "start": "s", "end": ["d", "l"], "unit": "days", "event": "e", "event_when": "dead"}
    _, notes = parse_outcome(section, "outcome").known(frame)
    assert [note.what for note in notes if isinstance(note, Doubtful)] == [
        "1 patient (p5) with no event and a date in 'd', which is taken as the end: mend 'e' or 'd'",
        "1 patient (p2) with an event and no date in 'd', and 'l' is taken as the end: mend 'e' or 'd'",
    ]
    # where the first end is another date, as that of the last visit, nothing is said of it
    turned = parse_outcome(section | {"end": ["l", "d"]}, "outcome").known(frame)[1]
    assert not [note for note in turned if isinstance(note, Doubtful)]


@pytest.mark.parametrize(("sign", "times"), [(",", [1.1, 301]), (".", [1100, 301])])
def test_a_declared_sign_that_may_part_thousands_is_doubted(sign: str, times: list[float]) -> None:
    frame = pd.DataFrame({"t": ["1,100", "301"] * 3, "e": [0, 1] * 3}, index=[f"p{i}" for i in range(6)])
    section = {"task": "survival", "time": "t", "unit": "days", "event": "e", "event_when": 1, "decimal": sign}
    outcome, notes = parse_outcome(section, "outcome").known(frame)
    assert outcome["time"].tolist()[:2] == times
    doubts = [note.what for note in notes if isinstance(note, Doubtful)]
    assert doubts == (
        ["'t': decimal: ',' reads '1,100' as 1.100 beside '301': if the sign parts thousands, declare decimal: '.'"]
        if sign == ","
        else []
    )
