"""Who may connect, and as whom: tokens from every place they may come from, and what becomes of bad ones."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control, event
from support.gateway import JWT_SECRET, encode_part, sign, token
from support.http import RawConnection, request_bytes, upgrade_headers
from support.ws import TEXT, Browser, frame_bytes, with_query

REJECTED = "carillon_handshakes_rejected_total"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {
            "endpoints": [
                {"path": "/open", "anonymous": True},
                {"path": "/closed"},
                {"path": "/tells", "reject_mode": "close"},
                {"path": "/first", "auth_timeout": "30s"},
                {"path": "/hasty", "auth_timeout": "200ms"},
            ]
        },
        "auth": {"issuer": "the-tests", "audience": "carillon", "leeway": "1s"},
    }


def good(user: str = "alice", **claims: Any) -> str:
    return token(user, **{"iss": "the-tests", "aud": "carillon", **claims})


def refusal(connection: RawConnection, target: str, **headers: str) -> Any:
    """The answer to a handshake that is refused."""
    connection.send(request_bytes(target, upgrade_headers("gateway.test", **headers)))
    response = connection.read_response()
    assert response.status != 101
    return response


# --- Good tokens ---


@pytest.mark.parametrize(
    "place",
    [
        lambda text: {"extra": [("Authorization", f"Bearer {text}")]},
        lambda text: {"extra": [("Authorization", f"bearer {text}")]},
        lambda text: {"target": with_query("/closed", token=text)},
        lambda text: {"target": with_query("/closed", access_token=text)},
        lambda text: {"target": with_query("/closed", token=text), "extra": [("Authorization", f"Bearer {text}")]},
    ],
    ids=["header", "header in lower case", "token", "access_token", "the same one twice"],
)
def test_a_good_token_says_who_it_is(connect: Callable[..., Browser], place: Callable[[str], dict[str, Any]]) -> None:
    """Wherever a token comes from, the session is its user's, with name and roles."""
    text = good("alice", name="Alice Ünal", roles=["editor", "admin"])

    browser = connect(**{"target": "/closed", **place(text)})

    assert browser.welcome["user"] == {"id": "alice", "name": "Alice Ünal", "roles": ["editor", "admin"]}


def test_a_token_may_name_streams_to_begin_with(connect: Callable[..., Browser]) -> None:
    """The claim "streams" subscribes at connect, beside what the address asks for."""
    browser = connect(with_query("/closed/lobby", token=good(streams=["news", "private-alice"]), streams="chat"))

    assert sorted(browser.welcome["streams"]) == ["chat", "lobby", "news", "private-alice"]


def test_the_audience_may_be_one_of_several(connect: Callable[..., Browser]) -> None:
    """RFC 7519 section 4.1.3: "aud" is one name or a list of them."""
    assert connect(with_query("/closed", token=good(aud=["other", "carillon"]))).welcome["user"]["id"] == "alice"


def test_a_clock_that_is_a_little_off_is_forgiven(connect: Callable[..., Browser]) -> None:
    """Leeway holds for "nbf"; one second is configured, and a token may be made in the same second."""
    connect(with_query("/closed", token=good(nbf=int(time.time()))))


# --- Bad tokens ---


def tampered() -> str:
    head, claims, signature = good().split(".")
    return ".".join([head, encode_part(json.dumps({"sub": "mallory", "exp": 1 << 33}).encode()), signature])


def not_canonical() -> str:
    """The signature's last character holds four bits that belong to no byte: this one sets them."""
    text = good()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


