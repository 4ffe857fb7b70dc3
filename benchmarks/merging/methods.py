"""All that is measured on one split: blocks, ensembles, merges, fused models and their rivals."""

from __future__ import annotations

import copy
import itertools
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from dull import rivals_of, rivals_on_pairs
from torch import Tensor

from mmlego import Baseplate, LegoBlock, LegoFuse, LegoMerge, LegoWarning, calibrate, fit
from mmlego.baselines import END_TO_END, end_to_end, fresh_block
from mmlego.bench.score import ensemble_logits
from mmlego.brick import Brick
from mmlego.data import Cohort, PatientData, Split
from mmlego.job import data_of, fit_blocks, having, having_all, parts_of
from mmlego.job.across import add_across
from mmlego.settings import Settings
from mmlego.tasks.scores import calibration_error
from mmlego.training.evaluate import Model, all_logits, scores_of

MERGES: dict[str, dict[str, Any]] = {
    "LegoMerge": {},
    "uniform weights": {"weights": "uniform"},
    "strength 1": {"strength": 1.0},
    "uniform, strength 1": {"weights": "uniform", "strength": 1.0},
}
# Of heads and steps, which neural blocks alone have.
NEURAL_MERGES: dict[str, dict[str, Any]] = {
    "paper": {"preset": "paper"},
    "harmonic, circular, slerp": {"rule": "harmonic", "heads": "slerp", "weights": "uniform"},
    "harmonic, circular, common": {"rule": "harmonic", "heads": "common", "weights": "uniform"},
    "mean, slerp": {"rule": "mean", "heads": "slerp", "weights": "uniform"},
    "mean, slerp, evidence": {"rule": "mean", "heads": "slerp", "weights": "evidence"},
    "mean, linear": {"rule": "mean", "heads": "linear", "weights": "uniform"},
    "mean, ot": {"rule": "mean", "heads": "ot", "weights": "uniform"},
    "residual 1.5, slerp": {"rule": "residual", "heads": "slerp", "weights": "uniform", "strength": 1.5},
}
SHARES = (0.05, 0.1, 0.25, 1.0)
RIVALS = END_TO_END
FEWEST = 8  # patients with all modalities, below which nothing is tuned or trained


@dataclass(frozen=True)
class Case:
    """One split of one cohort.

    Parameters
    ----------
    cohort
        The patients.
    split
        Their rows.
    settings
        Of blocks, plate and training.
    seed
        Of weights and training.
    neural
        Whether the settings make neural blocks alone. These are merged in every way, and set against end-to-end models;
        the defaults are set against dull ones.
    """

    cohort: Cohort
    split: Split
    settings: Settings
    seed: int
    neural: bool = False

    def ids(self, part: str) -> list[str]:
        """Return the patients of a part."""
        return [self.cohort.patients[row] for row in getattr(self.split, part)]


