"""Decisions: values in, values out.

The law of the core:
1. It reads no clock, no file, no socket and no environment; `now` is an argument, aware, UTC.
2. It imports only the modules listed in `tests/house/test_core_is_pure.py`.
3. Its values are frozen. `Engine.step` reads a `State` and gives back changes and effects; it changes nothing.
4. It never raises for anything the world can send: a refusal is an answer. A broken invariant is an `assert`.
5. Every deadline is data. There are no timers here, only instants somebody else will wake us at.
6. Every decision carries its reason, as a value and in words.
"""
