"""Models on the Hugging Face Hub: the three files of a checkpoint, and nothing else, there and back.

The library of the Hub carries them; what is fetched is checked as any checkpoint is, and unpickles nothing.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmlego.card import card_of
from mmlego.checkpoint_config import CONFIG, broken, config_hash, read_config
from mmlego.errors import CheckpointError, InputError, LegoWarning
from mmlego.extras import import_extra
from mmlego.hub_card import COMMIT, LICENCES, REPO, hub_card, licence_of
from mmlego.wording import listed

CARD, WEIGHTS = "README.md", "model.safetensors"
FILES = (CONFIG, CARD, WEIGHTS)  # all that is ever sent or fetched
INSTALL = "'mmlego[hub]'"
_REPO, _COMMIT = re.compile(REPO), re.compile(COMMIT)
_REVISION = re.compile(r"[\w.+-]+(/[\w.+-]+)*")
_MAIN = "main"


def push(
    path: str | Path,
    repo: str,
    *,
    licence: str | None = None,
    private: bool = False,
    revision: str | None = None,
    overwrite: bool = False,
) -> str:
    """Send a checkpoint to the Hub; return the commit.

    Only ``config.json``, ``README.md`` and ``model.safetensors`` are sent. Whoever loads ``revision=`` that commit gets
    these very files. The card that is sent has, beside what stands in the local one, the header that the Hub reads:
    licence, scores with the cohort and the patients, the repositories that the model was made of, the task where it is
    one of the Hub's; then the columns, and what the model is for.

    Parameters
    ----------
    path
        The folder of a block, merge, fuse or baseplate.
    repo
        ``owner/name``; it is made if it is not there.
    licence
        Of the weights, as ``cc-by-4.0``, in place of that in the card; without one nothing is sent.
    private
        Whether the repository is for its owner alone; one that is there and public is refused.
    revision
        A branch that is there; None: the main one.
    overwrite
        Whether a model of mmlego in the repository may be replaced by one of another kind, of other blocks or of
        another baseplate; a new version of the same needs no word.

    Raises
    ------
    MissingExtraError
        If huggingface_hub is not installed.
    InputError
        If the folder is no checkpoint, there is no licence, the name is none, the repository holds another model or is
        public against the wish, or the Hub refuses.
    CheckpointError
        If a file lacks or was changed.

    Warns
    -----
    LegoWarning
        If the Hub does not know the licence, or blocks in a merge have another.

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
    if revision is not None:
        _check_revision(revision)
    chosen = licence or card_of(config).licence
    if not chosen:
        raise InputError(
            f"{place.name} has no licence",
            expected="one that says what others may do with it",
            got="none",
            remedy="Pass licence='cc-by-4.0' or another.",
        )
    _check_whole(place, config)
    hub = import_extra("huggingface_hub", "mmlego.push", INSTALL)
    _tell_of_licence(chosen, config)
    api = hub.HfApi(library_name="mmlego")
    with TemporaryDirectory() as folder:  # what is sent is what lies here: the card has the licence that was said
        try:
            _write(Path(folder), place, _licensed(config, chosen), hub, repo, revision or _MAIN)
            _prepare(api, hub, repo, config, private=private, revision=revision, overwrite=overwrite)
            with _bars():
                made = api.upload_folder(
                    repo_id=repo,
                    folder_path=folder,
                    revision=revision,
                    allow_patterns=list(FILES),
                    commit_message=f"{config['kind']} of mmlego {config['mmlego']}",
                )
        except Exception as error:
            if isinstance(error, InputError) or not _of_the_hub(error):
                raise
            raise InputError(f"the hub does not take {repo}", got=_brief(error), remedy=_way_out(error)) from error
    return str(made.oid)


def fetch(repo: str, revision: str) -> tuple[Path, str]:
    """Return a folder with the files of a checkpoint on the Hub, and the commit that they are of.

    Fetched once, a commit is read from the cache, without a network. A branch is asked for each time: what the cache
    had last may be another one by now.

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
        If there is no such repository or revision, it cannot be reached, or it holds no checkpoint.
    """
    _check_repo(repo)
    _check_revision(revision)
    hub = import_extra("huggingface_hub", "loading from the Hub", INSTALL)
    commit = revision
    try:
        if not _COMMIT.fullmatch(revision):
            commit = str(hub.HfApi(library_name="mmlego").model_info(repo, revision=revision).sha)
        with _bars():
            files = list(FILES)
            place = Path(hub.snapshot_download(repo, revision=commit, allow_patterns=files, library_name="mmlego"))
    except Exception as error:
        if not _of_the_hub(error):
            raise
        what = f"{repo} at {revision} cannot be fetched"
        raise InputError(what, got=_brief(error), remedy=_way_out(error)) from error
    if place.name != commit or not _COMMIT.fullmatch(commit):
        raise InputError(f"{repo} at {revision} is not what came", expected=f"commit {commit}", got=place.name)
    lacking = [name for name in (CONFIG, WEIGHTS) if not (place / name).is_file()]
    if lacking:
        raise InputError(f"{repo} at {revision} holds no checkpoint of mmlego", got=f"no {' and no '.join(lacking)}")
    return place, commit


