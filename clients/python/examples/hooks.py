"""A backend that the gateway asks: sessions that only it knows, rooms with a guest list, and a quiz.

python examples/hooks.py 127.0.0.1:9000

The gateway must show the key of HOOKS_KEY (hooks[].key), where that is set. Ctrl-C ends it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent import futures

import grpc

from carillon_client.hooks import (
    Accept,
    Answer,
    ClientEvent,
    Credentials,
    Hooks,
    Publication,
    Refuse,
    Subscription,
    User,
)

SESSIONS = {"s3cret": User("alice", name="Alice", labels={"team": "red"}), "hush": User("bob", name="Bob")}
GUESTS = {"room-red": {"alice"}, "room-all": {"alice", "bob"}}

hooks = Hooks(key=os.environ.get("HOOKS_KEY"))


@hooks.authenticate
def who_is_it(shown: Credentials) -> User | Refuse:
    return SESSIONS.get(shown.cookies.get("sid") or shown.token) or Refuse("please log in again")


@hooks.authorize_subscribe
def may_listen(asked: Subscription) -> bool | Refuse:
    return asked.session.user_id in GUESTS.get(asked.stream, ()) or Refuse("you are not on the list")


@hooks.authorize_publish
def may_say(asked: Publication) -> Accept | Refuse:
    text = asked.data.get("text") if isinstance(asked.data, dict) else None
    if not isinstance(text, str) or not text:
        return Refuse("say something")
    return Accept(data={"from": asked.session.name, "text": text})  # who it is from is for us to say


@hooks.on_client_event
def has_said(asked: ClientEvent) -> Accept | Refuse | Answer:
    if asked.event == "quiz.guess":
        return Answer({"right": asked.data == 42})
    return Accept()


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: hooks.py HOST:PORT", file=sys.stderr)
        return 2
    server = grpc.server(futures.ThreadPoolExecutor(16))
    hooks.add_to(server)
    port = server.add_insecure_port(sys.argv[1])
    server.start()
    ended = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    print(f"answering on port {port}", flush=True)
    ended.wait()
    server.stop(1).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
