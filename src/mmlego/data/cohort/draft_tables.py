"""The sections of a first manifest that a table of patients gives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmlego.data.cohort.column_looks import (
    WIDE,
    column_note,
    decimal_of,
    is_number,
    is_sequence,
    is_smiles,
    is_text,
    looks_like_outcome,
)
from mmlego.data.cohort.draft_rows import Around, named_files
from mmlego.data.cohort.draft_text import scalar
from mmlego.data.cohort.looks import Look
from mmlego.data.kinds.registry import KINDS
from mmlego.data.reading.normal_tissue import tissues_told
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

MOST_COLUMNS = 60  # that are listed one by one


def of_table(one: Look, frame: pd.DataFrame, around: Around) -> list[tuple[str, list[str]]]:
    """Return what a table gives: files that it names, molecules, sequences, texts, wide parts, the rest as a table.

    Parameters
    ----------
    one
        What was seen of the file.
    frame
        The table.
    around
        What else is known.

    Returns
    -------
    list of tuple
        Names of modalities, each with the lines of its section.
    """
    key, where = around.key, scalar(around.where(one))
    if key not in frame:
        return [
            (one.name, [f"# {one.place.name} has no column {key!r}, only {listed(frame.columns, 6)}: name it so there"])
        ]
    told = None if frame[key].is_unique else tissues_told(frame, key)
    mixed = []
    if told is not None:  # what is known of normal tissue is not so of the tumour
        frame, mixed = frame[frame[told.column].isin(told.tumours)], [told.declared() + "  # rows of tumours alone"]
    rows = (
        []
        if frame[key].dropna().is_unique
        else ["rows: first  # doubtful: patients have several rows: first, mean, or mend"]
    )
    rows = [*mixed, *rows]
    several = rows
    names = [str(name) for name in frame.columns if name != key]
    named = [name for name in names if name.strip() and not re.fullmatch(r"Unnamed: \d+|\.\.\.\d+", name)]
    suspects = {name for name in named if looks_like_outcome(frame, name)}
    found: list[tuple[str, list[str]]] = []
    if is_smiles(frame[key]):
        found.append((f"{one.name}_molecule", ["kind: fingerprint", f"file: {where}", f"column: {scalar(key)}"]))
    rest = [name for name in named if name not in suspects]
    for name, column, body in named_files(one, frame, around):
        found.append((name, body))
        rest = [other for other in rest if other != column]
    for name in [name for name in rest if not is_number(frame[name])][:MOST_COLUMNS]:
        body = _of_words(frame[name], where)
        if body:
            rest.remove(name)
            found.append((f"{one.name}_{name}", [*body[:3], *several, *body[3:]]))
    groups, rest = _wide(frame, rest, [*names, key])
    found += [
        (one.name if not rest and len(groups) == 1 else f"{one.name}_{glob.strip('*_.')}" if glob != "*" else one.name,
         ["kind: omics", f"file: {where}", *([f"columns: {scalar(glob)}"] if glob != "*" else []), *rows])
        for glob in groups
    ]  # fmt: skip
    if len(rest) > MOST_COLUMNS:
        body = [
            f"# kind: table  # {counted(len(rest), 'column')}",
            f"# file: {where}",
            "# columns:  # fill in: globs that leave out",
        ]
        found.append((one.name, [*body, f"#   {listed(sorted(suspects), 12)}"]))
    elif rest:
        body = ["kind: table", f"file: {where}", *rows, "columns:"]
        each, decimal = frame.drop_duplicates(key), decimal_of(frame)
        for name in rest:
            note = column_note(each[name], decimal)
            if (
                not frame[key].is_unique
                and not is_number(frame[name])
                and (frame.groupby(key, sort=False)[name].nunique() > 1).any()
            ):
                note = "doubtful: differs between rows of a patient: make a column of each word of it that counts"
            off = note.startswith(("doubtful: ", "one value", "empty"))
            body.append(f"  {'# ' if off else ''}- {scalar(name)}  # {note}")
        if all(line.strip().startswith("#") for line in body[body.index("columns:") + 1 :]):
            body = [line if line.strip().startswith("#") else f"# {line}" for line in body]
        found.append((one.name, body))
    return found


def _of_words(column: pd.Series, where: str) -> list[str]:
    """Return the section of a column of molecules, sequences or texts; nothing of other words."""
    body = [f"file: {where}", f"column: {scalar(str(column.name))}"]
    if is_smiles(column):
        return ["kind: fingerprint  # or graph, or sequence with alphabet: smiles", *body]
    if (alphabet := is_sequence(column)) is not None:
        return ["kind: sequence", *body, f"alphabet: {alphabet}  # dna | rna | protein | any"]
    return ["kind: text", *body, *KINDS["text"].drafted] if is_text(column) else []


def _wide(frame: pd.DataFrame, names: Sequence[str], every: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return globs of wide groups of columns, each of which names no other column, and the columns that are left."""
    if len(names) < WIDE:
        return [], list(names)
    numeric = {name for name in names if is_number(frame[name].head(50))}
    if len(numeric) == len(names) == len(every) - 1:
        return ["*"], []
    groups: list[str] = []
    left = list(names)
    ends = Counter(f"*_{name.rpartition('_')[2]}" for name in names if "_" in name)
    starts = Counter(f"{match[0]}*" for name in names if (match := re.match(r"[A-Za-z]{2,}[_.]?(?=\d|[A-Z])", name)))
    for glob, count in [*ends.most_common(), *starts.most_common()]:
        pattern = re.compile(".*".join(re.escape(part) for part in glob.split("*")) + r"\Z")
        here = [name for name in every if pattern.match(name)]
        if count >= WIDE and set(here) <= set(left) and len(set(here) & numeric) > 0.9 * len(here):
            groups.append(glob)
            left = [name for name in left if name not in set(here)]
    return groups, left
