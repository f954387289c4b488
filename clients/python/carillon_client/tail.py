"""The tail of the synchronous client."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import grpc

from carillon_client.errors import CarillonError, closed_error, from_rpc_error
from carillon_client.tailing import TailBegun, Course, TailEnd, TailFrame


class Tail(Iterator[TailFrame]):
    """What goes by, as it goes by; see Client.tail(). Thread: one iterates; any may call close()."""

    def __init__(self, connect: Callable[[Any], Any], course: Course) -> None:
        self._connect = connect
        self._course = course
        self._frames: deque[TailFrame] = deque()
        # A thread of its own reads: KeyboardInterrupt inside of gRPC leaves gRPC's locks locked. It reads one response
        # ahead, so that gRPC's flow control reaches the gateway, which counts what is lost.
        self._responses: queue.Queue[tuple[Any, CarillonError | None]] = queue.Queue(maxsize=1)
        self._closed = threading.Event()
        self._over = False
        self._lock = threading.Lock()  # Guards what follows.
        self._call: Any = None

    def __enter__(self) -> Tail:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Tail:
        return self

    def __next__(self) -> TailFrame:
        while not self._frames and self._receive():
            pass
        if self._closed.is_set() or not self._frames:
            raise StopIteration
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

    def start(self) -> None:
        """Returns when it has begun: what goes by from here on is seen."""
        while self._course.begun is None and self._receive():
            pass

    def close(self) -> None:
        """Ends the iteration. May be called again."""
        self._closed.set()
        with self._lock:
            call = self._call
        if call is not None:
            call.cancel()

    def _receive(self) -> bool:
        """Waits for the next response. False: there is none."""
        if self._over or self._closed.is_set():
            return False
        if self._call is None:
            self._open()
        while True:
            if self._closed.is_set():
                return False
            try:
                # Not for ever: a signal that another thread was given is handled when this one wakes up.
                response, error = self._responses.get(timeout=0.5)
                break
            except queue.Empty:
                continue
        if response is not None:
            self._frames.extend(self._course.take(response))
            return True
        self._over = True
        if error is not None and not self._closed.is_set():
            raise error
        return False

    def _open(self) -> None:
        try:
            call = self._connect(self._course.request)
        except ValueError as caught:  # What gRPC raises where another thread has just closed the channel.
            raise closed_error() from caught
        with self._lock:
            self._call = call
        if self._closed.is_set():
            call.cancel()
        threading.Thread(target=self._read, args=(call,), name="carillon-tail", daemon=True).start()

    def _read(self, call: Any) -> None:
        error: CarillonError | None = None
        try:
            for response in call:
                if not self._put(response, None):
                    return
        except grpc.RpcError as caught:
            error = from_rpc_error(caught)
        except ValueError:
            error = closed_error()
        self._put(None, error)

    def _put(self, response: Any, error: CarillonError | None) -> bool:
        while not self._closed.is_set():
            try:
                self._responses.put((response, error), timeout=0.5)
                return True
            except queue.Full:
                continue
        return False
