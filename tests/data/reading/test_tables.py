from __future__ import annotations

import datetime
import gzip
import re
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmlego.data.reading import delimited, files
from mmlego.data.reading.tables import TableFile, read_table
from mmlego.errors import InputError

CSV = "id,age,sex\n007,50,f\n8,,m\n"


def put(path: Path, text: str = CSV) -> Path:
    """Write text as the name of the file asks."""
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.csv", text)
    else:
        path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "a.csv.gz", "a.csv.zip", "a.tsv", "a.tsv.gz", "a.tsv.zip"])
def test_every_kind_of_text(name: str, tmp_path: Path) -> None:
    text = CSV.replace(",", "\t") if ".tsv" in name else CSV
    frame = read_table(put(tmp_path / name, text), key="id")
    assert frame["id"].tolist() == ["007", "8"]  # as text, zeros and all
    assert frame["age"].isna().tolist() == [False, True]
    assert frame["sex"].tolist() == ["f", "m"]


def parquet(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_an_index_that_pandas_put_into_parquet_is_a_column(tmp_path: Path) -> None:
    table = pd.DataFrame({"age": [50], "sex": pd.Categorical(["f"])}, index=pd.Index(["a"], name="id"))
    table.to_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet", key="id").to_dict("list") == {"age": [50], "sex": ["f"], "id": ["a"]}


def test_ids_of_parquet_beyond_2_53_beside_a_null_stay_apart(tmp_path: Path) -> None:
    ids = [2**53 + 1, 2**53, 5, None]
    path = parquet(tmp_path / "a.parquet", id=pa.array(ids, pa.int64()), site=pa.array(ids, pa.int64()), age=[1.0] * 4)
    frame = read_table(path, key="id", text=["s*"])
    for name in ("id", "site"):
        assert frame[name].tolist()[:3] == ["9007199254740993", "9007199254740992", "5"]
        assert frame[name].isna().tolist() == [False, False, False, True]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_only_the_wanted_columns_are_read(suffix: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["a"], "tox_1": [1], "age": [50], "tox_2": [0], "x[1]": [2]})
    if suffix == ".csv":
        table.to_csv(tmp_path / "a.csv", index=False)
    else:
        table.to_parquet(tmp_path / "a.parquet")
    frame = read_table(tmp_path / f"a{suffix}", key="id", text=["tox_*"], only=["tox_*", "x[1]"])
    assert frame.to_dict("list") == {"id": ["a"], "tox_1": ["1"], "tox_2": ["0"], "x[1]": [2]}


def test_parquet_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the table 'a\.parquet': .*: expected a whole Parquet file"):
        read_table(put(tmp_path / "a.parquet"), key="id")


def test_parquet_of_a_type_that_pyarrow_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:  # as of a damaged schema
        raise pa.ArrowNotImplementedError("Integers with more than 64 bits not implemented")

    monkeypatch.setattr("pyarrow.parquet.ParquetFile", unknown)
    with pytest.raises(InputError, match=r"'a\.parquet': Integers with more than 64 bits .*: expected a whole Parquet"):
        read_table(put(tmp_path / "a.parquet"), key="id")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "patient,age\nx,1\n", "'a.csv' has no key column 'id'. Known: patient, age"),
        ("a.csv", "", "cannot read the table 'a.csv'"),
        ("a.csv", 'id,age\nx,"1\n', "cannot read the table 'a.csv'"),
        ("a.csv", "id,age\nx,1,2,3\ny,1\n", "cannot read the table 'a.csv'|more columns than names"),
        ("a.csv", "id,age\nx,1,2\ny,1,3\n", "more columns than names in its first line"),
        ("a.csv", "id,age,age\nx,1,2\n", r"columns of the same name \(age\)"),
        ("a.xls", CSV, "'a.xls' is of a kind that is not read: expected one of .csv, .csv.gz"),
    ],
)
def test_bad_text(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_table(put(tmp_path / name, text), key="id")


def test_text_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id,name\nx,Müller\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"cannot read the table 'a\.csv'.*expected text in UTF-8"):
        read_table(path, key="id")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zip"])
