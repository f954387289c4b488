"""How a watch goes on: where it begins, what it has been given, what it has dealt with. Without any I/O, for both
clients."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from carillon_client._pb import events_pb2
from carillon_client.errors import CarillonError
from carillon_client.events import Event, EventKind, Lost, read_event
from carillon_client.options import make_position, several
from carillon_client.results import Position

log = logging.getLogger("carillon_client")

#: Acknowledge at the end of each response, and within it whenever so many events are dealt with.
_ACK_EVERY = 64

Resume = Position | Callable[[], Position | None] | None


@dataclass(frozen=True)
class Order:
    """What is to be watched."""

    app: str
    group: str
    partitions: int
    resume: Resume
    from_oldest: bool
    filter: events_pb2.EventFilter | None
    max_unacknowledged: int
    auto_ack: bool
    on_lost: Callable[[Lost], object] | None


def order(
    *,
    group: str = "",
    kinds: Iterable[EventKind] = (),
    streams: Iterable[str] = (),
    users: Iterable[str] = (),
    client_events: Iterable[str] = (),
    partitions: int = 1,
    resume: Resume = None,
    from_oldest: bool = False,
    max_unacknowledged: int = 0,
    auto_ack: bool = True,
    on_lost: Callable[[Lost], object] | None = None,
    app: str = "",
) -> Order:
    """Watches what happens in the app: an iterator of Event that connects again, and resumes, by itself. Verb: read.

    with client.watch(kinds=[EventKind.SUBSCRIBED]) as events:
        for event in events:
            ...

    It begins with the `with`, or with the first event that is asked for, and ends when close() is called (from any
    thread; only one may iterate), or by raising an error that time does not heal: Unauthenticated, PermissionDenied,
    InvalidArgument, NotFound, FailedPrecondition. Of anything else it makes a line in the log "carillon_client", and
    tries again after 0.1 to 5 seconds.

    kinds    Of one of these kinds: at most 32. Empty: all.
    streams  That name a stream which matches one of these patterns (* ? [a-z]): at most 100. Empty: all.
    users    Of one of these users: at most 1,000. Empty: all.
    client_events  Client events of these names, or beginnings of names and a "*": at most 100. Empty: all. Events of
             other kinds are not concerned.
    resume   Events after this position: what `position` of an earlier watch was, once its events were dealt with. Or a
             function, which is asked at each connection. None: events from now on. Keep `position` when the `with` has
             begun, before the first event: who ends earlier has no place to go on from.
    from_oldest  Where there is nothing to resume, begin with the oldest event that is kept.
    app      Which app's. Empty: the client's.
    on_lost  Is told of events that the gateway did not keep long enough, in the iterating thread, before the events
             that follow. None: a warning in the log.

    In a group (1 to 128 bytes of [A-Za-z0-9._:-]) several watches share the work. Each event is for one of them, and
    comes again, to it or to another, until it is acknowledged: at least once.

    partitions  Into how many parts the group divides its work, 1 to 64; each has one member at a time. All members
                must say the same.
    max_unacknowledged  How many events of a part may be on their way: 1 to 10,000; 0: 1,000.
    auto_ack  An event counts as dealt with when the next one is asked for, and is acknowledged then (with others,
              at the end of what came together, at most 64). So who leaves the loop by `break` or by an error has not
              dealt with the last one: it comes again. False: only ack() counts, with a group and without.
    """
    wanted = None
    chosen = _numbers_of(kinds)
    if EventKind.UNKNOWN.value in chosen:
        raise ValueError("EventKind.UNKNOWN cannot be asked for")
    of_streams, of_users = several(streams, "streams"), several(users, "users")
    named = several(client_events, "client_events")
    if chosen or of_streams or of_users or named:
        wanted = events_pb2.EventFilter(kinds=chosen, streams=of_streams, user_ids=of_users, client_events=named)
    if resume is not None and not isinstance(resume, Position) and not callable(resume):
        raise TypeError(f"resume takes a Position or a function, not {type(resume).__name__}")
    # What is of no use is to be said now, and not when the first connection begins.
    events_pb2.WatchBegin(app=app, group=group, partitions=partitions, max_unacknowledged=max_unacknowledged)
    return Order(app, group, partitions, resume, from_oldest, wanted, max_unacknowledged, auto_ack, on_lost)


def _numbers_of(kinds: Iterable[EventKind]) -> list[Any]:  # the stubs want names
    if isinstance(kinds, (str, EventKind)) or not isinstance(kinds, Iterable):
        raise TypeError(f"kinds takes several EventKind, such as [EventKind.SUBSCRIBED], not {kinds!r}")
    listed = list(kinds)
    for kind in listed:
        if not isinstance(kind, EventKind):
            raise TypeError(f"kinds takes EventKind, such as EventKind.SUBSCRIBED, not {kind!r}")
    return [kind.value for kind in listed]


@dataclass
class _Part:
    """One part of the feed, as far as this watch knows it."""

    done: int  # everything up to here is dealt with, by us or by another member
    scanned: int
    acked: int = 0
    sent: int = 0  # what came over this connection, which is the most that may be acknowledged on it
    open: deque[int] = field(default_factory=deque)  # offsets that were given, or are about to be, in order


class Course:
    """The state of one watch, over all its connections. Thread: one at a time."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._epoch = ""
        self._parts: dict[int, _Part] = {}
        self._unacked = 0  # events that were dealt with since the last acknowledgement
        self._connections = 0

    @property
    def in_group(self) -> bool:
        return self._order.group != ""

    @property
    def position(self) -> Position | None:
        """Where to resume: everything up to here is dealt with. None: nobody knows."""
        if not self._epoch or any(part not in self._parts for part in range(self._order.partitions)):
            return None
        return Position(self._epoch, min(part.done for part in self._parts.values()))

    def begin(self, app: str) -> events_pb2.WatchRequest:
        """The first request of a connection."""
        order = self._order
        for part in self._parts.values():
            part.open.clear()  # what is not dealt with comes again
            part.scanned, part.acked, part.sent = part.done, 0, 0
        resume = order.resume() if callable(order.resume) else None
        from_oldest = order.from_oldest
        if resume is None and self._connections > 0 and self._epoch:
            resume = self.position
            # A gateway that was restarted without a snapshot has forgotten the group, and we do not know about all of
            # its parts: rather all that is kept again than one event never. One that knows the group goes on there.
            from_oldest = from_oldest or resume is None
        elif resume is None and not callable(order.resume):
            resume = order.resume
        self._connections += 1
        begin = events_pb2.WatchBegin(
            app=order.app or app,
            group=order.group,
            partitions=order.partitions,
            resume=make_position(resume),
            from_oldest=from_oldest,
            filter=order.filter,
            max_unacknowledged=order.max_unacknowledged,
        )
        return events_pb2.WatchRequest(begin=begin)

    def take(self, response: events_pb2.WatchResponse) -> tuple[list[Event], Lost | None]:
        """What a response brings: the events that are new to us, and what is lost before them."""
        number, epoch = response.partition, response.scanned_to.epoch
        lost = None
        if self._epoch not in ("", epoch):
            known = self._parts.get(number)
            lost = Lost(number, known.done + 1 if known else 1, None)
            self._parts.clear()
        self._epoch = epoch
        if response.HasField("lost"):
            lost = Lost(number, response.lost.lost_from, response.lost.lost_to or None)

        part = self._parts.get(number)
        if part is None:
            begins = response.events[0].offset - 1 if response.events else response.scanned_to.offset
            part = self._parts[number] = _Part(begins, begins)
        events = []
        for each in response.events:
            # What we have dealt with, or have in hand, comes again when its acknowledgement did not get through.
            if each.offset > part.done and each.offset not in part.open:
                part.open.append(each.offset)
                events.append(read_event(each, epoch, number))
        part.scanned = max(part.scanned, response.scanned_to.offset)
        part.sent = max(part.sent, response.scanned_to.offset)
        self._settle(part)
        if lost is not None and self._order.on_lost is None:
            log.warning("watch: events were lost: %s", lost)
        return events, lost

    def done(self, event: Event) -> None:
        """The event is dealt with, and with it what came before it in its part."""
        part = self._parts.get(event.partition)
        if part is None or event.position.epoch != self._epoch:
            return  # of a feed that is gone
        while part.open and part.open[0] <= event.position.offset:
            part.open.popleft()
            self._unacked += 1
        part.done = max(part.done, event.position.offset)
        self._settle(part)

    def acks(self, now: bool) -> list[events_pb2.WatchRequest]:
        """What to send: nothing until enough has come together, unless it must be now."""
        if not self.in_group or not (now or self._unacked >= _ACK_EVERY):
            return []
        self._unacked = 0
        requests = []
        for number, part in list(self._parts.items()):  # close() may be another thread's
            # A gateway that was restarted may be behind us with what it sends again, and refuses what it has not sent.
            offset = min(part.done, part.sent)
            if offset > part.acked:
                part.acked = offset
                ack = events_pb2.WatchAck(partition=number, offset=offset, epoch=self._epoch)
                requests.append(events_pb2.WatchRequest(ack=ack))
        return requests

    def lost(self, lost: Lost | None) -> None:
        """Tells who asked to be told."""
        if lost is not None and self._order.on_lost is not None:
            self._order.on_lost(lost)

    @property
    def auto_ack(self) -> bool:
        return self._order.auto_ack

    @staticmethod
    def _settle(part: _Part) -> None:
        if not part.open:
            part.done = max(part.done, part.scanned)


def ended(error: CarillonError | None, pause: float) -> None:
    """Says in the log that a connection ended and another will be made."""
    log.info("watch: %s; again in %.1f s", error or "the gateway ended the call", pause)

