"""The pages in a real browser: they render, fit a phone, run clean, keep themselves fresh, and their buttons work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opswatch.core.model import Status
from tests.doors.browser import DESKTOP, PHONE, Browser, Tab, chromium
from tests.doors.web_office import ACT_TOKEN, WebOffice, bad_night, web_office

pytestmark = pytest.mark.needs("chromium")

# The contrast of WCAG 2 for every piece of text against what is painted behind it; those under 4.5 (3 for large text).
FAINT = """
(() => {
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number);
    return [m[0], m[1], m[2], m.length > 3 ? m[3] : 1]; };
  const linear = (v) => v <= 10.03 ? v / 3294.6 : ((v / 255 + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const behind = (el) => { let c = [0, 0, 0, 0];
    for (let e = el; e; e = e.parentElement) { const b = parse(getComputedStyle(e).backgroundColor);
      if (b[3]) { c = c[3] ? over(c, b) : b; if (c[3] === 1) return c; } }
    return over(c, [255, 255, 255, 1]); };
  const bad = [];
  for (const el of document.querySelectorAll("body *")) {
    if (![...el.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const style = getComputedStyle(el), box = el.getBoundingClientRect();
    if (el.closest(".unseen, .skip, [hidden]") || !box.width || style.visibility === "hidden") continue;
    const paper = behind(el);
    let ink = parse(style.color), opacity = 1;
    for (let e = el; e; e = e.parentElement) opacity *= Number(getComputedStyle(e).opacity);
    ink = over([ink[0], ink[1], ink[2], ink[3] * opacity], paper);
    const [hi, lo] = [light(ink), light(paper)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (hi + .05) / (lo + .05), said = el.textContent.trim().slice(0, 40);
    if (ratio < (large ? 3 : 4.5)) bad.push(`${ratio.toFixed(2)} ${el.className || el.tagName}: ${said}`);
  }
  return bad;
})()
"""
# What a finger cannot hit.
SMALL = """
[...document.querySelectorAll("main button, main summary, main .incident > a")]
  .filter((e) => e.getBoundingClientRect().height < 40).map((e) => e.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    with browser.tab() as opened:
        yield opened


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    with web_office(tmp_path) as opened:
        bad_night(opened)
        yield opened


PAGES = (
    "/",
    "/?lang=zh",
    "/incidents/1",
    "/incidents/2?lang=zh",
    "/playbooks/disk-full",
    "/sign-in",
    "/nowhere",
    "link",
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebOffice]:
    """A site that is only looked at."""
    with web_office(tmp_path_factory.mktemp("site")) as opened:
        bad_night(opened)
        yield opened


def address(site: WebOffice, path: str) -> str:
    return site.server.url + (site.ack_link(1, "ana") if path == "link" else path)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_page_fits_is_readable_and_runs_clean(shown: WebOffice, tab: Tab, tmp_path: Path, path: str, size):
    shown.clock.monotonic += 3600
    for dark in (False, True):
        tab.opens(address(shown, path), size=size, dark=dark)
        tab.shoots(tmp_path / f"{'dark' if dark else 'light'}.png")
        assert tab.text("h1")
        assert tab.runs("document.documentElement.scrollWidth") <= size[0], "it must not scroll sideways"
        assert tab.runs(FAINT) == []
        assert tab.runs(SMALL) == []
    allowed = ["404"] if path == "/nowhere" else []
    assert [line for line in tab.trouble if not any(code in line for code in allowed)] == []


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_what_is_late_fits_and_is_readable(site: WebOffice, tab: Tab, tmp_path: Path, size):
    site.clock.passes(hours=5)
    site.ticks()
    for dark in (False, True):
        tab.opens(address(site, "/"), size=size, dark=dark)
        tab.shoots(tmp_path / f"late-{'dark' if dark else 'light'}.png")
        assert tab.text(".late") == "not taken in time, not over in time"
        assert tab.runs("document.documentElement.scrollWidth") <= size[0], "it must not scroll sideways"
        assert tab.runs(FAINT) == []


def test_faint_text_and_small_buttons_would_be_noticed(shown: WebOffice, tab: Tab):
    shown.clock.monotonic += 3600
    tab.opens(address(shown, "link"))
    tab.runs(
        "document.querySelector('h1').style.color = '#aaa', document.querySelector('button.wide').style = 'all: unset'"
    )
    assert [line for line in tab.runs(FAINT) if "H1" in line]
    assert tab.runs(SMALL)


def test_the_dashboard_is_all_there(shown: WebOffice, tab: Tab):
    shown.clock.monotonic += 3600
    tab.opens(address(shown, "/"), size=DESKTOP)
    assert tab.runs("document.title") == "One incident waits for an answer · acme"
    assert tab.runs("document.querySelectorAll('li.incident').length") == 3
    assert tab.runs("document.querySelectorAll('li.duty').length") == 3
    aside = tab.runs("document.querySelector('.duties').getBoundingClientRect().left")
    assert aside > 640, "on a desktop those on call stand beside the incidents"
    assert tab.runs("getComputedStyle(document.querySelector('summary')).cursor") == "pointer"


def test_the_headline_and_the_banners_are_as_wide_as_the_page(tab: Tab, tmp_path: Path):
    """Whatever their tone: a first look, observe mode."""
    from tests.doors import web_office as harness

    config = harness.CONFIG.replace('node = "ops-1"', 'node = "ops-1"\nmode = "observe"')
    with web_office(tmp_path, config=config) as site:
        tab.opens(address(site, "/"), size=DESKTOP)
        wide = tab.runs("document.querySelector('main').getBoundingClientRect().width")
        for name in (".headline.note", "main > .banner.note"):
            assert tab.runs(f"document.querySelector('{name}').getBoundingClientRect().width") == wide


def test_on_a_phone_incidents_come_first_then_people(shown: WebOffice, tab: Tab):
    shown.clock.monotonic += 3600
    tab.opens(address(shown, "/"), size=PHONE)
    tops = [tab.runs(f"document.querySelector('{name}').getBoundingClientRect().top") for name in (
        ".headline", ".incidents", ".duties", ".checks"
    )]  # fmt: skip
    assert tops == sorted(tops)
    assert tops[1] < PHONE[1], "the first incident is seen without scrolling"


def test_without_scripts_everything_is_there_too(shown: WebOffice, tab: Tab):
    shown.clock.monotonic += 3600
    tab.opens(address(shown, "/"), size=PHONE, scripts=False)
    tab.say("Emulation.setScriptExecutionDisabled", value=False)
    assert "One incident waits for an answer" in tab.text("main")
    assert tab.runs("document.querySelector('noscript') !== null")


def test_the_button_of_a_link_acknowledges(site: WebOffice, tab: Tab):
    tab.opens(address(site, "link"), size=PHONE)
    button = tab.runs("document.querySelector('button.wide').getBoundingClientRect().bottom")
    assert button < PHONE[1], "the button is seen without scrolling"
    assert site.office.views.incident(1).incident.status is Status.TRIGGERED
    tab.clicks("button.wide")
    assert "You have #1 now" in tab.text("main")
    assert site.office.views.incident(1).incident.owner == "ana"
    assert tab.trouble == []


def test_somebody_signs_in_and_acts(site: WebOffice, tab: Tab):
    """With what a browser really sends along: cookies, Origin and Sec-Fetch-Site."""
    tab.opens(address(site, "/sign-in"))
    tab.types("#token", ACT_TOKEN)
    tab.types("#person", "chenw")
    tab.clicks("form button")
    assert "已登录：Chen Wei" in tab.text("footer")
    tab.opens(address(site, "/incidents/1"))
    tab.clicks(".buttons button")
    assert site.office.views.incident(1).incident.owner == "chen"
    tab.types("#note", "正在查看")
    tab.clicks("form.note button")
    assert "正在查看" in tab.text(".timeline")
    tab.clicks("footer form button")
    assert "已登录" not in tab.text("footer")
    assert tab.trouble == []


def test_a_page_keeps_itself_fresh(site: WebOffice, tab: Tab):
    tab.opens(address(site, "/"), size=PHONE)
    tab.runs("document.querySelector('details').open = true, document.querySelector('#incident-3').focus()")
    site.fails("load", "this-host", "load 9.1 on 2 cores")
    site.fails("shop-answers", "shop", "the shop is gone altogether")
    turn = "document.dispatchEvent(new Event('visibilitychange'))"
    tab.runs(turn)
    tab.runs(until("document.querySelector('.checks').innerText.includes('the shop is gone altogether')"))
    assert tab.runs("document.activeElement.id") == "incident-3"
    tab.opens(address(site, "/incidents/1"), size=PHONE)
    assert site.server.stop()
    tab.runs(turn)
    tab.runs(until("!document.getElementById('stale').hidden"))
    assert "The connection is lost" in tab.text("#stale")


def test_a_half_written_note_is_left_alone(site: WebOffice, tab: Tab):
    tab.opens(address(site, "/sign-in"))
    tab.types("#token", ACT_TOKEN)
    tab.types("#person", "ana")
    tab.clicks("form button")
    tab.opens(address(site, "/incidents/1"))
    tab.types("#note", "half a thou")
    tab.runs("document.activeElement.blur(), document.dispatchEvent(new Event('visibilitychange'))")
    assert tab.runs("fetch('/healthz').then((answer) => answer.ok)"), "time for a turn that must not be taken"
    assert tab.runs("document.getElementById('note').value") == "half a thou"


def until(condition: str) -> str:
    """A promise that holds when the condition does, at the latest after ten seconds."""
    return f"""new Promise((yes, no) => {{
      const end = performance.now() + 10000;
      (function look() {{
        if ({condition}) return yes(true);
        if (performance.now() > end) return no(new Error("it never came true"));
        setTimeout(look, 20);
      }})();
    }})"""
