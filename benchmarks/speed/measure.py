"""Timings in turn, memory in a process of its own."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import mmlego
from cases import Case, table_block
from plain import PlainBlock, summed_gradients

MODALITIES = (2, 4, 8, 16, 32)


def training_step(model: nn.Module, x: Any) -> None:
    """Take a step without an optimiser: forward and backward."""
    model.zero_grad(set_to_none=True)
    model(x)[1].square().mean().backward()


@torch.no_grad()
def inference(model: nn.Module, x: Any) -> None:
    """Answer a batch."""
    model(x)


def measure(case: Case, repeats: int) -> dict[str, Any]:
    """Return the ratios rival/ours of one case.

    Parameters
    ----------
    case
        What to compare.
    repeats
        How many pairs of timings; a long case takes fewer.
    """
    torch.manual_seed(0)
    block, x = case.block(), case.data()
    plain = PlainBlock(block)
    count = max(5, round(repeats / max(1.0, case.weight)))
    return {
        "case": case.name,
        "title": case.title,
        "apart": _check_equal(plain, block, x),
        "training": _ratio(training_step, plain, block, x, count),
        "inference": _ratio(inference, plain, block, x, count),
        "memory": _memory_ratio(case.name),
        "wanted": {"training": case.training, "inference": case.inference, "memory": case.memory},
    }


def _check_equal(plain: PlainBlock, block: mmlego.LegoBlock, x: Any) -> dict[str, float]:
    """Return how far answers and gradients are apart, relative to the largest entry of each tensor."""
    answers = plain(x), block(x)
    outputs = max(_apart(ours, theirs) for theirs, ours in zip(*answers, strict=True))
    for model in (plain, block):
        training_step(model, x)
    theirs = summed_gradients(plain, block)
    ours = {name: p.grad for name, p in block.named_parameters() if p.grad is not None}
    # A gradient that is zero but for rounding has no scale of its own: the largest of all lends it one.
    scale = 1e-4 * max(float(g.abs().max()) for g in theirs.values())
    gradients = max(
        float((ours[name] - g).abs().max()) / max(float(g.abs().max()), scale)
        for name, g in theirs.items()
        if name in ours
    )
    if outputs > 1e-4 or gradients > 1e-2:
        raise SystemExit(f"rival and block disagree: outputs by {outputs:.1e}, gradients by {gradients:.1e}")
    return {"outputs": outputs, "gradients": gradients}


def _apart(a: Tensor, b: Tensor) -> float:
    return float(((a - b).abs().max() / b.abs().max()).detach())


def _ratio(
    run: Callable[[nn.Module, Any], None], plain: nn.Module, block: nn.Module, x: Any, count: int
) -> dict[str, float]:
    for model in (plain, block):
        run(model, x)
    pairs = [(_seconds(run, plain, x), _seconds(run, block, x)) for _ in range(count)]
    ratios = [a / b for a, b in pairs]
    low, _, high = statistics.quantiles(ratios, n=4)
    return {
        "ratio": statistics.median(ratios),
        "low": low,
        "high": high,
        "rival_ms": 1e3 * statistics.median(a for a, _ in pairs),
        "ours_ms": 1e3 * statistics.median(b for _, b in pairs),
    }


def _seconds(run: Callable[[nn.Module, Any], None], model: nn.Module, x: Any) -> float:
    start = time.perf_counter()
    run(model, x)
    return time.perf_counter() - start


def _memory_ratio(name: str) -> dict[str, float]:
    found = {}
    for who in ("plain", "ours"):
        command = [sys.executable, str(Path(__file__).with_name("run.py")), "--memory", name, who]
        found[who] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {"ratio": found["plain"] / found["ours"], "rival_mib": found["plain"], "ours_mib": found["ours"]}


def extra_memory(case: Case, *, plain: bool) -> float:
    """Return by how many MiB the peak of a training step exceeds what weights, gradients and data take."""
    torch.manual_seed(0)
    block, x = case.block(), case.data()
    model: nn.Module = PlainBlock(block) if plain else block
    small = (
        x[:1, :8] if isinstance(x, Tensor) and x.ndim == 3 else x[:1] if isinstance(x, Tensor) else x.unbind()[0][None]
    )
    training_step(model, small)  # what any run needs is there from now on
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _resident("VmRSS")
    model(x)[1].square().mean().backward()
    return _resident("VmHWM") - before


def _resident(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024  # kibibytes


def merge_times(repeats: int) -> dict[str, dict[str, float]]:
    """Return the time per modality of a LegoMerge of several tables, and its ratio to that of two."""
    torch.manual_seed(0)
    one = table_block("m0")
    blocks = [one, *(table_block(f"m{i}", one.plate) for i in range(1, max(MODALITIES)))]
    merges = {count: mmlego.LegoMerge(blocks[:count]).eval() for count in MODALITIES}
    x = torch.randn(64, 2189)
    times: dict[int, list[float]] = {count: [] for count in MODALITIES}
    for i in range(repeats + 1):
        for count, seconds in _merge_round(merges, x):
            if i > 0:  # the first round warms up
                times[count].append(seconds / count)
    base = times[MODALITIES[0]]
    return {
        str(count): {
            "ms_per_modality": 1e3 * statistics.median(values),
            "ratio_to_two": statistics.median(b / a for a, b in zip(base, values, strict=True)),
        }
        for count, values in times.items()
    }


def _merge_round(merges: dict[int, mmlego.LegoMerge], x: Tensor) -> Iterator[tuple[int, float]]:
    for count, merge in merges.items():
        inputs = dict.fromkeys(merge.modalities, x)
        start = time.perf_counter()
        with torch.no_grad():
            merge(inputs)
        yield count, time.perf_counter() - start
