"""Baseplate: what blocks share, drawn once, never changed."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
import torch
from torch import Tensor

from mmlego import Baseplate, InputError, LegoBlock, MismatchError
from mmlego.baseplate import Head, depends_on_tokens
from mmlego.encoders import SNN
from mmlego.nn.spectral import Spectrum
from mmlego.tasks import Classification, Regression, Survival
from tests.bricks import assert_same, plate

OPTIONS = {
    "channels": 7,
    "width": 9,
    "steps": 3,
    "heads": 3,
    "head_width": 5,
    "expansion": 3,
    "temperature": 0.5,
    "activation": "leaky_relu",
    "normalise": False,
    "domain": "spatial",
    "state": "real",
    "share_steps": False,
    "dropout": 0.1,
}


def test_the_same_seed_gives_the_same_plate_whatever_was_drawn_before() -> None:
    first = plate(seed=3)
    torch.randn(17)
    second = plate(seed=3)
    assert first.fingerprint == second.fingerprint
    assert first.differences(second) == []
    assert plate(seed=4).fingerprint != first.fingerprint


def test_drawing_a_plate_leaves_the_random_numbers_as_they_were() -> None:
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    plate(seed=9)
    assert torch.equal(torch.randn(3), expected)


def test_the_initial_values_are_those_of_fresh_modules_and_hold_nothing_of_the_tokens() -> None:
    on = plate(share_steps=False, steps=3)
    assert on.initial["latent"].shape == (6, 8)
    assert not any(depends_on_tokens(name) for name in on.initial)
    assert {name.split(".")[1] for name in on.initial if name.startswith("steps.")} == {"0", "1", "2"}
    assert not torch.equal(on.initial["steps.0.attention.to_q.weight"], on.initial["steps.1.attention.to_q.weight"])
    assert all(value.dtype == torch.float32 and not value.requires_grad for value in on.initial.values())


@pytest.mark.parametrize("name", OPTIONS)
def test_every_field_counts(name: str) -> None:
    one, other = plate(), plate(**{name: OPTIONS[name]})
    assert one.fingerprint != other.fingerprint
    lines = one.differences(other)
    assert lines[0] == f"{name}: {getattr(one, name)} ≠ {OPTIONS[name]}"


def test_every_initial_value_counts_and_is_named() -> None:
    one = plate()
    for name, value in one.initial.items():
        changed = {**one.initial, name: value + 1e-3}
        other = Baseplate.from_config(one.config(), changed)
        assert one.fingerprint != other.fingerprint
        assert one.differences(other) == [f"initial values of {name}"]


def test_the_task_is_part_of_the_plate() -> None:
    one = plate(Classification(3))
    assert any(line.startswith("task.") for line in one.differences(plate(Classification(["a", "b", "c"]))))
    lines = one.differences(plate(Regression()))
    assert any(line.startswith("task.") for line in lines)
    assert any("head.linear" in line for line in lines)


def test_the_seed_is_no_difference_where_the_values_are_the_same() -> None:
    one = plate(seed=1)
    other = Baseplate.from_config({**one.config(), "seed": 2}, one.initial)
    assert one.fingerprint == other.fingerprint
    assert one.differences(other) == []


def test_a_plate_comes_back_from_its_config_by_way_of_json() -> None:
    one = Baseplate(Survival([1.0, 2.0]), **OPTIONS, seed=4)
    config = json.loads(json.dumps(one.config()))
    assert Baseplate.from_config(config).fingerprint == one.fingerprint
    again = Baseplate.from_config(config, one.initial)
    assert again.fingerprint == one.fingerprint
    assert again.differences(one) == []
    assert again.initial["latent"] is not one.initial["latent"]


def test_initial_values_that_do_not_fit_are_refused() -> None:
    one = plate()
    missing = {name: value for name, value in one.initial.items() if name != "latent"}
    with pytest.raises(MismatchError, match=r"do not fit the Baseplate's fields.*latent"):
        Baseplate.from_config(one.config(), missing)
    with pytest.raises(MismatchError, match=r"\(6, 9\)"):
        Baseplate.from_config(one.config(), {**one.initial, "latent": torch.zeros(6, 9)})


@pytest.mark.parametrize("domain", ["frequency", "spatial"])
@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("channels", [6, 7])
def test_the_start_is_the_spectrum_of_the_latent_as_a_block_scales_it(
    domain: str, normalise: bool, channels: int
) -> None:
    on = plate(domain=domain, normalise=normalise, channels=channels)
    latent = on.initial["latent"]
    if normalise:
        latent = latent / latent.norm(dim=0)
    plain = latent + 0j if domain == "spatial" else torch.fft.fft(latent + 0j, dim=0)
    start = on.start()
    assert isinstance(start, Spectrum)
    torch.testing.assert_close(start.full()[0], plain)


def test_a_plate_is_never_copied_nor_changed_by_training() -> None:
    on = plate()
    before = {name: value.clone() for name, value in on.initial.items()}
    assert copy.deepcopy(on) is on
    block = LegoBlock(SNN(5), on, "rna")
    optimiser = torch.optim.SGD(block.parameters(), lr=1.0)
    block(torch.randn(4, 5)).logits.square().sum().backward()
    optimiser.step()
    assert not torch.equal(block.latent, before["latent"])
    for name, value in on.initial.items():
        assert torch.equal(value, before[name]), name


def test_nobody_changes_a_plate_behind_its_fingerprint() -> None:
    on = plate()
    before, config = {name: value.clone() for name, value in on.initial.items()}, on.config()
    for value in on.initial.values():
        value.add_(1.0)
    on.initial["latent"].zero_()
    on.start().real.zero_()
    with pytest.raises(TypeError):
        on.initial["latent"] = torch.zeros(6, 8)  # type: ignore[index]
    with pytest.raises(TypeError):
        del on.initial["latent"]  # type: ignore[attr-defined]
    for name in ("initial", "width", "task", "fingerprint", "anything"):
        with pytest.raises(
            InputError, match=rf"{name} of a Baseplate cannot be set.*a new Baseplate.*got {name} = {{}}"
        ):
            setattr(on, name, {})
    with pytest.raises(InputError, match="initial of a Baseplate cannot be deleted"):
        del on.initial
    assert on.config() == config
    assert_same(dict(on.initial), before)
    assert Baseplate.from_config(on.config(), on.initial).fingerprint == on.fingerprint


def test_what_a_plate_was_made_of_may_change_later() -> None:
    given = dict(plate(seed=1).initial)
    on = plate(initial=given)
    given["latent"].zero_()
    assert on.fingerprint == plate(seed=1).fingerprint
    assert on.initial["latent"].abs().sum() > 0


def test_a_plate_goes_to_another_process() -> None:
    on = plate()
    sent = pickle.loads(pickle.dumps(on))
    assert sent.fingerprint == on.fingerprint
    assert_same(dict(sent.initial), dict(on.initial))
    assert on.differences(sent) == []


def test_it_says_what_it_is() -> None:
    assert repr(plate().initial).startswith("InitialValues(latent (6, 8), steps.0.attention.")
    on = plate()
    assert repr(on).startswith("Baseplate(Classification(")
    assert on.fingerprint[:12] in repr(on)


def test_the_head_reads_the_mean_over_the_channels() -> None:
    head = Head(8, 3)
    mean: Tensor = torch.randn(2, 8)
    expected = head.linear(torch.nn.functional.layer_norm(mean, (8,), head.norm.weight, head.norm.bias))
    assert torch.equal(head(mean), expected)


def test_heads_of_many_time_bins_start_at_small_hazards() -> None:
    """An event in one of k bins: hazards of about 1 / (k + 1), log-odds of −log k; of classes nothing is known."""
    hazards = Baseplate(Survival(range(1, 30)), channels=4, width=64).initial["head.linear.bias"].sigmoid()
    assert hazards.mean() == pytest.approx(1 / 31, rel=0.1)
    assert Baseplate(Classification(30), channels=4, width=64).initial["head.linear.bias"].mean().abs() < 0.1
