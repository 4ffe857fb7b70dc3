"""A cohort: tables of several modalities and an outcome, one row per patient, with gaps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from mmlego.data.joins import Dropped, RowRule, by_patient, one_row_each
from mmlego.data.manifest import check_section, parse_outcome, read_manifest
from mmlego.data.outcomes import Outcome
from mmlego.data.prepared import Prepared, naming
from mmlego.data.source import Folder, Source
from mmlego.data.sources import TableSource
from mmlego.data.summary import summarise
from mmlego.data.wording import counted, listed, meant
from mmlego.errors import InputError, UnknownNameError
from mmlego.tasks import Task

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Cohort:
    """Patients × modalities as tables; made by :meth:`from_manifest` or :meth:`from_frames`.

    Patients need not be the same across modalities. Rows are joined by patient id, never by position.

    Parameters
    ----------
    name
        The name of the cohort.
    patients
        The ``n`` patient ids: all with an outcome (where there is one) and at least one modality.
    frames
        For each modality a table indexed by patient, of those patients who have it, in cohort order.
    outcome
        The outcome in canonical columns, indexed by patient; None for a cohort to predict on.
    outcome_spec
        How the outcome was read, and which task it makes.
    sources
        For each modality how it was read.
    dropped
        What was left out, and why.

    Examples
    --------
    >>> import pandas as pd
    >>> rna = pd.DataFrame({"TP53": [0.1, 0.9, 0.4]}, index=["a", "b", "c"])
    >>> clinical = pd.DataFrame({"age": [50, 70]}, index=["b", "d"])
    >>> died = pd.DataFrame({"died": ["no", "yes", "yes"]}, index=["a", "b", "d"])
    >>> task = {"task": "classification", "label": "died"}
    >>> cohort = Cohort.from_frames({"rna": rna, "clinical": clinical}, outcome=died, task=task)
    >>> cohort.patients, [str(note) for note in cohort.dropped]
    (('a', 'b', 'd'), ['rna: 1 patient without outcome (c)'])
    >>> cohort.prepare(["a", "b", "d"]).data(["d", "a"])
    PatientData(2 rows of 2 patients; rna 1, clinical 1; target: classification)
    """

    name: str
    patients: tuple[str, ...]
    frames: Mapping[str, pd.DataFrame]
    outcome: pd.DataFrame | None
    outcome_spec: Outcome | None
    sources: Mapping[str, Source]
    dropped: tuple[Dropped, ...]

    @classmethod
    def from_manifest(cls, path: str | os.PathLike[str], *, allow_outside: bool = False) -> Cohort:
        r"""Read a cohort from the files that a manifest names.

        Parameters
        ----------
        path
            The YAML file.
        allow_outside
            Let files lie outside the folder of the manifest.

        Returns
        -------
        Cohort
            The cohort.

        Raises
        ------
        InputError
            If the manifest or a file cannot be used; the message names the section or the file.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "rna.csv").write_text("id,TP53\n007,1.5\n008,0.5\n")
        ...     manifest = Path(folder) / "cohort.yaml"
        ...     _ = manifest.write_text("key: id\nmodalities: {rna: {kind: table, file: rna.csv}}")
        ...     Cohort.from_manifest(manifest)
        Cohort(cohort: 2 patients; rna 2)
        """
        manifest = read_manifest(path)
        folder = Folder(Path(path).parent, manifest.key, allow_outside=allow_outside)
        spec = manifest.outcome
        outcome, columns, notes = _read_outcome(
            None if spec is None else folder.table(spec.file or ""), spec, manifest.key
        )
        folder.patients = None if outcome is None else frozenset(outcome.index)
        tables = {}
        for modality, source in manifest.modalities.items():
            tables[modality], found = source.read(folder, modality, columns)
            notes += found
        return _assemble(manifest.name, tables, manifest.modalities, outcome, spec, notes)

    @classmethod
    def from_frames(
        cls,
        frames: Mapping[str, pd.DataFrame],
        *,
        outcome: pd.DataFrame | None = None,
        task: Mapping[str, object] | None = None,
        key: str | None = None,
        rows: RowRule | Mapping[str, RowRule] = "error",
        keep: Mapping[str, int] | None = None,
        name: str = "cohort",
    ) -> Cohort:
        """Make a cohort from tables in memory.

        Parameters
        ----------
        frames
            For each modality a table, indexed by patient or with a column ``key``.
        outcome
            The table of outcomes, likewise.
        task
            The outcome section of a manifest without ``file``, say
            ``{"task": "survival", "time": "months", "event": "died", "event_when": 1}``.
        key
            The column of patient ids; None if the index holds them.
        rows
            What to do where a patient has several rows that differ, for all modalities or by name.
        keep
            By modality, how many numeric columns to keep at most.
        name
            The name of the cohort.

        Returns
        -------
        Cohort
            The cohort.

        Raises
        ------
        InputError
            If the tables cannot be used.
        UnknownNameError
            If ``rows`` or ``keep`` names a modality that is not there.
        """
        if not frames:
            raise InputError("a cohort without modalities", remedy="Give at least one, as {'rna': frame}.")
        if (outcome is None) != (task is None):
            raise InputError("outcome and task belong together", expected="both or none", got="one")
        for said in (rows if isinstance(rows, Mapping) else {}, keep or {}):
            for modality in said:
                if modality not in frames:
                    raise UnknownNameError(f"unknown modality {modality!r}", remedy=meant(modality, list(frames)))
        rules = rows if isinstance(rows, Mapping) else dict.fromkeys(frames, rows)
        spec = None if task is None else parse_outcome(task, "task")
        known, columns, notes = _read_outcome(outcome, spec, key)
        sources: dict[str, Source] = {}
        tables = {}
        for modality, frame in frames.items():
            section = {"rows": rules.get(modality, "error"), "keep": (keep or {}).get(modality)}
            source = check_section(TableSource, section, f"modality {modality}")
            sources[modality] = source
            tables[modality], found = source.choose(frame, key, modality, columns)
            notes += found
        return _assemble(name, tables, sources, known, spec, notes)

    def __len__(self) -> int:
        return len(self.patients)

    def __repr__(self) -> str:
        has = ", ".join(f"{name} {len(frame)}" for name, frame in self.frames.items())
        return f"Cohort({self.name}: {len(self)} patients; {has})"

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of the modalities, in order."""
        return tuple(self.frames)

    def summary(self) -> str:
        """Return a text: patients per modality, how modalities overlap, outcome counts, what was dropped and why."""
        return summarise(self)

    def strata(self) -> Tensor:
        """Return the group of each patient ``(n,)`` by outcome, for stratified splits.

        Raises
        ------
        InputError
            If the cohort has no outcome.
        """
        if self.outcome is None or self.outcome_spec is None:
            raise InputError("a cohort without an outcome has no strata", remedy="Split without strata.")
        return self.outcome_spec.strata(self.outcome)

    def check_patients(self, patients: Sequence[str]) -> list[str]:
        """Return patient ids as a list, or say which are not in the cohort.

        Parameters
        ----------
        patients
            Some patient ids.

        Raises
        ------
        UnknownNameError
            If a patient is not in the cohort.
        InputError
            If there is none.
        """
        if isinstance(patients, str) or len(patients) == 0:
            raise InputError("no patients", expected="a list of at least one id", got=repr(patients))
        known = set(self.patients)
        unknown = [str(patient) for patient in patients if patient not in known]
        if unknown:
            raise UnknownNameError(
                f"{counted(len(unknown), 'patient')} not in cohort {self.name!r} ({listed(unknown)})",
                remedy="Name patients of cohort.patients; cohort.dropped says who was left out.",
            )
        return list(patients)

    def prepare(
        self,
        train_patients: Sequence[str],
        *,
        task: Task | None = None,
        modalities: Sequence[str] | None = None,
    ) -> Prepared:
        """Fit preprocessing, and what the task learns, on training patients alone.

        Parameters
        ----------
        train_patients
            The patients to fit on.
        task
            The task where it is already fixed, as by a baseplate; None fits it (time bins, scale) on the
            training patients.
        modalities
            Those wanted; None for all.

        Returns
        -------
        Prepared
            The fitted preprocessing and the task, which turn any patients of the cohort into data.

        Raises
        ------
        UnknownNameError
            If a patient or a modality is not in the cohort.
        InputError
            If no training patient has a modality.
        """
        train = self.check_patients(train_patients)
        chosen = self.modalities if modalities is None else tuple(modalities)
        preprocessing = {}
        for name in chosen:
            if name not in self.frames:
                raise UnknownNameError(f"unknown modality {name!r}", remedy=meant(name, self.modalities))
            frame = self.frames[name]
            frame = frame[frame.index.isin(set(train))]
            if frame.empty:
                remedy = "Leave it out with modalities=, or train on patients who have it."
                raise InputError(f"no training patient has modality {name!r}", remedy=remedy)
            with naming(name):
                preprocessing[name] = self.sources[name].fit(frame)
        if task is None and self.outcome is not None and self.outcome_spec is not None:
            task = self.outcome_spec.fit_task(self.outcome.loc[train])
        return Prepared(self, preprocessing, task, tuple(train))


