"""carillon publish and send: one message and many, from arguments and from standard input, of which nothing is lost."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest
from support.command_line import Shell
from support.gateway import Gateway, token
from support.patience import scaled
from support.ws import Browser, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]

KEY = "canary-publisher-0123456789abcdef"
NARROW = "canary-narrow-0123456789abcdef"


@pytest.fixture(scope="module")
def shards() -> int:
    return 2


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "control": {"keys": [{"name": "all", "secret": KEY, "verbs": ["publish", "read", "admin"]},
                             {"name": "narrow", "secret": NARROW, "verbs": ["publish"], "streams": ["a-*"]}]},
        "streams": [{"pattern": "log-*", "log": {"mode": "log", "messages": 20000, "max_bytes": "64MiB"}}],
    }  # fmt: skip


@pytest.fixture
def shell(shell: Shell) -> Shell:
    shell.environment["CARILLON_TOKEN"] = KEY
    return shell


def kept(shell: Shell, stream: str) -> list[Any]:
    """What the stream's log holds."""
    return [json.loads(line["json"]) if line.get("json") else None for line in shell.run("history", stream, "-o", "jsonl").lines]


# --- One message ---


@pytest.mark.parametrize("text", ['{"a":"é"}', "[1,2]", '"x,y"', "17", "null", "{}", "[]"])
def test_a_payload_arrives_as_it_is(shell: Shell, connect: Connect, fresh: Fresh, text: str) -> None:
    stream = fresh("s")
    browser = connect(f"/ws?streams={stream}")
    receipt = shell.run("publish", stream, "said", text, "-o", "json").json
    assert receipt["sessions"] == 1 and receipt["duplicate"] is False
    message = browser.receive()
    assert (message["stream"], message["event"], message["data"], message["meta"]["id"]) == (stream, "said", json.loads(text), receipt["message_id"])


def test_options(shell: Shell, connect: Connect, fresh: Fresh) -> None:
    stream, ann, bob = fresh("log"), fresh("ann"), fresh("bob")
    (a, b) = (connect(with_query("/ws", streams=stream, token=token(user, roles=[user]))) for user in (ann, bob))
    first = shell.run("publish", stream, "e", "1", "--request-id", stream, "--meta", "trace=x=y", "--to-role", ann, "--report", "-o", "json").json
    assert (first["report"]["queued"], first["report"]["filtered"]) == (1, 1)
    assert a.receive()["meta"]["trace"] == "x=y"
    again = shell.run("publish", stream, "e", "1", "--request-id", stream, "--meta", "trace=x=y", "--to-role", ann).record
    assert (again["duplicate"], again["offset"]) == ("true", "1")
    shell.run("publish", stream, "for-bob", "2", "--not-user", ann, "--skip-history", "--deliver-within", "1m", "--ttl", "1m")
    b.receive_until("for-bob")
    position = f"{first['position']['epoch']}:1"
    shell.run("publish", stream, "e", "3", "--expect", position)
    assert "[POSITION_MISMATCH]" in shell.refused("publish", stream, "e", "4", "--expect", position, code=1)
    assert "[REQUEST_ID_REUSED]" in shell.refused("publish", stream, "e", "5", "--request-id", stream, code=1)


def test_send_to_users_sessions_and_all(shell: Shell, connect: Connect, fresh: Fresh) -> None:
    user, stream = fresh("ann"), fresh("s")
    inside = connect(with_query("/ws", streams=stream, token=token(user)))
    outside = connect(with_query("/ws", token=token(user)))
    shell.run("send", user, "one", '{"n":1}')
    assert [each.receive()["event"] for each in (inside, outside)] == ["one", "one"]
    shell.run("send", user, "two", "2", "--stream", stream)
    shell.run("send", user, "three", "3", "--stream", stream, "--any-session")
    assert [inside.receive()["event"], inside.receive()["event"], outside.receive()["event"]] == ["two", "three", "three"]
    assert shell.run("send", "--session", outside.session, "four", "[4]", "-o", "json").json["sessions"] == 1
    assert outside.receive()["data"] == [4]
    shell.run("send", "--all", "five", "5", "--stream", stream)
    assert [each.receive()["event"] for each in (inside, outside)] == ["five", "five"]


