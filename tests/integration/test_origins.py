"""Which pages may connect: the gateway's own host, loopback, and those that an operator named. Nothing looks alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.http import RawConnection, request_bytes, upgrade_headers


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"edge": {"allowed_origins": ["https://app.partner.test", "http://other.test:8080", "*.example.com"]}}


def answer(address: str, origin: str | None, host: str) -> Any:
    connection = RawConnection(address)
    try:
        connection.send(request_bytes("/ws", upgrade_headers(host, Origin=origin)))
        return connection.read_response()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "http://gateway.test:7310",
        "https://gateway.test:7310",
        "http://GATEWAY.test:7310",
        "http://localhost",
        "http://localhost:3000",
        "https://127.0.0.1:8443",
        "http://127.8.9.10",
        "http://[::1]:3000",
        "https://app.partner.test",
        "https://app.partner.test:443",
        "https://APP.partner.test",
        "http://other.test:8080",
        "https://www.example.com",
        "http://www.example.com",
        "https://a.b.example.com",
        "https://a.b.example.com:443",
    ],
)
def test_these_pages_may_connect(gateway: Any, origin: str | None) -> None:
    """No Origin (no browser), the same host, loopback, an exact origin, a name below a wildcard."""
    assert answer(gateway.edge, origin, "gateway.test:7310").status == 101


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "file://",
        "gateway.test:7310",
        "http://gateway.test",
        "http://gateway.test:7311",
        "http://gateway.test.evil.test:7310",
        "http://evilgateway.test:7310",
        "http://localhost.evil.test",
        "http://127.0.0.1.evil.test",
        "http://127.0.0.1@evil.test",
        "http://evil.test/http://localhost",
        "http://evil.test?http://localhost",
        "http://app.partner.test",
        "https://app.partner.test:8443",
        "https://app.partner.test.evil.test",
        "https://sub.app.partner.test",
        "http://other.test",
        "https://other.test:8080",
        "https://example.com",
        "https://evilexample.com",
        "https://www.example.com.evil.test",
        "https://www.example.com:8443",
        "https://.example.com.",
        "https://www.example.org",
        "https://www.example.com https://localhost",
        "https://\xff.example.com",
    ],
)
def test_these_pages_may_not(gateway: Any, origin: str) -> None:
    """403, counted, with the setting that an operator would change."""
    with gateway.rises("carillon_handshakes_rejected_total", reason="origin"):
        response = answer(gateway.edge, origin, "gateway.test:7310")

    assert response.status == 403
    assert response.error["code"] == "origin"
    assert response.error["setting"] == "edge.allowed_origins"


def test_a_host_without_a_port_means_the_usual_one(gateway: Any) -> None:
    """Behind a proxy that ends TLS, the Host has no port and the page is https."""
    assert answer(gateway.edge, "https://gateway.test", "gateway.test").status == 101
    assert answer(gateway.edge, "http://gateway.test:80", "gateway.test").status == 101
    assert answer(gateway.edge, "https://gateway.test:8443", "gateway.test").status == 403


def test_a_star_lets_every_page_in(start_gateway: Callable[..., Any]) -> None:
    """Also those without a name."""
    gateway = start_gateway({"edge": {"allowed_origins": ["*"]}})

    assert answer(gateway.edge, "https://anything.test", "gateway.test").status == 101
    assert answer(gateway.edge, "null", "gateway.test").status == 101
