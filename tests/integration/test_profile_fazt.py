"""Fazt's table of limits (tests/profiles/fazt.yaml), each at 79, 80, 100 and 101 %, and its apps by host name."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.control import Control, event, pb
from support.gateway import Gateway, merged, sign
from support.http import RawConnection, request_bytes, upgrade_headers
from support.patience import eventually
from support.swarm import Swarm
from support.ws import TEXT, Browser, frame_bytes, with_query

PROFILE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "profiles" / "fazt.yaml").read_text())
SECRET = "the-secret-of-app-slug-0123456789abcdef"
HOST = "app-slug.apps.example.com"

Start = Callable[..., Gateway]
Keep = Callable[[Any], Any]


def with_apps(*names: str) -> dict[str, Any]:
    """The profile with these apps, alike; heartbeats are off, because a swarm does not answer them."""
    (app,) = PROFILE["apps"]
    (endpoint,) = PROFILE["edge"]["endpoints"]
    quiet = {**endpoint, "ping_interval": "0s", "peer_timeout": "0s"}
    apps = [{**app, "name": name, "auth": {"hs256_secret": SECRET}} for name in names]
    return merged(PROFILE, {"apps": apps, "edge": {"endpoints": [quiet]}})


@pytest.fixture
def fazt(start_gateway: Start) -> Gateway:
    return start_gateway(with_apps("app-slug"))


def join(gateway: Gateway, target: str = "/_ws") -> Browser:
    return Browser(gateway.edge, target, headers=upgrade_headers(HOST))


def status(gateway: Gateway, host: str) -> tuple[int, str]:
    connection = RawConnection(gateway.edge)
    connection.send(request_bytes("/_ws", upgrade_headers(host)))
    answer = connection.read_response()
    connection.close()
    return answer.status, "" if answer.status == 101 else answer.error["code"]


def crossed(gateway: Gateway, limit: str, **labels: str) -> float:
    return gateway.metrics().value("carillon_limit_crossed_total", limit=limit, **labels)


def used(gateway: Gateway, limit: str, ratio: float, **labels: str) -> None:
    gateway.wait_for_metric("carillon_limit_ratio", lambda value: abs(value - ratio) < 1e-9, limit=limit, **labels)


def warnings(gateway: Gateway, limit: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in gateway.log_text().splitlines()]
    return [line for line in lines if line.get("limit") == limit]


def test_500_connections_an_app(fazt: Gateway, keep: Keep) -> None:
    label = {"app": "app-slug"}
    swarms: list[Swarm] = []
    for more, ratio, warned in ((395, 0.79, 0), (5, 0.8, 1), (100, 1.0, 1)):
        swarms.append(keep(Swarm(fazt.edge, ["/app/app-slug/_ws"] * more)))
        used(fazt, "app_connections", ratio, **label)
        fazt.wait_for_metric("carillon_limit_crossed_total", warned, limit="app_connections", **label)
    assert status(fazt, HOST) == (503, "app_limit")
    (line,) = eventually(lambda: warnings(fazt, "app_connections"), bool, "the line")
    assert (line["app"], line["used"], line["most"]) == ("app-slug", 400, 500)


def test_5000_connections_in_all(start_gateway: Start, keep: Keep) -> None:
    apps = [f"app-{number}" for number in range(10)]
    gateway = start_gateway(with_apps(*apps, "one-more"))
    targets = [f"/app/{app}/_ws" for app in apps for _ in range(500)]
    at = 0
    for upto, ratio, warned in ((3950, 0.79, 0), (4000, 0.8, 1), (5000, 1.0, 1)):
        keep(Swarm(gateway.edge, targets[at:upto]))
        at = upto
        used(gateway, "connections", ratio)
        gateway.wait_for_metric("carillon_limit_crossed_total", warned, limit="connections")
    assert status(gateway, "one-more.apps.example.com") == (503, "capacity")
    lines = eventually(lambda: warnings(gateway, "connections"), bool, "the line")
    assert [(line["used"], line["most"]) for line in lines] == [(4000, 5000)]


def test_100_streams_an_app_and_20_a_client(fazt: Gateway, keep: Keep) -> None:
    """Who has 20 is refused the 21st for good; the app's 101st only for now."""
    label = {"app": "app-slug"}
    clients = [keep(join(fazt)) for _ in range(6)]
    for number, client in enumerate(clients[:5]):
        count = 19 if number == 3 else 20 if number < 3 else 0
        client.subscribe(*[f"public-{number}-{each}" for each in range(count)])
    used(fazt, "app_streams", 0.79, **label)
    assert crossed(fazt, "app_streams", **label) == 0
    clients[3].subscribe("public-3-19")
    fazt.wait_for_metric("carillon_limit_crossed_total", 1, limit="app_streams", **label)
    (refused,) = clients[3].ask("subscribe", streams=["public-3-20"])["data"]["refused"]
    assert (refused["code"], refused["temporary"]) == ("limit", False)
    clients[4].subscribe(*[f"public-4-{each}" for each in range(20)])
    used(fazt, "app_streams", 1.0, **label)
    (refused,) = clients[5].ask("subscribe", streams=["public-5-0"])["data"]["refused"]
    assert (refused["code"], refused["temporary"]) == ("limit", True)
    clients[5].subscribe("public-0-0")  # is there already


