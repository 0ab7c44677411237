"""Public holidays and shifted work days (调休) as values for the core, computed a year at a time when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import lru_cache
from typing import Any, TypeVar

from opswatch.core.plan import DayCalendar

YEARS = range(2020, 2038)
# ISO codes the `holidays` package knows: a calendar that is named must not cost its import before a date is asked for.
# A test compares this list with the package.
_CODES = """
ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv bw by bz
ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et fi fj fk fm fo
fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je
jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo
mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw
py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg th tj tk tl tm
tn to tr tt tv tw tz ua ug uk um us uy uz va vc ve vg vi vn vu wf ws xk ye yt za zm zw
"""
COUNTRIES = frozenset(_CODES.split())
# Countries that move work days to weekends by decree, a year at a time: until it is out, their work days are not known.
DECREED = frozenset({"cn"})
T = TypeVar("T")


class ByYear(frozenset[T]):
    """A set whose members are computed for the year that is asked about: eighteen years of lunar dates take 70 ms."""

    __slots__ = ("_of_year", "_year")
    _of_year: Callable[[int], frozenset[T]]
    _year: Callable[[Any], int]

    def __new__(cls, of_year: Callable[[int], frozenset[T]], year: Callable[[Any], int]) -> ByYear[T]:
        made = super().__new__(cls)
        made._of_year, made._year = of_year, year
        return made

    def __contains__(self, member: object) -> bool:
        year = self._year(member)
        return year in YEARS and member in self._of_year(year)

    def __iter__(self) -> Iterator[T]:
        return (member for year in YEARS for member in sorted(self._of_year(year)))  # type: ignore[type-var]

    def __len__(self) -> int:
        return sum(len(self._of_year(year)) for year in YEARS)

    def __bool__(self) -> bool:
        return True

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, (frozenset, set)) and frozenset(self) == frozenset(other))

    def __reduce__(self) -> tuple[Any, ...]:
        return (frozenset, (tuple(self),))  # For another process: plain dates.


def calendar(name: str) -> DayCalendar | None:
    """The calendar `name`: a country (`cn`, `de`), with a part of it if need be (`de-by`, `us-ca`); None when it is not
    known. Its `years` are those whose work days are settled."""
    country, _, part = name.lower().partition("-")
    if country not in COUNTRIES or (part and part.upper() not in _parts(country)):
        return None
    return DayCalendar(
        name,
        ByYear(lambda year: _dates(country, part, year)[0], _year_of),
        ByYear(lambda year: _dates(country, part, year)[1], _year_of),
        ByYear(lambda year: frozenset({year}) if is_settled(name, year) else frozenset(), _same),
    )


def is_settled(name: str, year: int) -> bool:
    """Whether the work days of `year` are published: where governments decree them, later years are guesses."""
    country, _, part = name.lower().partition("-")
    return country not in DECREED or bool(_dates(country, part, year)[1])


def known_names(name: str) -> list[str]:
    """What `name` could have been: the countries, or the parts of the country it begins with."""
    country, dash, _ = name.lower().partition("-")
    if dash and country in COUNTRIES:
        return [country, *(f"{country}-{part.lower()}" for part in _parts(country))]
    return sorted(COUNTRIES)


@lru_cache(maxsize=512)
def _dates(country: str, part: str, year: int) -> tuple[frozenset[date], frozenset[date]]:
    import holidays  # 50 ms: paid only by who asks for a work day.

    found = holidays.country_holidays(country.upper(), subdiv=part.upper() or None, years=year)
    weekends_worked = frozenset(day for day in found.weekend_workdays if day.year == year)
    return frozenset(day for day in found if day.year == year), weekends_worked


def _parts(country: str) -> list[str]:
    import holidays

    return [str(part) for part in holidays.list_supported_countries().get(country.upper(), [])]


def _year_of(day: date) -> int:
    return day.year


def _same(year: int) -> int:
    return year