def measure(case: Case, shares: Sequence[float] = SHARES) -> dict[str, Any]:
    """Return all scores of one split, by name.

    Parameters
    ----------
    case
        The split.
    shares
        Of the pairs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegoWarning)
        return _measure(case, shares)


def _measure(case: Case, shares: Sequence[float]) -> dict[str, Any]:
    train, validation = case.ids("train"), case.ids("validation")
    started, clock = time.process_time(), Clock()
    blocks = train_blocks(case, dict.fromkeys(case.cohort.modalities, (train, validation)))
    result: dict[str, Any] = {"seconds": {"blocks": time.process_time() - started}, "parameters": {}}
    clock("blocks")
    merge = LegoMerge(list(blocks.values()))
    test = data_of(merge, case.cohort, case.ids("test"))
    score = _scorer(merge, test)
    alone = {name: _present(all_logits, block, test.only([name])) for name, block in blocks.items()}
    result["blocks"] = {name: _scores_of_present(merge, *found, test.only([name])) for name, found in alone.items()}
    result["temperature"] = {name: _after_temperature(case, blocks[name], test) for name in blocks}
    result["calibrated"] = {name: _calibrated(case, blocks[name], test) for name in blocks}
    result["ensemble"] = score(ensemble_logits(blocks, test))
    result["weighted ensemble"] = score(weighted_logits(blocks, test))
    ways = {**MERGES, **(NEURAL_MERGES if case.neural else {})}
    merges = {name: LegoMerge(list(blocks.values()), **way) for name, way in ways.items()}
    merges["LegoMerge, calibrated"] = LegoMerge(list(blocks.values()))
    merges["uniform, strength 1, calibrated"] = LegoMerge(list(blocks.values()), weights="uniform", strength=1.0)
    seen = data_of(merge, case.cohort, validation)
    result["scale"] = {way: calibrate(model, seen) for way, model in merges.items() if way.endswith("calibrated")}
    result["merges"] = {name: score(all_logits(model, test, 256)) for name, model in merges.items()}
    result["weights"] = merge.weights.tolist()
    result["on patients of"] = {name: _on_patients_of(name, merges, test) for name in blocks}
    clock("merges")
    result["pairs"] = {str(share): _tune(case, blocks, share, test, score, result, clock) for share in shares}
    result["missing"] = _missing(blocks, merges["LegoMerge"], result.pop("dropped", None), test)
    clock("missing")
    result["disjoint"] = _disjoint(case)
    clock("disjoint")
    if not case.neural:
        result["rivals"] = rivals_of(case.cohort, case.split, case.settings, case.seed)
        clock("rivals")
    result["cpu"] = clock.took
    return result


class Clock:
    """Seconds of CPU by part: each call says what has been done since the last one."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}
        self._last = time.process_time()

    def __call__(self, part: str) -> None:
        """Count what has passed to a part."""
        now = time.process_time()
        self.took[part] = round(self.took.get(part, 0.0) + now - self._last, 2)
        self._last = now


def train_blocks(case: Case, parts: Mapping[str, tuple[Sequence[str], Sequence[str]]]) -> dict[str, LegoBlock]:
    """Train a block a modality, each on its own part of the patients."""
    task = case.cohort.outcome_spec.fit_task(case.cohort.outcome.loc[case.ids("train")])  # type: ignore[union-attr]
    plate = Baseplate(task, **case.settings.plate.model_dump())
    return fit_blocks(case.cohort, plate, parts, case.settings, seed=case.seed)


def _scorer(model: Model, data: PatientData) -> Callable[[Tensor], dict[str, float]]:
    """Return what scores logits on some patients; nothing that is kept is weighed by censoring, so no reference."""
    task = model.task

    def score(logits: Tensor) -> dict[str, float]:
        found = scores_of(task, logits, data.target, None)
        kept = {"score": found[task.primary_metric], "loss": found["loss"]}
        if "ece" not in found:
            return kept
        return kept | {"ece": found["ece"], "ece_by_chance": ece_by_chance(logits)}

    return score


def ece_by_chance(logits: Tensor, draws: int = 50) -> float:
    """Return the calibration error that probabilities of two classes have on so many patients if they are the truth.

    The error is a mean of absolute differences, so that it is above zero for anybody, and the more so the more the
    probabilities are spread. What a model does wrong does not simply add to it.
    """
    chance = logits.float().softmax(1)[:, 1]
    draw = torch.Generator().manual_seed(0)
    found = [calibration_error(chance, (torch.rand(len(chance), generator=draw) < chance).long()) for _ in range(draws)]
    return float(np.mean(found))


def weighted_logits(blocks: Mapping[str, LegoBlock], data: PatientData) -> Tensor:
    """Return the mean of the blocks' logits, each weighed by what its validation score is above chance."""
    total = torch.zeros(len(data), next(iter(blocks.values())).task.outputs)
    weights = torch.zeros(len(data), 1)
    for name, block in blocks.items():
        task = block.task
        weight = max(block.card.validation.get(task.primary_metric, task.chance) - task.chance, 1e-3)
        here, logits = _present(all_logits, block, data.only([name]))
        total[here] += weight * logits
        weights[here] += weight
    return total / weights


def _present(run: Any, block: LegoBlock, data: PatientData) -> tuple[Tensor, Tensor]:
    here = data.present[block.modality]
    return here, run(block, data.subset(here), 256)


