"""What is allowed and probably not meant: each lint has a story."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from opswatch.config.lints import lint
from opswatch.core.state import Override
from tests.config.site import NOW, Site

PEOPLE = (
    '[[person]]\nid = "chen"\nrole = "admin"\nteam = "ops"\ncontact = { webhook = "http://127.0.0.1/chen" }\n'
    '[[person]]\nid = "bo"\ncontact = { webhook = "http://127.0.0.1/bo" }\n'
)
CALM = PEOPLE + '[[policy]]\nid = "standard"\n[[policy.level]]\npage = ["person:chen"]\nwait = "5m"\n'
ROSTER = (
    '[[roster]]\nid = "primary"\n[[roster.layer]]\nid = "week"\nparticipants = [["chen"], ["bo"]]\nturn = "1 week"\n'
    "starts = 2026-01-05T09:00:00\n"
)
QUIET = '[[person]]\nid = "lu"\ncontact = { webhook = "http://127.0.0.1/lu" }\nnotify = { P0 = [], P1 = [], P2 = [] }\n'


def _only(site: Site) -> str:
    lints = site.lints()
    assert len(lints) == 1, lints
    return lints[0]


def test_a_calm_configuration_has_no_lints(tmp_path: Path):
    assert Site(tmp_path).writes(CALM + ROSTER).lints() == []


def test_nobody_to_page(tmp_path: Path):
    assert "nobody to page: there is no [[person]]" in _only(Site(tmp_path).writes(""))


def test_people_without_contacts_are_nobody(tmp_path: Path):
    lints = Site(tmp_path).writes('[[person]]\nid = "chen"\nrole = "admin"\n').lints()
    assert any("no person has a contact" in lint for lint in lints)


def test_nobody_after_the_last_climb(tmp_path: Path):
    lint = _only(Site(tmp_path).writes(CALM.replace('role = "admin"\n', "")))
    assert "nobody to page after the last climb" in lint and "[[policy]] standard" in lint


def test_observing_pages_nobody(tmp_path: Path):
    lint = _only(Site(tmp_path).writes('[opswatch]\nmode = "observe"\n' + CALM))
    assert "config.toml:2: [opswatch] mode" in lint


def test_a_policy_no_route_leads_to_is_unreachable(tmp_path: Path):
    extra = '[[policy]]\nid = "other"\n[[policy.level]]\npage = ["person:bo"]\n[[route]]\npolicy = "standard"\n'
    assert "[[policy]] other: unreachable" in _only(Site(tmp_path).writes(CALM + extra))


def test_a_route_below_one_that_takes_everything_is_unreachable(tmp_path: Path):
    every, urgent = '[[route]]\npolicy = "standard"\n', '[[route]]\nmatch = { priority = "P0" }\npolicy = "standard"\n'
    routes = every + urgent + every
    lints = Site(tmp_path).writes(CALM + routes).lints()
    assert len(lints) == 2 and all("route #1 above takes everything" in lint for lint in lints)


def test_a_level_for_priorities_no_route_sends_is_unreachable(tmp_path: Path):
    level = '[[policy.level]]\npage = ["person:bo"]\nwhen = { priority = ["P2"] }\n'
    routes = (
        '[[route]]\nmatch = { priority = ["P0", "P1"] }\npolicy = "standard"\n'
        '[[policy]]\nid = "rest"\n[[policy.level]]\npage = ["person:chen"]\n[[route]]\npolicy = "rest"\n'
    )
    lint = _only(Site(tmp_path).writes(CALM + level + routes))
    assert "level #2.when.priority" in lint and "only P2" in lint


def test_a_level_behind_which_nobody_stands_is_told(tmp_path: Path):
    level = '[[policy.level]]\npage = ["team:ghosts"]\n[[person]]\nid = "casper"\nteam = "ghosts"\n'
    lint = _only(Site(tmp_path).writes(CALM + level))
    assert "level #2.page" in lint and "nobody stands behind" in lint


def test_a_personal_rule_longer_than_the_levels_wait_is_told(tmp_path: Path):
    main = CALM.replace(
        '[[person]]\nid = "bo"', '[person.notify]\nP0 = ["webhook", "6m webhook"]\n[[person]]\nid = "bo"'
    )
    lint = _only(Site(tmp_path).writes(main))
    assert "[[person]] chen: notify.P0" in lint and "webhook after 6m" in lint and "waits 5m" in lint


def test_p2_louder_than_p1_is_told(tmp_path: Path):
    rules = '[priority.P1]\ninterrupt = "day"\n[priority.P2]\ninterrupt = "always"\n'
    lints = Site(tmp_path).writes(CALM + rules).lints()
    assert any("[priority] P2: P2 is louder than P1" in lint for lint in lints)


def test_a_person_whose_p2_is_louder_than_their_p1_is_told(tmp_path: Path):
    notify = '[person.notify]\nP1 = ["4m webhook"]\nP2 = ["webhook"]\n[[person]]\nid = "bo"'
    lint = _only(Site(tmp_path).writes(CALM.replace('[[person]]\nid = "bo"', notify)))
    assert "P2 is louder than P1" in lint and "[[person]] chen: notify.P2" in lint


def test_a_person_whom_p1_never_reaches_but_p2_does_is_told(tmp_path: Path):
    notify = '[person.notify]\nP1 = []\nP2 = ["webhook"]\n[[person]]\nid = "bo"'
    lint = _only(Site(tmp_path).writes(CALM.replace('[[person]]\nid = "bo"', notify)))
    assert "P1 reaches nobody at all" in lint


def test_a_roster_with_gaps_is_told_with_the_first_of_them(tmp_path: Path):
    windows = 'windows = [{ days = "mon-fri", from = "09:00", to = "17:00" }]\n'
    lint = _only(Site(tmp_path).writes(CALM + ROSTER + windows))
    assert "[[roster]] primary: nobody on call for" in lint and "Sat 11-21 12:00 to Mon 11-23 09:00 UTC" in lint


def test_a_gap_somebody_stands_in_for_or_that_need_not_be_covered_is_none(tmp_path: Path):
    window = '[{ days = "mon-fri", from = "09:00", to = "17:00" }]\n'
    with_fallback = ROSTER.replace('id = "primary"\n', 'id = "primary"\nfallback = ["person:chen"]\n')
    covered = ROSTER.replace('id = "primary"\n', 'id = "primary"\ncovers = ' + window)
    for roster in (with_fallback, covered):
        assert Site(tmp_path).writes(CALM + roster + "windows = " + window).lints() == []


def test_a_level_that_only_the_lesser_priority_climbs_is_told(tmp_path: Path):
    level = '[[policy.level]]\npage = ["person:bo"]\nwhen = { priority = "P2" }\n'
    lint = _only(Site(tmp_path).writes(CALM + level))
    assert "P2 is louder than P1: level 2 pages for P2, not for P1" in lint


def test_a_round_of_one_is_told(tmp_path: Path):
    assert "nobody to take turns with" in _only(Site(tmp_path).writes(CALM + "round_robin = true\n"))


def test_more_acknowledgements_than_people_are_told(tmp_path: Path):
    several = CALM.replace('id = "standard"\n', 'id = "standard"\nacks = { P0 = 2 }\n')
    lint = _only(Site(tmp_path).writes(several))
    assert "2 people must acknowledge P0, and its levels page 1" in lint


def test_a_fallback_whom_no_p0_would_reach_is_told(tmp_path: Path):
    roster = ROSTER.replace('id = "primary"\n', 'id = "primary"\nfallback = ["person:lu"]\n')
    lints = Site(tmp_path).writes(QUIET + CALM + roster).lints()
    assert any("lu is in the fallback, and has no contact that works for P0" in lint for lint in lints), lints


def test_an_override_by_somebody_whom_no_p0_would_reach_is_told(tmp_path: Path):
    loaded = Site(tmp_path).writes(QUIET + CALM + ROSTER).loads()
    soon = Override(1, "primary", NOW + timedelta(days=3), NOW + timedelta(days=4), add="lu")
    late = replace(soon, start=NOW + timedelta(days=15), end=NOW + timedelta(days=16))
    assert any("lu is on call from" in str(one) for one in lint(loaded, NOW, (soon,)))
    assert not any("lu is" in str(one) for one in lint(loaded, NOW, (late,)))


def test_a_p1_only_level_and_reserves_are_lint_free(tmp_path: Path):
    pool = '[[pool]]\nid = "emergency"\npeople = ["bo"]\n'
    level = '[[policy.level]]\npage = ["pool:emergency"]\nwhen = { priority = ["P0", "P1"], alerts = ">= 5" }\n'
    assert Site(tmp_path).writes(CALM + level + pool).lints() == []


SUMMER_GAP = (
    '[[roster]]\nid = "sun"\ntimezone = "UTC"\n'
    '[[roster.layer]]\nid = "gulf"\ntimezone = "Asia/Dubai"\nparticipants = [["chen"]]\nturn = "1 week"\n'
    'starts = 2026-01-05T00:00:00\nwindows = [{ from = "03:00", to = "16:00" }]\n'
    '[[roster.layer]]\nid = "west"\ntimezone = "Europe/Berlin"\nparticipants = [["bo"]]\nturn = "1 week"\n'
    'starts = 2026-01-05T00:00:00\nwindows = [{ from = "13:00", to = "00:00" }]\n'
)


def test_a_gap_that_only_a_change_of_the_clocks_opens_is_seen_a_year_ahead(tmp_path: Path):
    lint = _only(Site(tmp_path).writes(CALM + SUMMER_GAP))
    # Berlin's midnight moves from 23:00 to 22:00 UTC, Dubai's 03:00 stays at 23:00.
    assert "nobody on call from Sun 2027-03-28 22:00 to Sun 23:00 UTC, and 216 times more within a year" in lint
    assert "the clocks change before in Europe/Berlin" in lint and "Asia/Dubai" not in lint
    assert Site(tmp_path).writes(CALM + SUMMER_GAP.replace('to = "00:00"', 'to = "01:00"')).lints() == []
    stood_in = SUMMER_GAP.replace('timezone = "UTC"', 'fallback = "person:bo"')
    assert Site(tmp_path).writes(CALM + stood_in).lints() == []
