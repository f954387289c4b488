from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from gateway import FULL_KEY, Browser, Gateway

from carillon_client import Client


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all tests: each uses users and streams that no other does."""
    binary = os.environ.get("CARILLON_BINARY")
    if not binary:
        pytest.skip("CARILLON_BINARY is not set: it names the carillon binary to test against")
    running = Gateway(binary, tmp_path_factory.mktemp("gateway"))
    yield running
    running.stop()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    with Client(gateway.control, FULL_KEY) as connected:
        yield connected


@pytest.fixture
def connect(gateway: Gateway) -> Iterator[Callable[..., Browser]]:
    """Connects a browser, as Browser(...) does, and closes it after the test."""
    browsers: list[Browser] = []

    def make(user: str, streams: str = "", labels: dict[str, str] | None = None) -> Browser:
        browsers.append(Browser(gateway, user, streams, labels))
        return browsers[-1]

    yield make
    for browser in browsers:
        browser.close()


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """Makes a name that nothing else has, for a user or a stream."""
    return lambda kind: f"{kind}-{uuid.uuid4().hex[:12]}"
