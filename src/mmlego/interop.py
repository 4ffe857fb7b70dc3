"""Blocks and merges as the published implementation (v0.1.0) computes them, from its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmlego.baseplate import Baseplate
from mmlego.block import LegoBlock
from mmlego.errors import CheckpointError
from mmlego.merge.rules import combine
from mmlego.nn.spectral import Domain
from mmlego.tasks import Classification

_TEMPERATURE = 0.5  # of the published attention; its LeakyReLU has slope 0.01, as ours


def load_reference_block(
    tensors: Mapping[str, Tensor],
    encoder: nn.Module,
    *,
    heads: int = 8,
    head_width: int = 64,
    steps: int = 2,
    normalise: bool = True,
    domain: Domain = "frequency",
    track_imaginary: bool = True,
    modality: str = "reference",
) -> LegoBlock:
    """Build a block from the tensors of the published implementation.

    Parameters
    ----------
    tensors
        Its state, names as they stand in it: ``latent``, ``encoder.*``, ``layers.s.1.*`` (attention),
        ``layers.s.2.*`` (feed-forward), ``to_logits.1.*`` and ``to_logits.2.*`` (head).
    encoder
        A module that ``encoder.*`` fits; they are loaded into it.
    heads, head_width, steps, normalise, domain
        The options it was made with; in the spatial domain the published code does not normalise.
    track_imaginary
        False: the imaginary part is dropped before each inverse transform.
    modality
        The name of the block's modality.

    Returns
    -------
    LegoBlock
        In eval mode; each step has weights of its own, and tokens are transformed along their order.

    Raises
    ------
    CheckpointError
        If a tensor is missing, has the wrong shape, or stands for nothing.
    """
    if "latent" not in tensors or "to_logits.2.bias" not in tensors:
        raise CheckpointError(
            "not the tensors of a published block",
            expected="latent, to_logits.2.bias, …",
            got=sorted(tensors)[:5],
        )
    token_norm = tensors.get("layers.0.1.norm_context.weight")
    if token_norm is None or tensors["latent"].ndim != 2:
        raise CheckpointError(
            "not the tensors of a published block",
            expected="a latent (c, d) and layers.0.1.norm_context.weight",
            got=f"latent {tuple(tensors['latent'].shape)}, {sorted(tensors)[:5]}, …",
        )
    channels, width = tensors["latent"].shape
    hidden = tensors.get("layers.0.2.fn.net.2.weight", torch.empty(width, 4 * width)).shape[1]
    plate = Baseplate(
        Classification(max(2, tensors["to_logits.2.bias"].shape[0])),
        channels=channels,
        width=width,
        steps=steps,
        heads=heads,
        head_width=head_width,
        expansion=hidden // width,
        temperature=_TEMPERATURE,
        activation="leaky_relu",
        normalise=normalise and domain == "frequency",
        domain=domain,
        state="complex" if track_imaginary else "untracked",
        share_steps=False,
    )
    own = {name.removeprefix("encoder."): value for name, value in tensors.items() if name.startswith("encoder.")}
    _load(encoder, own, "encoder")
    block = LegoBlock(encoder, plate, modality, out_features=token_norm.shape[0], ordered=True, lift=0)
    _load(block, _renamed(tensors) | {f"encoder.{name}": value for name, value in own.items()}, "block")
    return block.eval()


def reference_merge(first: Tensor, second: Tensor, rule: str, alpha: float) -> Tensor:
    """Return the spectrum that the published implementation merges from two.

    ``sum``, ``mean`` and ``product`` ignore ``alpha``; ``harmonic`` is our weighted harmonic mean times the constant
    ``2α(1−α)``, its phase the plain mean whatever ``alpha``.

    Parameters
    ----------
    first, second
        Spectra ``(b, c, d)``, complex.
    rule
        ``"harmonic"``, ``"mean"``, ``"sum"`` or ``"product"``.
    alpha
        Weight of the first.
    """
    spectra = torch.stack([first, second])
    here = torch.ones(2, 1, dtype=torch.bool, device=first.device)
    even = torch.full((2, 1), 0.5, device=first.device)
    if rule != "harmonic":
        return combine(rule, spectra, even, here)
    weights = torch.tensor([[alpha], [1 - alpha]], device=first.device)
    amount = combine("harmonic", spectra, weights, here).abs() * (2 * alpha * (1 - alpha))
    return torch.polar(amount, combine("harmonic", spectra, even, here, phase="mean").angle())


_NAMES = (
    (r"layers\.(\d+)\.1\.norm\.(.*)", r"steps.\1.attention.norm.\2"),
    (r"layers\.(\d+)\.1\.norm_context\.(.*)", r"steps.\1.attention.norm_context.\2"),
    (r"layers\.(\d+)\.1\.fn\.to_q\.(.*)", r"steps.\1.attention.to_q.\2"),
    (r"layers\.(\d+)\.1\.fn\.to_out\.0\.(.*)", r"steps.\1.attention.to_out.\2"),
    (r"layers\.(\d+)\.2\.norm\.(.*)", r"steps.\1.feedforward.norm.\2"),
    (r"layers\.(\d+)\.2\.fn\.net\.0\.(.*)", r"steps.\1.feedforward.up.\2"),
    (r"layers\.(\d+)\.2\.fn\.net\.2\.(.*)", r"steps.\1.feedforward.down.\2"),
    (r"to_logits\.1\.(.*)", r"head.norm.\1"),
    (r"to_logits\.2\.(.*)", r"head.linear.\1"),
    (r"(latent)", r"\1"),
)


def _renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name.startswith("encoder.") or re.match(r"layers\.\d+\.0\.", name):
            continue  # the encoder stands there once more for each step, with the same values
        joint = re.fullmatch(r"layers\.(\d+)\.1\.fn\.to_kv\.weight", name)
        if joint:
            keys, values = value.chunk(2, dim=0)
            renamed[f"steps.{joint[1]}.attention.to_k.weight"] = keys
            renamed[f"steps.{joint[1]}.attention.to_v.weight"] = values
            continue
        for pattern, ours in _NAMES:
            if re.fullmatch(pattern, name):
                renamed[re.sub(pattern, ours, name)] = value
                break
        else:
            raise CheckpointError("a tensor that no published block has", expected="names as published", got=name)
    return renamed


def _load(module: nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"the tensors do not fit the {what}", got=str(error).splitlines()[-1].strip()) from error
