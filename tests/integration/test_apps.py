"""Several apps in one gateway: how a client gets to one, and that nothing of one counts in another."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from support.control import Control, event, pb
from support.gateway import JWT_SECRET, Gateway, clean_environment, merged, sign, token
from support.http import RawConnection, request_bytes, upgrade_headers
from support.patience import eventually
from support.ws import TEXT, Browser, WebSocket, frame_bytes, with_query

SHOP_SECRET = "the-secret-of-the-shop-0123456789abcdef"
SHOP: dict[str, Any] = {
    "name": "shop",
    "key": "pk_shop",
    "allowed_origins": ["https://shop.example.com"],
    "auth": {"hs256_secret": SHOP_SECRET, "cookie": "shop_sid"},
    "streams": [{"pattern": "log-*", "log": {"mode": "log"}}],
    "inbox": {"mode": "log"},
}
BLOG: dict[str, Any] = {"name": "blog"}
ALL_KEY, SHOP_KEY, BOTH_KEY, CHAT_KEY, STREAMS_KEY = (
    f"the-key-{name}-0123456789" for name in ("all", "shop", "both", "chat", "streams")
)

Start = Callable[..., Gateway]
Keep = Callable[[Any], Any]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {
            "app_domain": "rt.example.com",
            "endpoints": [{"path": "/ws", "anonymous": True}, {"path": "/shop", "anonymous": True, "app": "shop"}],
        },
        "apps": [SHOP, BLOG],
    }


def shop_token(user: str) -> str:
    return sign({"sub": user, "exp": int(time.time()) + 3600}, SHOP_SECRET)


def handshake(gateway: Gateway, target: str, host: str = "gateway.test", **headers: str) -> tuple[int, str]:
    """The status, and the rule that refused it."""
    connection = RawConnection(gateway.edge)
    connection.send(request_bytes(target, upgrade_headers(host, **headers)))
    answer = connection.read_response()
    connection.close()
    return answer.status, "" if answer.status == 101 else answer.error["code"]


def app_of(control: Control, browser: Browser) -> str:
    """Which app a session is in: the one whose everyone hears it."""
    for app in ("default", "shop", "blog"):
        control.to_all(event(f"you are in {app}"), app=app)
    name = str(browser.receive()["event"])
    assert browser.ask("ping")["event"] == "pong"
    return name.removeprefix("you are in ")


@pytest.mark.parametrize(
    ("target", "host", "app"),
    [
        ("/ws", "gateway.test", "default"),
        ("/ws/chat", "gateway.test", "default"),
        ("/app/default/ws", "gateway.test", "default"),
        ("/app/pk_shop", "gateway.test", "shop"),
        ("/app/pk_shop/ws", "gateway.test", "shop"),
        ("/app/pk_shop/ws/chat", "gateway.test", "shop"),
        ("/app/pk_shop/shop", "gateway.test", "shop"),
        ("/app/blog/ws?streams=chat", "gateway.test", "blog"),
        ("/shop", "gateway.test", "shop"),
        ("/shop", "blog.rt.example.com", "shop"),
        ("/ws", "blog.rt.example.com", "blog"),
        ("/ws", "Blog.RT.example.com:443", "blog"),
        ("/ws", "rt.example.com", "default"),
        ("/app/pk_shop/ws", "blog.rt.example.com", "shop"),
    ],
)
def test_a_client_gets_to_an_app(
    gateway: Gateway, control: Control, connect: Callable[..., Browser], target: str, host: str, app: str
) -> None:
    browser = connect(target, headers=list(upgrade_headers(host)))
    assert app_of(control, browser) == app


@pytest.mark.parametrize(
    ("target", "host", "refusal"),
    [
        ("/app/shop/ws", "gateway.test", "app"),  # its name is not its key
        ("/app/nowhere", "gateway.test", "app"),
        ("/app/PK_SHOP/ws", "gateway.test", "app"),
        ("/ws", "nowhere.rt.example.com", "app"),
        ("/ws", "a.blog.rt.example.com", "app"),
        ("/app/blog/shop", "gateway.test", "path"),
        ("/app/blog/nothing", "gateway.test", "path"),
        ("/app/", "gateway.test", "path"),
    ],
)
def test_an_unknown_app_is_never_the_default_one(gateway: Gateway, target: str, host: str, refusal: str) -> None:
    with gateway.rises("carillon_handshakes_rejected_total", reason=refusal):
        assert handshake(gateway, target, host) == (404, refusal)


def test_each_app_has_its_keys_origins_and_cookie(gateway: Gateway, fresh: Callable[[str], str]) -> None:
    shop, other = shop_token(fresh("alice")), token(fresh("alice"))

    def judged(target: str, **headers: str) -> tuple[int, str]:
        return handshake(gateway, target, **headers)

    assert judged("/shop", Authorization=f"Bearer {shop}") == (101, "")
    assert judged("/ws", Authorization=f"Bearer {other}") == (101, "")
    assert judged("/shop", Authorization=f"Bearer {other}") == (401, "invalid_token")
    assert judged("/ws", Authorization=f"Bearer {shop}") == (401, "invalid_token")
    assert judged("/app/blog", Authorization=f"Bearer {other}") == (401, "invalid_token")  # it has no keys at all
    assert judged("/shop", Origin="https://shop.example.com") == (101, "")
    assert judged("/ws", Origin="https://shop.example.com") == (403, "origin")
    assert judged("/app/blog", Origin="https://shop.example.com") == (403, "origin")
    assert judged("/shop", Cookie=f"shop_sid={shop}", Origin="https://shop.example.com") == (101, "")


def test_a_first_frame_is_judged_by_the_apps_keys(connect: Callable[..., Browser], fresh: Callable[[str], str]) -> None:
    browser = connect("/shop")
    assert browser.ask("auth", token=token("alice"))["data"]["code"] == "unauthorized"
    assert browser.ask("auth", token=shop_token("alice"))["event"] == "authenticated"


def test_who_is_kept_out_of_one_app_is_not_of_another(
    gateway: Gateway, control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    user = fresh("alice")
    in_shop = connect(with_query("/shop", token=shop_token(user)))
    in_default = connect(with_query("/ws", token=token(user)))
    answer = control.call("BlockUser", pb.BlockUserRequest(user_id=user, app="shop"))
    assert answer.sessions == 1
    assert in_shop.receive_close()[0] == 4003
    assert in_default.ask("ping")["event"] == "pong"
    assert handshake(gateway, "/shop", Authorization=f"Bearer {shop_token(user)}") == (403, "blocked")
    assert handshake(gateway, "/ws", Authorization=f"Bearer {token(user)}") == (101, "")

    def blocked(app: str) -> list[str]:
        answer = control.call("ListBlockedUsers", pb.ListBlockedUsersRequest(app=app))
        return [each.user_id for each in answer.users]

    assert user in blocked("shop") and user not in blocked("default") and user not in blocked("blog")
    assert not control.call("UnblockUser", pb.UnblockUserRequest(user_id=user)).was_blocked
    assert control.call("UnblockUser", pb.UnblockUserRequest(user_id=user, app="shop")).was_blocked


def test_a_revocation_by_id_is_one_apps(
    gateway: Gateway, control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    token_id = fresh("jti")
    shop = sign({"sub": "alice", "exp": int(time.time()) + 3600, "jti": token_id}, SHOP_SECRET)
    in_shop, in_default = connect(f"/shop?token={shop}"), connect(f"/ws?token={token('alice', jti=token_id)}")
    assert control.call("RevokeTokens", pb.RevokeTokensRequest(token_id=token_id, app="shop")).sessions == 1
    assert in_shop.receive_close()[0] == 4001
    assert in_default.ask("ping")["event"] == "pong"


def test_logs_are_each_apps(control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]) -> None:
    """The shop keeps what the others do not, and the same name is another log."""
    stream = "log-" + fresh("x")
    for app in ("shop", "default", "blog"):
        request = pb.BroadcastStreamRequest(stream=stream, event=event(app), app=app)
        receipt = control.call("BroadcastStream", request).receipt
        assert receipt.HasField("position") == (app == "shop")
    listed = control.call("ListMessages", pb.ListMessagesRequest(stream=stream, app="shop"))
    assert [message.event for message in listed.messages] == ["shop"]
    refusal = control.refused("ListMessages", pb.ListMessagesRequest(stream=stream))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    browser = connect(f"/shop?streams={stream}&since=last:9")
    assert browser.receive()["event"] == "shop"


def test_metrics_have_the_apps_name(gateway: Gateway, control: Control, connect: Callable[..., Browser]) -> None:
    for name in ("carillon_app_connections", "carillon_app_streams"):
        gateway.wait_for_metric(name, 0, app="shop")  # those of the tests before have left
    with gateway.rises("carillon_app_connections", by=2, app="shop"), gateway.rises("carillon_app_streams", app="shop"):
        tabs = [connect("/shop?streams=of-metrics"), connect("/shop?streams=of-metrics")]
    with gateway.rises("carillon_app_broadcasts_total", app="shop"):
        with gateway.rises("carillon_broadcasts_total"):
            control.to_all(app="shop")
    assert gateway.metrics().value("carillon_app_broadcasts_total", app="blog") >= 0
    assert tabs


# --- Keys of backends ---


@pytest.fixture
def keyed(start_gateway: Start) -> Gateway:
    keys = [
        {"name": "all", "secret": ALL_KEY, "apps": ["*"]},
        {"name": "shop", "secret": SHOP_KEY, "apps": ["shop"]},
        {"name": "both", "secret": BOTH_KEY, "apps": ["blog", "default"]},
        {"name": "chat", "secret": CHAT_KEY, "streams": ["chat-*"], "verbs": ["publish", "read"]},
        {"name": "streams", "secret": STREAMS_KEY, "streams": ["*"]},
    ]
    return start_gateway({"apps": [SHOP, BLOG], "control": {"keys": keys}})


def test_a_key_is_for_its_apps(keyed: Gateway, keep: Keep) -> None:
    apps = ("", "default", "shop", "blog", "nowhere")
    expected = {
        ALL_KEY: ["default", "default", "shop", "blog", "NOT_FOUND"],
        SHOP_KEY: ["shop", "PERMISSION_DENIED", "shop", "PERMISSION_DENIED", "PERMISSION_DENIED"],
        BOTH_KEY: ["blog", "default", "PERMISSION_DENIED", "blog", "PERMISSION_DENIED"],
        CHAT_KEY: ["default", "default", "PERMISSION_DENIED", "PERMISSION_DENIED", "PERMISSION_DENIED"],
    }
    targets = {"default": "/ws", "shop": "/app/pk_shop", "blog": "/app/blog"}
    listeners = {app: keep(Browser(keyed.edge, f"{target}?streams=chat-1")) for app, target in targets.items()}
    for key, outcomes in expected.items():
        control = keep(Control(keyed.control, key))
        for app, outcome in zip(apps, outcomes, strict=True):
            request = pb.BroadcastStreamRequest(stream="chat-1", event=event(outcome), app=app)
            if outcome in listeners:
                assert control.call("BroadcastStream", request).receipt.sessions == 1
                assert listeners[outcome].receive()["event"] == outcome
            else:
                refusal = control.refused("BroadcastStream", request)
                assert refusal.code.name == outcome, (key, app)
                assert refusal.reason == {"NOT_FOUND": "APP_UNKNOWN", "PERMISSION_DENIED": "KEY_TOO_NARROW"}[outcome]
                assert (app or "shop") in refusal.message
    for listener in listeners.values():
        assert listener.ask("ping")["event"] == "pong"


def test_a_key_is_for_its_streams(keyed: Gateway, keep: Keep) -> None:
    control = keep(Control(keyed.control, CHAT_KEY))
    allowed = [
        ("BroadcastStream", pb.BroadcastStreamRequest(stream="chat-1", event=event())),
        ("BroadcastToUser", pb.BroadcastToUserRequest(user_id="alice", stream="chat-1", event=event())),
        ("CountSubscribers", pb.CountSubscribersRequest(stream="chat-1")),
        ("Subscribers", pb.SubscribersRequest(stream="chat-1")),
    ]
    refused = [
        ("BroadcastStream", pb.BroadcastStreamRequest(stream="news", event=event())),
        ("BroadcastToUser", pb.BroadcastToUserRequest(user_id="alice", event=event())),
        ("BroadcastToUser", pb.BroadcastToUserRequest(user_id="alice", stream="news", event=event())),
        ("BroadcastToUsers", pb.BroadcastToUsersRequest(user_ids=["alice"], event=event())),
        ("BroadcastToUser", pb.BroadcastToUserRequest(user_id="a", stream="chat-1", any_session=True, event=event())),
        ("BroadcastAll", pb.BroadcastAllRequest(event=event())),
        ("BroadcastAll", pb.BroadcastAllRequest(stream="chat-1", event=event())),
        ("SendToSession", pb.SendToSessionRequest(session_id="0" * 20, stream="chat-1", event=event())),
        ("SendToSession", pb.SendToSessionRequest(session_id="0" * 20, event=event())),
        ("CountSubscribers", pb.CountSubscribersRequest()),
        ("CountSubscribers", pb.CountSubscribersRequest(user_id="alice")),
        ("Subscribers", pb.SubscribersRequest(user_id="alice")),
        ("ListMessages", pb.ListMessagesRequest(stream="news")),
        ("ListMessages", pb.ListMessagesRequest(user_id="alice")),
        ("ListBlockedUsers", pb.ListBlockedUsersRequest()),
        ("Kick", pb.KickRequest(stream="chat-1")),  # the verb is missing
    ]
    for method, request in allowed:
        control.call(method, request)
    with keyed.rises("carillon_control_refused_total", by=len(refused), code="permission_denied"):
        for method, request in refused:
            refusal = control.refused(method, request)
            assert refusal.code == grpc.StatusCode.PERMISSION_DENIED, method
            assert "control.keys[]" in refusal.message


def test_a_key_for_every_stream_is_for_streams_still(keyed: Gateway, keep: Keep) -> None:
    """A name that a call does not have matches no pattern; and what a message quotes is text."""
    control = keep(Control(keyed.control, STREAMS_KEY))
    control.call("BroadcastStream", pb.BroadcastStreamRequest(stream="news", event=event()))
    refused: list[tuple[str, Any]] = [
        ("BroadcastAll", pb.BroadcastAllRequest(event=event())),
        ("BroadcastToUser", pb.BroadcastToUserRequest(user_id="alice", event=event())),
        ("SendToSession", pb.SendToSessionRequest(session_id="0" * 20, event=event())),
        ("BlockUser", pb.BlockUserRequest(user_id="alice")),
        ("Kick", pb.KickRequest(user_id="alice")),
        ("BroadcastStream", pb.BroadcastStreamRequest(stream="news", event=event(), app="a" + "é" * 60)),
    ]
    for method, request in refused:
        assert control.refused(method, request).code == grpc.StatusCode.PERMISSION_DENIED, method
    assert "invalid UTF-8" not in keyed.log_text()


def test_items_of_publish_stream_are_judged_one_by_one(keyed: Gateway, keep: Keep) -> None:
    publisher = keep(Control(keyed.control, SHOP_KEY)).publisher()
    items = [
        pb.PublishItem(broadcast_stream=pb.BroadcastStreamRequest(stream="chat", event=event(), app=app))
        for app in ("shop", "blog", "", "default")
    ]
    publisher.send(items)
    codes = {failure.seq: failure.code for failure in publisher.finish()}
    assert codes == {2: grpc.StatusCode.PERMISSION_DENIED.value[0], 4: grpc.StatusCode.PERMISSION_DENIED.value[0]}


# --- Limits ---


@pytest.mark.parametrize("limit", [10, 100])
def test_an_app_has_so_many_connections(start_gateway: Start, keep: Keep, limit: int) -> None:
    """At 79, 80, 100 and 101 %."""
    gateway = start_gateway({"apps": [{"name": "shop", "limits": {"connections": limit}}, BLOG]})
    crossed = ("carillon_limit_crossed_total", {"limit": "app_connections", "app": "shop"})

    def grow(part: float) -> None:
        while gateway.metrics().value("carillon_app_connections", app="shop") < int(limit * part):
            keep(Browser(gateway.edge, "/app/shop"))

    def lines() -> list[dict[str, Any]]:
        every = [json.loads(line) for line in gateway.log_text().splitlines()]
        return [line for line in every if line["msg"].startswith("80 % of a limit")]

    grow(0.79)
    assert gateway.metrics().value(crossed[0], **crossed[1]) == 0 and lines() == []
    grow(0.8)
    gateway.wait_for_metric(crossed[0], 1, **crossed[1])
    (line,) = eventually(lines, bool, "the line")
    assert (line["app"], line["limit"], line["used"], line["most"]) == ("shop", "app_connections", limit * 0.8, limit)
    grow(1)
    connection = RawConnection(gateway.edge)
    connection.send(request_bytes("/app/shop", upgrade_headers("gateway.test")))
    answer = connection.read_response()
    connection.close()
    assert (answer.status, answer.error["code"]) == (503, "app_limit")
    assert 1 <= int(answer.headers["retry-after"]) <= 10
    assert handshake(gateway, "/app/blog") == (101, "")
    assert handshake(gateway, "/ws") == (101, "")
    assert gateway.metrics().value("carillon_limit_ratio", limit="app_connections", app="shop") == 1
    assert gateway.metrics().value(crossed[0], **crossed[1]) == 1


def test_an_app_has_so_many_streams(start_gateway: Start, keep: Keep) -> None:
    limits = {"limits": {"streams": 2}}
    gateway = start_gateway({"apps": [{"name": "shop", **limits}], **limits})
    for target in ("/app/shop", "/ws"):
        one, two = keep(Browser(gateway.edge, target)), keep(Browser(gateway.edge, target))
        one.subscribe("a", "b")
        reply = two.ask("subscribe", streams=["a", "c"])
        assert reply["data"]["streams"] == ["a"]
        (refused,) = reply["data"]["refused"]
        assert (refused["stream"], refused["code"], refused["temporary"]) == ("c", "limit", True)
        one.unsubscribe("b")
        two.subscribe("c")
    gateway.wait_for_metric("carillon_limit_crossed_total", 1, limit="app_streams", app="shop")
    gateway.wait_for_metric("carillon_limit_crossed_total", 1, limit="app_streams", app="default")


def test_who_says_later_who_it_is_counts_as_well(start_gateway: Start, keep: Keep) -> None:
    shop = merged(SHOP, {"limits": {"connections": 2}})
    endpoint = {"path": "/ws", "auth_timeout": "30s"}
    gateway = start_gateway({"apps": [shop], "edge": {"endpoints": [endpoint]}})
    frame = frame_bytes(TEXT, json.dumps({"action": "auth", "token": shop_token("alice")}).encode())
    waiting = [keep(WebSocket(gateway.edge, "/app/pk_shop")) for _ in range(3)]
    for tab in waiting[:2]:
        tab.send(frame)
        assert json.loads(tab.next_message().payload)["event"] == "welcome"
    waiting[2].send(frame)
    assert waiting[2].receive_close() == (4103, "the app shop may have 2 connections")


def test_a_users_sessions_are_counted_in_their_app(start_gateway: Start, keep: Keep) -> None:
    shop = merged(SHOP, {"limits": {"connections_per_user": 1}})
    gateway = start_gateway({"apps": [shop]})
    keep(Browser(gateway.edge, with_query("/ws", token=token("alice"))))
    keep(Browser(gateway.edge, with_query("/app/pk_shop", token=shop_token("alice"))))
    bearer = f"Bearer {shop_token('alice')}"
    assert handshake(gateway, "/app/pk_shop", Authorization=bearer) == (503, "user_limit")
    keep(Browser(gateway.edge, with_query("/ws", token=token("alice"))))


# --- Loading again, and starting again ---


def test_apps_come_and_go(start_gateway: Start, keep: Keep) -> None:
    """One that goes closes its sessions, and nobody else's; one that comes back is the one that it was."""
    gateway = start_gateway({"apps": [SHOP]})
    control = keep(Control(gateway.control))
    stays = keep(Browser(gateway.edge, "/ws"))
    in_shop = [keep(Browser(gateway.edge, "/app/pk_shop")) for _ in range(5)]
    control.call("BlockUser", pb.BlockUserRequest(user_id="eve", app="shop"))
    assert handshake(gateway, "/app/blog") == (404, "app")

    gateway.reload({"apps": [BLOG]})
    assert [tab.receive_close() for tab in in_shop] == [(4003, "this app is gone")] * 5
    assert handshake(gateway, "/app/pk_shop") == (404, "app")
    assert control.refused("BroadcastAll", pb.BroadcastAllRequest(event=event(), app="shop")).code.name == "NOT_FOUND"
    in_blog = keep(Browser(gateway.edge, "/app/blog?streams=chat"))
    control.call("BroadcastStream", pb.BroadcastStreamRequest(stream="chat", event=event("hello"), app="blog"))
    assert in_blog.receive()["event"] == "hello"
    assert stays.ask("ping")["event"] == "pong"

    gateway.reload({"apps": [BLOG, SHOP]})
    assert handshake(gateway, "/app/pk_shop", Authorization=f"Bearer {shop_token('eve')}") == (403, "blocked")
    assert handshake(gateway, "/app/pk_shop", Authorization=f"Bearer {shop_token('alice')}") == (101, "")
    assert in_blog.ask("ping")["event"] == "pong"


