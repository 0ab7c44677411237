"""The terminal's door: who is it, what do they say, how is the answer shown. One file per noun, imported when named."""

from __future__ import annotations

from opswatch.cli.groups import Entry, Root

__all__ = ["SECTIONS", "root"]

SECTIONS: dict[str, tuple[Entry, ...]] = {
    "Set up": (
        Entry("init", "setup:init", "Write a configuration that fits this host."),
        Entry("run", "", "Look, page and answer until stopped: the daemon."),
        Entry("config", "config:config", "Check the configuration, or show what is in force."),
        Entry("completion", "setup:completion", "Print the completion script for a shell."),
    ),
    "Look": (
        Entry("status", "status:status", "The whole at a glance; --nagios for a monitoring system."),
        Entry("list", "incidents:list_incidents", "Open incidents, worst first."),
        Entry("show", "incidents:show", "Everything about one incident."),
        Entry("who", "rosters:who", "Who is on call, now or at any time."),
        Entry("explain", "explain:explain", "Why this priority, who is paged when, and what is quiet."),
        Entry("test", "test:test", "Play scenarios: this fails at that hour, these people are paged."),
        Entry("simulate", "simulate:simulate", "A year of on-call by this configuration, in seconds."),
        Entry("checks", "checks:checks", "What is looked at, how it stands; look once now."),
        Entry("review", "review:review", "How duty went over a week or a month."),
        Entry("inspect", "inspect:inspect", "A round over many checks, with a report; sign its checklist."),
        Entry("doctor", "doctor:doctor", "What would keep a page from arriving."),
    ),
    "Act on an incident": (
        Entry("ack", "acting:ack", "Take it: paging stops."),
        Entry("unack", "acting:unack", "Give it back: paging starts again."),
        Entry("accept", "acting:accept", "Join as a reserve."),
        Entry("decline", "acting:decline", "Do not come as a reserve: the next one is asked."),
        Entry("resolve", "acting:resolve", "It is over."),
        Entry("reopen", "acting:reopen", "It is not over."),
        Entry("snooze", "acting:snooze", "Quiet for a while."),
        Entry("escalate", "acting:escalate", "Page the next level now."),
        Entry("reassign", "acting:reassign", "Give it to a person or a team."),
        Entry("note", "acting:note", "Write on its timeline."),
        Entry("update", "acting:update", "Tell stakeholders how it stands."),
        Entry("merge", "acting:merge", "It is the same as another one."),
        Entry("split", "acting:split", "Some of its alerts are another one."),
        Entry("priority", "acting:priority", "Change how bad it is."),
        Entry("open", "acting:open_incident", "Report a fault that no check saw."),
    ),
    "Arrange": (
        Entry("roster", "rosters:roster", "The shifts of a roster."),
        Entry("override", "overrides:override", "Somebody else is on call for a while."),
        Entry("swap", "swaps:swap", "Ask somebody to take a shift; take one that is asked for."),
        Entry("absence", "absences:absence", "Who is away; shifts that this leaves without them."),
        Entry("silence", "silences:silence", "Page nobody for what matches."),
        Entry("maintenance", "maintenance:maintenance", "Planned quiet: the windows, and when exactly they hold."),
        Entry("heartbeat", "heartbeats:heartbeat", "Scheduled jobs that report: how they stand, and where they do."),
        Entry("hook", "hooks:hook", "Webhooks: where what is posted, and what a body would become."),
        Entry("pause", "silences:pause", "No pages at all for a while."),
        Entry("dutylog", "dutylog:dutylog", "The duty log of a shift; write a line into it."),
        Entry("handoff", "handoff:handoff", "What the next person takes over."),
        Entry("postmortem", "postmortems:postmortem", "Post-mortems and short reviews: owed, written, published."),
        Entry("risk", "risks:risk", "The risk ledger: what is to be dealt with, by whom, until when."),
        Entry("page-test", "page_test:page_test", "Send a marked test page and wait for its receipt."),
    ),
    "Keep": (
        Entry("export", "export:export", "Hand out what happened: CSV, JSON lines, SQLite."),
        Entry("db", "db:db", "The store: its schema, health and size; backups."),
    ),
}

root = Root(SECTIONS)
