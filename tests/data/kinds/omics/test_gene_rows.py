from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.data.kinds.omics.gene_rows import GeneRows
from mmlego.data.reading.remarks import Doubtful
from mmlego.errors import InputError, UnknownNameError

NAN = float("nan")
IDS = [f"P{i:03d}" for i in range(12)]
GENES = ["NA", "nan", "TP53", "None", "7A5"]
VALUES = np.random.default_rng(0).normal(8, 2, (5, 12)).round(3)
FRAME = pd.DataFrame(VALUES, index=GENES, columns=IDS)


def read(folder: Path, section: str, file: str, content: str | bytes | None = None, key: str = "id") -> Cohort:
    if content is not None:
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    outcome = pd.DataFrame({key: IDS, "y": ["a", "b"] * 6})
    outcome.to_csv(folder / "outcome.csv", index=False)
    (folder / "cohort.yaml").write_text(
        f"key: {key}\noutcome: {{task: classification, file: outcome.csv, label: y}}\n"
        f"modalities:\n  rna: {{kind: omics, file: {file}{section}}}\n"
    )
    return Cohort.from_manifest(folder / "cohort.yaml")


def xena(name: str = "sample") -> str:
    return FRAME.rename_axis(name).to_csv(sep="\t")


def cbioportal() -> str:
    frame = FRAME.rename_axis("Hugo_Symbol").reset_index()
    frame.insert(1, "Entrez_Gene_Id", range(100, 105))
    return frame.to_csv(index=False, sep="\t")


def geo() -> str:
    table = FRAME.rename_axis("ID_REF").to_csv(sep="\t", quoting=2, lineterminator="\n")
    head = '!Series_title\t"A, series"\n!Series_summary\t"with 5\'\tcells"\n\n!Sample_title\t' + "\t".join(['"t"'] * 12)
    return f"{head}\n!series_matrix_table_begin\n{table}!series_matrix_table_end\n\n"


def gct() -> str:
    frame = FRAME.rename_axis("Name").reset_index()
    frame.insert(1, "Description", ["a gene"] * 5)
    return "#1.2\n5\t12\n" + frame.to_csv(index=False, sep="\t")


def of_r() -> str:
    """As write.table writes it, whose first line has a name less."""
    return xena().replace("sample\t", "", 1)


