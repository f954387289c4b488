"""Three apps with the same streams, users and backends: whatever happens in one, the others hear nothing of it and count
nothing of it. What should be heard and counted is kept in a model, so that silence would fail as well."""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control, event, pb
from support.gateway import Gateway, sign
from support.patience import eventually
from support.ws import Browser, with_query

APPS = ("default", "red", "blue")
USERS = ("", "alice", "bob")  # "": anonymous
STREAMS = ("chat", "news", "private-a", "presence-room")
ROOM = "presence-room"
STEPS = 1500


def secret(app: str) -> str:
    return f"the-secret-of-{app}-0123456789-0123456789"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    logs = {
        "streams": [{"pattern": "news", "log": {"mode": "log"}}, {"pattern": ROOM, "presence": {"grace": "0s"}}],
        "inbox": {"mode": "log"},
    }
    return {
        "auth": {"hs256_secret": secret("default")},
        **logs,
        "apps": [{"name": app, "auth": {"hs256_secret": secret(app)}, **logs} for app in APPS[1:]],
    }


class Client:
    """A session, and what it must have heard."""

    def __init__(self, gateway: Gateway, app: str, user: str) -> None:
        target = f"/app/{app}/ws"
        if user:
            claims = {"sub": user, "exp": int(time.time()) + 3600}
            target = with_query(target, token=sign(claims, secret(app)))
        self.app, self.user = app, user
        self.browser = Browser(gateway.edge, target)
        self.streams: set[str] = set()
        self.due: list[str] = []
        self.forbidden = 0  # with ten a minute it would be closed

    def check(self) -> None:
        """Everything that was due has come, in its order, and nothing else."""
        heard = []
        while len(heard) < len(self.due):
            message = self.browser.receive()
            who = message["event"].startswith("presence.") and f" {message['data']['user']['id']} {message['data']['count']}"
            heard.append(message["event"] + (who or ""))
        assert heard == self.due, (self.app, self.user)
        self.due.clear()
        assert self.browser.ask("ping")["event"] == "pong"
        assert not self.browser.pending(), "something came that was not due"


