"""Wishes for the past that make no sense: in commands, with a token, and in the URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control
from support.gateway import token
from support.history import HISTORY_CONFIG, Connect, Fresh, subscribe
from support.http import RawConnection, request_bytes, upgrade_headers
from support.ws import with_query


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return HISTORY_CONFIG


EPOCH_TOO_LONG = "e" * 65

BAD_RECOVERIES: dict[str, Any] = {
    "a word": "log-a:e:1",
    "a number": 5,
    "a list": ["log-a"],
    "true": True,
    "a position of nothing": {"log-a": None},
    "a position in words": {"log-a": "e:1"},
    "an empty position": {"log-a": {}},
    "no offset": {"log-a": {"epoch": "e"}},
    "no epoch": {"log-a": {"offset": 1}},
    "an epoch that is a number": {"log-a": {"epoch": 1, "offset": 1}},
    "an epoch of 65 bytes": {"log-a": {"epoch": EPOCH_TOO_LONG, "offset": 1}},
    "an offset below 0": {"log-a": {"epoch": "e", "offset": -1}},
    "half an offset": {"log-a": {"epoch": "e", "offset": 1.5}},
    "an offset in words": {"log-a": {"epoch": "e", "offset": "1"}},
    "an offset that doubles do not hold": {"log-a": {"epoch": "e", "offset": (1 << 53) + 1}},
    "an offset beyond 64 bits": {"log-a": {"epoch": "e", "offset": 1 << 64}},
    "one bad among good ones": {"log-b": {"epoch": "e", "offset": 1}, "log-a": {"epoch": "e", "offset": None}},
    "1,001 streams": {f"log-{number}": {"epoch": "e", "offset": 1} for number in range(1001)},
}

BAD_BEGINNINGS: dict[str, Any] = {
    "another word": "earliest",
    "an empty word": "",
    "a number": 5,
    "a list": [],
    "true": True,
    "an empty object": {},
    "last below 0": {"last": -1},
    "half a last": {"last": 1.5},
    "last in words": {"last": "3"},
    "last of nothing": {"last": None},
    "time below 0": {"time": -1},
    "time in words": {"time": "yesterday"},
    "two wishes": {"last": 3, "time": 1_700_000_000_000},
    "a position and more": {"epoch": "e", "offset": 3, "last": 3},
    "an offset without an epoch": {"offset": 3},
    "an epoch without an offset": {"epoch": "e"},
    "something else": {"first": 3},
}

BAD_FILTERS: dict[str, Any] = {
    "a word": "note",
    "a number": 5,
    "a list": ["note"],
    "true": True,
    "another part": {"user": "alice"},
    "a good part and another": {"events": ["a"], "names": ["b"]},
    "events in a word": {"events": "a"},
    "events of numbers": {"events": [1]},
    "an event without a name": {"events": [""]},
    "an event of 5,000 bytes": {"events": ["e" * 5000]},
    "33 events": {"events": ["e"] * 33},
    "meta in a list": {"meta": ["room"]},
    "meta of numbers": {"meta": {"room": 5}},
    "meta of 5,000 bytes": {"meta": {"room": "v" * 5000}},
    "17 annotations": {"meta": {str(number): "" for number in range(17)}},
}


def bad_command(connect: Connect, control: Control, stream: str, code: str, **fields: Any) -> None:
    """Insists on that error, that nothing was subscribed, and that the session goes on."""
    browser = connect()
    reply = browser.ask("subscribe", streams=[stream], **fields)
    assert (reply["event"], reply["data"]["code"]) == ("error", code), reply
    assert reply["data"]["message"] and reply["data"]["temporary"] is False
    assert control.count(stream=stream) == 0
    assert browser.ask("ping")["event"] == "pong"


@pytest.mark.parametrize("case", BAD_RECOVERIES)
def test_a_bad_recover_is_refused(connect: Connect, control: Control, fresh: Fresh, case: str) -> None:
    """bad_recover: nobody is subscribed from a place that was not meant."""
    bad_command(connect, control, fresh("log"), "bad_recover", recover=BAD_RECOVERIES[case])


@pytest.mark.parametrize("case", BAD_BEGINNINGS)
def test_a_bad_since_is_refused(connect: Connect, control: Control, fresh: Fresh, case: str) -> None:
    """bad_recover too: it is the same wish in other words."""
    bad_command(connect, control, fresh("log"), "bad_recover", since=BAD_BEGINNINGS[case])


@pytest.mark.parametrize("case", BAD_FILTERS)
def test_a_bad_filter_is_refused(connect: Connect, control: Control, fresh: Fresh, case: str) -> None:
    """bad_filter: nobody hears more than was asked for."""
    bad_command(connect, control, fresh("log"), "bad_filter", filter=BAD_FILTERS[case])


@pytest.mark.parametrize("case", ["a list", "no offset"])
def test_a_bad_recover_with_a_token_is_refused(connect: Connect, fresh: Fresh, case: str) -> None:
    """The same in an auth: the session does not become the user's."""
    browser = connect()

    reply = browser.ask("auth", token=token(fresh("user")), recover=BAD_RECOVERIES[case])

    assert (reply["event"], reply["data"]["code"]) == ("error", "bad_recover")
    assert browser.ask("auth", token=token(fresh("user")))["event"] == "authenticated"


