"""Measure mmlego on one CUDA device: equal answers, speed against rivals and ceilings, waits, and a loader's share.

Ends within ``--minutes``; every part is written as soon as it is known. Prepared on a CPU with ``--dry`` (tiny, no
figures). From the repository: ``python benchmarks/gpu/run.py --out FOLDER``.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "speed")]

import measure  # noqa: E402
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import mmlego  # noqa: E402
from cases import FEATURES, bag_block, ragged_bags, table_block  # noqa: E402
from mmlego import Baseplate, LegoBlock, Ragged  # noqa: E402
from mmlego.encoders import PatchMLP  # noqa: E402
from mmlego.tasks import Classification  # noqa: E402
from plain import PlainBlock  # noqa: E402

TESTS = ["tests/nn/test_ragged.py", "tests/test_block.py", "tests/merge/test_model.py", "tests/test_fuse.py"]


class GatedAttention(nn.Module):
    """Attention-based MIL (Ilse et al. 2018) in plain torch, with the width of the encoder of bags."""

    def __init__(self, hidden: int = 256) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(FEATURES, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.v, self.u, self.w = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 1)
        self.head = nn.Linear(hidden, 4)

    def forward(self, x: Tensor | Ragged) -> tuple[None, Tensor]:
        """Return logits ``(b, 4)`` of bags ``(b, n, f)``."""
        if isinstance(x, Ragged):
            return None, torch.cat([self(bag[None])[1] for bag in x.unbind()])
        h = self.encode(x)
        score = self.w(torch.tanh(self.v(h)) * torch.sigmoid(self.u(h))).softmax(1)
        return None, self.head((score * h).sum(1))


def step(model: nn.Module, x: Any) -> None:
    """Forward and backward, without an optimiser."""
    model.zero_grad(set_to_none=True)
    model(x)[1].float().square().mean().backward()


@torch.no_grad()
def answer(model: nn.Module, x: Any) -> None:
    """Forward alone."""
    model(x)


def shapes(dry: bool) -> Iterator[tuple[str, Callable[[], Any], bool]]:
    """Yield name, data, and whether a bag is transformed along its tokens."""
    if dry:
        yield "4 x 64", lambda: torch.randn(4, 64, FEATURES), True
        return
    yield "ragged 16 x 100...10,000", ragged_bags, True
    yield "4 x 16,384", lambda: torch.randn(4, 16384, FEATURES), True
    yield "4 x 16,384 unordered", lambda: torch.randn(4, 16384, FEATURES), False
    yield "1 x 262,144 unordered", lambda: torch.randn(1, 262144, FEATURES), False
    yield "1 x 262,144", lambda: torch.randn(1, 262144, FEATURES), True


def bags(device: str, found: dict[str, float], dry: bool) -> Iterator[dict[str, Any]]:
    """Yield one row a shape and precision: ours, plain and attention-based MIL."""
    for name, data, ordered in shapes(dry):
        torch.manual_seed(0)
        block = bag_block(ordered=ordered).to(device)
        rivals = {"ours": block, "plain": PlainBlock(block).to(device), "abmil": GatedAttention().to(device)}
        x = data().to(device)
        for precision in ("float32", "bfloat16"):
            row: dict[str, Any] = {"shape": name, "precision": precision}
            for who, model in rivals.items():
                try:
                    row[who] = one(model, x, precision, device, detail=who == "ours")
                except RuntimeError as error:  # out of memory too: the others are measured all the same
                    row[who] = {"error": str(error)[:300]}
                    torch.cuda.empty_cache()
            shares(row, found, x)
            yield row


def one(model: nn.Module, x: Any, precision: str, device: str, *, detail: bool) -> dict[str, Any]:
    """Return time, memory and work of a training step and of inference of one model."""
    row: dict[str, Any] = {}
    with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
        for kind, run in (("training", lambda: step(model, x)), ("inference", lambda: answer(model, x))):
            row[kind] = measure.seconds(run) | {"peak_mib": measure.peak_mib(run)}
            counted = run if kind == "training" else lambda: model(x)  # the counter needs gradients
            row[kind]["tflop"] = measure.work(counted)
            if detail:
                row[kind]["kernels"] = measure.kernels(run)
    return row


def shares(row: dict[str, Any], found: dict[str, float], x: Any) -> None:
    """Add the ratios to the rivals, and shares of the ceilings: of products, and of a copy of the input."""
    values = x.values if isinstance(x, Ragged) else x
    for kind in ("training", "inference"):
        ours = row["ours"].get(kind)
        if ours is None:
            continue
        reads = 1 if kind == "inference" else 2  # forward, and the gradient of the first layer
        bytes_read = reads * values.numel() * 4
        ceiling = found[f"matmul_{row['precision']}"]
        ours["share_of_matmul"] = ours["tflop"] / (ours["ms"] / 1e3) / ceiling
        ours["share_of_copy"] = bytes_read / (ours["ms"] / 1e3) / 1e9 / found["copy"]
        for rival in ("plain", "abmil"):
            if kind in row[rival]:
                ours[f"ratio_to_{rival}"] = row[rival][kind]["ms"] / ours["ms"]


def equal_answers(device: str) -> list[dict[str, Any]]:
    """Return how far answers and gradients on the device are from those on the CPU, relative to the largest entry."""
    rows = []
    generator = torch.Generator().manual_seed(1)
    for name, block, x in (
        ("bags", bag_block(), torch.randn(2, 300, FEATURES, generator=generator)),
        ("ragged", bag_block(), Ragged(torch.randn(700, FEATURES, generator=generator), [300, 1, 399])),
        ("table", table_block(), torch.randn(8, 2189, generator=generator)),
    ):
        there = copy.deepcopy(block).to(device)
        step(block, x)
        step(there, x.to(device))
        with torch.no_grad():
            a, b = block(x).logits, there(x.to(device)).logits.cpu()
        grads = [
            float((p.grad - q.grad.cpu()).abs().max() / p.grad.abs().max().clamp_min(1e-12))
            for p, q in zip(block.parameters(), there.parameters(), strict=True)
            if p.grad is not None and q.grad is not None and float(p.grad.abs().max()) > 1e-7
        ]
        rows.append({"case": name, "logits": float((a - b).abs().max() / a.abs().max()), "gradients": max(grads)})
    return rows


def small_tables(device: str) -> dict[str, Any]:
    """Return what a small table costs: launches, time, and time when the launches are replayed as one CUDA graph."""
    block = LegoBlock(mmlego.encoders.SNN(76, dropout=0.0), Baseplate(Classification(2)), "genes").to(device).eval()
    x = torch.randn(32, 76, device=device)
    row = {"inference": measure.seconds(lambda: answer(block, x), 30) | measure.kernels(lambda: answer(block, x))}
    block.train()
    row["training"] = measure.seconds(lambda: step(block, x), 30) | measure.kernels(lambda: step(block, x))
    return row


def slides(folder: Path, count: int, patches: int) -> list[Path]:
    """Write slides as CLAM and TRIDENT do: chunked, compressed, fp16."""
    import h5py
    import numpy as np

    paths = []
    draw = np.random.default_rng(0)
    for i in range(count):
        paths.append(folder / f"p{i:02d}.h5")
        with h5py.File(paths[-1], "w") as file:
            values = draw.standard_normal((patches, FEATURES)).astype("f2")
            file.create_dataset("features", data=values, chunks=(min(1000, patches), FEATURES), compression="lzf")
    return paths


def loader(device: str, count: int, patches: int) -> dict[str, Any]:
    """Return for what share of an epoch of ``fit`` the card has something to do, reading slides from disk."""
    import pandas as pd

    from mmlego.data import Cohort

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slides(folder, count, patches)
        pd.DataFrame({"id": [f"p{i:02d}" for i in range(count)], "y": [i % 2 for i in range(count)]}).to_csv(
            folder / "outcome.csv", index=False
        )
        (folder / "cohort.yaml").write_text(
            "key: id\noutcome: {task: classification, file: outcome.csv, label: y}\n"
            "modalities: {slides: {kind: bag, pattern: '{key}.h5', sample: null}}\n"
        )
        cohort = Cohort.from_manifest(folder / "cohort.yaml")
        ready = cohort.prepare(cohort.patients)
        data = ready.data(cohort.patients)
        block = LegoBlock(PatchMLP(FEATURES, 256, 256), Baseplate(ready.task), "slides")

        def run() -> None:
            mmlego.fit(
                block, data, validation=None, epochs=2, batch_size=4, progress=False, tensorboard=False,
                accelerator="gpu" if device == "cuda" else "cpu",
            )  # fmt: skip

        start = time.perf_counter()
        run()
        whole = time.perf_counter() - start
        return measure.busy(run) | {"whole_seconds": whole} if device == "cuda" else {"whole_seconds": whole}


def cuda_tests() -> dict[str, Any]:
    """Run the tests that need a card."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-W", "ignore", *TESTS, "-p", "no:cacheprovider"]
    command += ["-k", "gpu or cuda or device"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, cwd=HERE.parents[1])
    return {"rc": done.returncode, "tail": done.stdout[-1500:]}


