"""Backends that are asked and do not answer: slow, down, talking nonsense, and back again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from carillon_client._pb import admin_pb2
from support.certificates import make_certificate
from support.control import Control
from support.gateway import Gateway, token
from support.hook_server import Gate, HookServer, accept, user
from support.hook_server import pb as hooks_pb
from support.http import RawConnection, Response, request_bytes, upgrade_headers
from support.patience import eventually
from support.ws import Browser, with_query

StartGateway = Callable[..., Gateway]
Keep = Callable[[Any], Any]
OPEN, PROBING, CLOSED = 2, 1, 0


@pytest.fixture
def backend() -> Iterator[HookServer]:
    server = HookServer()
    server.answers["AuthorizeSubscribe"] = allow
    yield server
    server.stop()


def allow(*_: Any) -> hooks_pb.AuthorizeSubscribeResponse:
    return hooks_pb.AuthorizeSubscribeResponse(allowed=True)


def settings(backend: HookServer, **more: Any) -> dict[str, Any]:
    main = {"name": "main", "address": f"127.0.0.1:{backend.port}", "breaker_failures": 3, "breaker_pause": "100ms"}
    main |= {"deadline": "20s", **more}
    return {
        "edge": {"endpoints": [{"path": "/ws", "anonymous": True, "messages_per_second": 0}]},
        "hooks": [main],
        "auth": {"hook": {"backend": "main", "cookies": ["sid"], "headers": ["x-tenant"]}},
        "streams": [{"pattern": "asked-*", "subscribe": {"hook": "main"}, "publish": {"hook": "main"}}],
        "client_events": [{"event": "ask", "hook": "main", "action": "none", "anonymous": True}],
    }


@pytest.fixture
def begin(start_gateway: StartGateway, backend: HookServer) -> Callable[..., Gateway]:
    """Starts a gateway that asks the backend; `more` is said of it."""
    return lambda **more: start_gateway(settings(backend, **more))


def subscribe(browser: Browser, stream: str) -> dict[str, Any] | None:
    """What a subscription was refused with; None where it was not."""
    reply = browser.ask("subscribe", streams=[stream])["data"]
    return None if reply["streams"] == [stream] else dict(reply["refused"][0])


def breaker(gateway: Gateway) -> float:
    return gateway.metrics().value("carillon_hook_breaker", backend="main")


def handshake(gateway: Gateway, target: str, **headers: str) -> Response:
    connection = RawConnection(gateway.edge)
    connection.send(request_bytes(target, upgrade_headers(gateway.edge, **headers)))
    try:
        return connection.read_response()
    finally:
        connection.close()


def assert_unavailable(answer: dict[str, Any]) -> None:
    assert answer["code"] == "unavailable" and answer["temporary"] and answer["retry_after_ms"] > 0, answer
    assert "main" in answer["message"]


def test_a_backend_that_is_down_refuses_everything_until_it_is_back(
    begin: Callable[..., Gateway], backend: HookServer, keep: Keep
) -> None:
    gateway = begin(breaker_failures=8)
    browser = keep(Browser(gateway.edge))
    assert subscribe(browser, "asked-1") is None
    backend.stop()
    answer = subscribe(browser, "asked-2")
    assert answer is not None
    assert_unavailable(answer)
    assert_unavailable(browser.ask("publish", stream="asked-1", event="x")["data"])
    assert_unavailable(browser.ask("publish", event="ask")["data"])
    response = handshake(gateway, "/ws", Cookie="sid=x")
    assert (response.status, response.error["code"]) == (503, "hook") and response.headers["retry-after"]
    assert browser.ask("ping")["event"] == "pong"
    assert keep(Browser(gateway.edge)).welcome["user"] is None
    for i in range(8):
        subscribe(browser, f"asked-{i}")
    gateway.wait_for_log("a backend does not answer, and is left alone")
    backend.start()
    eventually(lambda: subscribe(browser, "asked-9"), lambda refused: refused is None, "the backend's return")
    assert breaker(gateway) == CLOSED
    gateway.wait_for_log("a backend answers again")


def test_a_slow_backend_is_not_waited_for_beyond_the_deadline(
    begin: Callable[..., Gateway], backend: HookServer, keep: Keep
) -> None:
    backend.answers["AuthorizeSubscribe"] = allow
    gateway = begin(deadline="1s", breaker_failures=1000)
    browser = keep(Browser(gateway.edge))

    def unanswered() -> float:
        return gateway.metrics().value("carillon_hook_ends_total", backend="main", result="unanswered")

    # The first question waits for the connection as well, which may take its time.
    eventually(lambda: subscribe(browser, "asked-0"), lambda refused: refused is None, "the backend answers")
    before = unanswered()
    gate = Gate(allow())
    backend.answers["AuthorizeSubscribe"] = gate
    answer = subscribe(browser, "asked-1")
    assert answer is not None
    assert_unavailable(answer)
    gate.wait_for_cancelled()
    gateway.wait_for_log("nothing came in 1000 ms")
    assert unanswered() == before + 1
    gate.open()
    eventually(lambda: subscribe(browser, "asked-1"), lambda refused: refused is None, "the backend answers")


GARBAGE = [
    ("AuthorizeSubscribe", b"\xff\xff\xff"),
    ("Authenticate", b""),
    ("Authenticate", b"\xff"),
    ("Authenticate", user("")),
    ("Authenticate", user("ann", info_json="{")),
    ("Authenticate", user("ann", roles=["r"] * 101)),
    ("OnClientEvent", b""),
    ("OnClientEvent", hooks_pb.OnClientEventResponse(answer=hooks_pb.HookAnswer(json="{"))),
    ("OnClientEvent", hooks_pb.OnClientEventResponse(accept=accept(json="nope"))),
    ("OnClientEvent", hooks_pb.OnClientEventResponse(accept=accept(event="presence.join"))),
    ("OnClientEvent", hooks_pb.OnClientEventResponse(answer=hooks_pb.HookAnswer(json='"' + "x" * 2_000_000 + '"'))),
]


@pytest.mark.parametrize(("method", "garbage"), GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_no_answer(
    begin: Callable[..., Gateway], backend: HookServer, keep: Keep, method: str, garbage: Any
) -> None:
    backend.answers[method] = lambda *_: garbage
    gateway = begin()
    browser = keep(Browser(gateway.edge))
    if method == "Authenticate":
        assert handshake(gateway, "/ws", Cookie="sid=x").status == 503
    elif method == "AuthorizeSubscribe":
        assert_unavailable(subscribe(browser, "asked-1") or {})
    else:
        assert_unavailable(browser.ask("publish", event="ask")["data"])
    assert gateway.metrics().value("carillon_hook_ends_total", backend="main", result="unanswered") == 1
    too_long = garbage is GARBAGE[-1][1]
    gateway.wait_for_log("status 8 (RESOURCE_EXHAUSTED)" if too_long else "what came is not an answer: ")


@pytest.mark.parametrize("code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INTERNAL, grpc.StatusCode.OK])
def test_only_an_answer_is_an_answer(
    begin: Callable[..., Gateway], backend: HookServer, keep: Keep, code: grpc.StatusCode
) -> None:
    """A status is none, whatever it says; nor is a backend that knows nothing of hooks."""
    if code == grpc.StatusCode.OK:
        backend.answers.clear()
    else:
        backend.answers["AuthorizeSubscribe"] = lambda _, context: context.abort(code, "no\nway")
    gateway = begin()
    assert_unavailable(subscribe(keep(Browser(gateway.edge)), "asked-1") or {})
    said = {
        grpc.StatusCode.PERMISSION_DENIED: "status 7 (PERMISSION_DENIED): does it know hooks[].key?",
        grpc.StatusCode.INTERNAL: "status 13 (INTERNAL)",
        grpc.StatusCode.OK: "status 12 (UNIMPLEMENTED): it does not implement this method",
    }
    gateway.wait_for_log(said[code])


def test_after_so_many_failures_the_backend_is_left_alone(
    begin: Callable[..., Gateway], backend: HookServer, keep: Keep
) -> None:
    backend.answers["AuthorizeSubscribe"] = lambda _, context: context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
    gateway = begin(breaker_pause="10m")
    browser = keep(Browser(gateway.edge))
    for i in range(3):
        assert breaker(gateway) == CLOSED
        assert_unavailable(subscribe(browser, f"asked-{i}") or {})
    assert breaker(gateway) == OPEN
    assert len(backend.requests) == 3
    with Control(gateway.control) as control:
        (status,) = control.call("ListNodes", admin_pb2.ListNodesRequest()).nodes[0].hooks
    assert (status.name, status.breaker, status.unanswered, status.answered) == ("main", admin_pb2.HOOK_BREAKER_OPEN, 3, 0)
    assert str(backend.port) in status.address
    for i in range(5):
        assert_unavailable(subscribe(browser, f"asked-{i}") or {})
        assert handshake(gateway, "/ws", Cookie="sid=x").status == 503
    assert len(backend.requests) == 3
    assert gateway.metrics().value("carillon_hook_ends_total", backend="main", result="shed") == 10
    log = gateway.wait_for_log("a backend does not answer, and is left alone")
    assert "status 14" in log and "broken" not in log  # it may hold what clients showed


def test_what_only_one_client_can_cause_does_not_close_the_door_to_all(
    begin: Callable[..., Gateway], backend: HookServer, keep: Keep
) -> None:
    """A backend that fails at what somebody says is there all the same."""
    gateway = begin(breaker_failures=2)
    browser = keep(Browser(gateway.edge))
    for code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INVALID_ARGUMENT):
        backend.answers["AuthorizeSubscribe"] = lambda _, context, code=code: context.abort(code, "no")
        assert_unavailable(subscribe(browser, "asked-1") or {})
    assert breaker(gateway) == CLOSED
    backend.answers["Authenticate"] = lambda *_: user("ann")
    for target, headers in (("/ws?token=%FF", {}), ("/ws?token=x&y=%FF", {"X-Tenant": "\xff"}), ("/ws?token=x", {"Cookie": "sid=\xff"})):
        assert handshake(gateway, target, **headers).status == (401 if "=%FF" in target[:14] else 101)
    assert [request.token for request in backend.asked("Authenticate")] == ["x", "x"]


def test_one_question_finds_out_whether_it_is_back(
    begin: Callable[..., Gateway], backend: HookServer, keep: Keep
) -> None:
    backend.answers["AuthorizeSubscribe"] = lambda _, context: context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
    gateway = begin(deadline="20s")
    browser, other = keep(Browser(gateway.edge)), keep(Browser(gateway.edge))
    for i in range(3):
        subscribe(browser, f"asked-{i}")
    gate = Gate(allow())
    backend.answers["AuthorizeSubscribe"] = gate
    for number in count(100):
        browser.send_json({"action": "subscribe", "streams": [f"asked-{number}"], "id": number})
        eventually(lambda: gate.waiting or (browser.ask("ping") and browser.pending()), bool, "a question, or a refusal")
        if gate.waiting:
            break
        assert_unavailable(browser.receive()["data"]["refused"][0])
    assert breaker(gateway) == PROBING
    assert_unavailable(subscribe(other, "asked-1") or {})
    assert gate.waiting == 1
    gate.open()
    assert browser.receive()["data"]["streams"] == [f"asked-{number}"]
    assert breaker(gateway) == CLOSED


@pytest.mark.parametrize("on_failure", ["refuse", "allow"])
def test_too_many_questions_at_once_are_not_asked(
    begin: Callable[..., Gateway], backend: HookServer, keep: Keep, on_failure: str
) -> None:
    """And are never let through: clients can bring that about."""
    gate = Gate(allow())
    backend.answers["AuthorizeSubscribe"] = gate
    gateway = begin(max_pending=5, deadline="20s", on_failure=on_failure)
    first, second = keep(Browser(gateway.edge)), keep(Browser(gateway.edge))
    first.send_json({"action": "subscribe", "streams": [f"asked-{i}" for i in range(5)]})
    gate.wait_for(5)
    assert_unavailable(subscribe(second, "asked-6") or {})
    assert breaker(gateway) == CLOSED
    gate.open()
    assert len(first.receive()["data"]["streams"]) == 5
    assert subscribe(second, "asked-6") is None


def test_a_lenient_rule_lets_through_what_the_other_rules_do(
    begin: Callable[..., Gateway], backend: HookServer, keep: Keep
) -> None:
    backend.answers.clear()
    gateway = begin(on_failure="allow")
    browser = keep(Browser(gateway.edge))
    assert subscribe(browser, "asked-1") is None
    assert browser.ask("publish", stream="asked-1", event="x")["event"] == "published"
    assert browser.ask("publish", event="ask")["event"] == "published"
    backend.answers["AuthorizeSubscribe"] = lambda *_: hooks_pb.AuthorizeSubscribeResponse(message="no")
    names = count(2)
    refused = eventually(lambda: subscribe(browser, f"asked-{next(names)}"), lambda refused: refused is not None, "an answer")
    assert refused is not None and refused["message"] == "no"
    assert handshake(gateway, "/ws", Cookie="sid=x").status == 503  # nobody can say who that is


def test_another_backend_is_asked_after_a_reload(
    begin: Callable[..., Gateway], backend: HookServer, keep: Keep
) -> None:
    gate = Gate(allow())
    backend.answers["AuthorizeSubscribe"] = gate
    gateway = begin(deadline="20s")
    waiting, browser = keep(Browser(gateway.edge)), keep(Browser(gateway.edge))
    waiting.send_json({"action": "subscribe", "streams": ["asked-1"]})
    gate.wait_for()
    other = keep(HookServer())
    other.answers["AuthorizeSubscribe"] = lambda *_: hooks_pb.AuthorizeSubscribeResponse(message="the other one")
    gateway.reload({"hooks": settings(other)["hooks"]})
    assert (subscribe(browser, "asked-1") or {})["message"] == "the other one"
    gate.open()
    assert waiting.receive()["data"]["streams"] == ["asked-1"]  # the one that was asked still answers
    gateway.reload({"hooks": [], "auth": {"hook": None}}, outcome="SIGHUP: the configuration is refused")
    assert (subscribe(browser, "asked-2") or {})["message"] == "the other one"


def test_an_answer_counts_only_for_the_rule_that_asked(
    begin: Callable[..., Gateway], backend: HookServer, keep: Keep
) -> None:
    gate = Gate(allow())
    backend.answers["AuthorizeSubscribe"] = gate
    gateway = begin(deadline="20s")
    browser = keep(Browser(gateway.edge))
    browser.send_json({"action": "subscribe", "streams": ["asked-1"]})
    gate.wait_for()
    other = keep(HookServer())
    other.answers["AuthorizeSubscribe"] = lambda *_: hooks_pb.AuthorizeSubscribeResponse(message="no")
    second = {"name": "second", "address": f"127.0.0.1:{other.port}", "deadline": "20s"}
    streams = [{"pattern": "asked-*", "subscribe": {"hook": "second"}}]
    gateway.reload({"hooks": [*settings(backend, deadline="20s")["hooks"], second], "streams": streams})
    gate.open()
    (refused,) = browser.receive()["data"]["refused"]
    assert (refused["code"], refused["temporary"]) == ("unavailable", True)
    assert (subscribe(browser, "asked-1") or {})["message"] == "no"


def test_the_gateway_ends_while_backends_are_asked(
    begin: Callable[..., Gateway], backend: HookServer, keep: Keep
) -> None:
    gate = Gate(allow())
    for method in ("AuthorizeSubscribe", "Authenticate", "OnClientEvent"):
        backend.answers[method] = gate
    gateway = begin(deadline="30s")
    browser = keep(Browser(gateway.edge, with_query("/ws", token=token("ann"))))
    browser.send_json({"action": "subscribe", "streams": ["asked-1"]})
    browser.send_json({"action": "publish", "event": "ask"})
    connection = keep(RawConnection(gateway.edge))
    connection.send(request_bytes("/ws", upgrade_headers(gateway.edge, Cookie="sid=x")))
    beginning = keep(RawConnection(gateway.edge))
    beginning.send(request_bytes("/ws?streams=asked-2", upgrade_headers(gateway.edge)))
    gate.wait_for(3)
    gateway.stop()
    gate.wait_for_cancelled(3)


@pytest.mark.parametrize("stays", [True, False])
def test_what_does_not_speak_grpc_at_all(start_gateway: StartGateway, keep: Keep, stays: bool) -> None:
    listener = keep(socket.create_server(("127.0.0.1", 0)))

    def babble() -> None:
        kept = []
        while True:
            try:
                connection, _ = listener.accept()
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello" * 100)
            except OSError:
                return
            if stays:
                kept.append(connection)
            else:
                connection.close()

    threading.Thread(target=babble, daemon=True).start()
    config = settings(keep(HookServer()))
    config["hooks"][0]["address"] = f"127.0.0.1:{listener.getsockname()[1]}"
    gateway = start_gateway(config)
    browser = keep(Browser(gateway.edge))
    for i in range(3):
        assert_unavailable(subscribe(browser, f"asked-{i}") or {})
        assert handshake(gateway, "/ws", Cookie="sid=x").status == 503
    assert browser.ask("ping")["event"] == "pong"


def test_tls_with_certificates_of_both_sides(start_gateway: StartGateway, tmp_path: Path, keep: Keep) -> None:
    server, client = make_certificate(tmp_path / "server.pem"), make_certificate(tmp_path / "client.pem")
    credentials = grpc.ssl_server_credentials(
        [(server.read_bytes(), server.read_bytes())], client.read_bytes(), require_client_auth=True
    )
    backend = keep(HookServer(credentials=credentials))
    backend.answers["AuthorizeSubscribe"] = allow
    tls = {"enabled": True, "ca_file": str(server), "cert_file": str(client), "key_file": str(client)}
    gateway = start_gateway(settings(backend, tls=tls))
    assert subscribe(keep(Browser(gateway.edge)), "asked-1") is None
    stranger = start_gateway(settings(backend, tls={"enabled": True, "ca_file": str(server)}))
    assert_unavailable(subscribe(keep(Browser(stranger.edge)), "asked-1") or {})
    unknown = start_gateway(settings(backend, tls=tls | {"ca_file": str(client)}))
    assert_unavailable(subscribe(keep(Browser(unknown.edge)), "asked-1") or {})
    plain = start_gateway(settings(backend))
    assert_unavailable(subscribe(keep(Browser(plain.edge)), "asked-1") or {})
