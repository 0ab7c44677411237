"""A round has been: it is written down, told to channels, and its checklist waits for people to sign."""

from __future__ import annotations

from dataclasses import replace

from opswatch.core.events import Inspected, SignInspection
from opswatch.core.moment import TEXT_MAX, Moment

RUNS_KEPT = 100  # whose checklists may still be signed
KNOWN_MAX = 10  # runs that a refusal names


def inspected(m: Moment, event: Inspected) -> None:
    """Take a run in. The first commit wins: of two nodes that ran the same one, the second changes nothing."""
    runs = m.draft.standing.runs
    if event.run in runs:
        return
    newest = sorted([*runs, event.run])[-RUNS_KEPT:]  # A name begins with its date.
    signers = {**runs, event.run: ("",) * event.checklist}
    m.draft.standing = replace(m.draft.standing, runs={run: signers[run] for run in newest})
    m.record(
        "inspected",
        by=event.by,
        run=event.run,
        inspection=event.inspection,
        due_at=event.due_at,
        node=event.node,
        took_s=event.took_s,
        checklist=event.checklist or None,
        **event.counts,
        **event.changes,
    )
    for target in event.deliver:
        channel = target.removeprefix("channel:")
        if channel in m.plan.channels:
            m.announce(channel, "inspected", run=event.run)


def sign(m: Moment, command: SignInspection) -> None:
    """A person has looked at one item of a checklist: by name, never by itself."""
    runs = m.draft.standing.runs
    signers = runs.get(command.run)
    if signers is None:
        known = ", ".join(sorted(runs, reverse=True)[:KNOWN_MAX])
        m.refuse("unknown_run", run=command.run[:80], known=known)
        return
    if not 1 <= command.item <= len(signers):
        key = "unknown_item" if signers else "no_checklist"
        m.refuse(key, run=command.run, item=str(command.item), count=len(signers))
        return
    signer = signers[command.item - 1]
    if signer:
        m.done("already_signed", run=command.run, item=command.item, by=signer)
        return
    signed = tuple(command.by if place == command.item else who for place, who in enumerate(signers, start=1))
    m.draft.standing = replace(m.draft.standing, runs={**runs, command.run: signed})
    m.record(
        "inspection_signed",
        by=command.by,
        door=command.door,
        run=command.run,
        item=command.item,
        text=command.text[:TEXT_MAX] or None,
    )
    m.done("inspection_signed", run=command.run, item=command.item, count=signed.count("") or None)
