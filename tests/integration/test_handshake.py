"""What a client may say before it is a session: every bad request gets the answer that reliability asks for, and a good
one gets through however it is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.http import RawConnection, new_key, request_bytes, upgrade_headers
from support.ws import BINARY, TEXT, Browser, frame_bytes

REJECTED = "carillon_handshakes_rejected_total"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {
            "endpoints": [
                {"path": "/ws", "anonymous": True},
                {"path": "/strict", "anonymous": True, "require_subprotocol": True},
                {"path": "/off", "anonymous": True, "enabled": False},
                {"path": "/echo", "anonymous": True, "dialect": "echo"},
            ],
            "demo_page": True,
        }
    }


def good_request(**changes: Any) -> bytes:
    return request_bytes("/ws", upgrade_headers("gateway.test", **changes))


def with_lines(*lines: str, without: str = "") -> bytes:
    """A good handshake with these header lines added behind the others."""
    headers = [(name, value) for name, value in upgrade_headers("gateway.test") if name != without]
    head = request_bytes("/ws", headers)[:-2]
    return head + "".join(line + "\r\n" for line in lines).encode("latin-1") + b"\r\n"


REFUSED = {
    # R1: what is no HTTP/1.1 request.
    "garbage": (b"\x01\x02\x03 what is this\r\n\r\n", 400, "malformed"),
    "lower case method": (b"get /ws HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    "a NUL in the request line": (b"GET /ws\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    "a NUL in a header": (with_lines("X-Note: a\0b"), 400, "malformed"),
    "a control byte in a header": (with_lines("X-Note: a\x01b"), 400, "malformed"),
    "a bare LF after the request line": (good_request().replace(b"HTTP/1.1\r\n", b"HTTP/1.1\n"), 400, "malformed"),
    "a bare LF after a header": (with_lines("X-Note: a\nX-More: b"), 400, "malformed"),
    "a bare CR in a header": (with_lines("X-Note: a\rX-More: b"), 400, "malformed"),
    "a folded header": (with_lines("X-Note: a", " b"), 400, "malformed"),
    "a header folded with a tab": (with_lines("X-Note: a", "\tb"), 400, "malformed"),
    "a header without a colon": (with_lines("X-Note"), 400, "malformed"),
    "white space before a colon": (with_lines("X-Note : a"), 400, "malformed"),
    "HTTP/0.9": (b"GET /ws\r\n\r\n", 400, "malformed"),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed"),
    "HTTP/3.0": (good_request().replace(b"HTTP/1.1", b"HTTP/3.0"), 400, "malformed"),
    "no target": (b"GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    "a target that is no path": (b"GET ws HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    "a Host that is no host": (good_request(Host="a b"), 400, "malformed"),
    "a Host with a user": (good_request(Host="me@gateway.test"), 400, "malformed"),
    # R2: headers that two readers could read in two ways.
    "no Host": (good_request(Host=None), 400, "dup_header"),
    "an empty Host": (good_request(Host=""), 400, "dup_header"),
    "two Hosts": (with_lines("Host: gateway.test"), 400, "dup_header"),
    "two Hosts in another case": (with_lines("hOST: other.test"), 400, "dup_header"),
    "two Origins": (with_lines("Origin: http://localhost", "Origin: http://localhost"), 400, "dup_header"),
    "two Authorizations": (with_lines("Authorization: Bearer a", "Authorization: Bearer a"), 400, "dup_header"),
    "two keys": (with_lines(f"Sec-WebSocket-Key: {new_key()}"), 400, "dup_header"),
    "two versions": (with_lines("Sec-WebSocket-Version: 13"), 400, "dup_header"),
    "two Content-Lengths": (with_lines("Content-Length: 0", "Content-Length: 0"), 400, ("dup_header", "malformed")),
    # R3: bodies, in which a second request could hide.
    "Content-Length beside Transfer-Encoding": (
        with_lines("Content-Length: 0", "Transfer-Encoding: chunked"), 400, ("smuggling", "malformed")
    ),
    "Transfer-Encoding beside Content-Length": (
        with_lines("Transfer-Encoding: chunked", "Content-Length: 5"), 400, ("smuggling", "malformed")
    ),
    "Transfer-Encoding that does not end in chunked": (
        with_lines("Transfer-Encoding: chunked, gzip"), 400, ("smuggling", "malformed")
    ),
    "an empty Transfer-Encoding": (with_lines("Transfer-Encoding: "), 400, ("smuggling", "malformed")),
    "a chunked body": (with_lines("Transfer-Encoding: chunked"), 400, "smuggling"),
    "a body": (with_lines("Content-Length: 5") + b"hello", 400, "smuggling"),
    "a Content-Length that is no number": (with_lines("Content-Length: x"), 400, ("smuggling", "malformed")),
    # R4: too much of everything.
    "a request line of 9 KiB": (request_bytes("/ws?" + "a" * 9216, upgrade_headers("a")), 414, "too_large"),
    "headers of 9 KiB": (with_lines("X-Note: " + "a" * 9216), 431, "too_large"),
    "many small headers of 9 KiB": (with_lines(*(f"X-{i}: {'a' * 100}" for i in range(90))), 431, "too_large"),
    "101 headers": (with_lines(*(f"X-{i}: a" for i in range(96))), 431, "too_large"),
    # R6: methods and paths.
    "POST": (good_request().replace(b"GET", b"POST"), 405, "method"),
    "DELETE": (good_request().replace(b"GET", b"DELETE"), 405, "method"),
    "an unknown path": (request_bytes("/nothing", upgrade_headers("a")), 404, "path"),
    "a path below a stream": (request_bytes("/ws/a/b", upgrade_headers("a")), 404, "path"),
    "an endpoint that is off": (request_bytes("/off", upgrade_headers("a")), 404, "path"),
    "a stream of the echo dialect": (request_bytes("/echo/a", upgrade_headers("a")), 404, "path"),
    # R7: what is no WebSocket handshake.
    "no Upgrade": (good_request(Upgrade=None), 426, "version"),
    "another Upgrade": (good_request(Upgrade="h2c"), 426, "version"),
    "no Connection": (good_request(Connection=None), 426, "version"),
    "Connection without Upgrade": (good_request(Connection="keep-alive"), 426, "version"),
    "no version": (good_request(Sec_WebSocket_Version=None), 426, "version"),
    "version 8": (good_request(Sec_WebSocket_Version="8"), 426, "version"),
    "two versions in one header": (good_request(Sec_WebSocket_Version="13, 8"), 426, "version"),
    # R8: keys.
    "no key": (good_request(Sec_WebSocket_Key=None), 400, "key"),
    "an empty key": (good_request(Sec_WebSocket_Key=""), 400, "key"),
    "a key of 4 characters": (good_request(Sec_WebSocket_Key="abcd"), 400, "key"),
    "a key of 15 bytes": (good_request(Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAA"), 400, "key"),
    "a key of 17 bytes": (good_request(Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAAA="), 400, "key"),
    "a key without padding": (good_request(Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAA"), 400, "key"),
    "a key that is no base64": (good_request(Sec_WebSocket_Key="!" * 24), 400, "key"),
    "a key with bits that belong to no byte": (good_request(Sec_WebSocket_Key="A" * 21 + "B=="), 400, "key"),
    # R10: sub-protocols.
    "no known sub-protocol where one is needed": (
        request_bytes("/strict", upgrade_headers("a", Sec_WebSocket_Protocol="graphql-ws, mqtt")), 400, "subprotocol"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_request_is_refused_with_its_reason(gateway: Any, tcp: Callable[..., RawConnection], case: str) -> None:
    """Status, the reason in the JSON body, the metric of that reason, and the end of the connection."""
    request, status, reasons = REFUSED[case]
    before = gateway.metrics()

    connection = tcp()
    connection.send(request)
    response = connection.read_response()

    assert response.status == status
    assert response.error["code"] in ([reasons] if isinstance(reasons, str) else reasons)
    assert response.headers["connection"] == "close"
    assert response.headers["server"] == "carillon"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert connection.receive_to_end() == b""
    labels = {"reason": response.error["code"]}
    gateway.wait_for_metric(REJECTED, before.value(REJECTED, **labels) + 1, **labels)
    gateway.wait_for_metric(REJECTED, before.value(REJECTED) + 1)


def test_a_method_that_is_not_allowed_learns_which_is(tcp: Callable[..., RawConnection]) -> None:
    """405 comes with Allow (RFC 9110 section 15.5.6)."""
    connection = tcp()
    connection.send(good_request().replace(b"GET", b"PUT"))

    assert connection.read_response().headers["allow"] == "GET"


def test_a_refused_head_request_gets_no_body(tcp: Callable[..., RawConnection]) -> None:
    """A HEAD's answer ends with its headers (RFC 9110 section 9.3.2)."""
    connection = tcp()
    connection.send(good_request().replace(b"GET", b"HEAD"))

    head, _, body = connection.receive_to_end().partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 405 ")
    assert body == b""


