"""Training with differential privacy: against opacus' own accountant and optimiser, and by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mmlego import Baseplate, InputError, LegoBlock, LegoFuse, LegoMerge, LegoWarning, fit, load, save
from mmlego.data import Cohort, PatientData
from mmlego.disclosure import kept_of
from mmlego.encoders import SNN
from mmlego.job import train_blocks
from mmlego.settings import FitSettings, as_settings, read_settings, write_settings
from mmlego.tasks import Classification
from mmlego.training.adamw import AdamW
from mmlego.training.alone import TrainingAlone
from mmlego.training.module import Optimisation, seed_all
from mmlego.training.private import Privacy, PrivateTrainer, _Each, clipped_sum, epsilon_of, plan
from tests.bricks import family, plate
from tests.cohorts import write_cohort
from tests.training.cases import QUICK, bags, table

accountants = pytest.importorskip("opacus.accountants", reason="needs mmlego[private]")
RULE = {"noise_multiplier": 1.0, "delta": 1e-3}


def block(encoder: nn.Module | None = None, **options: Any) -> LegoBlock:
    torch.manual_seed(0)
    on = plate(Classification(2), dropout=0.0, **options)
    return LegoBlock(encoder or SNN(4, hidden=(5,), dropout=0.0), on, "rna")


def training(model: LegoBlock, n: int = 12) -> TrainingAlone:
    x, y = table(n)
    made = TrainingAlone(model, PatientData({"rna": x}, y, model.task), None, Optimisation(1e-3, 0.0, 4, 0))
    made.deal()
    return made


@pytest.mark.parametrize(("noise", "rate", "steps"), [(1.1, 0.05, 40), (3.0, 0.5, 7), (0.6, 1.0, 1)])
def test_epsilon_is_that_of_the_accountant_that_counts_step_by_step(noise: float, rate: float, steps: int) -> None:
    accountant = accountants.RDPAccountant()
    for _ in range(steps):
        accountant.step(noise_multiplier=noise, sample_rate=rate)
    assert epsilon_of(noise, 1e-5, rate, steps) == pytest.approx(accountant.get_epsilon(1e-5), rel=1e-12)


def test_epsilon_of_one_gaussian_is_not_below_the_exact_one() -> None:
    """Without sampling a step is the Gaussian mechanism, whose δ of ε is known (Balle and Wang 2018, theorem 8)."""

    def normal(z: float) -> float:
        return 0.5 * math.erfc(-z / math.sqrt(2))

    noise = 2.0
    epsilon = epsilon_of(noise, 1e-5, 1.0, 1)
    half, ratio = 1 / (2 * noise), epsilon * noise
    exact = normal(half - ratio) - math.exp(epsilon) * normal(-half - ratio)
    assert exact <= 1e-5
    assert exact > 1e-7  # and not far above


def test_noise_for_an_epsilon() -> None:
    found = plan({"epsilon": 2.0, "delta": 1e-4}, patients=100, batch_size=32, epochs=10)
    assert (found.sample_rate, found.steps) == (0.25, 40)
    assert 1.98 <= found.epsilon <= 2.0
    assert found.epsilon == epsilon_of(found.noise_multiplier, 1e-4, 0.25, 40)
    assert plan(RULE, 100, 200, 3).sample_rate == 1.0


def test_gradients_of_two_patients_are_clipped_by_hand() -> None:
    """Of ``w·x`` the gradient is x: (3, 4) of norm 5 becomes (0.6, 0.8) · 1, and (0.3, 0.4) stays."""
    weight, bias = torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)
    xs = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    each = [torch.autograd.grad((weight * x).sum() + 0 * bias.sum(), [weight, bias]) for x in xs]
    total = clipped_sum(iter(each), [weight, bias], 1.0)
    torch.testing.assert_close(total[0], torch.tensor([0.9, 1.2]))
    # the norm is of all parameters together: (3, 4 | 12) has 13
    total = clipped_sum(iter([[torch.tensor([3.0, 4.0]), torch.tensor([12.0])]]), [weight, bias], 1.0)
    torch.testing.assert_close(torch.cat(total), torch.tensor([3.0, 4.0, 12.0]) / 13)
    with pytest.raises(InputError, match="training diverged"):
        clipped_sum(iter([[torch.tensor([math.nan, 0.0]), torch.tensor([0.0])]]), [weight, bias], 1.0)


def test_clipping_is_that_of_opacus() -> None:
    optimizers = pytest.importorskip("opacus.optimizers")
    model = training(block())
    moved = [p for p in model.model.parameters() if p.requires_grad]
    each = [list(own) for own in _Each(model, moved, range(12))]
    norms = [float(torch.cat([g.flatten() for g in own]).norm()) for own in each]
    most = float(np.median(norms))  # so that some are clipped and some are not
    for i, p in enumerate(moved):
        p.grad_sample = torch.stack([own[i] for own in each])
    theirs = optimizers.DPOptimizer(
        torch.optim.SGD(moved, lr=0.0), noise_multiplier=0.0, max_grad_norm=most, expected_batch_size=1
    )
    theirs.clip_and_accumulate()
    for mine, p in zip(clipped_sum(iter(each), moved, most), moved, strict=True):
        torch.testing.assert_close(mine, p.summed_grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["table", "bags"])
def test_without_bounds_the_sum_is_the_gradient_of_the_loss(kind: str) -> None:
    """The layers of a block treat each patient apart: what one batch gives is the sum of what they give alone."""
    from mmlego.encoders import PatchMLP

    model = block(PatchMLP(3, 4, 5) if kind == "bags" else None)
    x, y = bags(6) if kind == "bags" else table(6)
    made = TrainingAlone(model, PatientData({"rna": x}, y, model.task), None, Optimisation(1e-3, 0.0, 6, 0))
    made.deal()
    moved = [p for p in model.parameters() if p.requires_grad]
    total = clipped_sum(iter(_Each(made, moved, range(6))), moved, 1e9)
    batch = made.made(list(range(6)), 0)
    whole = torch.autograd.grad(
        6 * model.task.loss(made._logits_of(batch), batch.target, None), moved, allow_unused=True
    )
    for mine, theirs in zip(total, whole, strict=True):
        if theirs is None:
            assert not mine.any()
            continue
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def stepped(model: LegoBlock, privacy: Privacy, folder: Path, n: int = 12) -> list[torch.Tensor]:
    """Take the steps of an epoch without moving; return the gradients of the last."""
    made = training(model, n)
    trainer = PrivateTrainer(
        privacy, [], max_epochs=1, gradient_clip=None, folder=folder, resumable=False, tensorboard=False
    )
    optimizer = AdamW(made.groups(), lr=0.0)
    seed_all(0)
    trainer._steps(made, optimizer, [])
    return [p.grad.clone() for p in optimizer.moved if p.grad is not None]


def test_noise_is_as_large_as_promised(tmp_path: Path) -> None:
    """With q = 1 two runs differ by noise alone, of ``√2 σ C / n``; it is new each time, whatever the seed."""
    model, rule = block(width=32, channels=16), Privacy(1.0, 1e-3, 2.0, 0.5, 1.0, 1)
    first, second = (torch.cat([g.flatten() for g in stepped(model, rule, tmp_path)]) for _ in range(2))
    assert len(first) > 3000
    assert float((first - second).std()) == pytest.approx(math.sqrt(2) * 2.0 * 0.5 / 12, rel=0.06)
    assert abs(float((first - second).mean())) < 0.01


def test_every_patient_is_drawn_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes of Poisson batches are binomial: of 2000 patients at q = 1/4 about 500 ± 19."""
    sizes: list[int] = []

    class Counted(_Each):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            sizes.append(len(self.rows))
            self.rows = []

    monkeypatch.setattr("mmlego.training.private._Each", Counted)
    stepped(block(), Privacy(1.0, 1e-4, 1.0, 1.0, 0.25, 4), tmp_path, n=2000)
    assert len(sizes) == 4
    assert all(400 < size < 600 for size in sizes)
    assert len(set(sizes)) > 1


