"""Kinds ``series`` and ``static``: what is measured over time, and what is said once, from the same files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, FiniteFloat, model_validator

from mmlego.data.kinds.series.binning import Rule
from mmlego.data.kinds.series.cache import FOLDER, cache_folder, through_cache
from mmlego.data.kinds.series.choices import check_patterns, choose, fits
from mmlego.data.kinds.series.long_tables import LongColumns, Unit
from mmlego.data.kinds.series.physionet import DESCRIPTORS, VARIABLES, StayReader
from mmlego.data.kinds.series.preprocess import QUANTILES, SeriesPreprocessor
from mmlego.data.kinds.series.stays import COLUMN, OnError, StayRule, Stays
from mmlego.data.kinds.series.windows import Window, check_window, within
from mmlego.data.kinds.source import Folder, Source
from mmlego.data.kinds.tabular.preprocess import TablePreprocessor
from mmlego.data.reading.bundles import ARCHIVES, Bundle
from mmlego.data.reading.dialect import SEPARATORS
from mmlego.data.reading.files import PACKED
from mmlego.data.reading.joins import Dropped
from mmlego.data.reading.places import asked
from mmlego.data.reading.progress import shown
from mmlego.data.reading.tables import read_table
from mmlego.errors import InputError
from mmlego.wording import counted, label, listed

if TYPE_CHECKING:
    import pandas as pd


class StaySource(Source):
    """What both kinds have in common: the files of stays, and how they are read.

    Parameters
    ----------
    file
        Relative to the manifest: a folder or an archive (``.tar.gz``, ``.tgz``, ``.tar``, ``.zip``) of text files in
        the PhysioNet layout, ``Time,Parameter,Value``, one a stay; or a long table, a row a measurement.
    pattern
        Which files of the folder or archive are stays.
    variables
        A name or glob, or several.
    patient
        The column of patient ids, or the parameter that holds it in a text file; the key of the manifest if not given.
    time, variable, value, stay
        The columns of a long table; without ``stay`` each patient has one.
    unit
        Of the times in a long table, which count from the start of the stay.
    stays
        What to do where a patient has several: ``error``, ``first`` or ``last``, in the order of the files or rows.
    on_error
        ``raise``, or ``skip`` to leave out what cannot be read, and name it.
    window
        From when until when measurements count, in hours since the start of the stay (or with a unit, as ``-2d``);
        the end may be ``null``. If not given, all from the start on, and what was measured before it is refused.
    cache
        A folder relative to the manifest; ``true`` for ``.mmlego-cache`` beside the manifest, or the folder that
        the environment variable ``MMLEGO_CACHE`` names; ``false`` to read anew each time.
    """

    timeless: ClassVar[bool] = False  # whether what is said without a time counts

    file: str | None = None
    pattern: str = "*.txt"
    variables: str | list[str] = "*"
    patient: str | None = None
    time: str = "time"
    variable: str = "variable"
    value: str = "value"
    stay: str | None = None
    unit: Unit = "hours"
    stays: StayRule = "error"
    on_error: OnError = "raise"
    window: Window | None = None
    cache: bool | str = True

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        check_window(self.window)
        return self

    def load(self, folder: Folder, modality: str) -> tuple[Stays, list[Dropped]]:
        """Return all that was measured, one stay a patient, from the files or from the cache.

        Parameters
        ----------
        folder
            Where the files lie.
        modality
            Its name, for messages.

        Raises
        ------
        InputError
            If files cannot be read, or a patient has several stays and no rule says which one counts.
        """
        path = folder.file(self.file or "", folders=True)
        found = (self._bundle if _is_bundle(path) else self._table)(path, folder, self._cache(folder))
        # The ids of all stays at once; a patient with several keeps each of them.
        form = dict(zip(whose := list(dict.fromkeys(found.patients)), folder.ids(whose, modality), strict=True))
        found = replace(found, patients=tuple(form[patient] for patient in found.patients))
        notes = []
        if found.skipped:
            what = f"{counted(len(found.skipped), 'part')} of {path.name} left out: {listed(found.skipped)}"
            notes.append(Dropped(modality, what))
        found, merged = found.one_each(self.stays, modality)
        return found, [*notes, *merged]

    def narrowed(self, found: Stays, names: Sequence[str], modality: str) -> tuple[Stays, list[Dropped]]:
        """Return what was measured of some variables in the window, and notes of what was left out.

        Parameters
        ----------
        found
            All that was measured.
        names
            The variables.
        modality
            Its name, for messages.

        Raises
        ------
        InputError
            If something was measured before the start, and no window is declared.
        """
        return within(found.only(names), self.window, modality, on_error=self.on_error, timeless=self.timeless)

    def known(self, folder: Folder) -> tuple[str, ...]:
        """Return the variables that the layout has, whether or not a patient has them."""
        path = folder.file(self.file or "", folders=True)
        return (*DESCRIPTORS, *VARIABLES) if _is_bundle(path) else ()

    def _bundle(self, path: Path, folder: Folder, cache: Path | None) -> Stays:
        bundle = Bundle.open(path, self.pattern, roots=folder.places.bounds)
        key = self.patient or folder.key
        how = {"layout": "physionet", "key": key, "pattern": self.pattern, "on_error": self.on_error}
        reader, what = StayReader(key, self.on_error), f"Reading {path.name}"
        return through_cache(cache, bundle.digest, how, lambda: reader.read_all(shown(bundle.files(), what)))

    def _table(self, path: Path, folder: Folder, cache: Path | None) -> Stays:
        patient = self.patient or folder.key
        columns = LongColumns(patient, self.time, self.variable, self.value, self.stay, self.unit)
        how = {"layout": "long", "columns": vars(columns), "on_error": self.on_error, "name": path.name}
        digest = _digest(path)

        def read() -> Stays:
            found = columns.read(read_table(path, patient), path.name, self.on_error)
            if _digest(path) != digest:  # what was hashed is not what was read
                raise InputError(f"file {path.name!r} changed while it was read", remedy="Try again.")
            return found

        return through_cache(cache, digest, how, read)

    def _cache(self, folder: Folder) -> Path | None:
        """Return the folder of the cache; None: none. What lies beside the data may not lead writing elsewhere."""
        if self.cache is False:
            return None
        place = cache_folder(folder.home) if self.cache is True else folder.home / self.cache
        chosen = self.cache is True and place != folder.home / FOLDER  # by the environment, that is, by the user
        inside = asked(lambda: place.resolve().is_relative_to(folder.home.resolve()), str(self.cache))
        if chosen or inside or folder.places.bounds is None:
            return place
        remedy = (
            "Name a folder in it, set MMLEGO_CACHE and cache: true, go without, as cache: false, or allow links: true."
        )
        name = FOLDER if self.cache is True else self.cache
        raise InputError(f"cache {name!r} leaves the manifest's folder", remedy=remedy)


class SeriesSource(StaySource):
    """A modality of kind ``series``: what is measured over time, irregular and sparse.

    The files are read as :class:`StaySource` says. In the PhysioNet layout, ``variables: "*"`` leaves out what
    describes the patient (Age, Gender, Height, ICUType), which can be named.

    Parameters
    ----------
    bin_hours
        Hours a bin.
    horizon
        Hours that are looked at, as the end of a ``window``; not given: each stay to its end.
    aggregate
        How several values in one bin become one: ``mean``, ``first``, ``last``, ``min``, ``max``, ``sum``, ``count``,
        or several of them for as many columns; for all variables, or by name or glob.
    log
        Names or globs of variables of which ``log(1 + x)`` is taken; ``auto``: of those without negative values that
        are skewed in the training patients, and less so by it.
    clip
        By name or glob, the lowest and highest plausible value.
    quantiles
        The quantiles of the training patients' values beyond which values are clipped.

    Examples
    --------
    >>> SeriesSource(file="set-a.tar.gz", variables=["HR", "*ABP"], horizon=48).aggregate
    'mean'
    """

    kind: Literal["series"] = "series"
    bin_hours: FiniteFloat = Field(default=1.0, gt=0)
    horizon: FiniteFloat | None = Field(default=None, gt=0)
    aggregate: Rule | list[Rule] | dict[str, Rule | list[Rule]] = "mean"
    log: Literal["auto"] | list[str] = "auto"
    clip: dict[str, tuple[FiniteFloat, FiniteFloat]] = Field(default_factory=dict)
    quantiles: tuple[float, float] = QUANTILES

    @model_validator(mode="after")
    def _check_horizon(self) -> Self:
        start, end = self.window or (0.0, None)
        if self.horizon is not None and end is not None:
            raise ValueError("window has an end, which horizon declares again: leave one out")
        if self.horizon is not None and self.horizon <= start:
            raise ValueError("horizon is before the window")
        return self

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the chosen variables, a stay a patient; patients without any measurement do not have the modality."""
        found, notes = self.load(folder, modality)
        known = self.known(folder)
        hidden = DESCRIPTORS if known else ()
        names = choose(self.variables, sorted({*found.names, *known}), hidden, modality)
        _refuse_outcome(names, taken, modality)
        found, outside = self.narrowed(found, names, modality)
        notes += outside
        frame = found.frame()
        empty = np.asarray(found.sizes) == 0
        if empty.any():
            who = tuple(frame.index[empty])
            notes.append(Dropped(modality, f"{counted(len(who), 'patient')} without any measurement", who))
        return frame[~empty], notes

    def width(self, frame: pd.DataFrame) -> int:
        """Return how many variables there are."""
        return len({name for stay in frame[COLUMN] for name in stay.names})

    def fit(self, frame: pd.DataFrame) -> SeriesPreprocessor:
        """Return preprocessing fitted on the stays of training patients."""
        start, end = self.window or (0.0, None)
        return SeriesPreprocessor.fit(
            frame,
            bin_hours=self.bin_hours,
            horizon=self.horizon if end is None else end,
            start=start,
            rules=self.aggregate,
            log=self.log,
            clip=self.clip,
            quantiles=self.quantiles,
        )