def test_a_request_that_is_no_upgrade_learns_what_to_upgrade_to(tcp: Callable[..., RawConnection]) -> None:
    """426 names the protocol and its version."""
    connection = tcp()
    connection.send(request_bytes("/ws", [("Host", "gateway.test")]))

    response = connection.read_response()

    assert response.status == 426
    assert response.headers["upgrade"] == "websocket"
    assert response.headers["sec-websocket-version"] == "13"


def test_http_1_0_cannot_become_a_websocket(tcp: Callable[..., RawConnection]) -> None:
    """A handshake is an HTTP/1.1 request (RFC 6455 section 4.2.1)."""
    connection = tcp()
    connection.send(good_request().replace(b"HTTP/1.1", b"HTTP/1.0"))

    assert connection.read_response().status in (400, 426, 505)


@pytest.mark.parametrize("count, status", [(95, 101), (96, 431)])
def test_100_headers_are_taken_and_101_are_not(tcp: Callable[..., RawConnection], count: int, status: int) -> None:
    """The bound on headers is where it is said to be; five come with every handshake."""
    connection = tcp()
    connection.send(with_lines(*(f"X-{i}: a" for i in range(count))))

    assert connection.read_response().status == status


def test_a_tls_hello_on_the_plain_port_is_closed_without_a_word(
    gateway: Any, tcp: Callable[..., RawConnection]
) -> None:
    """Plain text would only confuse who expects TLS."""
    with gateway.rises(REJECTED, reason="malformed"):
        connection = tcp()
        connection.send(bytes.fromhex("16030100c8010000c40303") + b"\x00" * 200)

        assert connection.is_ended()


