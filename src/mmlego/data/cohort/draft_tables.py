"""The sections of a first manifest that a table of patients gives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import yaml

from mmlego.data.cohort.column_looks import (
    WIDE,
    column_note,
    decimal_of,
    is_number,
    is_smiles,
    is_text,
    looks_like_outcome,
)
from mmlego.data.cohort.looks import Look
from mmlego.data.kinds.registry import KINDS
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

MOST_COLUMNS = 60  # that are listed one by one


def scalar(text: str) -> str:
    """Return a text as YAML writes it in one line.

    Parameters
    ----------
    text
        The text.

    Examples
    --------
    >>> scalar("age"), scalar("yes")
    ('age', "'yes'")
    """
    return (
        yaml.safe_dump(text, default_flow_style=True, width=10**6, allow_unicode=True).removesuffix("\n...\n").strip()
    )


def of_table(one: Look, frame: pd.DataFrame, key: str, file: str) -> list[tuple[str, list[str]]]:
    """Return what a table gives: series, molecules, texts, wide parts, and the rest as a table.

    Parameters
    ----------
    one
        What was seen of the file.
    frame
        The table.
    key
        The column of patient ids.
    file
        The file, as the manifest names it.

    Returns
    -------
    list of tuple
        Names of modalities, each with the lines of its section.
    """
    where = scalar(file)
    if key not in frame:
        return [
            (one.name, [f"# {one.place.name} has no column {key!r}, only {listed(frame.columns, 6)}: name it so there"])
        ]
    lower = {str(name).lower(): str(name) for name in frame.columns}
    if (
        not frame[key].is_unique
        and {"time", "value"} <= lower.keys()
        and lower.keys() & {"variable", "parameter", "test", "item"}
    ):
        return [(one.name, _of_series(lower, where))]
    rows = (
        []
        if frame[key].dropna().is_unique
        else ["rows: first  # doubtful: patients have several rows: first, mean, or mend"]
    )
    several = ["rows: first  # doubtful: patients have several rows"] if rows else []
    names = [str(name) for name in frame.columns if name != key]
    named = [name for name in names if name.strip() and not re.fullmatch(r"Unnamed: \d+|\.\.\.\d+", name)]
    suspects = {name for name in named if looks_like_outcome(frame, name)}
    found: list[tuple[str, list[str]]] = []
    if is_smiles(frame[key]):
        found.append((f"{one.name}_molecule", ["kind: fingerprint", f"file: {where}", f"column: {scalar(key)}"]))
    rest = [name for name in named if name not in suspects]
    for name in [name for name in rest if not is_number(frame[name])][:MOST_COLUMNS]:
        if is_smiles(frame[name]):
            rest.remove(name)
            body = [
                "kind: fingerprint  # or graph, or sequence with alphabet: smiles",
                f"file: {where}",
                f"column: {scalar(name)}",
                *several,
            ]
            found.append((f"{one.name}_{name}", body))
        elif is_text(frame[name]):
            rest.remove(name)
            body = [
                "kind: text",
                f"file: {where}",
                f"column: {scalar(name)}",
                *several,
                *KINDS["text"].drafted,
            ]
            found.append((f"{one.name}_{name}", body))
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
            off = note.startswith(("doubtful: ", "one value", "empty"))
            body.append(f"  {'# ' if off else ''}- {scalar(name)}  # {note}")
        if all(line.strip().startswith("#") for line in body[body.index("columns:") + 1 :]):
            body = [line if line.strip().startswith("#") else f"# {line}" for line in body]
        found.append((one.name, body))
    return found


def _of_series(lower: dict[str, str], where: str) -> list[str]:
    variable = next(lower[name] for name in ("variable", "parameter", "test", "item") if name in lower)
    body = ["kind: series", f"file: {where}", f"time: {scalar(lower['time'])}", f"variable: {scalar(variable)}"]
    return [*body, f"value: {scalar(lower['value'])}", "unit: hours  # doubtful: seconds | minutes | hours | days"]


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
