"""The course of a value at a glance: an SVG for pages, letters for terminals, words for who cannot see either."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from opswatch.core.trends import Forecast, History, Stretch
from opswatch.render.documents import Writer

if TYPE_CHECKING:
    from jinja2 import Template

BARS = "▁▂▃▄▅▆▇█"
GAP = "·"  # nothing was seen
PIECES = 60
_EDGE = 3.0  # room for the stroke and the dot
_SQUASH = 4.0  # a limit that would make the course this much flatter is not drawn
_DAYS = timedelta(days=3)

Placed = tuple[float, float, float]  # x, y of the least, y of the most


# ---------------------------------------------------------------------------------------------------------------------
# Drawn


def svg(history: History, title: str, *, width: int = 240, height: int = 48, pieces: int = PIECES) -> str:
    """The course as an `<svg>` element in the colour of the text around it; `title` is read out instead of it. The band
    reaches from the least to the most of each piece, dashes are limits, gaps are where nothing was seen. Escaped: safe
    to put into a page as it is."""
    stretches = history.stretches(pieces)
    low, high, limits = _range([stretch for stretch in stretches if stretch.most is not None], history.limits)
    scale = (height - 2 * _EDGE) / (high - low) if high > low else 0.0

    def place(value: float) -> float:
        return round(height - _EDGE - (value - low) * scale if scale else height / 2, 2)

    runs = _runs(stretches, place, (width - 2 * _EDGE) / max(1, len(stretches)))
    last = runs[-1][-1] if runs else None
    return _template().render(
        width=width,
        height=height,
        title=title,
        limits=[f"{place(limit):g}" for limit in limits],
        pieces=[(_band(run), _line(run)) for run in runs],
        last=f"{last[0]:g} {last[2]:g}" if last else "",
    )


def _range(seen: Sequence[Stretch], limits: Sequence[float]) -> tuple[float, float, list[float]]:
    """What the height shows, and the limits that are worth drawing in it."""
    if not seen:
        return 0.0, 0.0, []
    low = min(stretch.least for stretch in seen if stretch.least is not None)
    high = max(stretch.most for stretch in seen if stretch.most is not None)
    near = [limit for limit in limits if max(high, limit) - min(low, limit) <= _SQUASH * (high - low)]
    return min([low, *near]), max([high, *near]), near


def _runs(stretches: Sequence[Stretch], place: Callable[[float], float], step: float) -> list[list[Placed]]:
    """Pieces that follow each other without a gap."""
    runs: list[list[Placed]] = [[]]
    for number, stretch in enumerate(stretches):
        if stretch.least is None or stretch.most is None:
            runs.append([])
        else:
            runs[-1].append((round(_EDGE + step * (number + 0.5), 2), place(stretch.least), place(stretch.most)))
    return [run for run in runs if run]


def _line(run: Sequence[Placed]) -> str:
    return "M" + "L".join(f"{x:g} {most:g}" for x, _, most in run) + ("" if len(run) > 1 else "h0")


def _band(run: Sequence[Placed]) -> str:
    return _line(run) + "L" + "L".join(f"{x:g} {least:g}" for x, least, _ in reversed(run)) + "Z"


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # Late: the command line rarely needs it.

    return Environment(
        loader=PackageLoader("opswatch"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("sparkline.svg.j2")


# ---------------------------------------------------------------------------------------------------------------------
# Written


def letters(history: History, width: int = 24) -> str:
    """The highest value of each of `width` pieces as a bar: "▁▁▂▃▅█"; "·" where nothing was seen."""
    return bars([stretch.most for stretch in history.stretches(width)])


def bars(values: Sequence[float | None], gap: str = GAP) -> str:
    """One bar per value, from the lowest to the highest of them; `gap` where there is none."""
    seen = [value for value in values if value is not None]
    low, high = min(seen, default=0.0), max(seen, default=0.0)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(gap if value is None else BARS[round((value - low) * scale)] for value in values)


def course(writer: Writer, history: History) -> str:
    """What the sparkline shows, in words: its title for who cannot see it. Times are in the writer's zone."""
    item = history.item
    what = writer.say("values.of_item", sample=history.sample, item=item) if item else history.sample
    span = {"start": writer.moment(history.start), "end": writer.moment(history.end)}
    found = history.summary
    if found is None:
        return writer.say("values.nothing", what=what, **span)
    return writer.say(
        "values.course",
        what=what,
        least=figure(found.least),
        most=figure(found.most),
        last=figure(found.last),
        unit=history.unit,
        limit=figure(history.limits[0]) if history.limits else None,
        **span,
    )


def ahead(writer: Writer, forecast: Forecast, unit: str) -> str:
    """When it reaches its limit: "reaches 90 % in 12d at +1.5 % a day"."""
    if not forecast.left:
        return writer.say("values.past", limit=figure(forecast.limit), unit=unit)
    left = forecast.left
    whole = timedelta(days=round(left / timedelta(days=1))) if left >= _DAYS else left
    pace = ("+" if forecast.slope_per_day > 0 else "") + figure(forecast.slope_per_day, digits=2)
    return writer.say("values.reaches", limit=figure(forecast.limit), unit=unit, span=writer.span(whole), pace=pace)


def figure(value: float, digits: int = 4) -> str:
    """A number for people: `digits` significant ones, large ones whole with separators."""
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
