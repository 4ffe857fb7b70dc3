"""Samples of normal tissue or blood: what is measured in them is not so of their patients' tumours."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from mmlego.data.reading.ids import IdForm
from mmlego.errors import InputError
from mmlego.wording import counted, label, listed, quoted

if TYPE_CHECKING:
    import pandas as pd

Tissue: TypeAlias = Literal["tumour", "normal"]

# 01 to 09 are tumours, 10 to 19 normal tissue or blood, 20 and more controls (GDC, code tables, sample type codes).
BARCODE = re.compile(
    r"(?P<who>(?:TCGA[-._][A-Z0-9]{2}|TARGET[-._]\d\d)[-._][A-Z0-9]{4,6})[-._](?P<type>[012]\d)(?!\d)", re.IGNORECASE
)
# What columns are called that say of what tissue a sample is, as GDC, cBioPortal, Xena, TCGAbiolinks and GEO call them;
# and those that hold barcodes.
_ABOUT = re.compile(
    r"(?:^| )(?:samples?|tissues?|bio ?specimen|specimen|shortlettercode|definition|source name|disease state"
    r"|tumou?r normal|barcode|aliquots?|portion|analyte|submitter)(?: |$)|^sample(?:type|id)"
)
_NORMAL = re.compile(r"\bnormals?\b|\bnon[- ]?(?:tumou?r|cancer|malignan|neoplas)|\bhealthy\b|^(?:nt|nb|nat|nbm|nebv)$")
_TUMOUR = re.compile(r"tumou?r|cancer|carcinoma|metasta|malignan|neoplas|^primary|recurren|^(?:tp|tm|tr|tb|tap|tam)$")
MOST_COLUMNS = 12  # that may say it


def tissue_of(text: str) -> Tissue | None:
    """Return of what a sample is by its barcode of TCGA or TARGET, or by a word for it; None: neither says.

    Parameters
    ----------
    text
        The name of the sample, or what a column says of it. Of several at once (``Primary Tumor, Blood Derived
        Normal``), as a call of mutations has them, neither is said.

    Examples
    --------
    >>> [tissue_of(text) for text in ("TCGA-AA-0001-01A", "TCGA.AA.0001.11", "TCGA-AA-0001", "GTEX-1117F-0226")]
    ['tumour', 'normal', None, None]
    >>> [tissue_of(text) for text in ("Solid Tissue Normal", "Primary Tumor", "abnormal", "Tumor, Normal")]
    ['normal', 'tumour', None, None]
    """
    if "," in text or ";" in text:
        return None
    if found := BARCODE.match(text.strip()):
        return "tumour" if found["type"][0] == "0" else "normal"
    word = text.strip().casefold()
    return "normal" if _NORMAL.search(word) else "tumour" if _TUMOUR.search(word) else None


def tissue_columns(names: Sequence[str]) -> list[str]:
    """Return which columns may say of what tissue samples are, by their names.

    Parameters
    ----------
    names
        The columns.

    Examples
    --------
    >>> tissue_columns(["Case ID", "Sample Type", "sample_type.samples", "tissue:ch1", "age", "TP53"])
    ['Sample Type', 'sample_type.samples', 'tissue:ch1']
    """
    plain = {name: re.sub(r"[^a-z]+", " ", name.casefold()) for name in names}
    return [name for name, words in plain.items() if _ABOUT.search(words)][:MOST_COLUMNS]


def refuse_normals(ids: Collection[object], form: IdForm | None, where: str) -> None:
    """Refuse ids of samples of tumours and of normal tissue that become ids of patients alike.

    Parameters
    ----------
    ids
        The ids as the file has them.
    form
        The form that they are brought into; None: they stay as they are, and each sample is one.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If the form leaves out what tells a tumour from normal tissue, and the file holds both.

    Examples
    --------
    >>> refuse_normals(["TCGA-AA-0001-01A", "TCGA-AA-0001-11A"], IdForm(length=12), "rna")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: rna: 1 sample of normal tissue or blood (TCGA-AA-0001-11A) would count for its patient ...
    """
    if form is None or (form.length is None and form.pattern is None):
        return
    texts = [label(one) for one in ids if one is not None and one == one]  # NaN: nobody's
    known = [(text, BARCODE.match(text)) for text in texts]
    cut = [(text, found) for text, found in known if found and not _keeps(form.of(text), found)]
    normal = [text for text, found in cut if found["type"][0] != "0"]
    tumours = [text for text, found in cut if found["type"][0] == "0"]
    if not normal or not tumours:
        return
    only = tumours_only(form, tumours)
    way = "Give the tumours alone an id: that brings them to their patients."
    if only is not None:
        way = f"Declare {only.written()} in the section: it brings the tumours to their patients, and leaves the "
        way += "others what they are called."
    one = len(normal) == 1
    what = f"{where}: {counted(len(normal), 'sample')} of normal tissue or blood ({listed(normal, 2)}) would count for "
    what += "its patient as tumours do" if one else "their patients as tumours do"
    raise InputError(what, expected="samples of tumours, or of normal tissue", got="both", remedy=way)


def _keeps(made: str, found: re.Match[str]) -> bool:
    """Return whether the id that was made of a barcode still says of what type the sample is."""
    return _plain(made).startswith(_plain(found["who"] + found["type"]))


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())


def tumours_only(form: IdForm, tumours: Sequence[str]) -> IdForm | None:
    """Return a form that brings tumours to the same ids as another, and leaves samples of normal tissue as they are.

    Parameters
    ----------
    form
        The form.
    tumours
        Barcodes of tumours.

    Examples
    --------
    >>> tumours_only(IdForm(length=12), ["TCGA-AA-0001-01A"]).written()
    "id: {pattern: '^(TCGA-..-....)-0'}"
    """
    swapped = IdForm(replace=form.replace).of(tumours[0]) if form.replace else tumours[0]
    found = BARCODE.match(swapped)
    if found is None:
        return None
    sign = swapped[found.end("who")]
    sign = f"[{sign}]" if sign == "." else sign
    first, *others = _parts(found)
    parts = [first, *("." * len(part) for part in others)]
    made = form.model_copy(update={"pattern": f"^({sign.join(parts)}){sign}0", "length": None})
    return made if all(made.of(text) == form.of(text) for text in tumours) else None


def _parts(found: re.Match[str]) -> list[str]:
    return re.split(r"[-._]", found["who"])


def refuse_normal_files(owners: Mapping[str, str | None], pattern: str, where: str) -> None:
    """Refuse files of tumours and of normal tissue that are patients' alike, by the barcodes in their names.

    Parameters
    ----------
    owners
        By file whose it is, None: nobody's.
    pattern
        How the files are named.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If the id of the patient leaves out what tells a tumour from normal tissue, and there are files of both.

    Examples
    --------
    >>> names = ["TCGA-AA-0001-01Z.h5", "TCGA-AA-0001-11A.h5"]
    >>> refuse_normal_files(dict.fromkeys(names, "TCGA-AA-0001"), "{key}*.h5", "slides")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: slides: 1 file of normal tissue or blood (TCGA-AA-0001-11A.h5) would count as tumours ...
    """
    known = [(name, BARCODE.search(name)) for name, patient in owners.items() if patient is not None]
    cut = [(name, found) for name, found in known if found and not _keeps(owners[name] or "", found)]
    normal = [(name, found) for name, found in cut if found["type"][0] != "0"]
    if not normal or len(normal) == len(cut):
        return
    name, found = normal[0]
    sign = name[found.end("who")]
    way = f"Declare pattern: {quoted(pattern.replace('{key}', '{key}' + sign + '0'))} to take the tumours alone."
    if "{key}*" not in pattern:
        way = "Name the files of tumours alone, by pattern: or in the table of file:."
    told = listed([name for name, _ in normal], 2)
    what = f"{where}: {counted(len(normal), 'file')} of normal tissue or blood ({told}) would count as tumours do"
    raise InputError(what, expected="files of tumours, or of normal tissue", got="both", remedy=way)


def check_tissues(patients: Sequence[str | None], columns: Mapping[str, Sequence[object]], where: str) -> list[str]:
    """Return the doubt that some patients have samples of normal tissue alone; refuse those who have such and tumours.

    Parameters
    ----------
    patients
        Whose each row is, None: nobody's.
    columns
        What columns say of the rows, each as long. The first counts that tells tumours from normal tissue
        by a word, else by barcodes.
    where
        The file or modality, for messages.

    Raises
    ------
    InputError
        If a patient has rows of both.

    Examples
    --------
    >>> check_tissues(["a", "a", "b"], {"type": ["Tumor", "Normal", "Tumor"]}, "rna")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: rna: 1 patient with rows of tumours and of normal tissue or blood (a), as 'type' says ...
    """
    found = first_told(patients, columns)
    if found is None:
        return []
    said = f"as {found.column!r} says ({found.word!r})"
    if found.both:
        what = f"{where}: {counted(len(found.both), 'patient')} with rows of tumours and of normal tissue or blood"
        what += f" ({listed(found.both)}), {said}"
        raise InputError(what, expected="rows of one of them", remedy=f"{found.remedy()}.")
    if not found.normal:
        return []
    what = f"{counted(len(found.normal), 'patient')} with rows of normal tissue or blood alone ({listed(found.normal)})"
    return [f"{what}, {said}, beside tumours of others: {found.remedy()}"]


def first_told(patients: Sequence[str | None], columns: Mapping[str, Sequence[object]]) -> TwoTissues | None:
    """Return what columns say that tell tumours from normal tissue, a word before barcodes; None if none does.

    Parameters
    ----------
    patients, columns
        As :func:`check_tissues` takes them.

    Examples
    --------
    >>> first_told(["a"], {"type": ["Tumor"]}) is None
    True
    """
    told = [found for name, cells in columns.items() if (found := two_tissues(patients, name, cells)) is not None]
    return min(told, key=lambda one: BARCODE.match(one.word) is not None, default=None)  # words are easier to declare


def tissues_told(frame: pd.DataFrame, key: str) -> TwoTissues | None:
    """Return what a table says of patients who have rows of tumours and of normal tissue; None if there are none.

    Parameters
    ----------
    frame
        The table, as text.
    key
        The column of patient ids.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"id": ["a", "a"], "tissue": ["Tumor", "Normal"], "age": ["50", "50"]})
    >>> tissues_told(table, "id").declared()
    'where: {tissue: Tumor}'
    """
    columns = {name: frame[name].tolist() for name in tissue_columns([str(name) for name in frame if name != key])}
    found = first_told([cell if isinstance(cell, str) else None for cell in frame[key]], columns)
    return found if found is not None and found.both and not BARCODE.match(found.word) else None


@dataclass(frozen=True)
class TwoTissues:
    """What a column says of patients whose samples are of tumours and of normal tissue.

    Parameters
    ----------
    column
        The column.
    both
        Who has samples of both.
    normal
        Who has such of normal tissue alone, where others have tumours.
    word
        A word for normal tissue.
    tumours
        The words for tumours.
    """

    column: str
    both: tuple[str, ...]
    normal: tuple[str, ...]
    word: str
    tumours: tuple[str, ...]

    def declared(self) -> str:
        """Return the key of a section by which the tumours alone count."""
        words = [quoted(word, bare=True) for word in self.tumours]
        if found := BARCODE.match(self.tumours[0]):
            parts, sign = _parts(found), self.tumours[0][found.end("who")]
            words = [quoted(sign.join([parts[0], *("?" * len(part) for part in parts[1:]), "0*"]))]
        said = words[0] if len(words) == 1 else f"[{', '.join(words)}]"
        return f"where: {{{quoted(self.column, bare=True)}: {said}}}"

    def remedy(self) -> str:
        """Return what to declare, so that the tumours alone count."""
        return f"Declare {self.declared()} in the section to take the tumours alone"


def two_tissues(patients: Sequence[str | None], column: str, cells: Sequence[object]) -> TwoTissues | None:
    """Return what a column says where it tells tumours from normal tissue; None if it does not.

    Parameters
    ----------
    patients
        Whose each row is.
    column
        The column.
    cells
        What it says of the rows.

    Examples
    --------
    >>> found = two_tissues(["a", "a", "b"], "type", ["Tumor", "Normal", "Tumor"])
    >>> found.both, found.remedy()
    (('a',), 'Declare where: {type: Tumor} in the section to take the tumours alone')
    """
    said = {cell: tissue_of(cell) for cell in dict.fromkeys(cells) if isinstance(cell, str)}
    tumours = tuple(word for word, kind in said.items() if kind == "tumour")
    normals = [word for word, kind in said.items() if kind == "normal"]
    if not tumours or not normals:
        return None
    found: dict[str, set[Tissue | None]] = {}
    for patient, cell in zip(patients, cells, strict=True):
        if patient is not None and isinstance(cell, str):
            found.setdefault(patient, set()).add(said[cell])
    both = tuple(patient for patient, kinds in found.items() if {"tumour", "normal"} <= kinds)
    normal = tuple(patient for patient, kinds in found.items() if kinds == {"normal"})
    return TwoTissues(column, both, normal, normals[0], tumours)