# --- Many ---


def test_templates_count_and_differ(shell: Shell, fresh: Fresh) -> None:
    stream = fresh("log")
    text = '{"n":{{.Count}},"at":"{{ .Time }}","ms":{{.UnixMs}},"dice":{{.Random}},"id":"{{.ID}}","twice":{{.Count}}}'
    done = shell.run("publish", stream, "tick", text, "--count", "300", "-o", "json").json
    assert (done["published"], done["failed"]) == (300, 0) and done["per_second"] > 0
    messages = kept(shell, stream)
    assert [each["n"] for each in messages] == [each["twice"] for each in messages] == list(range(1, 301))
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", each["at"]) for each in messages)
    assert len({each["id"] for each in messages}) == 300 and len({each["dice"] for each in messages}) > 200
    assert all(0 <= each["dice"] < 1_000_000 for each in messages)


def test_templates_can_be_text(shell: Shell, fresh: Fresh) -> None:
    stream = fresh("log")
    shell.run("publish", stream, "e", '"{{.Count}} {{.Other}}"', "--literal")
    shell.run("publish", stream, "e", stdin='"{{.Count}}"\n')
    assert kept(shell, stream) == ["{{.Count}} {{.Other}}", "{{.Count}}"]
    assert "{{.Other}}: there is no such template" in shell.refused("publish", stream, "e", '"{{.Other}}"', code=2)


def test_a_rate_is_kept(shell: Shell, fresh: Fresh) -> None:
    """Twenty at a hundred a second take at least 190 ms, whatever the machine."""
    stream = fresh("log")
    assert shell.run("publish", stream, "e", "1", "--count", "20", "--rate", "100", "-o", "json").json["seconds"] >= 0.19
    assert len(kept(shell, stream)) == 20


def test_each_line_is_a_message_in_its_order(shell: Shell, fresh: Fresh) -> None:
    """Also the last one, without its line end; blank lines are nothing."""
    stream, count = fresh("log"), scaled(10_000, 500)
    lines = "\n".join(json.dumps({"n": n, "pad": "x" * (n % 50)}) for n in range(count))
    done = shell.run("publish", stream, "line", "-", stdin=lines.replace("\n", "\r\n\n", 1))
    assert done.record["published"] == str(count)
    assert [each["n"] for each in kept(shell, stream)] == list(range(count))


def test_bad_lines_are_named_and_nothing_else_is_lost(shell: Shell, fresh: Fresh) -> None:
    stream = fresh("log")
    lines = [b'{"n":1}', b"not json", b"", b'{"n":2}', b'"\xff"', b'"' + b"x" * 1_200_000 + b'"', b'"' + b"y" * 700_000 + b'"', b'{"n":3}', b"{"]
    done = shell.run("publish", stream, "line", stdin=b"\n".join(lines), code=1)
    assert sorted(int(number) for number in re.findall(r"^line (\d+): ", done.err, re.M)) == [2, 5, 6, 7, 9]
    assert "5 of 8 messages were refused" in done.err and "line 5: not UTF-8" in done.err
    assert done.record["published"] == "3" and done.record["failed"] == "5"
    assert [each["n"] for each in kept(shell, stream)] == [1, 2, 3]


def test_complaints_that_are_all_alike_end(shell: Shell, fresh: Fresh) -> None:
    done = shell.run("publish", fresh("s"), "e", "{", "--count", "500", code=2)
    assert done.err.count("\nmessage ") < 30 and "500 of 500 messages were refused" in done.err


def test_large_messages_share_requests_as_they_fit(shell: Shell, fresh: Fresh) -> None:
    stream = fresh("log")
    shell.run("publish", stream, "e", stdin="\n".join(json.dumps(str(n) + "x" * 300_000) for n in range(8)))
    assert [each[0] for each in kept(shell, stream)] == list("01234567")


