from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mmlego.data import Cohort, Manifest, read_manifest
from mmlego.data.cohort.manifest import parse_manifest, parse_outcome
from mmlego.errors import InputError

FULL = """
name: tcga-blca
key: case_id
outcome: {task: survival, file: tcga.csv.zip, time: survival_months, event: censorship, event_when: 0, bins: 4}
modalities:
  rna:      {kind: table, file: tcga.csv.zip, columns: "*_rnaseq", keep: 500}
  clinical: {kind: table, file: clinical.csv, columns: [age, is_female], rows: first}
"""


def test_a_whole_manifest(write) -> None:
    manifest = read_manifest(write("cohort.yaml", FULL))
    assert isinstance(manifest, Manifest)
    assert (manifest.name, manifest.key) == ("tcga-blca", "case_id")
    assert list(manifest.modalities) == ["rna", "clinical"]
    rna, clinical = manifest.modalities.values()
    assert (rna.kind, rna.columns, rna.rows, rna.keep) == ("table", "*_rnaseq", "error", 500)
    assert (clinical.columns, clinical.rows, clinical.keep) == (["age", "is_female"], "first", None)
    assert manifest.outcome.columns(["case_id", "survival_months", "censorship"]) == ["survival_months", "censorship"]
    assert manifest.outcome.bins == 4


def test_the_least_manifest() -> None:
    manifest = parse_manifest({"key": "id", "modalities": {"rna": {"kind": "table", "file": "a.csv"}}})
    assert manifest.outcome is None
    assert manifest.name == "cohort"
    assert manifest.modalities["rna"].columns == "*"


def test_what_few_patients_have_is_said_for_all_or_for_one() -> None:
    sections = {
        "rna": {"kind": "table", "file": "a.csv"},
        "notes": {"kind": "omics", "file": "b.csv", "min_patients": 1},
    }
    found = {least: parse_manifest({"key": "id", "modalities": sections, **least_of(least)}) for least in (None, 10)}
    asked = {least: [one.min_patients for one in manifest.modalities.values()] for least, manifest in found.items()}
    assert asked == {None: [5, 1], 10: [10, 1]}
    with pytest.raises(InputError, match="'min_patients' is wrong"):
        parse_manifest({"key": "id", "modalities": sections, "min_patients": 0})


def least_of(least: int | None) -> dict[str, int]:
    return {} if least is None else {"min_patients": least}


def changed(section: str | None = None, drop: str | None = None, **values: object) -> object:
    content = yaml.safe_load(FULL)
    part = content
    for name in section.split(".") if section else []:
        part = part[name]
    part.update(values)
    if drop:
        del part[drop]
    return content


BAD = {
    "not a mapping": ([1, 2], "manifest is not a section: expected names with values, got list"),
    "empty": (None, "manifest is not a section"),
    "numbers for names": ({1: 2}, "is not a section"),
    "no key": (changed(drop="key"), "'key' is missing"),
    "no modalities": (changed(drop="modalities"), "manifest has no modalities"),
    "empty modalities": (changed(modalities={}), "manifest has no modalities"),
    "modalities as a list": (changed(modalities=["rna"]), "manifest: modalities is not a section"),
    "unknown key at the top": (changed(modality={}), "unknown key 'modality'. Did you mean 'modalities'"),
    "unknown key of a modality": (
        changed("modalities.rna", colums="*"),
        "manifest: modality rna: unknown key 'colums'. Did you mean 'columns'",
    ),
    "unknown key of the outcome": (
        changed("outcome", evnet="x"),
        "manifest: outcome: unknown key 'evnet'. Did you mean",
    ),
    "unknown kind": (
        changed("modalities.rna", kind="slides"),
        "modality rna: unknown kind: expected kind: one of bag, .*got 'slides'",
    ),
    "no kind": (changed("modalities.rna", drop="kind"), "unknown kind: expected kind: one of bag, .*got nothing"),
    "no file": (changed("modalities.rna", drop="file"), "modality rna names no file"),
    "a wrong type": (changed("modalities.rna", file=3), "modality rna: 'file' is wrong"),
    "an unknown rule": (changed("modalities.rna", rows="last"), "'rows' is wrong.*'error', 'first' or 'mean'"),
    "keep nothing": (changed("modalities.rna", keep=0), "'keep' is wrong"),
    "unknown task": (
        changed("outcome", task="survial"),
        "expected task: one of survival, classification, multilabel, regression, got 'survial'",
    ),
    "no polarity": (changed("outcome", drop="event_when"), "outcome: 'event_when' is missing. Add event_when:"),
    "one bin": (changed("outcome", bins=1), "outcome: 'bins' is wrong"),
    "outcome without file": (changed("outcome", drop="file"), "outcome names no file"),
    "outcome as text": (changed(outcome="survival"), "manifest: outcome is not a section"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_manifests(case: str) -> None:
    content, message = BAD[case]
    with pytest.raises(InputError, match=message):
        parse_manifest(content)


def test_the_name_in_the_file_is_hinted_at() -> None:
    with pytest.raises(InputError, match=r"unknown key 'targets'\. Did you mean 'target'\?"):
        parse_outcome({"task": "regression", "targets": "age", "target": "age"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", r"the manifest cohort\.yaml is not YAML"),
        (FULL + "  rna: {kind: table, file: b.csv}\n", "key 'rna' is given twice"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
        ("? [a]\n: 1\n", "is not"),
    ],
)
def test_bad_yaml(text: str, message: str, write) -> None:
    with pytest.raises(InputError, match=message):
        read_manifest(write("cohort.yaml", text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the manifest .*none\.yaml \(No such file"):
        read_manifest(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("name: Müller".encode("latin-1"))
    with pytest.raises(InputError, match="is no text"):
        read_manifest(tmp_path / "latin.yaml")


def test_words_of_modalities_are_read_as_files_have_them(tmp_path: Path) -> None:
    """YAML takes no for False and 007 for 7."""
    rows = [
        "id,smoker,code,age",
        *(f"p{i},{['yes', 'no', 'maybe'][i % 3]},{['007', 'A1'][i % 2]},{50 + i}" for i in range(12)),
    ]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    section = "{kind: table, file: t.csv, missing: {smoker: [no], code: 007}}"
    (tmp_path / "c.yaml").write_text(f"key: id\nmodalities: {{m: {section}}}")
    frame = Cohort.from_manifest(tmp_path / "c.yaml").frames["m"]
    assert frame["smoker"].isna().tolist() == [False, True, False] * 4
    assert frame["code"].isna().tolist() == [True, False] * 6
    (tmp_path / "s.csv").write_text(
        "id,time,vent\n" + "".join(f"p{i},{t},{'yes' if t else 'no'}\n" for i in range(3) for t in (0, 1))
    )
    section = "{kind: series, layout: wide, file: s.csv, cache: false, codes: {vent: {yes: 1, no: 0}}}"
    (tmp_path / "c.yaml").write_text(f"key: id\nmodalities: {{m: {section}}}")
    assert Cohort.from_manifest(tmp_path / "c.yaml").frames["m"].loc["p0", "stay"].value.tolist() == [0, 1]
