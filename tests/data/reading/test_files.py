from __future__ import annotations

import gzip
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmlego.data.reading import files
from mmlego.data.reading.files import read_table
from mmlego.errors import InputError, MissingExtraError

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
    assert frame["id"].tolist() == frame["site"].tolist() == ["9007199254740993", "9007199254740992", "5", None]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_only_the_wanted_columns_are_read(suffix: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["a"], "tox_1": [1], "age": [50], "tox_2": [0], "x[1]": [2]})
    if suffix == ".csv":
        table.to_csv(tmp_path / "a.csv", index=False)
    else:
        table.to_parquet(tmp_path / "a.parquet")
    frame = read_table(tmp_path / f"a{suffix}", key="id", text=["tox_*"], only=["tox_*", "x[1]"])
    assert frame.to_dict("list") == {"id": ["a"], "tox_1": ["1"], "tox_2": ["0"], "x[1]": [2]}


def test_parquet_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"cannot read the table 'a\.parquet' \(.*: expected Parquet"):
        read_table(put(tmp_path / "a.parquet"), key="id")
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=r"reading 'a\.parquet' needs pyarrow.*pip install 'mmlego\[parquet\]'"):
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
