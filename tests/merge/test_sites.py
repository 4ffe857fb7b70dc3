"""Blocks that several sites have trained of one modality: they read one input, and count as one modality."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego import InputError, LegoBlock, LegoFuse, LegoMerge, UnknownNameError, evaluate, load, rename, save
from mmlego.brick import Brick
from mmlego.data import PatientData
from mmlego.explaining import modality_values
from mmlego.merge.sharing import pooled, shares_of, summed_by
from mmlego.merge.weights import parts_within
from mmlego.tasks import Classification
from mmlego.training import calibrate
from mmlego.training.stacking import stack
from tests import strategies
from tests.bricks import doubled, family, features, only, plate, table_block
from tests.learners.cases import data

RULES: list[dict[str, Any]] = [
    {},
    {"weights": {"rna": 0.3, "slide": 0.5, "vitals": 0.2}},
    {"strength": 1.7},
    {"rule": "harmonic"},
    {"rule": "mean"},
    {"rule": "sum"},
    {"rule": "product"},
    {"heads": "linear"},
    {"heads": "slerp"},
    {"preset": "paper"},
]
NAMES = ("rna", "slide", "vitals")

pytestmark = pytest.mark.filterwarnings("ignore:.*hold the same numbers.*:mmlego.LegoWarning")  # sites are copies here


def sites(block: LegoBlock, count: int, patients: list[int] | None = None) -> list[LegoBlock]:
    """Return copies of a block as several sites have it; ``patients`` are those that it was trained on at each."""
    made = [rename(block, f"{block.modality}@{chr(97 + i)}") for i in range(count)]
    for one, trained in zip(made, patients or [], strict=False):
        one.card.patients = {"training": trained}
    return made


def calibrated(on: Any, name: str, seed: int, spread: float) -> LegoBlock:
    block = table_block(on, name, seed=seed)
    block.card.recipe |= {"scores": "held out", "spread": spread}
    return block


counts = st.lists(st.integers(1, 500), min_size=2, max_size=4)


@given(patients=counts, seed=strategies.seeds, rule=st.sampled_from(RULES), there=strategies.presence(3, 5))
def test_copies_of_a_block_answer_as_the_block_alone(
    patients: list[int], seed: int, rule: dict[str, Any], there: torch.Tensor
) -> None:
    rna, slide, vitals = family(3)
    inputs = doubled({name: features(name, 5, seed % 1000) for name in NAMES})
    present = {name: there[i] for i, name in enumerate(NAMES)}
    one = LegoMerge([rna, slide, vitals], **rule).double()(inputs, present)
    many = LegoMerge([*sites(rna, len(patients), patients), slide, vitals], **rule).double()
    torch.testing.assert_close(many(inputs, present), one, atol=1e-6, rtol=1e-6)


@given(order=st.permutations(range(5)), seed=strategies.seeds, rule=st.sampled_from(RULES[:6]))
def test_the_order_of_blocks_does_not_matter(order: list[int], seed: int, rule: dict[str, Any]) -> None:
    rna, slide, vitals = family(3)
    others = [table_block(rna.plate, f"rna@{name}", seed=20 + i) for i, name in enumerate("xyz")]
    blocks: list[Brick] = [*others, slide, vitals]
    inputs = doubled({name: features(name, 4, seed % 1000) for name in NAMES})
    first = LegoMerge(blocks, **rule).double()(inputs)
    again = LegoMerge([blocks[i] for i in order], **rule).double()(inputs)
    torch.testing.assert_close(again, first, atol=1e-6, rtol=1e-6)


@given(patients=counts, spreads=st.lists(st.floats(0.01, 2.0), min_size=3, max_size=3), known=st.booleans())
def test_another_block_of_a_modality_raises_no_number_of_modalities(
    patients: list[int], spreads: list[float], known: bool
) -> None:
    on = plate(Classification(2))
    made = [calibrated(on, name, i, spread) for i, (name, spread) in enumerate(zip(NAMES, spreads, strict=True))]
    if not known:
        made = [table_block(on, name, seed=i) for i, name in enumerate(NAMES)]
    one = LegoMerge(made)
    many = LegoMerge([*sites(made[0], len(patients), patients), *made[1:]])
    here = torch.ones(1, 1, dtype=torch.bool)
    strengths = [
        float(model.strength_of(model.shares_among(here.expand(len(model.modalities), 1)))) for model in (one, many)
    ]
    assert strengths[1] == pytest.approx(strengths[0], rel=1e-5)
    if not known:
        assert strengths[1] == pytest.approx(math.sqrt(3), rel=1e-5)  # √M by hand
    assert len(many.by_modality) == 3


def test_what_sites_say_is_weighed_by_their_training_patients() -> None:
    on = plate()
    a, b = table_block(on, "rna@a", seed=1), table_block(on, "rna@b", seed=2)
    a.card.patients, b.card.patients = {"training": 30}, {"training": 10}
    x = torch.randn(6, 5)
    merge = LegoMerge([a, b])
    assert merge.weights.tolist() == [0.75, 0.25]
    by_hand = 0.75 * a(x).logits + 0.25 * b(x).logits  # one modality: λ = 1, and log-odds are averaged
    torch.testing.assert_close(merge({"rna": x}), by_hand)
    b.card.patients = {}  # not told: alike
    torch.testing.assert_close(LegoMerge([a, b])({"rna": x}), (a(x).logits + b(x).logits) / 2)


def test_each_site_may_have_features_of_its_own() -> None:
    on = plate()
    a, b = table_block(on, "rna@a", width=5), table_block(on, "rna@b", width=3)
    x, y = torch.randn(4, 5), torch.randn(4, 3)
    merge = LegoMerge([a, b])
    torch.testing.assert_close(merge({"rna@a": x, "rna@b": y}), (a(x).logits + b(y).logits) / 2)
    torch.testing.assert_close(merge({"rna@b": y}), b(y).logits)  # the one that can answer


def test_a_block_that_cannot_answer_takes_nothing_from_its_modality() -> None:
    on = plate(Classification(2))
    a, b, other = (table_block(on, name, seed=i) for i, name in enumerate(("rna@a", "rna@b", "slide")))
    x, y = torch.randn(3, 5), torch.randn(3, 5)
    part = LegoMerge([a, b, other])({"rna@a": x, "slide": y})
    torch.testing.assert_close(part, LegoMerge([a, other])({"rna@a": x, "slide": y}))


def test_weights_are_given_by_modality_or_by_block() -> None:
    rna, slide = family(2)
    blocks = {one.modality: one for one in (*sites(rna, 2, [10, 30]), slide)}
    assert LegoMerge(list(blocks.values()), weights={"rna": 1, "slide": 3}).weights.tolist() == [0.0625, 0.1875, 0.75]
    by_block = LegoMerge(list(blocks.values()), weights={"rna@a": 1, "rna@b": 0, "slide": 1})
    assert by_block.weights.tolist() == [0.5, 0, 0.5]
    with pytest.raises(InputError, match="weights of rna and of its blocks"):
        LegoMerge(list(blocks.values()), weights={"rna": 1, "rna@a": 1, "slide": 1})
    with pytest.raises(UnknownNameError, match="weights name unknown modalities"):
        LegoMerge(list(blocks.values()), weights={"rna@c": 1, "slide": 1})
    assert parts_within(blocks) == [0.25, 0.75, 1.0]


def test_evidence_of_a_modality_is_the_mean_of_its_blocks() -> None:
    rna, slide = family(2)
    a, b = sites(rna, 2, [30, 10])
    for block, score in ((a, 0.9), (b, 0.5), (slide, 0.8)):  # (3 · 0.9 + 0.5) / 4 = 0.8
        block.card.validation["auroc"], block.card.errors["auroc"] = score, 0.02
    merge = LegoMerge([a, b, slide], weights="evidence")
    torch.testing.assert_close(merge.weights, torch.tensor([0.375, 0.125, 0.5]))


def test_two_of_one_name_are_refused_with_what_helps() -> None:
    rna, slide = family(2)
    with pytest.raises(InputError, match=r"two blocks are called 'rna'.*mmlego\.rename\(block, 'rna@a'\)"):
        LegoMerge([rna, rna, slide])
    with pytest.raises(InputError, match=r"2 blocks read 'rna', and one has no site.*'rna@b'"):
        LegoMerge([rna, rename(rna, "rna@a"), slide])
    merge, x = LegoMerge([*sites(rna, 2), slide]), torch.randn(2, 5)
    with pytest.raises(InputError, match="'rna@a' is given twice"):
        merge({"rna@a": x, "rna": x})


def test_it_is_saved_in_a_format_that_an_older_mmlego_refuses(tmp_path: Path) -> None:
    rna, slide = family(2)
    inputs = {name: features(name, 4) for name in NAMES[:2]}
    merge = LegoMerge([*sites(rna, 2, [10, 20]), slide])
    again = load(save(merge, tmp_path / "merge"))
    torch.testing.assert_close(again(inputs), merge(inputs))
    assert '"format": 3' in (tmp_path / "merge" / "config.json").read_text()
    assert "rna@a (was called rna)" in (tmp_path / "merge" / "README.md").read_text()
    save(LegoMerge([rename(rna, "rna@a"), slide]), tmp_path / "one")  # nothing is shared: as ever
    assert '"format": 1' in (tmp_path / "one" / "config.json").read_text()


def test_data_by_modality_go_to_all_of_its_blocks() -> None:
    rna, slide = family(2)
    inputs = {name: features(name, 6) for name in NAMES[:2]}
    target = torch.tensor([0, 1, 2, 0, 1, 2])
    one, two = LegoMerge([rna, slide]), LegoMerge([*sites(rna, 2), slide])
    told, expected = (evaluate(model, PatientData(inputs, target, rna.task)) for model in (two, one))
    assert told == pytest.approx(expected)
    assert evaluate(two, ({**inputs}, target)) == pytest.approx(expected)
    alone = LegoMerge(sites(rna, 2))
    assert evaluate(alone, (inputs["rna"], target)) == pytest.approx(evaluate(rna, (inputs["rna"], target)))


def test_a_fuse_leaves_out_all_blocks_of_a_modality_at_once() -> None:
    rna, slide = family(2)
    fuse = LegoFuse([*sites(rna, 2), slide], modality_dropout=0.5).train()
    inputs = {name: features(name, 200) for name in NAMES[:2]}
    present = fuse.read(inputs).present
    assert present is not None
    assert torch.equal(present[0], present[1])
    assert 30 < int((~present[0]).sum()) < 100
    assert bool((present[0] | present[2]).all())


@pytest.mark.parametrize("mode", ["parallel", "stack", "weave"])
def test_a_fuse_of_sites_answers_before_tuning_and_learns(mode: Any) -> None:
    rna, slide = family(2)
    inputs = {name: features(name, 5) for name in NAMES[:2]}
    fuse = LegoFuse([*sites(rna, 2), slide], mode=mode)
    logits = fuse(inputs)
    if mode == "parallel":
        torch.testing.assert_close(logits, LegoMerge([rna, slide])(inputs), atol=2e-6, rtol=2e-6)
    logits.sum().backward()
    assert all(any(p.grad is not None for p in fuse.block(name).parameters()) for name in fuse.modalities)
    torch.testing.assert_close(fuse(only(inputs, [2], ["slide"])), fuse(inputs, {"rna": torch.zeros(5).bool()})[2:3])


def test_values_of_modalities_count_all_of_their_blocks_together() -> None:
    rna, slide = family(2, plate(Classification(2)))
    inputs = {name: features(name, 5) for name in NAMES[:2]}
    one, two = LegoMerge([rna, slide]), LegoMerge([*sites(rna, 2), slide])
    values, expected = (modality_values(model, (inputs, None)) for model in (two, one))
    assert values.per_patient.columns.tolist() == ["rna", "slide", "base", "prediction"]
    torch.testing.assert_close(
        torch.tensor(values.per_patient.to_numpy()), torch.tensor(expected.per_patient.to_numpy()), atol=1e-5, rtol=1e-5
    )


def test_stacking_and_calibration_weigh_modalities() -> None:
    told = data("classification", n=200)
    ids, x = [f"p{i}" for i in range(200)], torch.from_numpy(told.x).float()
    on = plate(told.task)
    parts = {"good": x[:, :2], "noise": x[:, 3:]}
    good, noise = (
        LegoBlock.of("logistic", on, name, (value, told.target), patients=ids) for name, value in parts.items()
    )
    both = PatientData(parts, told.target, told.task, ids)
    one, two = LegoMerge([good, noise]), LegoMerge([rename(good, "good@a"), rename(good, "good@b"), noise])
    weights, expected = stack(two, both), stack(one, both)
    assert weights == pytest.approx(expected, abs=1e-4)
    assert weights["good"] > weights["noise"]
    assert calibrate(two, both) == pytest.approx(calibrate(one, both), rel=1e-3)


@given(m=st.integers(1, 5), there=st.data())
def test_shares_sum_to_one_over_modalities_and_within_each(m: int, there: st.DataObject) -> None:
    present = there.draw(strategies.presence(m, 4))
    weights = there.draw(strategies.shares(m))
    cuts = there.draw(st.integers(1, m))
    blocks = tuple(tuple(range(i, m, cuts)) for i in range(cuts))
    whole, within = shares_of(weights, present, blocks)
    torch.testing.assert_close(whole.sum(0), torch.ones(4, dtype=whole.dtype))
    assert bool(((whole > 0) == present).all())
    has = summed_by(present.int(), blocks) > 0
    torch.testing.assert_close(summed_by(within, blocks), has.to(within.dtype))
    ones = torch.ones(m, 4, 2, 3, dtype=torch.complex128)
    assert bool((pooled(ones, within, blocks).real.sub(has[:, :, None, None].double()).abs() < 1e-12).all())
