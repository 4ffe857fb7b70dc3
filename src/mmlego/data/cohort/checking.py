"""All that is wrong with a manifest, its files and its splits, found at once and without training."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from mmlego.data.cohort.assembly import assemble
from mmlego.data.cohort.cohort import Cohort
from mmlego.data.cohort.file_values import unfit_files
from mmlego.data.cohort.leakage import duplicates
from mmlego.data.cohort.manifest import (
    Manifest,
    check_section,
    load_manifest,
    parse_outcome,
    parse_source,
    section_faults,
)
from mmlego.data.cohort.manifest_files import Where, folder_of, outcome_of
from mmlego.data.cohort.outcomes import OUTCOMES, Outcome
from mmlego.data.cohort.report import Report
from mmlego.data.cohort.splitting import Duplicates
from mmlego.data.cohort.telling import telling_columns, telling_gaps
from mmlego.data.kinds import KINDS
from mmlego.data.kinds.file_sources import FileSource
from mmlego.data.reading.likely_codes import codes_of_matrix
from mmlego.data.reading.near_ids import near_miss
from mmlego.data.reading.remarks import Doubtful
from mmlego.data.splits.foreign import NamedParts, read_parts
from mmlego.data.splits.rules import SplitRule, doubts_of_groups, read_groups
from mmlego.errors import InputError, LegoError, LegoWarning
from mmlego.wording import counted, listed, told_of_patients

T = TypeVar("T")
MOST_COLUMNS = 60  # that are told one by one
MOST_FILES = 64  # patients with files of their own whose files are read whole


def check_manifest(
    path: str | os.PathLike[str],
    *,
    splits: Sequence[str | os.PathLike[str]] = (),
    folder: Where | Sequence[Where] | None = None,
    links: bool = False,
    same: Duplicates = "error",
) -> Report:
    r"""Say all that is wrong with a manifest, the files that it names, and splits of its patients.

    Where :meth:`Cohort.from_manifest` stops at the first fault, this goes on with what is right. Preprocessing is tried
    on all patients; nothing is trained, nothing is written.

    Parameters
    ----------
    path
        The manifest.
    splits
        Files of splits, made here or elsewhere, as :func:`read_parts` reads them.
    folder, links
        As :meth:`Cohort.from_manifest` takes them.
    same
        What patients with the same features under several ids are: ``error``, or else told as doubtful.

    Returns
    -------
    Report
        What was found.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "rna.csv").write_text("id,TP53\na,1.5\nb,0.5\n")
    ...     manifest = Path(folder) / "cohort.yaml"
    ...     modalities = "{rna: {kind: table, file: rna.csv, rowz: first}, cnv: {kind: table, file: cnv.csv}}"
    ...     _ = manifest.write_text(f"key: id\nmodalities: {modalities}")
    ...     len(check_manifest(manifest).wrong)
    2
    """
    report = Report()
    with _doubts(report):
        content = report.attempt(lambda: load_manifest(path))
        manifest = None if content is None else _manifest(content, Path(path).name, report)
        cohort = None if manifest is None else _read(manifest, Path(path), folder, links, report)
        if manifest is not None and cohort is not None:
            report.cohort = cohort
            for note in cohort.dropped:
                if isinstance(note, Doubtful):
                    report.note(report.doubtful, str(note))
            _columns(cohort, report)
            _try_preprocessing(cohort, _look_through(cohort, report), report, training=manifest.outcome is not None)
            found = report.attempt(lambda: duplicates(cohort)) or {}
            _leaks(cohort, found if same == "error" and not splits else {}, report)
            for file in splits:
                read = report.attempt(partial(read_parts, file, cohort.patients, manifest.key))
                for parts in read or ():
                    _check_parts(cohort, parts, Path(file).name, found if same != "allow" else {}, report)
        elif splits:
            report.note(report.doubtful, "the splits were not looked at, for there is no cohort to compare them with")
    return report


@contextmanager
def _doubts(report: Report) -> Iterator[None]:
    """Take our warnings as what is doubtful; those of others go their way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        if issubclass(warning.category, LegoWarning):
            report.note(report.doubtful, str(warning.message))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def _manifest(content: object, where: str, report: Report) -> Manifest | None:
    """Return the manifest of those sections that are right."""
    if not isinstance(content, Mapping):
        report.note(report.wrong, f"{where} is not a section: expected names with values, got {type(content).__name__}")
        return None
    top = {str(name): part for name, part in content.items()}
    sections = top.get("modalities")
    if not isinstance(sections, Mapping) or not sections:
        report.note(report.wrong, f"{where} has no modalities: expected modalities: with at least one")
        sections = {}
    right = {}
    for name, part in sections.items():
        place = f"{where}: modality {name}"
        source = _section(partial(parse_source, where=place, files=True), KINDS, "kind", part, place, report)
        if source is not None:
            right[str(name)] = source
    top["modalities"] = right
    place = f"{where}: outcome"
    if (part := top.get("outcome")) is not None:
        top["outcome"] = _section(partial(_outcome, place=place), OUTCOMES, "task", part, place, report)
    place = f"{where}: split"
    if (part := top.get("split")) is not None:
        top["split"] = _section(partial(_split, place=place), {}, "by", part, place, report)
    for fault in section_faults(Manifest, top, where):
        report.note(report.wrong, str(fault))
    sound = {"key": "id", "modalities": {}}
    rest = {name: part for name, part in top.items() if not section_faults(Manifest, sound | {name: part}, where)}
    return check_section(Manifest, rest, where) if "key" in rest else None


