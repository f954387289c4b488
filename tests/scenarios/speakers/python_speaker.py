"""The speaker (see ../speaker.py) that uses carillon_client."""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from carillon_client import CarillonError, Client, Event, EventKind, Json, Options, Pages, Position, Selector, Watch

_PUBLISH = {"broadcast_to_user", "broadcast_to_users", "broadcast_stream", "broadcast_all", "send_to_session"}

#: What answers a bare value has it called here.
_BARE = {"bind_stream": "replaced", "count_subscribers": "sessions", "unblock_user": "was_blocked"}

#: What the client calls the parts of an event.
_DETAILS = {"Opened": "opened", "Ended": "closed", "MemberChange": "member", "ClientSaid": "client"}


class Speaker:
    def __init__(self) -> None:
        self._clients: dict[tuple[str, str, str], Client] = {}
        self._watches: dict[str, Watch] = {}

    def do(self, order: Mapping[str, Any]) -> Any:
        if order["do"] == "call":
            return _call(self._client(order), order["call"], dict(order["with"]))
        if order["do"] == "watch":
            watch = self._client(order).watch(**_watch_arguments(dict(order["with"])))
            watch.start()
            self._watches[order["name"]] = watch
        elif order["do"] == "event":
            return _plain(next(self._watches[order["name"]]))
        elif order["do"] == "unwatch":
            self._watches.pop(order["name"]).close()
        elif order["do"] == "reset":
            for client in self._clients.values():
                client.close()
            self._clients.clear()
            self._watches.clear()
        return {}

    def _client(self, order: Mapping[str, Any]) -> Client:
        where = (order["address"], order["key"], order["app"])
        if where not in self._clients:
            self._clients[where] = Client(where[0], where[1], app=where[2])
        return self._clients[where]


def _call(client: Client, name: str, arguments: dict[str, Any]) -> Any:
    if name in _PUBLISH and "options" in arguments:
        arguments["options"] = _options(arguments["options"])
    if name in _PUBLISH | {"validate"} and "json" in arguments:
        arguments["data"] = Json(arguments.pop("json"))
    if name == "register_descriptors":
        arguments["descriptor_set"] = base64.b64decode(arguments.get("descriptor_set", ""))
    if name == "bind_stream":
        arguments.setdefault("type", "")
    if "after" in arguments:
        arguments["after"] = Position(**arguments["after"])
    method: Callable[..., Any] = getattr(client, name)
    answer = method(**arguments)
    if isinstance(answer, Pages):
        items = [_plain(each) for each in answer]
        head = answer.head()
        return {"items": items} if head is None else {"items": items, "head": _plain(head)}
    return {_BARE[name]: answer} if name in _BARE else _plain(answer)


def _options(said: dict[str, Any]) -> Options:
    position = said.pop("expected_position", None)
    selector = said.pop("selector", None)
    return Options(
        expected_position=None if position is None else Position(**position),
        selector=None if selector is None else Selector(**selector),
        **said,
    )


def _watch_arguments(said: dict[str, Any]) -> dict[str, Any]:
    if "kinds" in said:
        said["kinds"] = [EventKind[kind.upper()] for kind in said["kinds"]]
    if "resume" in said:
        said["resume"] = Position(**said["resume"])
    return said


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, Event):
        event = {name: _plain(getattr(value, name)) for name in ("kind", "position", "session_id", "user_id", "stream")}
        if value.details is not None:
            event[_DETAILS[type(value.details).__name__]] = _plain(value.details)
        return event
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        result = {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
        if "payload" in result:
            result["data"] = value.data()  # of Message and ClientSaid
        return result
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.decode()
    return value


def main() -> None:
    speaker = Speaker()
    for line in sys.stdin:
        try:
            answer = {"ok": speaker.do(json.loads(line))}
        except CarillonError as error:
            fields = [violation.field for violation in error.field_violations]
            answer = {"refused": {"code": error.code.name, "reason": error.reason, "fields": fields, "message": error.message}}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
