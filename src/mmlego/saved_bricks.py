"""How each kind of brick is described in a checkpoint, and built again from that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from mmlego.across import Across
from mmlego.baseplate import Baseplate
from mmlego.block import LegoBlock
from mmlego.brick import Brick
from mmlego.bundle import Bundle
from mmlego.card import Card
from mmlego.closing import closed
from mmlego.encoders.registry import build_encoder, encoder_class
from mmlego.errors import CheckpointError, InputError, LegoError, MissingExtraError, UnknownNameError
from mmlego.extras import import_extra
from mmlego.fitted import FittedBlock
from mmlego.learners.base import Learner
from mmlego.learners.registry import build_learner, learner_class
from mmlego.learners.rows import Rows

COPY = "Copy it again from where it was made."
KINDS: tuple[type[Brick], ...] = (LegoBlock, FittedBlock, Bundle)


def plain_format(described: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of the oldest format that has all of some described bricks."""
    return 1 if all("encoder" in brick and "lift" not in brick for brick in described) else 2


def describe_brick(brick: Brick) -> dict[str, Any]:
    """Return what tells a brick but for its weights, as JSON has it.

    Raises
    ------
    InputError
        If its preprocessing or its model cannot be saved.
    """
    if brick.preprocessing is not None and not callable(getattr(brick.preprocessing, "config", None)):
        raise InputError(
            f"the preprocessing of {brick.modality!r} cannot be saved",
            expected="an object with config(), as a TablePreprocessor",
            got=type(brick.preprocessing).__name__,
        )
    return {
        "modality": brick.modality,
        "plate": brick.plate.fingerprint,
        **_own(brick),
        "preprocessing": None if brick.preprocessing is None else brick.preprocessing.config(),
        "card": brick.card.config(),
    }


def _own(brick: Brick) -> dict[str, Any]:
    if isinstance(brick, Bundle):
        return {"members": {label: describe_brick(brick.member(label)) for label in brick.members}}
    encoder: Any = brick.encoder
    name = getattr(encoder, "registered_name", None)
    described = {"name": name, "config": encoder.config} if name else {"foreign": type(encoder).__qualname__}
    if isinstance(brick, FittedBlock):
        if name is None:
            raise InputError(
                f"the model of {brick.modality!r} cannot be saved",
                expected="a registered learner",
                got=type(encoder).__name__,
                remedy="Register it with mmlego.learners.register_learner.",
            )
        return {"learner": described, "rows": brick.rows.config(), "scores": brick.slope.shape[1]}
    if not isinstance(brick, LegoBlock):
        raise InputError(
            f"the brick of {brick.modality!r} cannot be saved",
            expected=f"one of {', '.join(kind.__name__ for kind in KINDS)}",
            got=type(brick).__name__,
            remedy="Make it with LegoBlock(...) or LegoBlock.of(...).",
        )
    return {
        "encoder": described,
        "out_features": brick.token_width,
        "ordered": brick.ordered,
        "tokenwise": bool(getattr(encoder, "tokenwise", False)),
        "freeze_encoder": brick.encoder_frozen,
        **({"lift": brick.lift} if brick.lift else {}),
    }


def build_brick(described: Mapping[str, Any], plates: Mapping[str, Baseplate], encoder: nn.Module | None) -> Brick:
    """Return a brick as it was described; its weights are still to be loaded.

    Parameters
    ----------
    described
        By :func:`describe_brick`.
    plates
        By fingerprint.
    encoder
        The encoder of a LegoBlock, where it is not one of ours.

    Raises
    ------
    CheckpointError
        If it cannot be built.
    InputError
        If an encoder is needed and not given.
    """
    modality = described["modality"]
    try:
        plate = plates[described["plate"]]
    except KeyError as error:
        raise CheckpointError(f"the block of {modality!r} has no baseplate in the file", got=error) from error
    brick: Brick
    if "members" in described:
        brick = Bundle({label: build_brick(part, plates, encoder) for label, part in described["members"].items()})
    elif "learner" in described:
        brick = _fitted(described, plate)
    else:
        brick = _block(described, plate, encoder)
    brick.card = Card(**described["card"])
    if described["preprocessing"] is not None:
        from mmlego.data import preprocessing_from_config

        brick.preprocessing = preprocessing_from_config(described["preprocessing"])
    return brick


def _fitted(described: Mapping[str, Any], plate: Baseplate) -> FittedBlock:
    k, modality = plate.task.outputs, described["modality"]
    blank = torch.zeros(k)
    slope = torch.zeros(k, described["scores"])
    try:
        learner = _learner(modality, described["learner"])
        rows = Rows(**described["rows"])
        return FittedBlock(learner, plate, modality, rows=rows, slope=slope, offset=blank, base=blank)
    except (MissingExtraError, UnknownNameError, CheckpointError):
        raise
    except LegoError as error:
        raise CheckpointError(f"the brick of {modality!r} cannot be built: {error}") from error


