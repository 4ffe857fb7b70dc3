"""What moved predictions of patients held out: modalities by exact Shapley values, and the features that move most."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from mmlego.block import LegoBlock
from mmlego.brick import Brick
from mmlego.data import Cohort
from mmlego.errors import InputError, LegoWarning
from mmlego.explaining import modality_values, score_values
from mmlego.explaining.together import modality_features
from mmlego.job import data_of
from mmlego.job.data import having
from mmlego.reporting.answers import Heard
from mmlego.reporting.drawing.contributions import draw_bars
from mmlego.reporting.measures import primary
from mmlego.reporting.numbers import plain, signed, significant
from mmlego.reporting.parts import Item, Picture, Section, Table, Text, section
from mmlego.reporting.subject import Subject
from mmlego.sites import by_modality
from mmlego.training.evaluate import Model, bricks_of
from mmlego.wording import counted, listed

QUICK, SLOW = 40, 10  # patients who are explained feature by feature, of fitted models alone, and of neural blocks
TOP = 8  # features of a modality
SCORED = 2000  # patients of whom the score is shared out


def explained(subject: Subject, heard: Heard | None, features: int | None = None) -> Section | None:
    """Return the section on what moved predictions; None where nobody was held out.

    Parameters
    ----------
    subject
        Whose models.
    heard
        Their answers.
    features
        Of how many patients features are told; None: 40, or 10 where neural blocks make it slow; 0: none.
    """
    cohort, label = subject.cohort, subject.main
    if heard is None or cohort is None or label is None or label not in heard.answers:
        return None
    model, answers = subject.models[label], heard.answers[label]
    items: list[Item | None] = [
        Text(
            "What moves a prediction is no cause of the outcome, and what several columns tell alike is shared among "
            "them."
        )
    ]
    if len(by_modality(model.modalities)) > 1:
        items += _modalities(model, cohort, answers.patients, label)
    if features is None:
        features = SLOW if any(learns(brick) for brick in bricks_of(model)) else QUICK
    items += _features(model, cohort, _drawn(answers.patients, features), answers.patients, label)
    return section("why", "What moved predictions", items)


def _modalities(model: Model, cohort: Cohort, patients: Sequence[str], label: str) -> list[Item | None]:
    values = modality_values(model, data_of(model, cohort, patients))
    size = values.mean_size
    gain = _of_score(model, cohort, patients)
    rows = []
    for name in size.index:
        known = int(values.per_patient[name].notna().sum())
        rows.append((str(name), str(known), significant(float(size[name])), signed(gain[name]) if gain else "–"))
    measure = primary(model.task.name)
    panels = [(f"mean size of what it moved ({values.scale})", [str(name) for name in size.index], size.tolist())]
    if gain:
        panels.append((f"its share of the {measure.label} above chance", list(gain), list(gain.values())))
    told = "; ".join(f"{row[0]}: {row[2]}" + (f", {row[3]} of the {measure.label}" if gain else "") for row in rows)
    return [
        Picture(
            "modalities_why",
            f"What each modality moved in {label}, patients held out",
            f"{told}.",
            draw_bars(panels),
            "Exact Shapley values over all subsets of what a patient has (Shapley 1953); they sum to what the "
            "prediction is away from that for who nothing is known of, and to the score above chance.",
        ),
        Table(
            "What each modality moved",
            ("modality", "patients", f"mean size ({values.scale})", f"share of {measure.label} above chance"),
            tuple(rows),
            "A share below 0 means that on these patients the score is better without the modality.",
        ),
    ]


def _of_score(model: Model, cohort: Cohort, patients: Sequence[str]) -> dict[str, float]:
    """Return how the score is shared out; nothing where that of some modalities is not defined."""
    some = _drawn(patients, SCORED)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LegoWarning)  # told where scores are
            found = score_values(model, data_of(model, cohort, some))
    except InputError:
        return {}
    return {str(name): float(value) for name, value in found.items()}


def learns(brick: Brick) -> bool:
    """Return whether a brick has a neural part."""
    return any(isinstance(part, LegoBlock) for part in brick.modules())


def _features(
    model: Model, cohort: Cohort, some: Sequence[str], patients: Sequence[str], label: str
) -> list[Item | None]:
    panels, rows, silent = [], [], []
    for name, blocks in by_modality(model.modalities).items():
        have = having(cohort, blocks[:1], some)
        if not have:
            continue
        try:
            found = modality_features(model, cohort, name, patients=have).summary().head(TOP)
        except InputError:
            silent.append(name)
            continue
        found = found[found["mean_size"] > 0]
        if found.empty:
            silent.append(name)
            continue
        panels.append((f"{name}: mean size", [str(one) for one in found.index], found["mean_size"].tolist()))
        for one, row in found.iterrows():
            rows.append((f"{one} ({name})", significant(float(row["mean_size"])), _direction(float(row["mean"]))))
    if not panels:
        return []
    told = "; ".join(f"{title.partition(':')[0]}: {listed(names, 3)}" for title, names, _ in panels)
    whom = f"{counted(len(some), 'patient')} held out" + (", drawn at random" if len(some) < len(patients) else "")
    left = f" Nothing can be told of {listed(silent)}." if silent else ""
    return [
        Picture(
            "features_why",
            f"Features that moved {label} most, {whom}",
            f"Most in {told}.",
            draw_bars(panels),
            f"Mean size of what a feature moved within its modality, all other modalities being as they are.{left}",
        ),
        Table("Features that moved most", ("feature", "mean size", "on average"), tuple(rows), folded=True),
    ]


def _direction(mean: float) -> str:
    return f"{plain(mean, 3)}"


def _drawn(patients: Sequence[str], most: int) -> list[str]:
    if len(patients) <= most:
        return list(patients)
    rows = np.sort(np.random.default_rng(0).choice(len(patients), most, replace=False))
    return [patients[row] for row in rows.tolist()]
