"""Patients by a column: a site, a sex, an age, wherever in the files of the cohort it stands."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from mmlego.data import Cohort
from mmlego.data.cohort.manifest import load_manifest
from mmlego.data.cohort.manifest_files import Wanted
from mmlego.data.kinds.table.source import TableSource
from mmlego.data.kinds.tabular.keys import ColumnKeys
from mmlego.data.reading.column_rules import fits
from mmlego.data.reading.spellings import told_alike
from mmlego.data.reading.truths import truths_of
from mmlego.errors import InputError, LegoWarning
from mmlego.reporting.numbers import significant
from mmlego.reporting.subject import Subject
from mmlego.wording import label, meant

if TYPE_CHECKING:
    import pandas as pd

MOST = 12  # groups; of a column with more different numbers, those at most the median and above


def subgroups(subject: Subject, by: str, *, links: bool = False) -> Mapping[str, Sequence[str]]:
    """Return the patients held out by the values of a column.

    Parameters
    ----------
    subject
        With a cohort.
    by
        The column: of a modality, or of any table that the manifest names.
    links
        As ``Cohort.from_manifest`` takes it.

    Returns
    -------
    dict
        By value the patients; of many different numbers, those up to the median of all and those above; last who has
        none.

    Raises
    ------
    InputError
        If there is no such column, or it has too many values.
    """
    cohort = subject.cohort
    if cohort is None:
        raise InputError("scores by a column need a cohort", remedy="Pass --data MANIFEST.")
    column = _among_features(cohort, by)
    if column is None:
        column = _in_files(subject, cohort, by, links)
    values = column.reindex(list(cohort.patients))
    held = values.reindex(list(subject.held_out))
    known = values.dropna()
    import pandas as pd

    if pd.api.types.is_numeric_dtype(known) and known.nunique() > MOST // 2:
        cut = float(known.median())
        named = held.map(lambda value: f"up to {significant(cut)}" if value <= cut else f"above {significant(cut)}")
        named[held.isna()] = None
    else:
        if known.nunique() > MOST:
            raise InputError(
                f"column {by!r} has too many values to tell scores by",
                expected=f"at most {MOST}",
                got=known.nunique(),
                remedy="Name another column with --by.",
            )
        said = truths_of({label(value) for value in known.unique()}) or {}
        names = {word: "yes" if value else "no" for word, value in said.items()}  # however they are written
        if told := told_alike(label(value) for value in known.unique() if label(value) not in names):
            text = (
                f"Column {by!r}: {told} differ in form alone, each a group of its own. Mend the file if they are one."
            )
            warnings.warn(text, LegoWarning, stacklevel=2)
        named = held.map(lambda value: None if pd.isna(value) else names.get(label(value), label(value)))
    found: dict[str, list[str]] = {}
    for name in sorted(set(named.dropna()), key=str):
        found[str(name)] = named.index[named == name].tolist()
    nobody = named.index[named.isna()].tolist()
    return found | ({"not known": nobody} if nobody else {})


def _said_of(by: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a section of a table says of one of its columns."""
    said: dict[str, Any] = {}
    for key, value in section.items():
        if key in ("numeric", "categories"):
            value = [by] if fits(by, [value] if isinstance(value, str) else value) else None
        elif isinstance(value, dict):
            value = {pattern: what for pattern, what in value.items() if fits(by, [str(pattern)])}
        if key in ColumnKeys.model_fields and value:
            said[key] = value
    return said


def _among_features(cohort: Cohort, by: str) -> pd.Series | None:
    for frame in cohort.frames.values():
        if by in frame.columns:
            return frame[by]
    return None


def _in_files(subject: Subject, cohort: Cohort, by: str, links: bool) -> pd.Series:
    """Return the column from a table that the manifest names, read as a modality of its own: ids, roots and all."""
    manifest = subject.manifest
    content: Any = None if manifest is None else load_manifest(manifest)
    if manifest is None or not isinstance(content, dict):
        raise InputError(f"no modality has a column {by!r}", remedy="Name another column with --by.")
    sections = [content.get("outcome"), *dict(content.get("modalities") or {}).values()]
    rest = {name: value for name, value in content.items() if name not in ("outcome", "modalities", "split")}
    seen: set[str] = set()
    for section in sections:
        file = section.get("file") if isinstance(section, dict) else None
        if not isinstance(file, str) or file in seen:
            continue
        seen.add(file)
        forms = {name: section[name] for name in ("id",) if name in section}
        if section.get("kind") == "table":
            forms |= _said_of(by, section)
        modality = {"kind": "table", "file": file, "columns": [by], "rows": "first", **forms}
        places = list(subject.folders) or [manifest.parent]
        with TemporaryDirectory() as folder:
            single = Path(folder) / "cohort.yaml"
            single.write_text(yaml.safe_dump({**rest, "modalities": {"by": modality}}), encoding="utf-8")
            try:
                read = Cohort.from_manifest(single, folder=places, links=links, wanted=Wanted())
            except InputError:
                continue  # this file is no table
        if by not in read.frames["by"].columns:
            continue
        source = read.sources["by"]
        for error in source.faults if isinstance(source, TableSource) else ():
            raise error
        return read.frames["by"][by]
    known = [str(name) for frame in cohort.frames.values() for name in frame.columns]
    raise InputError(f"no table of the cohort has a column {by!r}", remedy=meant(by, known))
