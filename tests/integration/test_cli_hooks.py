"""carillon hooks: a backend that the gateway asks, whose answers are a command's."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from carillon_client._pb import hooks_pb2 as pb
from carillon_client._pb import hooks_pb2_grpc
from support.command_line import Running, Shell
from support.gateway import Gateway
from support.patience import PATIENCE, eventually
from support.ws import Browser

KEY = "a-key-for-the-backend-0123456789"
ALLOW = """echo '{"allowed": true}'"""

Begin = Callable[..., "Backend"]


class Backend:
    """It runs, and we ask it as a gateway would."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.address = running.line()
        self._channel = grpc.insecure_channel(self.address)
        grpc.channel_ready_future(self._channel).result(PATIENCE)  # so that no deadline below pays for it
        self.stub = hooks_pb2_grpc.HooksServiceStub(self._channel)

    def subscribe(self, key: str | None = None, timeout: float = PATIENCE, **fields: Any) -> Any:
        """The answer to AuthorizeSubscribe."""
        metadata = None if key is None else (("authorization", key),)
        return self.stub.AuthorizeSubscribe(pb.AuthorizeSubscribeRequest(**fields), metadata=metadata, timeout=timeout)

    def refused(self, **how: Any) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.RpcError) as caught:
            self.subscribe(**how)
        error: Any = caught.value
        return error.code(), error.details()

    def close(self) -> None:
        self._channel.close()
        self.running.close()


@pytest.fixture
def alone(binary: str, tmp_path: Path) -> Shell:
    """A shell that knows no gateway."""
    return Shell(binary, tmp_path / "home")


@pytest.fixture
def begin(alone: Shell, keep: Callable[[Any], Any]) -> Begin:
    """Answers with a script of sh, on a free port."""
    return lambda script, *flags: keep(
        Backend(alone.start("hooks", "--listen", "127.0.0.1:0", *flags, "--", "sh", "-c", script))
    )


