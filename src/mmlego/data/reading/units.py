"""Units beside numbers: what was measured in two of them is not one column of numbers, and nothing converts it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mmlego.wording import label, listed

if TYPE_CHECKING:
    import pandas as pd

# Columns that say the unit of a value, as MIMIC, eICU and OMOP call them; and such as may be wards.
_SURE = (
    "valueuom",
    "uom",
    "labmeasurenamesystem",
    "labmeasurenameinterface",
    "unitsourcevalue",
    "unitconceptid",
    "unitofmeasure",
    "valueunit",
    "valueunits",
    "resultunit",
    "resultunits",
    "valuequantityunit",
    "ucum",
    "ucumcode",
)
_LIKELY = ("unit", "units", "einheit", "unite")
_CDISC = ("orres", "stresn")  # LBORRES has its unit in LBORRESU, LBSTRESN in LBSTRESU
_LIKE_UNITS = re.compile(
    r".*[/%°^].*|[munpfdckµμ]?(g|l|mol|m|eq|iu|u|s|pa|osm|cal|j)|mmhg|cmh2o|kg|lbs?|oz|in|inch(es)?|ft|bpm|[cfk]|"
    r"(sec|min|hour|day|week|month|year)s?|h|d|ratio|fraction|percent",
    re.IGNORECASE,
)

_ENDED = re.compile(r"(?P<name>.+?)(//(?P<code>(?:(?!//).)+)|\s*[\[(](?P<bracket>[^\[\]()]+)[\])])")


def unit_column(names: Sequence[str], value: str) -> str | None:
    """Return the column that says in which unit a value is; None if there is none.

    Parameters
    ----------
    names
        The columns, in order.
    value
        The column of values.

    Examples
    --------
    >>> unit_column(["subject_id", "itemid", "valuenum", "valueuom"], "valuenum")
    'valueuom'
    >>> unit_column(["id", "crp", "crp_unit", "ldh", "unit"], "crp"), unit_column(["id", "age"], "age")
    ('crp_unit', None)
    """
    return unit_columns(names, [value]).get(value)


def unit_columns(names: Sequence[str], values: Collection[str]) -> dict[str, str]:
    """Return the columns that say in which unit values are, as :func:`unit_column` does, by the columns of values.

    Parameters
    ----------
    names
        The columns, in order; each is looked at once.
    values
        The columns of values; those that are no columns have none.

    Examples
    --------
    >>> unit_columns(["id", "crp", "crp_unit", "ldh", "unit", "age"], ["crp", "ldh", "age", "sex"])
    {'crp': 'crp_unit', 'ldh': 'unit'}
    """
    forms = list(map(_plain, names))
    if not any(form.endswith((*_LIKELY, *_SURE, "orresu", "stresu")) for form in forms):
        return {}
    plain = dict(zip(reversed(forms), reversed(names), strict=True))
    place = {name: number for number, name in reversed(list(enumerate(names)))}
    found = {}
    for value in values:
        if value not in place:
            continue
        form = forms[place[value]]
        own = [f"{form}{word}" for word in (*_LIKELY, "uom")]
        own += [f"{form}u", f"{form[:-1]}u"] if form.endswith(_CDISC) else []
        after = place[value] + 1
        if (beside := next((plain[name] for name in own if name in plain), None)) is not None:
            found[value] = beside
        elif after < len(names) and forms[after] in (*_SURE, *_LIKELY):
            found[value] = names[after]
    return found


def unit_of_rows(names: Sequence[str], value: str) -> str | None:
    """Return the column that says in which unit the value of a row a measurement is, wherever it stands.

    Parameters
    ----------
    names
        The columns.
    value
        The column of values.

    Examples
    --------
    >>> unit_of_rows(["patient", "unit", "test", "result"], "result")
    'unit'
    """
    plain = {_plain(name): name for name in reversed(names) if name != value}
    return unit_column(names, value) or next((plain[name] for name in (*_SURE, *_LIKELY) if name in plain), None)


def two_units(variables: pd.Series, units: pd.Series, wanted: Collection[str] | None = None) -> str | None:
    """Return which variables are in two units, as a doubt; None if each is in one.

    Parameters
    ----------
    variables
        What was measured in each row that has a value.
    units
        The unit beside it, missing where there is none; ``mg/dL`` and ``MG/DL`` are one, as are ``µg`` and ``mcg``.
    wanted
        The variables that are looked at; None: all.

    Examples
    --------
    >>> import pandas as pd
    >>> two_units(pd.Series(["Na", "Crea", "Crea"]), pd.Series(["mmol/L", "mg/dL", "umol/L"]))
    "two units of one variable, whose numbers count as if of one (Crea: 'mg/dL' 1×, 'umol/L' 1×): convert them"
    >>> two_units(pd.Series(["HR", "HR"]), pd.Series(["MICU", "SICU"])) is None  # wards
    True
    """
    import pandas as pd

    counts = pd.DataFrame({"what": variables.to_numpy(), "unit": units.to_numpy()}).value_counts(sort=False)
    pairs = zip(counts.index.tolist(), counts.tolist(), strict=True)
    often = {(str(label(what)), str(label(unit))): int(count) for (what, unit), count in pairs}
    return mixed_units(often, wanted, sure=_plain(str(units.name)) in _SURE)


def mixed_units(
    counts: Mapping[tuple[str, str], int], wanted: Collection[str] | None = None, *, sure: bool = False
) -> str | None:
    """Return which variables are in two units, as :func:`two_units` does.

    Parameters
    ----------
    counts
        How often each unit stands beside values of each variable.
    wanted
        The variables that are looked at; None: all.
    sure
        Whether whatever stands there is a unit; else it has to look like one.

    Examples
    --------
    >>> mixed_units({("Temp", "C"): 9, ("Temp", "F"): 1, ("Temp", ""): 2})
    "two units of one variable, whose numbers count as if of one (Temp: 'C' 9×, 'F' 1×): convert them"
    """
    found: dict[str, dict[str, tuple[str, int]]] = {}
    for (what, unit), count in counts.items():
        word, forms = unit.strip(), found.setdefault(what, {})
        if word:
            first, before = forms.get(_form(word), (word, 0))
            forms[_form(word)] = (first, before + count)
    mixed = {
        what: sorted(forms.values(), key=lambda pair: -pair[1])
        for what, forms in found.items()
        if len(forms) > 1
        and (wanted is None or what in wanted)
        and (sure or all(_LIKE_UNITS.fullmatch(word) for word, _ in forms.values()))
    }
    if not mixed:
        return None
    said = listed(f"{what}: {listed(f'{word!r} {count}×' for word, count in words)}" for what, words in mixed.items())
    return f"two units of one variable, whose numbers count as if of one ({said}): convert them"


def units_in_names(names: Iterable[str]) -> str | None:
    """Return which names differ in the unit alone that they end with, as codes of MEDS do; None if none do.

    Parameters
    ----------
    names
        Those of variables, as ``LAB//50912//mg/dL`` or ``Temp [C]``.

    Examples
    --------
    >>> units_in_names(["LAB//50912//mg/dL", "LAB//50912//umol/L", "LAB//50971//mEq/L", "Temp [C]"])
    "variables that differ in their unit alone (LAB//50912: 'mg/dL', 'umol/L')"
    """
    found: dict[str, dict[str, str]] = {}
    for name in names:
        if ended := _ENDED.fullmatch(name):
            unit = (ended["code"] or ended["bracket"]).strip()
            if _LIKE_UNITS.fullmatch(unit):
                found.setdefault(ended["name"].strip(), {}).setdefault(_form(unit), unit)
    said = [f"{name}: {listed(map(repr, units.values()))}" for name, units in found.items() if len(units) > 1]
    return f"variables that differ in their unit alone ({listed(said, 4)})" if said else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _form(unit: str) -> str:
    plain = re.sub(r"\s", "", unit.casefold()).replace("µ", "u").replace("μ", "u")
    return re.sub(r"(?<![a-z])mc(?=[gl])", "u", plain)
