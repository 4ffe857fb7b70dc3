"""A block under another name: a copy that answers the same, and whose card says what it was called."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmlego import Bundle, InputError, LegoBlock, load, rename, save
from mmlego.brick import Brick
from mmlego.sites import by_modality, is_name
from tests.bricks import plate, table_block
from tests.learners.cases import data


def test_it_is_a_copy_that_answers_the_same() -> None:
    block = table_block(plate(), "rna")
    other = rename(block, "rna@north")
    assert (other.modality, other.reads, block.modality, block.reads) == ("rna@north", "rna", "rna", "rna")
    x = torch.randn(3, 5)
    assert torch.equal(other(x).logits, block(x).logits)
    assert other.card.recipe["was called"] == "rna"
    assert "was called" not in block.card.recipe
    with torch.no_grad():
        other.latent.zero_()
    assert bool(block.latent.any())


def test_members_of_a_bundle_are_renamed_with_it(tmp_path: Path) -> None:
    told = data("classification")
    x, on = torch.from_numpy(told.x).float(), plate(told.task)
    members: dict[str, Brick] = {
        "logistic": LegoBlock.of("logistic", on, "labs", (x, told.target)),
        "neural": table_block(on, "labs", width=6),
    }
    bundle = Bundle(members)
    other = load(save(rename(bundle, "labs@a"), tmp_path / "block"))
    assert [member.modality for _, member in other.each()] == ["labs@a", "labs@a"]
    torch.testing.assert_close(other(x).logits, bundle(x).logits)
    assert "was called: labs" in (tmp_path / "block" / "README.md").read_text()


def test_the_same_name_is_no_news() -> None:
    assert "was called" not in rename(table_block(plate(), "rna"), "rna").card.recipe


@pytest.mark.parametrize("name", ["", "rna@", "@a", "a@b@c", "rna@ a", "rna@1.2", "keys"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(InputError, match="name of a"):
        rename(table_block(plate(), "rna"), name)


def test_what_is_no_block() -> None:
    with pytest.raises(InputError, match="only blocks have other names"):
        rename(plate(), "rna")  # type: ignore[type-var]


def test_names_tell_the_modality() -> None:
    assert by_modality(["b@x", "a", "b@y"]) == {"b": ("b@x", "b@y"), "a": ("a",)}
    assert is_name("a@b")