def named_on_hub(source: Path) -> tuple[str, str] | None:
    """Return the repository and the revision that ``owner/name@revision`` names; None of what is, or may be, a path.

    Parameters
    ----------
    source
        As it was written. What is there, or whose first part is a folder here, is a path.

    Examples
    --------
    >>> named_on_hub(Path("hospital-a/rna@main"))
    ('hospital-a/rna', 'main')
    >>> named_on_hub(Path("run/blocks/rna")), named_on_hub(Path("./a/rna@main/x y"))
    (None, None)
    """
    text = source.as_posix()
    repo, sign, revision = text.partition("@")
    if not (sign and _REPO.fullmatch(repo) and _REVISION.fullmatch(revision)):
        return None
    return None if source.exists() or Path(repo).parent.is_dir() else (repo, revision)


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
    if not isinstance(repo, str) or not _REPO.fullmatch(repo) or ".." in repo or repo.startswith((".", "-")):
        remedy = "Leave revision= out to load a folder." if isinstance(repo, str) and Path(repo).is_dir() else None
        raise InputError("the name of a repository", expected="owner/name", got=repr(repo), remedy=remedy)


def _check_revision(revision: str) -> None:
    """Refuse what is no name of git's: the Hub's library makes paths of it."""
    if not isinstance(revision, str) or not _REVISION.fullmatch(revision) or ".." in revision:
        raise InputError("a revision of a repository", expected="a commit, branch or tag", got=repr(revision))


def _check_whole(place: Path, config: Mapping[str, Any]) -> None:
    """Refuse to send what nobody could load."""
    lacking = [name for name in FILES if not (place / name).is_file()]
    if lacking:
        raise CheckpointError(f"{place} is not whole", expected=", ".join(FILES), got=f"no {', '.join(lacking)}")
    with (place / WEIGHTS).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != config["weights"]["sha256"]:
        got = "a truncated or changed file"
        raise broken(place / WEIGHTS, "content that matches the hash in its configuration", got)


def _tell_of_licence(chosen: str, config: Mapping[str, Any]) -> None:
    """Warn of a licence that the Hub does not know by this name, and of one that is not that of all blocks."""
    named = licence_of(chosen)
    if named["license"] == "other" and "license_link" not in named:
        alike = difflib.get_close_matches(chosen.lower(), sorted(LICENCES), n=3)
        hint = f" It knows {listed(alike)}." if alike else " Pass a link to its text to have it there."
        told = f"The Hub knows no licence {chosen!r}: its card says other, {named['license_name']}."
        warnings.warn(told + hint, LegoWarning, stacklevel=3)
    others = {block["card"].get("licence") or "" for block in config.get("blocks", [])} - {"", chosen}
    if others and config["kind"] in ("merge", "fuse"):
        told = f"Blocks in it are under {listed(sorted(others))}, it is sent under {chosen}: nobody has checked"
        warnings.warn(f"{told} that the ones allow the other.", LegoWarning, stacklevel=3)


