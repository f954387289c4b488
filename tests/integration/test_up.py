"""./dev up: everything that it prints works as it is printed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from pathlib import Path

from support.gateway import clean_environment
from support.patience import PATIENCE
from support.ws import Browser, with_query

ROOT = Path(__file__).parents[2]


def read_until(process: subprocess.Popen[str], last: str) -> str:
    assert process.stdout is not None
    killer = threading.Timer(PATIENCE, process.kill)
    killer.start()
    text = ""
    while last not in text:
        line = process.stdout.readline()
        assert line, f"it ended after:\n{text}"
        text += line
    killer.cancel()
    return text


def command_after(text: str, title: str) -> str:
    """The command that stands below a line."""
    return text.partition(title)[2].strip().partition("\n\n")[0]


def run(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=PATIENCE * 2)


def test_what_it_prints_can_be_used_as_it_stands(binary: str, grpcurl_program: str) -> None:
    """The token, both broadcasts, the health check; and Ctrl-C ends all of it."""
    up = subprocess.Popen(["/usr/bin/python3", "tools/demo.py", "up", binary], cwd=ROOT, env=clean_environment(),
                          stdout=subprocess.PIPE, text=True)
    try:
        text = read_until(up, "Ctrl-C ends it.")
        edge = re.search(r"http://([0-9.:]+)/#token=", text)
        assert edge
        token = command_after(text, "A token for other clients (user alice, 12 hours):")
        browser = Browser(edge[1], with_query("/ws", streams="notifications", token=token))
        assert browser.welcome["user"]["id"] == "alice"

        with_grpcurl = command_after(text, "Broadcast to her:").replace("grpcurl", grpcurl_program, 1)
        called = run(with_grpcurl)
        assert json.loads(called.stdout)["receipt"]["sessions"] == 1, called
        message = browser.receive()
        assert (message["stream"], message["event"]) == ("notifications", "notification.created")
        assert message["data"] == {"id": 1}

        called = run(command_after(text, "The same without grpcurl:"))
        assert called.returncode == 0 and "went to 1 sessions" in called.stdout, called
        assert browser.receive()["data"] == {"text": "Dinner is ready"}

        called = run(command_after(text, "Is it ready?"))
        assert called.stdout == "ready\n"

        up.send_signal(signal.SIGINT)
        assert browser.receive()["event"] == "restart"
        browser.receive_close()
        assert up.wait(PATIENCE) == 0
    finally:
        if up.poll() is None:
            up.terminate()
            up.wait(PATIENCE)
        assert up.stdout is not None
        up.stdout.close()
