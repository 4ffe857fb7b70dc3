"""The fast path is exact: both forms of attention, packed bags, and the backwards that are written by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mmlego import Baseplate, LegoBlock, LegoMerge, Ragged
from mmlego.encoders import PatchMLP
from mmlego.nn import attention, by_hand, feedforward
from mmlego.nn.attention import CrossAttention, Tokens, normalise, prepare_tokens
from mmlego.nn.feedforward import GatedFeedForward
from mmlego.nn.spectral import real_transform, real_transform_of_bags
from mmlego.tasks import Classification
from tests.plain import plain_forward


def bags_block(*, ordered: bool, heads: int = 2) -> LegoBlock:
    torch.manual_seed(3)
    plate = Baseplate(Classification(3), channels=7, width=6, heads=heads, head_width=4, steps=2, expansion=2)
    return LegoBlock(PatchMLP(5, 8, 8), plate, "bags", ordered=ordered).double()


@pytest.fixture(params=["keys", "folded"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    chosen = request.param
    monkeypatch.setattr(CrossAttention, "_keys_are_cheaper", lambda *_: chosen == "keys")
    return str(chosen)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("hand", [True, False])
@pytest.mark.usefixtures("form")
def test_every_form_gives_the_plain_answer_and_the_plain_gradient(
    ordered: bool, packed: bool, hand: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hand:
        for module in (attention, feedforward):
            monkeypatch.setattr(module, "by_hand", lambda _: False)
    block = bags_block(ordered=ordered)
    sizes = [3, 8, 301] if packed else [9, 9, 9]
    bags = [torch.randn(n, 5, dtype=torch.float64) for n in sizes]
    ours = block(Ragged.from_list(bags) if packed else torch.stack(bags))
    (ours.logits.square().sum() + ours.spectrum.real.square().mean()).backward()
    gradients = {name: p.grad.clone() for name, p in block.named_parameters() if p.grad is not None}
    block.zero_grad()
    answers = [plain_forward(block, bag) for bag in bags]
    spectrum, logits = (torch.stack(parts) for parts in zip(*answers, strict=True))
    (logits.square().sum() + spectrum.real.square().mean()).backward()
    torch.testing.assert_close(ours.spectrum, spectrum, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ours.logits, logits, rtol=1e-9, atol=1e-9)
    plain = {name: p.grad for name, p in block.named_parameters() if p.grad is not None}
    # The plain form keeps what a softmax does not see; its gradient there is rounding alone.
    for name, gradient in plain.items():
        torch.testing.assert_close(gradients.get(name, torch.zeros_like(gradient)), gradient, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_the_gradient_of_the_real_transform(n: int) -> None:
    x = torch.randn(2, n, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(real_transform, (x,))


def test_the_gradient_of_the_transform_of_bags() -> None:
    x = torch.randn(10, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: real_transform_of_bags(values, [1, 4, 5]), (x,))


def test_the_gradient_of_normalised_tokens() -> None:
    x = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(normalise, (x,))


def test_the_gradient_of_the_feed_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedforward, "ROWS", 2)  # several pieces
    module = GatedFeedForward(3, 2).double()
    x = torch.randn(1, 5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: module(x), (x, *module.parameters()))


def test_the_gradient_of_the_feed_forward_of_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedforward, "ROWS", 3)  # one sample or two at a time
    module = GatedFeedForward(3, 2).double()
    nn.init.normal_(module.norm.weight)
    nn.init.normal_(module.norm.bias)
    shared, own = (torch.randn(*shape, 3, dtype=torch.float64, requires_grad=True) for shape in ((1, 2), (5, 1)))

    def run(shared: Tensor, own: Tensor, *_: Tensor) -> Tensor:
        return module(shared + own, (shared, own))

    assert torch.autograd.gradcheck(run, (shared, own, *module.parameters()), check_batched_grad=True)
    with torch.no_grad():
        torch.testing.assert_close(run(shared, own), module(shared + own))


@pytest.mark.parametrize("hand", [True, False])
@pytest.mark.parametrize("channels", [6, 7])
def test_a_batch_of_single_tokens_gives_the_plain_answer_and_gradient(
    hand: bool, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hand:
        monkeypatch.setattr(feedforward, "by_hand", lambda _: False)
    monkeypatch.setattr(feedforward, "ROWS", 8)
    plate = Baseplate(Classification(3), channels=channels, width=6, heads=2, head_width=4, steps=2, expansion=2)
    block = LegoBlock(nn.Linear(5, 4), plate, "table", out_features=4).double()
    x = torch.randn(5, 5, dtype=torch.float64)
    ours = block(x)
    (ours.logits.square().sum() + ours.spectrum.real.square().mean()).backward()
    gradients = {name: p.grad.clone() for name, p in block.named_parameters() if p.grad is not None}
    block.zero_grad()
    spectrum, logits = (
        torch.stack(parts) for parts in zip(*(plain_forward(block, row[None]) for row in x), strict=True)
    )
    (logits.square().sum() + spectrum.real.square().mean()).backward()
    torch.testing.assert_close(ours.spectrum, spectrum, rtol=1e-9, atol=1e-9)
    for name, p in block.named_parameters():
        if p.grad is not None:
            mine = gradients.get(name, torch.zeros_like(p.grad))
            torch.testing.assert_close(mine, p.grad, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("ordered", [True, False])
def test_the_gradient_of_attention_over_bags(form: str, ordered: bool) -> None:
    module = CrossAttention(4, 3, heads=2, head_width=2, steps=2).double()
    latent = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    values = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)

    def run(latent: Tensor, values: Tensor, *_: Tensor) -> Tensor:
        tokens: Tokens = prepare_tokens(Ragged(values, [2, 5]), transform=ordered)
        return module(latent, tokens, {})

    assert torch.autograd.gradcheck(run, (latent, values, *module.parameters())), form


def test_hand_written_backwards_are_for_full_precision_on_a_cpu() -> None:
    assert by_hand.by_hand(torch.ones(1))
    assert not by_hand.by_hand(torch.ones(1, dtype=torch.bfloat16))
    with torch.autocast("cpu", torch.bfloat16):
        assert not by_hand.by_hand(torch.ones(1))


def test_a_final_linear_after_the_transform_is_the_same_linear() -> None:
    torch.manual_seed(0)
    plate = Baseplate(Classification(2), channels=5, width=4, heads=1, head_width=4)
    body, last = nn.Sequential(nn.Linear(3, 4), nn.Tanh()), nn.Linear(4, 6)
    moved = LegoBlock(nn.Sequential(*body, last), plate, "x", out_features=6, ordered=True)

    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(*body, last)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x)

    hidden = LegoBlock(Hidden(), plate, "x", out_features=6, ordered=True)
    hidden.steps.load_state_dict(moved.steps.state_dict())
    for n in (1, 2, 7, 300):
        x = torch.randn(2, n, 3)
        torch.testing.assert_close(moved(x).spectrum, hidden(x).spectrum, rtol=1e-4, atol=1e-4)


def test_a_change_of_dtype_keeps_the_imaginary_part_of_the_shared_start() -> None:
    block = bags_block(ordered=False).float()
    merge = LegoMerge([block], rule="residual")
    assert merge.to(torch.float32).start[..., 1].abs().max() > 0
    assert merge.double().start.dtype == torch.float64


@pytest.mark.usefixtures("form")
def test_over_a_frozen_encoder_the_other_gradients_are_the_same() -> None:
    bags = Ragged(torch.randn(310, 5, dtype=torch.float64), [9, 301])
    gradients = []
    for frozen in (False, True):
        block = bags_block(ordered=True)
        if frozen:
            block.freeze_encoder()
        block(bags).logits.square().sum().backward()
        gradients.append({n: p.grad for n, p in block.named_parameters() if not n.startswith("encoder.")})
        assert all((p.grad is None) == frozen for p in block.encoder.parameters())
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch's own attention under vmap
@pytest.mark.parametrize("n", [6, 300])
@pytest.mark.usefixtures("form")
def test_gradients_for_each_sample_by_vmap(n: int) -> None:
    module = CrossAttention(4, 3, heads=2, head_width=2, steps=2).double()
    feed = GatedFeedForward(4, 2).double()
    latent = torch.randn(1, 5, 4, dtype=torch.float64)
    samples = torch.randn(3, n, 3, dtype=torch.float64)

    def loss(sample: Tensor) -> Tensor:
        tokens = prepare_tokens(sample[None], transform=True)
        return feed(latent + module(latent, tokens, {})).square().sum()

    each = torch.func.vmap(torch.func.grad(loss))(samples)
    torch.testing.assert_close(each, torch.stack([torch.func.grad(loss)(sample) for sample in samples]))
