"""A first manifest for files that nobody has described, with comments: what was taken for what, what is doubtful."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import yaml

from mmlego.data.cohort.column_looks import column_note, is_number, looks_like_outcome
from mmlego.data.cohort.draft_rows import Around, edge_ends, events_of_redcap, files_of_rows, several_rows
from mmlego.data.cohort.draft_tables import of_table
from mmlego.data.cohort.draft_text import scalar
from mmlego.data.cohort.known_layouts import container, genes_in_rows, known_table, time_of
from mmlego.data.cohort.looks import Look, look
from mmlego.data.kinds.file_sources import FileSource
from mmlego.data.kinds.registry import KINDS
from mmlego.errors import InputError
from mmlego.tasks.survival_unit import DAYS
from mmlego.wording import counted, listed, meant

KEY = "patient"  # where nothing says what patient ids are called
SEEN = 64  # files of patients whose headers are looked at
_HINT = re.compile(
    r"(?:^|[_. ])(?:id|patients?|subject|case|participant|pid|mrn|barcode|record|stay)(?:$|[_. ])|id$|^sample",
    re.IGNORECASE,
)
_GENE = re.compile(r"gene|symbol|entrez|ensembl|probe", re.IGNORECASE)
_SAMPLE = re.compile(r"slide|sample|image|scan|specimen|aliquot|file|block|section", re.IGNORECASE)
_PATIENT = re.compile(r"patient|subject|case|participant|person|pid$|mrn", re.IGNORECASE)


def draft_manifest(
    files: Sequence[str | os.PathLike[str]], home: str | os.PathLike[str], key: str | None = None
) -> str:
    r"""Return a first manifest for some files, with comments on what each column looks like and what is doubtful.

    What is predicted is never chosen, only suggested in a comment; columns that look like an outcome are left out of
    the features. What cannot be known is left to fill in.

    Parameters
    ----------
    files
        Tables, matrices, archives, and folders of files of patients.
    home
        The folder where the manifest will stand.
    key
        The column of patient ids; None: the one that tells rows apart and is the same in all tables.

    Raises
    ------
    InputError
        If a file is not there, none of them can be read, or nothing tells which column holds the patients' ids.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "clinical.csv"
    ...     _ = path.write_text("patient,age,sex\na,50,f\nb,61,m\n")
    ...     print(draft_manifest([path], folder))
    # Made by mmlego init: what each column was taken for stands beside it. Read it, then run mmlego check.
    key: patient  # in 1 table of 1; tells the rows of clinical.csv apart
    # outcome: no column looks like one. Add it to train: see docs/manifest.md
    modalities:
      clinical:
        kind: table
        file: clinical.csv
        columns:
          - age  # numbers from 50 to 61
          - sex  # categories: f (1), m (1)
    <BLANKLINE>
    """
    place = Path(home).resolve()
    looks, left = look([Path(os.path.abspath(file)) for file in files])
    if not looks:
        raise InputError(
            "none of the files can be described", expected="tables, or files of patients", got=listed(left, 3)
        )
    chosen, why = _key(looks, key)
    roots = _roots(looks, place)
    lines = ["# Made by mmlego init: what each column was taken for stands beside it. Read it, then run mmlego check."]
    lines += [f"key: {scalar(chosen)}  # {why}"]
    lines += [f"roots: [{scalar(str(root))}]  # the files do not lie beside this manifest" for root in roots]
    base = roots[0] if roots else place
    lines += _outcome(looks, chosen, base)
    ids = {
        cell for one in looks if one.frame is not None and chosen in one.frame for cell in one.frame[chosen].dropna()
    }
    sections: list[str] = []
    taken: Counter[str] = Counter()
    for one in looks:
        for name, body in _sections(one, looks, chosen, base, ids):
            taken[name] += 1
            called = name if taken[name] == 1 else f"{name}_{taken[name]}"
            live = any(not line.strip().startswith("#") for line in body)
            sections += [f"  {'' if live else '# '}{scalar(called)}:", *(f"    {line}" for line in body)]
    lines += ["modalities:", *sections]
    lines += [f"# left out: {note}" for note in left]
    text = "\n".join(lines) + "\n"
    if not (yaml.safe_load(text) or {}).get("modalities"):
        raise InputError(
            "nothing in the files can be a modality",
            expected="features beside the key and the outcome, or files named after patients",
            got=listed([one.place.name for one in looks], 5),
            remedy=f"What was found:\n{text}",
        )
    return text


def _roots(looks: Sequence[Look], home: Path) -> list[Path]:
    places = [one.place for one in looks]
    if all(place.is_relative_to(home) for place in places):
        return []
    folders = [place if place.is_dir() else place.parent for place in places]
    return [Path(os.path.commonpath([str(folder) for folder in folders]))]


def _where(one: Look, base: Path) -> str:
    where = one.place.relative_to(base).as_posix()
    return where if one.sheet is None else f"{where}#{one.sheet}"


def _key(looks: Sequence[Look], key: str | None) -> tuple[str, str]:
    """Return the column of patient ids, and why it is taken for that."""
    tables = [one for one in looks if one.frame is not None and not one.layout]
    whole = [one.frame for one in tables if one.frame is not None and not one.refused]
    names = list(dict.fromkeys(str(name) for frame in whole for name in frame.columns))
    if key is not None:
        if tables and key not in names:
            raise InputError(f"no table has a column {key!r}", remedy=meant(key, names))
        return key, "as it was said"
    if not tables:
        return (
            KEY,
            "doubtful: no table names the column of ids: call it as the table of outcomes does (--key NAME)",
        )
    scores = {name: score for name in names if (score := _score(name, tables, looks)) is not None}
    if not scores:
        raise InputError(
            "no column tells the patients apart",
            expected="ids, each in one row of a table",
            remedy="Say it: --key NAME.",
        )
    best = max(scores.values())
    first = [name for name, score in scores.items() if score == best]
    if len(first) > 1:
        raise InputError(
            f"several columns could be the patients' ids ({listed(first)})", remedy="Say which: --key NAME."
        )
    name = _patient_of(first[0], scores, tables)
    count = sum(name in one.frame.columns for one in tables)  # type: ignore[union-attr]
    unique = [one.place.name for one in tables if name in one.frame and one.frame[name].is_unique]  # type: ignore[operator, index]
    doubt = "" if _HINT.search(name) or _PATIENT.search(name) else "; doubtful: its name does not say so"
    tells = f"tells the rows of {listed(unique, 3)} apart" if unique else "some patients have several rows"
    return name, f"in {counted(count, 'table')} of {len(tables)}; {tells}{doubt}"


def _patient_of(name: str, scores: Mapping[str, object], tables: Sequence[Look]) -> str:
    """Return the column of patients that stands beside one of their slides or samples, or the column itself."""
    beside = [one.frame for one in tables if one.frame is not None and name in one.frame]
    owners = [
        other
        for other in scores
        if _PATIENT.search(other) and not _SAMPLE.search(other) and all(other in frame for frame in beside)
        if any(frame[other].duplicated().any() for frame in beside)
    ]
    return owners[0] if _SAMPLE.search(name) and not _PATIENT.search(name) and len(owners) == 1 else name


def _score(name: str, tables: Sequence[Look], looks: Sequence[Look]) -> tuple[int, int, int, int] | None:
    """Return how well a column would do as the key; None if it tells the rows of no table apart.

    One that is called after patients may have several rows for some: the ids of slides are no patients.
    """
    having = [one.frame[name] for one in tables if one.frame is not None and name in one.frame]
    exported = any(
        one.frame is not None and "redcap_event_name" in one.frame and name == one.frame.columns[0] for one in tables
    )  # the first column of an export of REDCap names its records
    named = 2 if exported or _PATIENT.search(name) else 1 if _HINT.search(name) else 0
    telling = [
        column
        for column in having
        if column.notna().all() and (column.is_unique or (named == 2 and column.nunique() > 1))
    ]
    decimals = any(column.dropna().str.fullmatch(r"-?\d+[.,]\d+").mean() > 0.1 for column in having)
    if not telling or decimals or _GENE.search(name):
        return None
    ids = set(telling[0])
    meets = sum(len(ids & set(column.dropna())) * 2 > min(len(ids), column.nunique()) for column in having)
    files = sum(any(_owner(stem, ids) for stem in one.stems[:50]) for one in looks if one.stems)
    files += sum(
        one.frame is not None and name not in one.frame and bool(genes_in_rows(one.frame, ids)) for one in tables
    )
    return meets + files, named, int(name == having[0].name), -int(is_number(telling[0]) and not named)


def _owner(stem: str, ids: Collection[str]) -> str | None:
    if stem in ids:
        return stem
    return max(
        (one for one in ids if one and re.match(re.escape(one) + r"(?![A-Za-z0-9])", stem)), key=len, default=None
    )


def _outcome(looks: Sequence[Look], key: str, base: Path) -> list[str]:
    """Return a suggestion of an outcome, as comments."""
    for one in looks:
        if one.frame is None or one.layout or key not in one.frame or edge_ends(one.frame) is not None:
            continue
        roles: dict[str, list[str]] = {}
        for name in one.frame.columns:
            if name != key and (role := looks_like_outcome(one.frame, name)):
                roles.setdefault(role, []).append(name)
        if not {"event", "label"} & roles.keys():
            continue
        file = scalar(_where(one, base))
        lines = ["# outcome:  # fill in what is predicted: this is a guess by names, and nothing was chosen"]
        if {"time", "event"} <= roles.keys():
            event = roles["event"][0]
            lines += [
                "#   task: survival",
                f"#   file: {file}",
                f"#   time: {scalar(roles['time'][0])}  # {column_note(one.frame[roles['time'][0]])}",
                f"#   unit:{_unit_in(roles['time'][0])}",
                f"#   event: {scalar(event)}  # {column_note(one.frame[event])}",
                "#   event_when:  # fill in: the word that means that it happened",
            ]
        else:
            label = (roles.get("label") or roles["event"])[0]
            lines += [
                "#   task: classification",
                f"#   file: {file}",
                f"#   label: {scalar(label)}  # {column_note(one.frame[label])}",
            ]
        others = [name for names in roles.values() for name in names]
        return [*lines, f"# may be or tell the outcome, and are no features below: {listed(others, 12)}"]
    return ["# outcome: no column looks like one. Add it to train: see docs/manifest.md"]


def _unit_in(name: str) -> str:
    """Return the unit that a column of times has by its name, or that it is to be filled in."""
    words = re.findall("[a-z]+", name.casefold().replace("_", " "))
    found = [unit for unit in DAYS if unit in words or unit.removesuffix("s") in words]
    return f" {found[0]}" if len(found) == 1 else f"  # fill in that of time: {', '.join(DAYS)}"


def _sections(
    one: Look, looks: Sequence[Look], key: str, base: Path, ids: Collection[str]
) -> list[tuple[str, list[str]]]:
    """Return the sections of one look, each with its name: lines of YAML, comments where something is to fill in."""
    if one.layout in ("wide", "meds"):
        return [(one.name, _of_stays(one, looks, base))]
    if one.frame is not None:
        body = known_table(one.frame, scalar(_where(one, base)), key, ids)
        if one.refused and not body:
            return [(one.name, [f"# {one.refused}"])]
        if body:
            return [(one.name, body)]
        around = Around(looks, key, lambda other: _where(other, base))
        if parts := events_of_redcap(one, one.frame, around):
            return parts
        several = several_rows(one, one.frame, around)
        if several is not None:
            return [(one.name, several)] if several else []
        return of_table(one, one.frame, around)
    where = _where(one, base)
    if one.stems:
        around = Around(looks, key, lambda other: _where(other, base))
        named = None if _after_patients(one, ids) else files_of_rows(one, where, around)
        return [(one.name, named or _of_files(one, where, ids))]
    if one.kind == "omics":
        return container(one.place, scalar(where), one.name, key, ids)
    body = [f"kind: {one.kind}", f"file: {scalar(where)}", *KINDS[one.kind].drafted]
    return [(one.name, body)]


def _of_stays(one: Look, looks: Sequence[Look], base: Path) -> list[str]:
    """Return the section of a folder of wide stays, or of shards of MEDS."""
    body = ["kind: series", f"file: {scalar(_where(one, base))}", f"layout: {one.layout}"]
    names = [] if one.frame is None else [str(name) for name in one.frame.columns]
    if one.layout == "wide":
        return [*body, f"time: {scalar(time_of(names) or '')}  # hours, unless unit: says otherwise"]
    for other in looks:
        if other.frame is not None and not other.layout and "prediction_time" in other.frame:
            index = f"{{file: {scalar(_where(other, base))}, column: prediction_time}}"
            return [*body, f"index: {index}", "window: [-8760, 0]  # doubtful: hours; nothing after the prediction"]
    body.append("index:  # fill in: {file: FILE, column: DATE}, the date from which hours count")
    return [f"# {line}" for line in body]


def _of_files(one: Look, where: str, ids: Collection[str]) -> list[str]:
    # Where no table says who the patients are, each file is one, by its whole name.
    owners = [_owner(stem, ids) for stem in one.stems] if ids else list(one.stems)
    known = [owner for owner in owners if owner is not None]
    tails = [stem[len(owner) :] for stem, owner in zip(one.stems, owners, strict=True) if owner is not None]
    source = KINDS[one.kind]
    star = _common_tail(tails)
    folder = "" if where == "." else f"{where}/"
    body = [f"kind: {one.kind}", f"pattern: {scalar(folder + '{key}' + star + one.ending)}"]
    if one.layout == "folders":
        body[1] = f"pattern: {scalar(folder + '{key}/*' + one.ending)}"
        body.append("rows: series  # the slices of a folder are one volume")
    others = [kind for kind, other in KINDS.items() if one.ending.lower() in other.endings and kind != one.kind]
    if others:
        body[0] += f"  # doubtful: or {listed(others)}, to which such files may belong, too"
    if not ids:
        body.append("# doubtful: no table names the patients: each name of a file is taken for an id")
    if len(known) < len(owners):
        lost = [stem for stem, owner in zip(one.stems, owners, strict=True) if owner is None]
        body.append(
            f"# doubtful: {counted(len(lost), 'file')} of {len(owners)} named after no patient ({listed(lost, 3)})"
        )
    if len(set(known)) < len(known):
        ways = source.ways if issubclass(source, FileSource) else ()
        body += [f"rows: {way}  # some patients have several files" for way in list(ways)[:1]]
    stems = [stem for stem, owner in zip(one.stems, owners, strict=True) if owner is not None]
    drafted = source.draft([_paths(one, stem) for stem in stems[:: max(1, len(stems) // SEEN)]])
    body += drafted
    if not known:
        body.append("fill in how the files are named after patients")
    if not known or any("# fill in" in line and not line.startswith("#") for line in drafted):
        body = [f"# {line.removeprefix('# ')}" for line in body]
    return body


def _after_patients(one: Look, ids: Collection[str]) -> bool:
    """Return whether files are named after patients."""
    return not ids or any(_owner(stem, ids) is not None for stem in one.stems)


def _paths(one: Look, stem: str) -> list[Path]:
    """Return the files of a patient, of a folder of slices all."""
    if one.layout == "folders":
        return sorted(path for path in (one.place / stem).iterdir() if path.name.endswith(one.ending))
    return [one.place / f"{stem}{one.ending}"]


def _common_tail(tails: Sequence[str]) -> str:
    """Return what follows the id in names of files, with a star where they differ."""
    different = set(tails)
    if len(different) == 1:
        return next(iter(different))
    first = {tail[:1] for tail in different}
    return f"{first.pop()}*" if len(first) == 1 and "" not in first else "*"
