"""Bad input of blocks and models, as a table: each case gets one clear error, and never another exception.

How blocks, plates and models can be made wrongly stands in ``test_bad_parts.py``; the bad input of tasks, data,
checkpoints and training in their own tests.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mmlego import InputError, LegoBlock, LegoError, LegoFuse, LegoMerge, Ragged, ShapeError, UnknownNameError
from mmlego.encoders import SNN, GatedAttentionMIL, GRUEncoder, PatchMLP
from tests.bricks import plate
from tests.cases import Case, assert_refused, by_name

ON = plate()
TABLE = LegoBlock(SNN(5), ON, "rna").eval()
BAGS = LegoBlock(PatchMLP(4, 6, 6), ON, "slide").eval()
SERIES = LegoBlock(GRUEncoder(3, 6), ON, "vitals").eval()
POOLED = LegoBlock(GatedAttentionMIL(4, 6), ON, "pooled").eval()
FOREIGN = LegoBlock(nn.Sequential(nn.Linear(5, 6), nn.ReLU()), ON, "foreign", out_features=6).eval()
DOUBLE = LegoBlock(SNN(5), ON, "dbl").double().eval()
MERGE = LegoMerge([TABLE, BAGS, SERIES]).eval()

NAN, INF = math.nan, math.inf
X, BAG, SERIAL = torch.randn(3, 5), torch.randn(3, 4, 4), torch.randn(3, 6, 3)
WHOLE: dict[str, Any] = {"rna": X, "slide": BAG, "vitals": SERIAL}
ALL, MASK = torch.ones(3, dtype=torch.bool), torch.ones(3, 4, dtype=torch.bool)
NOT_SECOND = torch.tensor([True, False, True])


def spoilt(x: Tensor, *values: float) -> Tensor:
    """Return x with values put in from its eighth number on."""
    x = x.clone()
    x.view(-1)[7 : 7 + len(values)] = torch.tensor(values)
    return x


FEATURES = [
    Case("NaN in a table", lambda: TABLE(spoilt(X, NAN)), InputError, r"'rna' .*1 NaN.*first at \[1, 2\].*Impute"),
    Case("infinity in a table", lambda: TABLE(spoilt(X, INF)), InputError, "'rna' holds values that are not finite"),
    Case("infinities that cancel", lambda: TABLE(spoilt(X, INF, -INF)), InputError, "not finite.*2 NaN or infinite"),
    Case("NaN in a bag", lambda: BAGS(spoilt(BAG, NAN)), InputError, r"'slide'.*first at \[0, 1, 3\]"),
    Case("NaN in a Ragged", lambda: BAGS(Ragged(spoilt(BAG[0], NAN), [1, 3])), InputError, r"first at \[1, 3\]"),
    Case("NaN in a real token", lambda: BAGS(spoilt(BAG, NAN), MASK), InputError, "not finite"),
    Case("infinity where NaN is allowed", lambda: SERIES(spoilt(SERIAL, -INF)), InputError, "not finite"),
    Case(
        "huge in a table",
        lambda: TABLE(spoilt(X, -1e30)),
        InputError,
        r"'rna' holds values so large .*numbers below 1\.8e\+12 in size, got 1e\+30 in size, the first at \[1, 2\]",
    ),
    Case("huge in a bag", lambda: BAGS(spoilt(BAG, 3e38, 1e13)), InputError, r"'slide'.*so large.*3e\+38.*\[0, 1, 3\]"),
    Case("huge in a Ragged", lambda: POOLED(Ragged(spoilt(BAG[0], 1e20), [1, 3])), InputError, "'pooled'.*so large"),
    Case("huge where NaN is allowed", lambda: SERIES(spoilt(SERIAL, NAN, 1e30)), InputError, r"so large.*\[0, 2, 2\]"),
    Case("huge in a foreign encoder", lambda: FOREIGN(spoilt(X, 1e30)), InputError, "'foreign'.*so large"),
    Case("huge in double precision", lambda: DOUBLE(1e200 * X.double()), InputError, r"'dbl'.*1\.3e\+147"),
    Case("empty bag in a Ragged", lambda: BAGS(Ragged(BAG[0], [4, 0])), InputError, "empty bag.*in sample 1.*present="),
    Case("empty bag by mask", lambda: BAGS(BAG, MASK & ~ALL[:, None]), InputError, "'slide' has an empty bag"),
    Case("empty bags by shape", lambda: BAGS(torch.zeros(2, 0, 4)), InputError, "empty bag.*none in sample 0, 1"),
    Case("empty bag for pooling", lambda: POOLED(Ragged(BAG[0], [4, 0])), InputError, "'pooled' has an empty bag"),
    Case("empty batch", lambda: TABLE(X[:0]), InputError, "'rna' has no samples"),
    Case("empty Ragged", lambda: BAGS(Ragged(BAG[0, :0], [])), InputError, "'slide' has no samples"),
    Case(
        "table too wide", lambda: TABLE(torch.randn(3, 6)), ShapeError, r"'rna' .*wrong width.*5 features, got 6.*order"
    ),
    Case("bag too wide", lambda: BAGS(Ragged(torch.randn(4, 5), [4])), ShapeError, "expected 4 features, got 5"),
    Case("foreign too wide", lambda: FOREIGN(torch.randn(3, 6)), ShapeError, r"'foreign'.*\(3, 6\); the encoder says"),
    Case("integers", lambda: TABLE(X.long()), InputError, r"'rna' .*dtype.*float32.*int64.*x\.float\(\)"),
    Case("double precision", lambda: TABLE(X.double()), InputError, "cannot take this dtype.*float64"),
    Case("double for a GRU", lambda: SERIES(SERIAL.double()), InputError, "cannot take this dtype.*float64"),
    Case("complex", lambda: TABLE(X + 0j), InputError, "cannot take this dtype.*complex64"),
    Case("an array", lambda: TABLE(X.numpy()), InputError, "'rna' is not a tensor.*got ndarray.*torch.as_tensor"),
    Case("a list", lambda: BAGS([BAG[0], BAG[1]]), InputError, "'slide' is not a tensor.*got list"),
    Case("nothing", lambda: TABLE(None), InputError, "'rna' is not a tensor.*got NoneType"),
    Case("a scalar", lambda: TABLE(torch.tensor(1.0)), ShapeError, "'rna' has no batch dimension"),
    Case("one row without batch", lambda: TABLE(X[0]), ShapeError, "'rna' does not give tokens"),
    Case("one dimension more", lambda: BAGS(BAG[None]), ShapeError, r"does not give tokens.*got shape \(1, 3, 4, 6\)"),
]

MASKS = [
    Case("shorter", lambda: BAGS(BAG, MASK[:, :3]), ShapeError, r"mask of modality 'slide'.*\(3, 4\).*\(3, 3\)"),
    Case("of another batch", lambda: BAGS(BAG, MASK[:2]), ShapeError, "mask of modality 'slide' does not fit"),
    Case("for one sample", lambda: BAGS(BAG, MASK[0]), ShapeError, "mask of modality 'slide' does not fit"),
    Case("of floats", lambda: BAGS(BAG, MASK.float()), ShapeError, r"does not fit.*torch.float32 of shape \(3, 4\)"),
    Case("of integers", lambda: BAGS(BAG, MASK.long()), ShapeError, "does not fit.*torch.int64"),
    Case("a list", lambda: BAGS(BAG, MASK.tolist()), InputError, "not a tensor.*Tensor and list"),
    Case("of a table", lambda: TABLE(X, torch.ones(3, 5) > 0), ShapeError, "mask of modality 'rna' does not fit"),
    Case("a scalar", lambda: BAGS(BAG, torch.tensor(True)), ShapeError, "does not fit"),
    Case("of a Ragged", lambda: BAGS(Ragged(BAG[0], [4]), MASK[:1]), InputError, "Ragged with a mask.*got both"),
]

STARTS = [
    Case(
        "of other width",
        lambda: TABLE(X, start=torch.zeros(6, 9)),
        ShapeError,
        r"\(6, 8\) or \(3, 6, 8\), got \(6, 9\)",
    ),
    Case("of other batch", lambda: TABLE(X, start=torch.zeros(2, 6, 8)), ShapeError, "start does not fit the latent"),
    Case("no tensor", lambda: TABLE(X, start="zero"), ShapeError, "start does not fit the latent.*got str"),
    Case("NaN", lambda: TABLE(X, start=torch.full((6, 8), NAN)), InputError, "start is not finite"),
]

BATCHES = [
    Case("stranger", lambda: MERGE({"rna": X, "mri": X}), UnknownNameError, r"modality.*\('rna', 'slide', .*got 'mri'"),
    Case("stranger in present", lambda: MERGE(WHOLE, {"mri": ALL}), UnknownNameError, "unknown modality.*got 'mri'"),
    Case("unknown block", lambda: MERGE.block("mri"), UnknownNameError, "unknown modality.*got 'mri'"),
    Case("no modality", lambda: MERGE({}), InputError, r"no modality is present.*one of \('rna', 'slide', 'vitals'\)"),
    Case("every one None", lambda: MERGE({"rna": None, "slide": None}), InputError, "no modality is present"),
    Case(
        "a sample without",
        lambda: MERGE(WHOLE, dict.fromkeys(WHOLE, NOT_SECOND)),
        InputError,
        "none for sample 1. Drop",
    ),
    Case("a sample without what is given", lambda: MERGE({"rna": X}, {"rna": NOT_SECOND}), InputError, "for sample 1"),
    Case("all absent", lambda: MERGE(WHOLE, dict.fromkeys(WHOLE, ~ALL)), InputError, "no modality at all.*0, 1, 2"),
    Case("present but not given", lambda: MERGE({"rna": X}, {"slide": ALL}), InputError, "'slide' is marked present"),
    Case("batches disagree", lambda: MERGE({"rna": X, "slide": BAG[:2]}), ShapeError, "disagree.*'rna': 3, 'slide': 2"),
    Case(
        "present disagrees", lambda: MERGE({"rna": X}, {"rna": ALL[:2]}), ShapeError, r"disagree.*present\['rna'\].*2"
    ),
    Case(
        "present of integers", lambda: MERGE(WHOLE, {"rna": ALL.long()}), ShapeError, r"present\['rna'\].*torch.int64"
    ),
    Case("present too deep", lambda: MERGE(WHOLE, {"rna": ALL[None]}), ShapeError, r"present\['rna'\].*\(1, 3\)"),
    Case("present for all", lambda: MERGE(WHOLE, {"rna": True}), ShapeError, r"present\['rna'\].*got bool"),
    Case("present a list", lambda: MERGE(WHOLE, {"rna": [True, True, False]}), ShapeError, "got list"),
    Case("present no mapping", lambda: MERGE(WHOLE, ALL), InputError, "present of a model: expected a mapping"),
    Case("inputs no mapping", lambda: MERGE(X), InputError, "inputs of a model: expected a mapping.*got Tensor"),
    Case("empty batch", lambda: MERGE({"rna": X[:0]}), InputError, "the batch has no samples"),
    Case("an array", lambda: MERGE({"rna": X.numpy()}), InputError, "'rna' is not a tensor"),
    Case("three things", lambda: MERGE({"slide": (BAG, MASK, MASK)}), InputError, "'slide' is not a tensor.*got tuple"),
    Case(
        "short mask, gaps",
        lambda: MERGE({**WHOLE, "slide": (BAG, MASK[:1])}, {"slide": NOT_SECOND}),
        ShapeError,
        "mask of modality 'slide' does not fit",
    ),
    Case(
        "NaN", lambda: MERGE({**WHOLE, "rna": spoilt(X, NAN)}, {"slide": NOT_SECOND}), InputError, "'rna'.*not finite"
    ),
    Case("huge", lambda: MERGE({**WHOLE, "rna": spoilt(X, 1e30)}), InputError, "'rna'.*so large"),
    Case("NaN for predict", lambda: MERGE.predict({"rna": spoilt(X, NAN)}), InputError, "'rna'.*not finite"),
    Case("wrong width", lambda: MERGE({**WHOLE, "rna": X[:, :4]}), ShapeError, "'rna' has the wrong width"),
]

CASES = by_name({"features": FEATURES, "mask": MASKS, "start": STARTS, "batch": BATCHES})


@pytest.mark.parametrize("name", CASES)
def test_bad_input_gets_one_clear_error(name: str) -> None:
    assert_refused(CASES[name])


# --- whatever comes: an answer that is finite, or one error of ours

shapes = st.lists(st.integers(0, 5), max_size=4)
fillers = st.sampled_from([0.0, 1.0, NAN, INF, 1e30])
dtypes = st.sampled_from([torch.float32, torch.float64, torch.float16, torch.int64, torch.bool, torch.complex64])
odd = st.sampled_from([None, 3, "x", [1.0], {}, (), Ragged(torch.ones(5, 4), [2, 3])])


@st.composite
def anything(draw: st.DrawFn) -> Any:
    """Tensors of any shape, dtype and content, other things, and pairs of them."""
    tensor = torch.full(draw(shapes), draw(fillers))
    one = draw(st.sampled_from([tensor.nan_to_num(0.0, 1.0).to(draw(dtypes)), tensor, X, BAG, draw(odd)]))
    return (one, draw(st.sampled_from([MASK, MASK[:2], tensor, None, 3]))) if draw(st.booleans()) else one


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from([*WHOLE, "mri"]), anything()), st.data())
def test_whatever_comes_gets_a_finite_answer_or_one_error(inputs: dict[str, Any], data: st.DataObject) -> None:
    flags = st.sampled_from([ALL, NOT_SECOND, ALL[:1], ALL.float(), True, None])
    present = data.draw(st.dictionaries(st.sampled_from(list(WHOLE)), flags, max_size=2))
    for model in (MERGE, LegoFuse([TABLE, BAGS, SERIES]).eval()):
        try:
            answer = model(inputs, present)
        except LegoError:
            continue
        assert torch.isfinite(answer).all()


@settings(max_examples=150)
@given(st.sampled_from([TABLE, BAGS, SERIES, POOLED, FOREIGN]), anything(), anything())
def test_whatever_comes_to_a_block(block: LegoBlock, x: Any, mask: Any) -> None:
    try:
        answer = block(x, mask).logits
    except LegoError:
        return
    assert torch.isfinite(answer).all()


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_features_just_not_too_large_get_a_finite_answer(name: str) -> None:
    for value in (1e12, -1e12):
        inputs = {**WHOLE, name: spoilt(WHOLE[name], value)}
        assert torch.isfinite(MERGE(inputs)).all()
        assert torch.isfinite(torch.view_as_real(MERGE.spectrum(inputs))).all()
