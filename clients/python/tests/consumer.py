"""A member of a group that says what it is given, and hangs in the fourth event until it is killed."""

import asyncio
import os
import sys
import threading

from carillon_client import AsyncClient, Client

address, key, group = sys.argv[1:]


def work() -> None:
    with Client(address, key) as client, client.watch(group=group) as events:
        print("begun", flush=True)
        for count, event in enumerate(events, 1):
            print(event.position.offset, flush=True)
            if count == 4:
                threading.Event().wait()


async def work_aio() -> None:
    async with AsyncClient(address, key) as client, client.watch(group=group) as events:
        print("begun", flush=True)
        count = 0
        async for event in events:
            count += 1
            print(event.position.offset, flush=True)
            if count == 4:
                await asyncio.Event().wait()


if os.environ.get("ASYNCHRONOUS"):
    asyncio.run(work_aio())
else:
    work()