def _prepare(
    api: Any,
    hub: Any,
    repo: str,
    config: Mapping[str, Any],
    *,
    private: bool,
    revision: str | None,
    overwrite: bool,
) -> None:
    """Make the repository if it is not there; refuse one that is public against the wish, or holds another model."""
    try:
        there = api.model_info(repo, revision=revision)
    except hub.errors.RevisionNotFoundError:
        raise
    except hub.errors.RepositoryNotFoundError:
        there = None
    if there is None:
        if revision not in (None, _MAIN):
            raise InputError(f"{repo} is not there", expected="a repository with this branch", got=repr(revision))
        api.create_repo(repo, private=private)
        return
    if private and not there.private:
        raise InputError(
            f"{repo} is there, and public",
            expected="a private repository, as --private says",
            got="one that everybody can read: nothing was sent",
            remedy="Make it private in its settings on the Hub, choose another, or leave --private out.",
        )
    names = {file.rfilename for file in there.siblings or []}
    if not names & {CONFIG, WEIGHTS}:
        return
    told = _told(hub, repo, str(there.sha), names)
    if told is None:
        raise InputError(
            f"{repo} holds another model",
            expected="an empty repository, or one with a checkpoint of mmlego",
            got=listed(sorted(names)),
            remedy="Choose another repository: nothing was sent.",
        )
    mine, theirs = _identity(config), _identity(told)
    if mine != theirs and not overwrite:
        raise InputError(
            f"{repo} holds another model of mmlego",
            expected=f"a version of what is sent, {_in_words(mine)}",
            got=_in_words(theirs),
            remedy="Choose another repository, or pass overwrite=True to replace it: nothing was sent.",
        )


def _told(hub: Any, repo: str, commit: str, names: set[str]) -> Mapping[str, Any] | None:
    """Return the configuration of the checkpoint that a repository holds; None if it is none of ours."""
    if CONFIG not in names:
        return None
    try:
        told = json.loads(Path(hub.hf_hub_download(repo, CONFIG, revision=commit)).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) and {"format", "mmlego", "kind"} <= told.keys() else None


def _identity(config: Mapping[str, Any]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return what makes a checkpoint a version of another: its kind, the names of its blocks, its baseplates."""

    def each(section: str, key: str) -> tuple[str, ...]:
        given = config.get(section)
        parts = [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []
        return tuple(sorted(str(one.get(key)) for one in parts))

    return str(config.get("kind")), each("blocks", "modality"), each("plates", "fingerprint")


def _in_words(identity: tuple[str, tuple[str, ...], tuple[str, ...]]) -> str:
    kind, blocks, plates = identity
    of = f" of {listed(map(repr, blocks))} at the baseplate" if blocks else ""
    return f"a {kind}{of} {listed([plate[:12] for plate in plates])}"


def _licensed(config: dict[str, Any], licence: str) -> dict[str, Any]:
    """Return the configuration with a licence in the card of its model, and with the hash that is then right."""
    described: dict[str, Any] = json.loads(json.dumps(config))
    for card in [described.get("card"), *(block.get("card") for block in described.get("blocks", [])[:1])]:
        if card is not None:
            card["licence"] = licence
            break
    else:  # a baseplate has no card of its own
        described["card"] = {"licence": licence}
    described["sha256"] = config_hash(described)
    return described


def _write(folder: Path, place: Path, described: dict[str, Any], hub: Any, repo: str, revision: str) -> None:
    """Write what is sent: weights as they are, configuration and card with the licence."""
    text = json.dumps(described, indent=2, ensure_ascii=False)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    (folder / CARD).write_text(hub_card(described, hub, repo, revision), encoding="utf-8")
    (folder / WEIGHTS).write_bytes((place / WEIGHTS).read_bytes())


@contextmanager
def _bars() -> Iterator[None]:
    """Keep the bars of the Hub's library out of logs: they are for terminals."""
    bars = import_extra("huggingface_hub.utils", "the Hub", INSTALL)
    if sys.stderr.isatty() or bars.are_progress_bars_disabled():
        yield
        return
    bars.disable_progress_bars()
    try:
        yield
    finally:
        bars.enable_progress_bars()


def _of_the_hub(error: Exception) -> bool:
    """Return whether an error is one of the Hub, of its library or of the way there, and no fault of mmlego's."""
    kinds = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, OSError | ValueError) or bool(kinds & {"huggingface_hub", "httpx", "httpx2", "requests"})


def _way_out(error: Exception) -> str | None:
    """Return what to do about an error of the Hub, where that is known."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "RevisionNotFoundError" in kinds:
        return "Name a commit, branch or tag that is there."
    if not kinds & {"RepositoryNotFoundError", "GatedRepoError"} and re.search(r"\b40[13]\b", str(error)):
        return "Say who you are: a token that may write there, in HF_TOKEN or by hf auth login."
    if kinds & {"RepositoryNotFoundError", "GatedRepoError"}:
        return "Check the name. One that not everybody may use needs HF_TOKEN, or hf auth login."
    if kinds & {"ConnectionError", "TransportError", "ConnectError", "Timeout", "TimeoutException"}:
        return "Try again with a network. Only a commit that was fetched before needs none."
    return None


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
