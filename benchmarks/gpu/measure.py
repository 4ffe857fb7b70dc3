"""Timings, peak memory, work and waits of one model on a CUDA device."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

Run = Callable[[], Any]


def seconds(run: Run, repeats: int = 10) -> dict[str, float]:
    """Return median and quartiles of the time of a call in milliseconds, by events on the device.

    Parameters
    ----------
    run
        What to time; called three times before.
    repeats
        How often.
    """
    for _ in range(3):
        run()
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start.record()
        run()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    low, _, high = statistics.quantiles(times, n=4)
    return {"ms": statistics.median(times), "low": low, "high": high}


def peak_mib(run: Run) -> float:
    """Return by how many MiB the peak of a call exceeds what stood before it."""
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def work(run: Run) -> float:
    """Return the floating-point operations of the matrix products and attentions of a call, in units of 10¹²."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 1e12


def kernels(run: Run, most: int = 8) -> dict[str, Any]:
    """Return how many kernels a call launches, their shares of the device's time, and how often the host waits.

    Parameters
    ----------
    run
        What to look at.
    most
        How many kernels to name.
    """
    run()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        run()
        torch.cuda.synchronize()
    times: dict[str, float] = defaultdict(float)
    launches = 0
    waits: dict[str, int] = defaultdict(int)
    for event in seen.events():
        if event.device_type == torch.autograd.DeviceType.CUDA:
            times[event.name] += event.device_time_total
            launches += 1
        elif event.name in ("aten::_local_scalar_dense", "aten::nonzero", "cudaStreamSynchronize"):
            waits[event.name] += 1
    total = sum(times.values()) or 1.0
    first = sorted(times.items(), key=lambda item: -item[1])[:most]
    return {
        "launches": launches,
        "device_ms": total / 1e3,
        "shares": {name[:90]: round(value / total, 3) for name, value in first},
        "waits": dict(waits),
    }


def busy(run: Run) -> dict[str, float]:
    """Return for what share of the time from the first kernel of a call to its last the device had one to run."""
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        run()
        torch.cuda.synchronize()
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in seen.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    )
    if not spans:
        return {"share": 0.0, "seconds": 0.0}
    covered, reach = 0.0, spans[0][0]
    for start, end in spans:
        covered += max(0.0, end - max(start, reach))
        reach = max(reach, end)
    wall = reach - spans[0][0]
    return {"share": covered / wall, "seconds": wall / 1e6}


def ceilings() -> dict[str, float]:
    """Return what the card reaches on large products, in 10¹² operations a second, and on a copy, in GB/s."""
    found = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        a, b = (torch.randn(8192, 8192, device="cuda", dtype=dtype) for _ in range(2))
        found[f"matmul_{name}"] = 2 * 8192**3 / seconds(lambda a=a, b=b: a @ b, 5)["ms"] / 1e9
    torch.backends.cuda.matmul.allow_tf32 = True
    a, b = (torch.randn(8192, 8192, device="cuda") for _ in range(2))
    found["matmul_tf32"] = 2 * 8192**3 / seconds(lambda: a @ b, 5)["ms"] / 1e9
    torch.backends.cuda.matmul.allow_tf32 = False
    x = torch.empty(2**30, dtype=torch.float32, device="cuda")
    y = torch.empty_like(x)
    found["copy"] = 2 * x.numel() * 4 / seconds(lambda: y.copy_(x), 5)["ms"] / 1e6
    return found
