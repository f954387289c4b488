"""Lists that come a page at a time, as iterators."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Generic

import grpc

from carillon_client.calls import H, Listing, T
from carillon_client.errors import PartialResult

#: Makes one call for a page: method of the service, request, timeout.
Fetch = Callable[[str, str, Any, "float | None"], Any]
AsyncFetch = Callable[[str, str, Any, "float | None"], Awaitable[Any]]


class Pages(Iterator[T], Generic[T, H]):
    """Items of a list. Asks for pages as the iteration goes on, each with the timeout of one call.

    Thread: one at a time.
    """

    def __init__(self, fetch: Fetch, listing: Listing[T, H]) -> None:
        self._fetch = fetch
        self._reader = _Reader(listing)

    def __iter__(self) -> Pages[T, H]:
        return self

    def __next__(self) -> T:
        while (page := self._reader.next_request()) is not None:
            self._reader.take(self._fetch(*page))
        return self._reader.item(StopIteration)

    def head(self) -> H:
        """What the first page says of the whole list. Asks for it where that has not happened yet."""
        if not self._reader.begun:
            page = self._reader.next_request()
            assert page is not None
            self._reader.take(self._fetch(*page))
        return self._reader.head()


class AsyncPages(AsyncIterator[T], Generic[T, H]):
    """Items of a list. Asks for pages as the iteration goes on, each with the timeout of one call."""

    def __init__(self, fetch: AsyncFetch, listing: Listing[T, H]) -> None:
        self._fetch = fetch
        self._reader = _Reader(listing)

    def __aiter__(self) -> AsyncPages[T, H]:
        return self

    async def __anext__(self) -> T:
        while (page := self._reader.next_request()) is not None:
            self._reader.take(await self._fetch(*page))
        return self._reader.item(StopAsyncIteration)

    async def head(self) -> H:
        """What the first page says of the whole list. Asks for it where that has not happened yet."""
        if not self._reader.begun:
            page = self._reader.next_request()
            assert page is not None
            self._reader.take(await self._fetch(*page))
        return self._reader.head()


class _Reader(Generic[T, H]):
    """How far a list was read, without any I/O."""

    def __init__(self, listing: Listing[T, H]) -> None:
        self._listing = listing
        self._page: Iterator[T] = iter(())
        self._next: list[T] = []  # the item that was looked at to see whether a page has one
        self._head: H | None = None
        self._last = False
        self._partial = False
        self.begun = False

    def next_request(self) -> tuple[str, str, Any, float | None] | None:
        """The call for the next page, or None where there is an item, or nothing more."""
        if not self._next:
            self._next.extend(item for item in (next(self._page, _NONE),) if item is not _NONE)  # type: ignore[misc]
        if self._next or self._last:
            return None
        return self._listing.service, self._listing.method, self._listing.request, self._listing.timeout

    def take(self, response: Any) -> None:
        """The page that was asked for."""
        if not self.begun:
            self.begun = True
            self._head = self._listing.head(response)
        self._page = iter(self._listing.items(response))
        self._partial = self._partial or getattr(response, "partial", False)
        # A page that is not full may have a next one; only the empty token ends the list.
        self._last = not response.next_page_token
        self._listing.request.page_token = response.next_page_token

    def head(self) -> H:
        return self._head  # type: ignore[return-value]  # H may be None itself

    def item(self, end: type[Exception]) -> T:
        """The next item. Raises `end` after the last, and before that PartialResult where there may be gaps."""
        if self._next:
            return self._next.pop()
        if self._partial:
            self._partial = False
            raise PartialResult(
                grpc.StatusCode.UNAVAILABLE, "a part of the gateway did not answer in time: something may be missing"
            )
        raise end


_NONE = object()
