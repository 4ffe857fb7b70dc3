"""Times between two dates, which are read where they can be read in one way only."""

from __future__ import annotations

import pandas as pd
import pytest

from mmlego.data.cohort.manifest import parse_outcome
from mmlego.errors import InputError


def times(start: list[object], end: list[object], unit: str = "days", **more: object) -> dict[str, float]:
    section = {"task": "survival", "start": "s", "end": "e", "unit": unit, "event": "d", "event_when": 1, **more}
    index = [f"p{i}" for i in range(len(start))]
    frame = pd.DataFrame({"s": start, "e": end, "d": 1, "f": None}, index=index)
    outcome, _ = parse_outcome(section).known(frame[parse_outcome(section).columns(list(frame.columns))])
    return outcome["time"].to_dict()


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2020-02-28", "2020-03-01", 2),
        ("2020/02/28", "20200301", 2),
        ("28.02.2020", "01.03.2020", 2),
        ("28-Feb-2020", "1 March 2020", 2),
        ("02/28/2020", "03/01/2020", 2),
        ("2020-02-28 12:00:00", "2020-02-29T00:00:00Z", 0.5),
        ("1900-01-01", "2000-01-01", 36524),
    ],
)
def test_days_between_two_dates(start: str, end: str, days: float) -> None:
    assert times([start], [end]) == {"p0": pytest.approx(days, abs=1e-9)}


def test_datetimes_in_memory_and_units() -> None:
    start, end = pd.to_datetime(["2020-01-01"]), pd.to_datetime(["2024-01-01"])
    assert times(start, end) == {"p0": 1461}
    assert times(start, end, "years") == {"p0": 4}
    assert times(start, end, "months") == {"p0": 48}


def test_of_several_ends_the_first_that_is_there_counts() -> None:
    start, died, seen = ["2020-01-01"] * 3, ["2020-01-11", None, None], ["2020-01-21", "2020-01-21", "'--"]
    section = {"task": "survival", "start": "s", "end": ["died", "seen"], "unit": "days", "event": "d"}
    frame = pd.DataFrame({"s": start, "died": died, "seen": seen, "d": [1, 0, 0]}, index=["a", "b", "c"])
    outcome, notes = parse_outcome({**section, "event_when": 1}).known(frame)
    assert outcome["time"].to_dict() == {"a": 10, "b": 20}
    assert [str(note) for note in notes] == [
        "outcome: 1 cell of 'seen' read as missing: \"'--\" 1",
        "outcome: 1 patient whose outcome is missing (c)",
    ]


def test_day_and_month_are_told_apart_by_other_dates_or_declared() -> None:
    start, end = ["03/04/2020", "03/04/2020"], ["05/04/2020", "25/04/2020"]
    assert times(start, end) == {"p0": 2, "p1": 22}  # the 25th is a day, so are the others
    with pytest.raises(InputError, match=r"can be read in two ways: got '03/04/2020'. Declare day_first: true"):
        times(start[:1], end[:1])
    assert times(start[:1], end[:1], day_first=True) == {"p0": 2}
    assert times(start[:1], end[:1], day_first=False) == {"p0": 61}  # from March 4 to May 4


@pytest.mark.parametrize(
    ("start", "end", "more", "message"),
    [
        (["25/04/2020"], ["04/25/2020"], {}, "day and month in both orders: got '25/04/2020' and '04/25/2020'"),
        (["2020-01-01"], ["25/04/2020"], {"day_first": False}, "do not fit day_first: false: got '25/04/2020'"),
        (["2020-02-30"], ["2020-03-01"], {}, "'2020-02-30' is no date"),
        (["01.02.20"], ["2020-03-01"], {}, "'s' holds a cell that is no date.*got '01.02.20'"),
        ([43831], [43832], {}, "'s' holds no dates.*got numbers"),
        (["2020-03-01"], ["2020-02-28"], {}, r"negative survival time \(p0\)"),
        (["2020-03-01"], ["2020-03-02"], {"unit": None}, "two columns of dates, as start:, end: and unit:"),
        (["2020-03-01"], ["2020-03-02"], {"time": "f"}, "leave out one of both"),
    ],
)
def test_dates_that_could_be_taken_wrongly(
    start: list[object], end: list[object], more: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        times(start, end, **more)
