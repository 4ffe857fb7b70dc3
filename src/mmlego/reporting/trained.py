"""What was trained on what: blocks, learners or encoders, patients and settings, as cards and settings tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmlego.card import Card, marked
from mmlego.reporting.numbers import significant
from mmlego.reporting.outcomes import outcome_named, unit_of
from mmlego.reporting.parts import Item, Section, Table, Text, section
from mmlego.reporting.subject import FUSE, MERGE, Subject
from mmlego.sites import by_modality
from mmlego.tasks import Task
from mmlego.tasks.time_bins import BinnedTime
from mmlego.wording import counted, listed, made_of

_SCORED = {
    "held out": "on training patients held out of each fit in turn",
    "out of fold": "on training patients, each by a fit without them",
}


def trained(subject: Subject) -> Section:
    """Return the section on what was trained on what.

    Parameters
    ----------
    subject
        Whose models.
    """
    if not subject.models:
        return section("training", "What was trained on what", _of_experiment(subject))
    blocks = _blocks(subject.configs)
    items: list[Item | None] = [Text(_in_words(subject, blocks)), _block_table(blocks), _made(subject)]
    items += [_settings(subject, blocks)]
    return section("training", "What was trained on what", items)


def _blocks(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the blocks of all models by modality: each as it is by itself, or else as it is in a merge or fuse."""
    found: dict[str, Mapping[str, Any]] = {}
    for config in sorted(configs.values(), key=lambda one: one["kind"] != "block"):
        for block in config.get("blocks", []):
            found.setdefault(block["modality"], block)
    return found


def _in_words(subject: Subject, blocks: Mapping[str, Mapping[str, Any]]) -> str:
    read = by_modality(blocks)
    of = "one a modality" if len(read) == len(blocks) else f"which read {listed(read, 8)}"
    told = f"{counted(len(blocks), 'block')}, {of} ({listed(blocks, 8)}), each trained apart"
    sums = {block["card"].get("patients", {}).get("training", 0) for block in blocks.values()}
    train = len(subject.fitting)
    if len(blocks) > 1 and train and max(sums) < train:
        told += ", on patients of its own"
    made = []
    if MERGE in subject.models:
        made.append("merged without any training (LegoMerge)")
    if FUSE in subject.models:
        made.append("fused, with a brief tuning on patients who have all modalities (LegoFuse)")
    return told + ("; then " + " and ".join(made) if made else "") + "."


def _block_table(blocks: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for name, block in blocks.items():
        card = _card(block)
        patients = ", ".join(f"{count} {part}" for part, count in card.patients.items()) or "not told"
        scores = ", ".join(f"{key} {value:.2f}" for key, value in list(card.validation.items())[:2])
        how = _SCORED.get(str(card.recipe.get("scores", "")), "on validation patients, which early stopping watched")
        rows.append((name, made_of(block), patients, marked(f"{scores}, {how}", card) if scores else "none"))
    note = "Scores of training are no performance: the patients on whom they were taken had a part in making the model."
    return Table("Blocks", ("modality", "made of", "patients", "score in training"), tuple(rows), note)


def _card(described: Mapping[str, Any]) -> Card:
    return Card(**described["card"])


def _made(subject: Subject) -> Table | None:
    rows = []
    for label in (MERGE, FUSE):
        config = subject.configs.get(label)
        if config is None:
            continue
        options = {name: value for name, value in config.get("options", {}).items() if value is not None}
        weights = options.pop("weights", None)
        names = [block["modality"] for block in config["blocks"]]
        card = Card(**config["card"])
        if isinstance(weights, list):
            told = ", ".join(f"{name} {float(weight):.2f}" for name, weight in zip(names, weights, strict=True))
            rows.append((label, "weights", told))
        rows += [(label, name, _value(value)) for name, value in options.items()]
        if card.patients:
            patients = ", ".join(f"{count} {part}" for part, count in card.patients.items())
            rows.append((label, "patients", f"{patients}, all with every modality"))
        rows += [(label, name, _value(value)) for name, value in card.recipe.items()]
    if not rows:
        return None
    return Table("How blocks were put together", ("model", "setting", "value"), tuple(rows), folded=True)


def _settings(subject: Subject, blocks: Mapping[str, Mapping[str, Any]]) -> Table:
    plate = next(iter(subject.configs.values()))["plates"][0]
    rows = [("baseplate", "fingerprint", str(plate["fingerprint"])[:12])]
    rows += [("baseplate", name, _value(value)) for name, value in plate["config"].items() if name != "task"]
    task = plate["config"]["task"]
    rows += [("task", name, _value(value)) for name, value in task.items() if value is not None]
    for name, block in blocks.items():
        for key in ("encoder", "learner"):
            for part, value in block.get(key, {}).get("config", {}).items():
                rows.append((name, f"{key}.{part}", _value(value)))
        rows += [(name, key, _value(value)) for key, value in _card(block).recipe.items()]
    return Table("All settings", ("of", "setting", "value"), tuple(rows), folded=True)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(one)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        shown = ", ".join(_value(one) for one in value[:12])
        return f"{shown}, … ({len(value)})" if len(value) > 12 else shown
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no"}.get(value, "none") if value is not None else "none"
    return significant(value) if isinstance(value, float) else str(value)


def predicted(subject: Subject) -> str:
    """Return what the models predict, as a noun with its unit.

    Parameters
    ----------
    subject
        With models.
    """
    task: Task | None = subject.task
    spec = None if subject.cohort is None else subject.cohort.outcome_spec
    if task is None:
        return "the outcome"
    unit = unit_of(task, spec) if isinstance(task, BinnedTime) else None
    return outcome_named(task, spec) + (f", in {unit}" if unit else "")


def _validating(experiment: Mapping[str, Any]) -> str:
    share = experiment.get("validation")
    return "Some of these others validate." if share is None else f"{100 * share:.0f} % of these others validate."


def _of_experiment(subject: Subject) -> list[Item]:
    if subject.bench is None:
        return []
    e = subject.bench.experiment
    apart = "each block on patients of its own" if e.get("disjoint") else "all blocks on the same patients"
    text = (
        f"{e['folds']} folds by patient, repeated {counted(e.get('repeats', 1), 'time')}: in each repeat every patient "
        f"is held out once, and the models are trained anew on the others, {apart}. {_validating(e)}"
    )
    rows = [
        (str(part), str(name), _value(value))
        for part, values in e.get("settings", {}).items()
        if isinstance(values, Mapping)
        for name, value in values.items()
    ]
    versions = ", ".join(f"{name} {value}" for name, value in e.get("versions", {}).items())
    return [
        Text(text),
        Text(f"Made with {versions}.", "note"),
        Table("All settings", ("of", "setting", "value"), tuple(rows), folded=True),
    ]
