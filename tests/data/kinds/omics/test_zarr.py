from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from mmlego.data import Cohort
from mmlego.errors import InputError, UnknownNameError

anndata, zarr = pytest.importorskip("anndata"), pytest.importorskip("zarr")

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # of the packages' own formats

VALUES = np.arange(8.0).reshape(4, 2)


def data(values: object = VALUES) -> object:
    obs = pd.DataFrame({"id": pd.Categorical(["NA", "007", "007", "b"])}, index=["c1", "c2", "c3", "c4"])
    return anndata.AnnData(values, obs, pd.DataFrame(index=["nan", "NA"]))


def read(folder: Path, section: str) -> Cohort:
    (folder / "cohort.yaml").write_text(f"key: id\nmodalities:\n  rna: {{kind: omics, {section}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("form", ["dense", "csr", "csc"])
def test_an_anndata(version: int, form: str, tmp_path: Path) -> None:
    with anndata.settings.override(zarr_write_format=version):
        matrix = VALUES if form == "dense" else sparse.csr_matrix(VALUES).asformat(form)
        data(matrix).write_zarr(tmp_path / "a.zarr")
    frame = read(tmp_path, "file: a.zarr, rows: mean").frames["rna"]
    assert frame.to_dict("index") == {"NA": {"nan": 0, "NA": 1}, "007": {"nan": 3, "NA": 4}, "b": {"nan": 6, "NA": 7}}


def test_a_table_of_spatialdata(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=2)
    group.create_group("images")
    group.create_group("tables")
    with anndata.settings.override(zarr_write_format=2):
        data().write_zarr(tmp_path / "s.zarr" / "tables" / "cells")
    for section in ("file: s.zarr, rows: mean", "file: s.zarr, rows: mean, modality: cells"):
        assert read(tmp_path, section).frames["rna"].loc["007"].tolist() == [3, 4]
    with anndata.settings.override(zarr_write_format=2):
        data().write_zarr(tmp_path / "s.zarr" / "tables" / "tiles")
    with pytest.raises(UnknownNameError, match=r"no modality 'rna': expected one of (cells, tiles|tiles, cells)"):
        read(tmp_path, "file: s.zarr, rows: mean")


def pickled(store: Path) -> None:
    about = json.loads((store / "X" / ".zarray").read_text())
    about["filters"] = [{"id": "pickle", "protocol": 2}]
    (store / "X" / ".zarray").write_text(json.dumps(about))


def huge(store: Path) -> None:
    about = json.loads((store / "X" / ".zarray").read_text())
    about["shape"] = [4, 10**10]
    (store / "X" / ".zarray").write_text(json.dumps(about))


def elsewhere(store: Path) -> None:
    (store / "X").rename(store.with_name("X"))
    (store / "X").symlink_to(store.with_name("X"))


def damaged(store: Path) -> None:
    (store / "X" / ".zarray").write_text("{")


def nothing(store: Path) -> None:
    for entry in (".zgroup", ".zattrs", ".zmetadata"):
        (store / entry).unlink(missing_ok=True)


def cut(store: Path) -> None:
    chunk = next(path for path in (store / "X").iterdir() if not path.name.startswith("."))
    chunk.write_bytes(chunk.read_bytes()[:10])


def of_another_kind(store: Path) -> None:
    about = json.loads((store / "X" / ".zattrs").read_text())
    (store / "X" / ".zattrs").write_text(json.dumps(about | {"encoding-type": "awkward-array"}))


def without_obs(store: Path) -> None:
    (store / "obs").rename(store / "cells")


BAD = {
    pickled: r"'X' in 'a\.zarr' is stored in a way that is not read: expected numbers and text, got pickle",
    huge: r"'a\.zarr' grows too large when unpacked",
    elsewhere: r"'X' in 'a\.zarr' lies elsewhere\. Put all in one folder",
    damaged: r"cannot read 'X/\.zarray' in 'a\.zarr'",
    nothing: r"cannot read 'a\.zarr'",
    cut: r"cannot read 'a\.zarr'",
    of_another_kind: r"'a\.zarr': X is of a type that is not read: expected an array or a sparse .* got awkward-array",
    without_obs: r"'a\.zarr': there is no 'obs': expected an AnnData",
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_what_is_refused(spoil: object, tmp_path: Path) -> None:
    with anndata.settings.override(zarr_write_format=2):
        data().write_zarr(tmp_path / "a.zarr")
    spoil(tmp_path / "a.zarr")
    with pytest.raises(InputError, match=BAD[spoil]):
        read(tmp_path, "file: a.zarr, rows: mean")


def test_codecs_within_others_are_looked_at(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr" / "X", shape=(4, 4), chunks=(2, 2), shards=(4, 4), dtype="f4")
    about = json.loads((tmp_path / "a.zarr" / "X" / "zarr.json").read_text())
    about["codecs"][0]["configuration"]["codecs"].append({"name": "numcodecs.pickle"})
    (tmp_path / "a.zarr" / "X" / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="got pickle"):
        read(tmp_path, "file: a.zarr")


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"'a\.zarr' is no zarr folder\. Unpack it"):
        read(tmp_path, "file: a.zarr")


@pytest.mark.parametrize("version", [2, 3])
def test_a_chunk_that_says_that_it_holds_more_texts_than_it_can(version: int, tmp_path: Path) -> None:
    codecs = pytest.importorskip("numcodecs")
    with anndata.settings.override(zarr_write_format=version):
        data().write_zarr(tmp_path / "a.zarr")
    chunk = tmp_path / "a.zarr" / "var" / "_index" / ("0" if version == 2 else "c/0")
    codec = codecs.Blosc() if version == 2 else codecs.Zstd()
    texts = bytearray(codec.decode(chunk.read_bytes()))
    assert texts[:4] == b"\2\0\0\0"  # two genes
    texts[3] = 110
    chunk.write_bytes(codec.encode(bytes(texts)))
    with pytest.raises(InputError, match=r"'var/_index' in 'a.zarr' is damaged: a chunk says that it holds 1845493762"):
        read(tmp_path, "file: a.zarr, rows: mean")
