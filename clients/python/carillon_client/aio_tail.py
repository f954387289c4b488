"""The tail of the asyncio client."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any

import grpc

from carillon_client.errors import closed_error, from_rpc_error
from carillon_client.tailing import TailBegun, Course, TailEnd, TailFrame


class AsyncTail(AsyncIterator[TailFrame]):
    """What goes by, as it goes by; see AsyncClient.tail(). One task iterates; any may call close()."""

    def __init__(self, connect: Callable[[Any], Any], course: Course) -> None:
        self._connect = connect
        self._course = course
        self._frames: deque[TailFrame] = deque()
        self._call: Any = None
        self._over = False
        self._closed = False

    async def __aenter__(self) -> AsyncTail:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncTail:
        return self

    async def __anext__(self) -> TailFrame:
        while not self._frames and await self._receive():
            pass
        if self._closed or not self._frames:
            raise StopAsyncIteration
        return self._frames.popleft()

    @property
    def begun(self) -> TailBegun | None:
        """What it knew when it began. None: it has not."""
        return self._course.begun

    @property
    def end(self) -> TailEnd | None:
        """Why it has ended. None: it goes on, or close() ended it."""
        return self._course.end

    @property
    def left_out(self) -> int:
        """How many frames the sample has left out."""
        return self._course.left_out

    @property
    def lost(self) -> int:
        """How many frames are lost, because they were not read in time."""
        return self._course.lost

    async def start(self) -> None:
        """Returns when it has begun: what goes by from here on is seen."""
        while self._course.begun is None and await self._receive():
            pass

    async def close(self) -> None:
        """Ends the iteration. May be called again."""
        self._closed = True
        if self._call is not None:
            self._call.cancel()

    async def _receive(self) -> bool:
        """Waits for the next response. False: there is none."""
        if self._over or self._closed:
            return False
        try:
            if self._call is None:
                self._call = self._connect(self._course.request)
            response = await self._call.read()
        except grpc.RpcError as caught:
            self._over = True
            if self._closed:
                return False
            raise from_rpc_error(caught) from caught
        except asyncio.CancelledError as caught:
            # Either whoever waits for this task does so no longer, or close() has ended the call, or that of the client.
            if self._closed:
                self._over = True
                return False
            if self._call is None or not self._call.cancelled():
                raise
            self._over = True
            raise closed_error() from caught
        except grpc.aio.UsageError as caught:
            raise closed_error() from caught
        if response is grpc.aio.EOF:
            self._over = True
            return False
        self._frames.extend(self._course.take(response))
        return True
