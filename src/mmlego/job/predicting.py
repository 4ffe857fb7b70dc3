"""Predictions for a cohort as a table in which nobody is lost: marked where features are odd, or there are none."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmlego.data import Cohort
from mmlego.data.cohort.manifest_files import Wanted
from mmlego.errors import InputError, LegoWarning
from mmlego.job.data import data_of
from mmlego.job.memory import trained_on_by
from mmlego.job.scoring import BATCH
from mmlego.sites import by_modality, modality_of
from mmlego.tasks import CompetingPrediction, SurvivalPrediction
from mmlego.tasks.conformal import LEVELS
from mmlego.tasks.time_bins import BinnedTime
from mmlego.tasks.usual_times import usual_times
from mmlego.training.evaluate import all_logits, bricks_of
from mmlego.wording import counted, listed, meant

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor

    from mmlego.training.evaluate import Model

MISSING_COLUMNS = 0.05  # of the columns of a modality, the share that may be absent unasked
_MOST = 5  # columns named in a cell
MARKS = ("modalities", "trained_on", "imputed", "outside", "unknown", "note")


def wanted_of(models: Iterable[Model], *, aliases: Mapping[str, str] | None = None, everybody: bool = True) -> Wanted:
    r"""Return what models want of a cohort that they are to predict for, for :meth:`Cohort.from_manifest`.

    Columns that a manifest names one by one may then be absent, or have other names, as those may that it takes as
    ``*``; :func:`completed` fills what a model lacks.

    Parameters
    ----------
    models
        The models.
    aliases
        For columns of the files the names that they had in training.
    everybody
        Whether patients without an outcome are predicted for, too.

    Examples
    --------
    >>> import pandas as pd
    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Regression
    >>> labs = pd.DataFrame({"crp": [1.0, 2.0, 6.0], "hb": [9.0, 8.0, 7.0]}, index=["a", "b", "c"])
    >>> block = LegoBlock(SNN(2), Baseplate(Regression(), channels=4, width=8), "labs")
    >>> block.preprocessing = Cohort.from_frames({"labs": labs}).prepare(["a", "b", "c"]).preprocessing["labs"]
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "labs.csv").write_text("id,CRP (mg/l)\nd,4\n")
    ...     manifest = Path(folder) / "new.yaml"
    ...     _ = manifest.write_text("key: id\nmodalities: {labs: {kind: table, file: labs.csv, columns: [crp, hb]}}")
    ...     cohort = Cohort.from_manifest(manifest, wanted=wanted_of([block], aliases={"CRP (mg/l)": "crp"}))
    >>> cohort.frames["labs"].to_dict("index"), str(cohort.dropped[-1])
    ({'d': {'crp': 4.0}}, 'labs: 1 column of the manifest not there (hb)')
    """
    columns: dict[str, dict[str, None]] = {}
    for model in models:
        for block in bricks_of(model):
            names = () if block.preprocessing is None else block.preprocessing.known()
            columns.setdefault(block.reads, {}).update(dict.fromkeys(names))
    return Wanted({name: tuple(known) for name, known in columns.items()}, dict(aliases or {}), everybody)


def completed(
    model: Model,
    cohort: Cohort,
    *,
    missing_columns: float = MISSING_COLUMNS,
    aliases: Mapping[str, str] | None = None,
) -> Cohort:
    """Return a cohort with all columns that a model was trained on; those that are absent hold nothing.

    What is missing is then filled as in training: a number by the median (kind ``table``) or the mean (``omics``) of
    the training patients, a category by none.

    Parameters
    ----------
    model
        The model.
    cohort
        The cohort to predict for.
    missing_columns
        The share of a modality's columns that may be absent, 0 to 1.
    aliases
        For columns of the files the names that they had in training.

    Raises
    ------
    InputError
        If more columns are absent, or an alias names a column that is not there.

    Warns
    -----
    LegoWarning
        If columns are absent; the message names them.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Regression
    >>> labs = pd.DataFrame({"crp": [1.0, 2.0, 6.0]}, index=["a", "b", "c"])
    >>> block = LegoBlock(SNN(1), Baseplate(Regression(), channels=4, width=8), "labs")
    >>> block.preprocessing = Cohort.from_frames({"labs": labs}).prepare(["a", "b", "c"]).preprocessing["labs"]
    >>> other = Cohort.from_frames({"labs": labs.rename(columns={"crp": "CRP (mg/l)"})})
    >>> completed(block, other, aliases={"CRP (mg/l)": "crp"}).frames["labs"].columns.tolist()
    ['crp']
    """
    if not 0 <= missing_columns <= 1:
        raise InputError("missing_columns is no share", expected="a number from 0 to 1", got=missing_columns)
    blocks = [block for block in bricks_of(model) if block.preprocessing]
    needed = {block.modality: block.preprocessing.needed() for block in blocks}
    given = dict(aliases or {})
    _check_aliases(given, cohort, needed)
    frames = dict(cohort.frames)
    for modality in by_modality(needed):
        if modality not in frames:
            continue
        frame = frames[modality].rename(columns=given)
        there, filled = {str(name) for name in frame.columns}, frame
        for block in by_modality(needed)[modality]:  # each by what the file holds: what one lacks, others may have
            absent = [name for name in needed[block] if name not in there]
            if absent:
                _check_absent(frame, absent, block, needed[block], missing_columns)
                filled = _filled(filled, absent)
        frames[modality] = filled
    return replace(cohort, frames=frames)


def predict_cohort(
    model: Model,
    cohort: Cohort,
    patients: Sequence[str] | None = None,
    *,
    times: Sequence[float] | None = None,
    level: float = 0.9,
    trained_on: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return the predictions of a model for a cohort, a row for everybody, also for those who cannot be predicted for.

    Intervals and standings compare with the held-out patients of whom the model's card tells; those of a model whose
    card tells none, as of blocks merged without patients, are left out.

    Parameters
    ----------
    model
        The model.
    cohort
        The cohort, as :func:`completed` returns it where columns may be absent.
    patients
        Patient ids; None for the whole cohort and those whom it left out.
    times
        Of survival: when it is asked for, in the unit of the task; None: some round ones up to the last cut.
    level
        Of the intervals of classes and numbers: 0.5, 0.8, 0.9 or 0.95.
    trained_on
        By patient whether the model was trained on them, in words; None: what its fitted bricks remember.

    Returns
    -------
    pandas.DataFrame
        Columns of the task, in its units, and where the patient stands among those held out; ``modalities``, which the
        prediction rests on, and ``has_NAME`` for each; ``trained_on``: yes, no, validation or unknown; ``imputed``,
        values that were missing; ``outside``, those that are far from those of the training patients; ``unknown``,
        categories that these did not have; ``note``, why there is no prediction.

    Raises
    ------
    InputError
        If no patient can be predicted for, times are asked of a task without, or the level is another.
    """
    import pandas as pd

    if times is not None and not isinstance(model.task, BinnedTime):
        raise InputError("times", expected="a model of survival", got=model.task.name)
    if level not in LEVELS:
        raise InputError("level of intervals", expected=f"one of {', '.join(map(str, LEVELS))}", got=level)
    wanted = list(cohort.patients if patients is None else patients)
    data = data_of(model, replace(cohort, outcome=None, outcome_spec=None), wanted)  # the outcome is not asked for
    logits = all_logits(model, data, BATCH)
    made = _table(model, logits, data.patients, times, level)
    taken = {*MARKS, *(f"has_{modality_of(name)}" for name in data.present)}
    made = made.rename(columns={name: f"predicted_{name}" for name in made.columns if name in taken})
    notes = dict.fromkeys([patient for patient in wanted if patient not in made.index], "has no modality of the model")
    if patients is None:
        for dropped in cohort.dropped:
            reason = f"left out: {dropped.where}, {re.sub('^[0-9]+ patients? ', '', dropped.what)}"
            for patient in dropped.patients:
                if patient not in made.index:
                    notes.setdefault(patient, reason)
    frame: pd.DataFrame = made.reindex([*wanted, *(patient for patient in notes if patient not in set(wanted))])
    frame.index.name = made.index.name
    having: dict[str, set[str]] = {}
    for name, here in data.present.items():
        those = {patient for patient, has in zip(data.patients, here.tolist(), strict=True) if has}
        having.setdefault(modality_of(name), set()).update(those)
    frame["modalities"] = [", ".join(name for name in having if patient in having[name]) for patient in frame.index]
    for name, those in having.items():
        frame[f"has_{name}"] = [patient in those for patient in frame.index]
    known = trained_on_by(model, list(frame.index)) if trained_on is None else trained_on
    frame["trained_on"] = [known.get(patient, "unknown") for patient in frame.index]
    outside, unknown = _marks(model, cohort, data.patients)
    imputed = _imputed(model, cohort, data.patients)
    for name, marks in (("imputed", imputed), ("outside", outside), ("unknown", unknown), ("note", notes)):
        frame[name] = pd.Series([marks.get(patient, "") for patient in frame.index], frame.index, dtype=object)
    return frame