@pytest.mark.parametrize("keep", [0.4, 0.9])
def test_truncated_archives(name: str, keep: float, tmp_path: Path) -> None:
    path = put(tmp_path / name, CSV * 100)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(InputError, match=rf"cannot unpack '{name}'"):
        read_table(path, key="id")


def test_text_that_is_named_as_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.zip"
    path.write_text(CSV)
    with pytest.raises(InputError, match="cannot unpack"):
        read_table(path, key="id")


def test_an_archive_of_several_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", CSV)
        archive.writestr("b.csv", CSV)
    with pytest.raises(InputError, match=r"'a\.csv\.zip' is ambiguous: expected one file in it, got a\.csv, b\.csv"):
        read_table(tmp_path / "a.csv.zip", key="id")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zip"])
def test_an_archive_that_grows_too_large(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FREE_BYTES", 2**20)
    bomb = put(tmp_path / name, "id\n" + "0" * 3 * 2**20)
    with pytest.raises(InputError, match=rf"'{name}' grows too large when unpacked: expected at most 1048576 bytes"):
        read_table(bomb, key="id")
    monkeypatch.setattr(files, "FREE_BYTES", 2**23)
    assert len(read_table(bomb, key="id")) == 1
    monkeypatch.setattr(files, "MOST_BYTES", 2**21)
    with pytest.raises(InputError, match="at most 2097152 bytes"):
        read_table(bomb, key="id")


def texts(
    tmp_path: Path, name: str, content: str | bytes, **how: object
) -> tuple[dict[str, list[object]], tuple[str, ...]]:
    """Return the columns of a file with this content, and what is said of it."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = TableFile(path, "id")
    frame = table.frame(**how)  # type: ignore[arg-type]
    return frame.astype(object).where(frame.notna(), None).to_dict("list"), table.notes


@pytest.fixture(params=["few columns", "very many"])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read as tables of few columns are read, and as those of very many."""
    if request.param == "very many":
        monkeypatch.setattr(delimited, "WIDE", 1)


SEMICOLONS = "read with semicolons between cells"
COMMAS = "read with decimal commas, as 3,5 for 3.5"
TABS = "read with tabs between cells"


@pytest.mark.usefixtures("width")
@pytest.mark.parametrize(
    ("name", "content", "expected", "notes"),
    [
        ("a.csv", "\ufeffid;crp\nP1;3,5\nP2;0,125\n", {"crp": [3.5, 0.125]}, (SEMICOLONS, COMMAS)),
        ("a.tsv", "id\tcrp\nP1\t3,5\nP2\t\n", {"crp": [3.5, None]}, (COMMAS,)),
        ("a.csv", "sep=;\nid;age\nP1;3\nP2;4\n", {"age": [3, 4]}, (SEMICOLONS,)),
        ("a.psv", "id|HR\nP1|NaN\nP2|5\n", {"HR": [None, 5]}, ()),
        ("a.csv", "id\tage\nP1\t3\nP2\t4\n", {"age": [3, 4]}, (TABS,)),
        ("a.txt", '"id" "age"\n"P1" 50\n"P2" 60\n', {"age": [50, 60]}, ()),
        ("a.csv", "id\tage\nP1\t3\nP2\t4\n".encode("utf-16"), {"age": [3, 4]}, (TABS,)),
        ("a.csv", "id,age\rP1,3\rP2,4\r", {"age": [3, 4]}, ()),
        ("a.csv", "id,age\r\nP1,3\r\n\r\nP2,4", {"age": [3, 4]}, ()),
        ("a.csv", 'id,note\nP1,"a, b\nc ""d"""\nP2,e\n', {"note": ['a, b\nc "d"', "e"]}, ()),
        ("a.csv", "id,age,\nP1,3,\nP2,4,\n", {"age": [3, 4], "Unnamed: 2": [None, None]}, ()),
        ("a.csv", "id,site\nP1,007\nP2,12\n", {"site": ["007", "12"]}, ()),
        (
            "a.csv",
            "id,x\nP1,12345678901234567\nP2,12345678901234568\n",
            {"x": ["12345678901234567", "12345678901234568"]},
            (),
        ),
        ("a.csv", "id,x\nP1,TRUE\nP2,FALSE\n", {"x": [True, False]}, ()),
        ("a.csv", "id,x\nP1,None\nP2,NA\n", {"x": [None, None]}, ()),  # nothing but words for missing
        ("a.csv", "id,x\nP1,None\nP2,mild\n", {"x": ["None", "mild"]}, ()),
    ],
)
def test_dialects(
    name: str, content: str | bytes, expected: dict[str, list[object]], notes: tuple[str, ...], tmp_path: Path
) -> None:
    assert texts(tmp_path, name, content) == ({"id": ["P1", "P2"], **expected}, notes)


@pytest.mark.usefixtures("width")
@pytest.mark.usefixtures("width")
@pytest.mark.usefixtures("width")
@pytest.mark.usefixtures("width")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "#Patient\tAge\n#STRING\tNUMBER\nid\tage\nP1\t3\n",
            "2 lines that begin with # above the names of the columns left out",
        ),
        ("#id\tage\nP1\t3\n", None),  # the line of names may itself begin so
        ("## made by hand\n#id\tage\nP1\t3\n", "1 line that begins with # above the names of the columns left out"),
        ("Ages of patients\n\nid\tage\nP1\t3\n", "2 lines above the names of the columns left out"),
    ],
)
def test_lines_above_the_names(content: str, said: str | None, tmp_path: Path) -> None:
    found, notes = texts(tmp_path, "data_clinical_patient.txt", content)
    assert found == {"id": ["P1"], "age": [3]}
    assert notes == (() if said is None else (said,))