@pytest.mark.parametrize("part", [0.79, 0.8, 1.0])
def test_messages_of_64_kib(fazt: Gateway, keep: Keep, part: float) -> None:
    client = keep(join(fazt))
    client.send(frame_bytes(TEXT, b'{"action":"ping"}'.ljust(int(65536 * part))))
    assert client.receive()["event"] == "pong"


def test_a_message_of_more_than_64_kib(fazt: Gateway, keep: Keep) -> None:
    client = keep(join(fazt))
    client.send(frame_bytes(TEXT, b'{"action":"ping"}'.ljust(65537)))
    assert client.receive_close()[0] == 1009


def test_100_messages_a_second(fazt: Gateway, keep: Keep) -> None:
    """Twice as many at once, and then 100 a second: what is more is dropped, and the client told."""
    ping = frame_bytes(TEXT, b'{"action":"ping"}')
    for count in (158, 160, 200):
        client = keep(join(fazt))
        client.send(ping * count)
        assert all(client.receive()["event"] == "pong" for _ in range(count))
    client = keep(join(fazt))
    before = fazt.metrics().value("carillon_rate_limited_total")
    began = time.monotonic()
    client.send(ping * 1000)
    seen: Counter[str] = Counter()
    while seen["error"] == 0:
        seen[client.receive()["event"]] += 1
    fazt.wait_for_metric("carillon_rate_limited_total", lambda value: value > before)
    assert 200 <= seen["pong"] <= 200 + 100 * (time.monotonic() - began + 1)


def test_apps_by_host_name(fazt: Gateway, keep: Keep) -> None:
    claims = {"sub": "alice", "exp": int(time.time()) + 3600}
    anonymous = keep(join(fazt))
    alice = keep(join(fazt, with_query("/_ws", token=sign(claims, SECRET))))
    root = keep(join(fazt, with_query("/_ws", token=sign({**claims, "sub": "root", "roles": ["admin"]}, SECRET))))
    expected = {
        "public-x": (True, True, True),
        "private-x": (False, True, True),
        "presence-x": (False, True, True),
        "admin": (False, False, True),
        "chat": (True, True, True),
    }
    for stream, may in expected.items():
        for client, allowed in zip((anonymous, alice, root), may, strict=True):
            assert (client.ask("subscribe", streams=[stream])["data"]["streams"] == [stream]) == allowed, stream
    with Control(fazt.control) as control:
        for app, sessions in (("app-slug", 3), ("default", 0)):
            request = pb.BroadcastStreamRequest(stream="chat", event=event(app), app=app)
            assert control.call("BroadcastStream", request).receipt.sessions == sessions
    assert anonymous.receive()["event"] == "app-slug"
    assert status(fazt, "another.apps.example.com") == (404, "app")
