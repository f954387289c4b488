"""The watch of the synchronous client."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import grpc

from carillon_client import watching
from carillon_client.errors import CarillonError, closed_error, from_rpc_error
from carillon_client.events import Event
from carillon_client.results import Position
from carillon_client.retry import heals, pause_after

#: How long close() lets the gateway take the last acknowledgements, in seconds.
_GOODBYE = 1.0


class Watch(Iterator[Event]):
    """Events as they happen; see Client.watch().

    Thread: one iterates, and calls ack(); any may call close().
    """

    def __init__(self, connect: Callable[[Iterator[Any]], Any], course: watching.Course, app: str) -> None:
        self._connect = connect
        self._course = course
        self._app = app
        self._events: deque[Event] = deque()
        self._held: Event | None = None
        self._failures = 0
        self._closed = threading.Event()
        self._lock = threading.Lock()  # Guards what follows.
        self._line: _Line | None = None

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> Event:
        held, self._held = self._held, None
        if held is not None and self._course.auto_ack:
            self._course.done(held)
            self._send_acks(now=not self._events)
        while not self._events:
            if not self._receive():
                raise StopIteration
        if self._closed.is_set():
            raise StopIteration
        self._held = self._events.popleft()
        return self._held

    @property
    def position(self) -> Position | None:
        """Everything up to here is dealt with: what `resume` takes. From the beginning of the `with` on it is where the
        watch begins. None: not known, before the watch has begun or in a group of which others have parts."""
        return self._course.position

    def start(self) -> None:
        """Returns when the watch has begun: what happens from here on is in it. Waits for a gateway that is away."""
        while self._line is None and not self._events and self._receive():
            pass

    def ack(self, event: Event | None = None) -> None:
        """The event, and what came before it in its part, is dealt with. None: the last one that was given."""
        event = event or self._held
        if event is not None:
            self._course.done(event)
            self._send_acks(now=True)

    def close(self) -> None:
        """Ends the iteration, and leaves the group when what was dealt with is acknowledged. May be called again."""
        self._closed.set()
        with self._lock:
            line = self._line
        if line is not None:
            self._send_acks(now=True)  # what was held back
            line.close(_GOODBYE if self._course.in_group else 0.0)

    def _receive(self) -> bool:
        """Waits for the next response, over as many connections as it takes. False: closed."""
        while not self._closed.is_set():
            line = self._line or self._open()
            if line is None:
                return False
            response, error = line.receive()
            if response is not None:
                self._failures = 0
                events, lost = self._course.take(response)
                self._events.extend(events)
                if not events and self._course.auto_ack:
                    self._send_acks(now=True)
                self._course.lost(lost)
                return True
            with self._lock:
                self._line = None
            if self._closed.is_set():
                break
            if error is not None and not heals(error):
                self._closed.set()
                raise error
            self._failures += 1
            pause = pause_after(self._failures)
            watching.ended(error, pause)
            self._closed.wait(pause)
        return False

    def _open(self) -> _Line | None:
        """A new connection, or None where the watch was closed meanwhile."""
        line = _Line(self._connect, self._course.begin(self._app))
        with self._lock:
            if not self._closed.is_set():
                self._line = line
                return line
        line.close(0.0)
        return None

    def _send_acks(self, now: bool) -> None:
        for request in self._course.acks(now):
            if self._line is not None:
                self._line.requests.put(request)


class _Line:
    """One call of Watch. A thread of its own reads it: KeyboardInterrupt inside of gRPC leaves gRPC's locks locked."""

    def __init__(self, connect: Callable[[Iterator[Any]], Any], begin: Any) -> None:
        self.requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.requests.put(begin)
        self._responses: queue.SimpleQueue[tuple[Any, CarillonError | None]] = queue.SimpleQueue()
        self._room = threading.Semaphore(1)  # so that gRPC's flow control slows the gateway
        self._closed = threading.Event()
        # gRPC iterates the requests in another thread, which ends with the None.
        try:
            self._call = connect(iter(self.requests.get, None))
        except ValueError as caught:  # What gRPC raises where another thread has just closed the channel.
            raise closed_error() from caught
        self._thread = threading.Thread(target=self._read, name="carillon-watch", daemon=True)
        self._thread.start()

    def receive(self) -> tuple[Any, CarillonError | None]:
        """The next response; or None and why the call has ended, where there is a reason."""
        while True:
            try:
                # Not for ever: a signal that another thread was given is handled when this one wakes up.
                received = self._responses.get(timeout=0.5)
            except queue.Empty:
                continue
            self._room.release()
            return received

    def close(self, goodbye: float) -> None:
        """Says that nothing more will be said, and waits so many seconds for the gateway to say so too."""
        self._closed.set()
        self.requests.put(None)
        self._room.release()
        if goodbye:
            self._thread.join(goodbye)
        self._call.cancel()

    def _read(self) -> None:
        error: CarillonError | None = None
        try:
            while True:
                if not self._closed.is_set():
                    self._room.acquire()
                response = next(self._call, None)
                if response is None:
                    break
                self._responses.put((response, None))
        except grpc.RpcError as caught:
            error = from_rpc_error(caught)
        except ValueError:
            error = closed_error()
        self.requests.put(None)
        self._responses.put((None, error))
