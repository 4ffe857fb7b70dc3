"""Splits that were made elsewhere: tables and JSON in the forms that are about, as ids by part."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmlego.data.reading.files import read_lines
from mmlego.data.splits.files import FORMAT, load_splits
from mmlego.errors import InputError
from mmlego.json_files import read_json
from mmlego.wording import UTF8, label, listed

Rows = list[dict[str, str]]

WORDS = {
    "train": ("train", "training", "trn", "tr", "fit", "learn", "derivation", "discovery"),
    "validation": ("validation", "valid", "val", "dev", "tune", "tuning", "early_stopping"),
    "test": ("test", "testing", "tst", "ts", "holdout", "hold_out", "held_out", "heldout", "evaluation", "external"),
}
PART = {word: part for part, words in WORDS.items() for word in words}
_TRUE, _FALSE = {"true", "1", "yes", "1.0"}, {"false", "0", "no", "0.0", ""}
_FOLD = re.compile(r"fold|(?:^|_)cv", re.IGNORECASE)  # a number in "split" or "group" may mean anything
_MOST_FOLDS = 50
_FORMS = (
    "a row a patient with a column of parts (train, validation, test) or of folds (0, 1, …), a column a part, "
    "or JSON with lists of ids"
)


@dataclass(frozen=True)
class NamedParts:
    """One split as a file has it: nothing is checked, a patient may stand on two sides.

    Parameters
    ----------
    name
        Which split it is, as ``fold 0``.
    parts
        The ids of ``train``, ``validation`` and ``test``, as they are written.

    Examples
    --------
    >>> NamedParts("fold 0", {"train": ("a",), "validation": (), "test": ("b",)}).sizes()
    {'train': 1, 'validation': 0, 'test': 1}
    """

    name: str
    parts: Mapping[str, tuple[str, ...]]

    def sizes(self) -> dict[str, int]:
        """Return how many different ids each part has."""
        return {part: len(set(ids)) for part, ids in self.parts.items()}


def read_parts(path: str | os.PathLike[str], patients: Sequence[str], key: str) -> list[NamedParts]:
    r"""Read the splits of a file that mmlego need not have written.

    Parameters
    ----------
    path
        CSV or TSV, plain or packed, or JSON. In a table, either a row a patient with his id and columns of parts
        (``train``, ``val``, …) or of folds (numbers: each fold tests once, the others train); or a column a part, which
        lists ids or says yes and no. In JSON, lists of ids by part, of one split or several, or a file of ours.
    patients
        The patients of the cohort, which tell the column of ids.
    key
        The column of ids, if there is one of that name.

    Returns
    -------
    list of NamedParts
        The splits, as they are written.

    Raises
    ------
    InputError
        If the file cannot be read, or is in none of these forms.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "splits.csv"
    ...     _ = path.write_text("id,fold\na,0\nb,1\n")
    ...     [split.parts["test"] for split in read_parts(path, ["a", "b"], "id")]
    [('a',), ('b',)]
    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"there is no file of splits {source}", expected="CSV, TSV or JSON")
    if source.suffix.lower() == ".json":
        return _of_json(source, patients)
    header, rows = _table(source)
    listing = [name for name in header if _word(name) in PART]
    if len({PART[_word(name)] for name in listing}) == len(listing) > 1:
        return _of_columns(source, header, rows, listing, patients, key)
    ids = _id_column(source, header, rows, patients, key)
    found = [split for name in header if name != ids for split in _of_column(name, ids, rows)]
    if not found:
        raise InputError(f"{source.name} holds no splits", expected=_FORMS, got=f"columns {listed(header)}")
    return found


def _word(text: str) -> str:
    return re.sub(r"[\s\-]+", "_", text.strip().lower())


def _table(source: Path) -> tuple[list[str], Rows]:
    lines = [line for line in read_lines(source) if line.strip()]
    if len(lines) < 2:
        raise InputError(f"{source.name} holds no splits", expected=_FORMS, got=f"{len(lines)} lines")
    separator = max(",;\t", key=lines[0].count)
    header, *cells = csv.reader(lines, delimiter=separator)
    names = [name.strip() or f"(column {place})" for place, name in enumerate(header, 1)]
    again = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if again:
        raise InputError(f"{source.name} has columns of the same name ({listed(again)})")
    return names, [dict(zip(names, [cell.strip() for cell in row], strict=False)) for row in cells]


