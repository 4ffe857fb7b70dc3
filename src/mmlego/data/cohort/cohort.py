"""A cohort: tables of several modalities and an outcome, one row per patient, with gaps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from torch.utils.data import DataLoader

from mmlego.data.cohort.assembly import assemble, check_known, in_order, read_outcome
from mmlego.data.cohort.manifest import parse_outcome, sources_of_frames
from mmlego.data.cohort.manifest_files import Wanted, Where, read_files
from mmlego.data.cohort.pictures import draw_overlap
from mmlego.data.cohort.prepared import Prepared, prepare_cohort
from mmlego.data.cohort.splitting import By, Duplicates, split_cohort
from mmlego.data.cohort.summary import summarise
from mmlego.data.cohort.table import CohortTable
from mmlego.data.reading.containers import FROM_CONTAINERS, arrays_to_frames, read_container
from mmlego.data.reading.ids import with_ids
from mmlego.data.reading.joins import RowRule
from mmlego.data.splits.splits import Groups, Split
from mmlego.errors import InputError
from mmlego.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data.memory.batch import Batch


@dataclass(frozen=True, eq=False)
class Cohort(CohortTable):
    """Patients × modalities as tables; made by :meth:`from_manifest` or :meth:`from_frames`.

    Patients need not be the same across modalities. Rows are joined by patient id, never by position.

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

    @classmethod
    def from_manifest(
        cls,
        path: str | os.PathLike[str],
        *,
        folder: Where | Sequence[Where] | None = None,
        allow_outside: bool = False,
        links: bool = False,
        wanted: Wanted | None = None,
    ) -> Cohort:
        r"""Read a cohort from the files that a manifest names.

        Parameters
        ----------
        path
            The YAML file.
        folder
            Where the files lie that it names, one folder or several; None: beside it. Those that it names as
            ``roots`` count, too.
        allow_outside
            Let files lie outside these folders.
        links
            Let links lead out of them, as ``links: true`` in the manifest does.
        wanted
            What models that predict want of it, as :func:`mmlego.job.wanted_of` says; None: to train or to score.

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
        found = read_files(path, folder, allow_outside=allow_outside, links=links, wanted=wanted)
        name, sources = found.manifest.name, found.manifest.modalities
        spec = None if found.outcome is None else found.manifest.outcome
        return cls(name, found.patients, found.frames, found.outcome, spec, sources, found.dropped, found.groups)

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
        kinds: Mapping[str, Mapping[str, object]] | None = None,
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
        kinds
            By modality, its section of a manifest without ``file``, where it is no plain table, say
            ``{"molecule": {"kind": "graph", "column": "smiles"}}``.
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
            If ``rows``, ``keep`` or ``kinds`` names a modality that is not there.
        """
        spec = None if task is None else parse_outcome(task, "task")
        if (outcome is None) != (spec is None):
            raise InputError("outcome and task belong together", expected="both or none", got="one")
        sources = sources_of_frames(list(frames), rows, keep or {}, kinds or {})
        if outcome is not None and spec is not None:
            outcome = with_ids(outcome, key, spec.id, "outcome")
        followed, columns, notes = read_outcome(outcome, spec, key)
        tables = {}
        for modality, frame in frames.items():
            source = sources[modality]
            frame, left = source.own_rows(frame, key, modality)
            tables[modality], found = source.choose(frame, key, modality, columns)
            notes += [*left, *found]
        patients, chosen, known, lost = assemble(tables, followed)
        return cls(name, patients, chosen, known, spec, sources, (*notes, *lost))

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, object],
        patients: Sequence[str] | Mapping[str, Sequence[str]],
        *,
        outcome: pd.DataFrame | None = None,
        task: Mapping[str, object] | None = None,
        name: str = "cohort",
    ) -> Cohort:
        """Make a cohort from numpy arrays.

        Parameters
        ----------
        arrays
            For each modality an array ``(n, f)``; a row of NaN alone is a patient who does not have it.
        patients
            The ``n`` patient ids, of all arrays or of each by name.
        outcome, task, name
            As :meth:`from_frames` takes them.

        Raises
        ------
        ShapeError
            If an array is not ``(n, f)`` with a row a patient.

        Examples
        --------
        >>> import numpy as np
        >>> Cohort.from_arrays({"rna": np.eye(3), "cnv": np.ones((1, 2))}, {"rna": ["a", "b", "c"], "cnv": ["b"]})
        Cohort(cohort: 3 patients; rna 3, cnv 1)
        """
        return cls.from_frames(arrays_to_frames(arrays, patients), outcome=outcome, task=task, name=name)

    @classmethod
    def from_mudata(
        cls,
        data: object,
        *,
        outcome: pd.DataFrame | None = None,
        task: Mapping[str, object] | None = None,
        key: str | None = None,
        kinds: Mapping[str, Mapping[str, object]] | None = None,
        name: str = "cohort",
    ) -> Cohort:
        """Make a cohort from a MuData, or from an AnnData as its one modality ``omics``.

        Parameters
        ----------
        data
            The MuData; the boolean ``obsm[modality]`` says who has a modality, where it is there.
        outcome
            The table of outcomes; the columns of ``obs`` if not given.
        key
            The column of ``obs``, of the whole or of the modalities, that holds patient ids; None: the names of the
            observations.
        task, name, kinds
            As :meth:`from_frames` takes them; of kinds, ``{"kind": "omics"}`` where none is given. ``layer`` and
            ``gene_column`` say what is taken out of the container.

        Raises
        ------
        InputError
            If it is neither, or its values cannot be used.

        Examples
        --------
        >>> import numpy as np
        >>> from anndata import AnnData
        >>> Cohort.from_mudata(AnnData(np.eye(2)))
        Cohort(cohort: 2 patients; omics 2)
        """
        frames, obs, notes = read_container(data, key, kinds)
        said: dict[str, Mapping[str, object]] = {
            modality: {name: value for name, value in section.items() if name not in FROM_CONTAINERS}
            for modality, section in (kinds or {}).items()
        }
        sections = {modality: {"kind": "omics"} for modality in frames} | said
        followed = obs if task is not None and outcome is None else outcome
        cohort = cls.from_frames(frames, outcome=followed, task=task, kinds=sections, name=name)
        return replace(cohort, dropped=(*notes, *cohort.dropped))

    def __repr__(self) -> str:
        has = ", ".join(f"{name} {len(frame)}" for name, frame in self.frames.items())
        return f"Cohort({self.name}: {len(self)} patients; {has})"

    def summary(self) -> str:
        """Return a text: patients per modality, how modalities overlap, outcome counts, what was dropped and why."""
        return summarise(self)

    def columns(self) -> pd.DataFrame:
        """Return what each column of each table was taken for: a number, yes or no, categories, or left out.

        Returns
        -------
        pandas.DataFrame
            A row a column: ``modality``, ``column``, ``taken``, ``values`` (the range, or how many have each category),
            ``missing`` (how many patients), ``doubt``.

        Examples
        --------
        >>> import pandas as pd
        >>> clinical = pd.DataFrame({"age": ["50", "61"], "sex": ["f", "m"]}, index=["a", "b"])
        >>> Cohort.from_frames({"clinical": clinical}).columns()["taken"].tolist()
        ['number', 'categories']
        """
        import pandas as pd

        rows = [
            {"modality": name, **vars(taken)}
            for name, frame in self.frames.items()
            for taken in self.sources[name].columns_taken(frame)
        ]
        return pd.DataFrame(rows, columns=["modality", "column", "taken", "values", "missing", "doubt"])

    def draw_overlap(self, path: str | os.PathLike[str]) -> Path:
        """Draw how modalities overlap, as an UpSet plot; see :func:`mmlego.data.cohort.pictures.draw_overlap`."""
        return draw_overlap(self, path)

    def subset(self, patients: Sequence[str]) -> Cohort:
        """Return the cohort of some patients, in the order named; modalities that none of them has are left out.

        Parameters
        ----------
        patients
            Some patient ids, each once.
        """
        chosen = check_known(patients, self.patients, self.name, once=True)
        frames = {m: part for m, frame in self.frames.items() if len(part := in_order(frame, chosen))}
        outcome = None if self.outcome is None else self.outcome.loc[chosen]
        return replace(self, patients=tuple(chosen), frames=frames, outcome=outcome)

    def split(
        self,
        by: By | None = None,
        stratify: Literal["outcome"] | Groups | None = "outcome",
        *,
        folds: int | None = None,
        fractions: tuple[float, float, float] | None = None,
        repeats: int = 1,
        validation: float | None = None,
        seed: int = 0,
        duplicates: Duplicates = "error",
    ) -> list[Split]:
        """Split by patient, stratified by outcome; nothing that leaks is given out.

        Parameters
        ----------
        by
            ``"patient"``; ``"scaffold"``; or what else must stay on one side (sites, families): the group of each
            patient, in the order of ``cohort.patients`` or by name. None: as the manifest says, else by patient.
        stratify
            ``"outcome"``, a group a patient ``(n,)``, or None.
        folds, fractions, repeats, validation, seed
            As :func:`split_patients` takes them; five folds if neither folds nor fractions are given.
        duplicates
            The same features under two ids: ``"error"`` refuses to put them on two sides and names them, ``"together"``
            keeps them on one, ``"allow"`` does not look.

        Returns
        -------
        list of Split
            Row numbers of ``cohort.patients``; :meth:`Split.named` gives ids.

        Raises
        ------
        InputError
            If arguments do not fit together, or the split would leak.
        """
        return split_cohort(self, by, stratify, duplicates, folds, fractions, repeats, validation, seed)

    def prepare(
        self,
        train_patients: Sequence[str],
        *,
        task: Task | None = None,
        modalities: Sequence[str] | None = None,
        min_patients: int | None = None,
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
        min_patients
            How many patients what is learnt stands for, in place of what the sections say: 1 for what does not leave
            the house.

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
        return prepare_cohort(self, train_patients, task, modalities, min_patients)

    def loader(
        self,
        prepared: Prepared,
        patients: Sequence[str] | None = None,
        batch_size: int = 32,
        *,
        shuffle: bool = False,
        seed: int = 0,
        training: bool = False,
    ) -> DataLoader[Batch]:
        """Return a loader of the batches of some patients, for a loop of one's own; :func:`mmlego.fit` needs none.

        Parameters
        ----------
        prepared
            What :meth:`prepare` fitted on training patients.
        patients
            Patient ids; None for all.
        batch_size, shuffle, seed, training
            As :meth:`PatientData.loader` takes them.
        """
        data = Prepared(self, prepared.preprocessing, prepared.task, prepared.train).data(patients).with_any()
        return data.loader(batch_size, shuffle, seed, training=training)