class StaticSource(StaySource):
    """A modality of kind ``static``: what the same files say once, as a table with a row a patient.

    The files are read as :class:`StaySource` says. Of each variable the first value until ``until`` counts.

    Parameters
    ----------
    variables
        A name or glob, or several; in the PhysioNet layout Age, Gender, Height, Weight and ICUType if not given.
    categories
        Those of them whose numbers are codes of categories.
    until
        Hours since the start, or the end of a ``window``.

    Examples
    --------
    >>> StaticSource(file="set-a.tar.gz", categories=["Gender", "ICUType"]).until
    0.0
    """

    timeless: ClassVar[bool] = True

    kind: Literal["static"] = "static"
    variables: str | list[str] = Field(default_factory=lambda: [*DESCRIPTORS, "Weight"])
    categories: list[str] = Field(default_factory=list)
    until: FiniteFloat = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _check_until(self) -> Self:
        if self.window is not None and self.window[1] is not None and "until" in self.model_fields_set:
            raise ValueError("window has an end, which until declares again: leave one out")
        return self

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the chosen variables as a table, a row a patient."""
        import pandas as pd

        found, notes = self.load(folder, modality)
        names = choose(self.variables, sorted({*found.names, *self.known(folder)}), (), modality)
        _refuse_outcome(names, taken, modality)
        check_patterns(f"{modality}: categories", self.categories, names)
        found, outside = self.narrowed(found, names, modality)
        notes += outside
        end = None if self.window is None else self.window[1]
        early = np.flatnonzero(found.time <= (self.until if end is None else end))
        cell = found.stay[early] * len(names) + found.variable[early]
        cell, first = np.unique(cell, return_index=True)  # of several the first
        flat = np.full(len(found) * len(names), np.nan)
        flat[cell] = found.value[early[first]]
        table = flat.reshape(len(found), len(names))
        frame = pd.DataFrame(table, index=pd.Index(found.patients, dtype=object, name="patient"), columns=names)
        for name in frame.columns[[fits(name, self.categories) for name in names]]:
            frame[name] = frame[name].map(label, na_action="ignore").astype(object)
        empty = frame.isna().all(axis=1)
        if empty.any():
            who = tuple(frame.index[empty])
            notes.append(Dropped(modality, f"{counted(len(who), 'patient')} without any value", who))
        return frame[~empty], notes

    def fit(self, frame: pd.DataFrame) -> TablePreprocessor:
        """Return a table's preprocessing fitted on training rows."""
        return TablePreprocessor.fit(frame)


def _is_bundle(path: Path) -> bool:
    """Return whether a path holds a text file a stay, rather than one table, which may be packed too."""
    name = path.name.lower()
    tables = tuple(f"{kind}{packed}" for kind in SEPARATORS for packed in PACKED)
    return path.is_dir() or (name.endswith(ARCHIVES) and not name.endswith(tables))


def _refuse_outcome(names: Sequence[str], taken: Sequence[str], modality: str) -> None:
    leaked = [name for name in names if name in taken]
    if leaked:
        raise InputError(
            f"leakage: {modality} holds variables of the outcome ({listed(leaked)})",
            expected="features alone",
            remedy="Choose the variables of the modality without them.",
        )


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path.name!r} ({error.strerror})") from error
