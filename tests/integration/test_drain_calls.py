"""AdminService.Drain: of the gateway, of an app, of an endpoint; with the end of the process and without; taken back; and who
may."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from carillon_client._pb import admin_pb2
from google.protobuf.duration_pb2 import Duration
from support import feed, http
from support.control import Control, Refusal, event
from support.gateway import Gateway, merged
from support.patience import PATIENCE, eventually
from support.ws import Browser

pb = admin_pb2
SERVING, DRAINING, DRAINED = pb.DRAIN_STATE_SERVING, pb.DRAIN_STATE_DRAINING, pb.DRAIN_STATE_DRAINED

ALL_KEY, SHOP_KEY, CHAT_KEY, READ_KEY = (f"the-key-{name}-0123456789" for name in ("all", "shop", "chat", "read"))
CONFIG: dict[str, Any] = {
    "edge": {"endpoints": [{"path": "/ws", "anonymous": True}, {"path": "/shop", "anonymous": True, "app": "shop"}]},
    "apps": [{"name": "shop"}, {"name": "blog"}, {"name": "fair"}],
    "drain": {"window": "0s"},
    "control": {
        "keys": [
            {"name": "operator", "secret": ALL_KEY, "apps": ["*"]},
            {"name": "shopkeeper", "secret": SHOP_KEY, "apps": ["shop"]},
            {"name": "chatter", "secret": CHAT_KEY, "apps": ["*"], "streams": ["chat-*"]},
            {"name": "reader", "secret": READ_KEY, "apps": ["blog"], "verbs": ["read"]},
        ]
    },
}
Start = Callable[..., Gateway]
Keep = Callable[[Any], Any]


@pytest.fixture
def start(start_gateway: Start, shards: int) -> Start:
    return lambda changes=None: start_gateway(
        merged(merged(CONFIG, {"hub": {"shards": shards}, "log": {"format": "json"}}), changes or {})
    )


@pytest.fixture
def operator(keep: Keep) -> Callable[[Gateway], Control]:
    return lambda gateway, key=ALL_KEY: keep(Control(gateway.control, key))


def drain(control: Control, **fields: Any) -> Any:
    """Drain: the whole answer."""
    for name in ("window", "delay"):
        if name in fields:
            fields[name] = Duration(seconds=fields[name])
    return control.call("Drain", pb.DrainRequest(**fields))


def refused(control: Control, **fields: Any) -> Refusal:
    return control.refused("Drain", pb.DrainRequest(**fields))


def drains(control: Control) -> list[Any]:
    """What ListNodes says of them."""
    return list(control.call("ListNodes", pb.ListNodesRequest()).nodes[0].drains)


def drained(control: Control) -> Any:
    """Waits until everybody has been told, of the only drain that there is."""
    return eventually(lambda: drains(control)[0], lambda status: status.state == DRAINED, "the drain")


def knock(gateway: Gateway, target: str = "/ws") -> http.Response:
    """What a handshake is answered with."""
    connection = http.RawConnection(gateway.edge)
    connection.send(http.request_bytes(target, http.upgrade_headers(gateway.edge)))
    answer = connection.read_response()
    connection.close()
    return answer


def is_sent_home(browser: Browser) -> bool:
    assert browser.receive()["event"] == "restart"
    return browser.receive_close()[0] == 4200


def is_here(browser: Browser) -> bool:
    return browser.ask("ping")["event"] == "pong"


def ready(gateway: Gateway) -> int:
    return http.get(gateway.admin, "/readyz").status


def listens(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    with socket.socket() as knocking:
        return knocking.connect_ex((host, int(port))) == 0


def lines(gateway: Gateway, message: str) -> list[dict[str, Any]]:
    found = map(json.loads, gateway.wait_for_log(message).splitlines())
    return [line for line in found if line["msg"].startswith(message)]


def test_the_gateway_sends_its_clients_home_and_stays(start: Start, operator: Any, keep: Keep) -> None:
    """Not ready, nobody is let in and told why, everybody is sent home; its control plane goes on; and back."""
    gateway = start()
    control = operator(gateway)
    browsers = [keep(Browser(gateway.edge, path)) for path in ("/ws", "/ws", "/shop")]
    watch = control.watch_health("carillon.v1.ControlService")
    assert (next(watch), ready(gateway)) == ("SERVING", 200)

    answer = drain(control, node=True)

    assert answer.changed and answer.status.node and answer.status.asked_by == "operator" and not answer.status.exit
    assert all(is_sent_home(browser) for browser in browsers)
    assert (next(watch), ready(gateway)) == ("NOT_SERVING", 503)
    assert drained(control).sessions == 0
    refusal = knock(gateway)
    assert (refusal.status, refusal.error["code"]) == (503, "draining")
    assert refusal.error["setting"] == "AdminService.Drain" and "the gateway" in refusal.error["message"]
    assert 1 <= int(refusal.headers["retry-after"]) <= 10
    node = control.call("ListNodes", pb.ListNodesRequest()).nodes[0]
    assert node.draining and [status.state for status in node.drains] == [DRAINED]
    assert gateway.metrics().value("carillon_draining", what="node") == 1
    assert control.to_stream("chat").message_id
    (begun,) = lines(gateway, "draining: not ready any more")
    assert begun["by"] == "operator"

    back = drain(control, node=True, undo=True)

    assert back.changed and back.status.state == SERVING
    assert (next(watch), ready(gateway)) == ("SERVING", 200)
    assert is_here(keep(Browser(gateway.edge)))
    assert drains(control) == [] and gateway.metrics().value("carillon_draining", what="node") == 0
    (undone,) = lines(gateway, "not draining any more")
    assert (undone["what"], undone["by"]) == ("node", "operator")


def test_taken_back_in_the_middle(start: Start, operator: Any, keep: Keep) -> None:
    """Who has not been told stays, and hears messages."""
    gateway = start({"hub": {"shards": 1}})
    control = operator(gateway)
    browsers = [keep(Browser(gateway.edge, "/ws/chat")) for _ in range(200)]
    first = drain(control, node=True, window=3600)  # 200 sessions: 2 s
    assert first.status.state == DRAINING and 0 < first.status.sessions < 200

    back = drain(control, node=True, undo=True)

    assert back.status.state == SERVING
    late = keep(Browser(gateway.edge, "/ws/chat"))
    reached = control.to_stream("chat", event("still here"))
    assert 0 < reached.sessions <= 200
    assert late.receive()["event"] == "still here"
    heard = [browser.receive()["event"] for browser in browsers]
    assert heard.count("still here") == reached.sessions - 1
    assert heard.count("restart") == 201 - reached.sessions


@pytest.mark.parametrize(
    "target, rule", [({"app_name": "shop"}, "the app shop"), ({"endpoint": "/shop"}, "the endpoint /shop")]
)
def test_an_app_or_an_endpoint(start: Start, operator: Any, keep: Keep, target: dict[str, str], rule: str) -> None:
    """Nobody else notices."""
    path = "/shop"
    gateway = start()
    control = operator(gateway)
    theirs = [keep(Browser(gateway.edge, path)) for _ in range(4)]
    others = [keep(Browser(gateway.edge)) for _ in range(4)]

    answer = drain(control, **target)

    assert answer.changed and answer.status.WhichOneof("target") == next(iter(target))
    assert all(is_sent_home(browser) for browser in theirs)
    refusal = knock(gateway, path)
    assert (refusal.status, refusal.error["code"]) == (503, "draining") and rule in refusal.error["message"]
    assert drained(control) == drains(control)[0]
    assert all(is_here(browser) for browser in others) and is_here(keep(Browser(gateway.edge)))
    assert ready(gateway) == 200 and not control.call("ListNodes", pb.ListNodesRequest()).nodes[0].draining
    kind = "app" if "app_name" in target else "endpoint"
    assert gateway.metrics().value("carillon_draining", what=kind, which=next(iter(target.values()))) == 1

    assert drain(control, **target, undo=True).status.state == SERVING

    assert is_here(keep(Browser(gateway.edge, path))) and drains(control) == []


def test_with_exit_the_process_ends_when_the_last_client_is_gone(start: Start, operator: Any, keep: Keep) -> None:
    gateway = start()
    browser = keep(Browser(gateway.edge))

    answer = drain(operator(gateway), node=True, exit=True)

    assert answer.status.exit
    assert is_sent_home(browser)
    gateway._stopping = True
    assert gateway.wait() == 0


def test_an_exit_can_be_taken_back_while_clients_are_left(start: Start, operator: Any, keep: Keep) -> None:
    """A drain without exit goes on as one with it; new clients are told why they are refused, until it is taken back."""
    gateway = start({"drain": {"timeout": "5m"}})
    control = operator(gateway)
    mute = keep(Browser(gateway.edge))
    assert drain(control, node=True, delay=600).status.state == DRAINING
    assert is_here(keep(Browser(gateway.edge)))  # the delay
    more = drain(control, node=True, exit=True)
    assert more.changed and more.status.exit and not drain(control, node=True, exit=True).changed
    assert not drain(control, node=True).changed  # it stays one with exit
    assert refused(control, node=True, exit=True, undo=True).fields == ["exit"]

    assert drain(control, node=True, undo=True).changed

    assert is_here(mute) and is_here(keep(Browser(gateway.edge))) and ready(gateway) == 200


def test_what_is_so_already_is_no_error(start: Start, operator: Any) -> None:
    """Twice the same; and back from nothing."""
    gateway = start()
    control = operator(gateway)
    assert not drain(control, node=True, undo=True).changed
    assert not drain(control, app_name="shop", undo=True).changed
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: drain(control, app_name="shop"), range(8)))
    assert sorted(answer.changed for answer in answers) == [False] * 7 + [True]
    assert len(lines(gateway, "draining an app")) == 1
    drain(control, node=True)
    assert [status.WhichOneof("target") for status in drains(control)] == ["node", "app_name"]
    drain(control, app_name="shop", undo=True)
    assert [status.WhichOneof("target") for status in drains(control)] == ["node"]


def test_a_signal_is_final(start: Start, operator: Any, keep: Keep) -> None:
    """It makes an end of a drain that could be taken back; then that cannot be any more."""
    gateway = start({"drain": {"timeout": "5m"}})
    control = operator(gateway)
    mute = keep(Browser(gateway.edge))
    assert drain(control, node=True).changed
    assert drained(control).exit is False

    gateway.begin_stop()

    eventually(lambda: drains(control)[0].exit, bool, "the end")
    assert drains(control)[0].asked_by == "SIGTERM"
    refusal = refused(control, node=True, undo=True)
    assert (refusal.code.name, refusal.reason) == ("FAILED_PRECONDITION", "DRAIN_IS_FINAL")
    assert not drain(control, node=True, exit=True).changed
    assert (late := control.refused("Reload", pb.ReloadRequest())).reason == "SHUTTING_DOWN", late
    assert is_sent_home(mute)
    assert gateway.wait() == 0


def test_a_signal_while_a_call_ends_the_process(start: Start, operator: Any, keep: Keep) -> None:
    gateway = start({"drain": {"timeout": "5m"}})
    control = operator(gateway)
    mute = keep(Browser(gateway.edge))
    assert drain(control, node=True, exit=True).changed

    gateway.process.send_signal(signal.SIGTERM)

    gateway.wait_for_log("draining: that cannot be taken back any more")
    assert refused(control, node=True, undo=True).reason == "DRAIN_IS_FINAL"
    assert is_sent_home(mute)
    gateway._stopping = True
    assert gateway.wait() == 0


@pytest.mark.parametrize("exits", [False, True])
def test_a_signal_does_not_wait_for_what_a_call_would_have(
    start: Start, operator: Any, keep: Keep, exits: bool
) -> None:
    """Who sends it counts on the configured times."""
    gateway = start()
    browsers = [keep(Browser(gateway.edge)) for _ in range(3)]
    drain(operator(gateway), node=True, exit=exits, delay=600)
    gateway.begin_stop()
    assert all(is_sent_home(browser) for browser in browsers)
    assert gateway.wait() == 0


def test_a_signal_while_the_calls_end_changes_nothing(start: Start, operator: Any, tmp_path: Path) -> None:
    """Clients that left before their turn: the window is not over yet, and there is nobody to be told again."""
    snapshot = tmp_path / "logs"
    gateway = start({"engine": {"memory": {"snapshot": str(snapshot)}}})
    with operator(gateway) as control:
        browsers = [Browser(gateway.edge) for _ in range(300)]  # a window of 3 s
        drain(control, node=True, exit=True, window=3600)
        for browser in browsers:
            browser.close()
    eventually(lambda: listens(gateway.edge), lambda there: not there, "the end of the port")
    gateway.begin_stop()
    assert gateway.wait() == 0 and snapshot.exists()


def test_what_makes_no_sense_is_refused(start: Start, operator: Any) -> None:
    control = operator(start())
    assert (refused(control).code.name, refused(control).fields) == ("INVALID_ARGUMENT", ["target"])
    for wrong, field in (
        ({"node": False}, "node"),
        ({"app_name": ""}, "app_name"),
        ({"endpoint": ""}, "endpoint"),
        ({"app_name": "shop", "exit": True}, "exit"),
        ({"node": True, "window": Duration(seconds=3601)}, "window"),
        ({"node": True, "window": Duration(seconds=-1)}, "window"),
        ({"node": True, "window": Duration(seconds=2**62)}, "window"),
        ({"node": True, "delay": Duration(seconds=601)}, "delay"),
        ({"node": True, "undo": True, "delay": Duration()}, "delay"),
        ({"node": True, "undo": True, "window": Duration()}, "window"),
    ):
        refusal = refused(control, **wrong)
        assert (refusal.code.name, refusal.fields) == ("INVALID_ARGUMENT", [field]), wrong
    for unknown, reason in (({"app_name": "nope"}, "APP_UNKNOWN"), ({"endpoint": "/nope"}, "ENDPOINT_UNKNOWN")):
        for undo in (False, True):
            refusal = refused(control, **unknown, undo=undo)
            assert (refusal.code.name, refusal.reason) == ("NOT_FOUND", reason)


def test_who_may(start: Start, operator: Any, keep: Keep) -> None:
    """A key for an app drains that alone, and sees no other's."""
    gateway = start()
    keep(Browser(gateway.edge, "/shop"))
    keep(Browser(gateway.edge))
    keep(Browser(gateway.edge))
    shop, reader, chat, every = (operator(gateway, key) for key in (SHOP_KEY, READ_KEY, CHAT_KEY, ALL_KEY))
    sessions = [each.call("ListNodes", pb.ListNodesRequest()).nodes[0].sessions for each in (every, shop, reader, chat)]
    assert sessions == [3, 1, 0, 0]
    for key, target in (
        (shop, {"node": True}),
        (shop, {"endpoint": "/shop"}),
        (shop, {"app_name": "blog"}),
        (shop, {"app_name": "nope"}),
        (chat, {"node": True}),
        (chat, {"app_name": "shop"}),
        (reader, {"app_name": "blog"}),
    ):
        assert refused(key, **target).code.name == "PERMISSION_DENIED", target
    assert drain(shop, app_name="shop").changed and drain(every, endpoint="/ws").changed
    assert [status.app_name for status in drains(shop)] == ["shop"]
    assert len(drains(every)) == 2 and drains(reader) == [] and drains(chat) == []


