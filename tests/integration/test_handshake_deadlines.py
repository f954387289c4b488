"""How long a client may take for its request: nobody keeps a connection by being slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.http import RawConnection, request_bytes, upgrade_headers

REJECTED = "carillon_handshakes_rejected_total"

GOOD_REQUEST = request_bytes("/ws", upgrade_headers("gateway.test"))


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"edge": {"request_timeout": "300ms", "accept_timeout": "300ms"}}


@pytest.mark.parametrize(
    "begun", [b"G", b"GET /ws HTTP/1.1\r\n", GOOD_REQUEST[:-2]], ids=["a byte", "a line", "nearly all"]
)
def test_headers_that_do_not_come_in_time_get_408(
    gateway: Any, tcp: Callable[..., RawConnection], begun: bytes
) -> None:
    """A slow loris does not keep its connection."""
    with gateway.rises(REJECTED, reason="timeout"):
        connection = tcp()
        connection.send(begun)
        response = connection.read_response()

        assert response.status == 408
        assert response.error["code"] == "timeout"
        assert connection.receive_to_end() == b""


def test_more_bytes_do_not_buy_a_slow_request_more_time(tcp: Callable[..., RawConnection]) -> None:
    """The deadline runs from the first byte: dribbling does not move it."""
    connection = tcp()
    connection.send(b"GET /ws HTTP/1.1\r\n")
    connection.socket.settimeout(0.01)

    answer = b""
    for number in range(100_000):
        try:
            connection.send(b"X" if number % 20 else b"X: a\r\n")
            answer = connection.receive_some()
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            pass
        break

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_connection_that_says_nothing_is_closed_without_a_word(
    gateway: Any, tcp: Callable[..., RawConnection]
) -> None:
    """Whoever connects and is silent gets no answer to a question that was never asked."""
    with gateway.rises(REJECTED, reason="timeout"):
        assert tcp().is_ended()
