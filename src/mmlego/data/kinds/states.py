"""The saved form of preprocessing, checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError

from mmlego.errors import CheckpointError, VersionError

M = TypeVar("M", bound=BaseModel)


def read_state(model: type[M], config: Mapping[str, object], what: str) -> M:
    """Check a saved configuration against its model.

    Parameters
    ----------
    model
        What it has to be.
    config
        What ``config()`` returned.
    what
        Whose it is, for messages, as ``"a table"``.

    Raises
    ------
    CheckpointError
        If it is damaged; the message says where.
    VersionError
        If a newer version wrote it.

    Examples
    --------
    >>> class State(BaseModel):
    ...     width: int
    >>> read_state(State, {"width": "wide"}, "bags")
    Traceback (most recent call last):
    ...
    mmlego.errors.CheckpointError: the preprocessing of bags is damaged at width (Input should be a valid integer, ...
    """
    field, version = model.model_fields.get("version"), config.get("version")
    newest = 1 if field is None else max(get_args(field.annotation), default=1)  # declared as Literal[1, 2]
    if isinstance(version, int) and version > newest:
        remedy = "Install a newer mmlego."
        raise VersionError(f"a preprocessing of {what} of a newer format", expected=newest, got=version, remedy=remedy)
    try:
        return model.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise CheckpointError(f"the preprocessing of {what} is damaged at {where} ({first['msg']})") from error
