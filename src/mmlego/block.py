"""LegoBlock: any encoder, and a latent of fixed shape that reads its tokens in the frequency domain."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from mmlego.baseplate import Baseplate, Head, Step
from mmlego.card import Card
from mmlego.encoding import check_features, check_kind, encode
from mmlego.errors import InputError, LegoWarning, ShapeError
from mmlego.nn.attention import Tokens, prepare_tokens
from mmlego.nn.modes import modes_kept
from mmlego.nn.ragged import Ragged
from mmlego.nn.spectral import Spectrum, at_least_float32
from mmlego.tasks import Task


class BlockOutput(NamedTuple):
    """What a block answers.

    Parameters
    ----------
    spectrum
        Complex, shape ``(b, c, d)``.
    logits
        Shape ``(b, k)``.
    """

    spectrum: Tensor
    logits: Tensor


class LegoBlock(nn.Module):
    """One modality's brick: encoder → tokens → spectrum ``(b, c, d)`` → logits ``(b, k)``.

    In each step the latent's spectrum, normalised, attends to the tokens and passes a gated feed-forward; only its
    real part is updated. Hemker, Simidjievski, Jamnik, *Multimodal Lego*, ICLR 2025.

    Parameters
    ----------
    encoder
        Any module that gives ``(b, n, e)`` or ``(b, e)``, or a pair of ``(b, n, e)`` and a boolean mask ``(b, n)``.
        The block owns it from now on.
    plate
        The Baseplate that it shares with the blocks it shall merge with.
    modality
        The name under which merged and fused models take this input.
    out_features
        ``e``. Needed if the encoder has no ``out_features`` and no ``sample`` is given.
    sample
        A small batch for one dry run, which finds ``e``.
    ordered
        Whether the tokens have an order, as in a time series or a sequence; then they are transformed along it.
        Default: what the encoder says, else no. A block over unordered tokens does not depend on their order.
    tokenwise
        Whether the encoder treats each token by itself; then bags are encoded without padding.
        Default: what the encoder says, else no.
    freeze_encoder
        Keep the encoder's parameters as they are and the encoder in eval mode, always.
        Default: yes if it has parameters and none requires a gradient.

    Raises
    ------
    InputError
        If the width of the tokens is neither declared nor can be found.

    Examples
    --------
    >>> from mmlego import Baseplate
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Classification
    >>> plate = Baseplate(Classification(3), channels=8, width=16)
    >>> block = LegoBlock(SNN(20), plate, modality="rna")
    >>> spectrum, logits = block(torch.randn(4, 20))
    >>> spectrum.shape, spectrum.dtype, logits.shape
    (torch.Size([4, 8, 16]), torch.complex64, torch.Size([4, 3]))
    """

    def __init__(
        self,
        encoder: nn.Module,
        plate: Baseplate,
        modality: str,
        *,
        out_features: int | None = None,
        sample: Tensor | Ragged | tuple[Tensor, Tensor] | None = None,
        ordered: bool | None = None,
        tokenwise: bool | None = None,
        freeze_encoder: bool | None = None,
    ) -> None:
        super().__init__()
        _check_arguments(encoder, plate, modality)
        self.plate, self.modality = plate, modality
        self.encoder = encoder
        if tokenwise is not None:
            encoder.tokenwise = tokenwise  # type: ignore[assignment]
        self.ordered = bool(getattr(encoder, "ordered", False)) if ordered is None else ordered
        self.token_width = self._find_width(out_features, sample)
        parameters = list(encoder.parameters())
        already = bool(parameters) and not any(p.requires_grad for p in parameters)
        self.encoder_frozen = already if freeze_encoder is None else freeze_encoder
        if self.encoder_frozen:
            encoder.requires_grad_(False).eval()
        self.latent = nn.Parameter(torch.empty(plate.channels, plate.width))
        count = 1 if plate.share_steps else plate.steps
        self.steps = nn.ModuleList(Step(plate, self.token_width) for _ in range(count))
        self.head = Head(plate.width, plate.task.outputs)
        self.load_state_dict(plate.initial, strict=False)
        self.card = Card()
        self.preprocessing: Any = None

    @property
    def task(self) -> Task:
        """The task of the plate."""
        return self.plate.task

    @property
    def modalities(self) -> tuple[str, ...]:
        """The name of the one modality, as a tuple, as merged and fused models have."""
        return (self.modality,)

    def train(self, mode: bool = True) -> Self:
        """Set training mode; a frozen encoder stays in eval mode."""
        super().train(mode)
        if self.encoder_frozen:
            self.encoder.eval()
        return self

    def freeze_encoder(self) -> Self:
        """Freeze the encoder for good: no gradients, always in eval mode."""
        self.encoder_frozen = True
        self.encoder.requires_grad_(False).eval()
        return self

    def forward(self, x: Tensor | Ragged, mask: Tensor | None = None, *, start: Tensor | None = None) -> BlockOutput:
        """Return the spectrum and the logits of a batch.

        Parameters
        ----------
        x
            What the encoder takes, first dimension ``b``; bags of unequal length as a ``Ragged`` or padded, graphs as
            ``Graphs``, text and sequences as integer ids ``(b, n)`` or a ``Ragged`` of them.
        mask
            True where a token is real, shape ``(b, n)``; masked tokens change nothing.
        start
            A spectrum ``(c, d)`` or ``(b, c, d)`` to start from, instead of the learned latent's.

        Raises
        ------
        ShapeError
            If the width, the mask or ``start`` has the wrong shape.
        InputError
            If values are not finite or a bag is empty.
        """
        tokens = self.tokens(x, mask)
        spectrum = self.run(tokens, None if start is None else self._general(start, tokens.batch))
        return BlockOutput(spectrum.full(), self.head(spectrum.mean()))

    def predict(self, x: Tensor | Ragged, mask: Tensor | None = None) -> Any:
        """Return the prediction in the task's units, without gradients and in eval mode."""
        with modes_kept(self), torch.no_grad():
            self.eval()
            return self.task.predict(self(x, mask).logits)

    def tokens(self, x: Tensor | Ragged, mask: Tensor | None = None) -> Tokens:
        """Encode a batch, once, and make its tokens ready for all steps."""
        if not torch.compiler.is_compiling():
            check_features(x, mask, self.modality, self.encoder)
        transform = self.ordered and self.plate.domain == "frequency"
        tokens, mask, last = encode(self.encoder, x, mask, self.modality, hold_last=transform)
        dtype = at_least_float32(_values(tokens)).dtype
        if dtype != self.latent.dtype and not torch.is_autocast_enabled(self.latent.device.type):
            raise InputError(
                f"the tokens of modality {self.modality!r} and the block differ in dtype",
                expected=self.latent.dtype,
                got=dtype,
                remedy="Convert features, encoder and block alike, e.g. with .float(); use autocast for bfloat16.",
            )
        width = last.out_features if last is not None else _values(tokens).shape[-1]
        if width != self.token_width:
            raise ShapeError(
                f"the encoder of modality {self.modality!r} gives tokens of another width than declared",
                expected=self.token_width,
                got=width,
                remedy="Pass out_features= or sample= when making the block.",
            )
        return prepare_tokens(tokens, mask, transform=transform, last=last)

    def start(self) -> Spectrum:
        """Return the spectrum of the learned latent, a batch of one: the only transform of the latent."""
        return Spectrum.of_latent(self.latent, self.plate.domain)

    def run(self, tokens: Tokens, spectrum: Spectrum | None = None) -> Spectrum:
        """Take all steps, from the learned latent or from a spectrum that another block left."""
        memory: dict[str, Tensor] = {}
        entering = spectrum is not None
        spectrum = self.start() if spectrum is None else spectrum
        for s in range(self.plate.steps):
            spectrum = self.advance(spectrum, tokens, s, entering=entering or s > 0, memory=memory)
        return spectrum

    def advance(
        self,
        spectrum: Spectrum,
        tokens: Tokens,
        step: int,
        *,
        entering: bool,
        memory: dict[str, Tensor] | None = None,
    ) -> Spectrum:
        """Take one step.

        Parameters
        ----------
        spectrum
            The state before it.
        tokens
            From ``tokens``.
        step
            Which step, from 0.
        entering
            Whether the state comes out of another step, so that an inverse transform lies between.
        memory
            Kept between the steps that share weights.
        """
        plate = self.plate
        if entering:
            spectrum = self.between_steps(spectrum)
        if plate.normalise:
            spectrum = spectrum.normalised(plate.domain)
        module: Any = self.steps[0 if plate.share_steps else step]
        if not plate.share_steps:
            memory = None
        update = module.dropout(module.attention(spectrum.real, tokens, memory))
        real = spectrum.real + update
        # Of one token a sample, all rows get the same; and before the first step all samples have the same rows.
        apart = tokens.single and spectrum.real.shape[0] == 1 < tokens.batch
        real = real + module.dropout(module.feedforward(real, (spectrum.real, update) if apart else None))
        return spectrum.with_real(real)

    def between_steps(self, spectrum: Spectrum) -> Spectrum:
        """Apply what the inverse transform between two steps keeps; the state comes out of another step."""
        state = self.plate.state
        if self.plate.domain == "spatial" and state == "real":
            state = "untracked"  # with no transform, the real part of the latent is that of the spectrum
        return spectrum.between_steps(state)

    def _general(self, start: Tensor, batch: int) -> Spectrum:
        shape = (self.plate.channels, self.plate.width)
        if not isinstance(start, Tensor) or tuple(start.shape) not in (shape, (1, *shape), (batch, *shape)):
            raise ShapeError(
                "start does not fit the latent",
                expected=f"a spectrum of shape {shape} or {(batch, *shape)}",
                got=tuple(start.shape) if isinstance(start, Tensor) else type(start).__name__,
            )
        if not torch.compiler.is_compiling() and not bool(torch.isfinite(start).all()):
            raise InputError("start is not finite", expected="finite numbers", got="NaN or infinity")
        return Spectrum.of_complex(start.to(torch.promote_types(self.latent.dtype, torch.complex32)))

    def _find_width(self, declared: int | None, sample: Any) -> int:
        if sample is not None:
            found = _dry_run(self.encoder, sample, self.modality)
            if declared is not None and declared != found:
                raise ShapeError("out_features disagrees with the encoder", expected=found, got=declared)
            return found
        width = declared if declared is not None else getattr(self.encoder, "out_features", None)
        if not isinstance(width, int) or width < 1:
            raise InputError(
                f"the width of the tokens of modality {self.modality!r} is not known",
                expected="out_features= as an int ≥ 1, or sample= for one dry run",
                got=repr(width),
                remedy="Pass sample=x[:2], a small batch as the encoder takes it.",
            )
        return width

    def extra_repr(self) -> str:
        """Say which modality this is, and on which plate."""
        return f"modality={self.modality!r}, ordered={self.ordered}, plate={self.plate.fingerprint[:12]}"


