"""A gateway of one's own, and browsers that connect to it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import websockets

T = TypeVar("T")

#: How long anything may take before a test fails, in seconds. Far more than is ever needed, for slow machines.
PATIENCE = 10.0

FULL_KEY = "0123456789abcdef0123"
READ_KEY = "abcdef0123456789abcd"
_JWT_SECRET = "an-example-secret-of-at-least-32-bytes"

_CONFIG = f"""
edge: {{listen: "127.0.0.1:0", endpoints: [{{path: /ws, anonymous: true}}]}}
control:
  listen: "127.0.0.1:0"
  keys:
    - {{name: test, secret: "{FULL_KEY}"}}
    - {{name: reader, secret: "{READ_KEY}", verbs: [read]}}
admin: {{listen: "127.0.0.1:0"}}
auth: {{hs256_secret: "{_JWT_SECRET}"}}
"""


class Gateway:
    """The real binary, on free ports."""

    def __init__(self, binary: str, folder: Path) -> None:
        config = folder / "carillon.yaml"
        config.write_text(_CONFIG)
        self._log = folder / "carillon.log"
        # Settings of the person who runs the tests must not reach it: variables beat the file.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CARILLON_")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [binary, "serve", "-c", str(config)], stdout=subprocess.PIPE, stderr=log, env=environment
            )
        # Reading has no timeout of its own: a gateway that hangs is ended, which ends the reading.
        assert self._process.stdout is not None
        killer = threading.Timer(PATIENCE, self._process.kill)
        killer.start()
        line = self._process.stdout.readline()
        killer.cancel()
        if not line:
            self._process.kill()
            self._process.wait()
            raise RuntimeError(f"{binary} did not start:\n{self._log.read_text()}")
        listening = json.loads(line)
        self.edge: str = listening["edge"]
        self.control: str = listening["control"]

    def stop(self) -> None:
        """Ends it as a service manager would, and insists that it goes in peace."""
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            status = -signal.SIGKILL
        if self._process.stdout is not None:
            self._process.stdout.close()
        assert status == 0, f"exit status {status}:\n{self._log.read_text()}"


def sign_token(user: str, labels: Mapping[str, str] | None = None) -> str:
    """A JSON Web Token as an application would give it to its browser."""
    claims: dict[str, object] = {"sub": user, "exp": int(time.time()) + 3600}
    if labels:
        claims["labels"] = labels

    def encode(part: bytes) -> bytes:
        return base64.urlsafe_b64encode(part).rstrip(b"=")

    text = encode(b'{"alg":"HS256","typ":"JWT"}') + b"." + encode(json.dumps(claims).encode())
    return (text + b"." + encode(hmac.digest(_JWT_SECRET.encode(), text, hashlib.sha256))).decode()


class Browser:
    """A connected client. Thread: one at a time; its connection only moves inside its methods."""

    def __init__(self, gateway: Gateway, user: str, streams: str = "", labels: Mapping[str, str] | None = None) -> None:
        url = f"ws://{gateway.edge}/ws?token={sign_token(user, labels)}"
        if streams:
            url += f"&streams={streams}"
        self._loop = asyncio.new_event_loop()

        async def connect() -> Any:
            return await websockets.connect(url)

        self._socket = self._run(connect())
        welcome = self.receive()
        assert (welcome["stream"], welcome["event"]) == ("system", "welcome")
        self.session: str = welcome["data"]["session"]

    def receive(self) -> dict[str, Any]:
        """The next message."""
        message = json.loads(self._run(self._socket.recv()))
        assert isinstance(message, dict)
        return message

    def receive_close(self) -> tuple[int, str]:
        """The code and the reason that the gateway closed with."""
        try:
            message = self.receive()
        except websockets.exceptions.ConnectionClosed as closed:
            assert closed.rcvd is not None, "the connection broke without a close frame"
            return closed.rcvd.code, closed.rcvd.reason
        raise AssertionError(f"a message came instead of a close frame: {message}")

    def close(self) -> None:
        """Leaves. May be called again."""
        if not self._loop.is_closed():
            self._run(self._socket.close())
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(asyncio.wait_for(work, PATIENCE))
