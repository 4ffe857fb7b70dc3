"""What a run writes down."""

from __future__ import annotations

import io

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mmlego.training.run import history_frame, history_text

ROWS = st.lists(st.dictionaries(st.sampled_from(["train_loss", "validation_auroc"]), st.floats()), min_size=1)


@given(ROWS)
def test_the_text_of_a_history_gives_back_every_digit(rows: list[dict[str, float]]) -> None:
    numbered = [{"epoch": float(i), **row} for i, row in enumerate(rows)]
    text = history_text(numbered)
    assert text == history_frame(numbered).to_csv(index=False)
    read = pd.read_csv(io.StringIO(text), float_precision="round_trip")
    pd.testing.assert_frame_equal(read, history_frame(numbered), check_exact=True, check_dtype=False)
