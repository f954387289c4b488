"""AsyncClient behind the face of Client, so that each test of behaviour holds for both."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from carillon_client import AsyncBatcher, AsyncPages, AsyncTail, AsyncWatch


class Blocking:
    """An object of the asyncio client whose coroutines, iterators and futures are waited for."""

    def __init__(self, target: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._target = target
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not callable(value):
            return value

        def method(*args: Any, **kwargs: Any) -> Any:
            return self._wait(value(*args, **kwargs))

        return method

    def __enter__(self) -> Blocking:
        self._wait(self._target.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(self._target.__aexit__(None, None, None))

    def __iter__(self) -> Blocking:
        return self

    def __next__(self) -> Any:
        try:
            return self._wait(self._target.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def _wait(self, made: Any) -> Any:
        if inspect.iscoroutine(made):
            made = self._loop.run_until_complete(made)
        if isinstance(made, asyncio.Future):
            return BlockingFuture(made, self._loop)
        if isinstance(made, (AsyncBatcher, AsyncPages, AsyncTail, AsyncWatch)):
            return Blocking(made, self._loop)
        return made


class BlockingFuture:
    """As much of concurrent.futures.Future as tests need."""

    def __init__(self, target: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._target = target
        self._loop = loop

    def result(self) -> Any:
        return self._loop.run_until_complete(self._target)

    def exception(self) -> BaseException | None:
        self._loop.run_until_complete(asyncio.wait([self._target]))
        return self._target.exception()

    def done(self) -> bool:
        return self._target.done()