def test_what_the_documentation_says(
    binary: str, alone: Shell, tmp_path: Path, keep: Callable[[Any], Any], start_gateway: Callable[..., Gateway]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text()
    script = re.search(r"<<'END'\n(.*?)^END", page, re.M | re.S)
    settings = re.search(r"```yaml\n(.*?)^```", page, re.M | re.S)
    assert script and settings
    (alone.home / "answers.sh").write_text(script[1])
    backend = keep(Backend(alone.start("hooks", "--listen", "127.0.0.1:0", "--", "sh", "answers.sh")))
    config = yaml.safe_load(settings[1].replace("127.0.0.1:9000", backend.address))
    config["hooks"][0]["deadline"] = "20s"  # for slow machines
    gateway = start_gateway({"edge": {"endpoints": [{"path": "/ws", "anonymous": True}]}, **config})

    def connect(target: str, **how: Any) -> Browser:
        browser: Browser = keep(Browser(gateway.edge, target, **how))
        return browser

    alice = connect("/ws?streams=room-1", extra=[("Cookie", "sid=s3cret")])
    assert (alice.welcome["user"]["id"], alice.welcome["streams"]) == ("alice", ["room-1"])
    bob = connect("/ws?streams=room-1&token=hush")
    stranger = connect("/ws", extra=[("Cookie", "sid=x")])
    assert stranger.welcome["user"] is None
    (refused,) = stranger.ask("subscribe", streams=["room-1"])["data"]["refused"]
    assert (refused["code"], refused["message"]) == ("forbidden", "not for strangers")
    bob.ask("publish", stream="room-1", event="said", data={"text": "hi"})
    assert alice.receive()["data"] == {"from": "bob", "text": "hi"}
    assert alice.ask("publish", event="sum", data=[1, 2, 4])["data"] == {"event": "sum", "data": 7}


def test_the_line_of_the_hooks_page(begin: Begin) -> None:
    page = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text()
    (line,) = re.findall(r"^carillon hooks .*$", page, re.M)
    listen, shell, *script = shlex.split(line)[2:4], *shlex.split(line)[5:]
    assert listen == ["--listen", "127.0.0.1:9000"] and (shell, script[0]) == ("sh", "-c")
    backend = begin(script[1])
    assert backend.subscribe(stream="order-7").allowed and not backend.subscribe(stream="order-8").allowed


def test_a_command_gets_the_request_and_its_name(begin: Begin, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    backend = begin(f"""cat >{asked}; printf %s "$CARILLON_HOOK" >>{asked}; {ALLOW}""")
    session = pb.HookSession(app="default", session_id="s1", user_id="ann", roles=["staff"], labels={"team": "red"})
    assert backend.subscribe(session=session, stream="rööm").allowed
    request, method = asked.read_text().rsplit("\n", 1)
    assert method == "AuthorizeSubscribe"
    assert json.loads(request) == {
        "session": {
            "app": "default", "session_id": "s1", "user_id": "ann", "name": "", "roles": ["staff"], "labels": {"team": "red"},
        },
        "stream": "rööm",
    }


def test_a_command_need_not_read_its_request(begin: Begin) -> None:
    backend = begin("""echo '{"accept": {}}'""")
    large = pb.AuthorizePublishRequest(json=json.dumps("x" * 1_000_000))
    assert backend.stub.AuthorizePublish(large, timeout=PATIENCE).WhichOneof("outcome") == "accept"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'no such table' >&2; exit 3", "exit status 3: no such table"),
        ("kill -9 $$", "exit status 137"),
        ("printf 'a\\033[2Jb' >&2; exit 1", "exit status 1: a\\u001b[2Jb"),
        ("head -c 5000 /dev/zero | tr '\\0' x >&2; exit 1", "exit status 1: " + "x" * 200),
        ("true", "no AuthorizeSubscribeResponse in JSON was written: "),
        ("echo yes", "no AuthorizeSubscribeResponse in JSON was written: "),
        ("echo '{\"allowed\": true} x'", "no AuthorizeSubscribeResponse in JSON was written: "),
        ("echo '{\"alowed\": true}'", "no AuthorizeSubscribeResponse in JSON was written: "),
        ("echo '{\"allowed\": true}'; exit 1", "exit status 1"),
    ],
)
def test_what_is_no_answer_is_internal(begin: Begin, script: str, said: str) -> None:
    backend = begin(script)
    code, message = backend.refused()
    assert code is grpc.StatusCode.INTERNAL and message.startswith(said) and len(message) < 400
    assert backend.running.error_line().startswith("AuthorizeSubscribe: " + said[:40])


def test_a_command_that_is_not_there(alone: Shell, keep: Callable[[Any], Any]) -> None:
    backend = keep(Backend(alone.start("hooks", "--listen", "127.0.0.1:0", "--", "no-such-command")))
    code, message = backend.refused()
    assert code is grpc.StatusCode.INTERNAL and message == "cannot start no-such-command: No such file or directory"


def test_too_much_is_no_answer(begin: Begin) -> None:
    code, message = begin("yes").refused()
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED and "1048576 bytes" in message


