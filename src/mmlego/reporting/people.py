"""Who was in: the way from files to parts, table 1 by outcome, and who lacks which modality."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmlego.data import Cohort
from mmlego.data.cohort.summary import overlap
from mmlego.data.reading.remarks import Noted
from mmlego.reporting.drawing.cohort import draw_patterns
from mmlego.reporting.numbers import share, significant
from mmlego.reporting.outcomes import happened, label_of, target_of, time_label
from mmlego.reporting.parts import Flow, Item, Picture, Section, Table, Text, section
from mmlego.reporting.subject import Subject
from mmlego.tasks import CompetingRisks, Task
from mmlego.tasks.kaplan_meier import kaplan_meier
from mmlego.tasks.time_bins import BinnedTime
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

WIDEST = 20  # columns of a modality that table 1 tells one by one
MOST_ROWS = 40
MOST_GROUPS = 6
MOST_CATEGORIES = 6
_PARTS = {"train": "Training", "validation": "Validation", "test": "Held out"}


def people(subject: Subject) -> Section:
    """Return the section on who was in.

    Parameters
    ----------
    subject
        With a cohort.
    """
    cohort = subject.cohort
    if cohort is None:
        return section("people", "Who was in", _of_experiment(subject))
    task, spec = subject.task, cohort.outcome_spec
    if task is None and spec is not None and cohort.outcome is not None:
        task = spec.fit_task(cohort.outcome)
    if task is None:
        return section("people", "Who was in", [Text("The cohort has no outcome.", "warning")])
    items: list[Item | None] = [flow(subject, cohort, task), *_remarks(cohort), table_one(cohort, task)]
    items += [_modalities(cohort), _patterns(subject, cohort)]
    return section("people", "Who was in", items)


def flow(subject: Subject, cohort: Cohort, task: Task) -> Flow:
    """Return the way of the patients from the files to the parts, with who was left out and why; nobody is named.

    Parameters
    ----------
    subject, cohort, task
        Whose.
    """
    lost: dict[str, None] = {}
    reasons: dict[tuple[str, str], int] = {}
    inside = set(cohort.patients)
    for note in cohort.dropped:
        gone = [patient for patient in note.patients if patient not in inside and patient not in lost]
        if not gone or isinstance(note, Noted):
            continue
        lost |= dict.fromkeys(gone)
        key = (note.where, re.sub(r"^[\d,]+ patients?,? ?", "", note.what) or "left out")
        reasons[key] = reasons.get(key, 0) + len(gone)
    total = len(cohort) + len(lost)
    out = tuple(f"{count} left out: {what} ({where})" for (where, what), count in reasons.items())
    tables = listed(cohort.modalities, 8)
    steps = [(f"{counted(total, 'patient')} with an id in the files of {tables} or of the outcome", out)]
    whole = _told(cohort, task, cohort.patients)
    steps.append((f"{counted(len(cohort), 'patient')} with an outcome and at least one modality{whole}", ()))
    ends = []
    for name, ids in subject.who.items():
        if ids:
            ends.append((_PARTS[name], f"{counted(len(ids), 'patient')}{_told(cohort, task, ids)}"))
    if not subject.who and subject.held_out:
        ends.append(("Held out", f"all of them{_told(cohort, task, subject.held_out)}"))
    return Flow(tuple(steps), tuple(ends))


def _told(cohort: Cohort, task: Task, ids: Sequence[str]) -> str:
    text = happened(task, target_of(cohort, task, ids), label_of(cohort.outcome_spec))
    return f", {text}" if text else ""


def _remarks(cohort: Cohort) -> list[Item]:
    """Return what else was done to the rows, of which no patient was lost."""
    inside = set(cohort.patients)
    plain = [note for note in cohort.dropped if isinstance(note, Noted) or set(note.patients) <= inside]
    if not plain:
        return []
    rows = tuple((note.where, note.what) for note in plain)
    return [Table("What was done to rows, without losing a patient", ("where", "what"), rows, folded=True)]


def table_one(cohort: Cohort, task: Task) -> Table | None:
    """Return table 1: what patients were like, all of them and by outcome.

    Numbers are told as median and quartiles, categories as counts and shares, and how many are missing is said.

    Parameters
    ----------
    cohort
        With an outcome.
    task
        By which the groups are made.
    """
    groups = outcome_groups(cohort, task)
    columns = [("all", list(cohort.patients)), *groups]
    head = ("", *(f"{name} (n = {len(ids)})" for name, ids in columns))
    rows: list[tuple[str, ...]] = []
    if isinstance(task, BinnedTime):
        rows.append(_follow_up(cohort, task, [ids for _, ids in columns]))
    wide = []
    for modality, frame in cohort.frames.items():
        taken = [one for one in cohort.sources[modality].columns_taken(frame) if one.taken != "left out"]
        if not taken or len(taken) > WIDEST or len(rows) > MOST_ROWS:
            wide.append(modality)
            continue
        for one in taken:
            if one.column in frame.columns:
                rows += _described(frame[one.column], modality, [ids for _, ids in columns])
    if not rows:
        return None
    note = "Numbers: median (quartiles); categories: patients (share of those known). "
    note += "Survival groups are by what was seen, and who was followed longer had more time for an event. " * (
        isinstance(task, BinnedTime)
    )
    if wide:
        note += f"Not told column by column: {listed(wide, 8)}."
    return Table("Table 1. Patients by outcome", head, tuple(rows[: MOST_ROWS * 2]), note.strip())


def outcome_groups(cohort: Cohort, task: Task) -> list[tuple[str, list[str]]]:
    """Return groups of patients by outcome: the event or none, classes, who has a label, thirds of a number."""
    target, ids = target_of(cohort, task, cohort.patients), np.array(cohort.patients, dtype=object)
    if task.name == "survival":
        event = (target[:, 0] == 1).numpy()
        return [("event", ids[event].tolist()), ("censored", ids[~event].tolist())]
    if isinstance(task, CompetingRisks):
        came = target[:, 0].numpy()
        names = ["censored", *task.causes]
        found = [(name, ids[came == number].tolist()) for number, name in enumerate(names)]
        return [*found[1:], found[0]]
    if task.name == "classification":
        names = list(task.classes)[:MOST_GROUPS]  # type: ignore[attr-defined]
        return [(str(name), ids[(target == place).numpy()].tolist()) for place, name in enumerate(names)]
    if task.name == "multilabel":
        names = list(task.labels)[:MOST_GROUPS]  # type: ignore[attr-defined]
        return [(str(name), ids[(target[:, place] == 1).numpy()].tolist()) for place, name in enumerate(names)]
    values = target.reshape(len(ids), -1)[:, 0].double().numpy()
    low, high = np.nanquantile(values, [1 / 3, 2 / 3])
    thirds = np.digitize(values, [low, high])
    names = [f"up to {significant(low)}", f"to {significant(high)}", f"above {significant(high)}"]
    return [(name, ids[thirds == place].tolist()) for place, name in enumerate(names)]


def _follow_up(cohort: Cohort, task: Task, groups: Sequence[Sequence[str]]) -> tuple[str, ...]:
    cells = []
    for ids in groups[:1]:
        target = target_of(cohort, task, ids)
        event, time = (target[:, 0] > 0).numpy(), target[:, 1].double().numpy()
        median = kaplan_meier(~event, time).median()[0] if len(ids) and not event.all() else float("nan")
        cells.append(significant(median) if median == median else "–")
    unit = time_label(task, cohort.outcome_spec)
    told = f"median follow-up, {unit}, by reverse Kaplan–Meier"
    return (told, *cells, *[""] * (len(groups) - 1))


def _described(column: pd.Series, modality: str, groups: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the rows of a column: one of numbers, one a category, and one of what is missing."""
    import pandas as pd

    name = f"{column.name} ({modality})"
    parts = [column.reindex(list(ids)) for ids in groups]
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    rows: list[tuple[str, ...]] = []
    if numeric and column.nunique() > 2:
        rows.append((name, *(_quartiles(part) for part in parts)))
    else:
        counts = column.value_counts()
        shown = list(counts.index[:MOST_CATEGORIES])
        if numeric and len(shown) == 2:
            shown = [max(shown)]
        for one in shown:
            cells = [share(int((part == one).sum()), int(part.notna().sum())) for part in parts]
            rows.append((f"{name}: {_word(one)}", *cells))
        if len(counts) > MOST_CATEGORIES:
            rest = counts.index[MOST_CATEGORIES:]
            cells = [share(int(part.isin(rest).sum()), int(part.notna().sum())) for part in parts]
            rows.append((f"{name}: {len(rest)} others", *cells))
    if any(part.isna().any() for part in parts):
        rows.append((f"{column.name}: missing", *(share(int(part.isna().sum()), len(part)) for part in parts)))
    return rows


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _quartiles(part: pd.Series) -> str:
    known = part.dropna().astype(float)
    if known.empty:
        return "–"
    low, middle, high = (significant(float(known.quantile(q))) for q in (0.25, 0.5, 0.75))
    return f"{middle} ({low} to {high})"