def test_the_card_tells_what_is_promised_and_of_what(tmp_path: Path) -> None:
    model = block()
    history = fit(model, table(20), epochs=2, batch_size=8, privacy=RULE, **QUICK)
    assert len(history) == 2
    told = model.card.recipe["privacy"]
    assert told["epsilon"] == epsilon_of(1.0, 1e-3, 1 / 2, 4)  # 16 train, 2 steps an epoch
    assert (told["delta"], told["max_grad_norm"], told["steps"]) == (1e-3, 1.0, 4)
    assert model.card.recipe["gradient_clip"] is None
    assert "begun" not in told
    place = save(model, tmp_path / "block")
    assert load(place).card.recipe["privacy"] == told
    line = next(line for line in (place / "README.md").read_text().splitlines() if "Differential privacy" in line)
    assert (
        f"ε {math.ceil(told['epsilon'] * 100) / 100:g}, δ 0.001, for each training patient, of the training of" in line
    )
    assert "not preprocessing, cuts of time, scales of targets, prior, scores, early stopping and calibration" in line
    (weights,) = [kept for kept in kept_of(place) if kept.what == "weights"]
    assert weights.note.startswith("differential privacy: ε ")
    fit(model, table(20), epochs=1, privacy=RULE, **QUICK)
    assert "does not cover" in model.card.recipe["privacy"]["begun"]
    fit(model, table(20), epochs=1, **QUICK)
    assert "privacy" not in model.card.recipe