def _id_column(source: Path, header: Sequence[str], rows: Rows, patients: Collection[str], key: str) -> str:
    """Return the column of ids: the key, or else the one whose ids are those of the cohort."""
    if key in header:
        return key
    known = set(patients)
    shares = {}
    for name in header:
        cells = {label(row[name]) for row in rows if row.get(name)}
        shares[name] = len(cells & known) / max(1, len(cells))
    best = max(shares, key=lambda name: shares[name])
    if shares[best] < 0.5:
        raise InputError(
            f"{source.name} has no column of patient ids",
            expected=f"a column {key!r}, or one with ids as {listed(patients, 2)}",
            got=f"columns {listed(header)}",
        )
    return best


def _of_column(name: str, ids: str, rows: Rows) -> list[NamedParts]:
    """Return the splits of one column, none if it is no column of parts or folds."""
    pairs = [(row[ids], row.get(name, "")) for row in rows if row.get(ids)]
    values = {value for _, value in pairs if value}
    if values and all(_word(value) in PART for value in values):
        chosen = [(patient, PART[_word(value)]) for patient, value in pairs if value]
        return [_named(name, chosen)]
    numbers = all(re.fullmatch(r"\d+(\.0)?", value) for value in values)
    if not numbers or not _FOLD.search(name) or not 2 <= len(values) <= _MOST_FOLDS:
        return []
    folds = sorted({label(float(value)) for value in values}, key=int)
    placed = [(patient, label(float(value))) for patient, value in pairs if value]
    return [
        _named(f"{name} {fold}", [(patient, "test" if own == fold else "train") for patient, own in placed])
        for fold in folds
    ]


def _of_columns(
    source: Path, header: Sequence[str], rows: Rows, listing: Sequence[str], patients: Collection[str], key: str
) -> list[NamedParts]:
    """Return the one split of a table with a column a part: of ids, or of yes and no."""
    cells = {row.get(name, "").lower() for row in rows for name in listing}
    if cells <= _TRUE | _FALSE:
        others = [name for name in header if name not in listing]
        ids = _id_column(source, others, rows, patients, key)
        chosen = [(row[ids], PART[_word(n)]) for row in rows for n in listing if row.get(n, "").lower() in _TRUE]
    else:
        chosen = [(row[name], PART[_word(name)]) for name in listing for row in rows if row.get(name)]
    return [_named(source.name, chosen)]


def _of_json(source: Path, patients: Sequence[str]) -> list[NamedParts]:
    try:
        content = read_json(source)
    except (OSError, ValueError) as error:
        remedy = UTF8 if isinstance(error, UnicodeDecodeError) else None
        raise InputError(f"{source.name} is not JSON ({error})", remedy=remedy) from error
    if isinstance(content, dict) and content.get("format") == FORMAT:
        own = [split.named(patients) for split in load_splits(source, patients)]
        return [_named(f"split {place}", _pairs(parts)) for place, parts in enumerate(own)]
    splits: dict[str, object]
    if isinstance(content, list):
        splits = {f"split {place}": part for place, part in enumerate(content)}
    elif isinstance(content, dict) and all(isinstance(part, dict) for part in content.values()):
        splits = dict(content)
    else:
        splits = {source.name: content}
    return [_named(name, _pairs(_checked(source, part))) for name, part in splits.items()]


def _checked(source: Path, parts: object) -> Mapping[str, Sequence[object]]:
    right = isinstance(parts, dict) and parts and all(isinstance(ids, list) for ids in parts.values())
    if not right or not all(_word(str(name)) in PART for name in parts):  # type: ignore[attr-defined]
        raise InputError(f"{source.name} holds no splits", expected=_FORMS)
    return parts  # type: ignore[return-value]


def _pairs(parts: Mapping[str, Sequence[object]]) -> list[tuple[str, str]]:
    return [(label(patient), PART[_word(str(name))]) for name, ids in parts.items() for patient in ids]


def _named(name: str, chosen: Sequence[tuple[str, str]]) -> NamedParts:
    return NamedParts(name, {part: tuple(p for p, own in chosen if own == part) for part in WORDS})
