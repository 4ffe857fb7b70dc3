"""Outcomes that are times to an event, as a number or between two dates."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from mmlego.data.cohort.outcomes.base import Outcome, Scalars, listed_words, of_kind
from mmlego.data.cohort.outcomes.dates import date_doubts, days_of
from mmlego.data.cohort.outcomes.numbers import Decimal, code_doubts, numbers, refuse, sign_doubts
from mmlego.data.cohort.outcomes.words import meet, truth, words
from mmlego.data.reading.date_doubts import LONGEST, YEAR
from mmlego.data.reading.joins import select_columns
from mmlego.errors import InputError, LegoWarning, MismatchError, fault
from mmlego.tasks import CompetingRisks, Survival, Task
from mmlego.tasks.event_share import share_of_events, turned_round
from mmlego.tasks.survival_unit import DAYS, times_for
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd


def _values(causes: Mapping[str, Any]) -> list[Any]:
    """Return the values of all causes."""
    return [value for said in causes.values() for value in (said if isinstance(said, list) else [said])]


class SurvivalOutcome(Outcome):
    """Time to an event, or to the end of observation.

    Parameters
    ----------
    time
        The column of times; or, in its place, two dates:
    start, end
        The columns of the dates between which the time lies; of several ends the first that is there counts, as in
        ``[died, last_seen]``.
    unit
        Of the times: ``days``, ``weeks``, ``months`` or ``years``. It becomes that of the models, and times in another
        one are converted to theirs. Between two dates it has to be said.
    unit_checked
        Whether you have looked that the times are in this unit, though they are far longer or shorter than those of the
        model: as if they were in another one, they are refused otherwise.
    day_first
        Whether ``03/04/2020`` is in April; asked for where no date of these columns says it.
    format
        How these dates are written, as ``%d.%m.%y``, in place of ``day_first``; no year of two digits is in the future.
    event
        The column that says whether the event came.
    event_when
        The value, or values, of that column that mean an event; has to be said, for half the files in use
        have it the other way round.
    censored_when
        The value, or values, that mean that it did not come; all others if not given.
    causes
        In place of ``event_when``, of competing risks: by cause the value, or values, that mean that it came, as
        ``{relapse: 1, death: 2}``.
    bins
        How many time bins to cut the follow-up into; by default as many as its events allow, up to 15.
    cuts
        The times between the bins, as ``[12, 24, 60]``, in place of ``bins``; the last one is the horizon, beyond which
        nothing is predicted.
    decimal
        What stands before the decimals of times: ``.`` or ``,``; the other sign then parts thousands.

    Examples
    --------
    >>> import pandas as pd
    >>> outcome = SurvivalOutcome(task="survival", time="months", event="censorship", event_when=0)
    >>> frame = pd.DataFrame({"months": [5, 9], "censorship": [0, 1]}, index=["a", "b"])
    >>> outcome.read(frame)["event"].tolist()
    [1.0, 0.0]
    """

    task: Literal["survival"]
    time: str | None = None
    start: str | None = None
    end: str | list[str] | None = None
    unit: Literal["days", "weeks", "months", "years"] | None = None
    unit_checked: bool = False
    day_first: bool | None = None
    format: str | None = None
    event: str
    event_when: Scalars
    censored_when: Scalars | None = None
    causes: dict[str, Scalars] | None = None
    bins: int | None = Field(default=None, ge=2)
    cuts: list[float] | None = None
    decimal: Decimal | None = None

    @model_validator(mode="before")
    @classmethod
    def _events_of_causes(cls, given: Any) -> Any:
        """Take as an event what any cause says."""
        causes = given.get("causes") if isinstance(given, dict) else None
        return (
            given if not isinstance(causes, dict) or "event_when" in given else given | {"event_when": _values(causes)}
        )

    @model_validator(mode="after")
    def _check_time(self) -> Self:
        of_dates = {"start": self.start, "end": self.end}
        if self.time is None and None in (*of_dates.values(), self.unit):
            raise ValueError("name time:, a column of numbers; or two columns of dates, as start:, end: and unit:")
        others = {"day_first": self.day_first, "format": self.format}
        said = [name for name, value in (of_dates | others).items() if value is not None]
        if self.time is not None and said:
            raise ValueError(f"time: is a column of numbers, and {', '.join(said)} of dates: leave out one of both")
        if self.day_first is not None and self.format is not None:
            raise ValueError("format: says which stands first, the day or the month: leave day_first: out")
        if self.time is None and self.decimal is not None:
            raise ValueError("decimal: is for time:, a column of numbers")
        if self.causes is not None and listed_words(self.event_when) != listed_words(_values(self.causes)):
            raise ValueError("causes: says which values mean an event: leave event_when: out")
        if self.causes is not None and len(self.causes) < 2:
            raise ValueError("causes: are two or more; of one kind of event event_when: says the value")
        if self.cuts is not None:
            if self.bins is not None:
                raise ValueError("bins: and cuts: both say how time is divided: leave out one of both")
            Survival(self.cuts)
        return self

    def named(self) -> list[str]:
        """Return the columns of time, or of dates, and event."""
        ends = self.end if isinstance(self.end, list) else [self.end]
        times = [name for name in (self.time, self.start, *ends) if name is not None]
        return list(dict.fromkeys([*times, self.event]))

    def columns(self, available: Sequence[str]) -> list[str]:
        """Return the columns of time, or of dates, and event."""
        return select_columns(self.named(), available, "outcome", globs=False)

    def measured(self, columns: Sequence[str]) -> list[str]:
        """Return the column of times."""
        return [] if self.time is None else [self.time]

    def declared(self, column: str) -> list[str]:
        """Return the words for an event, and for its absence."""
        if column != self.event:
            return []
        events = [word for words in self._meant().values() for word in words]
        return [*events, *listed_words(self.censored_when)]

    def doubtful(self, column: str, word: str) -> str | None:
        """Return, of ``None``, that it is to be named as censored: it may mean that there was no event."""
        if column != self.event or word.casefold() != "none":
            return None
        return f"say censored_when: [{word!r}, ...] if there was no event"

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the columns ``event`` (1, of competing ones the number, or 0) and ``time``, NaN where missing."""
        import pandas as pd

        time = self._between(frame) if self.time is None else numbers(frame, self.time, self.decimal)
        refuse(time.index[time < 0], "a negative survival time")
        given = words(frame[self.event])
        try:
            events = self._events([word for word in given if word is not None])
        except InputError as error:
            fault(error)
            events = {}
        event = [np.nan if word is None or word not in events else float(events[word]) for word in given]
        return pd.DataFrame({"event": event, "time": time}, index=frame.index)

    def doubts(self, frame: pd.DataFrame) -> list[str]:
        """Return which times, or dates, rather say that nothing is known."""
        if self.time is not None:
            time = numbers(frame[[self.time]], self.time, self.decimal)
            codes = code_doubts(time.to_frame(self.time))
            return [*codes, *sign_doubts(frame, [self.time], self.decimal), *([] if codes else self._too_long(time))]
        ends = self.end if isinstance(self.end, list) else [self.end or ""]
        strange = date_doubts(frame, [self.start or "", *ends], self.day_first, self.format)
        return [*strange, *self._contradictions(frame, ends)]

    def _too_long(self, time: pd.Series) -> list[str]:
        """Return that times are longer than anybody lives, as days are that are said to be months."""
        longest = float(time.max())
        if self.unit is None or not longest * DAYS[self.unit] > LONGEST * YEAR:
            return []
        years = f"{longest:g} {self.unit} are {longest * DAYS[self.unit] / YEAR:.0f} years"
        return [f"{self.time!r} is longer than anybody lives ({years}): is it in another unit?"]

    def _contradictions(self, frame: pd.DataFrame, ends: Sequence[str]) -> list[str]:
        """Return who has no event and the date of one, or the other way round: of two ends the first is the event's.

        Where it is so in most of them, the first of the ends is another date.
        """
        if len(ends) < 2:
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of words, which were warned of when they were read
            event = self.read(frame)["event"]
        dated = frame[ends[0]].notna()
        found = []
        for here, said, way in (
            (event == 0, f"no event and a date in {ends[0]!r}", "which is taken as the end"),
            (event > 0, f"an event and no date in {ends[0]!r}", f"and {ends[1]!r} is taken as the end"),
        ):
            odd = here & (dated if said.startswith("no") else ~dated)
            if 0 < odd.sum() * 2 < here.sum():
                who = f"{counted(int(odd.sum()), 'patient')} ({listed(frame.index[odd], 3)})"
                found.append(f"{who} with {said}, {way}: mend {self.event!r} or {ends[0]!r}")
        return found

    def _between(self, frame: pd.DataFrame) -> pd.Series:
        """Return the time between the two dates."""
        ends = self.end if isinstance(self.end, list) else [self.end or ""]
        days = days_of(frame, [self.start or "", *ends], self.day_first, self.format)
        end = days[ends[0]]
        for name in ends[1:]:
            end = end.where(end.notna(), days[name])
        time: pd.Series = (end - days[self.start or ""]) / DAYS[self.unit or "days"]
        return time

    def _meant(self) -> dict[int, list[str]]:
        """Return by the number of the cause, 1 where there is one kind of event, the words that mean it."""
        said = [self.event_when] if self.causes is None else list(self.causes.values())
        return {number: listed_words(words) for number, words in enumerate(said, start=1)}

    def _unseen(self, seen: set[int]) -> list[str]:
        """Return the causes whose numbers nobody has."""
        return [cause for number, cause in enumerate(self.causes or (), start=1) if number not in seen]

    def _events(self, given: list[str]) -> dict[str, int]:
        """Return of each word of the column of events which it means, 0 for none."""
        found = sorted(set(given))
        number_of: dict[str, int] = {}
        for number, words_of in self._meant().items():
            for word in words_of:
                if word in number_of:
                    raise InputError(f"outcome: {word!r} stands for two causes", expected="one cause for each value")
                number_of[word] = number
        yes, no = list(number_of), listed_words(self.censored_when)
        both = [word for word in yes if word in no]
        if both:
            raise InputError(f"outcome: {listed(map(repr, both))} stands in event_when and in censored_when")
        meanings = meet(found, [*yes, *no], self.event)
        events = [word for word in found if meanings.get(word) in yes]
        rest = [word for word in found if word not in meanings]
        if found and not events:
            raise InputError(
                f"outcome: no patient has an event: no value of column {self.event!r} is event_when",
                expected=f"{listed(sorted(yes))} among the values",
                got=listed(found),
                remedy="Say which value means an event; put text in quotes in YAML.",
            )
        unseen = [] if self.causes is None else self._unseen({number_of[meanings[word]] for word in events})
        if found and unseen:
            raise InputError(
                f"outcome: no value of column {self.event!r} means {listed(unseen)}",
                expected=f"{listed(sorted(yes))} among the values",
                got=listed(found),
                remedy="Say in causes: which value means which, or leave out a cause that nobody had.",
            )
        twice = [word for word in rest if truth(word) is not None and truth(word) in {truth(event) for event in events}]
        if twice or (rest and no):
            raise InputError(
                f"outcome: column {self.event!r} holds values of which it is not said whether they mean an event",
                expected=listed(map(repr, [*yes, *no])),
                got=listed(map(repr, twice or rest)),
                remedy="Name them in event_when: or in censored_when: of the outcome section.",
            )
        if len(rest) > 1:
            text = f"Column {self.event!r} has several values that are no event, all taken as censored"
            warnings.warn(f"{text}: {listed(rest)}.", LegoWarning, stacklevel=2)
        return {word: number_of[meanings[word]] if word in events else 0 for word in found}

    def fit_task(self, outcome: pd.DataFrame) -> Survival | CompetingRisks:
        """Return the task with the cuts of the section, or with bins cut by the event times of these patients.

        Raises
        ------
        InputError
            If nobody was followed as far as a cut of the section.
        """
        causes = None if self.causes is None else list(self.causes)
        if self.cuts is None:
            event, time = outcome["event"].to_numpy(), outcome["time"].to_numpy()
            if causes is not None:
                return CompetingRisks.from_data(event, time, causes, self.bins, self.unit)
            return Survival.from_data(event, time, self.bins, self.unit).with_events(share_of_events(event))
        task = Survival(self.cuts, self.unit) if causes is None else CompetingRisks(self.cuts, causes, self.unit)
        longest = float(outcome["time"].max())
        beyond = [cut for cut in task.cuts if cut > longest]
        if beyond:
            raise InputError(
                f"outcome: nobody who is trained on was followed as far as {listed(f'{cut:g}' for cut in beyond)}",
                expected=f"cuts up to {longest:g}",
                got=listed(f"{cut:g}" for cut in task.cuts),
                remedy="Leave these out of cuts:, or mend them if they are in another unit than the times.",
            )
        return task if causes is not None else task.with_events(share_of_events(outcome["event"].to_numpy()))

    def doubt(self, outcome: pd.DataFrame, task: Task) -> str | None:
        """Return that events may be coded the other way round, where their share says so."""
        if self.causes is not None or not isinstance(task, Survival):
            return None
        told = turned_round(task.events, outcome["event"].dropna().to_numpy())
        return None if told is None else f"{told}. Does event_when: of the outcome section mean the same event?"

    def target(self, outcome: pd.DataFrame, task: Task) -> Tensor:
        """Return the columns event and time, ``(n, 2)``, in the unit of the task.

        Raises
        ------
        MismatchError
            If the task has a unit and the section none, or if the times are of another scale than the task's.
        """
        if self.causes is None:
            times = self._in_unit_of(of_kind(task, Survival), outcome)
            return Survival.target(outcome["event"].to_numpy(), times)
        known = of_kind(task, CompetingRisks)
        if known.causes != tuple(self.causes):
            raise MismatchError(
                "the causes of the outcome are not those of the model",
                expected=listed(known.causes),
                got=listed(self.causes),
                remedy="Name them in causes: alike, and in this order.",
            )
        times = self._in_unit_of(known, outcome)
        return known.check_target(np.stack([outcome["event"].to_numpy(dtype=np.float64), times], axis=1))

    def _in_unit_of(self, task: Survival | CompetingRisks, outcome: pd.DataFrame) -> np.ndarray:
        """Return the times in the unit of a task; those between dates are in the unit that is said, for sure."""
        sure = self.unit_checked or self.time is None
        return times_for(task, outcome["time"].to_numpy(), self.unit, sure=sure)

    def strata(self, outcome: pd.DataFrame) -> Tensor:
        """Return 1 where the event came, of competing ones its number, else 0, ``(n,)``; needs no bins."""
        return torch.tensor(outcome["event"].to_numpy(), dtype=torch.int64)

    def describe(self, outcome: pd.DataFrame) -> str:
        """Return the numbers of events and censored, how many have no time at all, and the longest time."""
        events = int((outcome["event"] > 0).sum())
        longest = f"time up to {outcome['time'].max():g}" + (f" {self.unit}" if self.unit else "")
        none = outcome.index[outcome["time"] == 0]
        zero = f", of 0 in {counted(len(none), 'patient')} ({listed(none, 3)})" if len(none) else ""
        if self.causes is not None:
            each = listed(
                f"{cause} {int((outcome['event'] == number).sum())}" for number, cause in enumerate(self.causes, 1)
            )
            return f"competing risks: {each}, {len(outcome) - events} censored, {longest}{zero}"
        return f"survival: {events} events, {len(outcome) - events} censored, {longest}{zero}"
