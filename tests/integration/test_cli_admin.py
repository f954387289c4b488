"""The commands for those who run a gateway: drain, reload, config, tail."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import http
from support.command_line import Shell
from support.control import Control, event
from support.gateway import Gateway
from support.patience import eventually
from support.ws import Browser

Start = Callable[..., Gateway]
Keep = Callable[[Any], Any]


@pytest.fixture
def begin(binary: str, start_gateway: Start, tmp_path: Path) -> Callable[..., tuple[Gateway, Shell]]:
    """A gateway of its own, and a person at a shell."""

    def start(**settings: Any) -> tuple[Gateway, Shell]:
        gateway = start_gateway({"apps": [{"name": "shop"}], "drain": {"window": "0s"}, **settings})
        return gateway, Shell(binary, tmp_path / "home", gateway.control)

    return start


def test_drain_and_back(begin: Any, keep: Keep) -> None:
    """Waits until everybody is gone, and says how many are left."""
    gateway, shell = begin()
    browser = keep(Browser(gateway.edge))
    done = shell.run("drain", "--wait", "-o", "json")
    assert done.code == 0, done
    drained = json.loads(done.out)
    assert drained["changed"] is True and drained["status"]["state"] == "DRAIN_STATE_DRAINED"
    assert "0 sessions left" in done.err
    assert browser.receive()["event"] == "restart"
    assert http.get(gateway.admin, "/readyz").status == 503
    assert "drained" in shell.run("drain").out and "DRAINING" in shell.run("top", "--count", "1").out
    assert json.loads(shell.run("nodes", "-o", "json").out)[0]["drains"][0]["node"] is True
    back = shell.run("drain", "--undo")
    assert back.code == 0 and "serving" in back.out
    assert http.get(gateway.admin, "/readyz").status == 200


def test_of_an_app_or_an_endpoint(begin: Any) -> None:
    """An app is named on the command line: that of a context is not meant."""
    gateway, shell = begin()
    assert json.loads(shell.run("drain", "--app", "shop", "-o", "json").out)["status"]["app_name"] == "shop"
    assert json.loads(shell.run("drain", "--endpoint", "/ws", "--wait", "-o", "json").out)["status"]["endpoint"] == "/ws"
    assert shell.run("context", "add", "here", "--address", gateway.control, "--app", "shop").code == 0
    assert shell.run("context", "select", "here").code == 0
    assert json.loads(shell.run("drain", "--undo", "-o", "json").out)["status"]["node"] is True
    for name in ("--endpoint", "--app"):  # of a script whose variable is not set: not the gateway
        assert f"{name}: is empty" in shell.refused("drain", name, "", "--exit", code=2)
    assert "one at a time" in shell.refused("drain", "--app", "shop", "--endpoint", "/ws", code=2)
    assert "exit: goes with node only" in shell.refused("drain", "--endpoint", "/ws", "--exit", code=2)
    assert "ENDPOINT_UNKNOWN" in shell.refused("drain", "--endpoint", "/nope", code=1)
    assert "window" in shell.refused("drain", "--window", "soon", code=2)


def test_until_the_process_is_gone(begin: Any, keep: Keep) -> None:
    gateway, shell = begin()
    keep(Browser(gateway.edge)).end_sending()
    gateway._stopping = True
    done = shell.run("drain", "--exit", "--wait")
    assert done.code == 0 and "the gateway has ended its calls" in done.err, done
    assert gateway.wait() == 0


def test_who_looks_and_is_stopped_does_not_hold_the_end(begin: Any, keep: Keep, tmp_path: Path) -> None:
    """A terminal's Ctrl-Z: the connection takes nothing, not even the end. The logs are written first."""
    snapshot = tmp_path / "logs"
    gateway, shell = begin(engine={"memory": {"snapshot": str(snapshot)}})
    control = keep(Control(gateway.control))
    looker = shell.start("tail", "stream", "chat", "--payloads", "--max-payload-bytes", "65536", "-o", "jsonl")
    gateway.wait_for_log("a tail begins")
    looker.process.send_signal(signal.SIGSTOP)
    try:
        message = event("n", json=json.dumps("x" * 60_000))
        for _ in range(2000):
            control.to_stream("chat", message)
        gateway.begin_stop()
        assert gateway.wait() == 0
    finally:
        looker.process.send_signal(signal.SIGCONT)
        looker.process.kill()
    log = gateway.log_text()
    assert snapshot.exists()
    # How much a connection takes that nobody reads is the kernel's choice, so that the line may be missing.
    assert "takes nothing" not in log or log.index("wrote the snapshot") < log.index("takes nothing")
    # There is nothing to count: keepalive would have held the logs for 20 s.
    at = {line["msg"]: datetime.fromisoformat(line["ts"]) for line in map(json.loads, log.splitlines())}
    waited = at["wrote the snapshot of the logs"] - at["draining: not ready any more"]
    assert waited < timedelta(seconds=15), log