LAYOUTS = {
    "xena": ("HiSeqV2.tsv.gz", gzip.compress(xena().encode())),
    "cbioportal": ("data_mrna_seq_v2_rsem.txt", cbioportal()),
    "geo": ("GSE1_series_matrix.txt", geo()),
    "geo packed": ("GSE1_series_matrix.txt.gz", gzip.compress(geo().replace("\n", "\r\n").encode())),
    "gct": ("GTEx.gct", gct()),
    "R": ("table.txt", of_r()),
    "commas": ("a.csv", FRAME.to_csv()),
    "semicolons": ("a.csv", FRAME.to_csv(sep=";")),
    "comments": ("a.tsv", "# of a kind\n#and another\n" + xena("Composite Element REF")),
    "a byte order mark": ("a.tsv", "\ufeff" + xena()),
    "no end": ("a.tsv", xena().rstrip()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_genes_in_rows(layout: str, tmp_path: Path) -> None:
    file, content = LAYOUTS[layout]
    cohort = read(tmp_path, ", genes: rows", file, content)
    frame = cohort.frames["rna"]
    assert frame.index.tolist() == IDS
    assert frame.columns.tolist() == GENES  # NA is a gene, and 7A5 no number
    np.testing.assert_array_equal(frame.to_numpy(), VALUES.T)
    assert cohort.prepare(IDS).data().present["rna"].all()


def test_parquet_and_memory(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    FRAME.rename_axis("gene").reset_index().to_parquet(tmp_path / "a.parquet")
    np.testing.assert_array_equal(read(tmp_path, ", genes: rows", "a.parquet").frames["rna"].to_numpy(), VALUES.T)
    section = {"rna": {"kind": "omics", "genes": "rows"}}
    for frame in (FRAME, FRAME.rename_axis("gene").reset_index()):
        cohort = Cohort.from_frames({"rna": frame}, kinds=section)
        np.testing.assert_array_equal(cohort.frames["rna"][GENES].to_numpy(), VALUES.T)


@pytest.mark.parametrize("layout", ["xena", "cbioportal", "geo", "comments"])
@pytest.mark.parametrize("key", ["id", "sample"])
def test_what_lies_the_other_way_round_is_refused(layout: str, key: str, tmp_path: Path) -> None:
    file, content = LAYOUTS[layout]
    with pytest.raises(InputError, match=r"genes in rows and samples in its columns \(P000, P001, P002.*genes: rows"):
        read(tmp_path, "", file, content, key=key)


def test_barcodes_of_samples_are_seen_and_brought_to_patients(tmp_path: Path) -> None:
    samples = [f"{name}-01A" for name in IDS]
    content = FRAME.set_axis(samples, axis=1).rename_axis("sample").to_csv(sep="\t")
    with pytest.raises(InputError, match=r"genes in rows and samples in its columns \(P000-01A"):
        read(tmp_path, "", "a.tsv", content)
    cohort = read(tmp_path, ", genes: rows, id: {length: 4}", "a.tsv", content)
    np.testing.assert_array_equal(cohort.frames["rna"].to_numpy(), VALUES.T)


def test_the_other_way_round_of_the_other_way_round(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"patients stand in rows \(P000, P001.*Leave genes: rows out"):
        read(tmp_path, ", genes: rows", "a.csv", FRAME.T.rename_axis("id").to_csv())
    plain = read(tmp_path, "", "a.csv", FRAME.T.rename_axis("id").to_csv())
    np.testing.assert_array_equal(plain.frames["rna"].to_numpy(), VALUES.T)


def test_several_samples_of_a_patient(tmp_path: Path) -> None:
    twice = pd.concat([FRAME, FRAME[["P003"]] + 2], axis=1).rename_axis("sample").to_csv(sep="\t")
    with pytest.raises(InputError, match=r"1 patient with several rows that differ \(P003\)"):
        read(tmp_path, ", genes: rows", "a.tsv", twice)
    mean = read(tmp_path, ", genes: rows, rows: mean", "a.tsv", twice).frames["rna"]
    np.testing.assert_allclose(mean.loc["P003"], FRAME["P003"] + 1)


@pytest.mark.parametrize("rule", ["first", "mean", "sum", "max"])
def test_a_gene_with_several_rows(rule: str, tmp_path: Path) -> None:
    values = FRAME.copy()
    values.iloc[0, 0], values.iloc[2, 1], values.iloc[[0, 2], 2] = NAN, NAN, NAN
    content = values.set_axis(["TP53", "nan", "TP53", "None", "7A5"]).rename_axis("gene").to_csv()
    with pytest.raises(
        InputError, match=r"1 gene with several rows \(TP53\): expected each gene once.*same_name: mean"
    ):
        read(tmp_path, ", genes: rows", "a.csv", content)
    cohort = read(tmp_path, f", genes: rows, same_name: {rule}", "a.csv", content)
    pair = values.iloc[[0, 2]]
    expected = pair.iloc[0] if rule == "first" else pair.sum(min_count=1) if rule == "sum" else getattr(pair, rule)()
    np.testing.assert_allclose(cohort.frames["rna"]["TP53"], expected)
    assert cohort.frames["rna"].columns.tolist() == ["TP53", "nan", "None", "7A5"]
    assert f"rna: 1 gene with several rows: {rule} of them" in map(str, cohort.dropped)


def test_excel(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    frame = FRAME.rename_axis("Gene").reset_index()
    frame.insert(1, "Description", "a gene")
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    cohort = read(tmp_path, ", genes: rows, gene_column: Gene", "a.xlsx")
    assert cohort.frames["rna"].columns.tolist() == GENES
    np.testing.assert_array_equal(cohort.frames["rna"].to_numpy(), VALUES.T)
    with pytest.raises(InputError, match=r"expected gene_column:.*as gene_column: Gene"):
        read(tmp_path, ", genes: rows", "a.xlsx")


def test_decimal_commas(tmp_path: Path) -> None:
    content = FRAME.rename_axis("gene").to_csv(sep=";", decimal=",")
    cohort = read(tmp_path, ", genes: rows", "a.csv", content)
    np.testing.assert_array_equal(cohort.frames["rna"].to_numpy(), VALUES.T)
    assert str(cohort.dropped[0]) == "rna: read with decimal commas, as 3,5 for 3.5"
    words = read(tmp_path, ", genes: rows", "a.csv", content.replace(f"{VALUES[0, 0]}".replace(".", ","), "[Unknown]"))
    np.testing.assert_array_equal(words.frames["rna"].to_numpy()[1:], VALUES.T[1:])
    assert np.isnan(words.frames["rna"].iloc[0, 0])


def test_a_maf_is_no_matrix(tmp_path: Path) -> None:
    content = "Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\nTP53\tMissense_Mutation\tP000\n"
    for file in ("data_mutations.txt", "a.maf"):
        with pytest.raises(InputError, match=r"has a line a mutation.*format: maf"):
            read(tmp_path, "", file, content)


def test_what_is_missing_and_what_is_no_number(tmp_path: Path) -> None:
    words = FRAME.astype(object)
    words.iloc[0, 0], words.iloc[1, 1], words.iloc[2, 2] = "NA", "", "[Not Available]"
    content = words.rename_axis("sample").to_csv(sep="\t")
    cohort = read(tmp_path, ", genes: rows", "a.tsv", content)
    assert np.isnan(cohort.frames["rna"].to_numpy()[[0, 1, 2], [0, 1, 2]]).all()
    assert int(cohort.frames["rna"].isna().sum().sum()) == 3
    assert "rna: read as missing: '[Not Available]' 1×" in map(str, cohort.dropped)
    words.iloc[3, 3], words.iloc[4, 3], words.iloc[4, 4] = "<0.01", "<0.01", "1,234"
    content = words.rename_axis("sample").to_csv(sep="\t")
    with pytest.raises(
        InputError, match=r"3 cells of samples that are no numbers \(P003: '<0.01' 2×, P004: '1,234' 1×\)"
    ):
        read(tmp_path, ", genes: rows", "a.tsv", content)


def test_columns_that_are_no_samples(tmp_path: Path) -> None:
    frame = FRAME.rename_axis("probe").reset_index()
    frame.insert(1, "pathway", list("abcde"))
    frame.insert(2, "Symbol", ["TP53", "MDM2", "", "EGFR", "KRAS"])
    content = frame.to_csv(index=False)
    with pytest.raises(
        InputError, match=r"5 cells of samples that are no numbers \(pathway: 'a' 1×.*samples: 'TCGA-\*'"
    ):
        read(tmp_path, ", genes: rows", "a.csv", content)
    cohort = read(tmp_path, ', genes: rows, samples: "P0*", gene_column: Symbol', "a.csv", content)
    assert cohort.frames["rna"].columns.tolist() == ["TP53", "MDM2", "EGFR", "KRAS"]
    np.testing.assert_array_equal(cohort.frames["rna"].to_numpy(), VALUES[[0, 1, 3, 4]].T)
    notes = [str(note) for note in cohort.dropped]
    assert notes == ["rna: 2 columns that samples: leaves out", "rna: 1 row without the name of a gene left out"]
    with pytest.raises(InputError, match=r"no column 'symbol' names genes\. Did you mean 'Symbol'"):
        read(tmp_path, ", genes: rows, gene_column: symbol", "a.csv", content)


def test_entrez_ids_are_no_patient(tmp_path: Path) -> None:
    cohort = read(tmp_path, ", genes: rows", "mrna.txt", cbioportal())
    assert [str(note) for note in cohort.dropped] == [
        "rna: 1 column beside the names of genes left out: Entrez_Gene_Id"
    ]


def test_row_numbers_are_no_genes(tmp_path: Path) -> None:
    content = FRAME.rename_axis("gene").reset_index().to_csv()
    with pytest.raises(InputError, match=r"the first column numbers the rows.*gene_column: gene"):
        read(tmp_path, ", genes: rows", "a.csv", content)
    cohort = read(tmp_path, ", genes: rows, gene_column: gene", "a.csv", content)
    np.testing.assert_array_equal(cohort.frames["rna"].to_numpy(), VALUES.T)


def test_genes_that_excel_made_dates_of(tmp_path: Path) -> None:
    content = FRAME.set_axis(["1-Mar", "2-Sep", "TP53", "DEC1", "7A5"]).rename_axis("gene").to_csv()
    cohort = read(tmp_path, ", genes: rows", "a.csv", content)
    told = str(cohort.dropped[0])
    assert told == "rna: 2 genes called as dates, as Excel writes MARCH1 and SEPT2: 1-Mar, 2-Sep"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no line of names"),
        ("!only\n#comments\n", "has no line of names"),
        ("gene\tP000\nTP53\t1\t2\t3\n", r"is no matrix: expected 2 cells a line.*got 4"),
        ("gene\tP000\n", "is no matrix: .*got no rows"),
        ("gene\tP000\nTP53\t1\n" * 30 + "MDM2\t1\t2\n", "no matrix|cannot be read|no numbers"),
        (b"gene\tP000\nTP53\t\xff\n", "expected text in UTF-8"),
        ("gene\tEntrez_Gene_Id\nTP53\t1\n", "no column of a sample"),
    ],
)
def test_what_is_no_matrix(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, ", genes: rows", "a.tsv", content)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (", samples: x", "samples: belongs to genes: rows"),
        (", same_name: sum", "same_name: belongs to genes: rows, pattern: or a container"),
        (", value: x", "value: belongs to pattern:"),
        (", gene_column: x", "gene_column: belongs to"),
        (", sequenced: x", "sequenced: belongs to format: maf"),
        (", layer: x", "layer: belongs to a .h5ad"),
        (", genes: rows, format: maf", "genes: rows and format: maf do not go together"),
    ],
)
def test_keys_that_would_not_be_heeded(section: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, section, "a.csv", FRAME.to_csv())


