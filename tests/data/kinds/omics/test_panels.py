"""Mutations of patients who were sequenced by different panels: a gene that was not looked at is missing, not 0."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmlego.data import Cohort
from mmlego.errors import InputError

NAN = np.nan
MAF = (
    "#version 2.4\nHugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\n"
    "TP53\tMissense_Mutation\tS1-T1\nKRAS\tMissense_Mutation\tS2-T1\nMUC16\tNonsense_Mutation\tS3-T1\n"
    "MYC\tMissense_Mutation\tS1-T2\nTP53\tSilent\tS4-T1\n"
)
MATRIX = (
    "SAMPLE_ID\tmutations\tcna\nS1-T1\tSMALL\tSMALL\nS1-T2\tLARGE\tLARGE\nS2-T1\tSMALL\tSMALL\nS3-T1\tWES\tNA\n"
    "S4-T1\tLARGE\tLARGE\nS5-T1\tSMALL\tSMALL\nS6-T1\tNA\tSMALL\n"
)
SMALL = "stable_id: SMALL\ndescription: two genes\ngene_list: TP53\tKRAS\n"
LARGE = "stable_id: LARGE\ndescription: four genes\ngene_list: TP53\tKRAS\tMYC\tEGFR\n"
HEAD = "key: id\nmodalities:\n  mut: {kind: omics, file: study/data_mutations.txt, format: maf, id: {length: 2}"


def study(folder: Path, matrix: str | None = MATRIX, **panels: str) -> None:
    place = folder / "study"
    place.mkdir(exist_ok=True)
    (place / "data_mutations.txt").write_text(MAF)
    if matrix is not None:
        (place / "data_gene_panel_matrix.txt").write_text(matrix)
    for name, text in (panels or {"small": SMALL, "large": LARGE}).items():
        (place / f"data_gene_panel_{name}.txt").write_text(text)


def read(folder: Path, more: str) -> Cohort:
    (folder / "cohort.yaml").write_text(f"{HEAD}, {more}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


def test_a_gene_that_is_on_no_panel_of_a_patient_is_missing(tmp_path: Path) -> None:
    study(tmp_path)
    cohort = read(tmp_path, "panels: study/data_gene_panel_matrix.txt")
    frame = cohort.frames["mut"]
    assert list(frame) == ["EGFR", "KRAS", "MUC16", "MYC", "TP53"]
    wanted = {
        "S1": [0, 0, NAN, 1, 1],  # of two samples each panel counts
        "S2": [NAN, 1, NAN, NAN, 0],
        "S3": [0, 0, 1, 0, 0],  # the whole exome
        "S4": [0, 0, NAN, 0, 0],  # a silent mutation alone
        "S5": [NAN, 0, NAN, NAN, 0],  # without a mutation
    }
    assert sorted(frame.index) == sorted(wanted)
    for patient, row in wanted.items():
        np.testing.assert_array_equal(frame.loc[patient], row)
    notes = [str(note) for note in cohort.dropped]
    assert "mut: 4 patients sequenced by panels without some of the genes, which are missing" in notes
    assert "mut: 1 patient in the table of panels, sequenced by none (S6)" in notes


def test_panels_beside_the_file_that_differ_are_refused_until_something_is_said(tmp_path: Path) -> None:
    study(tmp_path)
    with pytest.raises(
        InputError,
        match=r"by 3 panels \(LARGE, SMALL, WES\).*Declare panels: study/data_gene_panel_matrix.txt .*or panels: same",
    ):
        read(tmp_path, "sequenced: listed")
    assert read(tmp_path, "sequenced: listed, panels: same").frames["mut"].loc["S2", "MYC"] == 0
    one = MATRIX.replace("LARGE", "SMALL").replace("WES", "SMALL")
    study(tmp_path, one)
    assert read(tmp_path, "sequenced: listed").frames["mut"].loc["S2", "MYC"] == 0  # all by one panel


def test_what_is_known_of_a_patient_without_a_panel_are_his_mutations(tmp_path: Path) -> None:
    study(tmp_path, MATRIX.replace("S2-T1\tSMALL\tSMALL\n", ""))
    cohort = read(tmp_path, "panels: study/data_gene_panel_matrix.txt")
    np.testing.assert_array_equal(cohort.frames["mut"].loc["S2"], [NAN, 1, NAN, NAN, NAN])
    assert any(
        "1 patient with mutations and without a panel, other genes missing (S2)" in str(n) for n in cohort.dropped
    )


def test_panels_in_a_gmt_and_of_other_names(tmp_path: Path) -> None:
    study(tmp_path, MATRIX.replace("WES", "Exome-v7"), small=SMALL)
    where = "panels: {file: study/data_gene_panel_matrix.txt"
    with pytest.raises(InputError, match=r"the genes of 2 panels are not said \(Exome-v7, LARGE\).*genes: .*whole: \["):
        read(tmp_path, f"{where}}}")
    (tmp_path / "panels.gmt").write_text("SMALL\tx\tTP53\tKRAS\nLARGE\tx\tTP53\tKRAS\tMYC\tEGFR\n")
    read_so = read(tmp_path, f"{where}, genes: panels.gmt, whole: Exome-v7}}").frames["mut"]
    np.testing.assert_array_equal(read_so.loc["S3"], [0, 0, 1, 0, 0])
    np.testing.assert_array_equal(read_so.loc["S5"], [NAN, 0, NAN, NAN, 0])
    cna = read(tmp_path, f"{where}, column: cna, genes: panels.gmt}}").frames["mut"]
    np.testing.assert_array_equal(cna.loc["S6"], [NAN, 0, NAN, NAN, 0])


BAD = {
    "no such column": (
        "{file: study/data_gene_panel_matrix.txt, column: mutation}",
        MATRIX,
        "no column 'mutation'.*Did",
    ),
    "no file": ("study/data_gene_panels.txt", MATRIX, "data_gene_panels.txt"),
    "no panel": ("study/data_gene_panel_matrix.txt", MATRIX, "'data_gene_panel_small.txt' describes no panel"),
    "other ids": (
        "study/data_gene_panel_matrix.txt",
        "SAMPLE_ID\tmutations\nX1\tWES\n",
        "nobody with a mutation is in",
    ),
    "an unknown key": ("{file: a.txt, columns: x}", MATRIX, "unknown key 'columns' in 'panels'"),
}


@pytest.mark.parametrize("case", BAD)
def test_panels_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    panels, matrix, message = BAD[case]
    study(tmp_path, matrix, small="gene_list: TP53\n" if case == "no panel" else SMALL, large=LARGE)
    with pytest.raises(InputError, match=message):
        read(tmp_path, f"panels: {panels}")


def test_panels_belong_to_mutations(tmp_path: Path) -> None:
    (tmp_path / "cohort.yaml").write_text("key: id\nmodalities: {m: {kind: omics, file: a.csv, panels: same}}\n")
    with pytest.raises(InputError, match="panels: belongs to format: maf"):
        Cohort.from_manifest(tmp_path / "cohort.yaml")


def test_a_model_is_asked_about_genes_that_nobody_has_a_mutation_in(tmp_path: Path) -> None:
    from mmlego.data.kinds.expected import Expected

    assert Expected().only(["TP53", "BRCA9"]).known == ("TP53", "BRCA9")
    study(tmp_path)
    cohort = read(tmp_path, "panels: study/data_gene_panel_matrix.txt")
    fitted = cohort.prepare(cohort.patients).preprocessing["mut"]
    (tmp_path / "study" / "data_mutations.txt").write_text(MAF.replace("MUC16", "TP53"))
    new = read(tmp_path, "panels: study/data_gene_panel_matrix.txt, columns: [EGFR, KRAS, MUC16, MYC, TP53]")
    np.testing.assert_array_equal(new.frames["mut"]["MUC16"].loc[["S2", "S3"]], [NAN, 0])
    assert fitted.transform(new.frames["mut"]) is not None