def test_a_column_that_turns_out_to_be_text_is_text_from_the_first_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmlego.data.reading.rows.PIECE_BYTES", 64)
    monkeypatch.setattr("mmlego.data.reading.rows.PIECE_ROWS", 1)
    rows = [f"P{i},{i},{i / 4},x" for i in range(300)]
    rows[250] = "P250,> 89,[Not Available],x"
    found, _ = texts(tmp_path, "a.csv", "id,age,dose,w\n" + "\n".join(rows))
    assert found["age"] == [*map(str, range(250)), "> 89", *map(str, range(251, 300))]
    assert found["dose"] == ["[Not Available]" if i == 250 else str(i / 4) for i in range(300)]
    assert found["id"] == [f"P{i}" for i in range(300)]


@pytest.mark.usefixtures("width")
def test_numbers_of_many_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmlego.data.reading.rows.PIECE_BYTES", 1000)
    monkeypatch.setattr("mmlego.data.reading.rows.PIECE_ROWS", 1)
    values = np.random.default_rng(0).normal(size=(400, 7)).round(4)
    table = pd.DataFrame(values, columns=list("abcdefg")).assign(id=[f'P"{i}"\n' for i in range(400)])
    table.iloc[3, 2] = np.nan
    table.to_csv(tmp_path / "a.csv", index=False)
    frame = read_table(tmp_path / "a.csv", "id")
    np.testing.assert_array_equal(frame[list("abcdefg")].to_numpy(), table[list("abcdefg")].to_numpy())
    assert list(frame) == list(table)