def gone(pid: int) -> bool:
    """Ended, and waited for by whoever has inherited it; or about to be."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_who_takes_too_long_is_killed_with_its_children(begin: Begin, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    backend = begin(f"echo $$ >{pids}; sleep 1000 & echo $! >>{pids}; wait")
    code, _ = backend.refused(timeout=3)
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "has taken too long" in backend.running.error_line()
    shell, child = pids.read_text().split()
    for pid in (shell, child):
        eventually(partial(gone, int(pid)), bool, "the process is gone")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A pipe that commands wait for."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    yield path


def test_so_many_run_at_once_and_others_wait(begin: Begin, tmp_path: Path, gate: Path) -> None:
    folder = tmp_path / "running"
    folder.mkdir()
    backend = begin(f"touch {folder}/$$; read line <{gate}; rm {folder}/$$; {ALLOW}", "--at-once", "3")
    calls = [
        backend.stub.AuthorizeSubscribe.future(pb.AuthorizeSubscribeRequest(), timeout=PATIENCE) for _ in range(7)
    ]

    def running() -> int:
        return len(list(folder.iterdir()))

    eventually(running, lambda count: count == 3, "three commands run")
    keeper = os.open(gate, os.O_RDWR)  # with a reader of its own, writing never fails
    try:
        for _ in calls:
            assert running() <= 3
            os.write(keeper, b"\n")  # one byte, for one of them
        for call in calls:
            assert call.result(PATIENCE).allowed
    finally:
        os.close(keeper)


def test_questions_that_wait_too_long_have_no_answer(begin: Begin, tmp_path: Path, gate: Path) -> None:
    started = tmp_path / "started"
    backend = begin(f"touch {started}; read line <{gate}; {ALLOW}", "--at-once", "1")
    first = backend.stub.AuthorizeSubscribe.future(pb.AuthorizeSubscribeRequest(), timeout=PATIENCE)
    eventually(started.exists, bool, "the first runs")
    assert backend.refused(timeout=2)[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "it has not begun" in backend.running.error_line()
    gate.write_text("\n")
    assert first.result(PATIENCE).allowed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_with_what_runs(begin: Begin, tmp_path: Path, number: signal.Signals) -> None:
    started = tmp_path / "started"
    backend = begin(f"echo $$ >{started}.new; mv {started}.new {started}; exec sleep 1000")
    call = backend.stub.AuthorizeSubscribe.future(pb.AuthorizeSubscribeRequest(), timeout=PATIENCE)
    eventually(started.exists, bool, "the command runs")
    done = backend.running.end(number)
    assert done.code == 0, done
    assert call.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    eventually(lambda: gone(int(started.read_text())), bool, "the process is gone")


def test_the_key(begin: Begin, alone: Shell) -> None:
    (alone.home / "key").write_text(KEY + "\n")
    backend = begin(ALLOW, "--key-file", "key")
    for shown in (None, "", "Bearer ", KEY, f"Bearer {KEY}x", f"bearer {KEY}"):
        assert backend.refused(key=shown)[0] is grpc.StatusCode.UNAUTHENTICATED
    assert backend.subscribe(f"Bearer {KEY}").allowed


def test_a_socket(alone: Shell, keep: Callable[[Any], Any]) -> None:
    running = keep(alone.start("hooks", "--listen", "unix:socket", "--", "sh", "-c", ALLOW))
    assert running.line() == "unix:socket"
    with grpc.insecure_channel(f"unix:{alone.home}/socket") as channel:
        stub = hooks_pb2_grpc.HooksServiceStub(channel)
        assert stub.AuthorizeSubscribe(pb.AuthorizeSubscribeRequest(), timeout=PATIENCE).allowed


def test_where_it_does_not_listen(alone: Shell, begin: Begin) -> None:
    assert "--insecure" in alone.refused("hooks", "--listen", "0.0.0.0:0", "--", "true", code=2)
    assert "port" in alone.refused("hooks", "--listen", "nowhere", "--", "true", code=2)
    taken = begin(ALLOW).address
    assert f"cannot listen on {taken}" in alone.refused("hooks", "--listen", taken, "--", "true", code=1)
    assert "command" in alone.refused("hooks", code=2)
    assert "is not there" in alone.refused("hooks", "--key-file", "nothing", "--", "true", code=2)
    (alone.home / "blank").write_text("\n")
    assert "holds none" in alone.refused("hooks", "--key-file", "blank", "--", "true", code=2)


def test_others_are_answered_where_that_is_said(alone: Shell, keep: Callable[[Any], Any]) -> None:
    backend = keep(Backend(alone.start("hooks", "--listen", "0.0.0.0:0", "--insecure", "--", "sh", "-c", ALLOW)))
    assert backend.subscribe().allowed
