"""The card of a model on the Hub: the local one, with the header that the Hub reads, columns, and intended use.

Every line comes out of the checkpoint's configuration; what it does not know is left out, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mmlego.card import card_body, card_of, few_scored, task_of
from mmlego.sites import modality_of
from mmlego.wording import counted, listed

REPO, COMMIT = r"[\w.-]+/[\w.-]+", r"[0-9a-f]{40}"
MOST_COLUMNS = 60  # of a block that a card lists; config.json has all
_PARENT = re.compile(rf"({REPO})@{COMMIT}")
# Tasks of the Hub, by what a brick reads and by the task; what is not here is none of them.
_PIPELINES = {
    ("tabular", "classification"): "tabular-classification",
    ("tabular", "regression"): "tabular-regression",
    ("image", "classification"): "image-classification",
    ("text", "classification"): "text-classification",
}
_READS = {"table": "tabular", "omics": "tabular", "image": "image", "text": "text"}
_TASKS = {"survival": "survival-analysis", "multilabel": "multi-label-classification"}
# https://huggingface.co/docs/hub/repositories-licenses, of 2026
LICENCES = frozenset(
    """apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl
    lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib
    pddl lgpl-lr unknown""".split()
)


def hub_card(config: Mapping[str, Any], hub: Any, repo: str, revision: str = "main") -> str:
    """Return the card of a checkpoint as the Hub shows it, its header built and read back by the Hub's own library.

    Parameters
    ----------
    config
        The configuration of the checkpoint, its licence in its card.
    hub
        The module ``huggingface_hub``.
    repo
        ``owner/name``.
    revision
        The branch.

    Raises
    ------
    ValueError
        If the library does not take the header.
    """
    card, task = card_of(config), task_of(config)
    results = [hub.EvalResult(**result) for result in results_of(config)]
    relation = {"merge": "merge", "fuse": "finetune"}.get(config["kind"])
    bases = base_models(config)
    header = hub.ModelCardData(
        base_model=(bases if len(bases) > 1 else bases[0]) if bases else None,
        base_model_relation=relation if bases else None,
        library_name="mmlego",
        **licence_of(card.licence),
        pipeline_tag=pipeline_of(config),
        tags=["mmlego", task["name"]],
        eval_results=results or None,
        model_name=repo.partition("/")[2] if results else None,
    )
    place = f'"{repo}", revision="{revision}"'
    body = card_body(config, place, [*_columns(config), *_use(config)])
    return str(hub.ModelCard(f"---\n{header.to_yaml()}\n---\n\n{body}"))


def licence_of(text: str) -> dict[str, str]:
    """Return how a header of the Hub names a licence: by its identifier there, or as another.

    Parameters
    ----------
    text
        As the card has it; a link where the licence has no identifier.

    Examples
    --------
    >>> licence_of("CC-BY-4.0")
    {'license': 'cc-by-4.0'}
    >>> licence_of("Data use agreement")
    {'license': 'other', 'license_name': 'data-use-agreement'}
    """
    if not text:
        return {}
    if text.strip().lower() in LICENCES:
        return {"license": text.strip().lower()}
    if re.match(r"https?://\S+$", text.strip()):
        return {"license": "other", "license_name": "see-link", "license_link": text.strip()}
    return {"license": "other", "license_name": re.sub(r"[^\w.+-]+", "-", text.lower()).strip("-") or "other"}


def base_models(config: Mapping[str, Any]) -> list[str]:
    """Return the repositories that a model was made of, as the parents in the cards of it and of its blocks name them.

    Parameters
    ----------
    config
        The configuration of the checkpoint.

    Examples
    --------
    >>> base_models({"blocks": [{"modality": "rna", "card": {"parents": ["a/rna@" + "0" * 40]}}]})
    ['a/rna']
    """
    cards = [config.get("card", {}), *(brick.get("card", {}) for brick in _bricks(config))]
    found = [_PARENT.fullmatch(line) for card in cards for line in card.get("parents", [])]
    return list(dict.fromkeys(match[1] for match in found if match))


def pipeline_of(config: Mapping[str, Any]) -> str | None:
    """Return the task of the Hub that a model is for, or None: where it reads several kinds of data, or it is none.

    Parameters
    ----------
    config
        The configuration of the checkpoint.
    """
    kinds = {(block.get("preprocessing") or {}).get("name") for block in config.get("blocks", [])}
    reads = {_READS.get(str(kind)) for kind in kinds}
    return _PIPELINES.get((next(iter(reads)) or "", task_of(config)["name"])) if len(reads) == 1 else None


def results_of(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the scores of a model as arguments of ``EvalResult``: its own, none of the blocks that it is made of.

    Scores of fewer than five patients are none: who lists models by their scores does not see how few they are.

    Parameters
    ----------
    config
        The configuration of the checkpoint.
    """
    card, task = card_of(config), task_of(config)
    if few_scored(card) is not None:
        return []
    data = " ".join(card.data.split())
    about: dict[str, Any] = {"patients": dict(card.patients)}
    if task.get("unit"):
        about["unit"] = task["unit"]
    return [
        {
            "task_type": pipeline_of(config) or _TASKS.get(task["name"], task["name"].replace("_", "-")),
            "dataset_type": re.sub(r"\W+", "-", data.lower()).strip("-") or "not-described",
            "dataset_name": data or "not described",
            "dataset_split": scored_on(card.recipe),
            "dataset_args": about,
            "metric_type": name,
            "metric_value": value,
            "metric_args": {"standard_error": card.errors[name]} if name in card.errors else None,
        }
        for name, value in card.config()["validation"].items()
    ]