def test_taken_back_while_somebody_waits(begin: Any) -> None:
    _, shell = begin()
    waiting = shell.start("drain", "--delay", "10m", "--wait")
    eventually(lambda: json.loads(shell.run("nodes", "-o", "json").out)[0]["drains"], bool, "the drain")
    assert shell.run("drain", "--undo").code == 0
    done = waiting.end()
    assert done.code == 1 and "somebody has taken the drain back" in done.err


def test_the_grpcurl_line(begin: Any) -> None:
    _, shell = begin()
    line = shell.run("drain", "--app", "shop", "--window", "10s", "--print-grpcurl").out
    assert "carillon.v1.AdminService/Drain" in line and '"app_name":"shop"' in line.replace(" ", "")


def test_the_configuration(begin: Any) -> None:
    """As YAML that the gateway would read; and loaded again, with what has changed."""
    gateway, shell = begin()
    assert "apps:" in shell.run("config").out
    assert json.loads(shell.run("config", "-o", "json").out)["yaml"] == shell.run("config").out
    changed = json.loads(gateway.file.read_text()) | {"log": {"level": "debug"}, "admin": {"listen": "127.0.0.1:1"}}
    gateway.file.write_text(json.dumps(changed))
    done = shell.run("reload")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == ["SETTING", "log.level", "admin.listen"]
    assert "after a restart" in done.out
    assert [each["setting"] for each in json.loads(shell.run("reload", "-o", "json").out)["need_restart"]] == ["admin.listen"]
    gateway.file.write_text('{"edge": {"lisen": 1}}')
    assert "lisen" in shell.refused("reload", code=1)


def test_tail_of_a_session_and_of_a_stream(begin: Any, keep: Keep) -> None:
    """As it comes; payloads only where they are asked for; Ctrl-C ends it well."""
    gateway, shell = begin()
    browser = keep(Browser(gateway.edge, "/ws/chat"))
    described = keep(shell.start("tail", "session", browser.session, "-o", "jsonl", "--count", "2"))
    shown = keep(shell.start("tail", "stream", "chat", "--payloads"))
    assert "looking until" in described.error_line() and "looking until" in shown.error_line()
    browser.ask("ping")
    shell.run("publish", "chat", "message", '{"text":"hush"}')
    frames = [json.loads(described.line()) for _ in range(2)]
    assert [(each["direction"], each["action"], each["event"]) for each in frames] == [
        ("TAIL_DIRECTION_IN", "ping", ""),
        ("TAIL_DIRECTION_OUT", "", "pong"),
    ]
    assert described.end().code == 0
    assert shown.line().split()[:2] == ["TIME", "SESSION"]
    row = shown.line()
    assert "->" in row and "message" in row and '{"text":"hush"}' in row
    done = shown.end(signal.SIGINT)
    assert done.code == 0, done


def test_the_end_of_a_tail(begin: Any) -> None:
    _, shell = begin()
    done = shell.run("tail", "user", "alice", "--max-age", "1s")
    assert done.out == "" and "the time is over" in done.err
    assert "SESSION_UNKNOWN" in shell.refused("tail", "session", "0000" + "0" * 16, code=1)
    assert "--help" in shell.refused("tail", "everything", "x", code=2)
    assert "AdminService/Tail" in shell.run("tail", "user", "alice", "--sample", "10", "--print-grpcurl").out
