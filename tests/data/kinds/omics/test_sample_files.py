from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.errors import InputError

STAR = (
    "# gene-model: GENCODE v36\ngene_id\tgene_name\tgene_type\tunstranded\ttpm_unstranded\n"
    "N_unmapped\t\t\t900\t\nN_multimapping\t\t\t800\t\nN_noFeature\t\t\t700\t\nN_ambiguous\t\t\t600\t\n"
    "ENSG1.5\tTP53\tprotein_coding\t{0}\t{1}\nENSG2.1\tMDM2\tprotein_coding\t{2}\t{3}\n"
)


def star(*values: float) -> str:
    return STAR.format(*values)


def read(folder: Path, section: str, files: dict[str, str], key: str = "id") -> Cohort:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "cohort.yaml").write_text(f"key: {key}\nmodalities:\n  rna: {{kind: omics, {section}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


def test_star_counts_by_the_sample_sheet_of_gdc(tmp_path: Path) -> None:
    sheet = "File ID\tFile Name\tCase ID\nu1\ta.tsv\tTCGA-1\nu2\tb.tsv\tTCGA-2\nu3\tc.tsv\tTCGA-2\n"
    files = {
        "sheet.tsv": sheet,
        "u1/a.tsv": star(1, 2.5, 3, 4),
        "u2/b.tsv": star(5, 6, 7, 8),
        "u3/c.tsv": star(7, 8, 9, 0),
    }
    section = 'file: sheet.tsv, pattern: "{File ID}/{File Name}", value: tpm_unstranded, gene_column: gene_name'
    cohort = read(tmp_path, f"{section}, rows: mean", files, key="Case ID")
    assert cohort.frames["rna"].to_dict("index") == {
        "TCGA-1": {"TP53": 2.5, "MDM2": 4},
        "TCGA-2": {"TP53": 7, "MDM2": 4},
    }
    with pytest.raises(InputError, match=r"1 patient with several files.*rows: mean"):
        read(tmp_path, section, files, key="Case ID")
    with pytest.raises(
        InputError, match=r"2 columns of numbers: expected one, got unstranded, tpm_unstranded.*value: tpm"
    ):
        read(tmp_path, 'file: sheet.tsv, pattern: "{File ID}/{File Name}", rows: first', files, key="Case ID")


def test_counts_without_a_line_of_names(tmp_path: Path) -> None:
    files = {f"p{i}.counts": f"NA\t{i}\nENSG2\t0\n__no_feature\t99\n__ambiguous\t7\n" for i in range(3)}
    cohort = read(tmp_path, 'pattern: "{key}.counts"', files)
    assert cohort.frames["rna"].to_dict("index") == {f"p{i}": {"NA": i, "ENSG2": 0} for i in range(3)}


def test_quantities_of_salmon(tmp_path: Path) -> None:
    head = "Name\tLength\tEffectiveLength\tTPM\tNumReads\n"
    files = {f"p{i}/quant.sf": f"{head}T1\t100\t80.5\t{i}.5\t3\nT2\t9\t8\t1e-3\t4\n" for i in range(2)}
    cohort = read(tmp_path, 'pattern: "{key}/quant.sf", value: TPM', files)
    np.testing.assert_array_equal(cohort.frames["rna"].to_numpy(), [[0.5, 1e-3], [1.5, 1e-3]])


def test_files_of_other_genes(tmp_path: Path) -> None:
    files = {"a.counts": "G1\t1\nG2\t2\n", "b.counts": "G1\t1\nG3\t2\n"}
    with pytest.raises(InputError, match=r"1 patient whose files have other genes \(b\).*differing in G2, G3"):
        read(tmp_path, 'pattern: "{key}.counts"', files)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    files = {"a.counts": "G1\t1\nG2\t2\n", "b.counts": "G1\t1\nG2\tmany\nG3\t1\n"}
    with pytest.raises(InputError, match=r"rna: .*'b\.counts': 1 cell of samples.*on_error: skip"):
        read(tmp_path, 'pattern: "{key}.counts"', files)
    cohort = read(tmp_path, 'pattern: "{key}.counts", on_error: skip', files)
    assert cohort.patients == ("a",)
    assert "1 file left out" in str(cohort.dropped[0])


def test_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    files = {"a.counts": "G1\t1\nG2\t2\n", "b.counts": "G1\t3\nG2\t5\n"}
    cohort = read(tmp_path, 'pattern: "{key}.counts", columns: G2', files)
    assert cohort.frames["rna"].to_dict("list") == {"G2": [2, 5]}
    with pytest.raises(InputError, match="no column 'tpm'"):
        read(tmp_path, 'pattern: "{key}.counts", value: tpm', files)
    assert isinstance(cohort.prepare(["a", "b"]).preprocessing["rna"].centre, tuple)
    assert pd.api.types.is_float_dtype(cohort.frames["rna"]["G2"])
