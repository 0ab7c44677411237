"""The two channels that need no account: a terminal and a file."""

from __future__ import annotations

import io
import json
import sys
import threading
from multiprocessing import get_context

import pytest

from opswatch.channels import console, file
from opswatch.errors import DeliveryError
from tests.channels.messages import page


class Terminal(io.StringIO):
    def isatty(self):
        return True


def on_terminal(monkeypatch, message, **config):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    console.Channel(console.Config(**config)).send(message, "bo")
    return screen.getvalue()


def test_a_page_on_a_terminal_shows_its_title_in_the_colour_of_its_priority(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    card = on_terminal(monkeypatch, page())
    assert "\x1b[1;31mP1 Order pipeline: / is 93 % full on db-1\x1b[0m" in card
    assert "Why P1: crit" in card
    assert "→ bo" in card


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in on_terminal(monkeypatch, page())


def test_what_a_probe_saw_cannot_move_the_cursor(monkeypatch):
    card = on_terminal(monkeypatch, page(text="title\nevil \x1b[2J\x07"), color="never")
    assert "\x1b" not in card
    assert "evil ·[2J·" in card


def test_a_closed_stream_is_a_failure_that_is_tried_again(monkeypatch):
    screen = Terminal()
    screen.close()
    monkeypatch.setattr(sys, "stdout", screen)
    with pytest.raises(DeliveryError) as failed:
        console.Channel(console.Config(stream="stdout")).send(page())
    assert not failed.value.permanent


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_message_is_one_line_of_json_with_its_payload(tmp_path):
    path = tmp_path / "new" / "pages.jsonl"
    file.Channel(file.Config(path=path), to="record").send(page())
    assert lines_of(path) == [
        {"kind": "page", "page_id": "142/1/1/1/bo/1", "title": "磁盘满了", "test": False, "to": "record"}
    ]
    assert path.stat().st_mode & 0o007 == 0


def test_a_full_file_is_moved_aside_and_only_some_are_kept(tmp_path):
    path = tmp_path / "pages.jsonl"
    channel = file.Channel(file.Config(path=path, max_size=10_000, keep=2))
    for number in range(60):
        channel.send(page(str(number), payload={"n": number, "fill": "x" * 1000}))
    names = sorted(each.name for each in tmp_path.iterdir() if not each.name.endswith(".lock"))
    assert names == ["pages.jsonl", "pages.jsonl.1", "pages.jsonl.2"]
    assert all((tmp_path / name).stat().st_size <= 10_000 for name in names)
    kept = [line["n"] for name in reversed(names) for line in lines_of(tmp_path / name)]
    assert kept == list(range(kept[0], 60))


def test_threads_do_not_mix_their_lines(tmp_path):
    channel = file.Channel(file.Config(path=tmp_path / "pages.jsonl"))
    threads = [
        threading.Thread(
            target=lambda n=n: [channel.send(page(f"{n}/{i}", payload={"n": n, "i": i})) for i in range(20)]
        )
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({(line["n"], line["i"]) for line in lines_of(tmp_path / "pages.jsonl")}) == 80


def _write(path, n):
    channel = file.Channel(file.Config(path=path, max_size=10_000, keep=50))
    for i in range(30):
        channel.send(page(f"{n}/{i}", payload={"n": n, "i": i, "fill": "x" * 500}))


def test_two_processes_lose_no_line_while_the_file_turns_over(tmp_path):
    path = tmp_path / "pages.jsonl"
    writers = [get_context("spawn").Process(target=_write, args=(path, n)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    found = [
        line for each in tmp_path.glob("pages.jsonl*") if not each.name.endswith(".lock") for line in lines_of(each)
    ]
    assert len({(line["n"], line["i"]) for line in found}) == 60


def test_a_place_that_cannot_be_written_is_a_failure_that_is_tried_again():
    with pytest.raises(DeliveryError) as failed:
        file.Channel(file.Config(path="/dev/null/pages.jsonl")).send(page())
    assert not failed.value.permanent