def _table(
    model: Model, logits: Tensor, patients: Sequence[str], times: Sequence[float] | None, level: float
) -> pd.DataFrame:
    """Return what the task predicts, and what that is compared with, a row a patient."""
    import pandas as pd

    task = model.task
    prediction = task.predict(logits)
    if isinstance(prediction, SurvivalPrediction):
        asked = usual_times(prediction.horizon, prediction.unit) if times is None else times
        times = list(dict.fromkeys(asked))
        after = "" if prediction.unit is None else f"_{prediction.unit}"
        columns = prediction.columns(times) | {f"median{after}": prediction.median().numpy()}
    elif isinstance(prediction, CompetingPrediction):
        asked = usual_times(prediction.horizon, prediction.unit) if times is None else times
        columns = prediction.columns(list(dict.fromkeys(asked)))
    else:
        columns = prediction.columns()
    compared = task.compared(logits, model.card.held_out, level, times)
    ordered: dict[str, NDArray[Any]] = {}
    for name, values in columns.items():  # what belongs to a column stands beside it
        ordered |= {name: values} | {one: found for one, found in compared.items() if one.startswith(f"{name}_")}
    return pd.DataFrame(ordered | compared, index=pd.Index(list(patients), name="patient"))


def _imputed(model: Model, cohort: Cohort, patients: Sequence[str]) -> dict[str, str]:
    """Return by patient the columns whose value was missing, and filled as in training."""
    import pandas as pd

    found: dict[str, list[str]] = {}
    wanted = set(patients)
    blocks = [block for block in bricks_of(model) if block.preprocessing is not None]
    for modality, sites in by_modality(block.modality for block in blocks).items():
        mine = [block for block in blocks if block.modality in sites]
        frame = cohort.frames.get(modality)
        if frame is None or not any(block.preprocessing.needed() for block in mine):
            continue
        frame = frame[frame.index.isin(wanted)]
        missing = pd.concat([block.preprocessing.gaps(frame) for block in mine], axis=1)
        missing = missing.T.groupby(level=0, sort=False).any().T if len(mine) > 1 else missing
        for patient, row in missing[missing.any(axis=1)].iterrows():
            cells = [str(name) for name, gap in zip(missing.columns, row.tolist(), strict=True) if gap]
            more = f" and {len(cells) - _MOST} more" if len(cells) > _MOST else ""
            found.setdefault(str(patient), []).append(f"{modality}: {', '.join(cells[:_MOST])}{more}")
    return {patient: "; ".join(told) for patient, told in found.items()}


