"""Models of the transformers library from a folder or a configuration; nothing is downloaded or unpickled."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from mmlego.encoders.hugging_face_keys import admitted_keys, declared
from mmlego.errors import InputError, LegoError
from mmlego.extras import import_extra
from mmlego.wording import brief

# Types whose positions begin behind the id of padding.
_FROM_PADDING = frozenset(
    "roberta xlm-roberta xlm-roberta-xl camembert roberta-prelayernorm data2vec-text mpnet longformer ibert luke mluke"
    " esm lilt xmod layoutlmv3".split()
)
_OF_A_FILE = ("architectures", "dtype", "torch_dtype", "transformers_version", "_name_or_path")


def load_hugging_face(model: str | Mapping[str, Any], what: str) -> tuple[Any, dict[str, Any]]:
    """Return a model without head or pooling, and its configuration as JSON can hold it.

    Parameters
    ----------
    model
        A folder with ``config.json`` and safetensors, whose weights are loaded; or a configuration, with
        ``model_type``, for random weights. Weights come in float32.
    what
        Who asks, for messages.

    Returns
    -------
    tuple
        The ``AutoModel``, of a model that has both only its encoder; and its configuration, without paths.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    InputError
        If there is no such folder, it lacks weights, or the configuration is of no known model.

    Examples
    --------
    >>> tiny = {"model_type": "bert", "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}
    >>> _, config = load_hugging_face(tiny, "an example")
    >>> config["hidden_size"], config["max_position_embeddings"]
    (8, 512)
    """
    transformers = import_extra("transformers", what, "'mmlego[text]'")
    if isinstance(model, Mapping):
        config = _config(transformers, dict(model), what)
        try:
            found = _without_pooling(
                lambda **options: transformers.AutoModel.from_config(config, dtype=torch.float32, **options)
            )
        except LegoError:
            raise
        except Exception as error:  # each model checks its sizes in its own way
            raise _unfit(config.model_type, what, error) from error
    else:
        found = _from_folder(transformers, model, what)
        config = found.config
    if getattr(config, "is_encoder_decoder", False) or _is_half(config):
        found = found.get_encoder()
    found.train()  # as any new module; a block puts it into eval mode where it is frozen
    return found, _described(transformers, config)


def describe_hugging_face(folder: str) -> dict[str, Any]:
    """Return the configuration of a model in a folder, as JSON can hold it, without loading its weights.

    Parameters
    ----------
    folder
        A folder with ``config.json``.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    InputError
        If the configuration is of no known model.
    """
    transformers = import_extra("transformers", "reading a configuration", "'mmlego[text]'")
    return _described(transformers, _config_of(transformers, folder))


def check_hugging_face(model: Any, what: str) -> None:
    """Check a configuration as :func:`load_hugging_face` does, without building its model.

    Parameters
    ----------
    model
        The configuration; a folder is not looked at.
    what
        Who asks, for messages.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    InputError
        If it is of no known model, or holds what is not admitted.
    """
    if isinstance(model, Mapping):
        _config(import_extra("transformers", what, "'mmlego[text]'"), dict(model), what)


def longest_text(model: Any) -> int | None:
    """Return how many ids a text may have for a model; None if its positions know no end.

    Models that count positions from behind the id of padding, as RoBERTa and its kin do (transformers 5.23), take that
    many less than their table of positions holds: 512 of 514.

    Parameters
    ----------
    model
        A folder with ``config.json``, or a configuration of transformers.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    InputError
        If the configuration is of no known model.
    """
    config: Any = model
    if isinstance(model, str):
        config = _config_of(import_extra("transformers", "reading a configuration", "'mmlego[text]'"), model)
    try:
        most = getattr(config, "max_position_embeddings", None)  # n_positions of GPT-2 has this name, too
    except NotImplementedError:  # what XLNet says
        return None
    if not isinstance(most, int) or most < 1:
        return None
    if config.model_type not in _FROM_PADDING or getattr(config, "position_embedding_type", "absolute") == "rotary":
        return most
    padding = 1 if config.model_type == "mpnet" else getattr(config, "pad_token_id", None)
    return most - (padding if isinstance(padding, int) else 0) - 1


def _config_of(transformers: Any, folder: str) -> Any:
    """Return the configuration in a folder: what its type declares of it, and nothing that names code or places."""
    name, place = Path(folder).name, Path(folder) / "config.json"
    try:
        given = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        got = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"no model in {name!r}", expected="config.json of a known model", got=got) from error
    if not isinstance(given, dict):
        raise InputError(f"no model in {name!r}", expected="config.json of a known model", got=type(given).__name__)
    config = _config(transformers, given, f"the model in {name!r}", of_folder=True)
    if isinstance(given.get("architectures"), list):
        config.architectures = [str(one) for one in given["architectures"]]
    return config


def _described(transformers: Any, config: Any) -> dict[str, Any]:
    known = declared(_default(transformers, config.model_type))
    described = {key: value for key, value in json.loads(config.to_json_string()).items() if key in known}
    if _is_half(config):  # of the model that is built from this the encoder will be taken
        described["is_encoder_decoder"] = True
    return {key: value for key, value in described.items() if key not in _OF_A_FILE}


def _is_half(config: Any) -> bool:
    """Return whether it is saved as the encoder alone of a model that has a decoder, too, as a T5EncoderModel."""
    return str((getattr(config, "architectures", None) or [""])[0]).endswith("EncoderModel")


def _from_folder(transformers: Any, folder: str, what: str) -> Any:
    if not (Path(folder) / "config.json").is_file():
        raise InputError(
            f"{what} finds no model",
            expected="a local folder with config.json and model.safetensors",
            got=repr(str(folder)),
            remedy="mmlego downloads nothing: save the model once with save_pretrained(folder), and give the folder.",
        )
    _check_files(Path(folder), what)
    config = _config_of(transformers, folder)
    whole = transformers.AutoModelForTextEncoding if _is_half(config) else transformers.AutoModel
    options = {"local_files_only": True, "use_safetensors": True, "trust_remote_code": False, "config": config}
    try:
        found, report = _without_pooling(
            lambda **more: whole.from_pretrained(
                folder, dtype=torch.float32, output_loading_info=True, **options, **more
            )
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"{what} cannot read the model in {str(folder)!r}",
            expected="config.json of a known model, and its weights as safetensors",
            got=str(error).splitlines()[0],
        ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise InputError(
            f"the model in {str(folder)!r} lacks weights",
            expected=f"all of a {type(found).__name__}",
            got=f"no {missing[0]}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""),
        )
    return found


def _check_files(folder: Path, what: str) -> None:
    """Refuse a folder whose weights would be looked for elsewhere."""
    if (folder / "adapter_config.json").exists():
        raise InputError(
            f"{what} finds an adapter in {folder.name!r}",
            expected="a whole model",
            got="adapter_config.json, which names another",
            remedy="Merge the adapter into its model, and save that with save_pretrained(folder).",
        )
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            odd = sorted(part for part in parts if not (folder / part).is_file() or Path(part).name != part)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{index.name} in {folder.name!r} cannot be read", got=error) from error
        if odd:
            raise InputError(f"{index.name} in {folder.name!r}", expected="files beside it", got=repr(odd[0]))


def _config(transformers: Any, given: dict[str, Any], what: str, *, of_folder: bool = False) -> Any:
    kind = given.pop("model_type", None)
    try:
        known = _default(transformers, kind)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the configuration of {what} is of no known model", expected="a known model_type", got=brief(kind)
        ) from error
    kept = admitted_keys(given, known, what, of_folder=of_folder)
    try:
        config = transformers.AutoConfig.for_model(kind, **kept)
    except Exception as error:  # each model checks its values in its own way
        raise _unfit(kind, what, error) from error
    return config


def _unfit(kind: Any, what: str, error: Exception) -> InputError:
    got = next(iter(str(error).splitlines()), type(error).__name__)
    return InputError(
        f"no model of type {kind!r} can be built for {what}", expected="values that fit together", got=got
    )


def _default(transformers: Any, kind: Any) -> Any:
    return transformers.AutoConfig.for_model(kind)


def _without_pooling(make: Callable[..., Any]) -> Any:
    """Leave out the pooling layer, which would never be trained, of models that have the choice."""
    try:
        return make(add_pooling_layer=False)
    except TypeError as error:
        if "add_pooling_layer" not in str(error):
            raise
        return make()