def scored_on(recipe: Mapping[str, Any]) -> str:
    """Return on whom the scores of a card were taken.

    Parameters
    ----------
    recipe
        Of the card.

    Examples
    --------
    >>> scored_on({"method": "fit", "patience": 10}), scored_on({"scores": "out of fold"})
    ('validation, by which the epoch was chosen', 'training, out of fold')
    """
    told = recipe.get("scores")
    if told == "out of fold":
        return "training, out of fold"
    if told:
        return f"validation, {told}"
    return "validation" + (", by which the epoch was chosen" if recipe.get("method") == "fit" else "")


def _bricks(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for brick in config.get("blocks", []):
        yield brick
        yield from brick.get("members", {}).values()


def _columns(config: Mapping[str, Any]) -> list[str]:
    """Return the section on what each block reads: columns, means and deviations, categories."""
    lines = []
    for block in config.get("blocks", []):
        state = block.get("preprocessing")
        if not state:
            continue
        rows = [*_numbers(state), *((name, ", ".join(map(str, known)), "") for name, known in _categories(state))]
        lines += ["", f"### {block['modality']} ({state['name']})", ""]
        if not rows:
            lines.append("No columns: the configuration says how it is read.")
            continue
        lines += ["| column | is | of training patients |", "|---|---|---|"]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows[:MOST_COLUMNS]]
        if len(rows) > MOST_COLUMNS:
            lines += ["", f"and {counted(len(rows) - MOST_COLUMNS, 'column')} more, which config.json names."]
    if not lines:
        return []
    told = "Numbers are in the units of the training data, which files do not name: mean and deviation tell them apart."
    return ["", "## Columns", "", told, *lines]


def _numbers(state: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    if state["name"] == "series":
        return [
            (one["variable"], "number over time", _moments(one["centre"], one["scale"])) for one in state["columns"]
        ]
    names = state.get("numeric") if state["name"] == "table" else state.get("columns")
    if state["name"] not in ("table", "omics") or not names:
        return []
    kind = "log(1 + number)" if state.get("log1p") else "number"
    moments = zip(names, state["centre"], state["scale"], strict=True)
    return [(str(name), kind, _moments(centre, scale)) for name, centre, scale in moments]


def _moments(centre: float, scale: float) -> str:
    return f"mean {centre:.3g}, deviation {scale:.3g}"


def _categories(state: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    return [(str(name), list(known)) for name, known in state.get("categories", [])] if state["name"] == "table" else []


def _use(config: Mapping[str, Any]) -> list[str]:
    """Return the section on what the model is for, and what it is not."""
    names = list(dict.fromkeys(modality_of(block["modality"]) for block in config.get("blocks", [])))
    if not names:
        return [
            "",
            "## Intended use",
            "",
            "What blocks of several sites are trained on, so that they merge. It predicts nothing by itself.",
        ]
    task = task_of(config)
    what = {
        "survival": "the time to an event, as a risk and a curve",
        "competing_risks": "the times to events of several causes, as risks and curves",
        "classification": f"one of the classes {listed(task.get('classes') or [], 8)}",
        "multilabel": f"yes or no to each of {listed(task.get('labels') or [], 8)}",
        "regression": "a number",
    }.get(task["name"], task["name"])
    unit = f" (times in {task['unit']})" if task.get("unit") else ""
    some = "any of " if len(names) > 1 and config["kind"] != "block" else ""
    return [
        "",
        "## Intended use",
        "",
        f"Research: it predicts {what}{unit} from {some}{listed(names, 8)}, of patients such as those of the training "
        "data, with the same columns in the same units. Scores above are of patients of the training cohort, not of "
        "another place: score it on patients of your own first (`mmlego evaluate`).",
        "",
        "It is no medical device, and nobody has shown that decisions about patients get better by it.",
    ]


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