def _read_outcome(
    raw: pd.DataFrame | None, spec: Outcome | None, key: str | None
) -> tuple[pd.DataFrame | None, list[str], list[Dropped]]:
    """Return the outcome by patient, the columns that it stands in, and what was left out."""
    if raw is None or spec is None:
        return None, [], []
    frame, found = by_patient(raw, key, "outcome")
    columns = spec.columns([str(column) for column in frame.columns])
    frame, merged = one_row_each(frame[columns], "error", "outcome")
    outcome, lost = spec.known(frame)
    return outcome, columns, [*found, *merged, *lost]


def _assemble(
    name: str,
    tables: Mapping[str, pd.DataFrame],
    sources: Mapping[str, Source],
    outcome: pd.DataFrame | None,
    spec: Outcome | None,
    notes: list[Dropped],
) -> Cohort:
    patients = _who(tables, outcome)
    if outcome is not None:
        notes += _unmatched(tables, outcome)
        outcome = outcome.loc[patients]
    order = {patient: place for place, patient in enumerate(patients)}
    frames = {
        modality: frame.loc[sorted((p for p in frame.index if p in order), key=order.__getitem__)]
        for modality, frame in tables.items()
    }
    return Cohort(name, tuple(patients), frames, outcome, spec, dict(sources), tuple(notes))


