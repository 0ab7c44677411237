"""Documents give back exactly the values they were made of, today's and tomorrow's."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opswatch.core import effects, model, state
from opswatch.stores import codec
from tests.stores.things import NOW, alert, incident, watch

SPANS = st.timedeltas(timedelta(days=-4_000), timedelta(days=4_000))
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-3, minutes=-30))])
EARLY, LATE = datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2200-01-01")
INSTANTS = st.datetimes(EARLY, LATE, timezones=ZONES)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
st.register_type_strategy(datetime, INSTANTS)
st.register_type_strategy(timedelta, SPANS)

STORED = [
    *(state.Alert, state.Incident, state.Silence, state.Override, state.Watch, state.Standing, state.DueStep),
    *(effects.Page, effects.Update, effects.Announce, effects.Entry, model.Verdict, model.Sample, model.Failure),
]


def values(kind: type) -> st.SearchStrategy[Any]:
    """Any value of a dataclass; free facts are JSON, and no float is the one that equals nothing."""
    free = {field.name for field in dataclasses.fields(kind) if "object" in str(field.type)}
    numbers = {field.name for field in dataclasses.fields(kind) if str(field.type) == "float"}
    given = dict.fromkeys(free, st.dictionaries(st.text(), JSON, max_size=3))
    given |= dict.fromkeys(numbers, st.floats(allow_nan=False))
    return st.builds(kind, **{field.name: given.get(field.name, ...) for field in dataclasses.fields(kind)})


st.register_type_strategy(model.Sample, values(model.Sample))


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.__name__)
@given(st.data())
def test_every_value_comes_back_equal(kind: type, data: st.DataObject):
    value = data.draw(values(kind))
    document = codec.encode(value)
    assert codec.decode(kind, document) == value
    assert document.isascii()


@given(st.text())
def test_every_text_fits_a_column(text: str):
    column = codec.to_column(text)
    assert codec.from_column(column) == text
    assert "\x00" not in column
    column.encode("utf-8")


@given(st.text(), st.text())
def test_different_texts_are_different_columns(one: str, two: str):
    assert (codec.to_column(one) == codec.to_column(two)) == (one == two)


def test_names_as_people_write_them_stay_readable_in_columns():
    for name in ("disk-space/db-main//var/lib", "磁盘/主机", "C:\\data"):
        assert codec.to_column(name) == name


@given(INSTANTS)
def test_instants_are_whole_microseconds(at: datetime):
    assert codec.from_us(codec.to_us(at)) == at


def test_containers_come_back_as_the_frozen_kinds_they_were():
    found = codec.decode(state.Incident, codec.encode(incident()))
    assert isinstance(found.paged, tuple)
    assert isinstance(found.paged[0], tuple)
    assert isinstance(found.steps[0], state.DueStep)
    assert found.priority is model.Priority.P1
    assert found.opened_at.tzinfo is UTC
    assert codec.decode(state.Watch, codec.encode(watch())).memory == b"\x00\xff offset 17"


def test_what_is_as_by_default_is_not_written():
    assert json.loads(codec.encode(state.Standing(incident_last=3))) == {"incident_last": 3}


def test_fields_of_a_newer_release_are_passed_over_and_missing_ones_take_their_default():
    document = json.loads(codec.encode(alert()))
    document["from_tomorrow"] = {"x": 1}
    del document["quiet"]
    assert codec.decode(state.Alert, json.dumps(document)) == alert(quiet=None)


@pytest.mark.parametrize("document", ["{}", "[]", "null", '{"check": 1}', "{"])
def test_a_document_of_something_else_is_refused(document: str):
    with pytest.raises(ValueError, match=r"not a Alert|Expecting"):
        codec.decode(state.Alert, document)


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        codec.encode(alert(wake_at=NOW.replace(tzinfo=None)))
    with pytest.raises(ValueError, match="no time zone"):
        codec.to_us(NOW.replace(tzinfo=None))


def test_a_type_that_has_no_json_form_is_named():
    @dataclasses.dataclass
    class Odd:
        keyed: Mapping[int, str]

    with pytest.raises((TypeError, NameError)):
        codec.encode(Odd({1: "x"}))