def _scores_of_present(model: Model, here: Tensor, logits: Tensor, data: PatientData) -> dict[str, float]:
    return _scorer(model, data.subset(here))(logits)


def _after_temperature(case: Case, block: LegoBlock, test: PatientData) -> dict[str, float]:
    """Return a block's scores after its logits were divided by the temperature that fits the validation part best."""
    watched = having(case.cohort, [block.modality], case.ids("validation"))
    data = data_of(block, case.cohort, watched)
    logits = all_logits(block, data, 256)
    scales = torch.logspace(-1, 0.5, 61).tolist()
    best = min(scales, key=lambda scale: float(block.task.loss(logits * scale, data.target)))
    here, own = _present(all_logits, block, test.only([block.modality]))
    return _scores_of_present(block, here, own * best, test.only([block.modality])) | {"scale": best}


def _calibrated(case: Case, block: LegoBlock, test: PatientData) -> dict[str, float]:
    """Return a block's scores after ``calibrate``, the rule that merges are calibrated by."""
    block = copy.deepcopy(block)
    watched = having(case.cohort, [block.modality], case.ids("validation"))
    scale = calibrate(block, data_of(block, case.cohort, watched))
    found = _present(all_logits, block, test.only([block.modality]))
    return _scores_of_present(block, *found, test.only([block.modality])) | {"scale": scale}


def _on_patients_of(name: str, merges: Mapping[str, LegoMerge], test: PatientData) -> dict[str, dict[str, float]]:
    """Score merges on the patients who have a modality: those on whom its block can be judged."""
    data = test.subset(test.present[name])
    ways = ("LegoMerge", "LegoMerge, calibrated")
    return {way: _scorer(merges[way], data)(all_logits(merges[way], data, 256)) for way in ways}


def _tune(
    case: Case,
    blocks: Mapping[str, LegoBlock],
    share: float,
    test: PatientData,
    score: Callable[[Tensor], dict[str, float]],
    result: dict[str, Any],
    clock: Clock,
) -> dict[str, Any]:
    """Tune LegoFuse, and train its rivals, on a share of the training patients who have all modalities.

    Neural models watch the whole validation part, as far as it has all modalities. End-to-end models take as many
    steps, and have as much patience, as with all pairs: they see each of few pairs the more often. Learners see the
    pairs, and as large a share of those of the validation part, and so do the dull ones: alone, preprocessing and all.
    """
    rng = np.random.default_rng([case.seed, 17])
    ids = having_all(case.cohort, list(blocks), case.ids("train"))
    order = [ids[i] for i in rng.permutation(len(ids))]
    few = order[: max(2, round(share * len(order)))]
    scores: dict[str, Any] = {"pairs": len(few)}
    if len(few) < FEWEST:
        return scores
    task = next(iter(blocks.values())).task
    whole = LegoMerge(list(blocks.values()))
    pairs = data_of(whole, case.cohort, few)
    watched = data_of(whole, case.cohort, having_all(case.cohort, list(blocks), case.ids("validation")))
    if task.name == "classification" and len(set(pairs.target.tolist())) < 2:  # type: ignore[union-attr]
        return scores
    seconds = result["seconds"]
    tuning = case.settings.fuse.fit.model_dump()
    model = LegoFuse(list(blocks.values()), mode=case.settings.fuse.mode)
    scores["LegoFuse"] = _fitted(model, (pairs, watched), tuning, case.seed, test, score, seconds, "LegoFuse")
    result["parameters"]["LegoFuse"] = _count(model)
    if not case.neural:
        started = time.process_time()
        some = watched.patients[: round(share * len(watched.patients))]
        _add_across(case, model, [*few, *some])
        seconds["LegoFuse"] += time.process_time() - started
        scores["LegoFuse, nothing across"], scores["LegoFuse"] = scores["LegoFuse"], score(all_logits(model, test, 256))
    if share == 1.0:
        dropped = LegoFuse(list(blocks.values()), mode=case.settings.fuse.mode, modality_dropout=0.3)
        fit(dropped, pairs, validation=watched, seed=case.seed, progress=False, **tuning)
        result["dropped"] = dropped
    clock(f"LegoFuse {share}")
    if not case.neural and share < 1.0:
        scores["dull"] = rivals_on_pairs(case.cohort, task, [*few, *some], case.ids("test"), case.seed)
        clock("dull on few pairs")
    if not case.neural:
        return scores
    again = pairs.subset([row % len(few) for row in range(len(order))])
    for name in RIVALS:
        fresh = [_fresh(case, block) for block in blocks.values()]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(case.seed)
            model = end_to_end(name, fresh, case.settings.plate.dropout)
        training = case.settings.fit.model_dump()
        scores[name] = _fitted(model, (again, watched), training, case.seed, test, score, seconds, name)
        result["parameters"][name] = _count(model)
        clock(f"{name} {share}")
    return scores


