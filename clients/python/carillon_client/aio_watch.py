"""The watch of the asyncio client."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Any

import grpc

from carillon_client import watching
from carillon_client.errors import CarillonError, closed_error, from_rpc_error
from carillon_client.events import Event
from carillon_client.results import Position
from carillon_client.retry import heals, pause_after
from carillon_client.watch import _GOODBYE


def _end_writing(requests: asyncio.Queue[Any], call: object) -> None:
    requests.put_nowait(None)


class AsyncWatch(AsyncIterator[Event]):
    """Events as they happen; see AsyncClient.watch(). One task iterates; any may call close()."""

    def __init__(self, connect: Callable[[], Any], course: watching.Course, app: str) -> None:
        self._connect = connect
        self._course = course
        self._app = app
        self._events: deque[Event] = deque()
        self._held: Event | None = None
        self._failures = 0
        self._call: Any = None
        # Requests are written by a task of their own: a write to a connection that has broken may wait until the call
        # is read to its end.
        self._requests: asyncio.Queue[Any] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None
        self._reading = False
        self._closed = asyncio.Event()

    async def __aenter__(self) -> AsyncWatch:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncWatch:
        return self

    async def __anext__(self) -> Event:
        held, self._held = self._held, None
        if held is not None and self._course.auto_ack:
            self._course.done(held)
            self._send_acks(now=not self._events)
        while not self._events:
            if not await self._receive():
                raise StopAsyncIteration
        if self._closed.is_set():
            raise StopAsyncIteration
        self._held = self._events.popleft()
        return self._held

    @property
    def position(self) -> Position | None:
        """Everything up to here is dealt with: what `resume` takes. From the beginning of the `with` on it is where the
        watch begins. None: not known, before the watch has begun or in a group of which others have parts."""
        return self._course.position

    async def start(self) -> None:
        """Returns when the watch has begun: what happens from here on is in it. Waits for a gateway that is away."""
        while self._call is None and not self._events and await self._receive():
            pass

    async def ack(self, event: Event | None = None) -> None:
        """The event, and what came before it in its part, is dealt with. None: the last one that was given."""
        event = event or self._held
        if event is not None:
            self._course.done(event)
            self._send_acks(now=True)

    async def close(self) -> None:
        """Ends the iteration, and leaves the group when what was dealt with is acknowledged. May be called again."""
        self._closed.set()
        call = self._call
        if call is None or call.done():
            return
        if self._course.in_group:
            self._send_acks(now=True)  # what was held back
            self._requests.put_nowait(None)
            try:
                await asyncio.wait_for(self._over(call), _GOODBYE)
            except (asyncio.TimeoutError, grpc.RpcError):
                pass
        call.cancel()
        self._end_call()

    async def _over(self, call: Any) -> None:
        if self._reading:
            await call.code()
        else:
            while await call.read() is not grpc.aio.EOF:
                pass

    async def _receive(self) -> bool:
        """Waits for the next response, over as many connections as it takes. False: closed."""
        while not self._closed.is_set():
            error: CarillonError | None = None
            response: Any = None
            try:
                if self._call is None:
                    self._call = self._connect()
                    self._requests = asyncio.Queue()
                    self._requests.put_nowait(self._course.begin(self._app))
                    self._call.add_done_callback(partial(_end_writing, self._requests))
                    work = self._write(self._call, self._requests)
                    self._writer = asyncio.get_running_loop().create_task(work)
                self._reading = True
                response = await self._call.read()
                if response is grpc.aio.EOF:
                    response = None
            except grpc.RpcError as caught:
                error = from_rpc_error(caught)
            except asyncio.CancelledError:
                # Either close(), or whoever waits for this task does so no longer: gRPC has cancelled the call then.
                self._end_call()
                if self._closed.is_set():
                    return False
                raise
            except grpc.aio.UsageError as caught:  # The channel was closed.
                raise closed_error() from caught
            finally:
                self._reading = False
            if response is not None:
                self._failures = 0
                events, lost = self._course.take(response)
                self._events.extend(events)
                if not events and self._course.auto_ack:
                    self._send_acks(now=True)
                self._course.lost(lost)
                return True
            self._end_call()
            if self._closed.is_set():
                break
            if error is not None and not heals(error):
                self._closed.set()
                raise error
            self._failures += 1
            pause = pause_after(self._failures)
            watching.ended(error, pause)
            await self._unless_closed(asyncio.wait_for(self._closed.wait(), pause))
        return False

    def _end_call(self) -> None:
        self._call = None
        if self._writer is not None:
            self._writer.cancel()

    def _send_acks(self, now: bool) -> None:
        for request in self._course.acks(now):
            self._requests.put_nowait(request)

    @staticmethod
    async def _write(call: Any, requests: asyncio.Queue[Any]) -> None:
        """A call that has ended says so when it is read."""
        try:
            while (request := await requests.get()) is not None:
                await call.write(request)
            await call.done_writing()
        except (grpc.RpcError, asyncio.InvalidStateError):
            pass

    @staticmethod
    async def _unless_closed(closed: Awaitable[object]) -> None:
        try:
            await closed
        except asyncio.TimeoutError:
            pass
