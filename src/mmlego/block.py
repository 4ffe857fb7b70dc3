"""LegoBlock: any encoder, and a latent of fixed shape that reads its tokens in the frequency domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from mmlego.baseplate import Baseplate, Head, Step
from mmlego.brick import BlockOutput, Brick
from mmlego.crossfit import brick_of
from mmlego.encoder_checks import check_encoder, dry_run, values_of
from mmlego.encoding import Encoded, check_features, encode
from mmlego.errors import InputError, ShapeError
from mmlego.fitted import FittedBlock
from mmlego.learners.out_of_fold import FOLDS
from mmlego.nn.attention import Tokens, prepare_tokens
from mmlego.nn.ragged import Ragged
from mmlego.nn.spectral import Spectrum, at_least_float32
from mmlego.readout import to_common

NARROW, LIFTED = 4, 8  # tokens narrower than that are lifted to that width


class LegoBlock(Brick):
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
    lift
        To which width a Linear takes the tokens first; 0: none does. Blocks normalise tokens over their width, which
        leaves of one number nothing and of two its sign alone. Default: 8 for tokens narrower than 4, else 0.

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

    learns: ClassVar[bool] = True

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
        lift: int | None = None,
    ) -> None:
        check_encoder(encoder, plate, modality)
        super().__init__(plate, modality)
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
        wide = LIFTED if self.token_width < NARROW else 0
        self.lift = wide if lift is None else int(lift)
        if self.lift:
            self.raised = nn.Linear(self.token_width, self.lift)
        self.steps = nn.ModuleList(Step(plate, self.lift or self.token_width) for _ in range(count))
        self.head = Head(plate.width, plate.task.outputs)
        self.load_state_dict(plate.initial, strict=False)

    @classmethod
    def of(
        cls,
        estimator: Any,
        plate: Baseplate,
        modality: str,
        data: tuple[Any, Any] | None = None,
        *,
        held_out: tuple[Any, Any] | None = None,
        patients: Sequence[str] | None = None,
        folds: int = FOLDS,
        ordered: bool = False,
        seed: int = 0,
        options: Mapping[str, Any] | None = None,
    ) -> FittedBlock:
        """Return any estimator as a brick, which answers exactly as it does and needs no training.

        Given ``data``, the estimator is fitted to it: once without each of some folds and once to all, so that the
        calibration, the score in the card, and whatever is learnt on top see it answer patients whom it had not seen.
        Given ``held_out``, an estimator that is fitted already is calibrated on these patients. With neither, its
        log-odds are taken as they are.

        Parameters
        ----------
        estimator
            The name of a learner (``mmlego.learners``); or an object with ``predict_proba``, ``decision_function`` or
            ``predict``, as those of scikit-learn, scikit-survival, LightGBM, XGBoost and CatBoost.
        plate, modality
            Of the brick, as of any block.
        data
            Features and target to fit it to, features as a block takes them: a tensor ``(n, p)``, a Ragged, or a tensor
            and its mask.
        held_out
            The same of patients on whom it was not fitted.
        patients
            The ids of ``data``: rows of one patient come into one fold, and whoever tunes a model on these patients is
            told by their ids what it said of them out of fold.
        folds
            How many.
        ordered
            Whether tokens have an order, where the modality is made of tokens.
        seed
            Of folds and fits.
        options
            Of a learner, by name.

        Returns
        -------
        FittedBlock
            It merges and fuses as any block.

        Raises
        ------
        InputError
            If an argument is of a wrong kind, or the plate too narrow; if the estimator is not fitted and no data are
            given, does not suit the task, or is a survival model that nothing is given to calibrate on.

        Examples
        --------
        >>> from mmlego.tasks import Classification
        >>> plate = Baseplate(Classification(2), channels=4, width=8)
        >>> x, y = torch.randn(60, 3), torch.tensor([0, 1]).repeat(30)
        >>> block = LegoBlock.of("logistic", plate, "labs", (x, y))
        >>> block(x).logits.shape, block.card.patients
        (torch.Size([60, 2]), {'training': 60})
        """
        return brick_of(
            estimator,
            plate,
            modality,
            data,
            held_out=held_out,
            patients=patients,
            folds=folds,
            ordered=ordered,
            seed=seed,
            options={} if options is None else options,
        )

    @property
    def like(self) -> Tensor:
        """The latent, ``(c, d)``."""
        return self.latent

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

    def logits(self, x: Tensor | Ragged, mask: Tensor | None = None, known: Tensor | None = None) -> Tensor:
        """Return logits ``(b, k)``; of a block that learns by gradients nothing is known out of fold."""
        made: Tensor = self.head(self.run(self.tokens(x, mask)).mean())
        return made

    def evidence(
        self, x: Tensor | Ragged, mask: Tensor | None, read: Tensor, prior: Tensor, known: Tensor | None = None
    ) -> Tensor:
        """Return the rows of the spectrum in the coordinates of the common read-out, complex ``(b, r, d)``."""
        spectrum = self.run(self.tokens(x, mask))
        rows = spectrum.rows()
        return to_common(rows, spectrum.mean(), dict(self.head.named_parameters()), read, prior.to(rows.real.dtype))

    def prior(self) -> Tensor:
        """Return what the block answers to who knows nothing, ``(k,)``, float32 on the CPU.

        Where the card does not tell, it is what the head makes of a latent that is the same in every column.
        """
        told = self.told_prior()
        if told is not None:
            return told
        with torch.no_grad():
            made: Tensor = self.head.linear(self.head.norm.bias).float().cpu()
        return made

    @torch.no_grad()
    def rescale(self, prior: Tensor, scale: float) -> None:
        """Replace logits ``z`` by ``a + s (z − a)``, in place."""
        linear = self.head.linear
        prior = prior.to(linear.bias.device, linear.bias.dtype)
        self.card.held_out = {}
        linear.weight.mul_(scale)
        linear.bias.copy_(prior + scale * (linear.bias - prior))

    def encoded(self, x: Tensor | Ragged, mask: Tensor | None = None) -> Encoded:
        """Run the encoder alone."""
        held = self.ordered and self.plate.domain == "frequency" and not self.lift
        return encode(self.encoder, x, mask, self.modality, hold_last=held)

    def tokens(self, x: Tensor | Ragged, mask: Tensor | None = None) -> Tokens:
        """Encode a batch, once, and make its tokens ready for all steps."""
        if not torch.compiler.is_compiling():
            check_features(x, mask, self.modality, self.encoder)
        transform = self.ordered and self.plate.domain == "frequency"
        tokens, mask, last = self.encoded(x, mask)
        dtype = at_least_float32(values_of(tokens)).dtype
        if dtype != self.latent.dtype and not torch.is_autocast_enabled(self.latent.device.type):
            raise InputError(
                f"the tokens of modality {self.modality!r} and the block differ in dtype",
                expected=self.latent.dtype,
                got=dtype,
                remedy="Convert features, encoder and block alike, e.g. with .float(); use autocast for bfloat16.",
            )
        width = last.out_features if last is not None else values_of(tokens).shape[-1]
        if width != self.token_width:
            raise ShapeError(
                f"the encoder of modality {self.modality!r} gives tokens of another width than declared",
                expected=self.token_width,
                got=width,
                remedy="Pass out_features= or sample= when making the block.",
            )
        return prepare_tokens(tokens, mask, transform=transform, last=self.raised if self.lift else last)

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
            found = dry_run(self.encoder, sample, self.modality)
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