def _marks(model: Model, cohort: Cohort, patients: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return by patient the values far from those of training, and the categories that it did not have."""
    found: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    wanted = set(patients)
    for block in bricks_of(model):
        frame = cohort.frames.get(block.reads)
        if frame is None or block.preprocessing is None:
            continue
        frame = frame[frame.index.isin(wanted)]
        for marks, odd in zip(found, block.preprocessing.odd(frame), strict=True):
            for patient, cells in odd.items():
                more = f" and {len(cells) - _MOST} more" if len(cells) > _MOST else ""
                marks.setdefault(patient, []).append(f"{block.modality}: {', '.join(cells[:_MOST])}{more}")
    outside, unknown = ({patient: "; ".join(told) for patient, told in marks.items()} for marks in found)
    return outside, unknown


def _check_absent(frame: pd.DataFrame, absent: Sequence[str], block: str, needed: Sequence[str], most: float) -> None:
    modality = modality_of(block)
    told = modality if block == modality else f"{modality}, as {block} reads it"
    what = f"{told}: {counted(len(absent), 'column')} of {len(needed)} absent ({listed(absent)})"
    if len(absent) > most * len(needed):
        known = [str(name) for name in frame.columns if str(name) not in set(needed)]
        near = meant(absent[0], known) if known else ""
        share = -(-100 * len(absent) // len(needed)) / 100
        raise InputError(
            what,
            expected=f"at most {most:.0%} of the columns seen in training",
            remedy=f"{near} Pass aliases={{FILE: TRAINING}} for other names, or missing_columns={share:g} to go on "
            "as if nobody had been measured there.".lstrip(),
        )
    warnings.warn(f"{what}, filled as what is missing is.", LegoWarning, stacklevel=3)


def _filled(frame: pd.DataFrame, absent: Sequence[str]) -> pd.DataFrame:
    """Return a table with columns that hold nothing, where it lacks them."""
    import numpy as np
    import pandas as pd

    new = [name for name in absent if name not in frame.columns]
    nothing = np.full((len(frame), len(new)), np.nan)
    return pd.concat([frame, pd.DataFrame(nothing, index=frame.index, columns=new)], axis=1)


def _check_aliases(aliases: Mapping[str, str], cohort: Cohort, needed: Mapping[str, Sequence[str]]) -> None:
    columns = [
        str(name) for modality in by_modality(needed) if modality in cohort.frames for name in cohort.frames[modality]
    ]
    trained = [name for names in needed.values() for name in names]
    for old, new in aliases.items():
        if old not in columns:
            raise InputError(f"alias {old!r}: no column of the cohort is called so", remedy=meant(old, columns))
        if new not in trained:
            raise InputError(f"alias {old!r}: the model was not trained on {new!r}", remedy=meant(new, trained))
        if new in columns:
            raise InputError(f"alias {old!r}: the cohort has a column {new!r}, too", expected="one of both")
