"""Features of frozen encoders: computed once for all epochs, and kept on disk by content for the next fit.

An encoder that is not trained says the same of a patient in every epoch, and what it says must depend on nobody else in
a batch: kept or computed anew, features are the same to the last digit. So it is asked about one patient at a time, or,
which takes half the time, about always as many at once, where trying shows that place and company change no digit.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from mmlego.block import LegoBlock
from mmlego.budget import memory
from mmlego.data import PatientData
from mmlego.data.kinds.series.cache import VARIABLE
from mmlego.data.memory.columns import Column, FeatureColumn
from mmlego.data.memory.graphs import GraphColumn
from mmlego.data.reading.progress import shown
from mmlego.encoding import check_features
from mmlego.errors import LegoWarning
from mmlego.files import PRIVATE, write_atomically
from mmlego.fingerprint import hash_tensors
from mmlego.fuse import LegoFuse
from mmlego.nn.modes import modes_kept
from mmlego.nn.ragged import Ragged
from mmlego.training.evaluate import Model, bricks_of
from mmlego.version import __version__

TOGETHER = 8  # patients an encoder is asked about at once
SHARE = 4  # features may take one in so many bytes of the memory
_TENSORS = ("_parameters", "_buffers", "_modules")  # told apart, or below
VERSION = 2  # raised whenever the same input would be encoded otherwise than before


def with_features(
    model: Model,
    data: PatientData,
    valid: PatientData | None,
    *,
    batch_size: int,
    out: Path | None = None,
    bar: bool = False,
) -> tuple[PatientData, PatientData | None]:
    """Return data in which the modalities of frozen encoders are what the encoders make of them.

    Where chance decides what training sees of a patient, as where images are augmented or patches are sampled, the
    encoder works anew in each epoch; on validation patients, of whom all is seen, it need not. Encoders of graphs, of
    members of a Bundle, and of modalities that a fuse also reads itself (``across``) do so in any case.

    Parameters
    ----------
    model
        About to be trained.
    data, valid
        The two parts of the data.
    batch_size
        Patients at a time at most: so many fit into the memory.
    out
        A folder to keep features in, each under a hash of the encoder and of its input, where the environment
        (``MMLEGO_CACHE``) names none, where they lie in ``private/``, for its owner alone; None: in memory alone.
    bar
        Whether to show how far encoding is.

    Warns
    -----
    LegoWarning
        If a frozen encoder works in each epoch all the same, because training sees other things each time, or features
        would take more than a quarter of the memory.
    """
    named = os.environ.get(VARIABLE)
    folder = Path(named) / PRIVATE / "features" if named else out
    read = set(model.across.rows) if isinstance(model, LegoFuse) and model.across is not None else set()
    for block in bricks_of(model):
        name = block.modality
        if not isinstance(block, LegoBlock) or not block.encoder_frozen or name in read:
            continue
        parts = [part for part in (data, valid) if part is not None]
        if any(isinstance(part.column(name), GraphColumn) for part in parts):
            continue
        encoder = _Encoder(block, folder, min(batch_size, TOGETHER))
        if data.column(name).varies:
            told = "what training sees changes with each epoch (images are augmented, or patches sampled)"
            _warn(name, told)
        else:
            made = encoder.column(data.column(name), bar=bar)
            if made is None:
                continue
            data = data.with_column(name, made)
        if valid is not None:
            made = encoder.column(valid.column(name), bar=bar)
            valid = valid if made is None else valid.with_column(name, made)
    return data, valid


def _warn(name: str, why: str) -> None:
    text = f"The frozen encoder of {name!r} works anew in each epoch: {why}."
    warnings.warn(text, LegoWarning, stacklevel=5)


@dataclass
class _Asked:
    """A patient about whom the encoder is to be asked."""

    row: int
    x: Tensor | Ragged
    mask: Tensor | None
    place: Path | None


class _Encoder:
    """The frozen encoder of a block, and where its features are kept."""

    def __init__(self, block: LegoBlock, folder: Path | None, together: int) -> None:
        self.block, self.folder, self.together = block, folder, together
        self.key = "" if folder is None else f"{together} {_hash_encoder(block)}"
        self.left = memory() // SHARE  # bytes
        self.tried: dict[tuple[int, ...], bool] = {}  # by shape of a patient: whether many may be encoded at once

    def column(self, column: Column, *, bar: bool) -> FeatureColumn | None:
        """Return the features of all patients; None, with a warning, where they are too many."""
        made: dict[int, Tensor] = {}
        waiting: list[_Asked] = []
        rows = range(len(column))
        with modes_kept(self.block), torch.no_grad():
            self.block.eval()
            for row in shown(rows, f"encoding {self.block.modality}") if bar else rows:
                value = column.take(torch.tensor([row])).input()
                if value is None:
                    continue
                x, mask = value if isinstance(value, tuple) else (value, None)
                place = None if self.folder is None else self.folder / f"{self._name(x, mask)}.safetensors"
                kept = None if place is None else _load(place)
                if kept is None:
                    check_features(x, mask, self.block.modality, self.block.encoder)
                    if waiting and _shape(waiting[0]) != _shape(_Asked(row, x, mask, place)):
                        made |= self._encoded(waiting)
                        waiting = []
                    waiting.append(_Asked(row, x, mask, place))
                    if _shape(waiting[0]) is None or len(waiting) == self.together:
                        made |= self._encoded(waiting)
                        waiting = []
                else:
                    made[row] = kept
                    self.left -= kept.nbytes
                if self.left < 0:
                    break
            if waiting:
                made |= self._encoded(waiting)
        if self.left < 0:
            _warn(self.block.modality, f"features of {len(column)} patients do not fit into the memory")
            return None
        nobody = next(iter(made.values()))[:0]
        return FeatureColumn([made.get(row, nobody) for row in rows], column.present)

    def _encoded(self, waiting: list[_Asked]) -> dict[int, Tensor]:
        """Return the tokens ``(n, e)`` of some patients by row, and keep them."""
        tokens = self._at_once(waiting) or [self._alone(asked.x, asked.mask) for asked in waiting]
        for asked, one in zip(waiting, tokens, strict=True):
            self.left -= one.nbytes
            if self.folder is not None and asked.place is not None and not _save(asked.place, one):
                self.folder = None
        return {asked.row: one for asked, one in zip(waiting, tokens, strict=True)}

    def _alone(self, x: Tensor | Ragged, mask: Tensor | None) -> Tensor:
        encoded, kept, _ = self.block.encoded(x, mask)
        if isinstance(encoded, Ragged):
            return encoded.values
        return encoded[0] if kept is None else encoded[0][kept[0]]

    def _at_once(self, waiting: list[_Asked]) -> list[Tensor] | None:
        """Return what the encoder says of some patients in one batch; None where it must be asked one at a time.

        A batch is always as large, filled up with its first patient: the order in which a kernel adds depends on the
        shape. Once a shape the first patient is asked about in all places but one, where there is a guest, the second
        patient: where an answer is not that of the first batch, to the last digit, a batch has a say in it.
        """
        shape = _shape(waiting[0])
        if shape is None or self.together < 2 or self.tried.get(shape) is False:
            return None
        rows = [asked.x for asked in waiting if isinstance(asked.x, Tensor)]
        filled = [*rows, *[rows[0]] * (self.together - len(rows))]
        encoded = self._batch(filled)
        if shape not in self.tried:
            guest = rows[1] if len(rows) > 1 else torch.zeros_like(rows[0])
            other = None if encoded is None else self._batch([guest, *[rows[0]] * (self.together - 1)])
            self.tried[shape] = (
                encoded is not None
                and other is not None
                and all(torch.equal(one, encoded[0]) for one in other[1:])
                and (len(rows) == 1 or torch.equal(other[0], encoded[1]))
            )
        if encoded is None or not self.tried[shape]:
            return None
        return [one.clone() for one in encoded[: len(rows)]]

    def _batch(self, rows: list[Tensor]) -> Tensor | None:
        encoded, kept, _ = self.block.encoded(torch.cat(rows))
        return encoded if isinstance(encoded, Tensor) and kept is None else None

    def _name(self, x: Tensor | Ragged, mask: Tensor | None) -> str:
        told = {"x": x.values if isinstance(x, Ragged) else x} | ({} if mask is None else {"mask": mask})
        return hashlib.sha256(f"{self.key}{type(x).__name__}{hash_tensors(told)}".encode()).hexdigest()


def _shape(asked: _Asked) -> tuple[int, ...] | None:
    """Return the shape of a patient who may be encoded beside others of that shape; None: alone."""
    return tuple(asked.x.shape) if isinstance(asked.x, Tensor) and asked.mask is None else None


def _hash_encoder(block: LegoBlock) -> str:
    """Return a hash of all that decides what an encoder answers: weights, layers, and the code of their classes."""
    encoder = block.encoder
    parts = [f"{VERSION} {__version__} {torch.__version__} {block.ordered} {block.plate.domain} {block.lift}"]
    parts.append(hash_tensors({**dict(encoder.named_parameters()), **dict(encoder.named_buffers())}))
    sources: dict[type[nn.Module], str] = {}
    usual = vars(nn.Module())
    for name, module in encoder.named_modules():
        kind = type(module)
        if kind not in sources:
            sources[kind] = _source(kind)
        own = {
            key: value
            for key, value in vars(module).items()
            if key not in _TENSORS and (key not in usual or value != usual[key])
        }
        told = " ".join(f"{key}={_told(value)}" for key, value in sorted(own.items()))
        parts.append(f"{name} {kind.__module__}.{kind.__qualname__} {sources[kind]} {told}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _told(value: object) -> str:
    """Return what tells a setting of a layer from others; what does not say so is told by where it is in memory."""
    if isinstance(value, Tensor):
        return hash_tensors({"": value})
    text = repr(value)
    return f"{os.getpid()} {id(value)}" if "..." in text else text


def _source(kind: type[nn.Module]) -> str:
    try:
        return hashlib.sha256(Path(inspect.getfile(kind)).read_bytes()).hexdigest()
    except (OSError, TypeError):  # of an interpreter or a notebook: no other process finds its features
        return f"{os.getpid()} {id(kind)}"


def _save(place: Path, tokens: Tensor) -> bool:
    try:
        kept = {"tokens": tokens.contiguous()}
        write_atomically(place, save(kept, metadata={"sha256": hash_tensors(kept)}), mode=0o600)
    except OSError as error:
        text = f"Features cannot be kept in {place.parent} ({error.strerror}): another fit computes them anew."
        warnings.warn(text, LegoWarning, stacklevel=2)
        return False
    return True


def _load(place: Path) -> Tensor | None:
    """Return what a file holds; None if it is not there, or not as it was written."""
    try:
        with safe_open(place, framework="pt") as content:
            kept = {"tokens": content.get_tensor("tokens")}
            said = (content.metadata() or {}).get("sha256")
    except (OSError, SafetensorError):
        return None
    return kept["tokens"] if said == hash_tensors(kept) else None
