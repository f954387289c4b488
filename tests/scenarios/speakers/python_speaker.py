"""The speaker (see ../speaker.py) that uses carillon_client."""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
from collections.abc import Callable, Mapping
from concurrent import futures
from datetime import datetime
from enum import Enum
from typing import Any

import grpc
from carillon_client import CarillonError, Client, Event, EventKind, Json, Options, Pages, Position, Selector, Watch
from carillon_client.hooks import Accept, Answer, Hooks, Refuse, User

_PUBLISH = {"broadcast_to_user", "broadcast_to_users", "broadcast_stream", "broadcast_all", "send_to_session"}

#: What answers a bare value has it called here.
_BARE = {"bind_stream": "replaced", "count_subscribers": "sessions", "unblock_user": "was_blocked"}

#: What the client calls the parts of an event.
_DETAILS = {"Opened": "opened", "Ended": "closed", "MemberChange": "member", "ClientSaid": "client"}


class Speaker:
    def __init__(self) -> None:
        self._clients: dict[tuple[str, str, str], Client] = {}
        self._watches: dict[str, Watch] = {}
        self._backend: Any = None

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
        elif order["do"] == "answer":
            self._backend = _serve(order["listen"], order["key"], order["answers"])
        elif order["do"] == "reset":
            if self._backend is not None:
                self._backend.stop(None).wait()
                self._backend = None
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


def _serve(listen: str, key: str, answers: list[Mapping[str, Any]]) -> grpc.Server:
    """A backend that answers as the table says."""
    hooks = Hooks(key)

    def answers_to(method: str) -> Callable[[Any], Any]:
        def answer(asked: Any) -> Any:
            for row in answers:
                if row["asks"] == method and ("of" not in row or _fits(row["of"], dataclasses.asdict(asked))):
                    return _answer(**row["answer"])
            raise LookupError("the scenario has no answer")

        return answer

    hooks.authenticate(answers_to("Authenticate"))
    hooks.authorize_subscribe(answers_to("AuthorizeSubscribe"))
    hooks.authorize_publish(answers_to("AuthorizePublish"))
    hooks.on_client_event(answers_to("OnClientEvent"))
    server = grpc.server(futures.ThreadPoolExecutor(4))
    hooks.add_to(server)
    server.add_insecure_port(listen)
    server.start()
    return server


def _fits(pattern: Any, asked: Any) -> bool:
    """Of objects only the keys of the pattern count, unless it has none."""
    if isinstance(pattern, Mapping) and isinstance(asked, Mapping) and pattern:
        return all(key in asked and _fits(value, asked[key]) for key, value in pattern.items())
    return bool(pattern == (list(asked) if isinstance(asked, tuple) else asked))


def _answer(**what: Any) -> Any:
    ((kind, said),) = what.items()
    if kind == "allow":
        return said
    return {"user": lambda: User(**said), "accept": lambda: Accept(**said), "answer": lambda: Answer(said),
            "refuse": lambda: Refuse(said)}[kind]()


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