def table(results: dict[str, Any]) -> str:
    """Return the figures of bags as a table in Markdown, as docs/speed.md has it."""
    lines = [
        "| bags x 1,024 | precision | what | ms | to plain | to attention MIL | of products | kernels | device ms |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for row in results["bags"]:
        for kind in ("training", "inference"):
            ours = row["ours"][kind]
            ratios = " | ".join(f"{ours.get(f'ratio_to_{rival}', math.nan):.1f}" for rival in ("plain", "abmil"))
            seen = ours["kernels"]
            lines.append(
                f"| {row['shape']} | {row['precision']} | {kind} | {ours['ms']:.1f} | {ratios} | "
                f"{ours['share_of_matmul']:.2f} | {seen['launches']} | {seen['device_ms']:.1f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run the parts that fit into the time, in order of weight, and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--minutes", type=float, default=7.5)
    parser.add_argument("--dry", action="store_true", help="tiny, on the CPU: only whether it runs")
    parser.add_argument("--parts", nargs="*", default=["equal", "bags", "small", "loader", "tests"])
    parser.add_argument("--table", action="store_true", help="print the table of the results that are there")
    chosen = parser.parse_args()
    if chosen.table:
        print(table(json.loads((chosen.out / "results.json").read_text())))
        return
    end = time.monotonic() + 60 * chosen.minutes
    device = "cpu" if chosen.dry else "cuda"
    torch.backends.cuda.matmul.allow_tf32 = False
    results: dict[str, Any] = {"torch": torch.__version__, "mmlego": mmlego.__version__, "errors": {}}

    def write() -> None:
        (chosen.out / ("dry.json" if chosen.dry else "results.json")).write_text(json.dumps(results, indent=1) + "\n")

    if not chosen.dry:
        results["card"] = torch.cuda.get_device_name()
        results["ceilings"] = measure.ceilings()
        write()
    found = results.get("ceilings", {"matmul_float32": math.nan, "matmul_bfloat16": math.nan, "copy": math.nan})
    parts: dict[str, Callable[[], Any]] = {
        "equal": lambda: equal_answers(device),
        "small": lambda: small_tables(device),
        "loader": lambda: loader(device, *((4, 100) if chosen.dry else (30, 20000))),
        "tests": cuda_tests,
    }
    for part in chosen.parts:
        if chosen.dry and part in ("small", "bags"):  # nothing but a card can time these
            continue
        try:
            if part == "bags":
                results["bags"] = []
                for row in bags(device, found, chosen.dry):
                    results["bags"].append(row)
                    write()
                    if time.monotonic() > end:
                        break
            elif time.monotonic() < end:
                results[part] = parts[part]()
        except Exception:  # noqa: BLE001 - one part that fails must not cost the time of the card
            results["errors"][part] = traceback.format_exc()
        write()
    print(json.dumps(results, indent=1)[-9000:])


if __name__ == "__main__":
    main()
