"""The batcher of the asyncio client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec

import grpc

from carillon_client import calls
from carillon_client.arguments import naming
from carillon_client.batching import OnFailure, Outbox, ends_batcher, log, make_item, make_request
from carillon_client.calls import Publish
from carillon_client.errors import CarillonError, DeadlineExceeded, closed_error, from_rpc_error
from carillon_client.retry import pause_after
from carillon_client.settings import Settings
from carillon_client.signatures import as_method

P = ParamSpec("P")


def _publish(
    build: Callable[P, Publish[Any]],
) -> Callable[Concatenate[AsyncBatcher, P], Coroutine[Any, Any, asyncio.Future[None]]]:
    build = naming(build)

    async def method(self: AsyncBatcher, /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[None]:
        return await self._add(build(*args, **kwargs))

    return as_method(method, build)


class AsyncBatcher:
    """Publishes many messages over one call; see Batcher, whose promises it makes.

    Its methods are coroutines that wait while too many messages are on their way, and answer with a future. Not safe
    for threads: one event loop. Cancelling a future changes nothing about its message.
    """

    def __init__(
        self, connect: Callable[[], Any], settings: Settings, max_outstanding: int, on_failure: OnFailure | None
    ) -> None:
        if max_outstanding < 1:
            raise ValueError("max_outstanding must be at least 1")
        self._connect = connect
        self._settings = settings
        self._max_outstanding = max_outstanding
        self._on_failure = on_failure
        self._outbox: Outbox[asyncio.Future[None]] = Outbox()
        self._work = asyncio.Event()
        self._progress = asyncio.Event()  # another one each time that it was set
        self._runner: asyncio.Task[None] | None = None
        self._closing = False
        self._broken: CarillonError | None = None

    async def __aenter__(self) -> AsyncBatcher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    broadcast_to_user = _publish(calls.broadcast_to_user)
    broadcast_to_users = _publish(calls.broadcast_to_users)
    broadcast_stream = _publish(calls.broadcast_stream)
    broadcast_all = _publish(calls.broadcast_all)
    send_to_session = _publish(calls.send_to_session)

    async def flush(self, timeout: float | None = None) -> None:
        """Returns when the gateway has answered for everything that was published before. Raises DeadlineExceeded after
        so many seconds; what is left goes on its way all the same."""
        wanted = self._outbox.added
        await self._until(lambda: self._outbox.resolved >= wanted, timeout)

    async def close(self, timeout: float = 30.0) -> None:
        """Sends what is left, and ends. What the gateway has not answered for after so many seconds fails with
        DeadlineExceeded; it may have been published. May be called again."""
        self._closing = True
        self._work.set()
        self._tell()
        error: CarillonError = closed_error()
        try:
            await self._until(lambda: self._outbox.outstanding == 0, timeout)
        except DeadlineExceeded as late:
            error = late
        self._fail(error)
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)

    async def _add(self, publish: Publish[Any]) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        item = make_item(publish, self._settings, future)
        if self._outbox.outstanding >= self._max_outstanding:
            await self._until(self._has_room, publish.timeout)
        if self._broken is not None:
            raise self._broken
        if self._closing:
            raise closed_error()
        self._outbox.add(item)
        self._work.set()
        if self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._run())
        return future

    def _has_room(self) -> bool:
        return self._outbox.outstanding < self._max_outstanding or self._closing or self._broken is not None

    async def _until(self, holds: Callable[[], bool], timeout: float | None) -> None:
        async def wait() -> None:
            while not holds():
                await self._progress.wait()

        try:
            await asyncio.wait_for(wait(), timeout)
        except asyncio.TimeoutError:
            waiting = self._outbox.outstanding
            raise DeadlineExceeded(
                grpc.StatusCode.DEADLINE_EXCEEDED, f"the gateway has not answered for {waiting} messages in time"
            ) from None

    async def _run(self) -> None:
        failures = 0
        while self._broken is None and not (self._closing and not self._outbox.outstanding):
            error: CarillonError | None = None
            writer: asyncio.Task[None] | None = None
            try:
                self._outbox.begin_call()
                call = self._connect()
                writer = asyncio.get_running_loop().create_task(self._write(call))
                while (response := await call.read()) is not grpc.aio.EOF:
                    failures = 0
                    self._take(response)
            except grpc.RpcError as caught:
                error = from_rpc_error(caught)
            except CarillonError as caught:
                return self._fail(caught)
            except grpc.aio.UsageError:  # The channel was closed.
                return self._fail(closed_error())
            except asyncio.CancelledError:
                if self._broken is None:
                    self._fail(closed_error())  # the client was closed
                raise
            finally:
                if writer is not None:
                    writer.cancel()
            if error is not None and ends_batcher(error):
                return self._fail(error)
            failures += 1
            pause = pause_after(failures)
            log.info("batcher: %s; again in %.1f s", error or "the gateway ended the call", pause)
            await asyncio.sleep(pause)

    async def _write(self, call: Any) -> None:
        try:
            while True:
                items = self._outbox.next_items()
                if items is not None:
                    await call.write(make_request(*items))
                elif self._closing and not self._outbox.outstanding:
                    return await call.done_writing()  # type: ignore[no-any-return]
                else:
                    self._work.clear()
                    await self._work.wait()
        except (grpc.RpcError, asyncio.InvalidStateError):
            pass  # the call has ended, as who reads it is told

    def _take(self, response: Any) -> None:
        for item, error in self._outbox.take(response):
            self._resolve(item.future, error)
        self._work.set()
        self._tell()

    def _fail(self, error: CarillonError) -> None:
        if self._broken is None:
            self._broken = error
        for item in self._outbox.give_up():
            self._resolve(item.future, error)
        self._tell()

    def _tell(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()

    def _resolve(self, future: asyncio.Future[None], error: CarillonError | None) -> None:
        if future.cancelled():
            return
        if error is None:
            future.set_result(None)
            return
        future.set_exception(error)
        if self._on_failure is not None:
            try:
                self._on_failure(future, error)
            except Exception:
                log.exception("batcher: on_failure raised")
