"""The joint between any encoder and a block: calls it the way it can be called, checks what goes in and out."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from mmlego.errors import InputError, LegoError, ShapeError
from mmlego.nn.features import Features
from mmlego.nn.ragged import Ragged

# How known kinds of modules call a mask of tokens, and whether True (or 1) marks padding there.
_MASK_ARGUMENTS = {"src_key_padding_mask": True, "attention_mask": False, "mask": False}


# What modules raise about an input that does not fit them.
_COMPLAINTS = (RuntimeError, ValueError, IndexError, AssertionError)


class Encoded(NamedTuple):
    """What an encoder gave: tokens ``(b, n, e)`` or a Ragged, the mask that is left, the Linear not yet applied."""

    tokens: Tensor | Ragged
    mask: Tensor | None
    last: nn.Linear | None


def mask_argument(encoder: nn.Module) -> str | None:
    """Return the name of the argument by which an encoder takes a mask of tokens, if it has one."""
    parameters = inspect.signature(encoder.forward).parameters
    return next((name for name in _MASK_ARGUMENTS if name in parameters), None)


def samples(x: Tensor | Ragged) -> int:
    """Return the number of samples; unlike ``len`` of a tensor, it may stay free in an exported model."""
    return len(x) if isinstance(x, Ragged) else x.shape[0]


def check_kind(x: Any, mask: Any, modality: str) -> None:
    """Check that features and mask are tensors that can belong together.

    Raises
    ------
    InputError
        If one is no tensor, or a Ragged comes with a mask.
    ShapeError
        If the features are a scalar, or the mask has another number of samples.
    """
    what = f"modality {modality!r}"
    if not isinstance(x, (Tensor, Ragged)) or not (mask is None or isinstance(mask, Tensor)):
        raise InputError(
            f"{what} is not a tensor",
            expected="a tensor, a Ragged, or a tensor and its boolean mask",
            got=type(x).__name__ + ("" if mask is None else f" and {type(mask).__name__}"),
            remedy="Convert arrays with torch.as_tensor.",
        )
    if isinstance(x, Tensor) and x.ndim == 0:
        raise ShapeError(f"{what} has no batch dimension", expected="(b, ...)", got="a scalar")
    if mask is None:
        return
    if isinstance(x, Ragged):
        raise InputError(f"{what} is a Ragged with a mask", expected="a Ragged alone", got="both")
    if mask.ndim == 0 or len(mask) != len(x):
        raise _unfit_mask(x, mask, what)


def _unfit_mask(x: Tensor, mask: Tensor, what: str) -> ShapeError:
    return ShapeError(
        f"the mask of {what} does not fit",
        expected=f"a boolean mask of shape {tuple(x.shape[:2])}, True where a token is real",
        got=f"{mask.dtype} of shape {tuple(mask.shape)} for features of shape {tuple(x.shape)}",
    )


def check_features(x: Tensor | Ragged, mask: Tensor | None, modality: str, encoder: nn.Module) -> None:
    """Check one modality's features once, at the boundary.

    Raises
    ------
    ShapeError
        If the width or the mask's shape is wrong.
    InputError
        If a value is NaN (unless the encoder accepts missing values), infinite, or so large that its square would
        soon be; or a bag is empty.
    """
    check_kind(x, mask, modality)
    if isinstance(x, Features):
        return  # checked before they were made
    values = x.values if isinstance(x, Ragged) else x
    what = f"modality {modality!r}"
    if samples(x) == 0:
        raise InputError(f"{what} has no samples", expected="a batch of at least one", got=tuple(values.shape))
    width = getattr(encoder, "in_features", None)
    if isinstance(width, int) and 0 < width != values.shape[-1]:  # 0 is a lazy layer's, not yet known
        raise ShapeError(
            f"{what} has the wrong width",
            expected=f"{width} features",
            got=f"{values.shape[-1]} (shape {tuple(values.shape)})",
            remedy="Select and order the columns as in training.",
        )
    empty = _empty_bags(x, mask, what)
    if empty:
        raise InputError(
            f"{what} has an empty bag",
            expected="at least one token a sample",
            got=f"none in sample {', '.join(map(str, empty[:5]))}",
            remedy=f"Mark such samples as absent with present={{{modality!r}: ...}}.",
        )
    if not values.is_floating_point():
        return
    if mask is not None and isinstance(x, Tensor):
        values = torch.where(mask.reshape(*mask.shape, *[1] * (x.ndim - 2)), x, 0.0)
    _check_finite(values, what, missing_allowed=bool(getattr(encoder, "accepts_missing", False)))


def _empty_bags(x: Tensor | Ragged, mask: Tensor | None, what: str) -> list[int]:
    """Return which samples have no token; check the mask on the way."""
    if isinstance(x, Ragged):
        return [i for i, n in enumerate(x.sizes) if n == 0]
    if mask is None:
        tokens = x.ndim > 2 or (x.ndim == 2 and not x.is_floating_point())  # of integers: ids, as words have
        return list(range(len(x))) if tokens and x.shape[1] == 0 else []
    # Two dimensions with a mask are sequences of integer codes (words); a table of numbers has no tokens to mask.
    table = x.ndim < 3 and x.is_floating_point()
    if mask.dtype != torch.bool or table or mask.shape != x.shape[:2]:
        raise _unfit_mask(x, mask, what)
    empty: list[int] = (~mask.any(1)).nonzero().squeeze(1).tolist()
    return empty


def _check_finite(values: Tensor, what: str, *, missing_allowed: bool) -> None:
    # One read of the data, as quick as a sum: no value is larger than the norm, which is NaN if one is.
    limit = _largest(values.dtype)
    if torch.linalg.vector_norm(values.detach()) < limit:
        return
    if missing_allowed:
        values = values.detach().nan_to_num(0.0, torch.inf, -torch.inf)
        if torch.linalg.vector_norm(values) < limit:
            return
    bad = ~torch.isfinite(values)
    if bool(bad.any()):
        raise InputError(
            f"{what} holds values that are not finite",
            expected="finite numbers",
            got=f"{int(bad.sum())} NaN or infinite, the first at {bad.nonzero()[0].tolist()}",
            remedy="Impute missing values, or mark the patient as absent with present=.",
        )
    sizes = values.abs()
    if bool(sizes.amax() < limit):
        return
    raise InputError(
        f"{what} holds values so large that the model may answer NaN",
        expected=f"numbers below {limit:.2g} in size",
        got=f"{float(sizes.amax()):.4g} in size, the first at {(sizes >= limit).nonzero()[0].tolist()}",
        remedy="Standardise the features, and look for codes that stand for missing values.",
    )


def _largest(dtype: torch.dtype) -> float:
    """Return how large features may be: their squares, of which norms are made, stay finite in the model.

    An encoder may make them larger by a factor of 1e7, as sums over many features do, before it is too much.
    """
    return float(torch.finfo(torch.promote_types(dtype, torch.float32)).max ** 0.5) * 1e-7


def encode(
    encoder: nn.Module, x: Tensor | Ragged, mask: Tensor | None, modality: str, *, hold_last: bool = False
) -> Encoded:
    """Run an encoder once and bring its answer into the form ``(b, n, e)``.

    An encoder that works token by token gets concatenated tokens; one that takes a mask gets a padded batch;
    any other gets each bag alone at its true length, so that padding can never change an answer.

    Parameters
    ----------
    encoder
        Any module.
    x
        ``(b, …)`` or a Ragged; or Features, what came out of this before, which are taken as they are.
    mask
        True where a token is real, ``(b, n)``.
    modality
        Named in errors.
    hold_last
        Leave out a final Linear that is not narrower than its input, and return it instead.

    Raises
    ------
    ShapeError
        If the encoder cannot take the input, or gives something else than tokens.
    """
    if isinstance(x, Tensor) and mask is not None:
        x = torch.where(mask.reshape(*mask.shape, *[1] * (x.ndim - 2)), x, 0)
        if not torch.compiler.is_compiling() and bool(mask.all()):
            mask = None
    last = _final_linear(encoder) if hold_last else None
    if isinstance(x, Features):
        return Encoded(x.tokens(), None, last)
    name = mask_argument(encoder)
    if getattr(encoder, "tokenwise", False):
        return _encode_tokenwise(encoder, x, mask, modality, last)
    if isinstance(x, Ragged):
        if getattr(encoder, "accepts_ragged", False):
            return _checked(_call(encoder, (x,), {}, modality), None, modality, samples(x))
        if name is None:
            return _encode_alone(encoder, x.unbind(), modality)
        padded = torch.nn.utils.rnn.pad_sequence(x.unbind(), batch_first=True)
        mask = torch.arange(padded.shape[1], device=padded.device)[None] < x.lengths[:, None]
        x = padded
    if mask is None:
        if last is not None:
            return _checked(_body(encoder, x, modality), None, modality, samples(x), last)
        return _checked(_call(encoder, (x,), {}, modality), None, modality, samples(x))
    if name is None:
        return _encode_alone(encoder, [row[keep] for row, keep in zip(x, mask, strict=True)], modality)
    arguments = {name: ~mask if _MASK_ARGUMENTS[name] else mask}
    return _checked(_call(encoder, (x,), arguments, modality), mask, modality, samples(x))


def _encode_tokenwise(
    encoder: nn.Module, x: Tensor | Ragged, mask: Tensor | None, modality: str, last: nn.Linear | None
) -> Encoded:
    run = _body if last is not None else _call_plain
    if mask is not None and isinstance(x, Tensor):
        x, mask = Ragged(x[mask], mask.sum(1)), None  # no work on padding
    if isinstance(x, Ragged):
        tokens = run(encoder, x.values.unsqueeze(0), modality)
        _check_tokens(tokens, modality)
        if tokens.shape[:-1] != (1, len(x.values)):
            raise ShapeError(
                f"the encoder of modality {modality!r} does not treat each token by itself",
                expected=f"tokens of shape (1, {len(x.values)}, e)",
                got=tuple(tokens.shape),
                remedy="Pass tokenwise=False when making the block.",
            )
        return Encoded(x.with_values(tokens.squeeze(0)), None, last)
    return _checked(run(encoder, x, modality), mask, modality, samples(x), last)


def _encode_alone(encoder: nn.Module, bags: list[Tensor], modality: str) -> Encoded:
    tokens = []
    for bag in bags:
        alone, mask, _ = _checked(_call(encoder, (bag.unsqueeze(0),), {}, modality), None, modality, 1)
        if not isinstance(alone, Tensor):
            raise _not_tokens(modality, alone)
        tokens.append(alone[0] if mask is None else alone[mask])
    return Encoded(Ragged.from_list(tokens), None, None)


def _final_linear(encoder: nn.Module) -> nn.Linear | None:
    """Return the last Linear of a plain Sequential, if it may be moved behind the transform."""
    if not isinstance(encoder, nn.Sequential) or type(encoder).forward is not nn.Sequential.forward:
        return None
    if len(encoder) < 2 or type(encoder[-1]) is not nn.Linear:
        return None
    last: nn.Linear = encoder[-1]
    watched = any(
        getattr(module, hooks)
        for module in (encoder, last)
        for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    )
    return None if watched or last.out_features < last.in_features else last


def _body(encoder: nn.Module, x: Tensor, modality: str) -> Any:
    try:
        # Not children(): they leave out the second use of a module that stands twice in a Sequential.
        for module in list(cast(nn.Sequential, encoder))[:-1]:
            x = module(x)
    except _COMPLAINTS as error:
        raise _explained(error, encoder, x, modality) from error
    return x


def _call_plain(encoder: nn.Module, x: Tensor, modality: str) -> Any:
    return _call(encoder, (x,), {}, modality)


def _call(encoder: nn.Module, inputs: tuple[Tensor | Ragged], arguments: dict[str, Any], modality: str) -> Any:
    try:
        return encoder(*inputs, **arguments)
    except _COMPLAINTS as error:
        raise _explained(error, encoder, inputs[0], modality) from error


def _explained(error: Exception, encoder: nn.Module, x: Tensor | Ragged, modality: str) -> Exception:
    """Turn a complaint about shapes or dtypes from deep inside into one that names the modality; leave others."""
    text = str(error)
    values = x.values if isinstance(x, Ragged) else x
    if isinstance(error, (LegoError, torch.OutOfMemoryError)) or torch.compiler.is_compiling():
        return error
    said = f"the encoder says: {text.splitlines()[0] if text else type(error).__name__}"
    if any(word in text for word in ("dtype", "scalar type", "nput type")):
        own = sorted({str(p.dtype) for p in encoder.parameters()})
        return InputError(
            f"the encoder of modality {modality!r} cannot take this dtype",
            expected=f"what fits its parameters, {', '.join(own)}" if own else "another one",
            got=f"{values.dtype}; {said}",
            remedy="Convert the features, e.g. with x.float().",
        )
    if any(word in text for word in ("shape", "size", "imension", "channels", "xpect", "out of range")):
        return ShapeError(
            f"the encoder of modality {modality!r} cannot take this input",
            expected="the shape that it was made for",
            got=f"shape {tuple(values.shape)}; {said}",
            remedy="Check the width and the order of the dimensions (b, n, features).",
        )
    return error


def _not_tokens(modality: str, got: object) -> ShapeError:
    if isinstance(got, Tensor):
        seen = f"shape {tuple(got.shape)}"
    elif isinstance(got, tuple):
        seen = f"a tuple of {', '.join(type(part).__name__ for part in got)}"
    else:
        seen = type(got).__name__
    return ShapeError(
        f"the encoder of modality {modality!r} does not give tokens",
        expected="a tensor (b, n, e) or (b, e), or a pair of tokens and boolean mask (b, n)",
        got=seen,
        remedy="Wrap it in an nn.Module whose forward returns the tokens.",
    )


def _check_tokens(tokens: Any, modality: str) -> None:
    if not isinstance(tokens, Tensor) or tokens.ndim not in (2, 3) or not tokens.is_floating_point():
        raise _not_tokens(modality, tokens)


def _checked(result: Any, mask: Tensor | None, modality: str, size: int, last: nn.Linear | None = None) -> Encoded:
    """Bring the answer of an encoder to a batch of ``size`` samples into the form ``(b, n, e)``, or refuse it."""
    if isinstance(result, Ragged):
        _check_count(len(result), min(result.sizes, default=0), modality, size)
        return Encoded(result, None, last)
    own = isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Tensor)
    if own and result[1].dtype != torch.bool:
        raise _not_tokens(modality, result)
    tokens, mask = result if own else (result, mask)
    _check_tokens(tokens, modality)
    if tokens.ndim == 2:
        tokens, mask = tokens.unsqueeze(1), None
    if mask is not None and tokens.shape[1] == 1 and not own:
        mask = None  # pooled over what is real
    if mask is not None and mask.shape != tokens.shape[:2]:
        raise ShapeError(
            f"the encoder of modality {modality!r} gives tokens and a mask that do not fit",
            expected=f"{mask.shape[-1]} tokens, one token, or a pair of tokens and their new mask",
            got=f"{tokens.shape[1]} tokens",
        )
    fewest = tokens.shape[1]
    if own and mask is not None and not torch.compiler.is_compiling():
        fewest = int(mask.sum(1).amin()) if len(mask) else 0
    _check_count(tokens.shape[0], fewest, modality, size)
    return Encoded(tokens, mask, last)


def _check_count(count: int, fewest: int, modality: str, size: int) -> None:
    if count != size:
        raise ShapeError(
            f"the encoder of modality {modality!r} does not keep the samples apart",
            expected=f"tokens of {size} samples",
            got=f"tokens of {count}",
            remedy="The first dimension of its answer must be the batch.",
        )
    if fewest == 0:
        raise ShapeError(f"the encoder of modality {modality!r} gives no token", expected="at least one", got="none")
