"""Card: what is told about a model beside its weights."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mmlego.anonymity import MIN_PATIENTS
from mmlego.errors import InputError
from mmlego.printable import escaped
from mmlego.scalars import as_number, is_number
from mmlego.wording import counted, in_brief, made_of


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
        Metrics on the validation part, by name; ``fit`` writes them, evidence weights read the primary one.
    errors
        Standard error of the primary metric on the validation part, by name.
    held_out
        What new predictions are compared with: how wrong the model was on patients whom it was not trained on, as
        ``Task.summary`` has it, how many they were, and who.
    prior
        What the block answers to who knows nothing: the logits that fit the training outcomes best, ``k`` numbers.
    patients
        Number of patients trained on and validated on.
    recipe
        All settings of the training.
    parents
        What the model was made of, a line each (merged and fused models).

    Raises
    ------
    InputError
        If a field is set to a value of another kind.

    Examples
    --------
    >>> Card(data="Cohort A, 2010–2015").data
    'Cohort A, 2010–2015'
    """

    data: str = ""
    licence: str = ""
    validation: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    held_out: dict[str, Any] = field(default_factory=dict)
    prior: list[float] = field(default_factory=list)
    patients: dict[str, int] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    parents: list[str] = field(default_factory=list)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field, if the value is of its kind."""
        kinds = _KINDS.get(name, (object,))
        if not isinstance(value, kinds):
            expected = "a " + " or ".join(kind.__name__ for kind in kinds)
            raise InputError(f"{name} of a card", expected=expected, got=repr(value))
        super().__setattr__(name, value)

    def config(self) -> dict[str, Any]:
        """Return all fields as JSON-able values; scores that are not finite are left out, JSON has no word for them.

        Raises
        ------
        InputError
            If a score or its error is no number, or a parent no text.
        """
        if not all(isinstance(line, str) for line in self.parents):
            raise InputError("parents of a card", expected="a line for each", got=self.parents)
        told = all(math.isfinite(as_number(value)) for value in self.prior)  # else a block tells none
        made = asdict(self) | {what: self._numbers(what) for what in ("validation", "errors")}
        return made if told else made | {"prior": []}

    def _numbers(self, what: str) -> dict[str, float]:
        given = getattr(self, what)
        if not all(map(is_number, given.values())):
            raise InputError(f"{what} of a card", expected="a number for each name", got=given)
        numbers = {name: as_number(value) for name, value in given.items()}
        return {name: number for name, number in numbers.items() if math.isfinite(number)}


_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("data", "licence"), (str,)),
    **dict.fromkeys(("validation", "errors", "held_out", "patients", "recipe"), (dict,)),
    **dict.fromkeys(("prior", "parents"), (list, tuple)),
}


def render_card(config: dict[str, Any]) -> str:
    """Return the card of a checkpoint as Markdown, with the header that model hubs read; control characters as escapes.

    Parameters
    ----------
    config
        The configuration of the checkpoint.
    """
    licence = card_of(config).licence
    lines = ["---", "library_name: mmlego"]
    lines += [f"license: {json.dumps(licence, ensure_ascii=False)}"] if licence else []
    lines += ["tags:", "- mmlego", f"- {task_of(config)['name']}", "---", "", ""]
    return "\n".join(lines) + card_body(config, '"path/to/this/folder"')


def card_of(config: Mapping[str, Any]) -> Card:
    """Return the card of a checkpoint's model; an empty one of a baseplate.

    Parameters
    ----------
    config
        The configuration of the checkpoint.
    """
    blocks = config.get("blocks", [])
    return Card(**(config.get("card") or (blocks[0]["card"] if blocks else {})))


def task_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the task of a checkpoint is described.

    Parameters
    ----------
    config
        The configuration of the checkpoint.
    """
    told: dict[str, Any] = config["plates"][0]["config"]["task"]
    return told