def test_pieces_of_a_large_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmlego.data.kinds.omics.text_matrix.PIECE_BYTES", 50)
    content = xena().replace(str(VALUES[3, 3]), "NA")
    found = read(tmp_path, ", genes: rows", "a.tsv", content).frames["rna"].to_numpy()
    expected = VALUES.T.copy()
    expected[3, 3] = NAN
    np.testing.assert_array_equal(found, expected)


def test_the_only_file_has_no_name(tmp_path: Path) -> None:
    (tmp_path / "cohort.yaml").write_text("key: id\nmodalities:\n  rna: {kind: omics}\n")
    with pytest.raises((InputError, UnknownNameError), match=r"rna names no file\. Add file:"):
        Cohort.from_manifest(tmp_path / "cohort.yaml")


def test_genes_in_columns_that_are_called_as_dates_are_noted_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,1-Mar,TP53\np1,1.5,2.5\np2,3.5,4.5\n")
    (tmp_path / "cohort.yaml").write_text("key: id\nmodalities: {rna: {kind: omics, file: a.csv}}\n")
    notes = [str(note) for note in Cohort.from_manifest(tmp_path / "cohort.yaml").dropped]
    assert notes == ["rna: 1 gene called as dates, as Excel writes MARCH1 and SEPT2: 1-Mar"]


