"""Tokens in cookies: for pages of the same site, and for nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.gateway import Gateway, token
from support.http import RawConnection, request_bytes, upgrade_headers
from support.ws import Browser, with_query


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {
            "endpoints": [{"path": "/ws"}, {"path": "/open", "anonymous": True}],
            "allowed_origins": ["https://app.example.com"],
        },
        "auth": {"cookie": "sid"},
    }


def status_of(connection: RawConnection, path: str, **headers: str) -> tuple[int, str]:
    """The status of a handshake, and the code of its refusal."""
    connection.send(request_bytes(path, upgrade_headers("gateway.test", **headers)))
    response = connection.read_response()
    return response.status, "" if response.status == 101 else response.error["code"]


def test_a_cookie_says_who_it_is(connect: Callable[..., Browser]) -> None:
    """Among others, as browsers send them; with a page's own origin beside it."""
    cookies = f"theme=dark; sid={token('alice')}; other=\"x\""
    browser = connect("/ws", extra=[("Cookie", cookies), ("Origin", "https://app.example.com")])
    assert browser.welcome["user"]["id"] == "alice"


def test_a_token_goes_before_a_cookie(connect: Callable[..., Browser]) -> None:
    """Browsers send their cookies whether they are meant or not: two different tokens are no contradiction then."""
    cookie = [("Cookie", f"sid={token('alice')}")]
    assert connect(with_query("/ws", token=token("bob")), extra=cookie).welcome["user"]["id"] == "bob"


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({}, (101, "")),
        ({"Sec-Fetch-Site": "same-origin"}, (101, "")),
        ({"Sec-Fetch-Site": "cross-site"}, (403, "origin")),
        ({"Origin": "https://evil.example.org"}, (403, "origin")),
        ({"Origin": "null"}, (403, "origin")),
        ({"Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site"}, (101, "")),
    ],
)
def test_pages_of_other_sites_cannot_use_it(
    tcp: Callable[..., RawConnection], headers: dict[str, str], outcome: tuple[int, str]
) -> None:
    """By their Origin, or where there is none by what the browser says of the request."""
    assert status_of(tcp(), "/ws", Cookie=f"sid={token('alice')}", **headers) == outcome


@pytest.mark.parametrize("value", ["opaque-session-id", "a.b.c", "\x80"])
def test_a_cookie_of_another_program_is_told_apart(
    gateway: Gateway, tcp: Callable[..., RawConnection], value: str
) -> None:
    """Where a token is needed it is a bad one; where none is, it is none. Either way nothing of it is written down."""
    assert status_of(tcp(), "/ws", Cookie=f"sid={value}CANARY") == (401, "invalid_token")
    assert status_of(tcp(), "/open", Cookie=f"sid={value}CANARY")[0] == 101
    assert status_of(tcp(), "/ws", Cookie=f"other={value}CANARY") == (401, "missing_token")
    assert "CANARY" not in gateway.log_text()
