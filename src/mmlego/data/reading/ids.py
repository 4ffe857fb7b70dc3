"""Ids of patients as text: floats that are whole numbers, and the forms that a manifest gives them with ``id``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mmlego.errors import InputError
from mmlego.wording import label, listed

if TYPE_CHECKING:
    import pandas as pd

_FLOAT = re.compile(r"([+-]?\d+)\.0+")
_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)")
EXACT = 2**53  # beyond it, a float does not tell whole numbers apart


def whole(texts: Sequence[str]) -> list[str]:
    """Return texts without their ``.0``, where each of them is a whole number with one; else as they are.

    Parameters
    ----------
    texts
        Ids or classes.

    Examples
    --------
    >>> whole(["17.0", "3.0"]), whole(["17.0", "3.5"])
    (['17', '3'], ['17.0', '3.5'])
    """
    found = [_FLOAT.fullmatch(text) for text in texts]
    return [match[1] for match in found if match] if found and all(found) else list(texts)


def plain_ids(values: Iterable[object], where: str) -> list[str]:
    """Return ids as text: ``17.0`` is ``17`` where all are so, as in a column that once had a gap.

    Parameters
    ----------
    values
        The ids of one table, none missing.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If two ids would become one, or are floats that do not tell whole numbers apart.

    Examples
    --------
    >>> plain_ids([17.0, 3.0], "rna"), plain_ids(["17.0", " 3.0"], "rna"), plain_ids(["007", "1.10"], "rna")
    (['17', '3'], ['17', '3'], ['007', '1.10'])
    """
    given = list(values)
    blurred = [value for value in given if isinstance(value, float) and abs(value) >= EXACT]
    if blurred:
        raise InputError(
            f"{where}: patient ids are floats beyond 2^53, which do not tell neighbours apart",
            expected="whole numbers or text",
            got=listed(blurred, 2),
            remedy="Write the ids as text.",
        )
    texts = [label(value) for value in given]
    made = whole(texts)
    refuse_merged(texts, made, where, "without .0")
    return made


def refuse_merged(before: Sequence[str], after: Sequence[str], where: str, how: str) -> None:
    """Refuse a form of ids in which two become one.

    Parameters
    ----------
    before, after
        The ids, and what became of each.
    where
        The modality, for messages.
    how
        What was done to them.

    Raises
    ------
    InputError
        If two different ids became one.
    """
    first: dict[str, str] = {}
    for old, new in zip(before, after, strict=True):
        if first.setdefault(new, old) != old:
            raise InputError(
                f"{where}: two ids become one {how}",
                expected="another id for each patient",
                got=f"{first[new]!r} and {old!r} as {new!r}",
                remedy="Mend the ids of the file, or declare another id: for it.",
            )


class IdForm(BaseModel):
    r"""The key ``id`` of a manifest or of a section: how its ids are brought into the form of the others.

    What is given is done in this order: ``replace``, ``pattern``, ``length``, ``case``, ``number``.

    Parameters
    ----------
    replace
        What stands for what, as ``{".": "-"}``.
    pattern
        A regular expression, searched for in the id; its group is the id, or all that it fits. Ids that it does not
        fit stay as they are.
    length
        So many characters from the start.
    case
        ``lower`` or ``upper``.
    number
        Without zeros in front of numbers, and ``.0`` behind: ``007`` and ``7.0`` are ``7``, ``P007`` is ``P7``.

    Examples
    --------
    >>> IdForm(length=12).of("TCGA-AA-0001-01A"), IdForm(number=True).of("007")
    ('TCGA-AA-0001', '7')
    >>> IdForm(pattern=r"^patient_(\d+)").of("patient_7_b")
    '7'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    replace: dict[str, str] = Field(default_factory=dict)
    pattern: str | None = None
    length: int | None = Field(default=None, ge=1)
    case: Literal["lower", "upper"] | None = None
    number: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self == IdForm.model_construct():
            raise ValueError("say replace, pattern, length, case or number")
        if "" in self.replace:
            raise ValueError("replace: needs characters to replace")
        try:
            groups = 0 if self.pattern is None else re.compile(self.pattern).groups
        except re.error as error:
            raise ValueError(f"pattern {self.pattern!r} is no regular expression ({error})") from error
        if groups > 1:
            raise ValueError(f"pattern {self.pattern!r} has {groups} groups: mark the id with one, others as (?:…)")
        return self

    def of(self, text: str) -> str:
        """Return an id in this form.

        Parameters
        ----------
        text
            The id as the file has it.
        """
        return self._spelled(self._cut(self._replaced(text.strip())))

    def column(self, texts: Sequence[str], where: str) -> list[str]:
        """Return the ids of a table in this form, or refuse it.

        Parameters
        ----------
        texts
            The ids of one table.
        where
            The modality, for messages.

        Raises
        ------
        InputError
            If the pattern fits none, or two ids become one other than by ``pattern`` and ``length``, which are there
            to bring several samples of one patient together.
        """
        replaced = [self._replaced(text.strip()) for text in texts]
        refuse_merged(texts, replaced, where, "by id: replace")
        if self.pattern is not None and texts and not any(re.search(self.pattern, text) for text in replaced):
            raise InputError(f"{where}: id: pattern {self.pattern!r} fits no id", got=listed(texts, 2))
        cut = [self._cut(text) for text in replaced]
        made = [self._spelled(text) for text in cut]
        refuse_merged(cut, made, where, "by id: case or number")
        return made

    def written(self) -> str:
        """Return the key as a manifest has it.

        Examples
        --------
        >>> IdForm(pattern="^(TCGA-..-....)", case="upper").written()
        "id: {pattern: '^(TCGA-..-....)', case: upper}"
        """
        parts = []
        if self.replace:
            pairs = (f"{_quoted(old)}: {_quoted(new)}" for old, new in self.replace.items())
            parts.append(f"replace: {{{', '.join(pairs)}}}")
        if self.pattern is not None:
            parts.append(f"pattern: {_quoted(self.pattern)}")
        if self.length is not None:
            parts.append(f"length: {self.length}")
        if self.case is not None:
            parts.append(f"case: {self.case}")
        if self.number:
            parts.append("number: true")
        return f"id: {{{', '.join(parts)}}}"

    def _replaced(self, text: str) -> str:
        for old, new in self.replace.items():
            text = text.replace(old, new)
        return text

    def _cut(self, text: str) -> str:
        found = None if self.pattern is None else re.search(self.pattern, text)
        if found is not None:
            text = found[found.re.groups] or text
        return text if self.length is None else text[: self.length]

    def _spelled(self, text: str) -> str:
        if self.case is not None:
            text = text.lower() if self.case == "lower" else text.upper()
        return whole([_ZEROS.sub("", text)])[0] if self.number else text