@pytest.mark.parametrize(
    ("name", "text", "rest", "said"),
    [
        ("a.gct", "#1.2\n2\t2\nName\tDescription\tP1\tP2\nA\ta\t1\t2\n", "B\tb\t3\t4\n", "2 genes.* got 1"),
        ("s.txt", '!series_matrix_table_begin\n"ID_REF"\t"P1"\t"P2"\n"A"\t1\t2\n', "!series_matrix_table_end\n",
         "a line"),
    ],
)  # fmt: skip
def test_files_that_were_cut_short_at_the_end_of_a_line(
    name: str, text: str, rest: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=rf"rna: the file is cut short, or was changed: expected {said}"):
        GeneRows().read(tmp_path / name, "rna")
    (tmp_path / name).write_text(text + rest)
    frame, _ = GeneRows().read(tmp_path / name, "rna")
    assert frame.loc["P2"].tolist() == ([2, 4] if name == "a.gct" else [2])


@pytest.mark.parametrize("sign", ["-", "."])
def test_normal_tissue_beside_tumours_is_told(sign: str, tmp_path: Path) -> None:
    names = ["TCGA-AA-0001-11A", "TCGA-AA-0001-01A", "TCGA-AA-0002-01A", "TCGA-AA-0003-11A-01R", "GTEX-1-11"]
    names = [name.replace("-", sign) for name in names]
    (tmp_path / "a.tsv").write_text("gene\t" + "\t".join(names) + "\nA\t9\t1\t2\t3\t4\n")
    _, notes = GeneRows().read(tmp_path / "a.tsv", "rna")
    (said,) = [str(note) for note in notes if isinstance(note, Doubtful)]
    assert said.startswith(f"rna: 1 sample of normal tissue or blood ({names[0]}), whose patients have tumours")
    way = said.partition("samples: '")[2].partition("'")[0]
    frame, notes = GeneRows(samples=way).read(tmp_path / "a.tsv", "rna")
    assert frame["A"].to_dict() == {names[1]: 1, names[2]: 2}
    assert not [note for note in notes if isinstance(note, Doubtful)]
