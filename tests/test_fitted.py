"""Bricks of fitted models: they answer exactly as these do, merge as a pool of opinions, and are not believed about
patients whom they have seen."""

from __future__ import annotations

import copy
import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mmlego
from mmlego import Baseplate, InputError, LegoBlock, LegoFuse, LegoMerge, Ragged, ShapeError
from mmlego.brick import Brick
from mmlego.bundle import Bundle
from mmlego.crossfit import fit_block
from mmlego.data import PatientData
from mmlego.encoders import SNN
from mmlego.fitted import FittedBlock
from mmlego.learners.out_of_fold import OutOfFold
from mmlego.learners.rows import Rows
from mmlego.readout import read_out
from mmlego.tasks import Classification, MultiLabel, Regression, Survival, Task
from mmlego.training.evaluate import all_logits


class Memory(nn.Module):
    """The outcome of the patient who is most like this one, and very sure of it."""

    def __init__(self, x: np.ndarray, target: Tensor, seed: int) -> None:
        super().__init__()
        self.register_buffer("x", torch.from_numpy(x))
        self.register_buffer("y", target)

    def forward(self, x: Tensor) -> Tensor:
        nearest = torch.cdist(x.double(), self.get_buffer("x")).argmin(1)
        return torch.nn.functional.one_hot(self.get_buffer("y")[nearest], 2).double() * 6 - 3


TASKS: dict[str, Task] = {
    "classes": Classification(3),
    "survival": Survival([1.0, 2.0, 3.0]),
    "labels": MultiLabel(2),
    "regression": Regression(mean=5.0, scale=2.0),
}
LEARNERS = {"classes": "logistic", "survival": "coxnet", "labels": "logistic", "regression": "ridge"}


def plate_of(task: Task, **options: object) -> Baseplate:
    return Baseplate(task, channels=6, width=8, **options)  # type: ignore[arg-type]


