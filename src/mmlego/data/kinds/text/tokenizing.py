"""Tokenizers of the transformers library from a local folder, kept as JSON; nothing is downloaded or unpickled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mmlego.data.reading.places import Places, asked
from mmlego.encoders.hugging_face import longest_text
from mmlego.errors import CheckpointError, InputError
from mmlego.extras import import_extra
from mmlego.json_files import read_json
from mmlego.wording import listed

EXTRA = "'mmlego[text]'"
LONGEST = 512  # where neither the section nor the model says how long a text may be
_VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
_NO_LIMIT = 10**6  # tokenizers that know no limit give an enormous number


@dataclass(frozen=True)
class LocalTokenizer:
    """A tokenizer as the JSON that describes all of it.

    Parameters
    ----------
    text
        What ``tokenizer.json`` holds.
    """

    text: str

    @cached_property
    def _built(self) -> Any:
        package = import_extra("tokenizers", "reading text", EXTRA)
        try:
            return package.Tokenizer.from_str(self.text)
        except Exception as error:  # the package raises bare exceptions
            raise CheckpointError(f"the tokenizer is damaged ({error})") from error

    def ids(self, texts: Sequence[str], length: int) -> tuple[list[list[int]], int]:
        """Return the ids of each text, of ``length`` at most, and how many texts were cut.

        Parameters
        ----------
        texts
            The texts.
        length
            How many ids count, those that begin and end a text among them.
        """
        tokenizer = self._built
        tokenizer.no_padding()
        tokenizer.enable_truncation(length)
        encoded = tokenizer.encode_batch(list(texts))
        return [part.ids for part in encoded], sum(bool(part.overflowing) for part in encoded)

    def words(self, ids: Sequence[int]) -> list[str]:
        """Return the piece of text that each id stands for."""
        tokenizer = self._built
        return [str(tokenizer.id_to_token(number)) for number in ids]


def open_tokenizer(folder: Path, length: int | None) -> tuple[LocalTokenizer, int]:
    """Return the tokenizer of a folder, and how many ids its model takes.

    Parameters
    ----------
    folder
        As ``save_pretrained`` writes it, of a model and its tokenizer.
    length
        How many ids are wanted at most; None: as many as the model takes.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    InputError
        If there is no tokenizer, it cannot be kept as JSON, it does not fit the model, or the length is too long.
    """
    transformers = import_extra("transformers", "kind text", EXTRA)
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        # Of some models the library would make up a tokenizer without any words.
        raise InputError(f"no tokenizer can be read in {folder.name!r}", expected=listed(_VOCABULARIES, 3), got="none")
    try:
        config = read_json(folder / "config.json")
        found = transformers.AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False, use_fast=True
        )
    except Exception as error:  # tokenizers raises nothing more special, transformers much
        raise InputError(
            f"no tokenizer can be read in {folder.name!r}",
            expected="config.json, and a tokenizer as save_pretrained(folder) writes it",
            got=next(iter(str(error).splitlines()), type(error).__name__),
        ) from error
    backend = getattr(found, "backend_tokenizer", None)
    if backend is None:
        got = type(found).__name__
        raise InputError(
            f"the tokenizer in {folder.name!r} cannot be kept", expected="one with tokenizer.json", got=got
        )
    vocabulary = config.get("vocab_size")
    if isinstance(vocabulary, int) and len(found) > vocabulary:
        raise InputError(
            f"tokenizer and model in {folder.name!r} do not fit", expected=f"{vocabulary} ids at most", got=len(found)
        )
    limits = [longest_text(str(folder)), found.model_max_length]
    known = [limit for limit in limits if isinstance(limit, int) and limit < _NO_LIMIT]
    most = min(known, default=None)
    if most is not None and most <= (marks := backend.num_special_tokens_to_add(is_pair=False)):
        expected = f"more than the {marks} marks that begin and end a text"
        raise InputError(f"the model in {folder.name!r} takes texts that are too short", expected=expected, got=most)
    if length is not None and most is not None and length > most:
        raise InputError("length is longer than the model takes", expected=f"at most {most}", got=length)
    return LocalTokenizer(backend.to_str()), length or min(most or LONGEST, LONGEST)


def find_model(name: str, among: Places, *, models: str | None) -> Path:
    """Return the folder of a model that a manifest names: beside the files, or among the models of the user.

    Parameters
    ----------
    name
        Its name or relative path.
    among
        Where the files of the manifest may lie.
    models
        The folder in which the user keeps models; None for none.

    Raises
    ------
    InputError
        If there is none, it leaves these folders, or two of them have another one of that name.

    Examples
    --------
    >>> find_model("../../etc", Places((Path("."),)), models=None)
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: model '../../etc' leaves the folder of the files. Copy it beside them, name its ...
    """
    shelves = [] if models is None else [Path(models)]

    def look() -> tuple[list[Path], list[Path]]:
        own = [path for path in among.paths(name) if among.contains(path)]
        kept = [
            shelf / name
            for shelf in shelves
            if among.allow_outside or (shelf / name).resolve().is_relative_to(shelf.resolve())
        ]
        return own, kept

    own, kept = asked(look, name)
    remedy = (
        "Copy it beside them, name its folder under roots: in the manifest, or name the folder of your models in the "
        "environment variable MMLEGO_MODELS."
    )
    if not own and not kept:
        raise InputError(f"model {name!r} leaves the folder of the files", remedy=remedy)
    if asked(lambda: any(path.is_dir() for path in own), name):
        return among.file(name, folders=True)
    found = asked(lambda: next((path for path in kept if path.is_dir()), None), name)
    if found is None:
        raise InputError(f"there is no model {name!r}", expected="a folder with config.json", remedy=remedy)
    return found
