"""From the X of scikit-learn to a cohort: which modalities there are, and which row is whose."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mmlego.data import Cohort
from mmlego.data.kinds.source import Source
from mmlego.data.reading.ids import plain_ids
from mmlego.errors import InputError, ShapeError, UnknownNameError
from mmlego.estimators.cells import frame_of_cells, holds_cells
from mmlego.estimators.modalities import Modalities
from mmlego.wording import counted, label, listed

if TYPE_CHECKING:
    import pandas as pd

ONE = "features"  # what the one modality of a plain table is called
STUB = "(y)"  # the outcome that a table is read with, before it has its own
Section: TypeAlias = Mapping[str, object]
Kinds: TypeAlias = Mapping[str, str | Section]
Columns: TypeAlias = str | Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Rows:
    """Patients as X has them.

    Parameters
    ----------
    cohort
        The patients; without an outcome, unless it came with one.
    ids
        The patient of each row of X.
    named
        Whether these are ids that somebody gave, and no row numbers.
    left
        By modality the columns of its table that were left out, as row numbers are.
    """

    cohort: Cohort
    ids: tuple[str, ...]
    named: bool
    left: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """How X is read.

    Parameters
    ----------
    modalities
        Of a plain table: what stands between modality and column in the names of columns, or the columns of each.
    kinds
        By modality its kind, or its section of a manifest, where it is no table.
    cohort
        The cohort that ids name patients of.
    partial
        Whether patients may lack modalities.
    known
        When a model is asked: what it was trained on, by modality; of tables the columns.
    left
        By modality the columns that X had in training and that were left out.
    """

    modalities: Columns | None = None
    kinds: Kinds = field(default_factory=dict)
    cohort: Cohort | None = None
    partial: bool = True
    known: Mapping[str, tuple[str, ...] | None] | None = None
    left: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def read(self, x: Any, patients: Any = None) -> Rows:
        """Return the patients of X.

        Parameters
        ----------
        x
            What scikit-learn calls X, in one of the forms of :mod:`mmlego.estimators`.
        patients
            The id of each row; None: rows are numbered.

        Raises
        ------
        InputError
            If it cannot be used; a plain dict, which scikit-learn cannot index, is refused with what to use.
        """
        if isinstance(x, Cohort) or is_container(x):
            if patients is not None:
                raise InputError("patients beside X that names its patients", remedy="Leave patients= out.")
            cohort = x if isinstance(x, Cohort) else Cohort.from_mudata(x, kinds=self.sections() or None)
            ids = cohort.patients if isinstance(x, Cohort) else tuple(plain_ids(list(x.obs_names), "X"))
            rows = Rows(cohort, ids, named=True)
        elif self.cohort is not None:
            ids = self._ids(x)
            if patients is not None and tuple(plain_ids(list(patients), "patients")) != ids:
                raise InputError("patients are not those of X", remedy="X names them already: leave patients= out.")
            rows = Rows(self._of_cohort(self.cohort, ids), ids, named=True)
        else:
            rows = self._of_tables(self.tables(x), _length(x), patients)
        self._check(rows)
        return rows

    def tables(self, x: Any) -> dict[str, Any]:
        """Return what X says of each modality, rows in order: a table, or a column of cells."""
        import pandas as pd

        if isinstance(x, Modalities):
            return dict(x.items())
        if isinstance(x, Mapping):
            raise InputError(
                "X is a dict, which scikit-learn cannot index by patient",
                expected="mmlego.estimators.Modalities, or one table",
                got=f"a {type(x).__name__} of {listed(x, 5)}",
                remedy="Pass Modalities(X).",
            )
        if not isinstance(x, pd.DataFrame):
            x = pd.DataFrame(x, columns=[f"x{i}" for i in range(np.shape(x)[1])])
        if isinstance(x.columns, pd.MultiIndex):
            return _levels(x)
        if holds_cells(x):
            return {label(name): x[name] for name in x.columns}
        return self._parts(x)

    def sections(self) -> dict[str, Section]:
        """Return the sections of the modalities that are no tables."""
        return {name: {"kind": one} if isinstance(one, str) else dict(one) for name, one in self.kinds.items()}

    def _parts(self, x: pd.DataFrame) -> dict[str, Any]:
        """Return the modalities of a plain table."""
        if self.modalities is None:
            return {ONE: x}
        names = [label(name) for name in x.columns]
        if isinstance(self.modalities, str):
            return _separated(x, names, self.modalities)
        parts: dict[str, Any] = {}
        taken: dict[int, str] = {}
        for modality, columns in self.modalities.items():
            chosen = [_place(column, list(x.columns), names) for column in columns]
            for place in chosen:
                if place in taken:
                    raise InputError(
                        f"modalities: column {names[place]!r} is in two", got=f"{taken[place]!r} and {modality!r}"
                    )
                taken[place] = modality
            parts[modality] = x.iloc[:, chosen]
        left = [name for place, name in enumerate(names) if place not in taken]
        if left:
            raise InputError(
                f"modalities: {counted(len(left), 'column')} of X in none ({listed(left)})",
                remedy="Put each column into a modality, or leave it out of X.",
            )
        return parts

    def _ids(self, x: Any) -> tuple[str, ...]:
        array = np.asarray(x, dtype=object)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1 or len(array) == 0 or isinstance(x, str | Mapping | Modalities):
            raise InputError(
                "X is no list of patients of the cohort",
                expected="ids (n,), because the estimator holds a cohort",
                got=f"{type(x).__name__} of shape {array.shape}",
                remedy="Pass ids of cohort.patients, or make the estimator with cohort=None.",
            )
        return tuple(plain_ids(array.tolist(), "X"))

    def _of_cohort(self, cohort: Cohort, ids: Sequence[str]) -> Cohort:
        if self.known is None:
            return cohort.subset(list(ids))
        return cohort.subset(list(dict.fromkeys(ids)))

    def _of_tables(self, tables: Mapping[str, Any], rows: int, patients: Any) -> Rows:
        import pandas as pd

        ids = _ids_of_rows(patients, rows)
        sections = self.sections()
        unknown = [name for name in sections if name not in (tables if self.known is None else self.known)]
        if unknown:
            raise UnknownNameError("kinds: unknown modality", expected=f"one of {listed(tables)}", got=listed(unknown))
        frames: dict[str, pd.DataFrame] = {}
        for name, value in tables.items():
            frame, section = _frame(name, value, ids, sections.get(name))
            if len(frame):
                frames[name] = frame
            if section is not None:
                sections[name] = section
        if not frames:
            raise InputError("X holds no value", expected="features of patients", got=f"{rows} rows")
        sections = {name: section for name, section in sections.items() if name in frames}
        if self.known is not None:
            self._check_columns(frames)
            cohort = Cohort.from_frames(frames, kinds=self._named(frames, sections))
        else:  # a table is read as strictly as one with an outcome
            stub = pd.DataFrame({STUB: np.zeros(rows)}, index=pd.Index(ids, dtype=object))
            task = {"task": "regression", "target": STUB}
            cohort = Cohort.from_frames(frames, outcome=stub, task=task, kinds=sections)
        left = {
            name: tuple(str(one) for one in frames[name].columns if str(one) not in columns)
            for name, columns in columns_of(cohort).items()
            if columns is not None
        }
        return Rows(bare(cohort), ids, named=patients is not None, left=left)

    def _named(self, frames: Mapping[str, pd.DataFrame], sections: Mapping[str, Section]) -> dict[str, Section]:
        """Return the sections, of tables with the columns of training by name: no row number is among them then."""
        made = dict(sections)
        for name, frame in frames.items():
            section, columns = sections.get(name, {"kind": "table"}), (self.known or {}).get(name)
            if columns is not None and section.get("kind", "table") in ("table", "omics"):
                here = [str(one) for one in frame.columns if str(one) not in self.left.get(name, ())]
                made[name] = {**section, **({"columns": here} if here else {})}
        return made

    def _check_columns(self, frames: Mapping[str, pd.DataFrame]) -> None:
        for name, frame in frames.items():
            columns = (self.known or {}).get(name)
            there = {*(columns or ()), *self.left.get(name, ())}
            strange = [] if columns is None else [str(one) for one in frame.columns if str(one) not in there]
            if strange:
                what = f"X has {counted(len(strange), 'column')} of {name!r} that were not there in training"
                raise InputError(what, expected=f"{counted(len(columns or ()), 'column')}", got=listed(strange))

    def _check(self, rows: Rows) -> None:
        """Refuse rows without any modality, modalities that a model does not know, and gaps where none may be."""
        frames = rows.cohort.frames
        if self.known is not None:
            odd = [name for name in frames if name not in self.known]
            if odd:
                known = f"of {listed(self.known)}"
                raise UnknownNameError(
                    "X has a modality that was not there in training", expected=known, got=listed(odd)
                )
        wanted = list(frames) if self.known is None else list(self.known)
        have = {name: set(frames[name].index) if name in frames else set() for name in wanted}
        nothing = [one for one in dict.fromkeys(rows.ids) if not any(one in who for who in have.values())]
        if nothing:
            raise InputError(
                f"{counted(len(nothing), 'row')} of X without any modality ({listed(nothing)})",
                expected=f"a value of {listed(wanted)}",
                remedy="Leave them out: nothing can be said of them.",
            )
        lacking = {name: [one for one in dict.fromkeys(rows.ids) if one not in who] for name, who in have.items()}
        lacking = {name: who for name, who in lacking.items() if who}
        if lacking and not self.partial:
            told = listed(f"{name}: {listed(who, 3)}" for name, who in lacking.items())
            raise InputError(
                f"patients lack modalities ({told})",
                expected="all modalities of each",
                remedy="Leave them out, or allow it with partial_modalities=True.",
            )


def bare(cohort: Cohort) -> Cohort:
    """Return a cohort without its outcome.

    Parameters
    ----------
    cohort
        Any.
    """
    return replace(cohort, outcome=None, outcome_spec=None)


def columns_of(cohort: Cohort) -> dict[str, tuple[str, ...] | None]:
    """Return by modality the columns of its table, None where cells hold something else.

    Parameters
    ----------
    cohort
        As it was trained on.
    """
    return {
        name: tuple(map(str, frame.columns)) if is_table(cohort.sources[name]) else None
        for name, frame in cohort.frames.items()
    }


def is_table(source: Source) -> bool:
    """Return whether a modality is a table of columns.

    Parameters
    ----------
    source
        How it was read.
    """
    return source.kind in ("table", "omics")


def is_container(x: Any) -> bool:
    """Return whether X is a MuData or an AnnData.

    Parameters
    ----------
    x
        Anything.
    """
    return hasattr(x, "obs_names") and hasattr(x, "obs")


def _length(x: Any) -> int:
    return len(x) if hasattr(x, "__len__") else int(x.shape[0])


def _ids_of_rows(patients: Any, rows: int) -> tuple[str, ...]:
    if patients is None:
        width = len(str(max(rows - 1, 0)))  # in the order of their names as in that of the rows
        return tuple(f"{row:0{width}d}" for row in range(rows))
    ids = tuple(plain_ids(list(patients), "patients"))
    if len(ids) != rows:
        raise ShapeError("patients and rows of X differ in number", expected=rows, got=len(ids))
    again = [one for one in dict.fromkeys(ids) if ids.count(one) > 1] if len(set(ids)) < rows else []
    if again:
        raise InputError(
            f"{counted(len(again), 'patient')} with several rows ({listed(again)})",
            expected="a row a patient",
            remedy="Make one of them: the mean of a table, one bag of all slides.",
        )
    return ids


def _frame(name: str, value: Any, ids: Sequence[str], section: Section | None) -> tuple[pd.DataFrame, Section | None]:
    """Return the table of those who have a modality, by patient, and its section of a manifest if it is no table."""
    import pandas as pd

    index = pd.Index(list(ids), dtype=object)
    if isinstance(value, pd.DataFrame):
        frame = value.set_axis(index, axis=0).set_axis([label(one) for one in value.columns], axis=1)
        return frame[frame.notna().any(axis=1)], section
    return frame_of_cells(name, list(value), index, section)


def _levels(x: pd.DataFrame) -> dict[str, Any]:
    """Return the modalities of a table whose columns are pairs of modality and feature."""
    if x.columns.nlevels != 2:
        raise InputError("columns of X", expected="two levels, modality and feature", got=f"{x.columns.nlevels} levels")
    parts: dict[str, Any] = {}
    for name in dict.fromkeys(x.columns.get_level_values(0)):
        part = x.loc[:, x.columns.get_level_values(0) == name]
        part = part.set_axis(part.columns.get_level_values(1), axis=1)
        parts[label(name)] = part.iloc[:, 0] if part.shape[1] == 1 and holds_cells(part) else part
        if isinstance(parts[label(name)], type(part)) and holds_cells(part):
            raise InputError(
                f"modality {name!r} has several columns of which some hold arrays",
                expected="one column of arrays, or columns of numbers and words",
            )
    return parts


def _separated(x: pd.DataFrame, names: Sequence[str], separator: str) -> dict[str, Any]:
    parts: dict[str, list[int]] = {}
    bare_names = []
    for place, name in enumerate(names):
        modality, found, rest = name.partition(separator)
        if not found or not modality or not rest:
            bare_names.append(name)
        parts.setdefault(modality, []).append(place)
    if bare_names:
        raise InputError(
            f"modalities: {counted(len(bare_names), 'column')} of X without {separator!r} ({listed(bare_names)})",
            expected=f"names as rna{separator}TP53",
        )
    made = {}
    for modality, places in parts.items():
        part = x.iloc[:, places]
        made[modality] = part.set_axis([names[place].partition(separator)[2] for place in places], axis=1)
    return made


def _place(column: Hashable, columns: list[Any], names: Sequence[str]) -> int:
    if column in columns:
        return columns.index(column)
    if isinstance(column, int | np.integer) and not isinstance(column, bool) and 0 <= column < len(names):
        return int(column)
    if isinstance(column, str) and column in names:
        return list(names).index(column)
    raise UnknownNameError(f"modalities: X has no column {column!r}", expected=f"one of {listed(names, 8)}")
