"""What kinds ``series`` and ``static`` have in common: the files of stays, in four layouts, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal, Self, TypeAlias

from pydantic import Field, FiniteFloat, model_validator

from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.series.cache import FOLDER, cache_folder, through_cache
from mmlego.data.kinds.series.choices import check_patterns, choose, fits
from mmlego.data.kinds.series.clocks import Clock, IndexDates, Unit, doubt_of_unit
from mmlego.data.kinds.series.flagged_rows import rows_of_measurements
from mmlego.data.kinds.series.long_tables import LongColumns
from mmlego.data.kinds.series.meds import SUBJECT, MedsShards
from mmlego.data.kinds.series.physionet import DESCRIPTORS, VARIABLES, StayReader
from mmlego.data.kinds.series.stay_files import digest_of, hashed, is_bundle, refuse_wide
from mmlego.data.kinds.series.stays import OnError, StayRule, Stays
from mmlego.data.kinds.series.values import DOUBTED, NOTED, TOLD, CellRules, of_one_code
from mmlego.data.kinds.series.wide_columns import WideColumns
from mmlego.data.kinds.series.wide_tables import OUTCOMES, WideFiles
from mmlego.data.kinds.series.windows import Window, check_window, within
from mmlego.data.kinds.source import Source
from mmlego.data.kinds.tabular.keys import Texts
from mmlego.data.reading.bundles import Bundle, files_below
from mmlego.data.reading.places import asked
from mmlego.data.reading.progress import shown
from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.data.reading.scales import doubts_of_scale, has_scales
from mmlego.data.reading.signs import refuse_dotted
from mmlego.data.reading.spellings import doubts_of_names
from mmlego.data.reading.tables import TableFile
from mmlego.data.reading.units import units_in_names
from mmlego.errors import InputError
from mmlego.wording import counted, listed

Layout: TypeAlias = Literal["physionet", "long", "wide", "meds"]

READING = 8  # counts up when other values are read of the same bytes: what was cached before does not count
WIDE = "*.?sv"  # .csv, .tsv, .psv
# Keys that say nothing of a layout, and would be passed over in silence.
IDLE: dict[Layout, set[str]] = {
    "physionet": {"time", "variable", "value", "stay", "unit", "index", "codes", "missing", "decimal"},
    "long": {"pattern"},
    "wide": {"variable", "value"},
    "meds": {"pattern", "time", "variable", "value", "stay", "unit", "codes", "decimal"},
}
OTHER_LAYOUTS = (
    "Files of the PhysioNet layout, Time,Parameter,Value, may be named by pattern:, without {key}; of others declare "
    "the layout: wide (a column a variable) or meds (shards of Parquet)."
)


class StaySource(Source):
    """What both kinds have in common: the files of stays, and how they are read.

    Parameters
    ----------
    file
        Relative to the manifest: a folder or an archive (``.tar.gz``, ``.tgz``, ``.tar``, ``.zip``) of text files, one
        a stay; or one table.
    layout
        ``physionet``: text files of lines ``Time,Parameter,Value``, as PhysioNet 2012 (of folders and archives, if not
        given); ``long``: a table, a row a measurement (of tables, if not given); ``wide``: a column a variable, a row
        an hour, in one table or a file a stay; ``meds``: shards of Parquet as MEDS has them.
    pattern
        Which files of the folder or archive are stays; of the wide layout with ``{key}`` where the id stands.
    variables
        A name or glob, or several.
    exclude
        Names or globs of variables that are left out.
    patient
        The column of patient ids, or the parameter that holds it in a text file; the key of the manifest if not given.
    time, variable, value, stay
        The columns of a table; without ``stay`` each patient has one.
    unit
        Of the times in a table, which count from the start of the stay.
    index
        ``file`` and ``column`` of a table with a date for each patient: times are dates then, and hours count from it.
    codes
        By variable, as a name or glob, the numbers that words stand for.
    missing
        Words that mean that nothing was measured.
    decimal
        The decimal sign of values, ``.`` or ``,``; the other one then parts thousands. As the cells show, if not given.
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
    layout: Layout | None = None
    pattern: str = "*.txt"
    variables: str | list[str] = "*"
    exclude: str | list[str] = Field(default_factory=list)
    patient: str | None = None
    time: str = "time"
    variable: str = "variable"
    value: str = "value"
    stay: str | None = None
    unit: Unit = "hours"
    index: IndexDates | None = None
    codes: dict[str, dict[str, FiniteFloat]] = Field(default_factory=dict)
    missing: Texts = Field(default_factory=list)
    decimal: Literal[".", ","] | None = None
    stays: StayRule = "error"
    on_error: OnError = "raise"
    window: Window | None = None
    cache: bool | str = True

    def of_rows(self) -> bool:
        """Return whether the files may be one table, of which some rows, measurements, may count."""
        return self.layout in (None, "long", "wide")

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        check_window(self.window)
        if self.layout == "meds" and self.index is None:
            raise ValueError("layout: meds needs index: {file: ..., column: ...}, dates from which hours are counted")
        if self.index is not None and "unit" in self.model_fields_set:
            raise ValueError("with index: times are dates, of which unit: says nothing")
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
        layout = self.layout_of(folder)
        idle = sorted(IDLE[layout] & self.model_fields_set)
        if idle:
            remedy = f"Leave out {', '.join(f'{name}:' for name in idle)}, or declare another layout:."
            raise InputError(f"{modality}: layout {layout!r} has no use for {listed(idle)}", remedy=remedy)
        if folder.where and (layout in ("physionet", "meds") or is_bundle(path)):
            raise InputError(f"{modality}: where: is for one table of all stays", remedy="Leave it out.")
        cache, doubts = self._cache(folder), list[str]()
        if layout == "physionet":
            found = self._physionet(path, folder, cache)
        elif layout == "meds":
            found = self._meds(path, folder, cache, modality)
        else:
            index = None if self.index is None else self.index.read(folder, modality)
            written = None if self.index is None else self.index.format
            doubts = doubt_of_unit(self.time, self.unit) if index is None else []
            clock = Clock(self.time, self.unit, index, partial(folder.ids, where=modality), written)
            read = self._wide_files if layout == "wide" and is_bundle(path) else self._table
            found = read(path, folder, cache, clock)
        # The ids of all stays at once; a patient with several keeps each of them.
        form = dict(zip(whose := list(dict.fromkeys(found.patients)), folder.ids(whose, modality), strict=True))
        found = replace(found, patients=tuple(form[patient] for patient in found.patients))
        told = [text for text in found.skipped if TOLD in text or text.startswith((NOTED, DOUBTED))]
        notes: list[Dropped] = [
            Doubtful(modality, text.removeprefix(DOUBTED))
            if text.startswith(DOUBTED)
            else Noted(modality, text.removeprefix(NOTED))
            for text in told
        ]
        notes += [Doubtful(modality, text) for text in doubts]
        if same := of_one_code(self.codes):
            notes.append(Doubtful(modality, f"codes: {listed(same)}: nothing tells these words apart"))
        if skipped := [text for text in found.skipped if text not in told]:
            what = f"{counted(len(skipped), 'part')} of {path.name} left out: {listed(skipped)}"
            notes.append(Dropped(modality, what))
        found = replace(found, names=tuple(folder.expected.named(found.names, modality)))
        found, merged = found.one_each(self.stays, modality)
        return found, [*notes, *merged, *found.twice(modality)]

    def layout_of(self, folder: Folder) -> Layout:
        """Return the layout of the files, as it is declared, or else as a folder or a table usually has it."""
        if self.layout is not None:
            return self.layout
        return "physionet" if is_bundle(folder.file(self.file or "", folders=True)) else "long"

    def chosen(
        self, found: Stays, layout: Layout, modality: str, *, lenient: bool = False
    ) -> tuple[list[str], list[Dropped]]:
        """Return the variables that are looked at, and a note of those that only their name would choose.

        Parameters
        ----------
        found
            All that was measured.
        layout
            Of the files.
        modality
            Its name, for messages.
        lenient
            Note variables that are named and not there, in place of refusing them.
        """
        known = {*DESCRIPTORS, *VARIABLES} if layout == "physionet" else set()
        series = not self.timeless
        hidden = [
            *(DESCRIPTORS if layout == "physionet" and series else ()),
            *(OUTCOMES if layout in ("wide", "meds") else ()),
        ]
        absent: list[str] | None = [] if lenient else None
        names = choose(self.variables, sorted({*found.names, *known}), hidden, modality, absent)
        gone = [self.exclude] if isinstance(self.exclude, str) else self.exclude
        if not lenient:
            check_patterns(f"{modality}: exclude", gone, names)
            check_patterns(f"{modality}: codes", self.codes, sorted({*found.names, *known}))
        passed = [name for name in OUTCOMES if name in found.names and name in hidden and name not in names]
        text = f"{listed(passed)} left out, the outcome of a public set; name it under variables: if it is wanted"
        text = text.replace("of a public set", "of many a task") if layout == "meds" else text
        notes = [Dropped(modality, text)] if passed else []
        if absent:
            notes.append(Noted(modality, f"{counted(len(absent), 'variable')} not there ({listed(absent)})"))
        kept = [name for name in names if not fits(name, gone)]
        there = [name for name in kept if name in found.names]
        if apart := units_in_names(there):
            notes.append(Noted(modality, f"{apart}, each of its own"))
        return kept, [*notes, *doubts_of_names(there, modality, "a variable")]

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
        kept, notes = within(found.only(names), self.window, modality, on_error=self.on_error, timeless=self.timeless)
        known = [(place, name) for place, name in enumerate(names) if has_scales(name)]
        scales = [doubt for place, name in known for doubt in doubts_of_scale(name, kept.value[kept.variable == place])]
        return kept, [*notes, *(Doubtful(modality, doubt) for doubt in scales)]

    def _physionet(self, path: Path, folder: Folder, cache: Path | None) -> Stays:
        bundle = Bundle.open(path, self.pattern, roots=folder.places.bounds, otherwise=OTHER_LAYOUTS)
        key = self.patient or folder.key
        how = {"layout": "physionet", "key": key, "pattern": self.pattern, "on_error": self.on_error}
        reader, what = StayReader(key, self.on_error), f"Reading {path.name}"

        def read() -> Stays:
            files = bundle.files()
            refuse_wide(files, path.name)
            return reader.read_all(shown(files, what))

        return through_cache(cache, bundle.digest, how, read)

    def _wide_files(self, path: Path, folder: Folder, cache: Path | None, clock: Clock) -> Stays:
        if self.stay is not None:
            raise InputError(f"{path.name!r} has a file a stay, and no column of stays", remedy="Leave out stay:.")
        pattern = self.pattern if "pattern" in self.model_fields_set else WIDE
        bundle = Bundle.open(path, PurePosixPath(pattern).name.replace("{key}", "*"), roots=folder.places.bounds)
        # Where ids have another form, no name of a file holds one as it is in the end.
        key, patients = self.patient or folder.key, folder.patients if folder.form is None else None
        whose = None if "{" not in pattern or patients is None else sorted(patients)  # whose a file is hangs on it
        how = self._how("wide files", clock, folder) | {"key": key, "pattern": pattern, "patients": hashed(whose)}
        how["form"] = None if clock.index is None else str(folder.form)
        how |= {"everybody": True} if folder.everybody else {}
        reader = WideFiles(
            clock, key, pattern, patients, self._rules(folder), self.on_error, everybody=folder.everybody
        )
        return through_cache(cache, bundle.digest, how, lambda: reader.read_all(bundle.files(), path.name))

    def _table(self, path: Path, folder: Folder, cache: Path | None, clock: Clock) -> Stays:
        patient = self.patient or folder.key
        texts = [*([] if self.stay is None else [self.stay]), *([] if clock.index is None else [self.time])]
        names = (patient, self.time, self.variable, self.value, self.stay)
        reader: LongColumns | WideColumns
        if self.layout == "wide":
            reader = WideColumns(clock, patient, self.stay, self._rules(folder))
        else:
            rules, texts = self._rules(folder), [*texts, self.variable]
            reader = LongColumns(*names, self.unit, clock.index, rules, clock.form, clock.written)
        how = self._how(self.layout or "long", clock, folder) | {
            "patient": patient,
            "name": path.name,
            "stay": self.stay,
            "where": dict(folder.where),
        }
        how["form"] = None if clock.index is None else str(folder.form)
        digest = digest_of([path])

        def read() -> Stays:
            table = TableFile(path, patient)
            dotted = table.dotted if table.decimal == "." else ()  # of which 1.234 may be a thousand and more
            values = ["*"] if self.layout == "wide" else [self.value]
            frame = table.frame([*texts, *(dotted if self.decimal is None else values)])
            no_flags = table.names if self.layout == "wide" else names
            frame, flagged = rows_of_measurements(frame, table, folder.where, no_flags, path.name)
            if self.decimal is None:
                refuse_dotted(frame, [name for name in dotted if name not in texts], path.name)
            found = reader.read(frame, path.name, self.on_error)
            said = [*(f"{NOTED}{path.name}: {note}" for note in table.notes)]
            said += [f"{DOUBTED}{path.name}: {doubt}" for doubt in table.doubts]
            found = replace(found, skipped=(*found.skipped, *flagged, *said))
            if digest_of([path]) != digest:  # what was hashed is not what was read
                raise InputError(f"file {path.name!r} changed while it was read", remedy="Try again.")
            return found

        return through_cache(cache, digest, how, read)

    def _meds(self, path: Path, folder: Folder, cache: Path | None, modality: str) -> Stays:
        below = path / "data" if (path / "data").is_dir() else path
        files = [path]
        if path.is_dir():
            files = [file for _, file in files_below(below, "*.parquet", folder.places.bounds)]
        index = {} if self.index is None else self.index.read(folder, modality)
        patient = self.patient or SUBJECT
        patients = None if folder.everybody else folder.patients
        whose = None if patients is None else sorted(patients)
        how = self._how("meds", Clock("time", index=index), folder) | {"patient": patient, "patients": hashed(whose)}
        how["form"] = str(folder.form)
        form = partial(folder.ids, where=modality)
        reader = MedsShards(patient, index, patients, form, self._rules(folder), self.on_error)
        what = f"Reading {path.name}"
        return through_cache(cache, digest_of(files), how, lambda: reader.read_all(list(shown(files, what)), path.name))

    def _rules(self, folder: Folder) -> CellRules:
        """Return what words in place of numbers mean; only cells of variables that are looked at need be readable."""
        wanted = [self.variables] if isinstance(self.variables, str) else list(self.variables)
        gone = (self.exclude,) if isinstance(self.exclude, str) else tuple(self.exclude)
        codes = dict(self.codes)
        for old, new in folder.expected.aliases.items():  # what is said of a variable holds under its other name
            wanted += [old] if fits(new, wanted) else []
            for pattern, words in self.codes.items():
                if fits(new, [pattern]):
                    codes[old] = {**words, **codes.get(old, {})}
        return CellRules(tuple(self.missing), codes, tuple(wanted), gone, self.decimal)

    def _how(self, layout: str, clock: Clock, folder: Folder) -> dict[str, object]:
        """Return the settings on which reading a table depends, as values that JSON can hold."""
        rules = self._rules(folder)
        dates = None if clock.index is None else sorted((name, str(date)) for name, date in clock.index.items())
        written = {} if clock.written is None else {"written": clock.written}
        return written | {
            "layout": layout,
            "reading": READING,
            "columns": [self.time, self.variable, self.value, self.unit],
            "index": hashed(dates),
            "rules": [rules.missing, rules.codes, rules.wanted, rules.exclude, rules.decimal],
            "on_error": self.on_error,
        }

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