def test_the_seed_does_not_tell_the_noise() -> None:
    first, second = block(), block()
    for model in (first, second):
        fit(model, table(20), epochs=1, seed=3, privacy=RULE, **QUICK)
    assert not torch.equal(first.latent, second.latent)


def test_a_run_goes_on_and_a_finished_one_is_read(tmp_path: Path) -> None:
    first, second = block(), block()
    fit(first, table(20), epochs=1, privacy=RULE, out=tmp_path, **QUICK)
    fit(second, table(20), epochs=1, privacy=RULE, out=tmp_path, **QUICK)
    assert torch.equal(first.latent, second.latent)
    assert second.card.recipe["privacy"] == first.card.recipe["privacy"]
    with pytest.raises(InputError, match="holds another run"):
        fit(block(), table(20), epochs=1, out=tmp_path, **QUICK)


def test_tuned_weights_have_no_promise(tmp_path: Path) -> None:
    blocks = family(2)
    for one in blocks:
        one.card.recipe["privacy"] = {"epsilon": 1.0, "delta": 1e-5, "covers": "x"}
    merge, fuse = LegoMerge(blocks), LegoFuse(blocks)
    notes = {kept.where: kept.note for kept in kept_of(save(merge, tmp_path / "merge")) if kept.what == "weights"}
    assert all(notes[f"blocks.{one.modality}"].startswith("differential privacy: ε 1,") for one in blocks)
    x = {"rna": torch.randn(8, 5), "slide": [torch.randn(3, 4) for _ in range(8)]}
    with pytest.warns(LegoWarning, match="rna, slide had been trained with privacy, and tuning goes on without"):
        fit(fuse, (x, torch.arange(8) % 3), validation=None, epochs=1, **QUICK)
    assert not any(kept.note.startswith("diff") for kept in kept_of(save(fuse, tmp_path / "fuse")))
    assert "privacy" in blocks[0].card.recipe


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"epsilon": 1.0}, "privacy of fit, delta: Field required"),
        ({"delta": 1e-3}, "epsilon or noise_multiplier, one of them"),
        ({**RULE, "epsilon": 1.0}, "epsilon or noise_multiplier, one of them"),
        ({**RULE, "delta": 0.1}, "delta of privacy: expected far below 1 / 16.*Set delta to 0.001"),
        ({**RULE, "sigma": 1.0}, "privacy of fit, sigma: Extra inputs are not permitted: expected of epsilon, "),
        ({"epsilon": 0.0, "delta": 1e-3}, "epsilon: Input should be greater than 0"),
        ({"epsilon": 1e-7, "delta": 1e-3}, "epsilon of privacy"),
    ],
)
def test_rules_that_promise_nothing(rule: dict[str, float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        fit(block(), table(20), epochs=1, privacy=rule, **QUICK)


def test_what_cannot_be_trained_so() -> None:
    mixed = LegoBlock(
        nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), plate(Classification(2)), "rna", out_features=3
    )
    with pytest.raises(InputError, match=r"layer encoder.1 of the block of 'rna' mixes the patients of a batch"):
        fit(mixed, table(20), privacy=RULE, **QUICK)
    blocks = family(2, Baseplate(Classification(3), channels=4, width=8))
    x = {"rna": torch.randn(8, 5), "slide": [torch.randn(3, 4) for _ in range(8)]}
    with pytest.raises(InputError, match=r"expected a neural block, got LegoFuse.*merging trains nothing"):
        fit(LegoFuse(blocks), (x, torch.arange(8) % 3), validation=None, privacy=RULE, **QUICK)
    for weights in ("balanced", [1.0, 2.0]):  # which are divided by their mean over the patients
        with pytest.raises(InputError, match="counts the patients of each class"):
            fit(block(), table(20), class_weights=weights, privacy=RULE, **QUICK)
    with pytest.raises(InputError, match="one process on the CPU in single precision"):
        fit(block(), table(20), precision="64-true", privacy=RULE, **QUICK)
    x, y = table(8)
    twice = PatientData({"rna": x}, y, Classification(2), [f"p{i // 2}" for i in range(8)], repeats="allow")
    with pytest.raises(InputError, match="8 rows of 4 patients"):
        fit(block(), twice, validation=None, privacy=RULE, **QUICK)


class Counting(nn.Module):
    """Keeps a running mean of what it saw."""

    out_features = 4

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))
        self.layer = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
        out: torch.Tensor = self.layer(x - self.mean)
        return out