def _values(tokens: Tensor | Ragged) -> Tensor:
    return tokens.values if isinstance(tokens, Ragged) else tokens


def _check_arguments(encoder: nn.Module, plate: Baseplate, modality: str) -> None:
    if not isinstance(encoder, nn.Module):
        raise InputError("the encoder of a LegoBlock", expected="an nn.Module", got=type(encoder).__name__)
    if not isinstance(plate, Baseplate):
        raise InputError(
            "a LegoBlock needs a Baseplate",
            expected="Baseplate(task, ...)",
            got=type(plate).__name__,
            remedy="Make one Baseplate and pass it to every block that shall merge.",
        )
    if not isinstance(modality, str) or not modality or "." in modality:
        raise InputError("the name of a modality", expected="a non-empty string without a dot", got=repr(modality))
    if hasattr(nn.ModuleDict(), modality):
        raise InputError(
            "the name of a modality is taken by torch.nn.ModuleDict",
            expected="a name that is not one of its methods",
            got=repr(modality),
            remedy=f"Call it e.g. {modality + '_data'!r}.",
        )
    recurrent = [m for m in encoder.modules() if isinstance(m, (nn.RNNBase, nn.MultiheadAttention))]
    if all(m.batch_first for m in recurrent):
        return
    if isinstance(encoder, (nn.RNNBase, nn.TransformerEncoder)):
        raise InputError(
            f"the encoder of modality {modality!r} puts time before the batch",
            expected="batch_first=True",
            got="batch_first=False",
        )
    warnings.warn(
        f"The encoder of modality {modality!r} holds a layer with batch_first=False: unless the encoder turns its "
        "input round, samples of a batch see one another.",
        LegoWarning,
        stacklevel=3,
    )


def _dry_run(encoder: nn.Module, sample: Any, modality: str) -> int:
    """Return the width of the tokens, leaving mode and random state as they were."""
    x, mask = sample if isinstance(sample, tuple) and len(sample) == 2 else (sample, None)
    check_kind(x, mask, modality)
    with modes_kept(encoder), torch.no_grad(), torch.random.fork_rng(devices=[]):
        encoder.eval()
        return int(_values(encode(encoder, x, mask, modality).tokens).shape[-1])
