"""Pictures of an experiment: each patient as predicted by a model of the first repeat that never saw them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmlego.bench import Results
from mmlego.reporting.competing import HOW, of_cause
from mmlego.reporting.outcomes import rhythm_of, time_label, when
from mmlego.reporting.parts import Item, Section, Text, section
from mmlego.reporting.ranked import Question, calibrated, ranked
from mmlego.reporting.statistics.ticks import round_times
from mmlego.reporting.survival import Axis, Groups, of_groups

_HALVES = ("lower risk", "higher risk")


def trial_sections(results: Results) -> list[Section]:
    """Return risk groups of survival, or curves of two classes; nothing of other tasks, whose answers are not kept.

    Parameters
    ----------
    results
        What an experiment measured.
    """
    first = [split for split in results.splits if split.get("repeat") == 0]
    if first and all("risks" in split for split in first):
        return _causes(results, first)
    if first and all("risk" in split for split in first):
        return _survival(results, first)
    if first and all("probability" in split for split in first):
        return _classes(results, first)
    return []


def _main(first: list[dict[str, Any]], what: str) -> str | None:
    """Return the merge, or what else answered in all splits: a fuse may lack patients to be tuned on."""
    every = [name for name in first[0][what] if all(name in split[what] for split in first)]
    return next((name for name in ("LegoMerge", *every) if name in every), None)


def _survival(results: Results, first: list[dict[str, Any]]) -> list[Section]:
    model = _main(first, "risk")
    if model is None:
        return []
    found = [
        (*results.outcome[patient][:2], float(risk > split["cut"][model]))
        for split in first
        for patient, risk in zip(split["patients"], split["risk"][model], strict=True)
    ]
    event, time, higher = (np.array(column, dtype=float) for column in zip(*found, strict=True))
    spec = results.experiment.get("outcome") or {}
    last = float(np.quantile(time, 0.9))
    axis = Axis(last, round_times(last, rhythm_of(None, spec)), time_label(None, spec))
    groups = Groups(higher.astype(np.int64), _HALVES, "median of the risks of those each model was made from")
    items = of_groups(event == 1, time, groups, axis, f"In the first repeat, {model}")
    return [section("groups", "Risk groups", items)]


def _causes(results: Results, first: list[dict[str, Any]]) -> list[Section]:
    model = _main(first, "risks")
    if model is None:
        return []
    spec = results.experiment.get("outcome") or {}
    causes = tuple(spec.get("causes") or ())
    items: list[Item | None] = []
    for place, cause in enumerate(causes):
        found = [
            (*results.outcome[patient][:2], float(risks[place] > split["cuts"][model][place]))
            for split in first
            for patient, risks in zip(split["patients"], split["risks"][model], strict=True)
        ]
        event, time, higher = (np.array(column, dtype=float) for column in zip(*found, strict=True))
        last = float(np.quantile(time, 0.9))
        axis = Axis(last, round_times(last, rhythm_of(None, spec)), time_label(None, spec))
        cut = f"median of the risks of {cause} of those each model was made from"
        marks = {when(at, None, spec): at for at in axis.marks if 0 < at <= last}
        groups = Groups(higher.astype(np.int64), _HALVES, cut)
        items += of_cause(
            event.astype(np.int64), time, groups, axis, f"In the first repeat, {model}", place, causes, marks
        )
    return [section("groups", "Risk groups", [*items, Text(HOW, "note")])]


def _classes(results: Results, first: list[dict[str, Any]]) -> list[Section]:
    model = _main(first, "probability")
    if model is None or max(values[0] for values in results.outcome.values()) > 1:
        return []
    pairs = [
        (float(results.outcome[patient][0]), float(chance))
        for split in first
        for patient, chance in zip(split["patients"], split["probability"][model], strict=True)
    ]
    truth, chance = (np.array(column) for column in zip(*pairs, strict=True))
    clipped = np.clip(chance, 1e-12, 1 - 1e-12)
    label = str((results.experiment.get("outcome") or {}).get("label") or "the second class")
    one = Question(label, np.log(clipped / (1 - clipped)), truth == 1)
    if not one.can_be_asked:
        return []
    note = Text(f"In the first repeat, each patient as {model} predicted who had not seen them.")
    return [
        section("ranking", "Telling patients apart", [note, *ranked([(model, one)], [one])]),
        section("calibration", "Are predicted chances right?", calibrated([one], model)),
    ]
