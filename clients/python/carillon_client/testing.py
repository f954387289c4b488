"""A real gateway for tests: fixtures for pytest, and the class behind them.

def test_a_note(carillon_gateway, carillon):
    assert carillon.broadcast_to_user("alice", event="note").sessions == 0

Fixtures, which pytest finds by itself where this package is installed:

carillon_gateway  one gateway for all tests of a run, on free ports; see Gateway
carillon          a Client of it
start_carillon    start_carillon({"events": {"messages": 100}}): another gateway, for this test alone
carillon_config   override it (scope "session") to give carillon_gateway more configuration
carillon_binary   which binary: CARILLON_BINARY, or "carillon" on the PATH; tests are skipped where there is none, and fail
                  where CARILLON_BINARY names what cannot be run
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from carillon_client.client import Client

#: How long starting and ending may take, in seconds. Far more than is ever needed, for slow machines.
PATIENCE = 60.0

#: A key with every verb.
KEY = "0123456789abcdef0123"
_TOKEN_SECRET = "an-example-secret-of-at-least-32-bytes"

_CONFIG: dict[str, Any] = {
    "edge": {"listen": "127.0.0.1:0", "endpoints": [{"path": "/ws", "anonymous": True}]},
    "control": {"listen": "127.0.0.1:0", "keys": [{"name": "test", "secret": KEY}]},
    "admin": {"listen": "127.0.0.1:0"},
    "auth": {"hs256_secret": _TOKEN_SECRET},
    "drain": {"window": "1s"},
}


class Gateway:
    """The real binary as a process of its own. Thread: one at a time."""

    #: The API key of clients.
    key = KEY

    def __init__(self, binary: str, folder: Path, config: Mapping[str, Any] | None = None) -> None:
        """Starts nothing yet.

        binary  The path of carillon.
        folder  Where the configuration and the log go: one for each gateway.
        config  What is put over the configuration, as the file has it: objects are merged, all else replaces. Ports are
                free ones unless it says otherwise.
        """
        self._binary = binary
        self._folder = folder
        self._config = copy.deepcopy(_CONFIG)
        _merge(self._config, config or {})
        self._process: subprocess.Popen[bytes] | None = None
        #: Where it listens: for browsers, and for clients of this package.
        self.edge = ""
        self.control = ""

    def __enter__(self) -> Gateway:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """What the gateway has written, over all starts."""
        return (self._folder / "carillon.log").read_text()

    def start(self) -> None:
        """Starts it and returns when it listens. After the first time on the same ports. Raises RuntimeError where it
        does not start."""
        if self._process is not None:
            raise RuntimeError("it is running already")
        file = self._folder / "carillon.yaml"
        file.write_text(json.dumps(self._config))  # JSON is YAML
        # Settings of the person who runs the tests must not reach it: variables beat the file.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CARILLON_")}
        with (self._folder / "carillon.log").open("ab") as log:
            process = subprocess.Popen(
                [self._binary, "serve", "-c", str(file)], stdout=subprocess.PIPE, stderr=log, env=environment
            )
        # It says in one line where it listens, when it does. Reading has no timeout of its own: a gateway that hangs is
        # ended, which ends the reading.
        assert process.stdout is not None
        killer = threading.Timer(PATIENCE, process.kill)
        killer.start()
        line = process.stdout.readline()
        killer.cancel()
        if not line:
            process.kill()
            process.wait()
            process.stdout.close()
            raise RuntimeError(f"{self._binary} did not start:\n{self.log}")
        listening = json.loads(line)
        self._process, self.edge, self.control = process, listening["edge"], listening["control"]
        self._config["edge"]["listen"], self._config["control"]["listen"] = self.edge, self.control

    def stop(self) -> None:
        """Ends it as a service manager would, and insists that it goes in peace. Nothing where it is not running."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                status = self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                status = self._end_by_force()
            self._forget()
            if status != 0:
                raise RuntimeError(f"exit status {status}:\n{self.log}")

    def kill(self) -> None:
        """Ends it as a crash would. Does nothing where it is not running."""
        if self._process is not None:
            self._end_by_force()
            self._forget()

    def client(self, **settings: Any) -> Client:
        """A client of it, with every verb; settings as Client takes them. Close it."""
        settings.setdefault("token", self.key)
        return Client(self.control, **settings)

    def token(self, user: str, **claims: Any) -> str:
        """A JSON Web Token for a user's browser, good for an hour: token("alice", roles=["admin"])."""
        payload = {"sub": user, "exp": int(time.time()) + 3600, **claims}
        text = _base64(b'{"alg":"HS256","typ":"JWT"}') + b"." + _base64(json.dumps(payload).encode())
        secret = self._config["auth"]["hs256_secret"].encode()
        return (text + b"." + _base64(hmac.digest(secret, text, hashlib.sha256))).decode()

    def url(self, user: str = "", *streams: str, **claims: Any) -> str:
        """Where a browser connects, with the user's token, and subscribed to these streams. No user: anonymous."""
        query = {"token": self.token(user, **claims)} if user else {}
        if streams:
            query["streams"] = ",".join(streams)
        return f"ws://{self.edge}/ws" + ("?" + urlencode(query) if query else "")

    def _end_by_force(self) -> int:
        assert self._process is not None
        self._process.kill()
        return self._process.wait()

    def _forget(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        self._process.stdout.close()
        self._process = None


def _merge(under: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(under.get(key), dict):
            _merge(under[key], value)
        else:
            under[key] = value


def _base64(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


@pytest.fixture(scope="session")
def carillon_binary() -> str:
    """The path of the gateway's binary. A test fails where CARILLON_BINARY names what cannot be run."""
    named = os.environ.get("CARILLON_BINARY")
    # Not skipped: who has set the variable believes that tests run.
    if named and shutil.which(named) is None:
        pytest.fail(f"CARILLON_BINARY names {named}, which is no program that can be run", pytrace=False)
    binary = named or shutil.which("carillon")
    if not binary:
        pytest.skip("no gateway to test against: CARILLON_BINARY is not set, and carillon not on the PATH")
    return binary


@pytest.fixture(scope="session")
def carillon_config() -> Mapping[str, Any]:
    """More configuration for carillon_gateway."""
    return {}


@pytest.fixture(scope="session")
def carillon_gateway(
    carillon_binary: str, carillon_config: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """One gateway for all tests: let each use users and streams that no other does."""
    with Gateway(carillon_binary, tmp_path_factory.mktemp("carillon"), carillon_config) as gateway:
        yield gateway


@pytest.fixture
def carillon(carillon_gateway: Gateway) -> Iterator[Client]:
    """A client of carillon_gateway, with every verb."""
    with carillon_gateway.client() as client:
        yield client


@pytest.fixture
def start_carillon(
    carillon_binary: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Gateway]]:
    """Starts gateways for one test: start_carillon(config). They end with it."""
    gateways: list[Gateway] = []

    def start(config: Mapping[str, Any] | None = None) -> Gateway:
        gateway = Gateway(carillon_binary, tmp_path_factory.mktemp("carillon"), config)
        gateway.start()
        gateways.append(gateway)
        return gateway

    yield start
    for gateway in gateways:
        gateway.stop()
