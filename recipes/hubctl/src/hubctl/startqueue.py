"""Servers start a few at a time, in the order in which they were asked for.

A server takes a second or two of a processor until it answers. Fifty that start at once on two processors all take a
minute, on a slow machine longer than the hub waits for them, and leave little for the hub itself. A few at a time take
the same minute for the last, and half of it on average.
"""

import asyncio
from collections.abc import Callable

LONGEST = 60.0
"""Seconds after which a server that still starts makes room: it waits for something else than a processor."""


class StartQueue:
    """Who starts, and who waits for that.

    Args:
        at_once: how many may start at the same time.
        longest: see ``LONGEST``.
    """

    def __init__(self, at_once: int, longest: float = LONGEST) -> None:
        self._at_once = at_once
        self._longest = longest
        self._all: list[object] = []
        """Those that start, then those that wait."""
        self._moved = asyncio.Event()

    async def wait(self, tell: Callable[[int], None]) -> Callable[[], None]:
        """Waits for a turn.

        Args:
            tell: is told how many are before this one, whenever that changes.

        Returns:
            What ends the turn, so that the next can start; it can be called twice.
        """
        me = object()
        self._all.append(me)
        try:
            while (before := self._all.index(me) + 1 - self._at_once) > 0:
                tell(before)
                await self._moved.wait()
        except asyncio.CancelledError:
            self._leave(me)
            raise
        asyncio.get_running_loop().call_later(self._longest, self._leave, me)
        return lambda: self._leave(me)

    def _leave(self, who: object) -> None:
        if who in self._all:
            self._all.remove(who)
            self._moved.set()
            self._moved = asyncio.Event()