def _section(
    parse: Callable[[object], T],
    models: Mapping[str, type[BaseModel]],
    chosen_by: str,
    part: object,
    place: str,
    report: Report,
) -> T | None:
    """Return a section; note all that is wrong with it, and return it without the keys that nobody knows."""
    try:
        return parse(part)
    except LegoError as error:
        faults: Sequence[LegoError] = [error]
        rest: dict[str, object] | None = None
        if isinstance(error, InputError) and isinstance(part, Mapping) and part.get(chosen_by) in list(models):
            model = models[part[chosen_by]]
            faults = section_faults(model, part, place) or faults
            known = {*model.model_fields, *(field.alias for field in model.model_fields.values())}
            rest = {name: value for name, value in part.items() if name in known}
        for fault in faults:
            report.note(report.wrong, str(fault))
        if rest is None or len(rest) == len(part):  # type: ignore[arg-type]
            return None
        try:  # its files may be looked at all the same
            return parse(rest)
        except LegoError:
            return None


def _outcome(part: object, place: str) -> Outcome:
    outcome = parse_outcome(part, place)
    if outcome.file is None:
        raise InputError(f"{place} names no file", remedy="Add file: to the section.")
    return outcome


def _split(part: object, place: str) -> SplitRule:
    if not isinstance(part, Mapping):
        raise InputError(f"{place} is not a section", expected="names with values", got=type(part).__name__)
    return check_section(SplitRule, part, place)


def _read(
    manifest: Manifest, path: Path, folder: Where | Sequence[Where] | None, links: bool, report: Report
) -> Cohort | None:
    """Return the cohort of those files that can be read."""
    files = report.attempt(lambda: folder_of(manifest, path.parent, folder, links=links))
    if files is None:
        return None
    said = [] if manifest.outcome is None else manifest.outcome.named()
    outcome, columns, notes = report.attempt(lambda: outcome_of(manifest, files), "outcome") or (None, said, [])
    files.patients = None if outcome is None else frozenset(outcome.index)
    tables = {}
    for modality, source in manifest.modalities.items():
        here = files.of_section(source.id, source.rows_where())
        read = report.attempt(partial(source.read, here, modality, columns), modality)
        if read is not None and len(read[0]):
            tables[modality] = read[0]
            notes = [*notes, *read[1]]
    made = report.attempt(lambda: assemble(tables, outcome)) if tables else None
    if made is None:
        return None
    patients, frames, known, lost = made
    split = manifest.split
    groups = None if split is None else report.attempt(lambda: read_groups(split, files, patients), "split")
    lost = [*lost, *doubts_of_groups(groups)]
    spec = None if known is None else manifest.outcome
    sources = {name: manifest.modalities[name] for name in frames}
    return Cohort(manifest.name, patients, frames, known, spec, sources, (*files.notes, *notes, *lost), groups)


def _columns(cohort: Cohort, report: Report) -> None:
    """Note what each column was taken for, and what is doubtful about it."""
    for modality, frame in cohort.frames.items():
        source = cohort.sources[modality]
        columns = source.columns_taken(frame) if source.width(frame) <= MOST_COLUMNS else []
        if columns:
            report.taken[modality] = {
                one.column: f"{one.taken}: {one.values}" + (f", {one.missing} missing" if one.missing else "")
                for one in columns
            }
        elif short := source.in_short(frame):
            report.taken[modality] = {"*": short}
        said = [note.what for note in cohort.dropped if isinstance(note, Doubtful) and note.where == modality]
        for one in columns:  # what a note says already is not said again
            doubts = [
                text for text in one.doubt.split("; ") if not any(f"{one.column} {text}" in note for note in said)
            ]
            if any(doubts):
                report.note(report.doubtful, f"{modality}: {one.column} {'; '.join(doubts)}")
        if not columns and (doubt := codes_of_matrix(frame)):
            report.note(report.doubtful, f"{modality}: {doubt}")


def _look_through(cohort: Cohort, report: Report) -> Mapping[str, Collection[str]]:
    """Note which files cannot be used though their headers can be read; return by modality whose they are."""
    found, notes = unfit_files(cohort)
    for modality, wrong in found.items():
        remedy = "Mend the file, or declare on_error: skip to go on without it."
        each = (str(InputError(f"{modality}: patient {who}: {why}", remedy=remedy)) for who, why in wrong.items())
        lines = told_of_patients(each)
        for line in lines[:MOST_COLUMNS]:
            report.note(report.wrong, line)
        if len(lines) > MOST_COLUMNS:
            more = len(lines) - MOST_COLUMNS
            report.note(report.wrong, f"{modality}: {counted(more, 'more thing')} why files cannot be used")
    for note in notes:
        report.note(report.doubtful, note)
    return found


