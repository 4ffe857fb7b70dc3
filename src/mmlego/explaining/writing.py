"""An explanation as a folder: tables, pictures, and what programs of pathologists and chemists open."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmlego.explaining.drawing import bars, overlay
from mmlego.explaining.explain import Explanation
from mmlego.explaining.features import FeatureValues
from mmlego.explaining.molecules import drawn
from mmlego.explaining.slides import geojson_of, heat_map, patch_size
from mmlego.files import write_atomically
from mmlego.json_files import read_json
from mmlego.version import __version__

if TYPE_CHECKING:
    import pandas as pd

ABOUT = "explanation.json"
UNITS = re.compile(r"^(patch|region|position|token|node|atom) ")  # of one patient: no other has the same


def write_explanation(
    found: Explanation,
    folder: Path,
    *,
    score: pd.Series | None = None,
    top: int = 20,
    size: float | None = None,
) -> None:
    """Write an explanation into a folder that is there.

    ``modalities.csv`` has a row a patient; ``score.csv`` what modalities add to the score; ``summary.csv`` the mean
    sizes of all features that patients have in common. A folder a modality has ``features.csv``, a line a patient and
    feature; ``sums.csv`` with the error of completeness; ``sets.csv`` of gene sets; and pictures a patient: heat maps
    and GeoJSON of slides, overlays of images, molecules.

    Parameters
    ----------
    found
        The explanation.
    folder
        Where.
    score
        Of :func:`mmlego.explaining.score_values`.
    top
        How many features pictures show.
    size
        Of a patch, in pixels of its coordinates; None: how far patches lie apart.
    """
    scale, told = found.modalities.scale, found.modalities.per_patient
    outputs = found.modalities.outputs
    whole = told.assign(**{"output": outputs}) if "output" not in told else told
    write_atomically(folder / "modalities.csv", _rounded(whole).to_csv())
    write_atomically(
        folder / "modalities.png",
        bars(found.modalities.mean_size.sort_values(ascending=False), "What modalities moved", f"mean size, {scale}"),
    )
    if score is not None:
        write_atomically(folder / "score.csv", _rounded(score.to_frame()).to_csv())
    write_atomically(folder / "summary.csv", _rounded(summary_of(found)).to_csv(index=False))
    for name, features in found.features.items():
        _write_features(features, folder / name, name, scale, top)
        for place, content in _pictures(features, name, scale, outputs, size):
            write_atomically(folder / name / place, content)
    about = {
        "mmlego": __version__,
        "scale": scale,
        "outputs": sorted(set(outputs)),
        "patients": len(told),
        "modalities": list(found.features),
        "score": None if score is None else {key: score.attrs[key] for key in ("metric", "chance", "score")},
        "listed": {name: len(part.per_feature) for name, part in found.features.items()},
        "most_features_a_patient": {name: part.most for name, part in found.features.items() if part.most},
        "files": _files(folder),
        "largest_error": {name: float(part.sums["error"].abs().max()) for name, part in found.features.items()},
    }
    write_atomically(folder / ABOUT, json.dumps(about, indent=2) + "\n")


def is_explanation(folder: Path) -> bool:
    """Return whether a folder holds what :func:`write_explanation` wrote, and nothing else.

    Parameters
    ----------
    folder
        Which.
    """
    try:
        about = read_json(folder / ABOUT)
        known = {ABOUT, *about["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return set(_files(folder)) <= known


def _files(folder: Path) -> list[str]:
    return sorted(place.relative_to(folder).as_posix() for place in folder.rglob("*") if place.is_file())


def summary_of(found: Explanation) -> pd.DataFrame:
    """Return the mean size of the attribution of each feature that patients have in common, by modality.

    Parameters
    ----------
    found
        The explanation.

    Returns
    -------
    pandas.DataFrame
        ``modality``, ``feature``, ``mean_size``, ``mean``, ``patients``; patches, pixels, characters and atoms, which
        are one patient's, are left out.
    """
    import pandas as pd

    parts = []
    for name, features in found.features.items():
        summary = features.summary().reset_index()
        summary = summary[~summary["feature"].str.match(UNITS)]
        summary.insert(0, "modality", name)
        parts.append(summary)
    columns = ["modality", "feature", "mean_size", "mean", "patients"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _write_features(features: FeatureValues, folder: Path, name: str, scale: str, top: int) -> None:
    write_atomically(folder / "features.csv", _rounded(features.per_feature).to_csv(index=False))
    write_atomically(folder / "sums.csv", _rounded(features.sums).to_csv())
    if features.sets is not None:
        write_atomically(folder / "sets.csv", _rounded(features.sets).to_csv(index=False))
    summary = features.summary()
    summary = summary[~summary.index.str.match(UNITS)]
    if len(summary):
        shown = summary["mean_size"].head(top)
        title = f"{name}: {len(shown)} of {len(summary)} features" if len(shown) < len(summary) else name
        write_atomically(folder / "top.png", bars(shown, title, f"mean size, {scale}"))


def _pictures(
    features: FeatureValues, name: str, scale: str, outputs: pd.Series, size: float | None
) -> Iterator[tuple[str, str | bytes]]:
    """Yield the name and the content of each file of a patient."""
    table = features.per_feature
    if {"slide", "x", "y"} <= set(table.columns):
        import pandas as pd

        shown = set(features.patches)
        patches = table[table["x"].notna() & ~table["patient"].isin(shown)]
        patches = pd.concat([patches, *features.patches.values()], ignore_index=True) if shown else patches
        for number, ((patient, slide), mine) in enumerate(patches.groupby(["patient", "slide"], sort=False)):
            wide = size or patch_size(mine[["x", "y"]].to_numpy(dtype=np.float64))
            file = _file(f"{patient}_{Path(str(slide)).stem}" if str(patient) not in str(slide) else str(slide), number)
            yield f"{file}.geojson", geojson_of(mine, wide)
            yield f"{file}.png", heat_map(mine, wide, f"{patient}, {slide}", _unit(scale, outputs, str(patient)))
    for number, (patient, (picture, shares)) in enumerate(features.maps.items()):
        unit = _unit(scale, outputs, patient)
        yield f"{_file(patient, number)}.png", overlay(picture, shares, f"{patient}, {name}", unit)
    for number, (patient, (smiles, atoms)) in enumerate(features.molecules.items()):
        yield f"{_file(patient, number)}.png", drawn(smiles, atoms)
    if features.molecules:
        lines = [
            f"{json.dumps(patient)},{atom},{share:.6g}"
            for patient, (_, atoms) in features.molecules.items()
            for atom, share in enumerate(atoms.tolist())
        ]
        yield "atoms.csv", "\n".join(["patient,atom,attribution", *lines]) + "\n"


def _unit(scale: str, outputs: pd.Series, patient: str) -> str:
    output = str(outputs.get(patient, ""))
    return f"{scale} {output}" if scale.endswith(("class", "label", "target")) else scale


def _file(name: str, number: int) -> str:
    """Return a name for a file of what a patient or slide is called, which no other has."""
    plain = re.sub(
        r"[^\w.-]+", "_", Path(name).stem if name.endswith((".h5", ".pt", ".hdf5", ".npy", ".zarr")) else name
    )
    return plain if plain == name or plain == Path(name).stem else f"{plain}_{number}"


def _rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """Return numbers with the digits that they have."""
    made = frame.copy()
    for name in made.columns:
        if made[name].dtype.kind == "f":
            made[name] = made[name].map(lambda value: float(f"{value:.6g}"))
    return made
