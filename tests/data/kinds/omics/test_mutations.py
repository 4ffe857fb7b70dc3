from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest
import torch

from mmlego.data import Cohort, Prepared, preprocessing_from_config
from mmlego.data.reading.remarks import Doubtful
from mmlego.errors import InputError

HEAD = (
    "Hugo_Symbol\tChromosome\tStart_Position\tReference_Allele\tTumor_Seq_Allele2\tVariant_Classification\t"
    "Tumor_Sample_Barcode\tnote"
)
IDS = ["P1", "P2", "P3", "P4"]


def line(gene: str, kind: str, who: str, place: int = 1) -> str:
    return f'{gene}\t17\t{place}\tA\tT\t{kind}\t{who}\ta "quoted word'


MAF = "\n".join(
    [
        "#version 2.4",
        HEAD,
        line("TP53", "Missense_Mutation", "P1-01A"),
        line("TP53", "Missense_Mutation", "P1-06A"),  # the same in a second sample
        line("TP53", "Nonsense_Mutation", "P1-01A", 2),
        line("NA", "Frame_Shift_Del", "P2-01A"),
        line("TTN", "Silent", "P2-01A"),
        line("TTN", "Silent", "P3-01A"),
        line("Unknown", "Missense_Mutation", "P3-01A"),
        "",
    ]
)


def read(folder: Path, section: str, maf: str = MAF, **files: str) -> Cohort:
    (folder / "m.maf").write_text(maf)
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)
    pd.DataFrame({"id": IDS, "y": list("abab")}).to_csv(folder / "outcome.csv", index=False)
    (folder / "cohort.yaml").write_text(
        "key: id\nid: {length: 2}\noutcome: {task: classification, file: outcome.csv, label: y}\n"
        f"modalities:\n  maf: {{kind: omics, file: m.maf, format: maf{section}}}\n"
    )
    return Cohort.from_manifest(folder / "cohort.yaml")


def test_mutations_between_genes_are_told(tmp_path: Path) -> None:
    cohort = read(tmp_path, ", sequenced: listed")
    assert "maf: 1 mutation of no gene left out ('Unknown' 1×)" in map(str, cohort.dropped)


def test_one_gene_in_two_writings_is_told(tmp_path: Path) -> None:
    cohort = read(tmp_path, ", sequenced: listed", MAF + line("tp53", "Missense_Mutation", "P2-01A") + "\n")
    assert set(cohort.frames["maf"].columns) == {"TP53", "tp53", "NA"}
    (doubt,) = [str(note) for note in cohort.dropped if isinstance(note, Doubtful)]
    assert doubt.startswith("maf: 'TP53' and 'tp53' differ in form alone, each a column of its own")


LISTS = {
    "ids": "P1\nP2-01\nP3\nP4\n",
    "a table": "id,panel\nP1-01,x\nP2-01,x\nP3-01,y\nP4-01,y\n",
    "a case list": "cancer_study_identifier: brca\nstable_id: brca_x\ncase_list_ids: P1-01\tP2-01\tP3-01\tP4-01\n",
}


@pytest.mark.parametrize("form", LISTS)
def test_who_has_no_mutation_has_zeros(form: str, tmp_path: Path) -> None:
    cohort = read(tmp_path, ", sequenced: who.txt", who_txt=LISTS[form])
    expected = {"P1": {"NA": 0, "TP53": 1}, "P2": {"NA": 1, "TP53": 0}, "P3": {"NA": 0, "TP53": 0}}
    assert cohort.frames["maf"].to_dict("index") == expected | {"P4": {"NA": 0, "TP53": 0}}
    assert [str(note) for note in cohort.dropped] == [
        "maf: 1 mutation of no gene left out ('Unknown' 1×)",
        "maf: mutations of other classes left out: Silent 2×",
        "maf: 2 patients sequenced, without a mutation that counts: zeros",
    ]


