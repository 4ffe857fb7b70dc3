"""What of a checkpoint came from patients, and for how many each value stands; read without building a model."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmlego.anonymity import MIN_PATIENTS, Kept
from mmlego.card import private_line
from mmlego.checkpoint_config import broken, read_config
from mmlego.errors import LegoError
from mmlego.learners.foreign import rows_in
from mmlego.tasks.time_bins import DECLARED, PATIENTS
from mmlego.wording import counted, listed, shortened

WEIGHTS = "model.safetensors"
OF_RECIPE = ("spread",)  # what of a recipe is learnt, and not set


def kept_of(place: Path) -> list[Kept]:
    """Return every value in a checkpoint that came from patients.

    Parameters
    ----------
    place
        The folder of a block, a merge, a fuse or a baseplate.

    Returns
    -------
    list of Kept
        In the order of the file; weights last, which nobody counts.

    Raises
    ------
    CheckpointError
        If it is none, or damaged.

    Examples
    --------
    >>> import tempfile
    >>> from mmlego import Baseplate, save
    >>> from mmlego.tasks import Survival
    >>> place = save(Baseplate(Survival([12.0, 24.0]), channels=4, width=8), tempfile.mkdtemp() + "/plate")
    >>> [(kept.what, kept.value, kept.patients) for kept in kept_of(place)]
    [('a declared cut of time', '12', None), ('a declared cut of time', '24', None)]
    """
    config = read_config(place)
    try:
        return [*_of_config(config), *_of_weights(place, config)]
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, LegoError):
            raise
        # the hash was right, so it was written so; but not in this format
        got = f"{type(error).__name__}: {error}"
        raise broken(place, f"format {config['format']} as it is specified", got) from error


def _of_config(config: Mapping[str, Any]) -> list[Kept]:
    found: list[Kept] = []
    for number, plate in enumerate(config["plates"]):
        task, source = plate["config"]["task"], plate.get("cuts_from")
        known = [*_of_cuts(task, source), *_of_events(plate.get("events")), *_of_task(task)]
        found += [kept.within(f"plates[{number}].task") for kept in known]
    for brick in config.get("blocks", []):
        found += _of_brick(brick, f"blocks.{brick['modality']}")
    if "across" in config:
        across = config["across"]
        found += _of_brick(across["brick"], "across")
        for name, rows in across.get("rows", {}).items():
            found += _of_rows(rows, f"across.rows.{name}")
    if config["kind"] in ("merge", "fuse"):
        found += [kept.within("card") for kept in _of_card(config.get("card", {}))]
    return found


def _of_cuts(task: Mapping[str, Any], source: object) -> list[Kept]:
    found = []
    cuts = task.get("cuts") or []
    for number, cut in enumerate(cuts):
        last = number == len(cuts) - 1
        if source == DECLARED:
            note = "by who made the plate, without looking at patients"
            found.append(Kept(f"cuts[{number}]", "a declared cut of time", f"{cut:g}", None, note))
            continue
        told = "the time of one training patient" if last else "a quantile of the times of training patients"
        what = "the last cut of time" if last else "a cut of time"
        note = told if source == PATIENTS else f"{told}, unless they were declared, which this file does not say"
        found.append(Kept(f"cuts[{number}]", what, f"{cut:g}", 1 if last else None, note))
    return found


def _of_events(share: object) -> list[Kept]:
    note = "of all training patients, with two digits"
    return [Kept("events", "share with the event", f"{share:g}", None, note)] if isinstance(share, float) else []


def _of_task(task: Mapping[str, Any]) -> list[Kept]:
    found = []
    if task.get("typical_time") is not None:
        found.append(Kept("typical_time", "median time", f"{task['typical_time']:g}", None, "of all, with two digits"))
    for key in ("classes", "labels", "causes"):
        note = "names as the outcome has them, however few have them"
        found += [Kept(key, "a name", str(name), None, note) for name in task.get(key) or []]
    if task["name"] == "regression":
        found += [
            Kept(key, f"{key} of the target", shortened(json.dumps(task[key])), None, "of all training patients")
            for key in ("mean", "scale")
            if task.get(key) is not None
        ]
    return found


def _of_brick(brick: Mapping[str, Any], place: str) -> list[Kept]:
    found: list[Kept] = []
    if brick.get("preprocessing") is not None:
        from mmlego.data import preprocessing_from_config

        fitted = preprocessing_from_config(brick["preprocessing"])
        found += [kept.within(f"{place}.preprocessing") for kept in fitted.kept()]
    for label, member in brick.get("members", {}).items():
        found += _of_brick(member, f"{place}.members.{label}")
    if "rows" in brick:
        found += _of_rows(brick["rows"], f"{place}.rows")
    return [*found, *(kept.within(f"{place}.card") for kept in _of_card(brick.get("card", {})))]


def _of_rows(rows: Mapping[str, Any], place: str) -> list[Kept]:
    terms = rows.get("terms")
    if not terms:
        return []
    what = "runs of codes" if rows["form"] == "runs" else "surroundings in graphs, hashed"
    known = terms.get("patients") or None
    note = "each of so many" if known else ""
    return [Kept("terms", what, counted(len(terms["terms"]), "number"), known, note).within(place)]


def _of_card(card: Mapping[str, Any]) -> list[Kept]:
    patients = card.get("patients", {})
    trained, watched = patients.get("training"), patients.get("validation")
    found = [Kept(f"patients.{part}", "how many patients", str(count), count) for part, count in patients.items()]
    if card.get("data"):
        found.append(Kept("data", "description of the data", shortened(card["data"]), None, "as you wrote it"))
    if card.get("prior"):
        found.append(Kept("prior", "the outcome of all", listed((f"{z:.3g}" for z in card["prior"]), 4), trained))
    held = dict(card.get("held_out", {}))
    scored = held.get("patients") or watched
    for key in ("validation", "errors"):
        found += [Kept(f"{key}.{name}", "a score", f"{value:.4g}", scored) for name, value in card.get(key, {}).items()]
    least = held.pop("least", None)
    found += _of_held_out(held, least, "held_out")
    for key in OF_RECIPE:
        if key in card.get("recipe", {}):
            found.append(Kept(f"recipe.{key}", "spread of what is said", f"{card['recipe'][key]:.3g}", trained))
    return found


def _of_held_out(held: Mapping[str, Any], least: int | None, place: str) -> list[Kept]:
    found: list[Kept] = []
    for key, value in held.items():
        where = f"{place}.{key}"
        if key == "patients" and isinstance(value, int):
            found.append(Kept(where, "how many patients", str(value), value))
        elif key == "risk" and isinstance(value, list) and value:
            note = (
                "quantiles, the ends at so many patients from either end" if least else "from the least to the largest"
            )
            ends = f"{value[0]:g} to {value[-1]:g}"
            found.append(Kept(where, "risks of held-out patients", ends, least or 1, note))
        elif key == "groups" and isinstance(value, list):
            for number, group in enumerate(value):
                told = f"{group.get('events')} events"
                found.append(Kept(f"{where}[{number}]", "curve of a group", told, group.get("patients")))
        elif isinstance(value, dict) and set(value) and all(_is_level(level) for level in value):
            known = [f"{level}: {bound:g}" for level, bound in value.items() if bound is not None]
            note = "each the score of one held-out patient, rounded up to two digits"
            found += [Kept(where, "bounds of intervals", ", ".join(known), None, note)] if known else []
        elif isinstance(value, dict):
            found += _of_held_out(value, least, where)
    return found


def _is_level(text: str) -> bool:
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False


def _of_weights(place: Path, config: Mapping[str, Any]) -> list[Kept]:
    """Return how many numbers each brick has, and what in a model of another library is of single patients."""
    from safetensors import SafetensorError, safe_open

    sizes: dict[str, int] = {}
    odd: list[Kept] = []
    learners = dict(_learners(config))
    try:
        with safe_open(place / WEIGHTS, framework="np") as file:
            for name in file.keys():
                if not name.startswith("model."):
                    continue  # initial values of a baseplate are drawn by its seed
                part = ".".join(name.split(".")[1:3]) if name.startswith("model.blocks.") else "all"
                sizes[part] = sizes.get(part, 0) + math.prod(file.get_slice(name).get_shape())
                if name.endswith(".encoder.content") or name.endswith(".encoder.model"):
                    odd += _of_library(name, file.get_tensor(name).tobytes(), learners)
    except (OSError, SafetensorError) as error:
        raise broken(place / WEIGHTS, "safetensors", str(error)) from error
    promised = _promises(config)
    notes = {part: promised.get(part, "fitted to patients: nothing bounds what one of them moves") for part in sizes}
    return [*odd, *(Kept(part, "weights", f"{size} numbers", None, notes[part]) for part, size in sizes.items())]


def _promises(config: Mapping[str, Any]) -> dict[str, str]:
    """Return by part of the weights what differential privacy promises of them."""
    alone = config["kind"] == "block"
    cards = {"all" if alone else f"blocks.{one['modality']}": one.get("card", {}) for one in config.get("blocks", [])}
    told = {part: private_line(card.get("recipe", {})) for part, card in cards.items()}
    return {part: f"differential privacy: {line}" for part, line in told.items() if line}


def _learners(config: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    found: list[tuple[str, Mapping[str, Any]]] = []

    def look(brick: Mapping[str, Any]) -> None:
        if "learner" in brick:
            found.append((brick["learner"].get("name", ""), brick["learner"].get("config", {})))
        for member in brick.get("members", {}).values():
            look(member)

    for brick in [*config.get("blocks", []), *([config["across"]["brick"]] if "across" in config else [])]:
        look(brick)
    return found


def _of_library(name: str, content: bytes, learners: Mapping[str, Mapping[str, Any]]) -> list[Kept]:
    if name.endswith(".content"):
        wide = learners.get("foreign", {}).get("in_features", 0)
        rows = rows_in(content, wide)
        return (
            [Kept(name, "rows of training patients", listed(rows), 1, "whoever has the file has them")] if rows else []
        )
    if re.search(rb"^feature_infos=.*\[", content, re.MULTILINE):
        note = "a model of LightGBM that an earlier version saved"
        return [Kept(name, "smallest and largest value of columns", "feature_infos", 1, note)]
    return []


def flagged(kept: Kept, least: int = MIN_PATIENTS) -> bool:
    """Return whether a value stands for fewer patients than it has to.

    Parameters
    ----------
    kept
        The value.
    least
        How many it has to stand for.

    Examples
    --------
    >>> flagged(Kept("a", "b", "c", 4)), flagged(Kept("a", "b", "c", 5)), flagged(Kept("a", "b", "c", None))
    (True, False, False)
    """
    return kept.patients is not None and kept.patients < least
