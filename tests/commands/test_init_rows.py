"""What mmlego init makes of tables with several rows a patient, as MIMIC, eICU, OMOP and REDCap give them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mmlego.data import check_manifest, draft_manifest
from mmlego.errors import InputError
from tests.data.kinds.bag.slides import patches, write_h5

IDS = [f"P{number:02d}" for number in range(12)]
LABS = "labevent_id,subject_id,hadm_id,itemid,charttime,storetime,value,valuenum,valueuom,flag\n" + "".join(
    f"{10 * n + k},{who},{900 + n},{50912 + k % 2},2150-01-{1 + k // 2:02d} 09:0{k}:00,2150-01-02 10:00:00,"
    f"{n + k / 10},{n + k / 10},{['mg/dL', 'mEq/L'][k % 2]},\n"
    for n, who in enumerate(IDS)
    for k in range(4)
)
ADMISSIONS = "subject_id,hadm_id,admittime,deathtime,race,hospital_expire_flag\n" + "".join(
    f"{who},{900 + n},2150-01-01 08:00:00,,{['WHITE', 'BLACK'][n % 2]},{n % 2}\n" for n, who in enumerate(IDS)
)
EICU = "labid,patientunitstayid,labresultoffset,labname,labresult,labresultrevisedoffset\n" + "".join(
    f"{10 * n + k},{who},{60 * k + n},{['sodium', 'potassium'][k % 2]},{n + k},{60 * k + 9}\n"
    for n, who in enumerate(IDS)
    for k in range(4)
)
HOURLY = "patient,hour,HR,SBP,age\n" + "".join(
    f"{who},{k},{60 + n + k},{110 + n - k},{50 + n}\n" for n, who in enumerate(IDS) for k in range(3)
)
EDGES = "patient,gene_a,gene_b,weight\n" + "".join(
    f"{who},n{k},n{k + 1},{k + n / 10}\n" for n, who in enumerate(IDS) for k in range(3)
)
NODES = "patient,gene,degree\n" + "".join(f"{who},n{k},{k + n}\n" for n, who in enumerate(IDS) for k in range(4))
REDCAP = "record_id,redcap_event_name,redcap_repeat_instrument,age,sex,crp\n" + "".join(
    f"{n},baseline_arm_1,,{50 + n},{1 + n % 2},\n{n},visit_arm_1,labs,,,{n}\n{n},visit_arm_1,labs,,,{n + 2}\n"
    for n in range(12)
)
CDR3 = "patient,cdr3,v_gene\n" + "".join(
    f"{who},CASS{'ACDEFGHIKLMN'[n]}{'PQRSTVWYACDE'[n]}GELFF,TRBV{n % 2}\n" for n, who in enumerate(IDS)
)
XENA = "sampleID\t_PATIENT\tage_at_diagnosis\tsample_type\n" + "".join(
    f"{who}-{kind}\t{who}\t{50 + n + (kind == '11')}\t{tissue}\n"
    for n, who in enumerate(IDS)
    for kind, tissue in (("11", "Solid Tissue Normal"), ("01", "Primary Tumor"))
)
DIAGNOSES = "patient,icd_code,weight\n" + "".join(
    f"{who},{code},{n}\n" for n, who in enumerate(IDS) for code in ("I10", f"E11{n % 2}")
)

CASES: dict[str, tuple[dict[str, str], str, dict[str, dict[str, Any]]]] = {
    "MIMIC": (
        {"labevents.csv": LABS, "admissions.csv": ADMISSIONS},
        "subject_id",
        {
            "labevents": {
                "kind": "series",
                "file": "labevents.csv",
                "time": "charttime",
                "variable": "itemid",
                "value": "valuenum",
                "index": {"file": "admissions.csv", "column": "admittime"},
                "window": [0, None],
            },
            "admissions": {"kind": "table", "file": "admissions.csv", "columns": ["race"]},
        },
    ),
    "eICU": (
        {"lab.csv": EICU},
        "patientunitstayid",
        {
            "lab": {
                "kind": "series",
                "file": "lab.csv",
                "time": "labresultoffset",
                "variable": "labname",
                "value": "labresult",
                "unit": "minutes",
            }
        },
    ),
    "a column a variable": (
        {"icu.csv": HOURLY},
        "patient",
        {
            "icu": {
                "kind": "series",
                "file": "icu.csv",
                "layout": "wide",
                "time": "hour",
                "variables": ["HR", "SBP"],
                "unit": "hours",
            }
        },
    ),
    "edges and nodes": (
        {"edges.csv": EDGES, "nodes.csv": NODES},
        "patient",
        {
            "edges": {
                "kind": "graph",
                "edges": "edges.csv",
                "source": "gene_a",
                "target": "gene_b",
                "nodes": "nodes.csv",
                "node": "gene",
            }
        },
    ),
    "edges alone": (
        {"edges.csv": EDGES.replace("gene_a,gene_b", "source,target")},
        "patient",
        {"edges": {"kind": "graph", "edges": "edges.csv"}},
    ),
    "REDCap": (
        {"export.csv": REDCAP},
        "record_id",
        {
            "export_baseline_arm_1": {
                "kind": "table",
                "file": "export.csv",
                "where": {"redcap_event_name": "baseline_arm_1", "redcap_repeat_instrument": ""},
                "columns": ["age", "sex"],
            },
            "export_visit_arm_1_labs": {
                "kind": "table",
                "file": "export.csv",
                "where": {"redcap_event_name": "visit_arm_1", "redcap_repeat_instrument": "labs"},
                "rows": "mean",
                "columns": ["crp"],
            },
        },
    ),
    "tumours and normal tissue": (
        {"BRCA_clinicalMatrix.tsv": XENA},
        "_PATIENT",
        {
            "BRCA_clinicalMatrix": {
                "kind": "table",
                "file": "BRCA_clinicalMatrix.tsv",
                "where": {"sample_type": "Primary Tumor"},
                "columns": ["age_at_diagnosis"],
            }
        },
    ),
    "sequences": (
        {"tcr.csv": CDR3},
        "patient",
        {
            "tcr_cdr3": {"kind": "sequence", "file": "tcr.csv", "column": "cdr3", "alphabet": "protein"},
            "tcr": {"kind": "table", "file": "tcr.csv", "columns": ["v_gene"]},
        },
    ),
    "a word a row": (
        {"dx.csv": DIAGNOSES},
        "patient",
        {"dx": {"kind": "table", "file": "dx.csv", "rows": "first", "columns": ["weight"]}},
    ),
}


def drafted(folder: Path, files: dict[str, str]) -> tuple[dict[str, Any], str]:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(content)
    text = draft_manifest([folder / name for name in files], folder)
    (folder / "cohort.yaml").write_text(text)
    return yaml.safe_load(text), text


@pytest.mark.parametrize("case", CASES)
def test_tables_with_several_rows_a_patient(case: str, tmp_path: Path) -> None:
    files, key, sections = CASES[case]
    manifest, text = drafted(tmp_path, files)
    assert manifest["key"] == key
    assert manifest["modalities"] == sections
    report = check_manifest(tmp_path / "cohort.yaml")
    assert report.wrong == []
    assert report.cohort is not None
    assert len(report.cohort) == 12
    if case == "MIMIC":
        assert "#   label: hospital_expire_flag" in text  # no feature: it says who died
    if case == "a word a row":
        assert "# - icd_code  # doubtful: differs between rows of a patient" in text


def test_dates_of_measurements_without_a_start_are_asked_for(tmp_path: Path) -> None:
    age = "subject_id,age\n" + "".join(f"{who},{n}\n" for n, who in enumerate(IDS))
    manifest, text = drafted(tmp_path, {"labevents.csv": LABS, "age.csv": age})
    assert set(manifest["modalities"]) == {"age"}
    assert "# index:  # fill in: {file: FILE, column: DATE}, a date a patient from which charttime is counted" in text
    with pytest.raises(InputError, match=r"nothing in the files can be a modality"):
        draft_manifest([tmp_path / "labevents.csv"], tmp_path)


def test_slides_of_a_table_are_files_of_their_patients(tmp_path: Path) -> None:
    rows = [(f"P{number // 2}", f"s{number}") for number in range(12)]
    for number, (_, slide) in enumerate(rows):
        write_h5(tmp_path / "features" / f"{slide}.h5", patches(4, 8, number))
    table = "case_id,slide_id,path,grade\n" + "".join(
        f"{who},{slide},{slide}.h5,{int(who[1:]) % 3}\n" for who, slide in rows
    )
    (tmp_path / "features" / "slides.csv").write_text(table)
    text = draft_manifest([tmp_path / "features" / "slides.csv"], tmp_path)
    assert yaml.safe_load(text)["key"] == "case_id"
    (tmp_path / "cohort.yaml").write_text(text)
    report = check_manifest(tmp_path / "cohort.yaml")
    assert report.wrong == []
    assert report.cohort is not None
    source = report.cohort.sources["slides_path"]
    assert (source.kind, getattr(source, "pattern", ""), getattr(source, "rows", "")) == (
        "bag",
        "features/{path}",
        "concat",
    )
    (tmp_path / "features" / "slides.csv").unlink()
    bare = "case_id,slide_id,grade\n" + "".join(f"{who},{slide},{int(who[1:]) % 3}\n" for who, slide in rows)
    (tmp_path / "slides.csv").write_text(bare)
    (tmp_path / "cohort.yaml").write_text(draft_manifest([tmp_path / "slides.csv", tmp_path / "features"], tmp_path))
    report = check_manifest(tmp_path / "cohort.yaml")
    assert report.wrong == []
    assert report.cohort is not None
    assert getattr(report.cohort.sources["features"], "pattern", "") == "features/{slide_id}.h5"


def test_files_that_are_not_there_are_asked_for(tmp_path: Path) -> None:
    table = "patient,t1,age\n" + "".join(f"{who},mri/{who}.nii.gz,{n}\n" for n, who in enumerate(IDS))
    manifest, text = drafted(tmp_path, {"scans.csv": table})
    assert set(manifest["modalities"]) == {"scans"}
    assert "# fill in: there is no file mri/P00.nii.gz" in text
    assert check_manifest(tmp_path / "cohort.yaml").wrong == []


def test_tumours_alone_of_a_matrix_with_normal_tissue(tmp_path: Path) -> None:
    who = [f"TCGA-AA-{number:04d}" for number in range(6)]
    samples = [*(f"{one}-01" for one in who), f"{who[0]}-11"]
    genes = "".join(f"G{g}\t" + "\t".join(str(g + n) for n in range(7)) + "\n" for g in range(3))
    clinical = "patient\tdied\n" + "".join(f"{one}\t{n % 2}\n" for n, one in enumerate(who))
    files = {"HiSeqV2.tsv": "sample\t" + "\t".join(samples) + "\n" + genes, "clinical.tsv": clinical}
    manifest, _ = drafted(tmp_path, files)
    assert manifest["modalities"]["HiSeqV2"]["id"] == {"pattern": "^(TCGA-..-....)-0"}
    report = check_manifest(tmp_path / "cohort.yaml")
    assert report.wrong == []
    assert report.cohort is not None
    assert report.cohort.frames["HiSeqV2"].loc[who[0], "G0"] == 0