def test_counts_are_of_different_mutations(tmp_path: Path) -> None:
    cohort = read(tmp_path, ", sequenced: listed, values: count")
    assert cohort.frames["maf"]["TP53"].to_dict() == {"P1": 2, "P2": 0, "P3": 0}  # P4 is not in the file: not sequenced


def test_mutations_without_a_position_are_told_where_they_are_counted(tmp_path: Path) -> None:
    rows = [cells.split("\t") for cells in MAF.splitlines()[1:]]
    bare = "\n".join("\t".join([row[0], *row[5:]]) for row in rows) + "\n"
    text = "maf: 4 mutations without a position: one that is listed twice, or of two samples, counts twice"
    for values, told in (("count", [text]), ("mutated", [])):
        cohort = read(tmp_path, f", sequenced: listed, values: {values}", bare)
        assert [str(note) for note in cohort.dropped if "position" in str(note)] == told
        assert cohort.frames["maf"].loc["P1", "TP53"] == (3 if values == "count" else 1)


def test_the_classes_that_count(tmp_path: Path) -> None:
    cohort = read(tmp_path, ', sequenced: listed, variants: ["Silent", "Nonsense*"]')
    assert cohort.frames["maf"].to_dict("list") == {"TP53": [1, 0, 0], "TTN": [0, 1, 1]}
    with pytest.raises(InputError, match=r"no mutation of 'm\.maf' counts: expected Sillent, got Missense_Mutation"):
        read(tmp_path, ", sequenced: listed, variants: Sillent")


def test_genes_that_are_named(tmp_path: Path) -> None:
    cohort = read(tmp_path, ", sequenced: listed, columns: [KRAS, TP53]")
    assert cohort.frames["maf"].to_dict("list") == {"KRAS": [0, 0, 0], "TP53": [1, 0, 0]}
    with pytest.raises(InputError, match=r"maf: no gene matches 'KR\*'"):
        read(tmp_path, ", sequenced: listed, columns: 'KR*'")


def test_genes_that_nobody_has_mutated_at_prediction(tmp_path: Path) -> None:
    fitted = read(tmp_path, ", sequenced: listed").prepare(["P1", "P2", "P3"]).preprocessing["maf"]
    again = preprocessing_from_config(fitted.config())
    assert again == fitted
    other = read(tmp_path, ", sequenced: listed", "\n".join([HEAD, line("NA", "In_Frame_Del", "P4-01A"), ""]))
    features = Prepared(other, {"maf": again}).data(["P4"]).batch().inputs["maf"]
    zeros = again.transform(pd.DataFrame({"NA": [1.0], "TP53": [0.0]}))
    assert torch.equal(features, zeros)


def test_packed_and_with_the_key_of_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "m.maf.gz").write_bytes(gzip.compress(MAF.replace("Tumor_Sample_Barcode", "id").encode()))
    (tmp_path / "cohort.yaml").write_text(
        "key: id\nid: {length: 2}\nmodalities:\n  maf: {kind: omics, file: m.maf.gz, format: maf, sequenced: listed}\n"
    )
    assert Cohort.from_manifest(tmp_path / "cohort.yaml").patients == ("P1", "P2", "P3")


def test_mutations_of_somebody_who_is_not_listed(tmp_path: Path) -> None:
    cohort = read(tmp_path, ", sequenced: who.txt", who_txt="P1\nP4\n")
    assert "maf: 2 patients with mutations, not in 'who.txt', taken as sequenced (P2, P3)" in map(str, cohort.dropped)
    assert cohort.frames["maf"]["NA"].to_dict() == {"P1": 0, "P2": 1, "P3": 0, "P4": 0}


