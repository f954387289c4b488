from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
pytest.register_assert_rewrite("support.ws", "support.http", "support.control", "support.gateway", "support.history", "support.publishing",
                               "support.command_line")

from support import tools  # noqa: E402
from support.command_line import Shell  # noqa: E402
from support.control import Control  # noqa: E402
from support.gateway import JWT_SECRET, Gateway, merged  # noqa: E402
from support.http import RawConnection  # noqa: E402
from support.ws import Browser, WebSocket  # noqa: E402

#: What every gateway of the tests begins with. A file of tests puts its own settings on top.
BASE_CONFIG: dict[str, Any] = {
    "edge": {"endpoints": [{"path": "/ws", "anonymous": True}]},
    "auth": {"hs256_secret": JWT_SECRET},
}


@pytest.fixture(scope="session")
def binary() -> str:
    """The carillon binary under test."""
    return tools.carillon()


@pytest.fixture(scope="module", params=[1, 3], ids=["1-shard", "3-shards"])
def shards(request: pytest.FixtureRequest) -> int:
    """Everything must hold with one shard and with several."""
    return int(request.param)


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """A file's own settings, over BASE_CONFIG. Files of tests override this."""
    return {}


@pytest.fixture(scope="module")
def gateway(
    binary: str, shards: int, config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """One gateway for all tests of a file: each uses users and streams that no other does."""
    settings = merged(merged(BASE_CONFIG, {"hub": {"shards": shards}}), config)
    running = Gateway(binary, tmp_path_factory.mktemp("gateway"), settings)
    yield running
    running.stop()


StartGateway = Callable[..., Gateway]


@pytest.fixture
def start_gateway(binary: str, tmp_path: Path) -> Iterator[StartGateway]:
    """Starts a gateway for one test: start_gateway(config, **how), see Gateway. `config` goes over BASE_CONFIG."""
    running: list[Gateway] = []

    def start(config: dict[str, Any] | None = None, **how: Any) -> Gateway:
        folder = tmp_path / f"gateway-{len(running)}"
        running.append(Gateway(binary, folder, merged(BASE_CONFIG, config or {}), **how))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def control(gateway: Gateway) -> Iterator[Control]:
    """A backend."""
    with Control(gateway.control) as connected:
        yield connected


Connect = Callable[..., Any]


@pytest.fixture
def keep() -> Iterator[Callable[[Any], Any]]:
    """Keeps something that has a close(), and closes it after the test."""
    kept: list[Any] = []

    def add(thing: Any) -> Any:
        kept.append(thing)
        return thing

    yield add
    for thing in kept:
        thing.close()


@pytest.fixture
def connect(gateway: Gateway, keep: Callable[[Any], Any]) -> Connect:
    """Connects a Browser, which is welcomed: connect(target, **how)."""
    return lambda target="/ws", **how: keep(Browser(gateway.edge, target, **how))


@pytest.fixture
def shell(binary: str, gateway: Gateway, tmp_path: Path) -> Shell:
    """A person at a shell, for whom CARILLON_ADDRESS is the gateway."""
    return Shell(binary, tmp_path / "home", gateway.control)


@pytest.fixture
def websocket(gateway: Gateway, keep: Callable[[Any], Any]) -> Connect:
    """Connects a bare WebSocket: websocket(target, **how)."""
    return lambda target="/ws", **how: keep(WebSocket(gateway.edge, target, **how))


@pytest.fixture
def tcp(gateway: Gateway, keep: Callable[[Any], Any]) -> Connect:
    """Connects to the edge and says nothing: tcp(**how)."""
    return lambda **how: keep(RawConnection(gateway.edge, **how))


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """Makes a name that nothing else has, for a user or a stream."""
    return lambda kind: f"{kind}-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def grpcurl_program() -> str:
    """grpcurl at one version, built once by go."""
    return tools.grpcurl()