def _modalities(cohort: Cohort) -> Table:
    rows = [
        (name, cohort.sources[name].kind, str(cohort.sources[name].width(frame)), share(len(frame), len(cohort)))
        for name, frame in cohort.frames.items()
    ]
    return Table("Modalities", ("modality", "kind", "columns", "patients who have it"), tuple(rows))


def _patterns(subject: Subject, cohort: Cohort) -> Item:
    found = overlap(cohort)
    if len(found) == 1:
        return Text(f"Every patient has all modalities: {listed(found[0][0], 8)}.")
    held = set(subject.held_out)
    words = "; ".join(f"{count} patients have {listed(names, 8)}" for names, count in found[:4])
    more = f"; {len(found) - 4} rarer combinations" if len(found) > 4 else ""
    text = f"Who has what. {words}{more}."
    figure = draw_patterns(found, cohort.modalities)
    caption = f"{counted(len(held), 'patient')} of these are held out." if held else ""
    return Picture("modalities", "Which modalities patients have", text, figure, caption)


def _of_experiment(subject: Subject) -> list[Item]:
    if subject.bench is None:
        return []
    e = subject.bench.experiment
    rows = [
        (name, str(e.get("columns", {}).get(name, "")), share(count, e["patients"]))
        for name, count in e.get("have", {}).items()
    ]
    items: list[Item] = [
        Text(f"{e['cohort']}: {counted(e['patients'], 'patient')}. Pass --data MANIFEST for table 1 and the flow."),
    ]
    if rows:
        items.append(Table("Modalities", ("modality", "columns", "patients who have it"), tuple(rows)))
    return items