def test_lines_that_leave_out_their_last_cells(tmp_path: Path) -> None:
    found, notes = texts(tmp_path, "a.tsv", "id\ta\tb\nP1\t1\nP2\t2\t5\nP3\n")
    assert found == {"id": ["P1", "P2", "P3"], "a": [1, 2, None], "b": [None, 5, None]}
    assert notes == ("2 lines with fewer cells than there are columns, the others taken as empty",)
    with pytest.raises(InputError, match=r"1 line of another number of cells.*expected 3 cells, got 2 in 'P2"):
        texts(tmp_path, "cut.csv", "id,a,b\nP1,1,2\nP2,4")  # the file may have been cut off here
    found, _ = texts(tmp_path, "quoted.tsv", 'id\ta\tb\nP1\t"x\ty"\nP2\t"u\nv"\t5\n\nP3\t"w"\n')
    assert found == {"id": ["P1", "P2", "P3"], "a": ["x\ty", "u\nv", "w"], "b": [None, 5, None]}
    with pytest.raises(InputError, match=r"got 4 in 'P9"):
        texts(tmp_path, "more.csv", "id,a,b\n" + "P1,1,2\n" * 200 + "P9,1,2,3\n")


def test_columns_of_one_file_in_several_forms(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", "id,code,x\n7,01,1\n8,1,2\n")
    table = TableFile(path, "id")
    assert table.frame(text=["x"], only=["x"]).to_dict("list") == {"id": ["7", "8"], "x": ["1", "2"]}
    assert table.frame(text=["co*"]).to_dict("list") == {"id": ["7", "8"], "code": ["01", "1"], "x": [1, 2]}
    assert table.frame(only=["x"]).to_dict("list") == {"id": ["7", "8"], "x": [1, 2]}


def test_separators_that_both_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cells may be parted by any of commas, semicolons.*all lines agree"):
        TableFile(put(tmp_path / "a.csv", "a,b;c;d\n1,2;3;4\n"), "id")
    assert texts(tmp_path, "b.csv", "id;a,b\nP1;3,4\n")[0] == {"id": ["P1"], "a,b": [3.4]}  # the key tells


def test_row_names_that_pandas_leaves_unnamed_in_parquet(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["a", "b", "c"], "x": [1.5, 2.5, 3.5]})
    table.iloc[[2, 0, 1]].to_parquet(tmp_path / "a.parquet")
    assert list(read_table(tmp_path / "a.parquet", "id")) == ["id", "x", "Unnamed: 0"]


