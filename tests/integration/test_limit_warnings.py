"""What each user, address and session may use: at 79 % nothing is said, at 80 % a line, all of it is there, and one more
is refused. The limits of the gateway and of apps are test_connection_limits.py's and test_apps.py's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.gateway import Gateway, merged, sign, token
from support.http import RawConnection, Response, request_bytes, upgrade_headers
from support.patience import eventually
from support.ws import Browser, ClosedByGateway, with_query

Start = Callable[..., Gateway]
Keep = Callable[[Any], Any]

MOST = 100


class Case:
    """One limit of 100, and how to use one of it."""

    limit: str
    app = ""
    config: dict[str, Any]

    def __init__(self, gateway: Gateway, keep: Keep) -> None:
        self.gateway = gateway
        self.keep = keep
        self.admitted = 0

    def begin(self) -> Any:
        """Asks for one more; what this returns is for `end`."""
        raise NotImplementedError

    def end(self, begun: Any) -> bool:
        """False where it was refused."""
        raise NotImplementedError

    def use(self) -> bool:
        return self.end(self.begin())


class Handshakes(Case):
    target = "/ws"
    forwarded = ""
    sessions_count = True  # and not only how many came

    def begin(self) -> RawConnection:
        connection: RawConnection = self.keep(RawConnection(self.gateway.edge))
        headers = upgrade_headers("gateway.test")
        if self.forwarded:
            headers += [("X-Forwarded-For", self.forwarded)]
        connection.send(request_bytes(self.target, headers))
        return connection

    def end(self, begun: RawConnection) -> bool:
        answer: Response = begun.read_response()
        if answer.status != 101:
            return False
        self.admitted += 1  # which comes after the answer
        if self.sessions_count:
            self.gateway.wait_for_metric("carillon_app_connections", self.admitted, app="default")
        return True


class UserConnections(Handshakes):
    limit = "user_connections"
    app = "default"
    config = {"limits": {"connections_per_user": MOST}}
    target = with_query("/ws", token=token("alice"))


class AddressConnections(Handshakes):
    limit = "address_connections"
    config = {"edge": {"trusted_proxies": ["127.0.0.0/8"]}, "limits": {"connections_per_address": MOST}}
    forwarded = "203.0.113.1"


class AddressRate(Handshakes):
    limit = "address_rate"
    sessions_count = False
    config = {"edge": {"trusted_proxies": ["127.0.0.0/8"]}, "limits": {"handshakes_per_address": MOST // 2}}
    forwarded = "203.0.113.1"


class AcceptRate(Handshakes):
    limit = "accept_rate"
    sessions_count = False
    config = {"limits": {"handshakes": MOST // 2}}


class OneSession(Case):
    app = "default"

    def __init__(self, gateway: Gateway, keep: Keep) -> None:
        super().__init__(gateway, keep)
        self.browser = keep(Browser(gateway.edge))
        self.used = 0


class Subscriptions(OneSession):
    limit = "subscriptions"
    config = {"edge": {"endpoints": [{"path": "/ws", "anonymous": True, "max_subscriptions": MOST}]}}

    def begin(self) -> None:
        self.used += 1
        self.browser.send_json({"action": "subscribe", "streams": [f"s{self.used}"], "id": "s"})

    def end(self, begun: None) -> bool:
        return not self.browser.receive()["data"]["refused"]


class EventRate(OneSession):
    limit = "event_rate"
    config = {
        "edge": {"endpoints": [{"path": "/ws", "anonymous": True, "messages_per_second": 0}]},
        "streams": [
            {
                "pattern": "room",
                "publish": {"who": "anyone", "events": [{"event": "typing.*", "rate": f"{MOST}/1h"}]},
            }
        ],
    }

    def begin(self) -> None:
        self.browser.send_json({"action": "publish", "stream": "room", "event": "typing.start", "data": 1, "id": "p"})

    def end(self, begun: None) -> bool:
        return bool(self.browser.receive()["event"] == "published")


class MessageRate(OneSession):
    limit = "message_rate"
    config = {"edge": {"endpoints": [{"path": "/ws", "anonymous": True, "messages_per_second": MOST // 2}]}}

    def begin(self) -> None:
        self.browser.send_json({"action": "ping"})

    def end(self, begun: None) -> bool:
        return bool(self.browser.receive()["event"] == "pong")


def warnings(gateway: Gateway, limit: str) -> list[dict[str, Any]]:
    every = [json.loads(line) for line in gateway.log_text().splitlines()]
    return [line for line in every if line["msg"].startswith("80 % of a limit") and line["limit"] == limit]


def crossed(gateway: Gateway, case: type[Case]) -> float:
    labels = {"limit": case.limit, **({"app": case.app} if case.app else {})}
    return gateway.metrics().value("carillon_limit_crossed_total", **labels)


@pytest.mark.parametrize("kind", [UserConnections, AddressConnections, Subscriptions, EventRate])
def test_79_80_100_and_101_percent(start_gateway: Start, keep: Keep, kind: type[Case]) -> None:
    gateway = start_gateway(kind.config)
    case = kind(gateway, keep)
    for _ in range(79):
        assert case.use()
    assert crossed(gateway, kind) == 0

    assert case.use()
    (line,) = eventually(lambda: warnings(gateway, kind.limit), bool, "the line")
    assert (line["used"], line["most"], line["app"]) == (80, MOST, kind.app)
    assert line["who"] and line["setting"]

    for _ in range(20):
        assert case.use()
    assert not case.use()
    assert crossed(gateway, kind) == 1
    assert len(warnings(gateway, kind.limit)) == 1


@pytest.mark.parametrize("kind", [AddressRate, AcceptRate, MessageRate])
def test_rates_that_refill(start_gateway: Start, keep: Keep, kind: type[Case]) -> None:
    """79 at once are never too near; who is refused had been warned of."""
    gateway = start_gateway(kind.config)
    case = kind(gateway, keep)
    for _ in range(79):
        assert case.use()
    assert crossed(gateway, kind) == 0
    # Many together: one after the other, a slow machine would never be too fast.
    while all(case.end(each) for each in [case.begin() for _ in range(MOST)]):
        pass
    assert crossed(gateway, kind) >= 1
    line = eventually(lambda: warnings(gateway, kind.limit), bool, "the line")[0]
    assert (line["most"], line["app"]) == (MOST, kind.app)
    assert 79 <= line["used"] <= MOST and line["setting"]


@pytest.mark.parametrize(
    ("limit", "config"),
    [
        ("app_connections", {"apps": [{"name": "shop", "limits": {"connections": 10}}]}),
        ("connections", {"edge": {"max_connections": 10}}),
        ("app_streams", {"apps": [{"name": "shop", "limits": {"streams": 10}}]}),
    ],
)
def test_nobody_is_refused_without_a_warning(
    start_gateway: Start, keep: Keep, limit: str, config: dict[str, Any]
) -> None:
    """However fast it comes to that: the limits of apps and of the gateway as well."""
    gateway = start_gateway(merged({"apps": [{"name": "shop"}]}, config))
    labels = {"limit": limit, **({} if limit == "connections" else {"app": "shop"})}
    if limit == "app_streams":
        browser = keep(Browser(gateway.edge, "/app/shop"))
        reply = browser.ask("subscribe", streams=[f"s{number}" for number in range(11)])
        assert len(reply["data"]["refused"]) == 1
    else:
        sockets = [keep(RawConnection(gateway.edge)) for _ in range(12)]
        for number, each in enumerate(sockets, 1):
            each.send(request_bytes("/app/shop", upgrade_headers("gateway.test")))
            assert each.read_response().status == (101 if number <= 10 else 503)
            gateway.wait_for_metric("carillon_connections", min(number, 10))
    assert gateway.metrics().value("carillon_limit_crossed_total", **labels) == 1


def test_each_user_is_counted_once(start_gateway: Start, keep: Keep) -> None:
    """Sessions of a user that come at the same moment, to several shards, are told apart."""
    gateway = start_gateway({"hub": {"shards": 3}, "limits": {"connections_per_user": 10}})
    users = 40
    for user in range(users):
        target = with_query("/ws", token=token(f"user-{user}"))
        sockets = [keep(RawConnection(gateway.edge)) for _ in range(9)]
        for each in sockets:
            each.send(request_bytes(target, upgrade_headers("gateway.test")))
        for each in sockets:
            assert each.read_response().status == 101
    gateway.wait_for_metric("carillon_app_connections", 9 * users, app="default")
    assert crossed(gateway, UserConnections) == users


def test_rates_do_not_share_their_name(start_gateway: Start, keep: Keep) -> None:
    """An event that is called as the command is another thing."""
    rule = {
        "pattern": "room",
        "presence": {"mode": "on", "updates": "5/1h"},
        "publish": {"who": "anyone", "events": [{"event": "presence", "rate": "5/1h"}]},
    }
    gateway = start_gateway({"streams": [rule]})
    browser = keep(Browser(gateway.edge, with_query("/ws", streams="room", token=token("ann"))))
    for number in range(5):
        assert browser.ask("publish", stream="room", event="presence", data=number, echo=False)["event"] == "published"
    for number in range(4):
        assert browser.ask("presence", stream="room", text=str(number))["event"] != "error"
    gateway.wait_for_metric("carillon_limit_crossed_total", 2, limit="event_rate", app="default")


def test_a_message_may_be_so_long(start_gateway: Start, keep: Keep) -> None:
    endpoint = {"path": "/ws", "anonymous": True, "max_message_bytes": 1000}
    gateway = start_gateway({"edge": {"endpoints": [endpoint]}})
    browser = keep(Browser(gateway.edge))

    def say(size: int) -> None:
        text = '{"action":"ping","data":"%s"}'
        browser.send_text(text % ("x" * (size - len(text % ""))))
        assert browser.receive()["event"] == "pong"

    say(799)
    labels = {"limit": "message_bytes", "app": "default"}
    assert gateway.metrics().value("carillon_limit_crossed_total", **labels) == 0
    for size in (800, 900, 999, 800):
        say(size)
    gateway.wait_for_metric("carillon_limit_crossed_total", 1, **labels)
    (line,) = eventually(lambda: warnings(gateway, "message_bytes"), bool, "the line")
    assert (line["used"], line["most"], line["who"]) == (800, 1000, browser.session)
    with pytest.raises(ClosedByGateway):
        say(1001)
    browser = keep(Browser(gateway.edge))
    say(1000)
    gateway.wait_for_metric("carillon_limit_crossed_total", 2, **labels)


def test_users_of_another_app_are_another_apps(start_gateway: Start, keep: Keep) -> None:
    """Also where its limit is another."""
    apps = [{"name": "shop", "limits": {"connections_per_user": 5}, "auth": {"hs256_secret": "x" * 32}}]
    gateway = start_gateway(merged({"limits": {"connections_per_user": 10}}, {"apps": apps}))
    of_shop = sign({"sub": "alice", "exp": int(time.time()) + 3600}, "x" * 32)
    for _ in range(4):
        keep(Browser(gateway.edge, with_query("/ws", token=token("alice"))))
    assert "80 % of a limit" not in gateway.log_text()
    for _ in range(4):
        keep(Browser(gateway.edge, with_query("/app/shop/ws", token=of_shop)))
    (line,) = eventually(lambda: warnings(gateway, "user_connections"), bool, "the line")
    assert (line["app"], line["who"], line["used"], line["most"]) == ("shop", "alice", 4, 5)
    assert line["setting"] == "apps[].limits.connections_per_user"
