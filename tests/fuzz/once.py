"""What no mutation changes is done once: fits of the same rows, models of the same bytes, a cohort nobody touches."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmlego import checkpoint
from mmlego.bench import cells
from mmlego.data import Cohort, Split
from mmlego.job.fitting import Told, fit_learner
from mmlego.settings import Settings


def fitted_once() -> Callable[..., object]:
    """Return what fits a learner, done once for the same rows, targets and options."""
    known: dict[str, object] = {}

    def again(name: str, options: object, plate: Any, modality: str, told: Told, **given: Any) -> object:
        rows = hashlib.sha256(told.x.numpy().tobytes() + told.data.target.numpy().tobytes()).hexdigest()
        key = f"{name} {options} {plate.fingerprint} {modality} {told.data.patients} {told.rows} {rows} {given}"
        if key not in known:
            known[key] = fit_learner(name, options, plate, modality, told, **given)  # type: ignore[arg-type]
        return copy.deepcopy(known[key])

    return again


def loaded_once() -> Callable[..., object]:
    """Return what builds a model out of a checkpoint, done once for the same bytes; what raises does so again."""
    build = checkpoint._load
    known: dict[str, object] = {}

    def again(path: Path, config: dict[str, Any], encoders: object) -> object:
        weights = hashlib.sha256((path / "model.safetensors").read_bytes()).hexdigest()
        key = f"{json.dumps(config)} {weights}"
        if key not in known:
            if len(known) >= 50:
                known.pop(next(reversed(known)))
            known[key] = build(path, config, encoders)
        return copy.deepcopy(known[key])

    return again


def read_once() -> Callable[..., Cohort]:
    """Return what reads a cohort, done once for a manifest that nothing changes."""
    read = Cohort.from_manifest
    known: dict[str, Cohort] = {}

    def again(manifest: Path, **given: object) -> Cohort:
        key = f"{manifest} {given}"
        if key not in known:
            known[key] = read(manifest, **given)  # type: ignore[arg-type]
        return known[key]

    return again


def measured_once() -> Callable[..., object]:
    """Return what measures a cell, done once for the same settings, seed and patients of a split."""
    measured = cells._measured
    known: dict[str, object] = {}

    def again(cell: Any, cohort: Cohort, split: Split, settings: Settings) -> object:
        key = f"{cell.method} {cell.scenario} {cell.seed} {cohort.patients} {split} {settings}"
        if key not in known:
            known[key] = measured(cell, cohort, split, settings)
        return copy.deepcopy(known[key])

    return again