BAD_TOKENS = {
    "expired": lambda: good(exp=int(time.time()) - 5),
    "without exp": lambda: sign({"sub": "alice", "iss": "the-tests", "aud": "carillon"}),
    "with an exp that is no time": lambda: good(exp="tomorrow"),
    "not valid yet": lambda: good(nbf=int(time.time()) + 60),
    "tampered with": tampered,
    "of another secret": lambda: sign({"sub": "alice", "exp": 1 << 33}, secret="x" * 40),
    "not signed": lambda: sign({"sub": "alice", "exp": 1 << 33}, header={"alg": "none"}).rpartition(".")[0] + ".",
    "of alg none, though signed": lambda: sign({"sub": "alice", "exp": 1 << 33}, header={"alg": "none"}),
    "of alg RS256": lambda: sign({"sub": "alice", "exp": 1 << 33}, header={"alg": "RS256"}),
    "of alg hs256": lambda: sign({"sub": "alice", "exp": 1 << 33}, header={"alg": "hs256"}),
    "with critical headers": lambda: sign({"sub": "alice", "exp": 1 << 33}, header={"alg": "HS256", "crit": ["x"]}),
    "of another issuer": lambda: good(iss="somebody"),
    "for another audience": lambda: good(aud="something"),
    "without a user": lambda: good(""),
    "with a control character in its user": lambda: good("ali\nce"),
    "of two parts": lambda: good().rpartition(".")[0],
    "of four parts": lambda: good() + ".x",
    "padded": lambda: good() + "=",
    "not canonical": not_canonical,
    "garbage": lambda: "garbage",
    "of 9 KiB": lambda: "a" * 4000 + "." + "a" * 4000 + "." + "a" * 1000,
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_bad_token_closes_a_session_that_was_accepted(connect: Callable[..., Browser], kind: str) -> None:
    """As first frame, every bad token ends the session with 4001 and says nothing about any user."""
    auth = json.dumps({"action": "auth", "token": BAD_TOKENS[kind]()}).encode()
    browser = connect("/first", early=frame_bytes(TEXT, auth))

    code, reason = browser.receive_close()

    assert code == 4001
    assert reason and "alice" not in reason


@pytest.mark.parametrize("kind", [kind for kind in BAD_TOKENS if kind != "of 9 KiB"])
@pytest.mark.parametrize("path", ["/closed", "/open"])
def test_a_bad_token_is_refused_before_the_upgrade(
    gateway: Any, tcp: Callable[..., RawConnection], path: str, kind: str
) -> None:
    """401 with the challenge of RFC 6750; also where no token would have done: it was meant."""
    with gateway.rises(REJECTED, reason="invalid_token"):
        response = refusal(tcp(), with_query(path, token=BAD_TOKENS[kind]()))

    assert response.status == 401
    assert response.error["code"] == "invalid_token"
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "Token abc"])
def test_an_authorization_that_is_no_bearer_token_is_refused(tcp: Callable[..., RawConnection], header: str) -> None:
    """A client that authenticates in a way that Carillon does not speak must learn it."""
    response = refusal(tcp(), "/open", Authorization=header)

    assert response.status == 401


def test_no_token_is_refused_where_one_is_needed(gateway: Any, tcp: Callable[..., RawConnection]) -> None:
    """401 with a bare challenge, and the setting that decided."""
    with gateway.rises(REJECTED, reason="missing_token"):
        response = refusal(tcp(), "/closed")

    assert response.status == 401
    assert response.error["setting"] == "edge.endpoints[].anonymous"
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "query, headers",
    [({"token": "a"}, {"Authorization": "Bearer b"}), ({"token": "a", "access_token": "b"}, {})],
    ids=["header and query", "two parameters"],
)
def test_two_different_tokens_are_refused(
    gateway: Any, tcp: Callable[..., RawConnection], query: dict[str, str], headers: dict[str, str]
) -> None:
    """One of them was not meant, and only the client knows which."""
    with gateway.rises(REJECTED, reason="ambiguous_auth"):
        response = refusal(tcp(), with_query("/open", **query), **headers)

    assert response.status == 400
    assert response.error["code"] == "ambiguous_auth"


@pytest.mark.parametrize("text", [None, "garbage"], ids=["no token", "a bad token"])
def test_a_browser_may_be_told_by_a_close_code(gateway: Any, connect: Callable[..., Browser], text: str | None) -> None:
    """With reject_mode close the handshake is accepted and closed with 4001: a browser cannot read a 401."""
    with gateway.rises("carillon_connections_closed_total", code="4001"):
        # The early bytes keep Browser from waiting for a welcome, which may not come.
        browser = connect(with_query("/tells", token=text), early=frame_bytes(TEXT, b'{"action":"ping"}'))

        assert browser.receive_close()[0] == 4001


# --- Without a token ---


def test_an_anonymous_session_has_no_user(connect: Callable[..., Browser]) -> None:
    """Where the endpoint allows it, nobody is somebody."""
    assert connect("/open").welcome["user"] is None


@pytest.mark.parametrize("stream", ["private-a", "presence-a"])
def test_streams_with_a_prefix_want_an_identity(connect: Callable[..., Browser], stream: str) -> None:
    """Refused to anonymous sessions at connect and later, open to a user."""
    anonymous = connect(with_query("/open", streams=f"news,{stream}"))
    user = connect(with_query("/open", streams=stream, token=good()))

    reply = anonymous.ask("subscribe", streams=[stream])

    assert anonymous.welcome["streams"] == ["news"]
    assert [(each["stream"], each["code"]) for each in anonymous.welcome["refused"]] == [(stream, "forbidden")]
    assert [(each["stream"], each["code"]) for each in reply["data"]["refused"]] == [(stream, "forbidden")]
    assert user.welcome["streams"] == [stream]


