from __future__ import annotations

import pytest

from mmlego.data.reading.ids import IdForm
from mmlego.data.reading.near_ids import near_miss

NEAR = {
    "zeros": ("{:d}", "{:03d}", IdForm(number=True), "outcome"),
    "zeros of both": ("{:03d}", "{:05d}", IdForm(number=True), None),
    "zeros after letters": ("P{:d}", "P{:03d}", IdForm(number=True), "outcome"),
    "letters and zeros": ("p{:06d}", "{:d}", IdForm(pattern=r"(\d+)", number=True), "rna"),
    "letters and other zeros": ("p{:06d}", "{:03d}", IdForm(pattern=r"(\d+)", number=True), None),
    "letters and zeros of the outcome": ("{:d}", "S{:03d}", IdForm(pattern=r"(\d+)", number=True), "outcome"),
    "case": ("tcga-{:04d}", "TCGA-{:04d}", IdForm(case="upper"), "rna"),
    "barcodes": ("TCGA-AA-{:04d}-01A", "TCGA-AA-{:04d}", IdForm(length=12), "rna"),
    "barcodes of the outcome": ("TCGA-AA-{:04d}", "TCGA-AA-{:04d}-01A", IdForm(length=12), "outcome"),
    "barcodes of R": ("TCGA.AA.{:04d}.01A", "TCGA-AA-{:04d}", IdForm(replace={".": "-"}, length=12), "rna"),
    "names of R": ("X{:03d}", "{:03d}", IdForm(pattern="^X(.+)$"), "rna"),
    "slides": ("P{:d}_s1", "P{:d}", IdForm(pattern="^([^_]+)_"), "rna"),
    "blanks": ("P {:d}", "P{:d}", IdForm(replace={" ": ""}), "rna"),
}


@pytest.mark.parametrize("case", NEAR)
def test_the_form_in_which_ids_meet(case: str) -> None:
    mine, theirs, form, section = NEAR[case]
    numbers = range(60, 100)
    found = near_miss("rna", [mine.format(i) for i in numbers], "outcome", [theirs.format(i) for i in numbers])
    assert found is not None
    assert (found.form, found.section, found.met) == (form, section, 40)


@pytest.mark.parametrize(
    ("ids", "known"),
    [
        (["a1", "a2"], ["b1", "b2"]),
        (["101", "102"], ["1", "2"]),
        (["GSM1", "GSM2"], ["TCGA1", "TCGA2"]),
        (["7", "8"], ["007", "07"]),  # a form that makes one patient of two is none
        ([], ["a"]),
        (["a"], []),
    ],
)
def test_what_does_not_meet_is_not_brought_together(ids: list[str], known: list[str]) -> None:
    assert near_miss("rna", ids, "outcome", known) is None


def test_normal_tissue_is_not_brought_to_its_patients() -> None:
    patients = [f"TCGA-AA-{number:04d}" for number in range(4)]
    samples = [*(f"{patient}-01A" for patient in patients), f"{patients[0]}-11A"]
    found = near_miss("rna", samples, "outcome", patients)
    assert found is not None
    assert found.remedy() == "Declare id: {pattern: '^(TCGA-..-....)-0'} in the section of rna."
    assert found.form.column(samples, "rna") == [*patients, samples[-1]]
