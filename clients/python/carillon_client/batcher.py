"""The batcher of the synchronous client."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
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


def _publish(build: Callable[P, Publish[Any]]) -> Callable[Concatenate[Batcher, P], Future[None]]:
    build = naming(build)

    def method(self: Batcher, /, *args: P.args, **kwargs: P.kwargs) -> Future[None]:
        return self._add(build(*args, **kwargs))

    return as_method(method, build)


class Batcher:
    """Publishes many messages over one call, PublishStream, in the order in which they are given to it.

    Its methods are the client's, but answer at once with a future: None when the gateway has sequenced the message, or
    the error for which it was refused. There is no receipt. `timeout` is for how many seconds to wait where too many
    messages are on their way; None: as long as it takes. What gathers while a request is being written goes with the
    next one, up to 64 messages; nothing waits for company.

    A call that breaks is made again, and what was not acknowledged is sent again, with the request_id that each message
    has: as long as the gateway lives, and for five minutes, each is published exactly once. A gateway that was
    restarted remembers no request_ids: a message whose acknowledgement was lost may then come twice, and none is lost.
    An error that time does not heal, such as Unauthenticated, fails everything that is left, and later calls.

    Thread: any, and several at once. It has a thread of its own, from the first message on.
    """

    def __init__(
        self,
        connect: Callable[[Iterator[Any]], Any],
        settings: Settings,
        max_outstanding: int,
        on_failure: OnFailure | None,
    ) -> None:
        if max_outstanding < 1:
            raise ValueError("max_outstanding must be at least 1")
        self._connect = connect
        self._settings = settings
        self._max_outstanding = max_outstanding
        self._on_failure = on_failure
        self._lock = threading.Lock()  # Guards everything below. Futures are completed without it.
        self._work = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._progress = threading.Condition(self._lock)
        self._sender_waits = False
        self._outbox: Outbox[Future[None]] = Outbox()
        self._thread: threading.Thread | None = None
        self._call: Any = None
        self._call_number = 0
        self._closing = False
        self._broken: CarillonError | None = None

    def __enter__(self) -> Batcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    broadcast_to_user = _publish(calls.broadcast_to_user)
    broadcast_to_users = _publish(calls.broadcast_to_users)
    broadcast_stream = _publish(calls.broadcast_stream)
    broadcast_all = _publish(calls.broadcast_all)
    send_to_session = _publish(calls.send_to_session)

    def flush(self, timeout: float | None = None) -> None:
        """Returns when the gateway has answered for everything that was published before. Raises DeadlineExceeded after
        so many seconds; what is left goes on its way all the same."""
        with self._lock:
            wanted = self._outbox.added
            if not self._progress.wait_for(lambda: self._outbox.resolved >= wanted, timeout):
                raise self._late()

    def close(self, timeout: float = 30.0) -> None:
        """Sends what is left, and ends. What the gateway has not answered for after so many seconds fails with
        DeadlineExceeded; it may have been published. May be called again."""
        deadline = time.monotonic() + timeout
        with self._lock:
            self._closing = True
            self._work.notify_all()
            self._room.notify_all()
            self._progress.wait_for(lambda: self._outbox.outstanding == 0, timeout)
            error = self._late() if self._outbox.outstanding else closed_error()
            thread = self._thread
        self._fail(error)
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(1.0, deadline - time.monotonic()))

    def _add(self, publish: Publish[Any]) -> Future[None]:
        future: Future[None] = Future()
        item = make_item(publish, self._settings, future)
        with self._lock:
            if self._outbox.outstanding >= self._max_outstanding:
                self._wait_for_room(publish.timeout)
            if self._broken is not None:
                raise self._broken
            if self._closing:
                raise closed_error()
            self._outbox.add(item)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="carillon-batcher", daemon=True)
                self._thread.start()
            if self._sender_waits and self._outbox.may_send:
                self._work.notify_all()
        return future

    def _wait_for_room(self, timeout: float | None) -> None:
        # Until half of them are through: waking up for each would be most of the work where the gateway is faster.
        if not self._room.wait_for(self._has_room, timeout):
            raise self._late()

    def _has_room(self) -> bool:
        return self._outbox.outstanding <= self._max_outstanding // 2 or self._closing or self._broken is not None

    def _late(self) -> DeadlineExceeded:
        waiting = self._outbox.outstanding
        return DeadlineExceeded(
            grpc.StatusCode.DEADLINE_EXCEEDED, f"the gateway has not answered for {waiting} messages in time"
        )

    # --- The batcher's own thread ---

    def _run(self) -> None:
        failures = 0
        while True:
            error: CarillonError | None = None
            try:
                for response in self._open():
                    failures = 0
                    self._take(response)
            except grpc.RpcError as caught:
                error = from_rpc_error(caught)
            except CarillonError as caught:
                self._fail(caught)
            except ValueError:  # What gRPC raises where another thread has just closed the channel.
                self._fail(closed_error())
            with self._lock:
                self._call = None
                self._call_number += 1
                self._work.notify_all()  # for the thread in which gRPC asks for requests
                if self._broken is not None or (self._closing and not self._outbox.outstanding):
                    return
            if error is not None and ends_batcher(error):
                return self._fail(error)
            failures += 1
            pause = pause_after(failures)
            log.info("batcher: %s; again in %.1f s", error or "the gateway ended the call", pause)
            with self._lock:
                self._progress.wait_for(lambda: self._broken is not None, pause)

    def _open(self) -> Any:
        with self._lock:
            if self._broken is not None:
                raise self._broken
            self._outbox.begin_call()
            self._call_number += 1
            number = self._call_number
        call = self._connect(self._requests(number))
        with self._lock:
            self._call = call
            if self._broken is not None:
                call.cancel()
        return call

    def _requests(self, number: int) -> Iterator[Any]:
        """gRPC asks for the next one when the last was written: what has gathered until then goes out together."""
        while True:
            with self._lock:
                while True:
                    if self._call_number != number:
                        return
                    items = self._outbox.next_items()
                    if items is not None:
                        break
                    if self._closing and not self._outbox.outstanding:
                        return
                    self._sender_waits = True
                    self._work.wait()
                    self._sender_waits = False
            yield make_request(*items)

    def _take(self, response: Any) -> None:
        with self._lock:
            resolved = self._outbox.take(response)
            if self._sender_waits and (self._closing or self._outbox.may_send):
                self._work.notify_all()
        for item, error in resolved:
            self._resolve(item.future, error)
        with self._lock:  # only now: who has flushed may look at the futures
            self._progress.notify_all()
            if self._has_room():
                self._room.notify_all()

    def _fail(self, error: CarillonError) -> None:
        with self._lock:
            if self._broken is None:
                self._broken = error
            left = self._outbox.give_up()
            call = self._call
            self._work.notify_all()
            self._room.notify_all()
            self._progress.notify_all()
        for item in left:
            self._resolve(item.future, error)
        if call is not None:
            call.cancel()

    def _resolve(self, future: Future[None], error: CarillonError | None) -> None:
        if not future.set_running_or_notify_cancel():
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