BAD = {
    "nobody says who was sequenced": ("", MAF, r"who was sequenced is not said.*sequenced: listed"),
    "other ids": (
        ", sequenced: who.txt",
        MAF,
        r"nobody with a mutation is in 'who\.txt': expected ids as P1, P2 and 1 more, got X1.*id: ",
    ),
    "no list": (
        ", sequenced: two.txt",
        MAF,
        r"'two\.txt' does not say who was sequenced: .*the key 'id', or an id a line",
    ),
    "no MAF": (", sequenced: listed", "id,TP53\nP1,1\n", r"'m\.maf' has no column 'Tumor_Sample_Barcode'"),
    "a short line": (", sequenced: listed", f"{HEAD}\nTP53\t17\n", r"has a line that is too short: expected 7 cells"),
    "another column of genes": (", sequenced: listed, gene_column: Gene", MAF, r"has no column 'Gene'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(case: str, tmp_path: Path) -> None:
    section, maf, message = BAD[case]
    with pytest.raises(InputError, match=message):
        read(tmp_path, section, maf, who_txt="X1\n", two_txt="a,b\nc,d\n")


def test_mutations_in_memory_are_refused() -> None:
    with pytest.raises(InputError, match="mutations in memory are not counted"):
        Cohort.from_frames(
            {"m": pd.DataFrame({"a": [1]}, index=["P1"])}, kinds={"m": {"kind": "omics", "format": "maf"}}
        )


STATUS = ["Somatic", "GERMLINE", "", "LOH", "Somatic", "UNKNOWN"]
FILTERS = ["PASS", "PASS", ".", "PASS", "common_variant;panel_of_normals", ""]


def filtered(folder: Path, section: str) -> Cohort:
    """Read a MAF of six mutations of TP53 in one patient, of which some are filtered or not somatic."""
    rows = [line("TP53", "Missense_Mutation", "P1-01A", place) for place in range(6)]
    rows = [f"{row}\t{status}\t{passed}" for row, status, passed in zip(rows, STATUS, FILTERS, strict=True)]
    rows[5] = rows[5].rstrip("\t")  # a program left out the empty cell at the end
    maf = "\n".join([f"{HEAD}\tMutation_Status\tFILTER", *rows, line("KRAS", "Missense_Mutation", "P2-01A"), ""])
    return read(folder, f", sequenced: listed, values: count{section}", maf)


@pytest.mark.parametrize(
    ("section", "right"),
    [
        ("", 3),  # somatic and PASS, nothing said and a point, unknown and nothing
        (", where: {FILTER: '*'}", 4),
        (", where: {Mutation_Status: [GERMLINE]}", 1),
        (", where: {FILTER: [PASS], Mutation_Status: '*'}", 3),
        (", where: {FILTER: '*', Mutation_Status: '*'}", 6),
    ],
)
def test_filtered_and_germline_lines_are_no_mutations(section: str, right: int, tmp_path: Path) -> None:
    cohort = filtered(tmp_path, section)
    frame = cohort.frames["maf"]
    assert frame.loc["P1", "TP53"] == right
    assert "P2" in frame.index  # who has a line of any kind was sequenced
    left = [str(note) for note in cohort.dropped if "left out:" in str(note)]
    if not section:
        assert left == [
            "maf: 3 mutations left out: Mutation_Status 'GERMLINE' 1×, Mutation_Status 'LOH' 1×, "
            "FILTER 'common_variant;panel_of_normals' 1×"
        ]
    assert bool(left) == (right < 6)


def test_a_maf_of_which_no_line_passes_says_how_they_would(tmp_path: Path) -> None:
    row = line("TP53", "Missense_Mutation", "P1-01A")
    maf = f"{HEAD}\tFILTER\n{row}\twga\n{line('TP53', 'Missense_Mutation', 'P2-01A')}\twga\n"
    with pytest.raises(InputError, match=r"no mutation of 'm.maf' counts; left out: FILTER 'wga' 2×") as error:
        read(tmp_path, ", sequenced: listed", maf)
    way = str(error.value).partition("declare ")[2].partition(" in the section")[0]
    assert read(tmp_path, f", sequenced: listed, {way}", maf).frames["maf"]["TP53"].tolist() == [1, 1]
    with pytest.raises(InputError, match=r"no column 'Filter': expected a MAF. Did you mean 'FILTER'"):
        read(tmp_path, ", sequenced: listed, where: {Filter: wga}", maf)
