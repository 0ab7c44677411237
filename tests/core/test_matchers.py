"""Alertmanager's matchers: what its own parsers make of the same texts (compat, matcher/parse and pkg/labels)."""

from __future__ import annotations

import pytest

from opswatch.core.external import fingerprint
from opswatch.core.matchers import matches_nothing_at_all, read_matcher, read_matchers, say_matcher
from opswatch.core.matching import fullmatch, matchers_hold

ONE = {
    "foo=bar": ("foo", "=", "bar"),
    "foo = bar": ("foo", "=", "bar"),
    ' foo != "bar baz" ': ("foo", "!=", "bar baz"),
    "foo=~ba.*": ("foo", "=~", "ba.*"),
    "foo!~ba.*": ("foo", "!~", "ba.*"),
    "foo=": ("foo", "=", ""),
    'foo=""': ("foo", "=", ""),
    # only the old grammar reads these
    "foo=bar baz": ("foo", "=", "bar baz"),
    "foo=bar,baz": ("foo", "=", "bar,baz"),
    "foo=a=b": ("foo", "=", "a=b"),
    r"foo=\d": ("foo", "=", r"\d"),
    "foo=~(a|b)": ("foo", "=~", "(a|b)"),
    r'foo="\d+"': ("foo", "=", r"\d+"),
    "foo=~it's": ("foo", "=~", "it's"),
    "foo=bar\\": ("foo", "=", "bar\\"),
    # escapes
    r'foo="a\"b"': ("foo", "=", 'a"b'),
    r'foo="a\nb"': ("foo", "=", "a\nb"),
    r'foo="a\\b"': ("foo", "=", r"a\b"),
    # the two disagree: the old one wins
    r'foo="a\tb"': ("foo", "=", r"a\tb"),
    # only the new grammar reads these
    "日志=满": ("日志", "=", "满"),
    '"foo bar"=baz': ("foo bar", "=", "baz"),
    r'"foo\"bar"="\u78c1盘"': ('foo"bar', "=", "磁盘"),
    "foo.bar=baz": ("foo.bar", "=", "baz"),
    "🙂=🙂": ("🙂", "=", "🙂"),
    r'"a"="\t"': ("a", "=", "\t"),
    r'"a"="\xe7\xa3\x81"': ("a", "=", "磁"),
    r'"a"="\101"': ("a", "=", "A"),
}


@pytest.mark.parametrize("text", ONE)
def test_one_matcher_is_read(text):
    assert read_matcher(text) == ONE[text]
    assert read_matcher(say_matcher(ONE[text])) == ONE[text]


@pytest.mark.parametrize(
    "text",
    ["", "foo", "=bar", "{foo=bar}", "{foo=bar", "foo=bar}", 'foo="bar', 'foo=b"ar', 'foo="b"ar"', "foo bar=baz",
     '"foo=bar', "日志", "日志=", '"a"="\\xff"', '"a"="\\ud800"', '"a"="\\q"', "foo!bar", "日志=a b", "x" * 20_000],
)  # fmt: skip
def test_what_is_no_matcher_is_refused_in_words(text):
    with pytest.raises(ValueError, match=r"."):
        read_matcher(text)


LISTS = {
    "": (),
    "{}": (),
    "foo=bar": (("foo", "=", "bar"),),
    "{foo=bar,}": (("foo", "=", "bar"),),
    '{foo="a,b", bar!~"c}"}': (("foo", "=", "a,b"), ("bar", "!~", "c}")),
    "foo=bar, baz!=qux,": (("foo", "=", "bar"), ("baz", "!=", "qux")),
    '{"磁 盘"="满",a=~"b.*"}': (("磁 盘", "=", "满"), ("a", "=~", "b.*")),
    "{foo=bar": (("foo", "=", "bar"),),  # the old one does not look whether braces pair
    'foo="{bar}"': (("foo", "=", "{bar}"),),
}


@pytest.mark.parametrize("text", LISTS)
def test_a_list_is_read(text):
    assert read_matchers(text) == LISTS[text]


@pytest.mark.parametrize("text", ["{日志=满", "日志=满}", "foo=bar,,baz=qux", "foo=bar,baz", "日志=满 a=b", "," * 3])
def test_what_is_no_list_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        read_matchers(text)


def test_a_missing_label_is_an_empty_one():
    assert matchers_hold(read_matchers('foo=""'), {"a": "b"})
    assert matchers_hold(read_matchers('foo!="x"'), {"a": "b"})
    assert not matchers_hold(read_matchers('foo=~".+"'), {"a": "b"})
    assert matchers_hold(read_matchers('foo=~"b|"'), {"a": "b"})
    assert not matchers_hold(read_matchers('foo=~"b"'), {"foo": "abc"})  # anchored at both ends


@pytest.mark.parametrize(("text", "everything"), [("a=b", False), ('a=""', True), ("a!=b", True), ("a=~.*", True),
                                                  ("a=~.+", False), ("a!~.+", True), ("a!~.*", False)])  # fmt: skip
def test_what_would_silence_everything_is_known(text, everything):
    assert matches_nothing_at_all(read_matcher(text), fullmatch) is everything


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"name": "garland, briggs", "fear": "love is not enough"}, "507a62d79ee76c9a"),
        ({}, "cbf29ce484222325"),
        ({"alertname": "HighCPU", "instance": "db1:9100", "severity": "P1"}, "e9365966377b9aac"),
        ({"alertname": "磁盘满", "host": "订单库-01"}, "8b39bf14b1cc962e"),
        ({"alertname": "DiskFull", "instance": "db1"}, "353eae6a3b60c986"),  # as Alertmanager 0.25 answered
    ],
)
def test_fingerprints_are_those_of_prometheus(labels, expected):
    assert fingerprint(labels) == expected
