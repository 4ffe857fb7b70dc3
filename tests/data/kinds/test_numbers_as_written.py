"""One number in several forms: every reader takes it for that number, or refuses it; none for another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mmlego.data import Cohort
from mmlego.errors import InputError

IDS = [f"p{n}" for n in range(6)]


def rows(cell: str) -> list[str]:
    return [cell, *(f"{n}{',' if ',' in cell else '.'}5" for n in range(1, 6))]


def table(folder: Path, cell: str) -> tuple[str, Callable[[Cohort], float]]:
    (folder / "m.csv").write_text("\n".join(["id;x", *(f"{i};{c}" for i, c in zip(IDS, rows(cell), strict=True))]))
    return "{kind: table, file: m.csv}", lambda cohort: cohort.frames["m"].loc["p0", "x"]


def omics(folder: Path, cell: str) -> tuple[str, Callable[[Cohort], float]]:
    section, value = table(folder, cell)
    return section.replace("table", "omics"), value


def genes_in_rows(folder: Path, cell: str) -> tuple[str, Callable[[Cohort], float]]:
    (folder / "m.csv").write_text(f"gene;{';'.join(IDS)}\nx;{';'.join(rows(cell))}\n")
    return "{kind: omics, file: m.csv, genes: rows}", lambda cohort: cohort.frames["m"].loc["p0", "x"]


def series(folder: Path, cell: str) -> tuple[str, Callable[[Cohort], float]]:
    lines = [f"{i};0;{c}" for i, c in zip(IDS, rows(cell), strict=True)]
    (folder / "m.csv").write_text("\n".join(["id;time;x", *lines]))
    section = "{kind: series, layout: wide, file: m.csv, cache: false}"
    return section, lambda cohort: cohort.frames["m"].loc["p0", "stay"].value[0]


def outcome(folder: Path, cell: str) -> tuple[str, Callable[[Cohort], float]]:
    section, _ = table(folder, "1.5")
    (folder / "o.csv").write_text("\n".join(["id;y", *(f"{i};{c}" for i, c in zip(IDS, rows(cell), strict=True))]))
    return section, lambda cohort: cohort.outcome.loc["p0", "y"]  # type: ignore[union-attr]


READERS = {"table": table, "omics": omics, "genes in rows": genes_in_rows, "series": series, "outcome": outcome}
FORMS = {
    "1234.5": 1234.5,
    "1'234.5": 1234.5,
    "1\u00a0234.5": 1234.5,
    "\u2212234.5": -234.5,
    "1'234,5": 1234.5,
    "1.5e3": 1500.0,
    "1,5e3": 1500.0,
    " 7.25 ": 7.25,
    "007.5": 7.5,
    "1.234,5": 1234.5,
    "1,234.5": 1234.5,
    "1 234.5": 1234.5,
    "12 mg": None,
    "9.5%": None,
    "0x1F": None,
    "1_000": 1000.0,
    "2×10³": None,
    "4.5*": None,
    "1-2": None,
    "(5.2)": None,
    "5 - 10": None,
    "> 5": None,
    "inf": None,
    "∞": None,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("form", FORMS)
def test_a_number_is_that_number_or_refused(form: str, reader: str, tmp_path: Path) -> None:
    section, value = READERS[reader](tmp_path, form)
    decimal = "decimal: ',', " if "," in form.replace("1,234.5", "") else ""
    known = f"outcome: {{task: regression, file: o.csv, {decimal}target: y}}\n" if reader == "outcome" else ""
    (tmp_path / "c.yaml").write_text(f"key: id\n{known}modalities:\n  m: {section}\n")
    try:
        cohort = Cohort.from_manifest(tmp_path / "c.yaml")
        cohort.prepare(cohort.patients)
    except InputError:
        return
    assert value(cohort) == FORMS[form]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("form", [form for form in FORMS if form[1:5] in ("'234", "\u00a0234") or form[0] == "\u2212"])
def test_forms_that_can_only_be_one_number_are_read(form: str, reader: str, tmp_path: Path) -> None:
    if (reader, form) == ("series", "1'234,5"):
        return  # refused, as a decimal comma beside another word is in a table of stays
    section, value = READERS[reader](tmp_path, form)
    known = (
        "outcome: {task: regression, file: o.csv, decimal: ',', target: y}\n"
        if "," in form
        else "outcome: {task: regression, file: o.csv, target: y}\n"
    )
    (tmp_path / "c.yaml").write_text(f"key: id\n{known if reader == 'outcome' else ''}modalities:\n  m: {section}\n")
    assert value(Cohort.from_manifest(tmp_path / "c.yaml")) == FORMS[form]


@pytest.mark.parametrize("reader", READERS)
def test_a_point_among_decimal_commas_is_no_decimal_point(reader: str, tmp_path: Path) -> None:
    section, value = READERS[reader](tmp_path, "2,5")
    for file in ("m.csv", "o.csv"):
        if (tmp_path / file).exists() and (reader != "outcome" or file == "o.csv"):
            text = (tmp_path / file).read_text()
            (tmp_path / file).write_text(text.replace("2,5", "2.941", 1))
    known = "outcome: {task: regression, file: o.csv, decimal: ',', target: y}\n" if reader == "outcome" else ""
    (tmp_path / "c.yaml").write_text(f"key: id\n{known}modalities:\n  m: {section}\n")
    if reader == "outcome":  # where it is declared that commas are decimal, points part thousands
        assert value(Cohort.from_manifest(tmp_path / "c.yaml")) == 2941
        return
    with pytest.raises(InputError, match=r"2\.941" if reader != "series" else "no numbers.*decimal: ','"):
        Cohort.from_manifest(tmp_path / "c.yaml")
