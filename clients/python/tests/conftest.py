from __future__ import annotations

import asyncio
import contextlib
import os
import random
import uuid
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from blocking import Blocking
from browser import Browser
from fakes import Fake

from carillon_client import AsyncClient, Client, retry
from carillon_client._pb import control_pb2_grpc, events_pb2_grpc
from carillon_client.testing import KEY, Gateway

pytest_plugins = ["carillon_client.testing"]

READ_KEY = "abcdef0123456789abcd"


@pytest.fixture(scope="session")
def carillon_config() -> dict[str, Any]:
    return {
        "control": {
            "keys": [
                {"name": "test", "secret": KEY},
                {"name": "reader", "secret": READ_KEY, "verbs": ["read"]},
            ]
        },
        "streams": [
            {"pattern": "log-*", "log": {"mode": "log"}, "description": "kept for a while"},
            {"pattern": "room-*", "presence": {"mode": "on", "grace": "0s"}},
        ],
    }


@pytest.fixture
def gateway(carillon_gateway: Gateway) -> Gateway:
    return carillon_gateway


@pytest.fixture(params=["sync", "asyncio"])
def make_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., Client]]:
    """Makes clients of either kind, with the arguments of Client, and closes them after the test."""
    with contextlib.ExitStack() as stack:
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)

        def make(*args: Any, **kwargs: Any) -> Any:
            if request.param == "sync":
                return stack.enter_context(Client(*args, **kwargs))

            async def inside() -> AsyncClient:
                return AsyncClient(*args, **kwargs)

            return stack.enter_context(Blocking(loop.run_until_complete(inside()), loop))

        yield make


@pytest.fixture
def client(make_client: Callable[..., Client], gateway: Gateway) -> Client:
    """A client of either kind."""
    return make_client(gateway.control, KEY)


@pytest.fixture
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., Browser]]:
    """Connects a browser: connect("alice", "chat", labels={…}), or to a gateway of one's own with at=. Closes it after
    the test."""
    browsers: list[Browser] = []

    def make(user: str = "", *streams: str, at: Gateway | None = None, **claims: Any) -> Browser:
        gateway = at or request.getfixturevalue("carillon_gateway")
        browsers.append(Browser(gateway.url(user, *streams, **claims)))
        return browsers[-1]

    yield make
    for browser in browsers:
        with contextlib.suppress(Exception):  # its gateway may have gone
            browser.close()


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """Makes a name that nothing else has, for a user or a stream."""
    return lambda kind: f"{kind}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def dice() -> random.Random:
    """Chance that can be repeated: CARILLON_TEST_SEED."""
    seed = int(os.environ.get("CARILLON_TEST_SEED", "0")) or random.randrange(1, 1 << 32)
    print(f"CARILLON_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def address(fake: Fake) -> Iterator[str]:
    """Where the fake listens."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    control_pb2_grpc.add_ControlServiceServicer_to_server(fake, server)  # type: ignore[no-untyped-call]
    events_pb2_grpc.add_EventServiceServicer_to_server(fake, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts take no time."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.0001)
