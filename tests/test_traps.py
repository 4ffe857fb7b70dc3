"""The traps of method, §7: what went wrong in published implementations, each with a test that would catch it."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import mmlego
from mmlego import Baseplate, LegoBlock, LegoFuse, LegoMerge, Ragged
from mmlego.encoders import SNN, GatedAttentionMIL, GRUEncoder, PatchMLP
from mmlego.merge import combine, merge_heads
from mmlego.tasks import Classification
from tests.bricks import Custom, assert_same, batch, family, gradients, plate, snapshot, table_block, trained

SOURCES = sorted(Path(mmlego.__file__).parent.rglob("*.py"))


def test_slerp_of_two_fresh_layer_norms_is_not_zero_by_zero() -> None:
    """Gains are all one, biases all zero: parallel, and without direction."""
    norms = [dict(nn.LayerNorm(8).named_parameters()) for _ in range(2)]
    merged = merge_heads(norms, torch.tensor([0.5, 0.5]), "slerp")
    assert torch.equal(merged["weight"], torch.ones(8))
    assert torch.equal(merged["bias"], torch.zeros(8))
    sum(value.sum() for value in merged.values()).backward()
    assert all(torch.isfinite(p.grad).all() for norm in norms for p in norm.values() if p.grad is not None)


@pytest.mark.parametrize("count", [2, 3])
def test_a_merge_of_untrained_blocks_is_finite(count: int) -> None:
    on = plate()
    blocks = [LegoBlock(SNN(5), on, name) for name in ("rna", "cnv", "mut")[:count]]
    merge = LegoMerge(blocks)
    logits = merge({block.modality: torch.randn(2, 5) for block in blocks})
    logits.sum().backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(grad).all() for grad in gradients(merge).values())


@pytest.mark.parametrize("mode", ["stack", "weave", "parallel"])
def test_the_latent_is_not_wrapped_anew_so_earlier_blocks_get_gradient(mode: Any) -> None:
    blocks = family(3)
    fuse = LegoFuse(blocks, mode=mode)
    before = snapshot(fuse)
    latents = [id(fuse.block(name).latent) for name in fuse.modalities]
    fuse(batch(blocks, 3)).square().sum().backward()
    first = fuse.block(fuse.order[0])
    assert first.latent.grad is not None
    assert first.latent.grad.abs().max() > 0
    for name in fuse.order:
        assert any(grad.abs().max() > 0 for grad in gradients(fuse.block(name)).values()), name
    assert latents == [id(fuse.block(name).latent) for name in fuse.modalities]
    assert_same(before, snapshot(fuse))


@pytest.mark.parametrize("heads", ["linear", "slerp", "ot"])
@pytest.mark.parametrize("which", range(5))
def test_every_block_reaches_the_merged_head_not_only_the_first_two(heads: str, which: int) -> None:
    blocks = family(5)
    before = LegoMerge(blocks, heads=heads).merge_heads([True] * 5)
    with torch.no_grad():
        blocks[which].head.linear.weight.add_(torch.randn_like(blocks[which].head.linear.weight))
    after = LegoMerge(blocks, heads=heads).merge_heads([True] * 5)
    assert (after["linear.weight"] - before["linear.weight"]).abs().max() > 1e-3


@pytest.mark.parametrize("phase", ["circular", "mean"])
@pytest.mark.parametrize("which", range(5))
def test_a_third_modality_is_not_ignored_by_the_harmonic_rule(phase: Any, which: int) -> None:
    z = torch.randn(5, 1, 2, 2, dtype=torch.complex64)
    even, here = torch.full((5, 1), 0.2), torch.ones(5, 1, dtype=torch.bool)
    before = combine("harmonic", z, even, here, phase=phase)
    z[which] = z[which] * (2 + 0.5j)
    assert ((combine("harmonic", z, even, here, phase=phase) - before).abs() > 1e-4).all()
    z[which] = 0
    assert combine("harmonic", z, even, here, phase=phase).abs().max() == 0


@pytest.mark.parametrize("ragged", [False, True])
def test_attention_over_a_bag_is_not_normalised_over_the_batch(ragged: bool) -> None:
    encoder = GatedAttentionMIL(4, 6).eval()
    bags = torch.randn(3, 5, 4)
    alone = torch.cat([encoder(bag[None]) for bag in bags])
    together = encoder(Ragged.from_list(list(bags))) if ragged else encoder(bags)
    torch.testing.assert_close(together, alone)
    # Five copies of one patch weigh a fifth each: the pooled patch is the patch.
    copies = encoder(bags[:, :1].expand(-1, 5, -1))
    torch.testing.assert_close(copies, encoder.project(bags[:, 0]))


def test_the_encoder_is_not_run_once_per_step() -> None:
    on = plate(steps=5)
    encoders = [Custom(lambda x: x) for _ in range(2)]
    blocks = [LegoBlock(encoder, on, name, out_features=4) for encoder, name in zip(encoders, "ab", strict=True)]
    x = torch.randn(3, 6, 4)
    blocks[0](x)
    assert encoders[0].calls == 1
    models = [LegoMerge(blocks), *(LegoFuse(blocks, mode=mode) for mode in ("stack", "weave", "parallel"))]
    for model in models:
        counted: list[Any] = [model.block(name).encoder for name in "ab"]
        before = [encoder.calls for encoder in counted]
        model({"a": x, "b": x}, {"a": torch.tensor([True, False, True])})
        assert [encoder.calls for encoder in counted] == [calls + 1 for calls in before]


@pytest.mark.parametrize("n", [1, 5])
def test_a_batch_of_one_is_not_squeezed_away(n: int) -> None:
    on = plate(Classification(2), channels=1, width=2, heads=1, head_width=1)
    blocks = [
        trained(LegoBlock(SNN(5), on, "rna")),
        trained(LegoBlock(PatchMLP(4), on, "slide")),
        trained(LegoBlock(GRUEncoder(3), on, "vitals")),
        trained(LegoBlock(GatedAttentionMIL(4), on, "pooled")),
    ]
    inputs = {
        "rna": torch.randn(1, 5),
        "slide": torch.randn(1, n, 4),
        "vitals": torch.randn(1, n, 3),
        "pooled": torch.randn(1, n, 4),
    }
    for block in blocks:
        output = block(inputs[block.modality])
        assert output.logits.shape == (1, 2)
        assert output.spectrum.shape == (1, 1, 2)
        mask = torch.ones(1, n, dtype=torch.bool)
        assert block.modality == "rna" or block(inputs[block.modality], mask).logits.shape == (1, 2)
    for model in (LegoMerge(blocks), LegoFuse(blocks), LegoFuse(blocks, mode="weave")):
        assert model.eval()(inputs).shape == (1, 2)
        assert model.predict(inputs).probabilities.shape == (1, 2)


# --- arguments


BLOCK = table_block(plate())


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: Baseplate(Classification(2), chanels=8), "chanels"),  # type: ignore[call-arg]
        (lambda: LegoBlock(SNN(5), plate(), "x", frozen=True), "frozen"),  # type: ignore[call-arg]
        (lambda: LegoMerge([BLOCK], rules="mean"), "rules"),  # type: ignore[call-arg]
        (lambda: LegoFuse([BLOCK], dropout=0.1), "dropout"),  # type: ignore[call-arg]
        (lambda: SNN(5, hiden=[3]), "hiden"),
        (lambda: PatchMLP(5, width=3), "width"),
        (lambda: GatedAttentionMIL(5, heads=3), "heads"),
        (lambda: GRUEncoder(5, bidirectional=True), "bidirectional"),
        (lambda: BLOCK(torch.randn(2, 5), masks=None), "masks"),
        (lambda: LegoMerge([BLOCK])({"rna": torch.randn(2, 5)}, missing=None), "missing"),
    ],
)
def test_unknown_keyword_arguments_are_not_swallowed(call: Any, argument: str) -> None:
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{argument}'"):
        call()


# Their keywords are the options of a subclass; unknown ones are an error that names the known (tests/learners).
CHECKED = {("base.py", "fit"), ("show.py", "render_str")}


def test_nothing_takes_whatever_keywords_come() -> None:
    """No function of a module, no method of a class, in any file."""
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        outer: list[ast.AST] = [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
        for node in (inner for place in outer for inner in ast.iter_child_nodes(place)):
            swallows = isinstance(node, ast.FunctionDef) and node.args.kwarg is not None
            if swallows and (path.name, node.name) in CHECKED:  # type: ignore[attr-defined]
                continue
            assert not swallows, f"{path.name}:{node.lineno}: takes any keyword"  # type: ignore[attr-defined]


def test_no_exception_is_swallowed() -> None:
    """No bare ``except``, and none of everything that does nothing with it."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ExceptHandler):
                continue
            place = f"{path.name}:{node.lineno}"
            assert node.type is not None, f"{place}: a bare except"
            everything = {"Exception", "BaseException"} & {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            assert not everything or raises, f"{place}: catches everything and goes on"


# --- measuring


def test_the_best_weights_are_not_kept_as_live_references() -> None:
    """Later epochs are worse here, so the model must end with the weights it had then."""
    block = LegoBlock(SNN(5, hidden=(8,), dropout=0.0), plate(Classification(2)), "rna")
    x = torch.randn(60, 5)
    y = (x[:, 0] + 1.5 * torch.randn(60) > 0).long()
    held_out = (x[40:], y[40:])
    history = mmlego.fit(
        block, (x[:40], y[:40]), validation=held_out, epochs=12, lr=0.05, patience=None, progress=False, seed=1
    )
    losses = history["validation_loss"].to_numpy()
    assert losses.argmin() < len(losses) - 1, "this test needs a run that gets worse"
    with torch.no_grad():
        now = block.task.loss(block.eval()(held_out[0]).logits, held_out[1]).item()
    assert now == pytest.approx(losses.min(), rel=1e-3)
    assert now < 0.98 * losses[-1]


def test_no_fold_is_chosen_on_its_test_score() -> None:
    """Training cannot be told of a test part, and results keep the score of every fold."""
    assert not [name for name in inspect.signature(mmlego.fit).parameters if "test" in name]
    results = importlib.import_module("mmlego.bench.results").Results
    splits = [{"scores": {"merge": {"auroc": score}}} for score in (0.5, 0.9, 0.7)]
    found = results({"folds": 3}, "auroc", splits, {})
    np.testing.assert_allclose(found.scores("merge"), [0.5, 0.9, 0.7])


def test_rows_of_one_patient_do_not_stand_on_both_sides_of_a_split() -> None:
    data = importlib.import_module("mmlego.data")
    patients = [f"p{i // 3}" for i in range(90)]  # three rows each
    strata = [i // 3 % 2 for i in range(90)]
    for split in data.split_patients(patients, strata, folds=5, repeats=2, validation=0.2, seed=0):
        parts = [{patients[row] for row in rows} for rows in split.parts().values()]
        for i, part in enumerate(parts):
            assert part, "no part is empty"
            for other in parts[i + 1 :]:
                assert not part & other
    leaking = data.Split(train=range(1, 39), validation=range(39, 60), test=[0, *range(60, 90)])
    with pytest.raises(mmlego.LegoError, match="p0"):
        data.check_split(leaking, patients)
