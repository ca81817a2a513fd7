"""When many users start their servers at once: who comes first, and what those who wait are told."""

import asyncio
from collections.abc import Callable

import pytest
from hubctl.startqueue import StartQueue


def nothing(_: int) -> None:
    pass


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_servers_start_a_few_at_a_time_in_the_order_in_which_they_were_asked_for() -> None:
    started: list[str] = []

    async def start(queue: StartQueue, name: str) -> Callable[[], None]:
        leave = await queue.wait(nothing)
        started.append(name)
        return leave

    async def run() -> None:
        queue = StartQueue(2)
        jobs = [asyncio.create_task(start(queue, name)) for name in "abcde"]
        await settle()
        assert started == ["a", "b"]
        jobs[1].result()()
        await settle()
        assert started == ["a", "b", "c"]
        jobs[0].result()()
        jobs[0].result()()  # twice makes no more room than once
        await settle()
        assert started == ["a", "b", "c", "d"]
        for job in jobs[2:4]:
            job.result()()
        await asyncio.gather(*jobs)

    asyncio.run(run())


def test_who_waits_is_told_how_many_are_before() -> None:
    told: list[int] = []

    async def run() -> None:
        queue = StartQueue(1)
        first = await queue.wait(nothing)
        second = asyncio.create_task(queue.wait(nothing))
        await settle()
        third = asyncio.create_task(queue.wait(told.append))
        await settle()
        assert told == [2]
        first()
        await settle()
        assert told == [2, 1]
        second.result()()
        await third

    asyncio.run(run())


def test_a_server_that_does_not_come_up_makes_room_for_others() -> None:
    async def run() -> None:
        queue = StartQueue(1, longest=0.01)
        await queue.wait(nothing)
        leave = await asyncio.wait_for(queue.wait(nothing), 60)
        leave()

    asyncio.run(run())


def test_who_gives_up_waiting_is_not_waited_for() -> None:
    async def run() -> None:
        queue = StartQueue(1)
        first = await queue.wait(nothing)
        second = asyncio.create_task(queue.wait(nothing))
        third = asyncio.create_task(queue.wait(nothing))
        await settle()
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        first()
        await asyncio.wait_for(third, 60)

    asyncio.run(run())
