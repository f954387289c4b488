"""BlockUser, UnblockUser and RevokeTokens: nobody new gets in, whoever is in is closed, and nobody slips through
between."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from support.control import Control, pb
from support.gateway import Gateway, token
from support.http import RawConnection, request_bytes, upgrade_headers
from support.patience import eventually
from support.swarm import Swarm
from support.ws import TEXT, Browser, frame_bytes, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"edge": {"endpoints": [
        {"path": "/ws", "anonymous": True},
        {"path": "/first", "auth_timeout": "30s"},
        {"path": "/close", "reject_mode": "close"},
    ]}}  # fmt: skip


def refused(gateway: Gateway, text: str) -> tuple[int, str, str]:
    """The status, reason and message of a handshake that is refused."""
    connection = RawConnection(gateway.edge)
    connection.send(request_bytes("/ws", upgrade_headers("gateway.test", Authorization=f"Bearer {text}")))
    response = connection.read_response()
    connection.close()
    if response.status == 101:
        return 101, "", ""
    return response.status, response.error["code"], response.error["message"]


def in_first_frame(connect: Connect, text: str) -> Browser:
    return connect("/first", early=frame_bytes(TEXT, json.dumps({"action": "auth", "token": text}).encode()))


def block(control: Control, user: str, **fields: Any) -> Any:
    return control.call("BlockUser", pb.BlockUserRequest(user_id=user, **fields))


def revoke(control: Control, **fields: Any) -> Any:
    return control.call("RevokeTokens", pb.RevokeTokensRequest(**fields))


def test_a_blocked_user_is_out_until_unblocked(
    gateway: Gateway, control: Control, connect: Connect, websocket: Callable[..., Any], fresh: Fresh
) -> None:
    """Each tab is told why, nobody else's is touched, and every way in is closed."""
    alice, bob = fresh("alice"), fresh("bob")
    tabs = [connect(with_query("/ws", token=token(alice))) for _ in range(3)]
    tabs.append(in_first_frame(connect, token(alice)))
    assert tabs[-1].receive()["event"] == "welcome"
    other, nobody = connect(with_query("/ws", token=token(bob))), connect("/ws")

    with gateway.rises("carillon_connections_closed_total", by=4, code="4003"):
        answer = block(control, alice, reason="spam")

        assert (answer.sessions, answer.partial) == (4, False)
        assert [tab.receive_close() for tab in tabs] == [(4003, "spam")] * 4

    with gateway.rises("carillon_handshakes_rejected_total", reason="blocked"):
        assert refused(gateway, token(alice)) == (403, "blocked", "spam")
    assert in_first_frame(connect, token(alice)).receive_close() == (4003, "spam")
    assert websocket(with_query("/close", token=token(alice))).receive_close() == (4003, "spam")
    reply = nobody.ask("auth", token=token(alice))
    assert (reply["event"], reply["data"]["code"], reply["data"]["message"]) == ("error", "forbidden", "spam")
    assert other.ask("ping")["event"] == nobody.ask("ping")["event"] == "pong"
    assert refused(gateway, token(bob))[0] == 101

    assert control.call("UnblockUser", pb.UnblockUserRequest(user_id=alice)).was_blocked
    assert not control.call("UnblockUser", pb.UnblockUserRequest(user_id=alice)).was_blocked
    assert refused(gateway, token(alice))[0] == 101


def test_a_block_may_end_by_itself(gateway: Gateway, control: Control, fresh: Fresh) -> None:
    alice = fresh("alice")
    began = time.time()
    request = pb.BlockUserRequest(user_id=alice)
    request.duration.seconds = 1
    control.call("BlockUser", request)
    assert refused(gateway, token(alice)) == (403, "blocked", "this user is blocked")
    eventually(lambda: refused(gateway, token(alice))[0], lambda status: status == 101, "the end of the block")
    assert time.time() - began >= 1


def test_blocked_users_are_listed(control: Control, fresh: Fresh) -> None:
    users = sorted(fresh("listed") for _ in range(5))
    for user in users:
        block(control, user, reason=f"why {user}")
    seen: list[Any] = []
    page = pb.ListBlockedUsersResponse(next_page_token="")
    while not seen or page.next_page_token:
        request = pb.ListBlockedUsersRequest(page_size=2, page_token=page.next_page_token)
        page = control.call("ListBlockedUsers", request)
        assert len(page.users) <= 2
        seen += page.users
    mine = [user for user in seen if user.user_id in users]
    assert [user.user_id for user in mine] == users
    assert [user.reason for user in mine] == [f"why {user}" for user in users]
    assert not any(user.HasField("expire_time") for user in mine)
    assert [user.user_id for user in seen] == sorted(user.user_id for user in seen)


def test_tokens_of_a_user_are_revoked(gateway: Gateway, control: Control, connect: Connect, fresh: Fresh) -> None:
    """Those from before; a session that has brought a newer one stays."""
    alice = fresh("alice")
    now = int(time.time())
    old, newer = token(alice, iat=now - 100), token(alice, iat=now - 10)
    timeless = token(alice)
    tabs = [connect(with_query("/ws", token=text)) for text in (old, timeless)]
    refreshed = connect(with_query("/ws", token=old))
    assert refreshed.ask("auth", token=newer)["event"] == "authenticated"
    fresh_tab = connect(with_query("/ws", token=newer))
    other = connect(with_query("/ws", token=token(fresh("bob"), iat=now - 100)))

    request = pb.RevokeTokensRequest(user_id=alice)
    request.issued_before.seconds = now - 50
    answer = control.call("RevokeTokens", request)

    assert (answer.sessions, answer.partial) == (2, False)
    assert [tab.receive_close() for tab in tabs] == [(4001, "the token was revoked")] * 2
    for tab in (refreshed, fresh_tab, other):
        assert tab.ask("ping")["event"] == "pong"
    assert refused(gateway, old) == (401, "invalid_token", "the token was revoked")
    assert refused(gateway, timeless)[0] == 401
    assert refused(gateway, newer)[0] == 101
    reply = refreshed.ask("auth", token=old)
    assert (reply["event"], reply["data"]["code"]) == ("error", "unauthorized")

    eventually(lambda: control.count(user_id=alice), lambda count: count == 2, "the end of what was tried")
    assert revoke(control, user_id=alice).sessions == 2  # now: the newer ones too
    assert refused(gateway, newer)[0] == 401


