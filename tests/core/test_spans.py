"""Spans as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opswatch.core.spans import parse_span, say_roughly, say_span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1 week", 604800),
        ("2 Hours 5 min", 7500),
        ("2小时", 7200),
    ],
)
def test_spans_are_read(text, seconds):
    assert parse_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "50ms", "soon", "5 parsecs", "-5m", "5m!", "99999999d"])
def test_what_is_no_span_is_refused_with_words(text):
    with pytest.raises(ValueError, match="span"):
        parse_span(text)


@given(st.integers(0, 3600 * 24 * 3000))
def test_a_span_reads_back_as_written(seconds):
    assert parse_span(say_span(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


def test_a_rough_span_has_two_units():
    assert say_roughly(timedelta(days=2, hours=3, minutes=9)) == "2d 3h"
    assert say_roughly(timedelta(0)) == "0s"
