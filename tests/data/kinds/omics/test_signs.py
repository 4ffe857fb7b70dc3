"""Thousands and decimals, yes and no, in matrices either way round: by hand; what an error proposes reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from mmlego.data import Cohort
from mmlego.data.cohort.manifest import parse_source
from mmlego.errors import InputError
from tests.thousands import AMBIGUOUS, doubts_of, proposed_signs

IDS = ["P1", "P2", "P3"]


def read(folder: Path, cells: list[str], layout: str, sign: str = ",", **section: Any) -> Cohort:
    """Read genes A, with these cells, and B, with 1 to 3."""
    genes = {"A": cells, "B": ["1", "2", "3"]}
    if layout == "columns":
        lines = [["id", *genes], *([p, *(genes[g][n] for g in genes)] for n, p in enumerate(IDS))]
    else:
        lines = [["gene", *IDS], *([g, *found] for g, found in genes.items())]
        section["genes"] = "rows"
    (folder / "m.csv").write_text("\n".join(sign.join(line) for line in lines) + "\n")
    part = {"kind": "omics", "file": "m.csv", **section}
    (folder / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": part}}))
    return Cohort.from_manifest(folder / "c.yaml")


@pytest.mark.parametrize("layout", ["columns", "rows"])
@AMBIGUOUS
def test_what_may_be_thousands_is_refused_and_read_as_declared(
    layout: str, cells: list[str], separator: str, comma: list[float], point: list[float], tmp_path: Path
) -> None:
    assert proposed_signs(lambda: read(tmp_path, cells, layout, separator)) == [",", "."]
    for sign, expected in ((",", comma), (".", point)):
        cohort = read(tmp_path, cells, layout, separator, decimal=sign)
        assert cohort.frames["m"]["A"].tolist() == expected
        doubts = doubts_of(cohort)
        assert len(doubts) == (301 in expected and 1.1 in expected)  # 1.1 beside 301 is rather 1100


@pytest.mark.parametrize("layout", ["columns", "rows"])
def test_other_decimals_of_a_file_with_semicolons_settle_it(layout: str, tmp_path: Path) -> None:
    cohort = read(tmp_path, ["1.100", "0.5", "2.200"], layout, ";")
    assert cohort.frames["m"]["A"].tolist() == [1.1, 0.5, 2.2]


@pytest.mark.parametrize("layout", ["columns", "rows"])
def test_yes_and_no_of_a_gene(layout: str, tmp_path: Path) -> None:
    cohort = read(tmp_path, ["yes", "No", "NA"], layout)
    assert cohort.frames["m"]["A"].fillna(-1).tolist() == [1, 0, -1]
    assert "m: yes and no read as 1 and 0: A" in map(str, cohort.dropped)
    with pytest.raises(InputError, match="expected numbers"):
        read(tmp_path, ["yes", "7", "no"], layout)


def test_a_decimal_sign_is_of_text_alone() -> None:
    with pytest.raises(InputError, match="decimal: belongs to matrices in text or tables"):
        parse_source({"kind": "omics", "file": "a.h5ad", "decimal": ","}, "m")


def test_genes_whose_names_were_lost_are_doubted(tmp_path: Path) -> None:
    lines = [["id", "0", "1"], ["P1", "5", "2"], ["P2", "3", "7"]]
    (tmp_path / "m.csv").write_text("\n".join(map(",".join, lines)) + "\n")
    anndata = pytest.importorskip("anndata")
    names = pd.DataFrame(index=["P1", "P2"]), pd.DataFrame(index=["0", "1"])
    anndata.AnnData(np.array([[5.0, 2], [3, 7]]), obs=names[0], var=names[1]).write_h5ad(tmp_path / "m.h5ad")
    for file in ("m.csv", "m.h5ad"):
        sections = {"key": "id", "modalities": {"m": {"kind": "omics", "file": file}}}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(sections))
        assert doubts_of(Cohort.from_manifest(tmp_path / "c.yaml")) == [
            "m: genes are called 0 to 1, as if their names were lost: a model would know them by their place alone"
        ]
