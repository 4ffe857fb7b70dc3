"""Checkpoints: a folder of safetensors, JSON and a card; none of them a pickle, and ``load`` unpickles nothing.

``config.json`` says what the model is, by the format described in ``docs/checkpoint.md``; ``model.safetensors`` holds
the weights and each baseplate's initial values; ``README.md`` is the card. The hash of the weights stands in the
configuration and the configuration's own hash beside it, so that a truncated or changed file is noticed.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mmlego.baseplate import Baseplate
from mmlego.brick import Brick
from mmlego.budget import bounded
from mmlego.card import Card, render_card
from mmlego.checkpoint_config import CONFIG, FORMAT, broken, config_hash, read_config
from mmlego.errors import CheckpointError, InputError, LegoError, LegoWarning, MismatchError
from mmlego.files import check_writable, folder_atomically, naming, write_atomically
from mmlego.fitted import FittedBlock
from mmlego.fuse import LegoFuse
from mmlego.hub import fetch, parent_line
from mmlego.json_files import read_json
from mmlego.kept_answers import recall_of_run
from mmlego.learners import Foreign
from mmlego.merge import LegoMerge
from mmlego.run_folder import note_made
from mmlego.saved_bricks import KINDS, build_across, build_brick, check_fitted, describe_brick, plain_format
from mmlego.steady import steady
from mmlego.tasks.time_bins import BinnedTime
from mmlego.version import __version__
from mmlego.wording import listed

_WEIGHTS, _CARD = "model.safetensors", "README.md"
_MERGE_OPTIONS = ("rule", "phase", "heads", "strength", "allow_mismatch")
FUSE_OPTIONS = ("mode", "order", "freeze", "modality_dropout", *_MERGE_OPTIONS)

Model = Brick | LegoMerge | LegoFuse
Saveable = Model | Baseplate


def save(model: Saveable, path: str | Path, *, data: str | None = None, overwrite: bool = False) -> Path:
    """Save a model or a baseplate as a folder, written atomically.

    Parameters
    ----------
    model
        A LegoBlock, LegoMerge, LegoFuse or Baseplate.
    path
        The folder to make.
    data
        Description of the training data, for the card.
    overwrite
        Replace a checkpoint that stands there.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If the place is taken, the model is none of ours, or it holds what cannot be written, as a card with objects.

    Warns
    -----
    LegoWarning
        If a model of another library holds rows of the patients whom it was fitted to, as nearest neighbours do.

    Examples
    --------
    >>> import tempfile
    >>> from mmlego.tasks import Classification
    >>> folder = save(Baseplate(Classification(2), channels=4, width=8), tempfile.mkdtemp() + "/plate")
    >>> sorted(file.name for file in folder.iterdir())
    ['README.md', 'config.json', 'model.safetensors']
    """
    if type(model) not in (*KINDS, LegoMerge, LegoFuse, Baseplate):
        raise InputError(
            "only our own models are saved",
            expected="LegoBlock, LegoMerge, LegoFuse or Baseplate",
            got=type(model).__name__,
            remedy="Save a module of your own with torch.save, or make it the encoder of a block.",
        )
    if data is not None:
        if isinstance(model, Baseplate):
            raise InputError("a Baseplate has no training data to describe", expected="data=None", got=repr(data))
        model.card.data = data
    config = _plain(_describe(model))
    tensors = _tensors(model)
    path = Path(path)
    _warn_of_rows(model)
    with folder_atomically(path, overwrite=overwrite, ours=_is_ours, what="a checkpoint") as folder:
        with naming(path / _WEIGHTS):
            save_file(tensors, folder / _WEIGHTS, metadata={"format": "pt"})
        config["weights"] = {"file": _WEIGHTS, "sha256": _file_hash(folder / _WEIGHTS)}
        config["sha256"] = config_hash(config)
        write_atomically(folder / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + "\n")
        write_atomically(folder / _CARD, render_card(config))
    note_made(path, config["sha256"])
    return path


def load(
    path: str | Path,
    *,
    encoders: nn.Module | Mapping[str, nn.Module] | None = None,
    device: torch.device | str = "cpu",
    trusted: Sequence[str] = (),
    revision: str | None = None,
) -> Any:
    """Load what ``save`` wrote; a model comes in eval mode.

    With ``revision`` it comes from the Hugging Face Hub, and its card says from which commit; without it nothing is
    ever fetched.

    A checkpoint that another process replaces meanwhile is read again: what comes is one or the other, whole.

    Fitted bricks of a model that lies in its run folder remember what they answered out of fold, which the run has kept
    in ``fits/``: whoever scores, calibrates or fuses them on the run's own patients is told that.

    Parameters
    ----------
    path
        The folder.
    encoders
        For encoders that are not registered: the module of each modality by name, or one module for a single block.
        The saved weights are loaded into it.
    device
        Where the model shall live.
    trusted
        Types that a fitted model kept by skops may be made of, beyond those that skops trusts by itself.
    revision
        Of a repository of the Hub, which ``path`` names as ``owner/name``: a commit, which never changes, or a branch.

    Returns
    -------
    LegoBlock, LegoMerge, LegoFuse or Baseplate
        As saved.

    Raises
    ------
    CheckpointError
        If a file is missing, truncated or changed, or an encoder does not fit.
    VersionError
        If the checkpoint was written in a newer format.
    InputError
        If an encoder is needed and not given.
    """
    commit = None
    repo = str(path)
    path = Path(path)
    if revision is not None:
        path, commit = fetch(repo, revision)
    model = steady(path, (CONFIG, _WEIGHTS), lambda: _read(path, encoders, trusted))
    if isinstance(model, Baseplate):
        return model
    if commit is not None:
        model.card.parents = [*model.card.parents, parent_line(repo, commit)]
    else:
        recall_of_run(model, path)
    return model.to(device).eval()


def _read(path: Path, encoders: Any, trusted: Sequence[str]) -> Saveable:
    config = read_config(path)
    try:
        model = _load(path, config, encoders)
        for part in () if isinstance(model, Baseplate) else model.modules():
            if isinstance(part, Foreign):
                part.open(trusted)
        for part in () if isinstance(model, Baseplate) else model.modules():
            if isinstance(part, FittedBlock):
                check_fitted(part, trusted)
    except IsADirectoryError as error:
        raise broken(path, "files", f"a folder, {Path(str(error.filename)).name}") from error
    except (LegoError, OSError, MemoryError, Warning):  # the last where warnings are errors
        raise
    except Exception as error:  # The hashes were right, so it was written so; but not in this format.
        got = f"{type(error).__name__}: {error}"
        raise broken(path, f"format {config['format']} as it is specified", got) from error
    return model


def _load(path: Path, config: dict[str, Any], encoders: Any) -> Saveable:
    given = _given_encoders(config, encoders)
    tensors = _read_tensors(path, config)
    plates = _plates(config, tensors, path)
    known = (*(f"plate.{fingerprint}." for fingerprint in plates), *(["model."] if "blocks" in config else []))
    strange = [name for name in tensors if not name.startswith(known)]
    if strange:
        raise broken(path, "tensors of the model and its baseplates", strange[0])
    if config["kind"] == "baseplate":
        return plates[config["plates"][0]["fingerprint"]]
    weights = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten at once
        with bounded("the model", shapes={name: tuple(value.shape) for name, value in weights.items()}):
            model = _build(config, plates, given)
    _load_weights(model, weights, given, path)
    return model


def _load_weights(model: Model, weights: Mapping[str, Tensor], given: Mapping[str, nn.Module], path: Path) -> None:
    """Load weights that fit, in the dtypes in which they were saved."""
    own = model.state_dict(keep_vars=True)
    shapes, saved = ({name: tuple(value.shape) for name, value in some.items()} for some in (own, weights))
    odd = sorted(name for name in shapes.keys() | saved.keys() if shapes.get(name) != saved.get(name))
    if odd:
        first = f"blocks.{model.modalities[0]}.{odd[0]}" if isinstance(model, Brick) else odd[0]
        parts = first.split(".")
        expected = f"{odd[0]} {saved.get(odd[0], 'not there')}"
        got = f"{shapes.get(odd[0], 'not there')}" + (f" and {len(odd) - 1} more" if len(odd) > 1 else "")
        if parts[0] == "blocks" and parts[1] in given and parts[2] == "encoder":
            what = f"the module given for {parts[1]!r} is not the one that was saved"
            raise CheckpointError(what, expected=expected, got=got, remedy="Build it as before.")
        raise broken(path, expected, got)
    # Buffers that are not in the file go with the latent; complex ones stay, which .to(dtype) would make real.
    dtype = next((value.dtype for name, value in weights.items() if name.split(".")[-1] == "latent"), torch.float32)
    {torch.float64: model.double, torch.bfloat16: model.bfloat16, torch.float16: model.half}.get(dtype, model.float)()
    # In place, so that tied weights stay tied.
    for name, value in model.state_dict(keep_vars=True).items():
        value.data = value.data.to(weights[name].dtype)
    model.load_state_dict(weights)


def _warn_of_rows(model: Saveable) -> None:
    """Say which models of other libraries carry rows of patients: whoever has the checkpoint has these."""
    for name, part in () if isinstance(model, Baseplate) else model.named_modules():
        if isinstance(part, Foreign) and (kept := part.rows_kept()):
            where = f" ({name})" if name else ""
            text = f"A model kept by skops{where} holds rows of the patients whom it was fitted to: {listed(kept)}. "
            warnings.warn(f"{text}Whoever has the checkpoint has them.", LegoWarning, stacklevel=3)


def _is_ours(folder: Path) -> bool:
    """Return whether a folder is a checkpoint and holds nothing else."""
    if not {file.name for file in folder.iterdir()} <= {CONFIG, _WEIGHTS, _CARD}:
        return False
    try:
        config = read_json(folder / CONFIG)
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and {"format", "mmlego", "kind"} <= config.keys()


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration as it comes back from JSON, so that its hash is the same then."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(config, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(
            "the model cannot be described",
            expected="finite numbers, texts, lists and dicts with texts as keys in card and encoder arguments",
            got=error,
        ) from error
    return plain


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _describe(model: Saveable) -> dict[str, Any]:
    config: dict[str, Any] = {"format": 2, "mmlego": __version__, "torch": str(torch.__version__).split("+")[0]}
    if isinstance(model, Baseplate):
        return config | {"kind": "baseplate", "plates": [_describe_plate(model)]}
    kind = "block" if isinstance(model, Brick) else "fuse" if isinstance(model, LegoFuse) else "merge"
    blocks = _blocks(model)
    plates = {block.plate.fingerprint: _describe_plate(block.plate) for block in blocks}
    config |= {"kind": kind, "plates": list(plates.values()), "blocks": [describe_brick(block) for block in blocks]}
    config["format"] = plain_format(config["blocks"])
    if not isinstance(model, Brick):
        options = FUSE_OPTIONS if isinstance(model, LegoFuse) else _MERGE_OPTIONS
        config["options"] = {name: getattr(model, name) for name in options}
        config["options"]["weights"] = model.weights.tolist()
        if len(model.sites) < len(blocks):  # an older mmlego would count them as modalities of their own
            config["format"] = FORMAT
        if isinstance(model, LegoFuse) and model.across is not None:
            config["across"] = {"brick": describe_brick(model.across.brick), **model.across.config()}
            config["format"] = max(config["format"], 2)
        config["card"] = model.card.config()
    return config


def _describe_plate(plate: Baseplate) -> dict[str, Any]:
    described = {"fingerprint": plate.fingerprint, "config": plate.config()}
    told = {name: getattr(plate.task, name, None) for name in ("cuts_from", "events")}
    return described | {name: value for name, value in told.items() if value is not None}


def _blocks(model: Model) -> list[Brick]:
    return [model] if isinstance(model, Brick) else [model.block(name) for name in model.modalities]


def _tensors(model: Saveable) -> dict[str, Tensor]:
    plates = [model] if isinstance(model, Baseplate) else [block.plate for block in _blocks(model)]
    tensors = {f"plate.{p.fingerprint}.{name}": value for p in plates for name, value in p.initial.items()}
    if not isinstance(model, Baseplate):
        tensors |= {f"model.{name}": value for name, value in model.state_dict().items()}
    check_writable(tensors)
    # A copy of each: tied weights may not share memory in the file.
    return {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}


def _read_tensors(path: Path, config: Mapping[str, Any]) -> dict[str, Tensor]:
    file = path / _WEIGHTS
    if not file.is_file():
        raise broken(path, f"a file {_WEIGHTS}", "none")
    if _file_hash(file) != config["weights"]["sha256"]:
        raise broken(file, "content that matches the hash in its configuration", "a truncated or changed file")
    try:
        return load_file(file)
    except SafetensorError as error:
        raise broken(file, "safetensors", str(error)) from error


def _plates(config: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> dict[str, Baseplate]:
    plates = {}
    for described in config["plates"]:
        prefix = f"plate.{described['fingerprint']}."
        initial = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        try:
            plate = Baseplate.from_config(described["config"], initial)
        except (InputError, MismatchError) as error:
            raise broken(path, "a baseplate that can be built", str(error)) from error
        if plate.fingerprint != described["fingerprint"]:
            raise broken(path, f"a baseplate {described['fingerprint'][:12]}", plate.fingerprint[:12])
        if isinstance(plate.task, BinnedTime):
            plate.task.with_cuts_from(described.get("cuts_from")).with_events(described.get("events"))
        plates[plate.fingerprint] = plate
    return plates


def _given_encoders(config: Mapping[str, Any], encoders: Any) -> dict[str, nn.Module]:
    names = [block["modality"] for block in config.get("blocks", [])]
    if isinstance(encoders, nn.Module) and len(names) == 1:
        return {names[0]: encoders}
    if encoders is not None and not isinstance(encoders, Mapping):
        raise InputError("encoders of load", expected="{modality: module}", got=type(encoders).__name__)
    given = dict(encoders or {})
    unknown = sorted(given.keys() - set(names))
    if unknown:
        raise InputError("encoders name unknown modalities", expected=f"of {names}", got=unknown)
    return given


def _build(config: Mapping[str, Any], plates: Mapping[str, Baseplate], given: Mapping[str, nn.Module]) -> Model:
    described = config["blocks"]
    blocks = [build_brick(block, plates, given.get(block["modality"])) for block in described]
    if config["kind"] == "block":
        return blocks[0]
    made: Model = (LegoFuse if config["kind"] == "fuse" else LegoMerge)(blocks, **config["options"])
    made.card = Card(**config["card"])
    if isinstance(made, LegoFuse) and "across" in config:
        made.across = build_across(config["across"], plates, made.modalities)
    return made