def test_a_layer_that_remembers_patients_is_found_out() -> None:
    with pytest.raises(InputError, match=r"encoder.mean of the block of 'rna' changes as patients pass"):
        fit(LegoBlock(Counting(), plate(Classification(2)), "rna"), table(20), epochs=1, privacy=RULE, **QUICK)


def test_settings() -> None:
    found = read_settings(overrides=["encoder.name=neural", "fit.privacy={epsilon: 3, delta: 1e-5}"])
    assert found.fit.model_dump()["privacy"]["epsilon"] == 3.0
    assert as_settings({"encoder": {"name": "neural"}, "fit": found.fit.model_dump()}) == found
    assert "privacy" not in FitSettings().model_dump()
    assert "privacy" not in write_settings(as_settings(None))  # the fingerprints of earlier runs stay
    for where in ("encoder", "encoders.rna"):
        with pytest.raises(InputError, match=f"{where} is the learner 'ridge', .*set {where}.name: neural"):
            read_settings(overrides=[f"{where}.name=ridge", "fit.privacy={epsilon: 3, delta: 1e-5}"])
    with pytest.raises(InputError, match=r"fuse.fit.privacy"):
        read_settings(overrides=["fuse.fit.privacy={epsilon: 3, delta: 1e-5}"])


def test_learners_of_auto_are_refused(tmp_path: Path) -> None:
    cohort = Cohort.from_manifest(write_cohort(tmp_path, ["rna"], n=40))
    with pytest.raises(InputError, match=r"modality 'rna' gets learners.*Set encoder.name: neural"):
        train_blocks(cohort, {"fit": {"privacy": RULE}}, progress=False)
    small = {"channels": 4, "width": 8, "heads": 2, "head_width": 4}
    settings = {"plate": small, "encoder": {"name": "neural"}, "fit": {"epochs": 1, "privacy": RULE}}
    made = train_blocks(cohort, settings, progress=False)
    assert made.blocks["rna"].card.recipe["privacy"]["noise_multiplier"] == 1.0
