"""Sums and means beside the data are nobody and no gene, names of columns that stand again are no patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.data.kinds.omics.gene_rows import GeneRows
from mmlego.data.reading.remarks import Doubtful
from mmlego.data.reading.stray_rows import not_genes
from mmlego.errors import InputError

IDS = [f"P{number}" for number in range(1, 7)]
ROWS = [f"{who},{50 + number},{'fm'[number % 2]},{number}.5" for number, who in enumerate(IDS)]
HEAD = "id,age,sex,crp"
STRAY = {
    "mean": (["Mean,52.5,,3", "SD,1.9,,1.9"], "2 rows that sum up others (Mean, SD) left out"),
    "total": (["TOTAL:,315,6,18"], "1 row that sums up others (TOTAL:) left out"),
    "number": (["n = 6,6,6,6"], "1 row that sums up others (n = 6) left out"),
    "names": ([HEAD], "1 row of names of columns again (id) left out"),
    "Names": ([HEAD, HEAD, "Summe,1,1,1"], "2 rows of names of columns again (id) left out"),
}


def read(folder: Path, section: str, content: str, *, top: str = "key: id") -> Cohort:
    (folder / "a.csv").write_text(content)
    (folder / "cohort.yaml").write_text(f"{top}\nmodalities:\n  m: {{{section}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


@pytest.mark.parametrize("case", STRAY)
def test_rows_of_a_table(case: str, tmp_path: Path) -> None:
    stray, told = STRAY[case]
    content = "\n".join([HEAD, *ROWS[:3], *stray[:1], *ROWS[3:], *stray[1:], ""])
    cohort = read(tmp_path, "kind: table, file: a.csv", content)
    frame = cohort.frames["m"]
    assert list(frame.index) == IDS
    assert frame["age"].tolist() == [50, 51, 52, 53, 54, 55]
    assert frame["sex"].astype(object).tolist() == list("fmfmfm")
    assert frame["crp"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert f"m: {told}" in map(str, cohort.dropped)


@pytest.mark.parametrize("case", ["mean", "names"])
def test_rows_of_the_outcome(case: str, tmp_path: Path) -> None:
    rows = [f"{row},{'no' if number % 2 else 'yes'}" for number, row in enumerate(ROWS)]
    stray = {"mean": "Mean,52.5,,3,0.5", "names": f"{HEAD},died"}[case]
    top = "key: id\noutcome: {task: classification, file: a.csv, label: died}"
    content = "\n".join([f"{HEAD},died", *rows, stray, ""])
    cohort = read(tmp_path, "kind: table, file: a.csv, columns: [age, crp]", content, top=top)
    assert list(cohort.patients) == IDS
    assert cohort.outcome is not None
    assert set(cohort.outcome.iloc[:, 0]) == {"no", "yes"}
    assert [str(note).split(":")[0] for note in cohort.dropped if "left out" in str(note)] == ["outcome", "m"]


def test_ids_that_are_letters_and_words_that_are_values_stay(tmp_path: Path) -> None:
    cohort = read(tmp_path, "kind: table, file: a.csv", "id,tumor\nL,tumor\nM,normal\nN,tumor\n")
    assert list(cohort.frames["m"].index) == ["L", "M", "N"]
    cohort = read(tmp_path, "kind: table, file: a.csv", "id,sex\nP1,sex\nP2,none\nP3,sex\n")
    assert cohort.frames["m"]["sex"].astype(object).tolist() == ["sex", "none", "sex"]


def test_edges_of_a_sum(tmp_path: Path) -> None:
    content = "id,source,target,weight\nP1,a,b,1\nid,source,target,weight\nP2,a,b,3\nTotal,a,b,4\n"
    cohort = read(tmp_path, "kind: graph, edges: a.csv", content)
    graphs = cohort.frames["m"].iloc[:, 0]
    assert {who: graph.links["weight"].tolist() for who, graph in graphs.items()} == {"P1": [1, 1], "P2": [3, 3]}


def test_texts_and_files_of_a_sum(tmp_path: Path) -> None:
    cohort = read(tmp_path, "kind: sequence, file: a.csv", "id,sequence\nP1,ACGT\nid,sequence\nTotal,4\n")
    assert cohort.frames["m"]["sequence"].to_dict() == {"P1": "ACGT"}


GENES = "gene\tProbeID\tP1\tP2\tTotal\tMean\nTP53\t17\t1\t2\t3\t1.5\nMDM2\t12\t4\t5\t9\t4.5\n"


def test_columns_of_sums_beside_samples_are_no_samples(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(GENES + "__no_feature\t\t99\t98\t197\t98.5\n")
    frame, notes = GeneRows().read(tmp_path / "a.tsv", "rna")
    assert frame.to_dict("index") == {"P1": {"TP53": 1, "MDM2": 4}, "P2": {"TP53": 2, "MDM2": 5}}
    told = list(map(str, notes))
    assert "rna: 3 columns beside the names of genes left out: ProbeID, Total, Mean" in told
    assert "rna: 1 count of reads that belong to no gene left out (__no_feature)" in told
    named, _ = GeneRows(samples=["P1", "Total"]).read(tmp_path / "a.tsv", "rna")
    assert named.loc["Total"].tolist() == [3, 9]


@pytest.mark.parametrize("layout", ["rows", "columns", "h5ad", "memory"])
def test_counts_of_no_gene_are_left_out_and_sums_doubted_in_all_layouts(layout: str, tmp_path: Path) -> None:
    genes, values = ["TP53", "N_unmapped", "__ambiguous", "Total"], np.array([[1.0, 9, 8, 18], [2, 9, 7, 18]])
    frame = pd.DataFrame(values, pd.Index(["P1", "P2"], name="id"), genes)
    if layout == "memory":
        cohort = Cohort.from_frames({"m": frame}, kinds={"m": {"kind": "omics"}})
    elif layout == "h5ad":
        pytest.importorskip("anndata").AnnData(frame).write_h5ad(tmp_path / "a.h5ad")
        cohort = read(tmp_path, "kind: omics, file: a.h5ad", "")
    elif layout == "rows":
        cohort = read(tmp_path, "kind: omics, file: a.csv, genes: rows", frame.T.to_csv())
    else:
        cohort = read(tmp_path, "kind: omics, file: a.csv", frame.to_csv())
    assert cohort.frames["m"].to_dict("index") == {"P1": {"TP53": 1, "Total": 18}, "P2": {"TP53": 2, "Total": 18}}
    assert "m: 2 counts of reads that belong to no gene left out (N_unmapped, __ambiguous)" in map(str, cohort.dropped)
    (doubt,) = [str(note) for note in cohort.dropped if isinstance(note, Doubtful)]
    assert "1 gene called as what sums up others (Total)" in doubt


def test_a_count_that_is_named_is_a_column(tmp_path: Path) -> None:
    content = "id,TP53,__no_feature\nP1,1,9\nP2,2,8\n"
    cohort = read(tmp_path, "kind: omics, file: a.csv, columns: [TP53, __no_feature]", content)
    assert cohort.frames["m"]["__no_feature"].tolist() == [9, 8]


def test_a_line_of_names_among_genes_is_refused_with_what_helps(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("gene\tP1\tP2\nTP53\t1\t2\ngene\tP1\tP2\nMDM2\t3\t4\n")
    with pytest.raises(InputError, match=r"the line of names stands again among the genes.*Take it out of the file"):
        GeneRows().read(tmp_path / "a.tsv", "rna")


def test_files_of_mutations_that_were_put_one_after_the_other(tmp_path: Path) -> None:
    head = "Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\n"
    one, two = "TP53\tMissense_Mutation\tP1\n", "KRAS\tMissense_Mutation\tP2\n"
    content = f"#version 2.4\n{head}{one}#version 2.4\n{head}{two}"
    cohort = read(tmp_path, "kind: omics, file: a.csv, format: maf, sequenced: listed", content)
    assert cohort.frames["m"].to_dict("index") == {"P1": {"TP53": 1, "KRAS": 0}, "P2": {"TP53": 0, "KRAS": 1}}


def test_a_gene_that_is_called_max_is_a_gene_unless_other_sums_stand_beside_it() -> None:
    assert not_genes(["TP53", "MAX"], "rna") == ([], [])
    assert "(MAX, MIN)" in str(not_genes(["TP53", "MAX", "MIN"], "rna")[1][0])