@pytest.mark.parametrize(
    "path, offered, chosen",
    [
        ("/ws", None, None),
        ("/ws", "carillon.v1.json", "carillon.v1.json"),
        ("/ws", "mqtt, carillon.v1.json", "carillon.v1.json"),
        ("/ws", "mqtt, graphql-ws", None),
        ("/strict", None, None),
        ("/strict", "carillon.v1.json", "carillon.v1.json"),
    ],
)
def test_a_known_subprotocol_is_confirmed_and_no_other(
    connect: Callable[..., Browser], path: str, offered: str | None, chosen: str | None
) -> None:
    """Exactly one of those that were offered, or none (RFC 6455 section 4.2.2)."""
    browser = connect(path, extra=[("Sec-WebSocket-Protocol", offered)] if offered else [])

    assert browser.response.headers.get("sec-websocket-protocol") == chosen


def test_subprotocols_may_come_in_two_headers(connect: Callable[..., Browser]) -> None:
    """RFC 6455 section 11.3.4: the header may appear several times in a request."""
    browser = connect(extra=[("Sec-WebSocket-Protocol", "mqtt"), ("Sec-WebSocket-Protocol", "carillon.v1.json")])

    assert browser.response.headers["sec-websocket-protocol"] == "carillon.v1.json"


def test_an_extension_that_is_offered_is_not_taken(connect: Callable[..., Browser]) -> None:
    """Compression is off; WebSocket() insists that no extension is confirmed."""
    connect(extra=[("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")])


def test_what_comes_right_behind_the_request_is_not_lost(connect: Callable[..., Browser]) -> None:
    """A client need not wait for the 101 before it sends."""
    early = b"".join(frame_bytes(TEXT, b'{"action":"ping","id":%d}' % number) for number in range(1, 4))

    browser = connect("/ws", early=early)

    browser.receive_welcome()
    assert [browser.receive()["id"] for _ in range(3)] == [1, 2, 3]


def test_half_a_frame_behind_the_request_is_finished_later(websocket: Callable[..., Any]) -> None:
    """Bytes that came early and bytes that come later make one frame."""
    frame = frame_bytes(BINARY, b"x" * 5000)

    client = websocket("/echo", early=frame[:3001])
    client.send(frame[3001:])

    assert client.next_message().payload == b"x" * 5000


def test_a_request_in_single_bytes_works(gateway: Any, tcp: Callable[..., RawConnection]) -> None:
    """TCP keeps no boundaries: nothing may depend on them."""
    connection = tcp()
    connection.send_bytewise(request_bytes("/ws", upgrade_headers(gateway.edge)))

    response = connection.read_response()

    assert response.status == 101, response


def test_an_http_answer_does_not_wait_for_the_client_to_stop_talking(tcp: Callable[..., RawConnection]) -> None:
    """A client that goes on sending after its bad request still receives the whole answer, not a reset."""
    connection = tcp()
    connection.send(with_lines("Content-Length: 200000") + b"x" * 200_000)

    response = connection.read_response()

    assert response.status == 400
    assert connection.receive_to_end() == b""


def test_the_demo_page_stands_at_the_root(tcp: Callable[..., RawConnection]) -> None:
    """GET gets it, HEAD its headers, anything else 405; and it may load nothing from elsewhere."""
    page, head, post = tcp(), tcp(), tcp()
    page.send(request_bytes("/", [("Host", "gateway.test")]))
    head.send(request_bytes("/", [("Host", "gateway.test")], method="HEAD"))
    post.send(request_bytes("/", [("Host", "gateway.test")], method="POST"))

    response = page.read_response()

    assert response.status == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert b"<html" in response.body.lower()
    assert head.receive_to_end().endswith(b"\r\n\r\n")
    assert post.read_response().headers["allow"] == "GET, HEAD"
