"""Turn unimodal encoders into one multimodal model: blocks trained apart, merged, then fused."""

from mmlego import data, datasets, encoders, interop, tasks
from mmlego.baseplate import Baseplate
from mmlego.block import BlockOutput, LegoBlock
from mmlego.card import Card
from mmlego.checkpoint import load, save
from mmlego.errors import (
    CheckpointError,
    InputError,
    LegoError,
    LegoWarning,
    MismatchError,
    MissingExtraError,
    ShapeError,
    UnknownNameError,
    VersionError,
)
from mmlego.fuse import LegoFuse
from mmlego.job import Blocks, Bricks, data_of, train, train_blocks
from mmlego.merge import LegoMerge, merge_rules
from mmlego.nn import Ragged
from mmlego.training import calibrate, evaluate, fit, predict
from mmlego.version import __version__

__all__ = [
    "Baseplate",
    "BlockOutput",
    "Blocks",
    "Bricks",
    "Card",
    "CheckpointError",
    "InputError",
    "LegoBlock",
    "LegoError",
    "LegoFuse",
    "LegoMerge",
    "LegoWarning",
    "MismatchError",
    "MissingExtraError",
    "Ragged",
    "ShapeError",
    "UnknownNameError",
    "VersionError",
    "__version__",
    "calibrate",
    "data",
    "data_of",
    "datasets",
    "encoders",
    "evaluate",
    "fit",
    "interop",
    "load",
    "merge_rules",
    "predict",
    "save",
    "tasks",
    "train",
    "train_blocks",
]
