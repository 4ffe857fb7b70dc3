"""Models on the Hugging Face Hub: the three files of a checkpoint, and nothing else, there and back.

The library of the Hub carries them; what is fetched is checked as any checkpoint is, and unpickles nothing.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmlego.card import render_card
from mmlego.checkpoint_config import CONFIG, config_hash, read_config
from mmlego.errors import CheckpointError, InputError
from mmlego.extras import import_extra

CARD, WEIGHTS = "README.md", "model.safetensors"
FILES = (CONFIG, CARD, WEIGHTS)  # all that is ever sent or fetched
INSTALL = "'mmlego[hub]'"
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def push(
    path: str | Path,
    repo: str,
    *,
    licence: str | None = None,
    private: bool = False,
    revision: str | None = None,
) -> str:
    """Send a checkpoint to the Hub; return the commit.

    Only ``config.json``, ``README.md`` and ``model.safetensors`` are sent. Whoever loads ``revision=`` that commit gets
    these very files.

    Parameters
    ----------
    path
        The folder of a block, merge, fuse or baseplate.
    repo
        ``owner/name``; it is made if it is not there.
    licence
        Of the weights, as ``cc-by-4.0``, in place of that in the card; without one nothing is sent.
    private
        Whether a repository that is made is for its owner alone.
    revision
        A branch that is there; None: the main one.

    Raises
    ------
    MissingExtraError
        If huggingface_hub is not installed.
    InputError
        If the folder is no checkpoint, there is no licence, the name is none, or the Hub refuses.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from mmlego import Baseplate, save
    >>> from mmlego.tasks import Classification
    >>> with TemporaryDirectory() as folder:
    ...     _ = save(Baseplate(Classification(2)), f"{folder}/plate")
    ...     push(f"{folder}/plate", "hospital-a/plate")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: plate has no licence: expected one that says what others may do with it, got none. ...
    """
    place = Path(path)
    config = read_config(place)
    _check_repo(repo)
    card: dict[str, Any] = config.get("card") or next((block["card"] for block in config.get("blocks", [])[:1]), {})
    chosen = licence or card.get("licence")
    if not chosen:
        raise InputError(
            f"{place.name} has no licence",
            expected="one that says what others may do with it",
            got="none",
            remedy="Pass licence='cc-by-4.0' or another.",
        )
    lacking = [name for name in FILES if not (place / name).is_file()]
    if lacking:
        raise CheckpointError(f"{place} is not whole", expected=", ".join(FILES), got=f"no {', '.join(lacking)}")
    hub = import_extra("huggingface_hub", "mmlego.push", INSTALL)
    api = hub.HfApi(library_name="mmlego")
    with TemporaryDirectory() as folder:  # what is sent is what lies here: the card has the licence that was said
        _write(Path(folder), place, config, chosen)
        try:
            api.create_repo(repo, private=private, exist_ok=True)
            made = api.upload_folder(
                repo_id=repo,
                folder_path=folder,
                revision=revision,
                allow_patterns=list(FILES),
                commit_message=f"{config['kind']} of mmlego {config['mmlego']}",
            )
        except Exception as error:
            if not _of_the_hub(error):
                raise
            raise InputError(f"the hub does not take {repo}", got=_brief(error)) from error
    return str(made.oid)


def fetch(repo: str, revision: str) -> tuple[Path, str]:
    """Return a folder with the files of a checkpoint on the Hub, and the commit that they are of.

    Fetched once, a commit is read from the cache, without a network.

    Parameters
    ----------
    repo
        ``owner/name``.
    revision
        A commit, branch or tag.

    Raises
    ------
    MissingExtraError
        If huggingface_hub is not installed.
    InputError
        If there is no such repository or revision, or it cannot be reached.
    """
    _check_repo(repo)
    hub = import_extra("huggingface_hub", "loading from the Hub", INSTALL)
    try:
        place = Path(hub.snapshot_download(repo, revision=revision, allow_patterns=list(FILES), library_name="mmlego"))
    except Exception as error:
        if not _of_the_hub(error):
            raise
        raise InputError(f"{repo} at {revision} cannot be fetched", got=_brief(error)) from error
    return place, place.name if _COMMIT.fullmatch(place.name) else revision


def parent_line(repo: str, commit: str) -> str:
    """Return what a card says of a model from the Hub.

    Parameters
    ----------
    repo, commit
        As :func:`fetch` takes and returns them.

    Examples
    --------
    >>> parent_line("hospital-a/rna", "0" * 40)
    'hospital-a/rna@0000000000000000000000000000000000000000'
    """
    return f"{repo}@{commit}"


def _check_repo(repo: str) -> None:
    if not isinstance(repo, str) or not _REPO.fullmatch(repo):
        raise InputError("the name of a repository", expected="owner/name", got=repr(repo))


def _write(folder: Path, place: Path, config: dict[str, Any], licence: str) -> None:
    """Write what is sent: weights as they are, configuration and card with the licence."""
    described = json.loads(json.dumps(config))
    for card in [described.get("card"), *(block.get("card") for block in described.get("blocks", [])[:1])]:
        if card is not None:
            card["licence"] = licence
            break
    described["sha256"] = config_hash(described)
    text = render_card(described)
    if "\nlicense: " not in text:  # a baseplate has no card of its own
        text = text.replace("---\n", f"---\nlicense: {json.dumps(licence, ensure_ascii=False)}\n", 1)
    (folder / CONFIG).write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / CARD).write_text(text, encoding="utf-8")
    (folder / WEIGHTS).write_bytes((place / WEIGHTS).read_bytes())


def _of_the_hub(error: Exception) -> bool:
    """Return whether an error is one of the Hub, of its library or of the way there, and no fault of mmlego's."""
    kinds = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, OSError | ValueError) or bool(kinds & {"huggingface_hub", "httpx", "httpx2", "requests"})


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
