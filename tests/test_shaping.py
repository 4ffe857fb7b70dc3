"""Shapes of modules are known without a number drawn, and without what torch imports to draw one."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from mmlego.encoders import GatedAttentionMIL, GRUEncoder, SmallCNN
from mmlego.shaping import shapes_alone

MODULES = {
    "linear": lambda: nn.Linear(3, 4),
    "gru": lambda: GRUEncoder(3, 4),
    "cnn": lambda: SmallCNN(1, 2),
    "mil": lambda: GatedAttentionMIL(5),
    "attention": lambda: nn.MultiheadAttention(8, 2),
    "embedding": lambda: nn.Embedding(5, 3),
    "orthogonal": lambda: nn.ParameterList([nn.init.trunc_normal_(torch.empty(4, 3)), torch.rand(2, generator=None)]),
}


@pytest.mark.parametrize("name", MODULES)
def test_shapes_are_those_of_modules_that_are_built(name: str) -> None:
    before = torch.random.get_rng_state()
    with shapes_alone():
        made = MODULES[name]()
    assert torch.equal(torch.random.get_rng_state(), before)
    wanted = {key: tuple(value.shape) for key, value in MODULES[name]().state_dict().items()}
    assert {key: tuple(value.shape) for key, value in made.state_dict().items()} == wanted
    assert {value.device.type for value in made.state_dict().values()} == {"meta"}


def test_neither_shapes_nor_the_prior_import_the_compiler_of_torch() -> None:
    script = (
        "import sys, torch\n"
        "from mmlego.encoders import SNN\n"
        "from mmlego.shaping import shapes_alone\n"
        "from mmlego.tasks import Classification\n"
        "from mmlego.tasks.prior import prior_logits\n"
        "from mmlego.baseplate import initial_shapes\n"
        "with shapes_alone(): SNN(5)\n"
        "initial_shapes({}, 2)\n"
        "prior_logits(Classification(2), torch.tensor([0, 1, 1]))\n"
        "print(sorted({'sympy', 'torch._dynamo'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
