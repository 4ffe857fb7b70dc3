"""Whether merging was worth it: blocks, their ensemble, merge and fuse on the same patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmlego.bench.results import ENSEMBLE
from mmlego.reporting.answers import Answers, Heard
from mmlego.reporting.drawing.intervals import Line, draw_differences
from mmlego.reporting.measures import Measure, primary, score_of
from mmlego.reporting.numbers import signed, with_interval
from mmlego.reporting.outcomes import cell_of, column_of
from mmlego.reporting.parts import Item, Picture, Section, Table, Text, section
from mmlego.reporting.statistics.resampling import Estimate, resamples, spread
from mmlego.reporting.subject import FUSE, MERGE, Subject


@dataclass(frozen=True)
class Duel:
    """Two models on the same patients.

    Parameters
    ----------
    first, second
        Their labels.
    scores
        Of both.
    gain
        How much better the first is: above 0 it is better, whichever way the score runs.
    patients
        On how many.
    told
        What happened to them.
    """

    first: str
    second: str
    scores: tuple[Estimate, Estimate]
    gain: Estimate
    patients: int
    told: str

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` where the interval leaves out 0, ``the same`` of twins, else ``not told apart``."""
        if self.gain.value == self.gain.low == self.gain.high == 0:
            return "the same"
        if not self.gain.known:
            return "not told apart"
        return "better" if self.gain.low > 0 else "worse" if self.gain.high < 0 else "not told apart"


def duels(heard: Heard) -> list[Duel]:
    """Return merge and fuse against each block, the ensemble and each other, each pair on the patients of both."""
    names = list(heard.answers)
    blocks = [name for name in names if name not in (ENSEMBLE, MERGE, FUSE)]
    found = []
    for first in (MERGE, FUSE):
        others = [*blocks, ENSEMBLE, *([MERGE] if first == FUSE else [])]
        found += [duel(heard.answers[first], heard.answers[one]) for one in others if {first, one} <= set(names)]
    return found


def duel(first: Answers, second: Answers) -> Duel:
    """Return two models on those patients whom both answered for."""
    theirs = set(second.patients)
    both = [patient for patient in first.patients if patient in theirs]
    one, other = first.of(both), second.of(both)
    measure: Measure = primary(first.task.name)
    weights = resamples(max(len(both), 1))
    alike = np.ones((1, weights.shape[1]))
    scores = [score_of(measure, one), score_of(measure, other)]
    values, drawn = ([score(rows) for score in scores] for rows in (alike, weights))
    gain = spread(float((values[0] - values[1])[0]), drawn[0] - drawn[1])
    if measure.better == "lower":
        gain = Estimate(-gain.value, -gain.high, -gain.low)
    told = cell_of(first.task, one.target)
    found = spread(float(values[0][0]), drawn[0]), spread(float(values[1][0]), drawn[1])
    return Duel(first.label, second.label, found, gain, len(both), told)


def best_in_training(subject: Subject) -> str | None:
    """Return the block that one would have taken by what was known before anybody was tested: its score in training."""
    found: dict[str, float] = {}
    for label, model in subject.models.items():
        if label in (MERGE, FUSE):
            continue
        value = model.card.validation.get(model.task.primary_metric)
        if value is not None:
            found[label] = float(value)
    return max(found, key=lambda name: found[name], default=None)


def worth(subject: Subject, heard: Heard | None) -> Section | None:
    """Return the section on whether merging was worth it; None where nothing was merged.

    Parameters
    ----------
    subject
        Whose models.
    heard
        Their answers.
    """
    found = [] if heard is None else duels(heard)
    if not found or heard is None:
        return None
    measure = primary(next(iter(heard.answers.values())).task.name)
    chosen = best_in_training(subject)
    rows = tuple(
        (
            f"{one.first} against {_named(one.second, chosen)}",
            str(one.patients),
            one.told,
            f"{one.scores[0].value:.2f} and {one.scores[1].value:.2f}",
            with_interval(one.gain, 3, sign=True),
            one.verdict,
        )
        for one in found
    )
    lines = [Line(f"{one.first} − {one.second}", one.gain, one.patients) for one in found]
    first = next(iter(heard.answers.values()))
    told = column_of(first.task, first.column)
    head = ("who", "patients", told, measure.label, "gain (95 % interval)", "the first is")
    note = (
        f"Differences of {measure.label} on the same patients, by resampling them. “Not told apart” is not “equal”: "
        "the interval holds 0, and what else it holds may be true, too."
    )
    items: list[Item | None] = [
        Text(in_words(subject, heard)),
        Picture(
            "gain",
            f"Gain in {measure.label} on the same patients held out",
            "; ".join(f"{line.label}: {with_interval(line.found, 3, sign=True)}" for line in lines) + ".",
            draw_differences(lines, f"gain in {measure.label}", better="right"),
            "Points right of the dotted line are better than what they are compared with.",
        ),
        Table("Merged and fused models against what they are made of", head, rows, note),
    ]
    return section("worth", "Was merging worth it?", items)


def _named(label: str, chosen: str | None) -> str:
    return f"{label} (best block in training)" if label == chosen else label


def in_words(subject: Subject, heard: Heard) -> str:
    """Return in a sentence or two whether merging was worth it."""
    main = next((one for one in (subject.main, MERGE, FUSE) if one in (MERGE, FUSE) and one in heard.answers), None)
    if main is None:
        return "Nothing was merged."
    chosen = best_in_training(subject)
    told = []
    for other, named in ((chosen, f"the best block in training ({chosen})"), (ENSEMBLE, "the mean of all blocks")):
        if other is None or other not in heard.answers:
            continue
        one = duel(heard.answers[main], heard.answers[other])
        told.append(f"{_against(one)} {named} ({_gained(one.gain)})")
    if not told:
        return f"{main} has no block beside it to be compared with."
    measure = primary(heard.answers[main].task.name)
    return f"By {measure.label}, {main} was " + ", and ".join(told) + ", on the same patients."


def _against(one: Duel) -> str:
    said = {"better": "better than", "worse": "worse than", "the same": "the same as"}
    return said.get(one.verdict, "not told apart from")


def _gained(found: Estimate) -> str:
    if not found.known:
        return "no interval"
    return f"{signed(found.value)}, 95 % interval {signed(found.low)} to {signed(found.high)}"