def test_one_token_is_revoked(gateway: Gateway, control: Control, connect: Connect, fresh: Fresh) -> None:
    """By its id, whoever has it."""
    alice, stolen = fresh("alice"), fresh("token")
    theirs = [connect(with_query("/ws", token=token(alice, jti=stolen))) for _ in range(3)]
    mine = connect(with_query("/ws", token=token(alice, jti=fresh("token"))))

    assert revoke(control, token_id=stolen).sessions == 3

    assert [tab.receive_close() for tab in theirs] == [(4001, "the token was revoked")] * 3
    assert mine.ask("ping")["event"] == "pong"
    assert refused(gateway, token(alice, jti=stolen))[0] == 401
    assert revoke(control, token_id=stolen).sessions == 0


def timed(target: str, field: str, seconds: int) -> Any:
    request = pb.RevokeTokensRequest(**{field: target})
    request.issued_before.seconds = seconds
    return request


BAD: dict[str, tuple[str, Any, str]] = {
    "no target": ("RevokeTokens", pb.RevokeTokensRequest(), "target"),
    "an empty user": ("RevokeTokens", pb.RevokeTokensRequest(user_id=""), "user_id"),
    "an empty token id": ("RevokeTokens", pb.RevokeTokensRequest(token_id=""), "token_id"),
    "a long token id": ("RevokeTokens", pb.RevokeTokensRequest(token_id="x" * 257), "token_id"),
    "a time with a token id": ("RevokeTokens", timed("t", "token_id", 1), "issued_before"),
    "a time before 1970": ("RevokeTokens", timed("a", "user_id", -1), "issued_before"),
    "a time far ahead": ("RevokeTokens", timed("a", "user_id", int(time.time()) + 10_000), "issued_before"),
    "nobody to block": ("BlockUser", pb.BlockUserRequest(), "user_id"),
    "a reason without end": ("BlockUser", pb.BlockUserRequest(user_id="a", reason="x" * 124), "reason"),
    "no time at all": ("BlockUser", pb.BlockUserRequest(user_id="a", duration={"nanos": 5}), "duration"),
    "time backwards": ("BlockUser", pb.BlockUserRequest(user_id="a", duration={"seconds": -5}), "duration"),
    "nobody to unblock": ("UnblockUser", pb.UnblockUserRequest(), "user_id"),
    "a negative page": ("ListBlockedUsers", pb.ListBlockedUsersRequest(page_size=-1), "page_size"),
    "no page token": ("ListBlockedUsers", pb.ListBlockedUsersRequest(page_token="???"), "page_token"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_requests_name_the_field(control: Control, kind: str) -> None:
    method, request, field = BAD[kind]
    refusal = control.refused(method, request)
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.fields == [field]


@pytest.mark.parametrize("how", ["block", "revoke the user's", "revoke the token", "kick"])
def test_2000_sessions_while_others_connect(gateway: Gateway, fresh: Fresh, how: str) -> None:
    """When the call answers, they are gone; those that connect meanwhile are not missed. (Kick only closes those that
    are there.)"""
    alice, jti = fresh("alice"), fresh("token")
    text = token(alice, jti=jti)
    swarm = Swarm(gateway.edge, [with_query("/ws", token=text)] * 2000)
    goodbye = {"block": 4003, "kick": 4005}.get(how, 4001).to_bytes(2, "big")
    over = threading.Event()
    admitted = 0

    def keep_connecting() -> None:
        nonlocal admitted
        while not over.is_set():
            connection = RawConnection(gateway.edge)
            connection.send(request_bytes(with_query("/ws", token=text), upgrade_headers("gateway.test")))
            welcomed = connection.read_response().status == 101
            read = b""
            while welcomed and b'"welcome"' not in read and goodbye not in read:  # with its 101 alone it is not there yet
                more = connection.receive_some()
                assert more, "ended without a welcome or a goodbye"
                read += more
            late.append((connection, welcomed, read))
            admitted += b'"welcome"' in read

    late: list[tuple[RawConnection, bool, bytes]] = []
    threads = [threading.Thread(target=keep_connecting) for _ in range(4)]
    with Control(gateway.control) as control:
        for thread in threads:
            thread.start()
        eventually(lambda: admitted, lambda count: count >= 20, "clients that connect meanwhile")
        if how == "block":
            answer = block(control, alice)
        elif how == "kick":
            answer = control.kick(user_id=alice)
        else:
            answer = revoke(control, **({"token_id": jti} if how == "revoke the token" else {"user_id": alice}))
        over.set()
        for thread in threads:
            thread.join()
        assert answer.sessions >= 2020
        assert not answer.partial
        if how != "kick":
            eventually(lambda: control.count(user_id=alice), lambda count: count == 0, "the end of all")
            for connection, was_admitted, read in late:  # every one of them was refused, or is told goodbye
                while was_admitted and goodbye not in read:
                    more = connection.receive_some()
                    assert more, "ended without a goodbye"
                    read += more
    for connection, _, _ in late:
        connection.close()
    swarm.close()
