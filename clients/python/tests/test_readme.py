"""The README's code, as it stands there."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from browser import Browser
from fakes import Fake
from google.protobuf.any_pb2 import Any as AnyMessage

from carillon_client import Client, Event, EventKind, Position, ResourceExhausted, Watch
from carillon_client._pb import control_pb2
from carillon_client.testing import Gateway

ROOT = Path(__file__).parent.parent
#: In the place of what protoc would make.
SHOP = """
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.proto_builder import MakeSimpleProtoClass
Order = MakeSimpleProtoClass({"order_id": FieldDescriptorProto.TYPE_INT64}, full_name="shop.v1.Order")
"""
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_code_runs(number: int, gateway: Gateway, tmp_path: Path) -> None:
    """As a program, or by pytest where it holds tests."""
    is_test = "def test_" in BLOCKS[number]
    file = tmp_path / ("test_readme_block.py" if is_test else "block.py")
    file.write_text(BLOCKS[number])
    (tmp_path / "shop_pb2.py").write_text(SHOP)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CARILLON_ADDRESS": gateway.control,
        "CARILLON_TOKEN": gateway.key,
    }
    command = ["-m", "pytest", "-q", "-p", "carillon_client.testing", str(file)] if is_test else [str(file)]
    run = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


class Enough(Exception):
    """Ends follow(), which has no end of its own."""


def test_follow_misses_nothing_also_where_it_ends_before_its_first_event(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARILLON_ADDRESS", gateway.control)
    monkeypatch.setenv("CARILLON_TOKEN", gateway.key)
    kept: list[Position] = []
    seen: list[str] = []

    class ShortLived(Client):
        def watch(self, **wanted: Any) -> Watch:  # type: ignore[override]
            events = super().watch(**wanted)
            events.start()
            events.close()
            return events

    def deal_with(event: Event) -> None:
        if event.kind is EventKind.SESSION_OPENED:
            seen.append(event.session_id)
        if len(seen) == 2:
            raise Enough

    (block,) = (block for block in BLOCKS if "def follow" in block)
    program: dict[str, Any] = {}
    exec(block, program)
    program.update(keep=kept.append, deal_with=deal_with, Client=ShortLived)
    program["follow"](None)
    browsers = [Browser(gateway.url()) for _ in range(2)]

    program["Client"] = Client
    with pytest.raises(Enough):
        program["follow"](kept[-1])

    assert seen == [browser.session for browser in browsers]
    for browser in browsers:
        browser.close()


def test_publish_tries_again_only_where_the_gateway_says_when(fake: Fake, address: str) -> None:
    # A google.rpc.Status with a RetryInfo of a millisecond.
    retry = AnyMessage(type_url="type.googleapis.com/google.rpc.RetryInfo", value=b"\x0a\x04\x10\xc0\x84\x3d")
    details = retry.SerializeToString()
    behind = (("grpc-status-details-bin", b"\x08\x08\x1a" + bytes([len(details)]) + details),)
    answers: list[Any] = [behind, behind, control_pb2.BroadcastStreamResponse(), ()]

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        answer = answers[len(fake.requests) - 1]
        if isinstance(answer, tuple):
            context.set_trailing_metadata(answer)
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "not now")
        return answer

    fake.answer = answer
    (block,) = (block for block in BLOCKS if "def publish" in block)
    program: dict[str, Any] = {}
    exec(block, program)
    with Client(address, "") as client:
        program["publish"](client, "chat", "hello")
        assert len(fake.requests) == 3
        with pytest.raises(ResourceExhausted):
            program["publish"](client, "chat", "hello")
    assert len(fake.requests) == 4


def test_read_carts_prints_what_a_browser_said(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    monkeypatch.setenv("CARILLON_ADDRESS", gateway.control)
    monkeypatch.setenv("CARILLON_TOKEN", gateway.key)
    alice, printed = fresh("alice"), []

    class Asked(Client):
        def watch(self, **wanted: Any) -> Watch:  # type: ignore[override]
            events = super().watch(**wanted)
            events.start()
            connect(alice).say(action="publish", event="cart.add", data={"sku": 7}, id=1)
            return events

    def write(*words: object) -> None:
        printed.append(words)
        raise Enough

    (block,) = (block for block in BLOCKS if "def read_carts" in block)
    program: dict[str, Any] = {}
    exec(block, program)
    program.update(Client=Asked, print=write)
    with pytest.raises(Enough):
        program["read_carts"]()

    assert printed == [(alice, "cart.add", {"sku": 7})]


def test_ten_minutes(carillon_binary: str, tmp_path: Path) -> None:
    """The gateway of that section, its key and a browser's token; the ports alone are others."""
    page = (ROOT / "README.md").read_text()
    (config,) = re.findall(r"```yaml\n(.*?)```", page, re.S)
    (key,) = re.findall(r"export (CARILLON_TOKEN=\S+)", page)
    (make_token,) = re.findall(r"`carillon (token [^`]+)`", page)
    (example, *words) = shlex.split(re.findall(r"\.venv/bin/python (examples/broadcast.*)", page)[0])
    (tmp_path / "carillon.yaml").write_text(config)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARILLON_")}
    ports = {f"CARILLON_{port}_LISTEN": "127.0.0.1:0" for port in ("EDGE", "CONTROL", "ADMIN")}
    serve = [carillon_binary, "serve", "-c", "carillon.yaml"]
    with subprocess.Popen(serve, cwd=tmp_path, env={**clean, **ports}, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            listening = json.loads(process.stdout.readline())
            command = [carillon_binary, *make_token.split()]
            token = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=True).stdout
            browser = Browser(f"ws://{listening['edge']}/ws?token={token.strip()}")
            backend = {"PYTHONPATH": str(ROOT), "CARILLON_ADDRESS": listening["control"], **dict([key.split("=")])}
            subprocess.run([sys.executable, example, *words], cwd=ROOT, env={**clean, **backend}, check=True)
            assert browser.receive()["data"] == {"text": "Your order has shipped"}
            browser.close()
        finally:
            process.terminate()


def test_it_holds_code() -> None:
    assert len(BLOCKS) >= 8


def test_files_that_it_names_are_there() -> None:
    named = re.findall(r"python (examples/\w+\.py)", (ROOT / "README.md").read_text())
    assert len(named) == 4 and all((ROOT / name).exists() for name in named)