def workbook(path: Path, **sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_excel(tmp_path: Path) -> None:
    seen = datetime.datetime(2020, 1, 31)
    rows = [
        ["Patients of 2020"],
        [],
        ["id", "age", "seen", "code", "ok"],
        ["007", 50, seen, 1, True],
        [8, None, None, "x", False],
    ]
    table = TableFile(workbook(tmp_path / "a.xlsx", About=[["nothing"]], Data=rows), "id")
    frame = table.frame(text=["code"])
    assert frame.astype(object).where(frame.notna(), None).to_dict("list") == {
        "id": ["007", "8"],
        "age": [50, None],
        "seen": ["2020-01-31", None],
        "code": ["1", "x"],
        "ok": [True, False],
    }
    assert table.notes == ("sheet 'Data' is read, not 'About'", "2 rows above the names of the columns left out")


def test_excel_that_cannot_be_read(tmp_path: Path) -> None:
    rows = [["id", "x"], ["a", "=1+1"]]
    path = workbook(tmp_path / "a.xlsx", One=rows, Two=rows)
    with pytest.raises(InputError, match=r"several sheets have a column 'id' \(One, Two\).*as file.xlsx#One"):
        TableFile(path, "id")
    with pytest.raises(InputError, match=r"no sheet 'Three'.*One, Two"):
        TableFile(path, "id", sheet="Three")
    with pytest.raises(InputError, match=r"formulas that were never computed in x"):
        TableFile(path, "id", sheet="Two")
    with pytest.raises(InputError, match=r"cannot read the table 'b\.xlsx'.*expected a whole, unencrypted .xlsx"):
        TableFile(put(tmp_path / "b.xlsx"), "id")


def test_one_formula_that_was_never_computed_is_refused_and_one_that_came_out_empty_is_not(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", One=[["id", "x", "y"], ["a", 1, "=B2*2"], ["b", 2, 5]])
    with pytest.raises(InputError, match=r"formulas that were never computed in y \(C2\)"):
        TableFile(path, "id")
    part = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    sheet = re.sub(rb'<c r="C2"[^>]*>', b'<c r="C2" t="str">', parts[part])  # as Excel writes =IF(B2>1,"high","")
    assert sheet != parts[part]
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w") as new:
        for name, content in (parts | {part: sheet}).items():
            new.writestr(name, content)
    assert TableFile(tmp_path / "b.xlsx", "id").frame()["y"].tolist() == pytest.approx([np.nan, 5], nan_ok=True)


def test_what_to_do_with_a_table_without_the_key(tmp_path: Path) -> None:
    matrix = put(tmp_path / "genes.csv", "gene,P001,P002-01\nTP53,1,2\n")
    with pytest.raises(InputError, match=r"patients stand in its columns.*P001, P002-01\..*omics with genes: rows"):
        TableFile(matrix, "id", patients=["P001", "P002"])
    with pytest.raises(InputError, match=r"Its first column has no name: give it the name 'id'"):
        TableFile(put(tmp_path / "a.csv", ",x\nP1,2\n"), "id")
    with pytest.raises(InputError, match=r"Known: patient, x"):
        TableFile(put(tmp_path / "b.csv", "patient,x\nP1,2\n"), "id", patients=["P1"])


def test_the_remedy_of_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("id,größe\nP1,2\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"expected text in UTF-8\. Save it as UTF-8"):
        TableFile(tmp_path / "a.csv", "id")


def test_utf16_that_is_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv"
    path.write_bytes("id,age\na,40\n".encode("utf-16")[:-1])
    with pytest.raises(InputError, match=r"cut\.csv"):
        read_table(path, "id")


SWALLOWED = 'id,age,note\nP1,50,"x\nP2,60,y\nP3,61,z"\nP4,62,w\n'


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_rows_that_a_quotation_mark_swallows_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"swallows 2 rows \(P2, P3\).*got one that begins with 'P1,50,\"x'"):
        read_table(put(tmp_path / name, SWALLOWED), key="id")
    one = SWALLOWED.replace('P2,60,y\nP3,61,z"', 'P2,60,y"')  # a row alone, whose end closes the cell
    with pytest.raises(InputError, match=r"swallows 1 row \(P2\)"):
        read_table(put(tmp_path / name, one), key="id")


def test_texts_of_several_lines_are_one_cell(tmp_path: Path) -> None:
    text = 'id,age,note\nP1,50,"two lines,\nthe second, with two commas, and\nP4,62,w"\nP2,60,"a ""word"""\nP4,62,w\n'
    frame = read_table(put(tmp_path / "a.csv", text), key="id")
    assert frame["id"].tolist() == ["P1", "P2", "P4"]  # P4 has a row of its own
    assert frame["note"][1] == 'a "word"'


def test_merged_cells_of_a_workbook_are_doubted(tmp_path: Path) -> None:
    rows = [["Trial", None, None], ["id", "site", "age"], ["a", "Ulm", 50], ["b", None, 60], ["c", "Bonn", 70]]
    path = workbook(tmp_path / "a.xlsx", Data=rows)
    assert TableFile(path, "id").doubts == ()
    book = openpyxl.load_workbook(path)
    book["Data"].merge_cells("A1:C1")  # a title, above the names of the columns
    book["Data"].merge_cells("B3:B4")
    book.save(path)
    table = TableFile(path, "id")
    assert table.frame()["site"].isna().tolist() == [False, True, False]
    (doubt,) = table.doubts
    assert doubt.startswith("cells merged in site (B3:B4), of which all but the first are read as empty")