def test_an_anonymous_session_may_authenticate_later(
    connect: Callable[..., Browser], control: Control, fresh: Callable[[str], str]
) -> None:
    """From then on it is the user's: it hears what is for the user, and may have private- streams."""
    user = fresh("user")
    browser = connect("/open")
    assert control.to_user(user).sessions == 0

    reply = browser.ask("auth", token=good(user, name="Bob", streams=["private-b"]))

    assert reply["event"] == "authenticated"
    assert reply["data"]["user"] == {"id": user, "name": "Bob", "roles": []}
    assert reply["data"]["streams"] == ["private-b"]
    assert control.to_user(user, event("hello")).sessions == 1
    assert browser.receive()["event"] == "hello"


def test_a_bad_token_does_not_cost_an_anonymous_session(connect: Callable[..., Browser]) -> None:
    """It stays anonymous and open, and may try again."""
    browser = connect("/open")

    reply = browser.ask("auth", token="garbage")

    assert (reply["event"], reply["data"]["code"]) == ("error", "unauthorized")
    assert browser.ask("auth", token=good())["event"] == "authenticated"


def test_a_session_keeps_its_first_user(connect: Callable[..., Browser]) -> None:
    """Nobody changes into somebody else."""
    browser = connect(with_query("/closed", token=good("alice")))

    reply = browser.ask("auth", token=good("bob"))

    assert (reply["event"], reply["data"]["code"]) == ("error", "already_authenticated")


# --- The first frame ---


def test_a_first_frame_may_bring_the_token(connect: Callable[..., Browser]) -> None:
    """The welcome waits for it, and judges the streams of the address by the identity."""
    browser = connect(
        with_query("/first", streams="private-a,news"),
        early=frame_bytes(TEXT, json.dumps({"action": "auth", "token": good("carol")}).encode()),
    )

    browser.receive_welcome()

    assert browser.welcome["user"]["id"] == "carol"
    assert sorted(browser.welcome["streams"]) == ["news", "private-a"]


@pytest.mark.parametrize(
    "command", [{"action": "subscribe", "streams": ["news"]}, {"action": "unsubscribe", "streams": []}]
)
def test_nothing_is_granted_before_the_first_frame(connect: Callable[..., Browser], command: dict[str, Any]) -> None:
    """Commands before the token are refused; the token is still taken after them."""
    browser = connect("/first", early=frame_bytes(TEXT, json.dumps({**command, "id": 1}).encode()))

    assert browser.receive_error()["code"] == "auth_required"
    answer = browser.ask("auth", token=good(), id="now")
    assert answer["event"] == "welcome" and answer["data"]["streams"] == []


def test_a_session_that_owes_its_token_hears_nothing(
    connect: Callable[..., Browser], control: Control, fresh: Callable[[str], str]
) -> None:
    """Who has not said who they are is no audience yet: not even of what is for everyone."""
    name = fresh("event")
    owing = connect("/first", early=frame_bytes(TEXT, b'{"action":"subscribe","streams":[],"id":1}'))
    assert owing.receive_error()["code"] == "auth_required"

    receipt = control.to_all(event(name))
    owing.send_json({"action": "auth", "token": good()})
    before_welcome = owing.receive_until("welcome")

    assert [message["event"] for message in before_welcome] == []
    assert receipt.sessions == 0


def test_a_token_that_does_not_come_in_time_ends_the_session(gateway: Any, connect: Callable[..., Browser]) -> None:
    """4009, even if the client talks about other things meanwhile."""
    with gateway.rises("carillon_connections_closed_total", code="4009"):
        browser = connect("/hasty", early=frame_bytes(TEXT, b'{"action":"subscribe","streams":["a"]}'))

        assert browser.receive_error()["code"] == "auth_required"
        assert browser.receive_close()[0] == 4009


def test_a_token_in_time_lifts_the_deadline(connect: Callable[..., Browser]) -> None:
    """Once it has come, the clock of the first frame has stopped: the session outlives a later one that owes."""
    prompt = connect("/hasty", early=frame_bytes(TEXT, json.dumps({"action": "auth", "token": good()}).encode()))
    prompt.receive_welcome()

    later = connect("/hasty", early=frame_bytes(TEXT, b'{"action":"subscribe","streams":["a"]}'))
    assert later.receive_error()["code"] == "auth_required"
    assert later.receive_close()[0] == 4009

    assert prompt.ask("ping")["event"] == "pong"


# --- Secrets that are not configured ---


def test_without_a_secret_no_token_is_good(start_gateway: Callable[..., Any]) -> None:
    """A gateway without auth.hs256_secret accepts nobody's word, also not one signed with the empty secret."""
    gateway = start_gateway({"auth": {"hs256_secret": ""}})
    for text in (token("alice"), sign({"sub": "alice", "exp": 1 << 33}, secret="")):
        connection = RawConnection(gateway.edge)
        try:
            response = refusal(connection, with_query("/ws", token=text))
        finally:
            connection.close()

        assert response.status == 401
    assert JWT_SECRET not in gateway.log_text()