class World:
    """The gateway, its clients, and what is expected of them."""

    def __init__(self, gateway: Gateway, control: Control, dice: random.Random) -> None:
        self.gateway, self.control, self.dice = gateway, control, dice
        self.clients: list[Client] = []
        self.number = 0
        self.published: dict[str, int] = defaultdict(int)
        self.logs: dict[tuple[str, str], list[str]] = defaultdict(list)

    def of(self, app: str, good: Callable[[Client], bool] = lambda _: True) -> list[Client]:
        return [client for client in self.clients if client.app == app and good(client)]

    # --- Who is in the room ---

    def members(self, app: str) -> set[str]:
        return {client.user for client in self.of(app, lambda client: ROOM in client.streams)}

    def tell_members(self, app: str, what: str) -> None:
        for client in self.of(app, lambda client: ROOM in client.streams):
            client.due.append(f"{what} {len(self.members(app))}")

    def gone(self, clients: list[Client]) -> None:
        """Sessions of one user have ended."""
        for client in clients:
            known = self.members(client.app)
            self.clients.remove(client)
            if self.members(client.app) != known:
                self.tell_members(client.app, f"presence.leave {client.user}")

    # --- What may happen ---

    def join(self, app: str) -> None:
        if len(self.clients) < 40:
            self.clients.append(Client(self.gateway, app, self.dice.choice(USERS)))

    def leave(self, app: str) -> None:
        for client in self.of(app)[:1]:
            client.check()
            client.browser.close()
            self.gone([client])
            eventually(
                lambda: self.control.count(app=app), lambda count: count == len(self.of(app)), "the session's end"
            )

    def subscribe(self, app: str) -> None:
        for client in self.dice.sample(self.of(app), min(1, len(self.of(app)))):
            stream = self.dice.choice(STREAMS if client.forbidden < 8 else STREAMS[:2])
            reply = client.browser.ask("subscribe", streams=[stream])
            if stream.startswith("p") and not client.user:
                assert reply["data"]["refused"]
                client.forbidden += 1
            else:
                assert reply["data"]["streams"] == [stream]
                known = self.members(app)
                client.streams.add(stream)
                if self.members(app) != known:
                    self.tell_members(app, f"presence.join {client.user}")

    def unsubscribe(self, app: str) -> None:
        for client in self.dice.sample(self.of(app), min(1, len(self.of(app)))):
            if client.streams:
                stream = self.dice.choice(sorted(client.streams))
                known = self.members(app)
                client.browser.unsubscribe(stream)
                client.streams.discard(stream)
                if self.members(app) != known:
                    self.tell_members(app, f"presence.leave {client.user}")

    def to_stream(self, app: str) -> None:
        stream = self.dice.choice(STREAMS)
        hearers = self.of(app, lambda client: stream in client.streams)
        receipt = self.publish("BroadcastStream", pb.BroadcastStreamRequest(stream=stream, app=app), hearers)
        assert receipt.HasField("position") == (stream == "news")
        if stream == "news":
            self.logs[app, "news"].append(f"{app}-{self.number}")

    def to_user(self, app: str) -> None:
        user = self.dice.choice(USERS[1:])
        hearers = self.of(app, lambda client: client.user == user)
        self.publish("BroadcastToUser", pb.BroadcastToUserRequest(user_id=user, app=app), hearers)
        self.logs[app, user].append(f"{app}-{self.number}")

    def to_all(self, app: str) -> None:
        self.publish("BroadcastAll", pb.BroadcastAllRequest(app=app), self.of(app))

    def to_session(self, app: str) -> None:
        """Also to sessions of other apps, whose ids are no secrets: it must not reach them."""
        for client in self.dice.sample(self.clients, min(1, len(self.clients))):
            request = pb.SendToSessionRequest(session_id=client.browser.session, app=app)
            self.publish("SendToSession", request, [client] if client.app == app else [])

    def publish(self, method: str, request: Any, hearers: list[Client]) -> Any:
        self.number += 1
        name = f"{request.app}-{self.number}"
        request.event.CopyFrom(event(name))
        self.published[request.app] += 1
        request.options.request_id = str(self.published[request.app])  # each app uses the same
        receipt = self.control.call(method, request).receipt
        assert (receipt.sessions, receipt.duplicate) == (len(hearers), False)
        for client in hearers:
            client.due.append(name)
        return receipt

    def kick(self, app: str) -> None:
        """A session of whatever app, by its id."""
        for client in self.dice.sample(self.clients, min(1, len(self.clients))):
            answer = self.control.kick(session_id=client.browser.session, app=app)
            assert answer.sessions == (1 if client.app == app else 0)
            if client.app == app:
                self.gone([client])
                client.browser.close()

    def block(self, app: str) -> None:
        user = self.dice.choice(USERS[1:])
        victims = self.of(app, lambda client: client.user == user)
        answer = self.control.call("BlockUser", pb.BlockUserRequest(user_id=user, app=app))
        assert answer.sessions == len(victims)
        self.gone(victims)
        for client in victims:
            client.browser.close()
        self.control.call("UnblockUser", pb.UnblockUserRequest(user_id=user, app=app))

    def count(self, app: str) -> None:
        for stream in STREAMS:
            hearers = self.of(app, lambda client, stream=stream: stream in client.streams)
            assert self.control.count(stream=stream, app=app) == len(hearers)
            listed = {each.session_id for each in self.control.page(stream=stream, app=app).subscribers}
            assert listed == {client.browser.session for client in hearers}
        there = self.control.call("GetPresence", pb.GetPresenceRequest(stream=ROOM, app=app))
        assert [member.user_id for member in there.members] == sorted(self.members(app))
        for member in there.members:
            mine = self.of(app, lambda client, user=member.user_id: client.user == user and ROOM in client.streams)
            assert member.sessions == len(mine)
        for user in USERS[1:]:
            mine = self.of(app, lambda client, user=user: client.user == user)
            assert self.control.count(user_id=user, app=app) == len(mine)
        assert self.control.count(app=app) == len(self.of(app))

    def history(self, app: str) -> None:
        for name in ("news", *USERS[1:]):
            target = {"stream": name} if name == "news" else {"user_id": name}
            answer = self.control.call("ListMessages", pb.ListMessagesRequest(app=app, page_size=1000, **target))
            expected = self.logs[app, name][-300:]
            assert [message.event for message in answer.messages] == expected, (app, name)

    def clear(self, app: str) -> None:
        name = self.dice.choice(["news", *USERS[1:]])
        target = {"stream": name} if name == "news" else {"user_id": name}
        self.control.call("ClearMessages", pb.ClearMessagesRequest(app=app, **target))
        self.logs[app, name].clear()


def test_nothing_of_an_app_is_heard_or_counted_in_another(gateway: Gateway, control: Control) -> None:
    seed = int(os.environ.get("CARILLON_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"to repeat: CARILLON_TEST_SEED={seed}")
    world = World(gateway, control, random.Random(seed))
    rare = [world.leave, world.kick, world.block, world.count, world.history, world.clear]
    steps = 4 * [world.join] + 6 * [world.subscribe, world.to_stream, world.to_user, world.to_all, world.to_session]
    steps += [world.unsubscribe, *rare]
    for _ in range(STEPS):
        world.dice.choice(steps)(world.dice.choice(APPS))
    assert world.number > STEPS / 4
    for app in APPS:
        world.count(app)
        world.history(app)
    for client in world.clients:
        client.check()
    for client in world.clients:
        client.browser.close()
