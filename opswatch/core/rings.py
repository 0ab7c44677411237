"""Round robin: of a level's people one is paged, another one the next time. Where it stopped is part of the state."""

from __future__ import annotations

from dataclasses import replace

from opswatch.core.moment import Moment
from opswatch.core.reach import Called


def one_of(m: Moment, ring: str, people: tuple[Called, ...]) -> tuple[Called, ...]:
    """The next of `people` after whoever `ring` (`policy/level`) paged last; who cannot be interrupted now is passed
    over, unless that is everybody. None when there is nobody.

    It turns with each time the level is entered: by the next incident, and by the next climb of one that nobody
    answered.
    """
    if not people:
        return ()
    order = [called.person for called in people]
    last = m.draft.standing.rings.get(ring)
    start = order.index(last) + 1 if last in order else 0
    turned = (*people[start:], *people[:start])
    chosen = min(turned, key=lambda called: max(called.release, m.now))  # The first of those who can be had soonest.
    kept = {name: who for name, who in m.draft.standing.rings.items() if name.rpartition("/")[0] in m.plan.policies}
    m.draft.standing = replace(m.draft.standing, rings={**kept, ring: chosen.person})
    return (chosen,)
