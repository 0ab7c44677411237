"""What plugins print, read by the Nagios rules. The tables are those of the plugin guidelines and of real life."""

from __future__ import annotations

import pytest

from opswatch.hosts.plugin_output import PerfValue, parse_perfdata, parse_plugin_output


@pytest.mark.parametrize(
    ("text", "line", "long", "labels"),
    [
        ("DISK OK", "DISK OK", (), []),
        ("DISK OK | /=2643MB;5948;5958;0;5968", "DISK OK", (), ["/"]),
        (
            "DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n"
            "/ 15272 MB (77%);\n"
            "/boot 68 MB (69%);\n"
            "/var/log 819 MB (84%); | /boot=68MB;88;93;0;98\n"
            "/home=69357MB;253404;253409;0;253414\n"
            "/var/log=818MB;970;975;0;980",
            "DISK OK - free space: / 3326 MB (56%);",
            ("/ 15272 MB (77%);", "/boot 68 MB (69%);", "/var/log 819 MB (84%);"),
            ["/", "/boot", "/home", "/var/log"],
        ),
        ("OK | a=1\n| b=2", "OK", (), ["a", "b"]),
        ("OK\nmore |\nb=2 c=3", "OK", ("more",), ["b", "c"]),
        ("either|or", "either|or", (), []),
        ("one\ntwo|three\nfour | x=1", "one", ("two|three", "four"), ["x"]),
        ("a | b | c=1", "a", (), ["c"]),
        ("OK\r\nlong\r\n", "OK", ("long",), []),
        ("", "", (), []),
        ("| x=1", "", (), ["x"]),
    ],
)
def test_lines_and_bars(text: str, line: str, long: tuple[str, ...], labels: list[str]) -> None:
    output = parse_plugin_output(text)
    assert output.line == line
    assert output.long == long
    assert [item.label for item in output.perfdata] == labels


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("time=0.02s;1;2;0", PerfValue("time", 0.02, "s", "1", "2", 0.0)),
        ("'free space'=55%", PerfValue("free space", 55.0, "%")),
        ("'it''s'=1", PerfValue("it's", 1.0)),
        ("'a=b'=3c", PerfValue("a=b", 3.0, "c")),
        ("x=U", PerfValue("x", None)),
        ("x=U;1;2", PerfValue("x", None, "", "1", "2")),
        ("x=1e-05", PerfValue("x", 1e-05)),
        ("x=1.5E3ms", PerfValue("x", 1500.0, "ms")),
        ("x=-7;@10:20;~:5;;", PerfValue("x", -7.0, "", "@10:20", "~:5")),
        ("x=.5KiB;;;0;8", PerfValue("x", 0.5, "KiB", "", "", 0.0, 8.0)),
        ("x=5.", PerfValue("x", 5.0)),
        ("host::cpu=3", PerfValue("host::cpu", 3.0)),
        ("x=10µs", PerfValue("x", 10.0, "µs")),
        ("x=1;;;;;;", PerfValue("x", 1.0)),
        ("x=+3", PerfValue("x", 3.0)),
    ],
)
def test_one_value(text: str, wanted: PerfValue) -> None:
    assert parse_perfdata(text) == ((wanted,), ())


@pytest.mark.parametrize(
    "bad", ["x=1,5", "x=", "x=inf", "x=nan", "=5", "it's=5", "word", "x=;1;2", "'open=5", "x=1e999"]
)
def test_what_is_no_value_is_named_and_the_rest_is_read(bad: str) -> None:
    values, problems = parse_perfdata(f"a=1 {bad}\tb=2")
    assert [item.label for item in values] == ["a", "b"]
    assert problems == (bad,)


def test_labels_may_repeat_and_tabs_separate() -> None:
    values, problems = parse_perfdata("a=1\ta=2   a=3")
    assert [item.value for item in values] == [1.0, 2.0, 3.0]
    assert problems == ()


def test_a_flood_of_values_is_bounded() -> None:
    values, _ = parse_perfdata(" ".join(f"v{index}={index}" for index in range(5000)))
    assert len(values) == 1000