def _try_preprocessing(cohort: Cohort, unfit: Mapping[str, Collection[str]], report: Report, *, training: bool) -> None:
    """Fit what would be fitted before training, on everybody: of files of their own, on some.

    What lacks to train is wrong where an outcome is named, and else doubtful: patients can be predicted for without.
    """
    bare = replace(cohort, outcome=None, outcome_spec=None)
    for name, frame in cohort.frames.items():
        if (lacks := cohort.sources[name].lacks()) is not None:
            report.note(report.wrong if training else report.doubtful, f"{name}: {lacks}")
            continue
        fit = [str(patient) for patient in frame.index if str(patient) not in unfit.get(name, ())]
        step = max(1, len(fit) // MOST_FILES) if isinstance(cohort.sources[name], FileSource) else 1
        if fit:
            report.attempt(partial(_prepared, bare, fit[::step], name), name)
    outcome, spec = cohort.outcome, cohort.outcome_spec
    if outcome is not None and spec is not None:
        report.attempt(lambda: spec.fit_task(outcome), "outcome")


def _prepared(cohort: Cohort, patients: list[str], name: str) -> object:
    return cohort.prepare(patients, modalities=[name]).data(patients)


def _leaks(cohort: Cohort, found: Mapping[str, Sequence[tuple[str, ...]]], report: Report) -> None:
    """Note features that are the outcome, and patients who are in the cohort twice."""
    for modality, column, outcome in telling_columns(cohort):
        text = f"leakage: {modality}: {column!r} is the outcome {outcome!r} in other words, in all who have both"
        report.note(report.wrong, f"{text}. Choose the columns of the modality without it.")
    for modality, column, outcome in telling_gaps(cohort):
        text = f"leakage: {modality}: whether {column!r} is filled in is the outcome {outcome!r}, in all patients"
        report.note(report.wrong, f"{text}. Choose the columns of the modality without it.")
    for modality, sets in found.items():
        pairs = listed((" = ".join(same) for same in sets), 3)
        report.note(
            report.wrong,
            f"{modality}: {counted(len(sets), 'patient')} with the same features under several ids ({pairs}). If they "
            "are one, drop all but one; else split with duplicates='together' or 'allow' (--duplicates).",
        )


def _check_parts(
    cohort: Cohort, parts: NamedParts, file: str, found: Mapping[str, Sequence[tuple[str, ...]]], report: Report
) -> None:
    """Note what is wrong with one split."""
    where = f"{file}, {parts.name}" if parts.name != file else file
    known = set(cohort.patients)
    sides = {part: set(ids) & known for part, ids in parts.parts.items()}
    report.splits[where] = {part: len(ids) for part, ids in sides.items()}
    written = list(dict.fromkeys(patient for ids in parts.parts.values() for patient in ids))
    strange = [patient for patient in written if patient not in known]
    if strange:
        text = f"{where}: {counted(len(strange), 'id')} not in the cohort ({listed(strange)})"
        miss = near_miss("splits", strange, cohort.name, cohort.patients)
        hint = "" if miss is None else f"; {miss.found()}: write them as the cohort has them"
        report.note(report.wrong if len(strange) * 2 > len(written) else report.doubtful, text + hint)
    lacking = [patient for patient in cohort.patients if not any(patient in ids for ids in sides.values())]
    if lacking:
        report.note(report.doubtful, f"{where}: {counted(len(lacking), 'patient')} in no part ({listed(lacking)})")
    if not sides["train"]:
        report.note(report.wrong, f"{where}: nobody of the cohort is in the part train")
    _note_across({patient: (patient,) for patient in cohort.patients}, "patient", sides, where, report)
    if cohort.groups is not None:
        together: dict[str, list[str]] = {}
        for patient, group in zip(cohort.patients, cohort.groups.list(cohort.patients), strict=True):
            together.setdefault(group, []).append(patient)
        _note_across({name: tuple(group) for name, group in together.items()}, "group", sides, where, report)
    for modality, sets in found.items():
        named = {" = ".join(same): same for same in sets}
        what = f"set of patients with the same features in {modality}"
        _note_across(named, what, sides, where, report)


def _note_across(
    sets: Mapping[str, tuple[str, ...]], what: str, sides: Mapping[str, set[str]], where: str, report: Report
) -> None:
    """Note what stands on two sides."""
    for one, other in combinations(sides, 2):
        both = [
            name
            for name, patients in sets.items()
            if any(patient in sides[one] for patient in patients)
            and any(patient in sides[other] for patient in patients)
        ]
        if both:
            noun, _, more = what.partition(" ")
            number = f"{counted(len(both), noun)} {more}".strip()
            report.note(report.wrong, f"leakage: {where}: {number} in both {one} and {other} ({listed(both)})")
