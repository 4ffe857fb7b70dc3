"""Encoders of images from other libraries: any network of MONAI, transformers or timm, its output as tokens."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmlego.admitted import Width
from mmlego.encoders.hugging_face import check_hugging_face, load_hugging_face
from mmlego.encoders.images import cells, check_image
from mmlego.encoders.network_arguments import admitted_arguments, check_fetches_nothing
from mmlego.encoders.registry import register_encoder
from mmlego.errors import InputError, MissingExtraError, ShapeError, UnknownNameError
from mmlego.extras import import_extra

__doctest_requires__ = {
    "MonaiEncoder": ["monai"],
    "VisionTransformerEncoder": ["transformers"],
    "TimmEncoder": ["timm"],
}


@register_encoder("monai")
class MonaiEncoder(nn.Module):
    """Any network of MONAI, by the name of its class.

    Its output becomes tokens: a vector an image is one token, a feature map ``(b, e, h, w)`` or ``(b, e, d, h, w)`` a
    token a cell, tokens ``(b, n, e)`` stay. Of several outputs the last of a list is taken (the coarsest feature map),
    or the first of a tuple. Many of these networks normalise over the batch; prefer ``norm="instance"`` or groups
    where a network offers the choice.

    Takes ``(b, ch, h, w)`` or ``(b, ch, d, h, w)``, gives unordered tokens. Needs ``mmlego[images]``.

    Parameters
    ----------
    network
        The name of a class in ``monai.networks.nets``.
    arguments
        Its arguments: numbers, words, lists and dicts of such. Weights are loaded into ``encoder.network`` afterwards,
        if at all: switches by which the network would fetch some are off.
    out_features
        ``e``, the width of the tokens. Without it, the block needs ``sample=`` to find it.
    output
        Which of several outputs to take, if not as above.

    Raises
    ------
    MissingExtraError
        If MONAI, or a package that the network needs, is not installed.
    UnknownNameError
        If it has no such network.
    InputError
        If the arguments do not fit, or would fetch weights.

    Examples
    --------
    >>> net = {"spatial_dims": 2, "in_channels": 1, "out_channels": 8, "init_features": 4, "growth_rate": 4}
    >>> MonaiEncoder("DenseNet121", net, out_features=8)(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 8])
    """

    packages: ClassVar[tuple[str, ...]] = ("monai.networks.nets",)
    ordered = False
    tokenwise = False

    def __init__(
        self,
        network: str,
        arguments: Mapping[str, Any],
        out_features: Width | None = None,
        output: int | None = None,
    ) -> None:
        super().__init__()
        found, admitted = _of_monai(network, arguments)
        try:
            self.network = found(**admitted)
        except ImportError as error:
            raise MissingExtraError(f"{network} needs a package beside MONAI: {error}") from error
        except TypeError as error:
            raise InputError(f"wrong arguments for MONAI's {network}", got=str(error)) from error
        self.out_features, self.output = out_features, output

    @staticmethod
    def admit(arguments: Mapping[str, Any]) -> None:
        """Check the arguments without building anything.

        Parameters
        ----------
        arguments
            Of this class.
        """
        _of_monai(arguments["network"], arguments["arguments"])

    @staticmethod
    def from_data(given: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments for images of some channels and dimensions, which the network is told under its names.

        Parameters
        ----------
        given
            ``in_channels`` and ``dims``.
        options
            The arguments of this class; those of the network go before the data.
        """
        nets = import_extra("monai.networks.nets", "MonaiEncoder", "'mmlego[images]'")
        found = getattr(nets, str(options.get("network")), None)
        known = inspect.signature(found).parameters if isinstance(found, type) else {}
        told = {"in_channels": given.get("in_channels"), "spatial_dims": given.get("dims")}
        chosen = dict(options.get("arguments") or {})
        _refuse_other(told, chosen, f"MONAI's {options.get('network')}")
        fitting = {key: value for key, value in told.items() if key in known and value is not None}
        return {**options, "arguments": {**fitting, **chosen}}

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens ``(b, n, e)`` or ``(b, e)`` of images ``(b, ch, h, w)`` or volumes ``(b, ch, d, h, w)``."""
        check_image(x, None, None)
        answer = self.network(x)
        while isinstance(answer, (tuple, list)):
            which = self.output if self.output is not None else 0 if isinstance(answer, tuple) else -1
            answer = answer[which]
        return cells(answer)


def _of_monai(network: str, arguments: Mapping[str, Any]) -> tuple[type[nn.Module], dict[str, Any]]:
    """Return a class of MONAI and the arguments that it gets."""
    nets = import_extra("monai.networks.nets", "MonaiEncoder", "'mmlego[images]'")
    found = getattr(nets, network, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)) or network.startswith("_"):
        names = [name for name in dir(nets) if isinstance(getattr(nets, name), type)]
        close = ", ".join(difflib.get_close_matches(network, names, n=3)) or "a class of monai.networks.nets"
        raise UnknownNameError("unknown network of MONAI", expected=close, got=repr(network))
    return found, admitted_arguments(arguments, found, f"MONAI's {network}")


@register_encoder("transformers_vision")
class VisionTransformerEncoder(nn.Module):
    """Any vision model of the transformers library: ViT, DINOv2, Swin, ConvNeXt, ….

    Takes ``(b, ch, h, w)`` of the size and scale the model was made for, gives its last hidden states, a token a
    patch or cell (and what the model adds in front, as a class token). They are unordered, as those of ``SmallCNN``;
    such models tell each token where it lies. Needs ``mmlego[text]``. Once saved, it needs its folder no longer.

    Parameters
    ----------
    model
        A local folder, as ``save_pretrained`` writes it, with safetensors; or a configuration with ``model_type``
        for random weights. Nothing is ever downloaded.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    InputError
        If the folder or the configuration cannot be used.
    ShapeError
        If images have another number of dimensions or channels.

    Examples
    --------
    >>> tiny = {"model_type": "vit", "image_size": 16, "patch_size": 8, "hidden_size": 8, "num_hidden_layers": 1}
    >>> encoder = VisionTransformerEncoder({**tiny, "num_attention_heads": 2, "intermediate_size": 16})
    >>> encoder(torch.zeros(2, 3, 16, 16)).shape
    torch.Size([2, 5, 8])
    """

    packages: ClassVar[tuple[str, ...]] = ("transformers",)
    ordered = False
    tokenwise = False

    of_file: ClassVar[dict[str, Any]] = {"model": dict[str, Any]}  # never a folder

    def __init__(self, model: str | Mapping[str, Any]) -> None:
        super().__init__()
        self.network, self._described = load_hugging_face(model, "VisionTransformerEncoder")
        self.in_channels = int(self._described.get("num_channels", 3))
        size = self._described.get("image_size", 64)
        height, width = (size, size) if isinstance(size, int) else size
        self.out_features = _found_width(self, torch.zeros(1, self.in_channels, height, width))

    @staticmethod
    def admit(arguments: Mapping[str, Any]) -> None:
        """Check the arguments without building anything.

        Parameters
        ----------
        arguments
            Of this class.
        """
        check_hugging_face(arguments["model"], "VisionTransformerEncoder")

    def portable_arguments(self) -> dict[str, Any]:
        """Return the arguments that build this encoder anywhere: a configuration instead of a folder."""
        return {"model": self._described}

    @staticmethod
    def from_data(given: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments for images of some channels: a configuration that does not say their number is told it.

        Parameters
        ----------
        given
            ``in_channels`` and ``dims``.
        options
            The arguments of this class.
        """
        model = options.get("model")
        if not isinstance(model, Mapping) or "in_channels" not in given:
            return dict(options)
        _refuse_other({"num_channels": given["in_channels"]}, model, f"the configuration of {model.get('model_type')}")
        return {**options, "model": {"num_channels": given["in_channels"], **model}}

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens ``(b, n, e)`` of images ``(b, ch, h, w)``."""
        check_image(x, 2, self.in_channels)
        try:
            return cells(self.network(pixel_values=x).last_hidden_state)
        except ValueError as error:  # as of images of another size than its positions are for
            size = self._described.get("image_size")
            raise ShapeError(
                f"{self._described.get('model_type')} does not take images of {tuple(x.shape[2:])} ({error})",
                expected="its size" if size is None else f"images of {size} pixels",
                got=tuple(x.shape[2:]),
                remedy="Give the images this size (size: in their section), or image_size in the configuration.",
            ) from error


@register_encoder("timm")
class TimmEncoder(nn.Module):
    """Any model of timm, without its classifier and pooling.

    Takes ``(b, ch, h, w)`` of the size and scale the model was made for, gives a token a cell or patch, unordered as
    those of ``SmallCNN``. Needs timm, and torchvision in a build that fits the installed torch.

    Parameters
    ----------
    model
        The name of a model, as ``"resnet18"``. Its weights start at random: nothing is ever downloaded.
    in_channels
        Number of colours.
    arguments
        Further arguments of ``timm.create_model``, as ``{"img_size": 96}``.

    Raises
    ------
    MissingExtraError
        If timm or torchvision is not installed, or cannot be imported.
    UnknownNameError
        If timm has no such model.
    InputError
        If the arguments do not fit, or would fetch weights.
    ShapeError
        If images have another number of dimensions or channels, or the model gives none of the known shapes.

    Examples
    --------
    >>> TimmEncoder("resnet10t", in_channels=1)(torch.zeros(2, 1, 64, 64)).shape
    torch.Size([2, 4, 512])
    """

    packages: ClassVar[tuple[str, ...]] = ("timm",)
    ordered = False
    tokenwise = False

    def __init__(self, model: str, in_channels: Width = 3, arguments: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        arguments = dict(arguments or {})
        timm = _of_timm(model, arguments)
        try:
            self.network = timm.create_model(
                model, pretrained=False, num_classes=0, global_pool="", in_chans=in_channels, **arguments
            )
        except TypeError as error:
            raise InputError(f"wrong arguments for timm's {model}", got=str(error)) from error
        self.in_channels = in_channels
        self.out_features = int(self.network.num_features)

    @staticmethod
    def admit(arguments: Mapping[str, Any]) -> None:
        """Check the arguments without building anything.

        Parameters
        ----------
        arguments
            Of this class.
        """
        _of_timm(arguments["model"], arguments.get("arguments") or {})

    @staticmethod
    def from_data(given: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments for images of some channels.

        Parameters
        ----------
        given
            ``in_channels`` and ``dims``.
        options
            The arguments of this class.
        """
        _refuse_other({"in_channels": given.get("in_channels")}, options, f"timm's {options.get('model')}")
        return {"in_channels": given.get("in_channels", 3), **options}

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens ``(b, n, e)`` of images ``(b, ch, h, w)``."""
        check_image(x, 2, self.in_channels)
        features: Tensor = self.network.forward_features(x)
        if features.ndim == 4 and _channels_last(self.network, features):
            return features.flatten(1, 2)
        return cells(features)


def _of_timm(model: str, arguments: Mapping[str, Any]) -> Any:
    """Return timm, if it has a model, and arguments of it fetch nothing."""
    timm = import_extra("timm", "TimmEncoder", "timm torchvision, in builds that fit your torch")
    if not timm.is_model(model):
        close = ", ".join(difflib.get_close_matches(model, timm.list_models(), n=3)) or "a model of timm"
        raise UnknownNameError("unknown model of timm", expected=close, got=repr(model))
    check_fetches_nothing(arguments, f"timm's {model}")
    return timm


def _channels_last(network: nn.Module, features: Tensor) -> bool:
    """Return whether a feature map is ``(b, h, w, e)``, as those of windowed Transformers are."""
    said = getattr(network, "output_fmt", None)
    if said is not None:
        return str(getattr(said, "value", said)) == "NHWC"
    return features.shape[1] != network.num_features


def _found_width(encoder: nn.Module, image: Tensor) -> int:
    """Return the width of an encoder's tokens, by one dry run that leaves no trace."""
    encoder.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return int(encoder(image).shape[-1])
    finally:
        encoder.train()


def _refuse_other(given: Mapping[str, Any], chosen: Mapping[str, Any], what: str) -> None:
    """Refuse options that are for other images than there are."""
    for name, value in given.items():
        if value is not None and name in chosen and chosen[name] != value:
            raise InputError(
                f"{name} of {what}",
                expected=f"{value}, as the images have it",
                got=chosen[name],
                remedy="Leave it out: it follows from the images (colour: grey or rgb in their section).",
            )
