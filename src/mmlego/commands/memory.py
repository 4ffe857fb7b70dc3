"""What ``mmlego evaluate`` says of whom models were trained on: scores on these look better than they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mmlego.run_folder import makers_of
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    from mmlego.data import Cohort
    from mmlego.job.scoring import Scored
    from mmlego.training.evaluate import Model


def who_was_in(
    models: Mapping[Path, Model], cohort: Cohort, found: Mapping[str, Scored | None]
) -> dict[str, dict[str, int]]:
    """Return by model on how many of those it was scored on it was trained: yes, validation, unknown, out of fold, no.

    Parameters
    ----------
    models
        By where they lie.
    cohort
        The patients, all with an outcome.
    found
        The scores, in the order of the models.
    """
    from mmlego.job.memory import trained_on
    from mmlego.kept_answers import origins_of

    counts = {}
    for (place, model), (name, scored) in zip(models.items(), found.items(), strict=True):
        origins = {block: run for block, (run, _) in origins_of(place).items()}
        known = trained_on(model, makers_of([place]), cohort, origins=origins, out_of_fold=True)
        patients = dict.fromkeys(scored.data.patients) if scored is not None else {}
        counts[name] = dict(Counter(known[patient] for patient in patients))
    return counts


def told(counts: Mapping[str, Mapping[str, int]]) -> tuple[list[str], list[str]]:
    """Return what to warn of, and what to note: a line for all models of which the same is to be said.

    Parameters
    ----------
    counts
        From :func:`who_was_in`.

    Examples
    --------
    >>> told({"a": {"no": 3}, "b": {"yes": 1, "no": 2}, "c": {"yes": 1, "no": 2}})
    (['b, c: trained on 1 of 3 patients, of whom their scores look better than they are.'], [])
    """
    said: dict[tuple[str, int, int], list[str]] = {}
    for name, counted_by in counts.items():
        for what, number in counted_by.items():
            said.setdefault((what, number, sum(counted_by.values())), []).append(name)
    lines: tuple[list[str], list[str]] = ([], [])
    for (what, number, whole), names in said.items():
        of = f"{listed(names, 8)}: {{}} {number} of {counted(whole, 'patient')}"
        if what == "yes":
            lines[0].append(of.format("trained on") + ", of whom their scores look better than they are.")
        elif what == "validation":
            lines[1].append(of.format("early stopping or calibration saw") + ".")
        elif what == "unknown":
            lines[0].append(of.format("nobody knows whether trained on") + "; if so, their scores look better.")
        elif what == "out of fold":
            lines[1].append(of.format("fitted on") + ", and scored by what they said of them without (out of fold).")
    return lines
