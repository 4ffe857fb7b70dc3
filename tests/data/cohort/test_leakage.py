from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mmlego import LegoWarning
from mmlego.data import Cohort, Draw, Split, check_leakage, check_split, duplicates, split_patients
from mmlego.data.cohort.leakage import merge_groups
from mmlego.data.reading.fingerprints import row_fingerprints
from mmlego.errors import InputError, ShapeError, UnknownNameError
from tests.data.kinds.bag.slides import patches, write_h5

IDS = [f"p{i:02d}" for i in range(40)]
TASK = {"task": "classification", "label": "died"}


def cohort(*copies: tuple[str, str], **more: object) -> Cohort:
    """Return 40 patients with rna and two clinical columns; of a pair the second has the rna of the first."""
    rng = np.random.default_rng(0)
    rna = pd.DataFrame(rng.normal(size=(40, 12)), index=IDS)
    for first, second in copies:
        rna.loc[second] = rna.loc[first]
    clinical = pd.DataFrame({"age": rng.integers(50, 60, 40), "sex": rng.choice(["f", "m"], 40)}, index=IDS)
    died = pd.DataFrame({"died": ["no", "yes"] * 20}, index=IDS)
    return Cohort.from_frames({"rna": rna, "clinical": clinical}, outcome=died, task=TASK, **more)


def test_a_cohort_splits_itself() -> None:
    made = cohort()
    splits = made.split(by="patient", stratify="outcome", folds=5, seed=0)
    assert splits == split_patients(made.patients, made.strata(), folds=5, seed=0) == made.split()
    assert made.split(folds=4, seed=1, repeats=2, validation=0.1) == split_patients(
        made.patients, made.strata(), folds=4, seed=1, repeats=2, validation=0.1
    )
    assert made.split(stratify=None, fractions=(0.5, 0.25, 0.25)) == split_patients(
        made.patients, fractions=(0.5, 0.25, 0.25)
    )


def test_duplicated_features_are_found_and_refused() -> None:
    made = cohort(("p03", "p17"), ("p04", "p05"))
    assert duplicates(made) == {"rna": [("p03", "p17"), ("p04", "p05")]}
    with pytest.raises(InputError, match=r"leakage: rna has the same features under several ids .*p0[34] = p(05|17)"):
        made.split()
    apart = Split(range(20), range(20, 30), range(30, 40))
    with pytest.raises(InputError, match=r"two sides \(p04 = p05\)"):
        check_leakage(made, Split([4], [5], [6]))
    check_leakage(made, Split([3, 17, 4, 5], [6], [7]))  # both on one side
    check_leakage(made, Split([3, 4], [6], [7]))  # the other nowhere
    check_leakage(cohort(), apart)


def test_duplicates_are_kept_together_or_let_pass() -> None:
    made = cohort(("p03", "p17"), ("p17", "p30"), ("p04", "p05"))
    place = {patient: row for row, patient in enumerate(IDS)}
    for split in made.split(duplicates="together", repeats=3):
        for rows in split.parts().values():
            assert len({place[p] for p in ("p03", "p17", "p30")} & set(rows)) in (0, 3)
            assert len({place[p] for p in ("p04", "p05")} & set(rows)) in (0, 2)
    assert made.split(duplicates="allow") == split_patients(made.patients, made.strata(), folds=5)