def test_a_line_that_somebody_types_goes_out_at_once(shell: Shell, connect: Connect, fresh: Fresh, keep: Callable[[Any], Any]) -> None:
    stream = fresh("s")
    browser = connect(f"/ws?streams={stream}")
    typing = keep(shell.start("publish", stream, "typed", "-"))
    for n in range(3):
        typing.write(f"{n}\n")
        assert browser.receive()["data"] == n
    assert typing.end().record["published"] == "3"


def test_an_interrupt_ends_it_in_good_order(shell: Shell, connect: Connect, fresh: Fresh, keep: Callable[[Any], Any]) -> None:
    """What was read is published, and said."""
    stream = fresh("s")
    browser = connect(f"/ws?streams={stream}")
    typing = keep(shell.start("publish", stream, "typed"))
    typing.write("1\n")
    assert browser.receive()["data"] == 1
    done = typing.end(signal.SIGINT)
    assert done.code == 1 and done.record["published"] == "1" and "interrupted" in done.err and "try: " in done.err


def test_a_gateway_that_goes_away_in_the_middle(start_gateway: Callable[..., Gateway], shell: Shell, keep: Callable[[Any], Any], fresh: Fresh) -> None:
    """Says how far it came."""
    gateway = start_gateway()
    typing = keep(shell.start("publish", "s", "typed", "--address", gateway.control))
    typing.write("1\n2\n")
    gateway.wait_for_metric("carillon_broadcasts_total", 2)
    gateway.stop()
    typing.write("3\n")
    done = typing.end()
    assert done.code == 3 and "up to line 2" in done.err and "try: " in done.err, done


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["publish", "s"], "event is required"),
        (["publish", "s", "e", "1", "2"], "publish does not take 2"),
        (["publish", "s", "e", "not json"], "event.json: not JSON"),
        (["publish", "a b", "e", "1"], "stream"),
        (["publish", "s", "", "1"], "event.name"),
        (["publish", "s", "e", "1", "--count", "0"], "--count"),
        (["publish", "s", "e", "1", "--rate", "-1"], "--rate"),
        (["publish", "s", "e", "1", "--meta", "x"], "is not key=value"),
        (["publish", "s", "e", "1", "--ttl", "x"], "a duration such as"),
        (["publish", "s", "e", "1", "--count", "2", "--request-id", "x"], "--request-id: for one message"),
        (["publish", "s", "e", "1", "--count", "2", "--report"], "--report: for one message"),
        (["publish", "s", "e", "-", "--count", "2"], "--count: standard input"),
        (["publish", "s", "e"], "standard input held no message"),
        (["send", "alice"], "event is missing"),
        (["send", "--all", "e", "1", "2"], "a word too many"),
        (["send", "--all", "--session", "x", "e", "1"], "excludes"),
        (["send", "--session", "x", "e", "1"], "session_id"),
    ],
)
def test_wrong_usage(shell: Shell, arguments: list[str], said: str) -> None:
    assert said in shell.refused(*arguments, code=2)


@pytest.mark.parametrize("flag", [[], ["--print-grpcurl"]])
def test_input_that_cannot_be_read(shell: Shell, flag: list[str]) -> None:
    done = shell.shell(f"carillon publish s e {' '.join(flag)} <.")
    assert done.code == 2 and "standard input cannot be read: Is a directory" in done.err, done


def test_what_is_not_utf8_is_named(shell: Shell) -> None:
    for words, name in (("publish $'\\xff' e 1", "STREAM"), ("send $'\\xff' e 1", "USER"), ("send --session $'\\xff' e 1", "--session")):
        done = shell.shell(f"carillon {words}")
        assert done.code == 2 and f"{name}: is not UTF-8" in done.err, done


def test_a_key_that_may_not_is_denied(shell: Shell, fresh: Fresh) -> None:
    """Also of several messages, where each is refused by itself."""
    for several in ([], ["--count", "3"]):
        done = shell.run("publish", "b-1", "e", "1", "--key", NARROW, *several, code=4)
        assert "this key is for the streams a-* only" in done.err and "try: " in done.err and NARROW not in done.out + done.err