def card_body(config: Mapping[str, Any], place: str, more: Sequence[str] = ()) -> str:
    """Return the card of a checkpoint as Markdown, without its header.

    Parameters
    ----------
    config
        The configuration of the checkpoint.
    place
        The first arguments of ``mmlego.load`` that load it, as Python is written.
    more
        Lines of further sections, which stand before how it is loaded.
    """
    kind = config["kind"]
    names = [block["modality"] for block in config.get("blocks", [])]
    task, card = task_of(config), card_of(config)
    title = {"baseplate": "Baseplate", "block": "LegoBlock", "merge": "LegoMerge", "fuse": "LegoFuse"}[kind]
    lines = [f"# {title}" + (f": {', '.join(names)}" if names else "")]
    plates = ", ".join(plate["fingerprint"][:12] for plate in config["plates"])
    rows = [
        ("Task", ", ".join(f"{key} {_of_task(value)}" for key, value in task.items() if value is not None)),
        ("Meaning of outputs", _MEANINGS.get(task["name"], "")),
        ("Modalities", ", ".join(names)),
        ("Bricks", ", ".join(made_of(block) for block in config.get("blocks", []))),
        ("Baseplate", plates),
        ("Data", _one_line(card.data) or ("" if kind == "baseplate" else "not described")),
        ("Patients", ", ".join(f"{value} {key}" for key, value in card.patients.items())),
        ("Differential privacy", private_line(card.recipe)),
        ("Validation", marked(", ".join(f"{key} {value:.4f}" for key, value in card.validation.items()), card)),
        ("Made with", f"mmlego {config['mmlego']}, torch {config['torch']}"),
    ]
    lines += ["", "| | |", "|---|---|", *(f"| {name} | {_cell(value)} |" for name, value in rows if value)]
    if "options" in config:
        lines += ["", "## Options", "", *(f"- {name}: {value}" for name, value in config["options"].items())]
    if card.parents:
        lines += ["", "## Made of", "", *(f"- {_one_line(parent)}" for parent in card.parents)]
    if card.recipe:
        lines += ["", "## Recipe", "", *(f"- {name}: {_one_line(_told(value))}" for name, value in card.recipe.items())]
    lines += more
    foreign = [block["modality"] for block in config.get("blocks", []) if "foreign" in block.get("encoder", {})]
    modules = ", encoders={" + ", ".join(f'"{name}": module' for name in foreign) + "}" if foreign else ""
    lines += ["", "```python", "import mmlego", "", f"model = mmlego.load({place}{modules})", "```", ""]
    return escaped("\n".join(lines))


def few_scored(card: Card) -> int | None:
    """Return how many patients the scores of a card are of, if they are fewer than five; else None.

    Parameters
    ----------
    card
        Scores out of fold are of all patients trained on; others of those who validate, or who were held out.

    Examples
    --------
    >>> few_scored(Card(validation={"auroc": 0.5}, patients={"training": 12, "validation": 3}))
    3
    >>> few_scored(Card(validation={"auroc": 0.5}, patients={"training": 12, "validation": 5}))
    """
    if not card.validation:
        return None
    known = [card.patients.get("validation"), card.held_out.get("patients")]
    if card.recipe.get("scores") == "out of fold":
        known = [card.held_out.get("patients"), card.patients.get("training")]
    scored = next((count for count in known if isinstance(count, int) and count), None)
    return scored if scored is not None and scored < MIN_PATIENTS else None


def marked(scores: str, card: Card) -> str:
    """Return the scores of a card as they are told, marked where they are of fewer than five patients.

    Parameters
    ----------
    scores
        As text; none: they stay none.
    card
        Whose they are.

    Examples
    --------
    >>> marked("auroc 0.500", Card(validation={"auroc": 0.5}, patients={"validation": 3}))
    'auroc 0.500, of 3 patients: tells of each of them'
    """
    few = few_scored(card)
    return scores if few is None or not scores else f"{scores}, of {counted(few, 'patient')}: tells of each of them"


def private_line(recipe: Mapping[str, Any]) -> str:
    """Return what a recipe promises of the weights: ε and δ, and of what; empty where nothing is promised.

    Parameters
    ----------
    recipe
        Of a card.

    Examples
    --------
    >>> private_line({"privacy": {"epsilon": 2.984, "delta": 1e-05, "covers": "the training of the weights"}})
    'ε 2.99, δ 1e-05, for each training patient, of the training of the weights'
    """
    told = recipe.get("privacy")
    if not isinstance(told, Mapping):
        return ""
    begun = f"; {told['begun']}" if "begun" in told else ""
    rounded = math.ceil(told["epsilon"] * 100) / 100  # up: it is a bound
    return f"ε {rounded:g}, δ {told['delta']:g}, for each training patient, of {told['covers']}{begun}"


def _told(value: Any) -> str:
    return ", ".join(f"{name} {part}" for name, part in value.items()) if isinstance(value, dict) else str(value)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _of_task(value: Any) -> str:
    """Return a value of a task: numbers in brief, names as they are written in Python."""
    numbers = isinstance(value, float) or (isinstance(value, list) and all(isinstance(one, float) for one in value))
    return in_brief(value) if numbers else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


_MEANINGS = {
    "survival": "logits of discrete hazards, one a time bin; a higher risk means an earlier event",
    "competing_risks": "log-odds of each cause against none, one a time bin and cause; a higher risk means earlier",
    "classification": "logits of the classes; probabilities by softmax",
    "multilabel": "one logit a label; probabilities by sigmoid",
    "regression": "standardised values; predictions in the units of the target",
}
