"""Files of patch features as the common tools write them, a few patches each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch


def patches(n: int, width: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


def places(n: int) -> np.ndarray:
    return np.stack([np.arange(n) * 256, np.zeros(n, dtype=np.int64)], axis=1)


def write_h5(path: Path, features: np.ndarray, name: str = "features", *, coords: bool = True, **how: Any) -> Path:
    """Write one slide; ``how`` goes to h5py, as chunks and compression."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=features, **how)
        if coords:
            file["coords"] = places(features.shape[-2])
    return path


def write_bfloat16(path: Path, features: np.ndarray, chunks: tuple[int, ...] | None = None) -> Path:
    """Write one slide in a type that numpy has not: HDF5's own bfloat16, of which h5py 3.16 says float32."""
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_precision(16)
    kind.set_size(2)
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if chunks is not None:
        how.set_chunk(chunks)
    with h5py.File(path, "w") as file:
        made = h5py.h5d.create(file.id, b"features", kind, h5py.h5s.create_simple(features.shape), dcpl=how)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, features, mtype=h5py.h5t.NATIVE_FLOAT)
        file["coords"] = places(len(features))
    return path


def write_vector(path: Path, vector: np.ndarray, name: str, coords: np.ndarray | None = None, **how: Any) -> Path:
    """Write the embedding of one slide, beside the places of the patches that it was made of."""
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=vector, **how)
        if coords is not None:
            file["coords"] = coords
    return path


def write_pt(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(value, path)
    return path


def write_slides(folder: Path, sizes: Mapping[str, int], width: int = 3) -> dict[str, np.ndarray]:
    """Write a slide a patient under ``slides``, and return the features by patient."""
    made = {patient: patches(n, width, seed) for seed, (patient, n) in enumerate(sizes.items())}
    for patient, features in made.items():
        write_h5(folder / "slides" / f"{patient}.h5", features)
    return made