def test_groups_are_kept_together() -> None:
    made = cohort()
    by_name = {patient: int(patient[1:]) // 4 for patient in IDS}
    splits = made.split(by=by_name, folds=5)
    assert splits == made.split(by=list(by_name.values()), folds=5)
    for split in splits:
        check_split(split, made.patients, list(by_name.values()))
    both = cohort(("p00", "p39")).split(by=by_name, duplicates="together")
    for split in both:
        assert len({0, 1, 2, 3, 36, 37, 38, 39} & set(split.test.tolist())) in (0, 8)


def test_rows_that_patients_share_by_chance_tell_nothing() -> None:
    rng = np.random.default_rng(1)
    n = 300
    mutations = pd.DataFrame(rng.random((n, 200)) < 0.003).astype(int)  # more than half have none
    copies = pd.DataFrame(np.repeat(rng.integers(-1, 2, (n, 1)), 400, axis=1))  # one arm, many genes
    ages = pd.DataFrame({"age": rng.integers(30, 90, n), "grade": rng.choice(["low", "high"], n)})
    for frame in (mutations, copies, ages, pd.DataFrame(index=range(n))):
        assert row_fingerprints(frame) == [None] * n
    labs = pd.DataFrame(rng.normal(size=(n, 6))).where(rng.random((n, 6)) < 0.7)
    labs.iloc[9] = labs.iloc[4] = [1.5, 2.5, 3.5, 4.5, np.nan, np.nan]
    labs.iloc[[20, 21]] = [np.nan, np.nan, np.nan, np.nan, 3.5, np.nan]
    found = row_fingerprints(labs)
    assert found[9] == found[4] is not None
    assert found[20] is None
    assert len({mark for mark in found if mark is not None}) == sum(mark is not None for mark in found) - 1


def test_copies_of_one_slide_are_found(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1), ("c", 0)):
        write_h5(tmp_path / "slides" / f"{name}.h5", patches(50, seed=seed))
    (tmp_path / "cohort.yaml").write_text('key: id\nmodalities: {wsi: {kind: bag, pattern: "slides/{key}.h5"}}')
    assert duplicates(Cohort.from_manifest(tmp_path / "cohort.yaml")) == {"wsi": [("a", "c")]}


def test_preprocessing_must_not_have_seen_the_other_side() -> None:
    made = cohort()
    split = made.split()[0]
    named = split.named(made.patients)
    check_leakage(made, split, made.prepare(named["train"]))
    for side in ("validation", "test"):
        leaky = made.prepare([*named["train"], named[side][0]])
        with pytest.raises(InputError, match=rf"fitted on 1 patient of the {side} part \({named[side][0]}\)"):
            check_leakage(made, split, leaky)


def test_time_bins_must_not_have_seen_the_other_side() -> None:
    rng = np.random.default_rng(0)
    names = [f"p{i}" for i in range(60)]
    outcome = pd.DataFrame({"months": rng.exponential(10, 60), "died": rng.integers(0, 2, 60)}, index=names)
    task = {"task": "survival", "time": "months", "event": "died", "event_when": 1, "bins": 4}
    rna = pd.DataFrame(rng.normal(size=(60, 6)), index=names)
    cohort = Cohort.from_frames({"rna": rna}, outcome=outcome, task=task)
    split = cohort.split(folds=3, validation=0.2)[0]
    train = split.named(cohort.patients)["train"]
    check_leakage(cohort, split, cohort.prepare(train))
    # Of a part of the training patients, with the bins of all of them: as for blocks of one baseplate.
    check_leakage(cohort, split, cohort.prepare(train[:20], task=cohort.prepare(train).task))
    everybody = cohort.prepare(cohort.patients).task
    with pytest.raises(InputError, match=r"leakage: the task was fitted on all patients of cohort \(cuts: "):
        check_leakage(cohort, split, cohort.prepare(train, task=everybody))


def test_subsets_and_loaders() -> None:
    made = cohort()
    part = made.subset(["p05", "p01", "p09"])
    assert part.patients == ("p05", "p01", "p09")
    assert part.frames["rna"].index.tolist() == ["p05", "p01", "p09"]
    assert part.outcome.index.tolist() == ["p05", "p01", "p09"]
    assert len(made) == 40
    only = Cohort.from_frames({"rna": made.frames["rna"], "late": made.frames["clinical"][30:]}).subset(IDS[:3])
    assert only.modalities == ("rna",)
    with pytest.raises(InputError, match=r"1 patient named twice \(p01\)"):
        made.subset(["p01", "p02", "p01"])
    with pytest.raises(UnknownNameError, match=r"1 patient not in cohort 'cohort' \(x\)"):
        made.subset(["x"])
    prepared = made.prepare(IDS[:30])
    loader = made.loader(prepared, IDS[30:], batch_size=4, shuffle=True, seed=3)
    seen = [patient for batch in loader for patient in batch.patients]
    assert sorted(seen) == IDS[30:] != seen
    assert [len(batch) for batch in loader] == [4, 4, 2]
    assert len(next(iter(made.loader(prepared, batch_size=40)))) == 40
    expected = prepared.data(IDS[30:]).batch([0], Draw(0, 0)).inputs["rna"]
    first = next(iter(made.loader(prepared, IDS[30:], batch_size=1, training=True)))
    assert torch.equal(first.inputs["rna"], expected)