def _add_across(case: Case, model: LegoFuse, pairs: Sequence[str]) -> None:
    """Put beside a fuse what its settings say, fitted to some pairs."""
    wanted = case.settings.fuse.across
    if wanted is not None:
        seen = len(case.ids("train")) + len(case.ids("validation"))
        add_across(model, data_of(model, case.cohort, pairs), wanted, seen=seen, seed=case.seed)


def _fitted(
    model: LegoFuse,
    pairs: Sequence[PatientData],
    settings: dict[str, Any],
    seed: int,
    test: PatientData,
    score: Callable[[Tensor], dict[str, float]],
    seconds: dict[str, float],
    name: str,
) -> dict[str, float]:
    started = time.process_time()
    fit(model, pairs[0], validation=pairs[1], seed=seed, progress=False, **settings)
    seconds[name] = seconds.get(name, 0.0) + time.process_time() - started
    return score(all_logits(model, test, 256))


def _fresh(case: Case, block: Brick) -> LegoBlock:
    """Return an untrained neural block with the same preprocessing."""
    return fresh_block(block.preprocessing, block.plate, block.modality, case.settings, seed=case.seed)


def _count(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _missing(
    blocks: Mapping[str, LegoBlock], merge: LegoMerge, dropped: LegoFuse | None, test: PatientData
) -> dict[str, dict[str, float]]:
    """Score ensemble, merge and fuse on the test patients who have all, of whom only some modalities are shown."""
    whole = torch.stack([test.present[name] for name in blocks]).all(0)
    data = test.subset(whole)
    found: dict[str, dict[str, float]] = {}
    for count in range(1, len(blocks) + 1):
        for shown in itertools.combinations(blocks, count):
            part = data.only(list(shown))
            score = _scorer(merge, part)
            scores = {
                "ensemble": score(ensemble_logits({name: blocks[name] for name in shown}, part))["score"],
                "LegoMerge": score(all_logits(merge, part, 256))["score"],
            }
            if dropped is not None:
                scores["LegoFuse"] = score(all_logits(dropped, part, 256))["score"]
            found["+".join(shown)] = scores
    return found


def _disjoint(case: Case) -> dict[str, Any]:
    """Score LegoMerge of blocks that share no patient against blocks that share all of theirs.

    The patients are cut into as many parts as there are modalities, and a block of each modality is trained on each
    part. Every block is in one merge of the first kind and in one of the second, so that what is compared is not which
    part a block happened to get.
    """
    names = case.cohort.modalities
    count = len(names)
    parts = [parts_of(case.cohort, case.ids(part), count, case.seed) for part in ("train", "validation")]
    trained = [train_blocks(case, dict.fromkeys(names, (parts[0][i], parts[1][i]))) for i in range(count)]
    found: dict[str, Any] = {}
    for way, shift in (("apart", 1), ("shared", 0)):
        scores = []
        for first in range(count):
            blocks = [trained[(first + shift * i) % count][name] for i, name in enumerate(names)]
            model = LegoMerge(blocks)
            # What is learnt of the columns is each block's own.
            test = data_of(model, case.cohort, case.ids("test"))
            scores.append(_scorer(model, test)(all_logits(model, test, 256))["score"])
        found[way] = float(np.mean(scores))
    return found | {"patients": len(parts[0][0]), "validation patients": len(parts[1][0])}