def test_stream_rules_are_loaded_again(start_gateway: Start, keep: Keep) -> None:
    """A log begins, shrinks and ends, while its subscribers stay."""
    gateway = start_gateway({"apps": [BLOG], "streams": []})
    control = keep(Control(gateway.control))
    browser = keep(Browser(gateway.edge, "/ws?streams=chat"))

    def publish(name: str) -> bool:
        receipt = control.to_stream("chat", event(name))
        assert browser.receive()["event"] == name
        return bool(receipt.HasField("position"))

    def kept() -> list[str]:
        answer = control.call("ListMessages", pb.ListMessagesRequest(stream="chat"))
        return [message.event for message in answer.messages]

    assert not publish("0")
    gateway.reload({"apps": [BLOG], "streams": [{"pattern": "chat", "log": {"mode": "log"}}]})
    assert all(publish(str(number)) for number in range(1, 6))
    assert kept() == ["1", "2", "3", "4", "5"]

    gateway.reload({"apps": [BLOG], "streams": [{"pattern": "chat", "log": {"mode": "log", "messages": 2}}]})
    assert kept() == ["4", "5"]
    assert publish("6")
    assert kept() == ["5", "6"]

    gateway.reload({"apps": [BLOG], "streams": []})
    assert not publish("7")
    assert control.refused("ListMessages", pb.ListMessagesRequest(stream="chat")).code.name == "FAILED_PRECONDITION"

    gateway.reload({"apps": [BLOG], "streams": [{"pattern": "chat", "log": {"mode": "log"}}]})
    assert kept() == []
    late = keep(Browser(gateway.edge, "/ws?streams=chat&since=last:9"))
    assert publish("8") and late.receive()["event"] == "8"