def test_the_feed_says_so(start: Start, operator: Any) -> None:
    """Of an app, or of an endpoint that is for one, in its own feed; of the gateway, in all."""
    control = operator(start())
    shop = feed.Watch(control, app="shop", filter=feed.pb.EventFilter(kinds=feed.kinds("drain")))
    blog = feed.Watch(control, app="blog", filter=feed.pb.EventFilter(kinds=feed.kinds("drain")))
    shop.begun(), blog.begun()
    drain(control, app_name="shop")
    (said,) = shop.take(1)
    assert feed.kind(said) == "drain" and said.drain == feed.pb.DrainNotice(app_name="shop")
    for target in ({"node": True}, {"endpoint": "/ws"}):
        drain(control, **target)
        drain(control, **target, undo=True)
        for each in (shop, blog):
            assert [said.drain for said in each.take(2)] == [
                feed.pb.DrainNotice(**target),
                feed.pb.DrainNotice(**target, undone=True),
            ]
    drain(control, endpoint="/shop")
    assert shop.take(1)[0].drain == feed.pb.DrainNotice(endpoint="/shop")
    drain(control, node=True, delay=60)
    drain(control, node=True, exit=True)
    drain(control, node=True, undo=True)
    assert [(said.drain.exit, said.drain.undone) for said in blog.take(3)] == [(False, False), (True, False), (False, True)]


