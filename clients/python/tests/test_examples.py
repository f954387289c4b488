"""The examples, as a stranger runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import Browser

from carillon_client.testing import Gateway

ROOT = Path(__file__).parent.parent
Connect = Callable[..., Browser]
Fresh = Callable[[str], str]


@pytest.fixture
def environment(gateway: Gateway) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CARILLON_ADDRESS": gateway.control,
        "CARILLON_TOKEN": gateway.key,
    }


def run(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_broadcast(environment: dict[str, str], connect: Connect, fresh: Fresh) -> None:
    alice = fresh("alice")
    tab = connect(alice)

    said = run(environment, "examples/broadcast.py", alice, "shipped")

    assert "went to 1 sessions" in said
    assert tab.receive()["data"] == {"text": "shipped"}


def test_notifications(environment: dict[str, str], connect: Connect, fresh: Fresh) -> None:
    alice = fresh("alice")
    tab = connect(alice, "notifications")

    said = run(environment, "examples/notifications.py", alice, "shipped")

    assert said == f"told 1 sessions of {alice}\n"
    messages: list[dict[str, Any]] = [tab.receive() for _ in range(5)]
    assert {message["stream"] for message in messages} == {"notifications"}
    names = [message["event"] for message in messages]
    assert names == [f"notification.{what}" for what in ("created", "updated", "read", "deleted", "read_all")]
    created, updated, read, deleted, _ = (message["data"] for message in messages)
    assert (created["notification"]["message"], created["notification"]["is_read"]) == ("shipped", False)
    assert updated["notification"]["message"] == "shipped!"
    assert read["notification"]["is_read"] and read["notification_id"] == created["notification"]["id"]
    assert deleted == {"notification_id": created["notification"]["id"]}


def test_the_chat_bot(environment: dict[str, str], connect: Connect, fresh: Fresh) -> None:
    chat, alice, bob = fresh("chat"), fresh("alice"), fresh("bob")
    with subprocess.Popen(
        [sys.executable, "examples/chat_bot.py", chat], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as bot:
        try:
            assert bot.stdout is not None
            assert bot.stdout.readline() == f"greeting in {chat}\n"
            first = connect(alice, chat)
            assert first.receive()["data"] == {"from": "bot", "text": f"Welcome, {alice}! 1 here."}
            connect(bob, chat)
            assert first.receive()["data"] == {"from": "bot", "text": f"Welcome, {bob}! 2 here."}
            bot.send_signal(signal.SIGINT)
            assert bot.wait() == 0
        finally:
            bot.kill()


def test_the_backend_that_is_asked(start_carillon: Callable[..., Gateway]) -> None:
    key = "a-key-for-the-backend-0123456789"
    with subprocess.Popen(
        [sys.executable, "examples/hooks.py", "127.0.0.1:0"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOOKS_KEY": key},
        stdout=subprocess.PIPE,
        text=True,
    ) as backend:
        try:
            assert backend.stdout is not None
            port = backend.stdout.readline().removeprefix("answering on port ").strip()
            gateway = start_carillon(
                {
                    "hooks": [{"name": "main", "address": f"127.0.0.1:{port}", "key": key, "deadline": "20s"}],
                    "auth": {"hook": {"backend": "main", "cookies": ["sid"]}},
                    "streams": [{"pattern": "room-*", "subscribe": {"hook": "main"}, "publish": {"hook": "main"}}],
                    "client_events": [{"event": "quiz.*", "hook": "main", "action": "none"}],
                }
            )
            alice = Browser(gateway.url("", "room-all") + "&token=s3cret")
            answer = alice.say(action="subscribe", streams=["room-red", "room-blue"])["data"]
            assert (answer["streams"], answer["refused"][0]["message"]) == (["room-red"], "you are not on the list")
            bob = Browser(gateway.url("", "room-all") + "&token=hush")
            refused = bob.say(action="publish", stream="room-all", event="said", data="", id=1)
            assert refused["data"]["message"] == "say something"
            bob.say(action="publish", stream="room-all", event="said", data={"text": "hi", "from": "Alice"})
            assert alice.receive()["data"] == {"from": "Bob", "text": "hi"}
            assert alice.say(action="publish", event="quiz.guess", data=42)["data"]["data"] == {"right": True}
            alice.close()
            bob.close()
            backend.send_signal(signal.SIGINT)
            assert backend.wait() == 0
        finally:
            backend.kill()


def test_the_bench(environment: dict[str, str]) -> None:
    """Few messages, so the rates are not those that the README speaks of; but a batcher is no slower."""
    said = run(environment, "-m", "carillon_client.bench", "--unary", "100", "--batched", "1000", "--rounds", "2")

    lines = said.splitlines()
    assert [line.split(":")[0] for line in lines] == ["Client", "AsyncClient"]
    assert all(float(line.split()[-2]) > 1 for line in lines)
