"""A section for a patient who was asked for: the prediction in words, what it rests on, and what moved it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mmlego.data import Cohort
from mmlego.errors import InputError, UnknownNameError
from mmlego.explaining import explain
from mmlego.explaining.modalities import BASE, PREDICTION
from mmlego.job.data import having
from mmlego.reporting.answers import Answers, ask, of_fitting
from mmlego.reporting.drawing.contributions import draw_waterfall
from mmlego.reporting.drawing.survival import CurveBefore, draw_predicted, draw_predicted_causes
from mmlego.reporting.measures import events_of
from mmlego.reporting.numbers import plain, significant
from mmlego.reporting.outcomes import rhythm_of, when
from mmlego.reporting.parts import Item, Picture, Section, Table, Text, section
from mmlego.reporting.statistics.ticks import round_horizons
from mmlego.reporting.subject import Subject
from mmlego.reporting.survival import Axis, Groups, axis_of, group_count, risk_groups
from mmlego.sites import by_modality
from mmlego.tasks import CompetingRisks
from mmlego.tasks.kaplan_meier import kaplan_meier
from mmlego.training.evaluate import Model, bricks_of
from mmlego.wording import listed, meant

TOP = 10  # features of a patient
_PARTS = {
    "train": "in training, so that what is said here is partly memory",
    "validation": "among those who validate, who had a part in making the model",
    "test": "held out: the model has never seen this patient",
}


@dataclass(frozen=True)
class Known:
    """What predictions for patients are set beside.

    Parameters
    ----------
    model, label
        Of the report.
    fitting
        What it says of those it was made from; None where no split is known.
    groups
        How many groups of risk the page has, two or three.
    """

    model: Model
    label: str
    fitting: Answers | None
    groups: int


def check_patients(subject: Subject, patients: Sequence[str]) -> None:
    """Refuse patients of whom nothing can be told, before anything is computed.

    Parameters
    ----------
    subject
        With models and a cohort.
    patients
        Whom to tell of, by id.

    Raises
    ------
    UnknownNameError
        If one is not in the cohort.
    InputError
        If there is no model, or one has no modality of it.
    """
    cohort, label = subject.cohort, subject.main
    if not patients:
        return
    if cohort is None or label is None:
        raise InputError("patients need a model and a cohort", remedy="Name a run folder in place of an experiment.")
    known = set(cohort.patients)
    for patient in patients:
        if patient not in known:
            raise UnknownNameError(
                f"no patient {patient!r} in {cohort.name}", expected="ids as in its files",
                got=repr(patient), remedy=meant(patient, list(cohort.patients)),
            )  # fmt: skip
    model = subject.models[label]
    without = [patient for patient in patients if not having(cohort, model.modalities, [patient])]
    if without:
        raise InputError(f"{listed(without)} have no modality of {label}", remedy="Leave them out of --patients.")


def patient_sections(subject: Subject, patients: Sequence[str]) -> list[Section]:
    """Return a section a patient.

    Parameters
    ----------
    subject
        With models and a cohort.
    patients
        Whom to tell of, as :func:`check_patients` accepts them.
    """
    cohort, label = subject.cohort, subject.main
    if cohort is None or label is None or not patients:
        return []
    model = subject.models[label]
    about = Known(model, label, of_fitting(subject, label), _groups_of_page(subject, cohort, label))
    return [_section(subject, cohort, about, patient, place) for place, patient in enumerate(patients, start=1)]


def _groups_of_page(subject: Subject, cohort: Cohort, label: str) -> int:
    """Return how many groups of risk the section on survival makes of patients held out."""
    model = subject.models[label]
    if model.task.name != "survival" or not having(cohort, model.modalities, subject.held_out):
        return 2
    return group_count(ask(label, model, cohort, subject.held_out))


def _section(subject: Subject, cohort: Cohort, known: Known, patient: str, place: int) -> Section:
    answers = ask(known.label, known.model, cohort, [patient])
    part = next((name for name, ids in subject.who.items() if patient in set(ids)), None)
    seen = _PARTS.get(part or "", "not of a run that tells on whom it was trained")
    items: list[Item | None] = []
    if answers.task.name == "survival":
        items += _survival(cohort, known, answers, place)
    elif isinstance(answers.task, CompetingRisks):
        items += _causes(cohort, answers, answers.task, place)
    else:
        items.append(Text(_in_words(answers), "lead"))
    items.append(Table("What it rests on", ("", ""), _rests_on(cohort, known.model, patient, seen)))
    items += _moved(cohort, known, patient, place)
    return section(f"patient-{place}", f"Patient {patient}", items)


def _survival(cohort: Cohort, known: Known, answers: Answers, place: int) -> list[Item | None]:
    task, spec = answers.task, cohort.outcome_spec
    fitting = known.fitting
    last = float(max(task.cuts))  # type: ignore[attr-defined]
    horizons = round_horizons(last, rhythm_of(task, spec))
    free = answers.prediction.survival_at(horizons)[0].tolist()
    told = [
        f"{100 * chance:.0f} % at {when(at, task, spec)}"
        for at, chance in zip(horizons, free, strict=True)
        if math.isfinite(chance)
    ]
    words = f"The chance to be free of the event is predicted as {listed(told)}." if told else ""
    risk = float(answers.prediction.risk[0])
    if fitting is None:
        return [Text(words, "lead"), _curve(answers, place, [], last, _axis(answers, last, spec))]
    below = float((fitting.prediction.risk < risk).double().mean())
    groups = risk_groups(answers, fitting, count=known.groups)
    words += (
        f" The risk is higher than that of {100 * below:.0f} % of the {len(fitting)} patients the model was made from: "
        f"{groups.names[int(groups.member[0])]} (cut at the {groups.cut})."
    )
    others = _observed(fitting, risk_groups(fitting, fitting, count=known.groups), last)
    return [Text(words, "lead"), _curve(answers, place, others, last, _axis(fitting, last, spec))]


def _causes(cohort: Cohort, answers: Answers, task: CompetingRisks, place: int) -> list[Item | None]:
    spec, last = cohort.outcome_spec, task.horizon
    horizons = round_horizons(last, rhythm_of(task, spec))
    by = answers.prediction.incidence_at(horizons)[0].tolist()
    told = []
    for time, chances in zip(horizons, by, strict=True):
        each = [f"{cause} {100 * chance:.0f} %" for cause, chance in zip(task.causes, chances, strict=True)]
        told.append(f"by {when(time, task, spec)} {listed([*each, f'none {100 * (1 - sum(chances)):.0f} %'])}")
    at = np.linspace(0, last, 200)
    curves = answers.prediction.incidence_at(torch.tensor(at).float())[0].double().numpy()  # (t, m)
    lines = [CurveBefore(cause, at, curves[:, c]) for c, cause in enumerate(task.causes)]
    axis = _axis(answers, last, spec)
    words = f"Predicted as what comes first: {'; '.join(told)}."
    return [
        Text(words, "lead"),
        Picture(
            f"patient_{place}_curve",
            "Predicted chance that each has come first",
            words,
            draw_predicted_causes(lines, axis.marks, last, axis.label),
            "The curves end where the model's knowledge of follow-up ends.",
        ),
    ]


def _axis(answers: Answers, last: float, spec: Any) -> Axis:
    times = torch.cat([answers.target[:, 1].double(), torch.tensor([last])]).numpy()
    made = axis_of(times, answers.task, spec, last=last)
    return made


def _observed(fitting: Answers, groups: Groups, last: float) -> list[CurveBefore]:
    event, time = events_of(fitting.target)
    found = []
    for place, name in enumerate(groups.names):
        mine = groups.member == place
        if mine.any():
            curve = kaplan_meier(event[mine], time[mine])
            at = np.linspace(0, min(last, float(curve.times[-1])), 100)
            found.append(CurveBefore(f"seen in {name} (Kaplan–Meier, patients it was made from)", at, curve.at(at)[0]))
    return found


def _curve(answers: Answers, place: int, others: list[CurveBefore], last: float, axis: Axis) -> Picture:
    at = np.linspace(0, last, 200)
    free = answers.prediction.survival_at(torch.tensor(at).float())[0].double().numpy()
    at, free = at[np.isfinite(free)], free[np.isfinite(free)]
    curve = CurveBefore("predicted for this patient", at, free)
    step = max(1, len(at) // 4)
    told = "; ".join(f"{100 * y:.0f} % at {x:.3g}" for x, y in zip(at[step::step], free[step::step], strict=True))
    return Picture(
        f"patient_{place}_curve",
        "Predicted chance to be free of the event",
        f"{told}.",
        draw_predicted(curve, others, axis.marks, last, axis.label),
        "The curve ends where the model's knowledge of follow-up ends.",
    )


def _in_words(answers: Answers) -> str:
    prediction, task = answers.prediction, answers.task
    if task.name == "regression":
        pairs = zip(task.targets, prediction.values[0].tolist(), strict=True)  # type: ignore[attr-defined]
        return "Predicted: " + listed((f"{name} {significant(float(value))}" for name, value in pairs), 8) + "."
    names = task.classes if task.name == "classification" else task.labels  # type: ignore[attr-defined]
    chances = prediction.probabilities[0].tolist()
    told = [f"{name} {100 * chance:.0f} %" for name, chance in zip(names, chances, strict=True)]
    what = f" of {answers.column}" if answers.column else ""
    return f"Predicted chances{what}: {listed(told, 12)}."


def _rests_on(cohort: Cohort, model: Model, patient: str, seen: str) -> tuple[tuple[str, str], ...]:
    read = by_modality(model.modalities)
    have = [name for name in read if having(cohort, [name], [patient])]
    lack = [name for name in read if name not in have]
    rows = [("this patient was", seen), ("has", listed(have, 12)), ("lacks", listed(lack, 12) if lack else "nothing")]
    for block in bricks_of(model):
        if block.reads not in have or block.preprocessing is None:
            continue
        outside, unknown = block.preprocessing.odd(cohort.frames[block.reads].loc[[patient]])
        for what, odd in (("far from the values of training", outside), ("unknown to training", unknown)):
            if odd.get(patient):
                rows.append((f"{block.modality}: {what}", listed(odd[patient], 6)))
    return tuple(rows)


def _moved(cohort: Cohort, known: Known, patient: str, place: int) -> list[Item | None]:
    try:
        found = explain(known.model, cohort, patients=[patient])
    except InputError as error:
        return [Text(f"What moved this prediction cannot be told: {error}", "note")]
    row = found.modalities.per_patient.iloc[0].astype(float)
    parts = row.drop([BASE, PREDICTION]).dropna()
    output, scale = str(found.modalities.outputs.iloc[0]), found.modalities.scale
    told = "; ".join(f"{name} {significant(float(value))}" for name, value in parts.items())
    features: list[tuple[float, str, Any]] = []
    for name, values in found.features.items():
        frame = values.per_feature
        shares = frame["attribution"].astype(float).tolist()
        named = [f"{feature} ({name})" for feature in frame["feature"]]
        features += list(zip(shares, named, frame["value"].tolist(), strict=True))
    most = sorted(features, key=lambda one: -abs(one[0]))[:TOP]
    rows = tuple((named, _value(value), plain(share, 3)) for share, named, value in most)
    return [
        Picture(
            f"patient_{place}_why",
            f"What moved this prediction ({output})" if output else "What moved this prediction",
            f"From {significant(float(row[BASE]))} to {significant(float(row[PREDICTION]))} by {told}.",
            draw_waterfall([str(name) for name in parts.index], parts.tolist(), float(row[BASE]), scale),
            "Exact Shapley values of the modalities that the patient has; they sum to the prediction. To the right is "
            "more of what is predicted, or an earlier event.",
        ),
        Table(
            "Features that moved it most",
            ("feature", "value", f"moved ({scale})"),
            rows,
            "Each within its modality, all other modalities being as they are. No cause of the outcome.",
        ),
    ]


def _value(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return significant(float(value)) if math.isfinite(float(value)) else "not measured"
    return str(value)
