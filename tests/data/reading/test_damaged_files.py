"""Files with a flipped bit, cut off or changed by hand: an error of ours, whatever a library raises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from mmlego.data import Cohort
from mmlego.data.kinds.bag.files import BagFile
from mmlego.data.reading.matrices import open_parts
from mmlego.data.reading.settled import stored
from mmlego.data.reading.tables import TableFile
from mmlego.errors import InputError


@pytest.mark.parametrize("head", [b"{'descr': '<f4', (\n", b"{'descr': '", b"((((\n", b"\xff\n", b"{}\n"])
def test_a_header_of_numpy_that_is_no_python(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "p.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(48))
    with pytest.raises(InputError, match=r"cannot read 'p\.npy'"):
        BagFile.open(path)


def test_a_workbook_whose_packed_sheet_is_damaged(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    path = tmp_path / "a.xlsx"
    pd.DataFrame({"id": ["a", "b"], "age": [1, 2]}).to_excel(path, index=False)
    whole = path.read_bytes()
    sheet = whole.index(b"xl/worksheets/sheet1.xml") + len(b"xl/worksheets/sheet1.xml")
    told = set()
    for at in range(sheet, sheet + 60, 2):
        content = bytearray(whole)
        content[at] ^= 0x55
        path.write_bytes(bytes(content))
        with pytest.raises(InputError, match=r"'a\.xlsx'.*a whole, unencrypted \.xlsx file") as caught:
            TableFile(path, "id")
        told.add(str(caught.value))
    assert any("Error -3 while decompressing" in one for one in told)  # of zlib, which is none of the usual ones


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe\x00\x00\x80", b"", b"[" * 50_000])
def test_metadata_of_zarr_that_is_none(tmp_path: Path, content: bytes) -> None:
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "p.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("features", data=np.ones((2, 3), dtype="f4"))
    for name in (".zgroup", "features/.zarray"):
        before = (path / name).read_bytes()
        (path / name).write_bytes(content)
        with pytest.raises(InputError, match=r"p\.zarr"), open_parts(path) as parts:
            _ = [np.asarray(part[:]) for part in parts.values()]
        (path / name).write_bytes(before)


def test_a_loop_of_links_in_a_zarr_folder(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    zarr.open_group(tmp_path / "p.zarr", mode="w", zarr_format=2)
    (tmp_path / "p.zarr" / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=r"'loop' in 'p\.zarr' lies elsewhere"), open_parts(tmp_path / "p.zarr"):
        pass


def test_places_outside_of_a_sparse_matrix_are_refused() -> None:
    """Scipy writes where they say, outside of its own memory."""
    matrix = sparse.csr_matrix(np.eye(3, dtype=np.float32))
    assert stored(matrix).tolist() == np.eye(3).tolist()
    matrix.indices[1] = 2_000_000
    with pytest.raises(InputError, match="a sparse matrix is damaged"):
        stored(matrix)


def _h5ad(folder: Path, matrix: sparse.csr_matrix, ids: list[str]) -> Path:
    anndata = pytest.importorskip("anndata")
    made = anndata.AnnData(matrix, pd.DataFrame(index=ids), pd.DataFrame(index=[f"G{i}" for i in range(3)]))
    made.write_h5ad(folder / "a.h5ad")
    (folder / "cohort.yaml").write_text("key: id\nmodalities: {m: {kind: omics, file: a.h5ad, rows: mean}}\n")
    return folder / "a.h5ad"


@pytest.mark.parametrize("rows", ["mean", "first"])
def test_rows_of_a_sparse_matrix_that_begin_anywhere_are_refused(rows: str, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = _h5ad(tmp_path, sparse.csr_matrix(np.arange(12, dtype=np.float32).reshape(4, 3)), list("abcd"))
    text = (tmp_path / "cohort.yaml").read_text().replace("mean", rows)
    (tmp_path / "cohort.yaml").write_text(text)
    whole = Cohort.from_manifest(tmp_path / "cohort.yaml").frames["m"]
    assert whole.loc["c"].tolist() == [6, 7, 8]
    # A row that ends before it begins; no value at all, as the last says; two that no row holds.
    for place, start in ((2, 1), (-1, 0), (0, 2), (-1, 9)):
        with h5py.File(path, "r+") as file:
            before = file["X/indptr"][place]
            file["X/indptr"][place] = start
        with pytest.raises(InputError, match="a sparse matrix is damaged"):
            Cohort.from_manifest(tmp_path / "cohort.yaml")
        with h5py.File(path, "r+") as file:
            file["X/indptr"][place] = before


def test_names_for_which_there_is_no_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _h5ad(tmp_path, sparse.csr_matrix(np.eye(3, dtype=np.float32)), list("abc"))

    def full(_: object) -> object:
        raise MemoryError("Unable to allocate 13.8 GiB")

    monkeypatch.setattr("anndata.io.read_elem", full)
    with pytest.raises(InputError, match=r"larger than what is read.*13\.8 GiB"):
        Cohort.from_manifest(path.parent / "cohort.yaml")