def _who(tables: Mapping[str, pd.DataFrame], outcome: pd.DataFrame | None) -> list[str]:
    """Return the patients of the cohort: those of the outcome with a modality, else all with a modality."""
    anyone = dict.fromkeys(patient for frame in tables.values() for patient in frame.index)
    patients = list(anyone) if outcome is None else [patient for patient in outcome.index if patient in anyone]
    if not patients:
        theirs = listed(anyone, 2) or "nobody"
        raise InputError(
            "no patient is left" if outcome is None else "no patient has both an outcome and a modality",
            expected="the same patient ids in all tables",
            got=f"{theirs} in the modalities"
            + ("" if outcome is None else f", {listed(outcome.index, 2)} in the outcome"),
        )
    return patients


def _unmatched(tables: Mapping[str, pd.DataFrame], outcome: pd.DataFrame) -> list[Dropped]:
    notes = []
    known = set(outcome.index)
    anyone: set[str] = set()
    for modality, frame in tables.items():
        lost = tuple(patient for patient in frame.index if patient not in known)
        anyone |= set(frame.index)
        if lost:
            notes.append(Dropped(modality, f"{counted(len(lost), 'patient')} without outcome", lost))
    bare = tuple(patient for patient in outcome.index if patient not in anyone)
    if bare:
        notes.append(Dropped("outcome", f"{counted(len(bare), 'patient')} without any modality", bare))
    return notes