def patients(kind: str, n: int = 90, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Rows whose first column tells the outcome, more or less."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    level = x[:, 0] + 0.5 * rng.normal(size=n)
    if kind == "classes":
        y = torch.from_numpy(np.digitize(level, [-0.5, 0.5]))
    elif kind == "survival":
        time = rng.exponential(np.exp(-level)) + 0.01
        y = torch.from_numpy(np.stack([rng.random(n) < 0.7, time], 1)).float()
    elif kind == "labels":
        y = torch.from_numpy(np.stack([level > 0, x[:, 1] > 0.3], 1)).float()
    else:
        y = torch.from_numpy(5 + 2 * level).float()[:, None]
    return torch.from_numpy(x).float(), y


@functools.cache
def _made(kind: str, modality: str, seed: int) -> FittedBlock:
    x, y = patients(kind, seed=seed)
    names = [f"p{i}" for i in range(len(x))]
    return LegoBlock.of(LEARNERS[kind], plate_of(TASKS[kind]), modality, (x, y), patients=names)


def brick(kind: str, modality: str = "labs", seed: int = 0) -> FittedBlock:
    return copy.deepcopy(_made(kind, modality, seed))


@pytest.fixture(params=list(TASKS), scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def one(kind: str) -> FittedBlock:
    return brick(kind)


def test_its_answer_is_an_affine_map_of_what_the_model_says(one: FittedBlock, kind: str) -> None:
    x, _ = patients(kind, seed=1)
    raw = one.encoder(x.double())
    assert torch.allclose(one(x).logits.double(), raw @ one.slope.mT + one.offset, atol=1e-5)
    assert bool((one.slope >= 0).all())  # the order of the model is the order of the brick


def test_every_row_of_its_spectrum_is_read_as_its_evidence(one: FittedBlock, kind: str) -> None:
    x, _ = patients(kind, n=5, seed=1)
    spectrum, logits = one(x)
    assert spectrum.shape == (5, 6, 8)
    assert spectrum.is_complex()
    read = read_out(one.plate)
    for row in spectrum.real.unbind(1):
        assert torch.allclose(row @ read.mT + one.prior(), logits, atol=1e-5)
    assert float(spectrum.imag.abs().max()) == 0.0


@pytest.mark.parametrize("domain", ["frequency", "spatial"])
def test_merged_alone_it_answers_as_itself(kind: str, domain: str) -> None:
    x, y = patients(kind)
    made = LegoBlock.of(LEARNERS[kind], plate_of(TASKS[kind], domain=domain), "labs", (x, y))
    assert torch.allclose(LegoMerge([made])({"labs": x}), made(x).logits, atol=1e-5)


def test_merged_they_are_the_logarithmic_opinion_pool(kind: str) -> None:
    x, _ = patients(kind, seed=3)
    first, second = brick(kind, "labs"), brick(kind, "notes", seed=5)
    merge = LegoMerge([first, second], rule="mean", weights={"labs": 3.0, "notes": 1.0}, strength=1.0)
    merged = merge({"labs": x, "notes": x})
    pool = 0.75 * first(x).logits + 0.25 * second(x).logits
    assert torch.allclose(merged, pool, atol=1e-5)
    if kind == "classes":  # Genest and Zidek (1986): p ∝ Π p_m^{w_m}
        parts = [one(x).logits.log_softmax(1) for one in (first, second)]
        wanted = (0.75 * parts[0] + 0.25 * parts[1]).softmax(1)
        assert torch.allclose(merged.softmax(1), wanted, atol=1e-5)


def test_who_lacks_the_modality_is_answered_by_the_others(kind: str) -> None:
    x, _ = patients(kind, n=4)
    first, second = brick(kind, "labs"), brick(kind, "notes", seed=5)
    merge = LegoMerge([first, second], weights="uniform", strength=1.0)
    here = torch.tensor([True, False, True, True])
    merged = merge({"labs": x, "notes": x}, {"notes": here})
    assert torch.allclose(merged[1], first(x).logits[1], atol=1e-5)
    assert torch.allclose(merge({"labs": x})[1], merged[1], atol=1e-5)


def test_it_merges_with_a_block_that_learns(kind: str) -> None:
    x, _ = patients(kind, n=4)
    fitted = brick(kind, "labs")
    torch.manual_seed(0)
    neural = LegoBlock(SNN(4), plate_of(TASKS[kind]), "rna").eval()
    merge = LegoMerge([fitted, neural], rule="mean", weights="uniform", strength=1.0).eval()
    with torch.no_grad():
        wanted = 0.5 * fitted(x).logits + 0.5 * neural(x).logits
        assert torch.allclose(merge({"labs": x, "rna": x}), wanted, atol=1e-5)


def test_a_fuse_starts_as_the_merge_and_tunes_what_is_around_it(kind: str) -> None:
    x, y = patients(kind)
    fitted = brick(kind, "labs")
    before = {name: value.clone() for name, value in fitted.state_dict().items()}
    torch.manual_seed(0)
    neural = LegoBlock(SNN(4), plate_of(TASKS[kind]), "rna")
    fuse = LegoFuse([fitted, neural])
    merge = LegoMerge([fitted, neural]).eval()
    with torch.no_grad():
        assert torch.allclose(fuse.eval()({"labs": x, "rna": x}), merge({"labs": x, "rna": x}), atol=1e-6)
    loss = fuse.task.loss(fuse({"labs": x, "rna": x}), fuse.task.check_target(y))
    loss.backward()
    grads = {name: p.grad for name, p in fuse.named_parameters()}
    moved = [name for name, grad in grads.items() if grad is not None and bool(grad.any())]
    assert {"head.weight", "blocks.rna.head.linear.weight", "blocks.rna.encoder.0.weight"} <= set(moved), moved
    assert not any(name.startswith("blocks.labs") for name in grads)
    after = fuse.block("labs").state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_on_its_own_patients_it_is_asked_as_if_it_had_not_seen_them() -> None:
    """Who knows each of its patients by heart knows nothing: the outcome is drawn by lot."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(200, 3))).float()
    y = torch.from_numpy(rng.integers(0, 2, 200))
    names = [f"p{i}" for i in range(200)]
    plate = plate_of(Classification(2))
    made = fit_block(Memory, plate, "labs", x=x.double(), rows=Rows.of(x), target=y, patients=names)
    data = PatientData({"labs": x}, y, made.task, names)
    merge = LegoMerge([made])
    told = all_logits(merge, data, 64, out_of_fold=True)
    itself = all_logits(merge, data, 64)
    score = made.task.metrics
    assert abs(score(told, y)["auroc"] - 0.5) < 0.15
    assert abs(made.card.validation["auroc"] - 0.5) < 0.15  # what weights are made of
    assert Memory(x.double().numpy(), y, 0)(x).argmax(1).tolist() == y.tolist()
    assert float(made.slope.max()) < 0.1  # and so it is not believed: neither here nor of others
    assert float((itself - made.prior()).abs().max()) < 0.5
    others = PatientData({"labs": x}, y, made.task, [f"q{i}" for i in range(200)])
    assert torch.equal(all_logits(merge, others, 64, out_of_fold=True), itself)
    unnamed = PatientData({"labs": x}, y, made.task)
    assert torch.equal(all_logits(merge, unnamed, 64, out_of_fold=True), itself)


def test_answers_out_of_fold_come_from_fits_without_the_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmlego.learners import learner_class

    x, y = patients("classes", n=30)
    seen: list[np.ndarray] = []
    cls = learner_class("logistic")
    fit = cls.fit.__func__  # type: ignore[attr-defined]

    def spied(own: type, rows: np.ndarray, *args: object, **options: object) -> object:
        seen.append(rows)
        return fit(own, rows, *args, **options)

    monkeypatch.setattr(cls, "fit", classmethod(spied))
    twice = [f"p{i // 2}" for i in range(30)]  # two rows a patient
    LegoBlock.of("logistic", plate_of(TASKS["classes"]), "labs", (x, y), patients=twice, folds=5)
    assert [len(rows) for rows in seen] == [30] + [24] * 5
    for rows in seen[1:]:
        kept = {int(np.flatnonzero((x.double().numpy() == row).all(1))[0]) // 2 for row in rows}
        assert len(kept) == 12  # of 15 patients, whole ones


def test_a_fuse_learns_from_answers_out_of_fold() -> None:
    x, y = patients("classes")
    fitted = brick("classes", "labs")
    wrong = OutOfFold(fitted.out_of_fold.patients, fitted.out_of_fold.logits * 0 - 3.0)  # type: ignore[union-attr]
    fitted.out_of_fold = wrong
    names = list(wrong.patients)
    fuse = LegoFuse([fitted, LegoBlock(SNN(4), fitted.plate, "rna")])
    data = PatientData({"labs": x, "rna": x}, y, fuse.task, names)
    first = mmlego.fit(fuse, data, validation=None, epochs=1, lr=1e-12, seed=0, progress=False)["train_loss"].iloc[0]
    honest = LegoFuse([brick("classes", "labs"), LegoBlock(SNN(4), fitted.plate, "rna")])
    second = mmlego.fit(honest, data, validation=None, epochs=1, lr=1e-12, seed=0, progress=False)["train_loss"].iloc[0]
    assert first > second + 0.05


def test_saved_it_answers_the_same(one: FittedBlock, kind: str, tmp_path: Path) -> None:
    x, _ = patients(kind, seed=2)
    back = mmlego.load(mmlego.save(one, tmp_path / "brick"))
    assert isinstance(back, FittedBlock)
    assert torch.equal(back(x).logits, one(x).logits)
    assert back.card.validation == pytest.approx(one.card.validation)
    assert back.out_of_fold is None  # it names patients
    torch.manual_seed(0)
    neural = LegoBlock(SNN(4), one.plate, "rna").eval()
    merge = LegoMerge([one, neural]).eval()
    again = mmlego.load(mmlego.save(merge, tmp_path / "merge"))
    with torch.no_grad():
        assert torch.allclose(again({"labs": x, "rna": x}), merge({"labs": x, "rna": x}), atol=1e-6)
    for file in (tmp_path / "brick").iterdir():
        assert b"p17" not in file.read_bytes()


def test_calibrated_it_keeps_its_order_and_its_prior(kind: str) -> None:
    if kind == "regression":
        pytest.skip("numbers are not calibrated")
    made = brick(kind)
    x, y = patients(kind, n=60, seed=9)
    before, told = made(x).logits, made.out_of_fold
    assert told is not None
    scale = mmlego.calibrate(made, PatientData({"labs": x}, y, made.task, [f"q{i}" for i in range(60)]))
    assert torch.allclose(made(x).logits, made.prior() + scale * (before - made.prior()), atol=1e-5)
    after = made.out_of_fold
    assert after is not None
    assert torch.allclose(after.logits, made.prior() + scale * (told.logits - made.prior()), atol=1e-5)


def test_what_has_no_head_is_not_merged_by_heads(kind: str) -> None:
    made = brick(kind)
    neural = LegoBlock(SNN(4), made.plate, "rna")
    for options in ({"preset": "paper"}, {"heads": "slerp"}):
        with pytest.raises(InputError, match="Leave heads= and preset= out"):
            LegoMerge([made, neural], **options)
    for mode in ("stack", "weave"):
        with pytest.raises(InputError, match="Leave mode= out"):
            LegoFuse([made, neural], mode=mode)  # type: ignore[arg-type]


def test_a_latent_that_is_too_narrow_is_refused() -> None:
    plate = Baseplate(Survival([1.0, 2.0, 3.0]), channels=4, width=3)
    with pytest.raises(InputError, match="width=4 or more"):
        LegoBlock.of("coxnet", plate, "labs", patients("survival"))


def test_bags_become_rows_of_statistics() -> None:
    rng = np.random.default_rng(0)
    y = torch.tensor([0, 1]).repeat(20)
    bags = [torch.from_numpy(rng.normal(int(label), 1, (int(rng.integers(2, 9)), 3))).float() for label in y]
    made = LegoBlock.of("logistic", plate_of(Classification(2)), "wsi", (Ragged.from_list(bags), y))
    padded = torch.zeros(40, 9, 3)
    mask = torch.zeros(40, 9, dtype=torch.bool)
    for i, bag in enumerate(bags):
        padded[i, : len(bag)], mask[i, : len(bag)] = bag, True
    assert torch.allclose(made(Ragged.from_list(bags)).logits, made(padded, mask).logits, atol=1e-6)
    turned = Ragged.from_list([bag.flip(0) for bag in bags])
    assert torch.allclose(made(turned).logits, made(padded, mask).logits, atol=1e-5)
    assert made.card.validation["auroc"] > 0.8


def test_another_width_and_values_that_are_not_finite_are_refused() -> None:
    made = brick("classes")
    with pytest.raises(ShapeError, match=r"\(b, 4\)"):
        made(torch.zeros(2, 5))
    with pytest.raises(InputError, match="not finite"):
        made(torch.tensor([[0.0, 1.0, float("nan"), 0.0]]))


def test_a_bundle_pools_the_evidence_of_its_members(kind: str, tmp_path: Path) -> None:
    x, _ = patients(kind, n=6, seed=2)
    torch.manual_seed(0)
    fitted = brick(kind)
    neural = LegoBlock(SNN(4), fitted.plate, "labs").eval()
    neural.card.prior = fitted.card.prior
    bundle = Bundle({"cox": fitted, "deep": neural}, [0.7, 0.6]).eval()
    with torch.no_grad():
        prior = fitted.prior()
        wanted = prior + 0.7 * (fitted(x).logits - prior) + 0.6 * (neural(x).logits - prior)
        assert torch.allclose(bundle(x).logits, wanted, atol=1e-5)
        assert torch.allclose(bundle(x).spectrum.real.mean(1) @ read_out(bundle.plate).mT + prior, wanted, atol=1e-4)
        merge = LegoMerge([bundle]).eval()
        assert torch.allclose(merge({"labs": x}), wanted, atol=1e-5)
        back = mmlego.load(mmlego.save(merge, tmp_path / "merge"))
        assert torch.allclose(back({"labs": x}), wanted, atol=1e-5)
    told = bundle.known(["p3", "nobody"])
    assert told is not None
    with torch.no_grad():
        known = bundle.logits(x[:2], None, told)
        own = fitted.out_of_fold
        assert own is not None
        first = prior + 0.7 * (own.logits[3] - prior) + 0.6 * (neural(x[:1]).logits[0] - prior)
        assert torch.allclose(known[0], first, atol=1e-5)
        assert torch.allclose(known[1], wanted[1], atol=1e-5)
    loss = LegoFuse([bundle])({"labs": x}).square().sum()
    loss.backward()


def test_every_kind_of_brick_says_what_it_is_like() -> None:
    made = brick("classes")
    for one in (made, LegoBlock(SNN(4), made.plate, "labs"), Bundle({"only": made})):
        assert isinstance(one, Brick)
        assert one.like.dtype == torch.float32
        assert one.prior().shape == (3,)
    assert Bundle({"only": made.double()}).like.dtype == torch.float64


def test_labels_of_a_bundle_are_names() -> None:
    made = brick("classes")
    for label in ("a.b", "", "keys", 1):
        with pytest.raises(InputError, match="a label of a Bundle"):
            Bundle({label: made})  # type: ignore[dict-item]
    with pytest.raises(InputError, match="no Bundle"):
        Bundle({"inner": Bundle({"only": made})})


def test_a_brick_without_ids_is_not_calibrated_on_patients_it_may_know_without_a_word() -> None:
    x, y = patients("classes")
    made = LegoBlock.of("logistic", plate_of(TASKS["classes"]), "labs", (x, y))
    with pytest.warns(mmlego.LegoWarning, match="do not tell on whom they were fitted"):
        mmlego.calibrate(made, (x, y))


def test_options_that_no_library_can_use_are_told() -> None:
    x, y = patients("classes")
    for name, options in (("logistic", {"penalties": "x"}), ("boosting", {"rounds": "x"}), ("forest", {"trees": -1})):
        with pytest.raises(InputError, match=f"learner '{name}'"):
            LegoBlock.of(name, plate_of(TASKS["classes"]), "labs", (x, y), options=options)
    with pytest.raises(InputError, match="data= to fit it to"):
        LegoBlock.of(brick("classes").encoder, plate_of(TASKS["classes"]), "labs", options={"a": 1})
