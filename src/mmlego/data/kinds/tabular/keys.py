"""The keys of a section that say what columns of a table are."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from mmlego.data.reading.column_rules import ColumnRules
from mmlego.data.reading.dates import DateRule
from mmlego.wording import label, listed

Word = bool | int | float | str


def _listed(value: object) -> object:
    return [value] if isinstance(value, Word) else value


def _listed_by_column(value: object) -> object:
    return {name: _listed(words) for name, words in value.items()} if isinstance(value, dict) else _listed(value)


def _written(value: object) -> object:
    words = _listed(value)
    return [label(word) if isinstance(word, Word) else word for word in words] if isinstance(words, list) else words


Several = Word | list[Word]  # what may be written, and what a JSON Schema says of it
Words = Annotated[list[Word], BeforeValidator(_listed, json_schema_input_type=Several)]  # one alone is a list of one
Texts = Annotated[list[str], BeforeValidator(_written, json_schema_input_type=Several)]  # numbers as they are written


class ColumnKeys(BaseModel):
    """What a section may say of its columns, each a name or a glob.

    Parameters
    ----------
    missing
        Words that mean that nothing is known, beside the usual ones: of all columns, or by column. In a column of words
        those given by column are the only ones.
    numeric
        Columns that are numbers: most of their values need not be, and they may tell patients apart.
    categories
        Columns whose values are words, numbers among them; ``None`` and ``NA`` are words, too.
    dates
        By column of dates what it becomes: ``{since: OTHER, unit: days}`` or ``{before: OTHER, unit: years}``.
    decimal
        The decimal sign, ``.`` or ``,``, of all columns or by column; the other one parts thousands.

    Examples
    --------
    >>> keys = ColumnKeys(missing=["> 89", -9], categories="stage")
    >>> keys.rules().missing, keys.rules().categories
    ({'*': ('> 89', '-9')}, ('stage',))
    """

    missing: Annotated[
        list[Word] | dict[str, list[Word]],
        BeforeValidator(_listed_by_column, json_schema_input_type=Several | dict[str, Several]),
    ] = Field(default_factory=list)
    numeric: str | list[str] = Field(default_factory=list)
    categories: str | list[str] = Field(default_factory=list)
    dates: dict[str, DateRule] = Field(default_factory=dict)
    decimal: Literal[".", ","] | dict[str, Literal[".", ","]] | None = None

    @model_validator(mode="after")
    def _check_once(self) -> Self:
        rules = self.rules()
        said = [*rules.numeric, *rules.categories, *rules.dates]
        twice = [name for name in dict.fromkeys(said) if said.count(name) > 1]
        if twice:
            raise ValueError(f"a column is one of numeric, categories, dates: {listed(twice)} is declared twice")
        return self

    def rules(self) -> ColumnRules:
        """Return what the keys say."""
        missing = self.missing if isinstance(self.missing, dict) else {"*": self.missing} if self.missing else {}
        decimal = self.decimal if isinstance(self.decimal, dict) else {"*": self.decimal} if self.decimal else {}
        return ColumnRules(
            {name: tuple(label(word) for word in words) for name, words in missing.items()},
            _several(self.numeric),
            _several(self.categories),
            self.dates,
            {name: str(sign) for name, sign in decimal.items()},
        )

    def as_text(self) -> set[str]:
        """Return the columns that are to be read as they are written, as names and globs."""
        dates = {name for column, rule in self.dates.items() for name in (column, rule.other)}
        return {*_several(self.categories), *dates, *self.rules().decimal}


def _several(names: str | list[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
