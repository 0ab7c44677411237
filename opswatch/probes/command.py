"""Any program that follows the Nagios plugin contract: exit code 0 to 3, one line, performance data.

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "raid"
    probe = "command"
    match = { kind = "host" }
    every = "5m"
    timeout = "20s"
    limits = { temperature = { warn = "> 50" } }
    args = { command = ["/usr/lib/nagios/plugins/check_raid", "-v"], env = { RAID_TOKEN = "secret" } }

The exit code decides: 0 ok, 1 warn, 2 crit, 3 unknown; anything else, a signal and a time-out are unknown too. Each
value of performance data is a sample under its label, in the unit printed; thresholds printed beside it are not judged.
`{target}`, `{host}` and `{port}` in the command stand for the target's id and the host and port of its URL.
The program sees nothing of opswatch's environment: hand secrets over in `env`, `ps` shows arguments to everybody.
At the check's timeout it gets SIGTERM, a tenth of it (at most 0.5 s) later SIGKILL, with its whole process group. Under
sudo, give it a limit inside too (`sudo timeout -k 1 20 …`): we may not kill what runs as root.
"""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from opswatch.core.model import Failure, Health, Sample, UnknownReason, Verdict
from opswatch.hosts import CannotSee, Finished
from opswatch.hosts.evidence import bounded, printable, say_seconds, without
from opswatch.hosts.plugin_output import PluginOutput, parse_plugin_output
from opswatch.hosts.run import run
from opswatch.probes import Measure, SecretText, Task, cannot_tell, careful, secrets_of

_HEALTH = {0: Health.OK, 1: Health.WARN, 2: Health.CRIT}
_STORED_MAX = 8 * 1024
_STDERR_SHOWN = 1024
_SENTENCE_MAX = 300


class Args(BaseModel):
    """What to run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str | tuple[str, ...] = Field(
        min_length=1, description="Program and arguments; a text is split as a shell would, but no shell runs"
    )
    shell: bool = Field(False, description="Let /bin/sh run `command`, a text; its `$OPSWATCH_HOST` is the host")
    env: Mapping[str, SecretText] = Field({}, description="Environment variables for the program; never shown")
    cwd: str | None = Field(None, description="Folder to run it in")
    on_timeout: Literal["unknown", "warn", "crit"] = Field("unknown", description="What a time-out means")

    @model_validator(mode="after")
    def _can_be_run(self) -> Args:
        if self.shell and not isinstance(self.command, str):
            raise ValueError("shell = true wants command to be one text")
        if not self.shell and isinstance(self.command, str) and not shlex.split(self.command):
            raise ValueError("an empty command")
        return self


class Look:
    """Runs the program and reads its verdict."""

    kinds: ClassVar[tuple[str, ...]] = ()  # any
    samples: ClassVar[Mapping[str, Measure]] = {
        "*": Measure("as printed", "each value of the performance data, under its label"),
    }

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        argv = _argv(task, args)
        env = {f"OPSWATCH_{name.upper()}": value for name, value in _target_words(task).items()}
        env |= {name: secret.reveal() for name, secret in args.env.items()}
        try:
            done = run(argv, timeout_s=task.timeout_s, env=env, cwd=args.cwd)
        except OSError as trouble:
            raise CannotSee(UnknownReason.ERROR, _say_start(argv[0], args.cwd, trouble)) from None
        secrets = secrets_of(task)
        output = parse_plugin_output(without(done.stdout.decode(errors="replace"), secrets))
        stderr = without(done.stderr[:_STDERR_SHOWN].decode(errors="replace"), secrets)
        evidence = _evidence(done, output, stderr)
        if done.timed_out:
            return _timed_out(task, args, done, evidence)
        health = _HEALTH.get(done.exit_code) if done.exit_code is not None else None
        sentence = printable(output.line, _SENTENCE_MAX) or "(no output returned from the plugin)"
        if health is None:
            return cannot_tell(task, UnknownReason.ERROR, _say_end(argv[0], done, sentence), *evidence)
        return Verdict(
            at=task.now,
            sentence=sentence,
            samples=tuple(_samples(output)),
            failures=(Failure(sentence, health),) if health is not Health.OK else (),
            evidence=evidence,
            memory=task.memory,
        )


def _argv(task: Task, args: Args) -> list[str]:
    if args.shell:
        assert isinstance(args.command, str)
        return ["/bin/sh", "-c", args.command]
    words = shlex.split(args.command) if isinstance(args.command, str) else args.command
    known = _target_words(task)
    return [re.sub(r"\{(target|host|port)\}", lambda match: known[match.group(1)], word) for word in words]


def _target_words(task: Task) -> dict[str, str]:
    words = {"target": task.target.id, "host": "", "port": ""}
    try:
        url = urlsplit(task.target.url.reveal() if task.target.url is not None else "")
        words |= {"host": url.hostname or "", "port": str(url.port or "")}
    except ValueError:  # Not a URL: the command may not need one.
        pass
    return words


def _samples(output: PluginOutput) -> Iterable[Sample]:
    """The first of each label: two values under one name cannot be told apart."""
    seen: set[str] = set()
    for item in output.perfdata:
        if item.value is not None and item.label not in seen:
            seen.add(item.label)
            yield Sample(item.label, item.value, item.unit)


def _evidence(done: Finished, output: PluginOutput, stderr: str) -> tuple[str, ...]:
    lines: list[str] = []
    if done.is_stuck:
        lines.append("it could not be killed, and is left behind")
    elif done.timed_out:
        lines.append(f"ended after {say_seconds(done.took_s)}")
    room = _STORED_MAX
    for line in output.long:
        room -= len(line)
        if room < 0:
            break
        lines.append(line)
    if not output.line and stderr.strip():
        lines += [f"stderr: {line}" for line in stderr.splitlines()]
    if output.problems:
        lines.append(f"not performance data: {', '.join(output.problems[:5])}")
    if done.is_cut:
        lines.append("it printed more than is kept")
    return bounded(lines)


def _timed_out(task: Task, args: Args, done: Finished, evidence: tuple[str, ...]) -> Verdict:
    words = f"did not end within {say_seconds(task.timeout_s)}"
    if done.is_stuck:
        words += ", and could not be killed"
    if args.on_timeout == "unknown":
        return cannot_tell(task, UnknownReason.TIMEOUT, words, *evidence)
    failure = Failure(words, Health(args.on_timeout))
    return Verdict(at=task.now, sentence=words, failures=(failure,), evidence=evidence, memory=task.memory)


def _say_end(program: str, done: Finished, line: str) -> str:
    if done.signal is not None:
        return f"{_name(program)} was ended by {_signal_name(done.signal)}: {line}"
    match done.exit_code:
        case None:
            return f"{_name(program)} did not end"
        case 3:
            return line
        case 126:
            return f"exit code 126: is the plugin executable? {line}"
        case 127:
            return f"exit code 127: does the plugin exist? {line}"
    return f"exit code {done.exit_code} is none of 0 to 3: {line}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # A real-time signal.
        return f"signal {number}"


def _say_start(program: str, cwd: str | None, trouble: OSError) -> str:
    if cwd is not None and trouble.filename == cwd:
        return f"{cwd}: {trouble.strerror}"
    hint = {
        FileNotFoundError: "does the plugin exist? A script's `#!` line may name a missing interpreter",
        PermissionError: "is the plugin executable?",
    }.get(type(trouble), "is it a program?")
    return f"{_name(program)} cannot be run ({trouble.strerror}): {hint}"


def _name(program: str) -> str:
    return printable(program.rpartition("/")[2], 60)
