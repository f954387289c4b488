"""A browser's side of the gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

import websockets

from carillon_client.testing import PATIENCE

T = TypeVar("T")


class Browser:
    """A connected client. Thread: one at a time; its connection only moves inside its methods."""

    def __init__(self, url: str) -> None:
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

    def say(self, **message: Any) -> dict[str, Any]:
        """The answer to a message of one's own; no other may be on its way."""
        self._run(self._socket.send(json.dumps(message)))
        return self.receive()

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
