"""Every probe, whatever it looks at, keeps the promises of opswatch/probes/__init__.py."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import BaseModel, ValidationError

from opswatch import clock
from opswatch.core.model import Secret, UnknownReason, Verdict
from opswatch.core.plan import Target
from opswatch.probes import Measure, Task
from tests.probes.looks import NAMES, all_text, example, look, module, task

SECRET = "hunter2-in-the-url"
GARBAGE = [
    None,
    "",
    "::::",
    "http://[::",
    f"tcp://user:{SECRET}@127.0.0.1:99999",
    f"https://user:{SECRET}@127.0.0.1:1/",
    f"postgresql://user:{SECRET}@127.0.0.1:1/x?connect_timeout={SECRET}",
    f"postgresql://{SECRET} is not a url",
    "tls://-.invalid:443",
    "file:relative/path",
    "\x00\x1b[31m",
    "http://" + "a" * 70 + ".example/",
]


@pytest.mark.parametrize("name", NAMES)
def test_its_docstring_holds_a_configuration_that_loads(name: str) -> None:
    toml = example(name)
    (check,) = toml["check"]
    (target,) = toml["target"]
    assert check["probe"] == name
    assert target["kind"]
    module(name).Args(**check.get("args", {}))


@pytest.mark.parametrize("name", NAMES)
def test_the_limits_of_its_example_name_samples_it_gives(name: str) -> None:
    samples = module(name).Look.samples
    (check,) = example(name)["check"]
    assert all(isinstance(measure, Measure) and measure.words for measure in samples.values())
    if "*" not in samples:
        assert set(check.get("limits", {})) <= set(samples)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_targets_a_kind_it_can_look_at(name: str) -> None:
    (target,) = example(name)["target"]
    kinds = module(name).Look.kinds
    assert not kinds or target["kind"] in kinds


@pytest.mark.parametrize("name", NAMES)
def test_its_arguments_are_frozen_described_and_refuse_what_they_do_not_know(name: str) -> None:
    args = module(name).Args
    example_args = example(name)["check"][0].get("args", {})
    with pytest.raises(ValidationError):
        args(**example_args, no_such_argument=1)
    made = args(**example_args)
    for field, info in args.model_fields.items():
        assert info.description, f"{field} needs a description"
        with pytest.raises(ValidationError):
            setattr(made, field, None)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_else_of_it_is_public(name: str) -> None:
    probe = module(name)
    mine = {
        key: thing
        for key, thing in vars(probe).items()
        if not key.startswith("_") and getattr(thing, "__module__", None) == probe.__name__
    }
    public = {key for key, thing in mine.items() if not (inspect.isclass(thing) and issubclass(thing, BaseModel))}
    assert public == {"Look"}


@pytest.mark.parametrize(
    ("name", "url"),
    # Probes of hosts do not even look at a URL.
    [(name, url) for name in NAMES for url in (GARBAGE[:2] if module(name).Look.kinds == ("host",) else GARBAGE)],
)
def test_it_never_raises_and_never_shows_a_secret_whatever_the_target(name: str, url: str | None) -> None:
    wanted = example(name)["check"][0].get("args", {})
    if name == "command":
        wanted = {"command": ["/bin/echo", "{target} {port}"]}
    verdict = look(name, wanted, url=None if url is None else Secret(url, "env:URL"), kind="nonsense", timeout_s=0.5)
    assert isinstance(verdict, Verdict)
    assert verdict.sentence and "the look itself failed" not in verdict.sentence, verdict
    assert SECRET not in all_text(verdict)


@pytest.mark.parametrize("name", [name for name in NAMES if "host" in module(name).Look.kinds])
def test_a_host_it_cannot_reach_yet_is_refused_in_words(name: str) -> None:
    verdict = look(name, example(name)["check"][0].get("args", {}), access="ssh:root@elsewhere")
    assert verdict.unknown is UnknownReason.REFUSED
    assert "'ssh'" in verdict.sentence


@pytest.mark.parametrize("name", NAMES)
def test_a_memory_it_cannot_read_costs_one_look_and_is_forgotten(name: str) -> None:
    wanted = {"command": ["/bin/true"]} if name == "command" else example(name)["check"][0].get("args", {})
    first = look(name, wanted, memory=b'{"from": "another version"}', timeout_s=0.5)
    second = look(name, wanted, memory=first.memory, timeout_s=0.5)
    assert "the look itself failed" not in second.sentence


def test_a_mistake_of_ours_is_unknown_with_its_place() -> None:
    probe = module("load").Look(reach=lambda access: 1 / 0)
    verdict = look("load", probe=probe, memory=b"x")
    assert verdict.unknown is UnknownReason.ERROR
    assert "ZeroDivisionError" in verdict.sentence
    assert any("test_contract" in line for line in verdict.evidence)
    assert verdict.memory == b""  # forgotten: None would be kept


def test_one_probe_serves_many_threads() -> None:
    probes = {name: module(name).Look() for name in ("disk", "memory", "load", "process")}
    args: dict[str, dict[str, object]] = {"process": {"name": "python"}}
    tasks = [(name, task(name, args.get(name))) for name in probes for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda pair: probes[pair[0]].look(pair[1]), tasks))
    assert not [verdict.sentence for verdict in verdicts if verdict.unknown]


def test_how_long_it_took_is_told() -> None:
    probe = module("cpu").Look()
    verdict = probe.look(Task(Target("h", "host"), module("cpu").Args(), clock.now(), 5.0))
    assert 0.1 < verdict.took_s < 5