def check_fitted(brick: FittedBlock, trusted: Sequence[str] = ()) -> None:
    """Ask a fitted brick that was loaded about a row of zeros: what does not fit is told now, not when it is used.

    Parameters
    ----------
    brick
        With its weights.
    trusted
        Types of models of other libraries that the user trusts.

    Raises
    ------
    CheckpointError
        If its rows are of another width than its model asks, or the model cannot answer.
    """
    what = f"the brick of {brick.modality!r} cannot answer"
    learner: Any = brick.encoder
    if brick.rows.columns != learner.in_features:
        got = f"{brick.rows.columns} from {brick.rows!r}"
        raise CheckpointError(what, expected=f"rows of {learner.in_features} columns", got=got)
    try:
        with closed(f"the model of {brick.modality!r}", {}, type(learner), trusted=trusted):
            raw = learner(torch.zeros(1, learner.in_features, dtype=torch.float64))
    except LegoError:
        raise
    except Exception as error:  # models of libraries say in many ways that their bytes are none of theirs
        raise CheckpointError(f"{what} ({type(error).__name__}: {error})", remedy=COPY) from error
    if tuple(raw.shape) != (1, brick.slope.shape[1]):
        raise CheckpointError(what, expected=f"{brick.slope.shape[1]} scores", got=tuple(raw.shape), remedy=COPY)


def _block(described: Mapping[str, Any], plate: Baseplate, encoder: nn.Module | None) -> LegoBlock:
    modality, saved = described["modality"], described["encoder"]
    if encoder is None:
        if "foreign" in saved:
            raise InputError(
                f"the encoder of {modality!r} is a {saved['foreign']}, which mmlego cannot build",
                expected=f"encoders={{{modality!r}: module}}",
                got="none",
                remedy="Build the module as before and pass it to load; its weights come from the checkpoint.",
            )
        encoder = _encoder(modality, saved)
    try:
        return LegoBlock(
            encoder,
            plate,
            modality,
            out_features=described["out_features"],
            ordered=described["ordered"],
            tokenwise=described["tokenwise"],
            freeze_encoder=described["freeze_encoder"],
            lift=described.get("lift", 0),
        )
    except LegoError as error:
        raise CheckpointError(f"the block of {modality!r} cannot be built: {error}") from error


def _encoder(modality: str, saved: Mapping[str, Any]) -> nn.Module:
    """Return an encoder of ours as it was described; while it is built nothing is fetched, run or read."""
    make = encoder_class(saved["name"])  # what is installed is imported now, by its name among the entry points
    for package in getattr(make, "packages", ()):  # and so is what its class needs, which may try the network at import
        with suppress(MissingExtraError):  # said in the words of the class while it is built
            import_extra(package, f"the encoder of {modality!r}", package)
    try:
        with closed(f"the encoder of {modality!r}", saved["config"], make):
            return build_encoder(saved["name"], saved["config"], of_file=True)
    except (MissingExtraError, UnknownNameError, CheckpointError):
        raise
    except LegoError as error:
        raise CheckpointError(f"the encoder of {modality!r} cannot be built: {error}") from error


def _learner(modality: str, saved: Mapping[str, Any]) -> Learner:
    make = learner_class(saved["name"])
    for name in _names_within(saved["config"]):
        learner_class(name)
    with closed(f"the model of {modality!r}", saved["config"], make):
        return build_learner(saved["name"], saved["config"])


def _names_within(config: Any) -> Iterator[str]:
    """Yield the names of learners that a learner is made of."""
    parts = [config, *config.get("parts", ())] if isinstance(config, Mapping) else []
    for part in parts:
        if isinstance(part, Mapping) and isinstance(part.get("name"), str):
            yield part["name"]
            yield from _names_within(part.get("config"))


def build_across(described: Mapping[str, Any], plates: Mapping[str, Baseplate], modalities: Sequence[str]) -> Across:
    """Return the model of all modalities of a fuse as it was described; its weights are still to be loaded."""
    brick = build_brick(described["brick"], plates, None)
    if not isinstance(brick, FittedBlock | Bundle):
        raise CheckpointError(
            "the model of all modalities is damaged",
            expected="a fitted brick, or several",
            got=type(brick).__name__,
            remedy=COPY,
        )
    if set(described["rows"]) != set(modalities):
        raise CheckpointError(
            "the model of all modalities is of others",
            expected=", ".join(modalities),
            got=", ".join(described["rows"]),
            remedy=COPY,
        )
    try:
        rows = {name: Rows(**described["rows"][name]) for name in modalities}  # in the order of the fuse
        return Across(brick, rows, described["share"])
    except LegoError as error:
        raise CheckpointError(f"the model of all modalities cannot be built: {error}") from error
