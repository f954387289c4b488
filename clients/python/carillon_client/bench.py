"""How many messages a second this client publishes, one call each and in a batcher.

python -m carillon_client.bench [--unary N] [--batched N] [--rounds N]

The gateway is the one at CARILLON_ADDRESS (127.0.0.1:7311 unless set), the API key the one in CARILLON_TOKEN. Rounds
alternate, so that what else the machine does is shared out evenly; of each kind the median round counts.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from concurrent.futures import Future

from carillon_client import AsyncClient, CarillonError, Client

_STREAM = "carillon-client-bench"
_DATA = {"text": "one message of a usual size", "from": "bench", "number": 12345}


def _unary(client: Client, count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        client.broadcast_stream(_STREAM, event="bench", data=_DATA)
    return count / (time.perf_counter() - begun)


def _batched(client: Client, count: int) -> float:
    begun = time.perf_counter()
    futures: list[Future[None]] = []
    with client.batcher() as batcher:
        for _ in range(count):
            futures.append(batcher.broadcast_stream(_STREAM, event="bench", data=_DATA))
    for future in futures:
        future.result()
    return count / (time.perf_counter() - begun)


async def _unary_aio(client: AsyncClient, count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        await client.broadcast_stream(_STREAM, event="bench", data=_DATA)
    return count / (time.perf_counter() - begun)


async def _batched_aio(client: AsyncClient, count: int) -> float:
    begun = time.perf_counter()
    futures: list[asyncio.Future[None]] = []
    async with client.batcher() as batcher:
        for _ in range(count):
            futures.append(await batcher.broadcast_stream(_STREAM, event="bench", data=_DATA))
    await asyncio.gather(*futures)
    return count / (time.perf_counter() - begun)


def _say(name: str, unary: list[float], batched: list[float]) -> None:
    one, many = statistics.median(unary), statistics.median(batched)
    print(f"{name}: {one:.0f} messages/s one by one, {many:.0f} in a batcher: {many / one:.1f} times")


async def _measure_aio(unary: int, batched: int, rounds: int) -> None:
    rates: tuple[list[float], list[float]] = [], []
    async with AsyncClient() as client:
        await _unary_aio(client, 1)
        for _ in range(rounds):
            rates[0].append(await _unary_aio(client, unary))
            rates[1].append(await _batched_aio(client, batched))
    _say("AsyncClient", *rates)


def _measure(unary: int, batched: int, rounds: int) -> None:
    rates: tuple[list[float], list[float]] = [], []
    with Client() as client:
        _unary(client, 1)
        for _ in range(rounds):
            rates[0].append(_unary(client, unary))
            rates[1].append(_batched(client, batched))
    _say("Client", *rates)


def main() -> int:
    parser = argparse.ArgumentParser(prog="carillon_client.bench", description="Measures what this client publishes.")
    parser.add_argument("--unary", type=int, default=1_000, help="messages of a round, one by one")
    parser.add_argument("--batched", type=int, default=10_000, help="messages of a round, in a batcher")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    try:
        _measure(arguments.unary, arguments.batched, arguments.rounds)
        asyncio.run(_measure_aio(arguments.unary, arguments.batched, arguments.rounds))
    except CarillonError as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
