"""Card: what is told about a model beside its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Card:
    """What a reader must know of a model: where its data came from, how it was made, what it scored.

    Parameters
    ----------
    data
        Description of the training data, in the user's words.
    licence
        Licence of the weights.
    validation
        Metrics on the validation part, by name; ``fit`` writes them, evidence weights read them.
    patients
        Number of patients trained on and validated on.
    recipe
        All settings of the training.
    parents
        What the model was made of, a line each (merged and fused models).

    Examples
    --------
    >>> Card(data="Cohort A, 2010–2015").data
    'Cohort A, 2010–2015'
    """

    data: str = ""
    licence: str = ""
    validation: dict[str, float] = field(default_factory=dict)
    patients: dict[str, int] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    parents: list[str] = field(default_factory=list)

    def config(self) -> dict[str, Any]:
        """Return all fields as JSON-able values."""
        return asdict(self)
