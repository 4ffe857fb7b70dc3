"""Which keys of a configuration reach a model of transformers: those that its type declares, and that name no code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mmlego.admitted import check_plain
from mmlego.errors import InputError
from mmlego.wording import brief, listed

# Keys that name code, weights or places, in any type; admitted where they ask for nothing.
_NAMING = frozenset(
    "attn_implementation attn_impl experts_implementation auto_map trust_remote_code custom_pipelines backbone "
    "backbone_kwargs use_pretrained_backbone use_timm_backbone quantization_config index_path passages_path index_name "
    "dataset kernel_config use_kernels use_mamba_kernels disable_custom_kernels model_args architecture adapter_config "
    "base_model_name_or_path name_or_path".split()
)
_OWN_ATTENTION = ("eager", "sdpa")  # of torch itself
_LABELS = ("id2label", "label2id")  # texts of anybody's, which nothing is looked up by
# Of a file, and dropped when it is read.
_OF_A_FILE = frozenset(
    "architectures dtype torch_dtype transformers_version _name_or_path model_type _attn_implementation_autoset".split()
)
# Types that are other libraries' models by name.
_WRAPPERS = frozenset({"timm_wrapper", "timm_backbone"})


def declared(config: Any) -> set[str]:
    """Return the keys that the type of a configuration declares.

    Parameters
    ----------
    config
        One of transformers.
    """
    fields = {one.name for one in dataclasses.fields(config)} if dataclasses.is_dataclass(config) else set()
    keys = fields | set(config.to_dict()) | set(getattr(type(config), "attribute_map", {}))
    return {key for key in keys if not key.startswith("_")}


def admitted_keys(given: Mapping[str, Any], config: Any, what: str, *, of_folder: bool = False) -> dict[str, Any]:
    """Return those keys of a configuration that its type declares.

    Parameters
    ----------
    given
        Keys and values.
    config
        The type's own configuration, with its defaults.
    what
        Who asks, for messages.
    of_folder
        Whether it stood in a folder, as other programs write it: keys that the type does not declare are left out.

    Raises
    ------
    InputError
        If a key names code, weights or places, a value could, or (but in a folder) a key is not declared.
    """
    kind = config.model_type
    if kind in _WRAPPERS:
        raise InputError(f"a model of type {kind!r} for {what}", expected="a model of transformers itself")
    own, defaults = declared(config), config.to_dict()
    kept: dict[str, Any] = {}
    unknown = []
    for key, value in given.items():
        if key in _OF_A_FILE:
            continue
        name = key.removeprefix("_").removesuffix("_internal") if isinstance(key, str) else ""
        if name in _NAMING or "kernels" in name or "implementation" in name:
            _check_asks_nothing(name, value, defaults.get(key), what)
        if key in own:
            kept[key] = _admitted_value(key, value, getattr(config, key, None), what, of_folder)
        else:
            unknown.append(key)
    if unknown and not of_folder:
        raise InputError(
            f"the configuration of {what} holds keys that {kind!r} does not know", got=listed(map(brief, unknown))
        )
    return kept


def _check_asks_nothing(key: str, value: Any, default: Any, what: str) -> None:
    asks_nothing = value in (None, False) or (value is True and default is True)
    if asks_nothing or (("implementation" in key or key == "attn_impl") and value in _OWN_ATTENTION):
        return
    raise InputError(
        f"{key} in the configuration of {what}",
        expected="none: it may name code, weights or a place, which would be fetched or run",
        got=brief(value),
        remedy="Leave it out, of config.json in the model's folder, too.",
    )


def _admitted_value(key: str, value: Any, default: Any, what: str, of_folder: bool) -> Any:
    """Return a value in which nothing is named; a configuration within it is looked at like the whole."""
    if key in _LABELS:
        if value is not None and not isinstance(value, Mapping):
            raise InputError(f"{key} in the configuration of {what}", expected="names of classes", got=brief(value))
        return value
    if isinstance(value, Mapping) and hasattr(default, "to_dict"):
        inner = _inner(value, default, f"{key} of {what}")
        kept = admitted_keys(value, inner, f"{key} of {what}", of_folder=of_folder)
        return {"model_type": inner.model_type, **kept} if "model_type" in value else kept
    if isinstance(value, Mapping) and "model_type" in value:
        inner = _inner(value, None, f"{key} of {what}")
        kept = admitted_keys(value, inner, f"{key} of {what}", of_folder=of_folder)
        return {"model_type": inner.model_type, **kept}
    told = (default,) if isinstance(default, str) else ()
    check_plain(value, f"{key} in the configuration of {what}", allowed=told)
    return value


def _inner(value: Mapping[str, Any], default: Any, what: str) -> Any:
    """Return the defaults of a configuration that stands within another."""
    kind = value.get("model_type", getattr(default, "model_type", None))
    if default is not None and kind == default.model_type:
        return default
    from transformers import AutoConfig

    try:
        return AutoConfig.for_model(kind)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{what} is of no known model", expected="a known model_type", got=brief(kind)) from error
