"""grpcurl, the first thing that an operator tries: list, describe and call, with nothing but the address and a key."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from support.gateway import Gateway
from support.patience import PATIENCE
from support.ws import Browser

KEY = "a-key-for-grpcurl-0123456789"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"control": {"keys": [{"name": "grpcurl", "secret": KEY}]}}


@pytest.fixture
def grpcurl(grpcurl_program: str, gateway: Gateway) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str, key: str | None = KEY, data: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [grpcurl_program, "-plaintext", "-max-time", str(int(PATIENCE))]
        if key is not None:
            command += ["-H", f"authorization: Bearer {key}"]
        if data is not None:
            command += ["-d", data]
        return subprocess.run([*command, gateway.control, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=PATIENCE * 2)

    return run


def test_list_names_every_service(grpcurl: Callable[..., Any]) -> None:
    """Our own services, health and reflection in both versions."""
    answer = grpcurl("list")

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == [
        "carillon.v1.AdminService",
        "carillon.v1.ControlService",
        "carillon.v1.EventService",
        "carillon.v1.SchemaService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ]


@pytest.mark.parametrize("symbol, word", [
    ("carillon.v1.ControlService", "rpc BroadcastToUser"),
    ("carillon.v1.BroadcastToUserRequest", "string user_id = 1;"),
    ("carillon.v1.Event", "oneof payload"),
    ("carillon.v1.AdminService", "rpc TopSlow"),
    ("carillon.v1.SchemaService", "rpc BindStream"),
    ("grpc.health.v1.Health", "rpc Check"),
    ("grpc.reflection.v1.ServerReflection", "rpc ServerReflectionInfo"),
])  # fmt: skip
def test_describe_knows_every_symbol(grpcurl: Callable[..., Any], symbol: str, word: str) -> None:
    """Also health, which the library alone cannot describe."""
    answer = grpcurl("describe", symbol)

    assert answer.returncode == 0, answer.stderr
    assert word in answer.stdout


def test_a_call_reaches_a_browser(grpcurl: Callable[..., Any], connect: Callable[..., Any], fresh: Callable[[str], str]) -> None:
    """The line that ./dev up prints."""
    stream = fresh("stream")
    browser = connect(f"/ws?streams={stream}")

    answer = grpcurl("carillon.v1.ControlService/BroadcastStream",
                     data=json.dumps({"stream": stream, "event": {"name": "rang", "value": {"a": [1, None, "é"]}}}))

    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["receipt"]["sessions"] == 1
    message = browser.receive()
    assert (message["stream"], message["event"], message["data"]) == (stream, "rang", {"a": [1, None, "é"]})


def test_health_answers_without_a_key(grpcurl: Callable[..., Any]) -> None:
    """Probes have no key. (grpcurl itself needs reflection, so it brings the key; the call does not look at it.)"""
    answer = grpcurl("grpc.health.v1.Health/Check", data='{"service": "carillon.v1.ControlService"}')

    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == {"status": "SERVING"}


def test_without_a_key_the_error_says_what_to_do(grpcurl: Callable[..., Any]) -> None:
    """Reflection is behind the same keys as the rest."""
    answer = grpcurl("list", key=None)

    assert answer.returncode != 0
    assert "authorization: Bearer KEY" in answer.stderr


def test_a_bad_field_is_named(grpcurl: Callable[..., Any]) -> None:
    """With its details, decoded by grpcurl."""
    answer = grpcurl("carillon.v1.ControlService/BroadcastToUser", data='{"event": {"name": "x"}}')

    assert answer.returncode != 0
    assert "InvalidArgument" in answer.stderr and "user_id" in answer.stderr


def test_watching_events(gateway: Gateway, grpcurl_program: str, connect: Callable[..., Browser]) -> None:
    """As docs/events.md shows it."""
    command = [grpcurl_program, "-plaintext", "-max-time", str(int(PATIENCE)), "-H", f"authorization: Bearer {KEY}"]
    command += ["-d", '{"begin":{}}', gateway.control]
    with subprocess.Popen([*command, "carillon.v1.EventService/Watch"], stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        lines = iter(watching.stdout.readline, "")
        assert any('"partitions": [' in line or '"assignment"' in line for line in lines)
        browser = connect("/ws")
        assert any('"kind": "EVENT_KIND_SESSION_OPENED"' in line for line in lines)
        assert any(browser.session in line for line in lines)
        watching.terminate()
