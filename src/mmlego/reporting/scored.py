"""How well: scores on patients held out with intervals, of each model, each pattern of modalities and each subgroup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmlego.anonymity import MIN_PATIENTS
from mmlego.bench.results import ENSEMBLE
from mmlego.held_out import told_few
from mmlego.reporting.answers import Answers, Heard
from mmlego.reporting.drawing.intervals import Line, draw_intervals
from mmlego.reporting.measures import Measure, measures_of, primary, score_of
from mmlego.reporting.numbers import with_interval
from mmlego.reporting.outcomes import FEW, cell_of, column_of, happened, rarest
from mmlego.reporting.parts import Item, Picture, Section, Table, Text, section
from mmlego.reporting.statistics.resampling import Estimate, estimate, resamples
from mmlego.reporting.subject import FUSE, MERGE, Subject
from mmlego.wording import counted, listed

HOW = (
    "Intervals are 95 % and come from resampling patients with replacement (up to 1000 times, percentiles); they tell "
    "what another sample of such patients may give, and not what another training may."
)


def scored(
    subject: Subject, heard: Heard | None, groups: Mapping[str, Sequence[str]] | None, by: str | None
) -> Section:
    """Return the section on scores.

    Parameters
    ----------
    subject
        Whose models.
    heard
        Their answers; None if nobody was held out.
    groups
        Patients by subgroup.
    by
        The column that they are of.
    """
    title = "How well"
    if heard is None or subject.main is None or subject.main not in heard.answers:
        return section("scores", title, [Text(NOBODY, "warning")])
    task = subject.models[subject.main].task
    measure = primary(task.name)
    main = heard.answers[subject.main]
    items: list[Item | None] = [Text(_whom(subject, heard))]
    lines = [
        Line(label, _one(measure, answers), len(answers), cell_of(task, answers.target))
        for label, answers in heard.answers.items()
    ]
    items.append(
        Picture(
            "scores",
            f"{measure.label} of each model, patients held out",
            "; ".join(f"{line.label}: {with_interval(line.found)}" for line in lines) + ".",
            draw_intervals(lines, measure, highlight=subject.main),
            f"Bars are 95 % intervals. {measure.label}: {measure.meaning}.",
        )
    )
    items.append(all_scores(heard))
    items.append(_parts("By pattern of modalities", "patients with", _patterns(heard), main, measure))
    if groups and by:
        items.append(_parts(f"By {by}", by, groups, main, measure))
    items.append(Text(HOW, "note"))
    return section("scores", title, items)


NOBODY = (
    "Nobody was held out, so that this page tells no performance: what a model says of patients who had a part in "
    "making it is memory. Train with --test 0.2, or name a cohort of other patients with --data and --part all."
)


MAYBE = (
    "Of {models} nobody knows that: what lies there was made elsewhere, at least in part, and if these patients had a "
    "part in it, scores look better than they are."
)


def _whom(subject: Subject, heard: Heard) -> str:
    task = subject.models[subject.main or ""].task
    whole = next(iter(heard.answers.values())).task
    answers = max(heard.answers.values(), key=len)
    told = happened(whole, answers.target, answers.column)
    who = f"{counted(len(heard.patients), 'patient')} held out" + (f" with {told}" if told else "")
    if subject.by_word:
        return f"{who}. That no model was trained on any of them is the word of who made this page: no run says so."
    few = rarest(task, answers.target)
    more = f" These are few: {few} carry the scores, and intervals are wide." if few < 5 * FEW else ""
    mean = [ENSEMBLE] if any(label not in (MERGE, FUSE) for label in subject.unsure) else []
    some = [label for label in heard.answers if label in (*subject.unsure, *mean)]
    told = f"{who}; no {'other ' if some else ''}model, no choice and no early stopping has seen them. "
    if some:
        told += f"{MAYBE.format(models=listed(some, 8))} "
    return f"{told}Each model is scored on those of them who have a modality of it.{more}"


def _one(measure: Measure, answers: Answers) -> Estimate:
    return estimate(score_of(measure, answers), resamples(len(answers)))


def all_scores(heard: Heard) -> Table:
    """Return a row a model with all its scores; in the note what they mean, and which are of too few to be passed on.

    Parameters
    ----------
    heard
        The answers of the models.
    """
    first = next(iter(heard.answers.values()))
    measures = measures_of(first.task)
    rows = []
    for label, answers in heard.answers.items():
        weights = resamples(len(answers))
        cells = [with_interval(estimate(score_of(one, answers), weights)) for one in measures]
        rows.append((label, str(len(answers)), cell_of(answers.task, answers.target), *cells))
    head = ("model", "patients", column_of(first.task, first.column), *(f"{one.label}" for one in measures))
    note = " ".join(f"{one.label}: {one.meaning}; {one.better} is better." for one in measures)
    if few := told_few([label for label, answers in heard.answers.items() if len(answers) < MIN_PATIENTS]):
        note = f"{few} {note}"
    return Table("Scores on patients held out, with 95 % intervals", head, tuple(rows), note)


def _patterns(heard: Heard) -> dict[str, Sequence[str]]:
    return {listed(names, 8): ids for names, ids in heard.patterns() if names}


def _parts(
    caption: str, first: str, groups: Mapping[str, Sequence[str]], answers: Answers, measure: Measure
) -> Table | None:
    """Return the score of one model on parts of the patients."""
    if len(groups) < 2:
        return None
    rows = []
    for name, ids in groups.items():
        some = answers.of(ids)
        told = cell_of(answers.task, some.target) if len(some) else "–"
        if len(some) < FEW or rarest(answers.task, some.target) < FEW // 2:
            score = "too few to tell"
        else:
            score = with_interval(_one(measure, some))
        rows.append((name, str(len(some)), told, score))
    note = (
        f"Of {answers.label}. A part with fewer than {FEW} patients, or {FEW // 2} of the rarer outcome, has no score. "
        "Intervals that overlap say nothing against equality, and many parts make one that stands out by chance."
    )
    head = (first, "patients", column_of(answers.task, answers.column), measure.label)
    return Table(caption, head, tuple(rows), note)