def test_an_app_that_goes_takes_its_drain_along(start: Start, operator: Any, keep: Keep) -> None:
    gateway = start()
    control = operator(gateway)
    drain(control, app_name="fair")
    assert knock(gateway, "/app/fair/ws").status == 503
    gateway.reload({"apps": [{"name": "shop"}, {"name": "blog"}]})
    eventually(lambda: drains(control), lambda left: left == [], "the drain")
    gateway.reload({"apps": [{"name": "shop"}, {"name": "blog"}, {"name": "fair"}]})
    assert knock(gateway, "/app/fair/ws").status == 101


def test_reloads_that_come_together_are_one(start: Start, operator: Any) -> None:
    """Many calls at once do not load the file as often one after the other."""
    gateway = start()
    control = operator(gateway)
    calls = 40
    with ThreadPoolExecutor(calls) as pool:
        answers = list(pool.map(lambda _: control.call("Reload", pb.ReloadRequest()), range(calls)))
    assert len(answers) == calls
    drain(control, app_name="fair")
    lines(gateway, "draining an app")  # by now the lines before it are there
    assert 0 < len(lines(gateway, "Reload by operator: loaded the configuration")) < calls


def test_who_measures_does_not_hold_the_end(start: Start, operator: Any, keep: Keep) -> None:
    """A session that is watched for ten seconds is gone long before that."""
    gateway = start()
    browser = keep(Browser(gateway.edge))
    request = pb.GetSessionRequest(session_id=browser.session, measure_for=Duration(seconds=10))
    begun = time.monotonic()
    pending = operator(gateway).future("GetSession", request)
    watching = operator(gateway).call("GetSession", pb.GetSessionRequest(session_id=browser.session))
    assert watching.session.session_id == browser.session and not pending.done()
    gateway.begin_stop()
    assert is_sent_home(browser)
    refusal = Refusal(pending.exception(PATIENCE))
    assert (refusal.code.name, refusal.reason) == ("NOT_FOUND", "SESSION_UNKNOWN")
    assert gateway.wait() == 0
    assert time.monotonic() - begun < 9


def test_handshakes_that_race_with_drains(start: Start, operator: Any) -> None:
    """Whoever comes while drains begin and are taken back is let in or told why not; and in the end everybody is."""
    gateway = start()
    control = operator(gateway)

    def come(number: int) -> list[int]:
        return [knock(gateway, "/shop" if number % 2 else "/ws").status for _ in range(50)]

    with ThreadPoolExecutor(4) as pool:
        comers = [pool.submit(come, number) for number in range(4)]
        while not all(comer.done() for comer in comers):
            for undo in (False, True):
                drain(control, node=True, undo=undo)
                drain(control, app_name="shop", undo=undo)
        statuses = {status for comer in comers for status in comer.result(PATIENCE)}
    assert statuses <= {101, 503}
    assert drains(control) == [] and knock(gateway).status == 101 and ready(gateway) == 200