def test_logs_of_apps_outlive_a_restart(start_gateway: Start, keep: Keep, tmp_path: Any) -> None:
    log = {"streams": [{"pattern": "*", "log": {"mode": "log"}}]}
    shop, blog = {"name": "shop", **log}, {"name": "blog", **log}
    config = {**log, "engine": {"memory": {"snapshot": str(tmp_path / "logs")}}, "drain": {"window": "0s"}}
    first = start_gateway({**config, "apps": [shop, blog]})
    with Control(first.control) as control:
        for app in ("default", "shop", "blog"):
            control.call("BroadcastStream", pb.BroadcastStreamRequest(stream="chat", event=event(app), app=app))
    first.stop()

    second = start_gateway({**config, "apps": [blog, {"name": "wiki", **log}]})  # in another order
    with Control(second.control) as control:
        for app, expected in {"default": ["default"], "blog": ["blog"], "wiki": []}.items():
            answer = control.call("ListMessages", pb.ListMessagesRequest(stream="chat", app=app))
            assert [message.event for message in answer.messages] == expected


# --- The command line ---


def test_tokens_are_made_and_checked_for_an_app(binary: str, tmp_path: Any) -> None:
    shop = {"name": "shop", "auth": {"hs256_secret": SHOP_SECRET}}
    config = tmp_path / "carillon.yaml"
    config.write_text(json.dumps({"auth": {"hs256_secret": JWT_SECRET}, "apps": [shop, BLOG]}))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [binary, *arguments, "-c", str(config)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env=clean_environment()
        )

    made = run("token", "-u", "alice", "--app", "shop").stdout.strip()
    assert run("check-token", made, "--app", "shop").returncode == 0
    assert run("check-token", made).returncode == 1
    assert run("check-token", run("token", "-u", "alice").stdout.strip(), "--app", "default").returncode == 0
    for arguments in (("token", "-u", "alice"), ("check-token", made)):
        unknown = run(*arguments, "--app", "nowhere")
        assert (unknown.returncode, unknown.stderr) == (2, "--app: there is no app nowhere in the configuration\n")
    without = run("token", "-u", "alice", "--app", "blog")
    assert without.returncode == 2 and "hs256_secret" in without.stderr