def test_just_within_the_bounds_is_taken(connect: Connect, fresh: Fresh) -> None:
    """Bounds are where they are said to be."""
    stream = fresh("log")
    long = {"epoch": EPOCH_TOO_LONG[1:], "offset": 1 << 53}
    wide = {"events": ["e" * 90] * 32, "meta": {str(number): "v" * 60 for number in range(16)}}

    log = subscribe(connect(), stream, recover={stream: long}, since=long, filter=wide)

    assert log["reason"] == "epoch_changed"


def test_null_is_as_good_as_nothing(connect: Connect, fresh: Fresh) -> None:
    """Clients may send their fields empty."""
    log = subscribe(connect(), fresh("log"), recover=None, since=None, filter=None)

    assert set(log) == {"epoch", "offset", "top"}


BAD_QUERIES: dict[str, list[str]] = {
    "recover": [
        "log-a", "log-a:e", ":e:1", "::1", ":", "log-a:e:", "log-a:e:x", "log-a:e:-1", "log-a:e:+1", "log-a:e:1.5",
        "log-a:e: 1", "log-a:e:1x", "log-a:e:0x1", f"log-a:{EPOCH_TOO_LONG}:1", "log-a:e:99999999999999999999",
        "log-a:e:1,log-b",
    ],
    "since": [
        "", "earliest", "Latest", "5", "last", "last:", "last:x", "last:-1", "last:+1", "last: 3", "last:1.5", "time:",
        "time:x", "time:-1", "time:1.5", "e:", "e:x", "e:-1", f"{EPOCH_TOO_LONG}:1", "last:99999999999999999999",
    ],
    "resume": [
        "x", "0" * 19, "0" * 21, "A" * 20, "g" * 20, " " + "0" * 20, ".", "." + "0" * 20, "0" * 20 + ".x",
        "0" * 20 + ".." + "0" * 20, "0" * 20 + "," + "0" * 20, "@user", "1",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name, value", [(name, value) for name, values in BAD_QUERIES.items() for value in values])
def test_a_bad_wish_in_the_url_is_400(tcp: Callable[..., RawConnection], name: str, value: str) -> None:
    """Before there is a WebSocket, and saying which of them it is."""
    connection = tcp()

    connection.send(request_bytes(with_query("/ws", streams="log-a", **{name: value}), upgrade_headers("gateway.test")))
    response = connection.read_response()

    assert (response.status, response.error["code"]) == (400, "malformed")
    assert response.error["message"].startswith(name)