class Formed(Collection[str]):
    """The ids, as files have them, of some patients: those that are one of the patients in their form.

    Parameters
    ----------
    form
        The form.
    patients
        The patients.

    Examples
    --------
    >>> "patient_7" in Formed(IdForm(pattern="^patient_(.+)"), {"7"}), "7_b" in Formed(IdForm(length=1), {"8"})
    (True, False)
    """

    def __init__(self, form: IdForm, patients: Collection[str]) -> None:
        self.form, self.patients = form, patients

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and self.form.of(text) in self.patients

    def __iter__(self) -> Iterator[str]:
        return iter(self.patients)

    def __len__(self) -> int:
        return len(self.patients)


def formed(ids: Iterable[object], form: IdForm | None, where: str) -> list[str]:
    """Return ids as text in the form that is declared for them.

    Parameters
    ----------
    ids
        The ids of one table, none missing.
    form
        The form; None: as they are.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If two ids become one that should not.

    Examples
    --------
    >>> formed([17.0, 3.0], None, "rna"), formed(["007"], IdForm(number=True), "rna")
    (['17', '3'], ['7'])
    """
    texts = plain_ids(ids, where)
    return texts if form is None else form.column(texts, where)


def formed_rows(ids: Iterable[object], form: IdForm | None, where: str) -> list[str | None]:
    """Return the ids of rows as :func:`formed` does, None where a row has none.

    Parameters
    ----------
    ids
        The ids, None or nothing written where a row is nobody's.
    form, where
        As :func:`formed` takes them.

    Raises
    ------
    InputError
        If two ids become one that should not.

    Examples
    --------
    >>> formed_rows([7, None, " "], None, "rna")
    ['7', None, None]
    """
    given = list(ids)
    there = [value is not None and label(value) != "" for value in given]
    made = iter(formed([value for value, here in zip(given, there, strict=True) if here], form, where))
    return [next(made) if here else None for here in there]


def with_ids(frame: pd.DataFrame, key: str | None, form: IdForm | None, where: str) -> pd.DataFrame:
    """Return a table whose patient ids are in the form that is declared for them.

    Parameters
    ----------
    frame
        The table.
    key
        The column of patient ids; None if the index holds them.
    form
        The form; None: the table as it is.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If two ids become one that should not.

    Examples
    --------
    >>> import pandas as pd
    >>> with_ids(pd.DataFrame({"id": ["007", None]}), "id", IdForm(number=True), "rna")["id"].tolist()
    ['7', None]
    """
    import pandas as pd

    if form is None or (key is not None and key not in frame.columns):
        return frame
    cells = frame.index if key is None else frame[key]
    ids = formed_rows([cell if there else None for cell, there in zip(cells, cells.notna(), strict=True)], form, where)
    if key is None:
        return frame.set_axis(pd.Index(ids, dtype=object), axis=0)
    return frame.assign(**{key: pd.Series(ids, index=frame.index, dtype=object)})


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