def test_arguments_that_do_not_fit() -> None:
    made = cohort()
    bad = {
        "unknown by: expected 'patient', 'scaffold', or the group of each, got 'slide'": {"by": "slide"},
        "patients without a group: expected one for each patient, got p01, p02": {"by": {"p00": 1}},
        "groups do not fit the patients: expected 40, one a patient, got 2": {"by": [1, 2]},
        "unknown strata": {"stratify": "age"},
        "unknown rule for duplicates": {"duplicates": "drop"},
        "one way to split is needed": {"folds": 3, "fractions": (0.5, 0.25, 0.25)},
    }
    for message, arguments in bad.items():
        with pytest.raises((InputError, UnknownNameError), match=message):
            made.split(**arguments)
    with pytest.raises(InputError, match="a cohort without an outcome has no strata"):
        Cohort.from_frames(made.frames).split()


def test_few_of_a_stratum_are_told() -> None:
    with pytest.warns(LegoWarning, match="some folds lack it"):
        cohort().split(stratify=[0] * 38 + [1] * 2)


def test_arrays() -> None:
    values = np.arange(6.0).reshape(3, 2)
    values[1] = np.nan
    made = Cohort.from_arrays({"rna": values, "cnv": np.ones((2, 1))}, {"rna": ["a", "b", "c"], "cnv": ["c", "d"]})
    assert {name: frame.index.tolist() for name, frame in made.frames.items()} == {"rna": ["a", "c"], "cnv": ["c", "d"]}
    assert made.frames["rna"].columns.tolist() == ["rna_0", "rna_1"]
    died = pd.DataFrame({"died": [0, 1, 1]}, index=["a", "b", "c"])
    assert Cohort.from_arrays({"rna": values}, ["a", "b", "c"], outcome=died, task=TASK).patients == ("a", "c")
    with pytest.raises(ShapeError, match=r"modality 'rna' is of the wrong shape: expected an array \(2, f\)"):
        Cohort.from_arrays({"rna": values}, ["a", "b"])
    with pytest.raises(UnknownNameError, match="no patients are given for modality 'rna'"):
        Cohort.from_arrays({"rna": values}, {"cnv": ["a"]})


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_overlap_is_drawn(ending: str, tmp_path: Path) -> None:
    path = cohort().draw_overlap(tmp_path / f"overlap.{ending}")
    assert path.stat().st_size > 1000


def test_the_picture_says_what_the_summary_says(tmp_path: Path) -> None:
    frames = {name: pd.DataFrame({"x": [1.0] * n}, index=IDS[:n]) for name, n in (("rna", 9), ("wsi", 4), ("labs", 7))}
    text = Cohort.from_frames(frames, name="trial").draw_overlap(tmp_path / "overlap.svg").read_text()
    assert text.startswith("<?xml")
    many = {f"m{i}": pd.DataFrame({"x": [1.0] * (i + 1)}, index=IDS[: i + 1]) for i in range(35)}
    Cohort.from_frames(many).draw_overlap(tmp_path / "many.png")
    with pytest.raises(InputError, match=r"cannot draw to 'overlap\.abc'"):
        Cohort.from_frames(frames).draw_overlap(tmp_path / "overlap.abc")
    with pytest.raises(InputError, match="cannot draw to"):
        Cohort.from_frames(frames).draw_overlap(tmp_path / "nowhere" / "overlap.png")


def test_chains_of_duplicates_are_one_group() -> None:
    """a = c in one modality and b = c in another make all three one, in whatever order they are found."""
    who, apart = ["a", "b", "c", "d"], ["1", "2", "3", "4"]
    for sets in ([("a", "c"), ("b", "c")], [("b", "c"), ("a", "c")], [("c", "b"), ("a", "b"), ("a", "c")]):
        groups = merge_groups(who, apart, sets)
        assert groups[0] == groups[1] == groups[2] != groups[3]
    assert len(set(merge_groups(who, apart, [("c", "d"), ("a", "b"), ("b", "d")]))) == 1
    assert len(set(merge_groups(who, apart, [("c", "d"), ("a", "b")]))) == 2
    assert merge_groups(who, ["x", "x", "y", "y"], [("b", "c")]) == ["x"] * 4
