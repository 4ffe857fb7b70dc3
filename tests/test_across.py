"""A model of all modalities side by side, beside what is merged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import mmlego
from mmlego import Baseplate, InputError, LegoBlock, LegoFuse, UnknownNameError
from mmlego.across import Across
from mmlego.bundle import Bundle
from mmlego.data import Cohort, PatientData
from mmlego.job.across import add_across
from mmlego.learners.rows import Rows
from mmlego.settings import as_settings
from mmlego.tasks import Classification
from mmlego.training.evaluate import all_logits, evaluate

N = 240


def crossing(n: int = N, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two columns of two modalities whose product alone tells the outcome, and who had it."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, 2)), rng.normal(size=(n, 2))
    y = torch.from_numpy((a[:, 0] * b[:, 0] + 0.1 * rng.normal(size=n) > 0).astype(np.int64))
    return torch.from_numpy(a).float(), torch.from_numpy(b).float(), y


def data_for(a: torch.Tensor, b: torch.Tensor, y: torch.Tensor, fuse: LegoFuse) -> PatientData:
    return PatientData({"a": a, "b": b}, y, fuse.task, [f"p{i}" for i in range(len(y))])


@pytest.fixture(scope="module")
def fuse() -> LegoFuse:
    a, b, y = crossing()
    plate = Baseplate(Classification(2), channels=4, width=8)
    ids = [f"p{i}" for i in range(N)]
    blocks = [LegoBlock.of("logistic", plate, name, (x, y), patients=ids) for name, x in (("a", a), ("b", b))]
    made = LegoFuse(blocks)
    assert add_across(made, data_for(a, b, y, made), "auto", seen=N, seed=0)
    return made.eval()


def test_it_finds_what_no_pool_of_opinions_can(fuse: LegoFuse) -> None:
    a, b, y = crossing(seed=1)
    merged = mmlego.LegoMerge([fuse.block("a"), fuse.block("b")])
    held = {"a": a, "b": b}
    with torch.no_grad():
        alone = fuse.task.metrics(merged(held), y)["auroc"]
        both = fuse.task.metrics(fuse(held), y)["auroc"]
    assert alone < 0.65
    assert both > 0.9


def test_it_is_the_mean_of_both_by_the_share(fuse: LegoFuse) -> None:
    a, b, _ = crossing(20, seed=2)
    across = fuse.across
    assert across is not None
    assert across.share == 1.0
    held = {"a": a, "b": b}
    with torch.no_grad():
        whole = fuse(held)
        fuse.across = None
        merged = fuse(held)
        fuse.across = across
    own = across.brick.logits(torch.cat([a, b], 1))
    assert torch.allclose(whole, (merged + own) / 2, atol=1e-5)


def test_who_lacks_a_modality_is_answered_by_what_is_merged(fuse: LegoFuse) -> None:
    a, b, _ = crossing(6, seed=2)
    here = torch.tensor([True, False, True, True, False, True])
    across = fuse.across
    with torch.no_grad():
        some = fuse({"a": a, "b": b}, {"b": here})
        whole = fuse({"a": a, "b": b})
        fuse.across = None
        merged = fuse({"a": a, "b": b}, {"b": here})
        fuse.across = across
        assert torch.equal(fuse({"a": a}), merged.where(~here[:, None], fuse({"a": a})))
    assert torch.allclose(some[here], whole[here], atol=1e-6)
    assert torch.equal(some[~here], merged[~here])


def test_on_its_own_patients_it_answers_out_of_fold(fuse: LegoFuse) -> None:
    a, b, y = crossing()
    data = data_for(a, b, y, fuse)
    honest = evaluate(fuse, data)["auroc"]
    with pytest.warns(mmlego.LegoWarning, match="scored with out_of_fold=False"):
        memory = evaluate(fuse, data, out_of_fold=False)["auroc"]
    assert 0.85 < honest < memory


def test_boosting_and_a_forest_are_averaged_out_of_fold(fuse: LegoFuse) -> None:
    a, b, y = crossing()
    across = fuse.across
    assert across is not None
    assert isinstance(across.brick, Bundle)
    assert list(across.brick.members) == ["forest", "boosting"]
    prior = across.brick.prior()
    evidence = []
    for _, part in across.brick.each():
        assert part.out_of_fold is not None
        evidence.append(part.out_of_fold.logits - part.prior())
    data = data_for(a, b, y, fuse)
    whole = all_logits(fuse, data, 64, out_of_fold=True)
    fuse.across = None
    merged = all_logits(fuse, data, 64, out_of_fold=True)
    fuse.across = across
    own = prior + torch.stack(evidence).mean(0)
    assert torch.allclose(whole, (merged + own) / 2, atol=1e-5)
    held = {name: value for name, value in across.brick.card.validation.items() if name == "auroc"}
    assert held["auroc"] == pytest.approx(fuse.task.metrics(own, y)["auroc"])
    mixed = PatientData({"a": a[:9], "b": b[:9]}, y[:9], fuse.task, ["p0", "p1", *(f"q{i}" for i in range(7))])
    some = all_logits(fuse, mixed, 9, out_of_fold=True)
    assert torch.allclose(some[:2], whole[:2], atol=1e-5)  # whom it knows; as to others, it answers as to strangers
    assert torch.allclose(some[2:], all_logits(fuse, mixed, 9)[2:], atol=1e-5)


def test_it_is_saved_and_calibrated_with_the_rest(fuse: LegoFuse, tmp_path: Path) -> None:
    again = mmlego.load(mmlego.save(fuse, tmp_path / "fuse"))
    a, b, y = crossing(60, seed=3)
    data = PatientData({"a": a, "b": b}, y, fuse.task, [f"q{i}" for i in range(60)])
    assert torch.allclose(all_logits(again, data, 64), all_logits(fuse, data, 64), atol=1e-6)
    before = all_logits(again, data, 64)
    with pytest.warns(mmlego.LegoWarning, match="do not tell on whom they were fitted"):
        scale = mmlego.calibrate(again, data)
    prior = again.weights @ again.priors
    assert torch.allclose(all_logits(again, data, 64), prior + scale * (before - prior), atol=1e-4)


def test_few_patients_and_what_does_not_fit_are_told(fuse: LegoFuse) -> None:
    a, b, y = crossing(12)
    bare = LegoFuse([fuse.block("a"), fuse.block("b")])
    assert not add_across(bare, data_for(a, b, y, bare), "auto", seen=N, seed=0)
    assert bare.across is None
    narrow = Baseplate(Classification(2), channels=4, width=1)
    with pytest.warns(mmlego.LegoWarning, match="no room for a common read-out"):
        merged = LegoFuse([LegoBlock(torch.nn.Linear(2, 3), narrow, name, sample=torch.zeros(2, 2)) for name in "ab"])
    assert not add_across(merged, data_for(*crossing(), merged), "auto", seen=N, seed=0)
    across = fuse.across
    assert across is not None
    with pytest.raises(InputError, match="4 columns"):
        Across(across.brick, {"a": Rows("flat", 2)}, 1.0)
    with pytest.raises(InputError, match="share"):
        Across(across.brick, across.rows, -1.0)
    with pytest.raises(UnknownNameError, match="auto, or a learner"):
        as_settings({"fuse": {"across": "boosted"}})


@pytest.mark.parametrize(("name", "told"), [("forest", "forest on 96"), ("auto", "forest, boosting on 96")])
def test_the_main_job_makes_one_where_the_settings_ask(tmp_path: Path, name: str, told: str) -> None:
    a, b, y = crossing(120)
    ids = [f"p{i:03d}" for i in range(120)]
    frames = {n: pd.DataFrame(x.numpy(), index=ids, columns=[f"{n}0", f"{n}1"]) for n, x in (("a", a), ("b", b))}
    had = pd.DataFrame({"had": y.numpy()}, index=ids)
    cohort = Cohort.from_frames(frames, outcome=had, task={"task": "classification", "label": "had"})
    settings = {"fuse": {"across": name, "fit": {"epochs": 1}}}
    models = mmlego.train(cohort, settings, disjoint=False, progress=False, out=tmp_path / "run")
    fused = models.fuse
    assert fused is not None
    assert fused.across is not None
    assert fused.across.share == pytest.approx(1.0)
    assert f"{told} patients" in fused.card.recipe["across"]
    valid = mmlego.data_of(fused, cohort, models.validation)
    wanted = mmlego.evaluate(fused, valid)["log_loss"]
    assert fused.card.validation["log_loss"] == pytest.approx(wanted, rel=1e-5)
    again = mmlego.load(tmp_path / "run" / "fuse")
    own = mmlego.data_of(fused, cohort, models.train)
    assert mmlego.evaluate(again, own) == pytest.approx(mmlego.evaluate(fused, own), rel=1e-5)  # recalled out of fold
    with pytest.warns(mmlego.LegoWarning, match="patients whom a fitted model was fitted on"):
        memory = mmlego.evaluate(again, own, out_of_fold=False)
    assert memory["log_loss"] < mmlego.evaluate(again, own)["log_loss"]
