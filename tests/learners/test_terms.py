"""Runs of codes and surroundings of nodes: counted by hand, in any order of nodes, and back from a file."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlego import Baseplate, FittedBlock, InputError, LegoBlock, Ragged, ShapeError, load, save
from mmlego.learners.rows import Rows
from mmlego.learners.subtrees import Subtrees, few_valued, subtrees_of
from mmlego.learners.terms import Runs, counted, longest_of, runs_of, vocabulary
from mmlego.nn.graphs import Graph, Graphs
from mmlego.tasks import Classification

PAIRS = [(0, 1), (1, 2), (2, 3), (1, 3)]


def both_ways(pairs: list[tuple[int, int]]) -> torch.Tensor:
    return torch.tensor([*pairs, *[(b, a) for a, b in pairs]], dtype=torch.int64).reshape(-1, 2).T


def test_runs_are_counted_as_by_hand() -> None:
    """0 1 0 1: two of 0, two of 1, two of 0 1, one of 1 0, 0 1 0, 1 0 1 and 0 1 0 1."""
    codes = Ragged.from_list([torch.tensor([0, 1, 0, 1])])
    rows = Rows.of(codes)
    assert (rows.form, rows.columns) == ("runs", 7)
    # As numbers of base 3 with digits 1 and 2: 1, 2, 12, 21, 121, 212, 1212.
    assert rows.config()["terms"] == {"codes": 2, "longest": 4, "terms": [1, 2, 5, 7, 16, 23, 50], "patients": 1}
    assert rows(codes).expm1().round().tolist() == [[2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]]
    assert rows(codes).dtype == torch.float64


def test_runs_stay_within_a_patient_and_those_never_seen_are_ignored() -> None:
    rows = Rows.of(Ragged.from_list([torch.tensor([0, 1])] * 3))
    alike = rows(Ragged.from_list([torch.tensor([1, 0]), torch.tensor([1, 5, 1]), torch.zeros(0, dtype=torch.int64)]))
    assert alike.expm1().round().tolist() == [[1.0, 1.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]


def test_a_mask_and_a_ragged_are_the_same() -> None:
    bags = [torch.tensor([0, 1, 1]), torch.tensor([1])]
    padded = torch.tensor([[0, 1, 1], [1, 9, 9]])
    mask = torch.tensor([[True, True, True], [True, False, False]])
    rows = Rows.of(Ragged.from_list(bags))
    assert torch.equal(rows(Ragged.from_list(bags)), rows(padded, mask))


@given(st.lists(st.lists(st.integers(0, 5), max_size=8), min_size=1, max_size=5), st.integers(1, 4))
def test_runs_are_those_of_a_plain_count(texts: list[list[int]], longest: int) -> None:
    bags = Ragged.from_list([torch.tensor(text, dtype=torch.int64) for text in texts])
    terms, owner = runs_of(bags, None, 6, longest)
    found = Counter(zip(owner.tolist(), terms.tolist(), strict=True))
    wanted: Counter[tuple[int, int]] = Counter()
    for who, text in enumerate(texts):
        for n, start in itertools.product(range(1, longest + 1), range(len(text))):
            if start + n <= len(text):
                wanted[who, int("".join(str(code + 1) for code in text[start : start + n]), 7)] += 1
    assert found == wanted


def test_the_vocabulary_is_of_what_enough_patients_have() -> None:
    terms, owner = torch.tensor([4, 4, 4, 5, 5, 5, 6, 6]), torch.tensor([0, 0, 0, 0, 1, 2, 0, 1])
    assert vocabulary(terms, owner, fewest=3).tolist() == [5]
    assert vocabulary(terms, owner, fewest=2, most=1).tolist() == [5]
    assert vocabulary(terms, owner, fewest=9).tolist() == []
    assert counted(torch.tensor([9]), torch.tensor([0]), torch.tensor([4]), 1).tolist() == [[0.0]]


def test_what_fewer_patients_have_than_asked_for_is_no_term() -> None:
    x = Ragged.from_list([torch.tensor([0, 1])] * 4 + [torch.tensor([2])] * 3)
    asked = {least: Rows.of(x, least=least).config()["terms"] for least in (1, 4, 5)}
    assert (asked[1]["terms"], asked[1]["patients"]) == ([1, 2, 3, 6], 3)  # base 4: 0 1 is 1 · 4 + 2
    assert (asked[4]["terms"], asked[4]["patients"]) == ([1, 2, 6], 4)
    assert asked[5]["terms"] == [1]  # a run there is not: of it nothing can be told
    graphs = Graphs.from_list([Graph(torch.ones(2, 1), both_ways([(0, 1)]))] * 4)
    kept = Subtrees.of([graphs], least=4)
    assert kept is not None
    assert (len(kept.terms), kept.patients) == (3, 4)
    assert Subtrees.of([graphs], least=5) is None
    with pytest.raises(InputError, match="patients who have a term: expected a whole number ≥ 0, got -1"):
        Runs(2, 1, [1], patients=-1)


def test_single_codes_go_before_longer_runs() -> None:
    text = torch.arange(1100)
    whole = Rows.of(text.expand(3, -1)).config()["terms"]
    assert whole["terms"] == list(range(1, 1101))  # all words, no room for runs
    short = Rows.of(text[:1000].expand(3, -1)).config()["terms"]
    assert len(short["terms"]) == 1024
    assert short["terms"][:1000] == list(range(1, 1001))
    rare = Rows.of(torch.tensor([[0, 1], [0, 2], [0, 3]])).config()["terms"]
    assert rare["terms"] == [1]  # what only one has is left out
    alone = Rows.of(torch.tensor([[0, 1]])).config()["terms"]
    assert alone["terms"] == [1, 2, 5]  # of so few that nothing is common, all


def test_a_large_vocabulary_has_shorter_runs() -> None:
    assert [longest_of(codes) for codes in (1, 1000, 100_000)] == [4, 4, 3]
    terms, _ = runs_of(torch.full((1, 3), 99_999), None, 100_000, 3)
    assert terms.tolist()[-1] == sum(100_000 * 100_001**power for power in range(3))
    with pytest.raises(InputError, match="1 to 3"):
        Runs(100_000, 4, [1])


def test_damaged_vocabularies_are_refused() -> None:
    for terms in ([], [2, 1], [1.5], [-1]):
        with pytest.raises(InputError, match="ascend"):
            Runs(2, 1, terms)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="terms of rows"):
        Rows("runs", 3)
    with pytest.raises(InputError, match="terms of rows"):
        Rows("flat", 3, terms={"codes": 2, "longest": 1, "terms": [1]})


def triangle_and_path() -> Graphs:
    nodes = torch.tensor([[0.0], [0.0], [1.0]])
    ring, path = both_ways([(0, 1), (1, 2), (2, 0)]), both_ways([(0, 1), (1, 2)])
    return Graphs.from_list([Graph(nodes, ring), Graph(nodes, path)])


def test_surroundings_are_counted_as_by_hand() -> None:
    """Kinds a a b. Radius 1, ring: a(ab), a(ab), b(aa). Path: a(a), a(ab), b(a): five kinds, a(ab) in both."""
    graphs = triangle_and_path()
    terms, owner = subtrees_of(graphs, [0], [], 1)
    radius = torch.arange(2).repeat_interleave(6)
    for zero, wanted in ((0, [{2, 1}, {2, 1}]), (1, [{2, 1}, {1}])):
        chosen = radius == zero
        for who in range(2):
            assert set(Counter(terms[chosen & (owner == who)].tolist()).values()) == wanted[who]
    assert len(terms[radius == 0].unique()) == 2
    assert len(terms[radius == 1].unique()) == 4  # a(ab) is in both graphs
    shared = set(terms[(owner == 0) & (radius == 1)].tolist()) & set(terms[(owner == 1) & (radius == 1)].tolist())
    assert len(shared) == 1


def test_kinds_of_edges_tell_surroundings_apart() -> None:
    nodes, edges = torch.zeros(2, 1), both_ways([(0, 1)])
    graphs = Graphs.from_list([Graph(nodes, edges, torch.full((2, 1), kind)) for kind in (0.0, 1.0)])
    assert len(subtrees_of(graphs, [0], [0], 0)[0].unique()) == 1
    assert len(subtrees_of(graphs, [0], [0], 1)[0].unique()) == 3
    assert len(subtrees_of(graphs, [0], [], 1)[0].unique()) == 2


@settings(max_examples=40)
@given(st.permutations(range(4)), st.permutations(range(8)), st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_the_order_of_nodes_and_edges_does_not_matter(
    order: list[int], edge_order: list[int], kinds: list[int]
) -> None:
    nodes, edges = torch.tensor(kinds)[:, None].float(), both_ways(PAIRS)
    links = torch.tensor([[0.0], [1.0], [0.0], [2.0]]).repeat(2, 1)
    new = torch.empty(4, dtype=torch.int64)
    new[torch.tensor(order)] = torch.arange(4)
    turned = Graph(nodes[order], new[edges][:, edge_order], links[edge_order])
    one = subtrees_of(Graphs.from_list([Graph(nodes, edges, links)]), [0], [0], 2)[0]
    other = subtrees_of(Graphs.from_list([turned]), [0], [0], 2)[0]
    assert one.sort().values.tolist() == other.sort().values.tolist()


def test_measurements_are_no_kinds() -> None:
    torch.manual_seed(0)
    values = torch.cat([torch.randn(40, 1), torch.randint(3, (40, 1)).float()], 1)
    assert few_valued([values[:20], values[20:]]) == [1]
    edges = both_ways([(0, 1)])
    bare = Graphs.from_list([Graph(part, edges) for part in values[:, :1].split(20)])
    assert Subtrees.of([bare]) is None
    assert Rows.of(bare).form == "pooled"


def test_rows_of_graphs_are_pooled_nodes_and_surroundings() -> None:
    graphs = triangle_and_path()
    rows = Rows.of(graphs)
    found = rows(graphs)
    assert rows.form == "subtrees"
    assert found.shape == (2, rows.columns)
    assert torch.equal(found[:, :5], Rows("pooled", 1)(graphs))
    assert found[:, 5:].expm1().round().sum(1).tolist() == [9.0, 9.0]  # three nodes, three radii
    with pytest.raises(ShapeError, match="Graphs"):
        rows(Ragged(graphs.values, graphs.sizes))
    with pytest.raises(ShapeError, match="of edges"):
        rows(Graphs.from_list([Graph(torch.zeros(2, 1), both_ways([(0, 1)]), torch.zeros(2, 1))]))


@pytest.mark.parametrize("parts", [[0, 40], [0, 13, 40]])
def test_rows_do_not_hang_on_parts(parts: list[int]) -> None:
    torch.manual_seed(0)
    codes = torch.randint(4, (40, 6))
    graphs = [Graph(torch.randint(3, (4, 1)).float(), both_ways(PAIRS)) for _ in range(40)]
    spans = list(itertools.pairwise(parts))
    assert Rows.of_parts([(codes[a:b], None) for a, b in spans]).config() == Rows.of(codes).config()
    cut = [(Graphs.from_list(graphs[a:b]), None) for a, b in spans]
    assert Rows.of_parts(cut).config() == Rows.of(Graphs.from_list(graphs)).config()


@pytest.mark.parametrize("kind", ["codes", "graphs"])
def test_bricks_come_back_from_files(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    target = torch.arange(60) % 2
    if kind == "codes":
        x: Ragged = Ragged.from_list([torch.randint(3, (5 + int(y),)) for y in target])
    else:
        pairs = [[*PAIRS[:3], *([(1, 3)] if y else [])] for y in target.tolist()]
        x = Graphs.from_list([Graph(torch.randint(2, (4, 1)).float(), both_ways(edges)) for edges in pairs])
    brick = LegoBlock.of("logistic", Baseplate(Classification(2)), kind, (x, target))
    again = load(save(brick, tmp_path / "brick"))
    assert isinstance(brick, FittedBlock)
    assert isinstance(again, FittedBlock)
    assert again.rows.config() == brick.rows.config() == json.loads(json.dumps(brick.rows.config()))
    assert torch.allclose(again.logits(x), brick.logits(x), atol=1e-6)
    assert torch.allclose(again.logits(x[[3]]), brick.logits(x)[[3]], atol=1e-6)  # alone as among others
