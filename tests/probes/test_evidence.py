"""What is shown of what was seen holds no secrets and no surprises."""

from __future__ import annotations

import pytest

from opswatch.hosts.evidence import bounded, printable, redacted, say_bytes, without


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("login failed: password=hunter2", "hunter2"),
        ("DB_PASSWORD: 'hunter2 with blanks'", "hunter2"),
        ('{"api_key": "abc123", "user": "bo"}', "abc123"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("authorization=Basic Ym86Yg==", "Ym86Yg"),
        ("Set-Cookie: session=abc; Path=/", "abc"),
        ("connecting to postgresql://bo:hunter2@db/x", "hunter2"),
        ("mysqldump --password hunter2 db", "hunter2"),
        ("key AKIAIOSFODNN7EXAMPLE used", "IOSFODNN"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJzdWIiOiIxIn0"),
        ("-----BEGIN RSA PRIVATE KEY-----MIIE", "MIIE"),
        ("secret_token=abc123xyz", "abc123xyz"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(line: str, secret: str) -> None:
    assert secret not in redacted(line)
    assert "***" in redacted(line)


@pytest.mark.parametrize("line", ["4 of 97 connections", "tokens left: 12", "passwords: none", "the secretary called"])
def test_ordinary_words_stay(line: str) -> None:
    assert redacted(line) == line


def test_named_secrets_are_hidden_longest_first() -> None:
    assert without("abcdef abc", ["abc", "abcdef"]) == "*** ***"


def test_a_line_is_printable_and_bounded() -> None:
    line = printable("\x1b[31m\x00red\u2028" + "x" * 1000)
    assert len(line) == 400
    assert line.endswith("…")
    assert line.isprintable()


def test_evidence_says_how_much_is_missing() -> None:
    lines = bounded(f"line {index}" for index in range(50))
    assert len(lines) == 20
    assert lines[-1] == "… and 31 more lines"


def test_sizes_are_said_as_df_says_them() -> None:
    assert [say_bytes(size) for size in (0, 1023, 1024, 3.1 * 1024**3)] == ["0 B", "1023 B", "1.0 KiB", "3.1 GiB"]
