"""What ``load`` would build out of a checkpoint: told without building it, and whether its arguments are admitted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from mmlego.admitted import check_arguments
from mmlego.baseplate import initial_shapes
from mmlego.budget import TooLargeError, bounded
from mmlego.checkpoint_header import Tensors, read_header
from mmlego.encoders.registry import check_encoder, encoder_class, origin_of_encoder
from mmlego.errors import LegoError
from mmlego.learners.registry import learner_class, origin_of_learner
from mmlego.plugins import Origin
from mmlego.shaping import shapes_alone
from mmlego.tasks import task_from_config
from mmlego.tasks.registry import origin_of_task


@dataclass(frozen=True)
class Part:
    """One object that ``load`` would make.

    Parameters
    ----------
    place
        Where it stands: ``"rna"``, ``"rna.neural"``, ``"baseplate"``.
    what
        ``"encoder"``, ``"learner"``, ``"task"`` or ``"preprocessing"``.
    name
        By which it is looked up.
    made_by
        The class, with its module; of one that is not imported yet, the module that will be.
    of
        Whose that is: ``"mmlego"``, a distribution with its version, or a module of the user's.
    arguments
        What its constructor gets.
    numbers
        How many parameters it has, as the shapes in the file tell; None where it has none.
    refused
        Why ``load`` refuses it; empty where it does not.
    """

    place: str
    what: str
    name: str
    made_by: str
    of: str
    arguments: dict[str, Any]
    numbers: int | None = None
    refused: str = ""

    def plain(self) -> dict[str, Any]:
        """Return all that is told, by name."""
        return asdict(self)


def parts_of(folder: Path, config: Mapping[str, Any]) -> list[Part]:
    """Return what ``load`` would build out of a checkpoint, in the order of its configuration.

    Parameters
    ----------
    folder
        The checkpoint.
    config
        Its configuration, checked.

    Raises
    ------
    CheckpointError
        If the file of its tensors is missing, or no safetensors.
    """
    tensors = read_header(folder)
    found = [_plate(number, plate, tensors) for number, plate in enumerate(config["plates"])]
    for brick in config.get("blocks", []):
        prefix = "model." if config["kind"] == "block" else f"model.blocks.{brick['modality']}."
        found += _brick(brick, brick["modality"], prefix, tensors)
    if config.get("across"):
        found += _brick(config["across"]["brick"], "across", "model.across.brick.", tensors)
    return found


def _plate(number: int, plate: Mapping[str, Any], tensors: Tensors) -> Part:
    task = dict(plate["config"]["task"])
    prefix = f"plate.{plate['fingerprint']}."
    refused = ""
    try:
        wanted = initial_shapes(plate["config"], task_from_config(task).outputs)
        there = tensors.within(prefix)
        refused = _unlike(wanted, there)
    except LegoError as error:
        refused = str(error)
    name = task.pop("name")
    origin = origin_of_task(name)
    where = "baseplate" if not number else f"baseplate {number + 1}"
    return Part(
        where,
        "task",
        name,
        origin.place,
        origin.of,
        task,
        sum(map(math.prod, tensors.within(prefix).values())),
        refused,
    )


def _brick(brick: Mapping[str, Any], place: str, prefix: str, tensors: Tensors) -> Iterator[Part]:
    for label, member in (brick.get("members") or {}).items():
        yield from _brick(member, f"{place}.{label}", f"{prefix}members.{label}.", tensors)
    for what in ("learner", "encoder"):
        if brick.get(what):
            yield _made(what, place, brick[what], tensors.within(f"{prefix}encoder."))
    fitted = brick.get("preprocessing")
    if fitted is not None:
        yield _preprocessing(place, fitted)


def _made(what: str, place: str, saved: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Part:
    numbers = sum(map(math.prod, shapes.values()))
    if saved.get("foreign"):
        who = "whoever loads it passes the module"
        return Part(place, what, saved["foreign"], "", who, {}, numbers)
    name, arguments = saved["name"], dict(saved["config"])
    origin: Origin = (origin_of_learner if what == "learner" else origin_of_encoder)(name)
    refused = ""
    try:
        if what == "learner":
            check_arguments(learner_class(name), arguments, f"learner {name!r}")
        else:
            check_encoder(name, arguments, of_file=True)
            if origin.of == "mmlego":
                refused = _differences(encoder_class(name), arguments, shapes)
    except LegoError as error:
        refused = str(error)
    return Part(place, what, name, origin.place, origin.of, arguments, numbers, refused)


def _differences(
    make: Callable[..., nn.Module], arguments: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> str:
    """Return in what an encoder of mmlego would differ from the tensors in the file; nothing of it is allocated."""
    try:
        with shapes_alone(), bounded("it", shapes=shapes):
            wanted = {name: tuple(value.shape) for name, value in make(**arguments).state_dict().items()}
    except TooLargeError as error:
        return str(error)
    except (LegoError, RuntimeError, NotImplementedError, ValueError, TypeError, LookupError):
        return ""  # what looks at numbers while it is built, as models of other libraries do: load compares it
    return _unlike(wanted, shapes)


def _unlike(wanted: Mapping[str, tuple[int, ...]], there: Mapping[str, tuple[int, ...]]) -> str:
    odd = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    return f"{odd[0]}: {wanted.get(odd[0])} would be built, in the file is {there.get(odd[0])}" if odd else ""


def _preprocessing(place: str, fitted: Mapping[str, Any]) -> Part:
    from mmlego.data.kinds.registry import origin_of_preprocessing, preprocessing_from_config

    name = str(fitted.get("name"))
    refused = ""
    try:
        preprocessing_from_config(fitted)
    except LegoError as error:
        refused = str(error)
    origin = origin_of_preprocessing(name)
    keys = {key: value for key, value in fitted.items() if key == "version"}
    return Part(place, "preprocessing", name, origin.place, origin.of, keys, None, refused)
