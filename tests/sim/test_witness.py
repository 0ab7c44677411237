"""A core that breaks a law is caught in the step that broke it, and the seed tells the same story again."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from opswatch.core.effects import Page, Record
from opswatch.core.engine import Engine
from opswatch.core.model import Status
from opswatch.sim.life import CALM, ROUGH
from opswatch.sim.run import Story, simulate
from opswatch.sim.witness import LawBroken
from opswatch.sim.world import World
from tests.sim.team_plan import CONFIG, START, team

SPAN = timedelta(days=14)


def life_of(engine: type[Engine]) -> None:
    """Two rough weeks decided by a core that has something wrong with it."""

    class Sabotaged(Story):
        def makes_world(self, plan, seed, start, every_look):
            world = World(plan, seed, start, every_look=every_look)
            world.engine = engine(plan)
            return world

    story = Sabotaged(team(), 3, START, START + SPAN, life=ROUGH)
    story.world.run(START + SPAN)
    story.look_around()
    story.ends()


class ForgetsToWrite(Engine):
    """Acknowledges without a line on the timeline."""

    def step(self, state, event, now):
        changes, effects = super().step(state, event, now)
        return changes, [one for one in effects if not (isinstance(one, Record) and one.entry.kind == "acknowledged")]


class ForgetsIncidents(Engine):
    """Gives what nobody has taken no deadline of its own."""

    def step(self, state, event, now):
        changes, effects = super().step(state, event, now)
        for number, one in changes.incidents.items():
            if one is not None and one.status is Status.TRIGGERED and one.level > 1:
                changes.incidents[number] = replace(one, level_until=None)
        return changes, effects


class PagesStrangers(Engine):
    """Sends somebody else's page to whoever stands last in the plan."""

    def step(self, state, event, now):
        changes, effects = super().step(state, event, now)
        last = list(self.plan.people)[-1]
        return changes, [replace(one, person=last) if isinstance(one, Page) else one for one in effects]


class Repeats(Engine):
    """Promises each page as the first rung."""

    def step(self, state, event, now):
        changes, effects = super().step(state, event, now)
        return changes, [
            replace(one, climb=1, cycle=1, level=1, step="1") if isinstance(one, Page) else one for one in effects
        ]


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (ForgetsToWrite, "the timeline says"),
        (ForgetsIncidents, "does not climb"),
        (PagesStrangers, "goes to vi"),
        (Repeats, "is promised twice"),
    ],
)
def test_a_core_that_breaks_a_law_is_caught(engine, words):
    with pytest.raises(LawBroken, match=words) as broken:
        life_of(engine)
    assert broken.value.seed == 3
    assert START < broken.value.at < START + SPAN


def test_a_daemon_that_sleeps_through_its_deadlines_is_caught():
    class Sleeps(Engine):
        def _tick(self, m, tick):
            pass

    with pytest.raises(LawBroken, match="something was due"):
        life_of(Sleeps)


def test_a_seed_tells_the_same_story_in_another_process():
    """Also where strings hash otherwise: nothing may hang on the order of a set."""
    command = [sys.executable, "-m", "opswatch", "-c", str(CONFIG), "simulate", "--rough", "--seed", "5", "--json"]
    command += ["--from", "2027-03-20T00:00:00Z", "--days", "14"]
    told = [
        subprocess.run(command, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert len(told[0]) > 1_000


def test_seeds_differ():
    steps = {simulate(team(), seed, START, START + SPAN, life=CALM).steps for seed in range(5)}
    assert len(steps) > 1


def test_a_life_until_an_instant_is_the_beginning_of_a_longer_one():
    """What makes `--until` show a broken law again."""
    books: list[list[object]] = []
    for days in (7, 14):
        story, book = Story(team(), 8, START, START + timedelta(days=days), life=ROUGH), []
        story.world.hears(Record, lambda record, book=book: book.append(record.entry))
        story.world.run(START + timedelta(days=7))
        books.append(book)
    assert len(books[0]) > 50
    assert books[0] == books[1]
