"""The commands of the binary that ask a running gateway one thing: what they say in each format, their exit codes, and
that the grpcurl lines they print do the same."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import shop
from support.command_line import Shell
from support.control import Control
from support.gateway import Gateway, token
from support.ws import Browser, ClosedByGateway, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]

KEYS = {"all": ["publish", "read", "admin"], "reader": ["read"], "writer": ["publish"]}


def key(name: str) -> str:
    return f"canary-{name}-0123456789abcdef"


@pytest.fixture(scope="module")
def shards() -> int:
    return 2


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "control": {"keys": [{"name": name, "secret": key(name), "verbs": verbs, "apps": ["*"]} for name, verbs in KEYS.items()]},
        "streams": [{"pattern": "log-*", "log": {"mode": "log", "messages": 3000, "max_bytes": "64MiB"}, "description": "kept"}, {"pattern": "here-*", "presence": {"mode": "on"}}],
        "apps": [{"name": "shop"}],
    }


@pytest.fixture
def shell(shell: Shell) -> Shell:
    shell.environment["CARILLON_TOKEN"] = key("all")
    return shell


@pytest.fixture
def control(gateway: Gateway, keep: Callable[[Any], Any]) -> Control:
    return keep(Control(gateway.control, key("all")))


# --- Look ---


def test_sessions(shell: Shell, connect: Connect, fresh: Fresh) -> None:
    user = fresh("ann")
    text = token(user, name="Ann", labels={"team": user})
    ids = sorted(connect(with_query("/ws", token=text)).session for _ in range(3))

    assert [row[0] for row in shell.run("sessions", "--user", user).table] == ids
    assert [row["session_id"] for row in shell.run("sessions", "--label", f"team={user}", "-o", "json").json] == ids
    assert [row["session_id"] for row in shell.run("sessions", "--user", user, "-o", "jsonl").lines] == ids
    assert [row["session_id"] for row in shell.run("sessions", "--user", user, "-o", "jsonl", "--limit", "2").lines] == ids[:2]
    assert shell.run("sessions", "--user", fresh("nobody"), "-o", "json").json == []
    assert shell.run("sessions", "--user", fresh("nobody")).table == []


def test_a_session_and_its_rates(shell: Shell, connect: Connect, fresh: Fresh) -> None:
    stream = fresh("s")
    session = connect(f"/ws?streams={stream}").session

    plain = shell.run("session", session).record
    assert (plain["session"], plain["endpoint"], plain["streams"], plain["sent a second"]) == (session, "/ws", stream, "-")
    measured = shell.run("session", session, "--measure", "50ms", "-o", "json").json
    assert measured["rates"]["said"] == 0 and measured["streams"] == [stream]


def test_streams_and_who_subscribes(shell: Shell, connect: Connect, fresh: Fresh) -> None:
    stream, user = fresh("log-s"), fresh("ann")
    browsers = [connect(with_query("/ws", streams=stream, token=token(user, labels={"a": "b"}))) for _ in range(2)]

    assert shell.run("streams", stream[:-3] + "*", "--min-sessions", "2").table == [[stream, "2"]]
    assert shell.run("streams", stream, "--min-sessions", "3", "-o", "json").json == []
    one = shell.run("stream", stream).record
    assert (one["stream"], one["sessions"], one["rule"], one["description"], one["newest offset"]) == (stream, "2", "log-*", "kept", "0")
    for whose in ([stream], ["--user", user]):
        listed = shell.run("subs", *whose, "-o", "jsonl").lines
        assert [row["session_id"] for row in listed] == sorted(browser.session for browser in browsers)
        assert listed[0]["labels"] == {"a": "b"}
    assert "a=b" in shell.run("subs", stream).out


def test_presence(shell: Shell, connect: Connect, fresh: Fresh) -> None:
    stream, user = fresh("here"), fresh("ann")
    connect(with_query("/ws", streams=stream, token=token(user, name="Ann")))
    (row,) = shell.run("presence", stream).table
    assert row[:3] == [user, "Ann", "online"]
    assert shell.run("presence", stream, "-o", "json").json[0]["user_id"] == user
    assert "[NO_PRESENCE]" in shell.refused("presence", fresh("other"), code=1)


def test_history_of_streams_and_inboxes(shell: Shell, fresh: Fresh) -> None:
    stream = fresh("log")
    for n in range(3):
        shell.run("publish", stream, "said", f'{{"n":{n}}}')
    everything = shell.run("history", stream, "-o", "jsonl").lines
    assert [json.loads(each["json"])["n"] for each in everything] == [0, 1, 2]
    assert [row[2:5] for row in shell.run("history", stream).table] == [[str(n), stream, "said"] for n in (1, 2, 3)]
    first = everything[0]["position"]
    after = shell.run("history", stream, "--after", f"{first['epoch']}:1", "-o", "jsonl").lines
    assert after == everything[1:]
    assert "[POSITION_MISMATCH]" in shell.refused("history", stream, "--after", "otherepoch:1", code=1)
    assert "[NO_LOG]" in shell.refused("history", "--user", fresh("ann"), code=1)


def test_all_pages_are_read(shell: Shell, fresh: Fresh) -> None:
    """More than a page holds, in the order that there is; --limit stops anywhere."""
    stream = fresh("log")
    shell.run("publish", stream, "n", "{{.Count}}", "--count", "2100")
    numbers = [str(n) for n in range(1, 2101)]
    assert [line["json"] for line in shell.run("history", stream, "-o", "jsonl").lines] == numbers
    assert [each["json"] for each in shell.run("history", stream, "-o", "json").json] == numbers
    assert [row[-1] for row in shell.run("history", stream, "--limit", "1001").table] == numbers[:1001]


def test_nodes_and_health(shell: Shell) -> None:
    (node,) = shell.run("nodes", "-o", "json").json
    assert node["shards"] == 2 and node["draining"] is False
    assert shell.run("nodes").table[0][0] == node["node_id"]
    assert shell.run("nodes").out.splitlines()[1].endswith("-") and node["drains"] == node["hooks"] == []
    assert shell.run("drain", "--endpoint", "/ws", "--delay", "1m").code == 0
    assert "endpoint /ws draining (0 left, by all)" in shell.run("nodes").out
    assert shell.run("drain", "--endpoint", "/ws", "--undo").code == 0
    assert shell.run("health").record == {"status": "SERVING"}
    nobody = {"CARILLON_TOKEN": None}
    assert shell.run("health", "--service", "carillon.v1.ControlService", "-o", "json", environment=nobody).json == {"status": "SERVING"}
    shell.refused("health", "--service", "no.such.Service", code=1)


def test_message_types(shell: Shell, tmp_path: Path, fresh: Fresh) -> None:
    """Of protoc's file, from the first word to the last."""
    file = tmp_path / "shop.binpb"
    file.write_bytes(shop.descriptors())
    name, stream = fresh("shop"), fresh("orders")
    registered = shell.run("register", name, str(file), "-o", "json").json
    assert registered["types"] > 0 and registered["replaced"] is False
    assert [row[0] for row in shell.run("schemas").table] == [name]
    assert shell.run("bind", stream, "order.*", "shop.v1.Order").record == {"replaced": "false"}
    assert [row[:3] for row in shell.run("bindings").table] == [[stream, "order.*", "shop.v1.Order"]]
    assert 'price' in shell.refused("publish", stream, "order.placed", '{"items":[{"price":"x"}]}', code=2)
    assert "is bound to it" in shell.refused("unregister", name, code=1)
    assert "type: is empty" in shell.refused("bind", stream, "order.*", "", code=2)
    assert shell.run("unbind", stream, "order.*").record == {"was bound": "true"}
    assert shell.run("unregister", name).record == {"was there": "true"}
    assert shell.run("schemas", "-o", "json").json == shell.run("bindings", "-o", "json").json == []
    (tmp_path / "empty").touch()
    for wrong, why in (("empty", "is empty"), ("missing", "No such file"), (".", "Is a directory")):
        assert why in shell.refused("register", name, str(tmp_path / wrong), code=2)


def test_what_a_command_does_not_take(shell: Shell) -> None:
    """What stands behind an unknown flag may be a key."""
    for words, shown in (
        (("nodes", "--kee", "s3cret"), "nodes does not take --kee"),
        (("nodes", "--kee=s3cret"), "nodes does not take --kee"),
        (("nodes", "-ks3cret"), "nodes does not take -k"),
        (("stream", "a", "b"), "stream does not take b"),
        (("--key", "s3cret", "nodes"), "behind the command"),
    ):
        said = shell.refused(*words, code=2)
        assert shown in said and "s3cret" not in said, said


def test_a_gateway_that_ends_is_not_healthy(binary: str, start_gateway: Callable[..., Gateway], shell: Shell) -> None:
    ended = start_gateway()
    ended.stop()
    assert ended.control in shell.refused("health", "--address", ended.control, code=3)


# --- Act ---


def test_kick(shell: Shell, connect: Connect, fresh: Fresh) -> None:
    user, stream = fresh("ann"), fresh("s")
    text = token(user)
    tabs = [connect(with_query("/ws", streams=stream, token=text)) for _ in range(3)]
    assert shell.run("kick", "--session", tabs[0].session).record == {"sessions": "1"}
    assert tabs[0].receive_close() == (4005, "kicked")
    assert shell.run("kick", user, "--code", "4100", "--reason", "later, please", "-o", "json").json["sessions"] == 2
    assert [tab.receive_close() for tab in tabs[1:]] == [(4100, "later, please")] * 2
    assert shell.run("kick", "--stream", stream, "-o", "jsonl").lines[0]["sessions"] == 0


def test_subscribe_and_unsubscribe(shell: Shell, connect: Connect, control: Control, fresh: Fresh) -> None:
    user, stream = fresh("ann"), fresh("s")
    tabs = [connect(with_query("/ws", token=token(user))) for _ in range(2)]
    assert shell.run("subscribe", user, stream, "--session", tabs[0].session).record == {"sessions": "1", "refused": "0"}
    assert shell.run("subscribe", user, stream).record["sessions"] == "2"
    assert control.count(stream=stream) == 2
    assert shell.run("unsubscribe", user, stream).record == {"sessions": "2"}
    assert control.count(stream=stream) == 0


def test_block_list_unblock(shell: Shell, connect: Connect, fresh: Fresh) -> None:
    user = fresh("mallory")
    browser = connect(with_query("/ws", token=token(user)))
    assert shell.run("block", user, "--for", "1h", "--reason", "spam").record == {"sessions": "1"}
    assert browser.receive_close() == (4003, "spam")
    (row,) = [row for row in shell.run("blocked", "-o", "json").json if row["user_id"] == user]
    assert row["reason"] == "spam" and row["expire_time"]
    assert shell.run("unblock", user).record == {"was blocked": "true"}
    assert shell.run("unblock", user, "-o", "json").json == {"was_blocked": False}


def test_revoke(shell: Shell, connect: Connect, fresh: Fresh) -> None:
    user, one = fresh("ann"), fresh("jti")
    browser = connect(with_query("/ws", token=token(user)))
    assert shell.run("revoke", user, "--before", "2001-01-01T00:00:00Z").record == {"sessions": "1"}
    with pytest.raises(ClosedByGateway):
        browser.next_message()
    assert shell.run("revoke", "--token-id", one).record == {"sessions": "0"}


def test_apps_are_apart(shell: Shell, fresh: Fresh) -> None:
    user = fresh("ann")
    shell.run("block", user, "--app", "shop")
    assert user in shell.run("blocked", "--app", "shop").out
    assert user not in shell.run("blocked").out
    assert "[APP_UNKNOWN]" in shell.refused("blocked", "--app", "none", code=1)


# --- Exit codes and bad input ---


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["kick"], "give one of user, --session, --stream"),
        (["kick", "a", "--session", "b"], "another target was given"),
        (["kick", "a", "--code", "abc"], '--code: "abc" is not a whole number'),
        (["kick", "a", "--code", "17"], "code"),
        (["kick", "a", "b"], "kick does not take b"),
        (["subs"], "give one of stream, --user"),
        (["subs", "a", "--limit", "x"], "--limit"),
        (["subs", "a b"], "stream"),
        (["sessions", "--label", "team"], '--label: "team" is not key=value'),
        (["sessions", "-o", "xml"], "table"),
        (["session", "x"], "session_id"),
        (["session", "0000aaaaaaaaaaaaaaaa", "--measure", "1 hour"], "a duration such as"),
        (["history", "a", "--after", "17"], "is no position such as"),
        (["revoke", "a", "--before", "yesterday"], "is no time such as"),
        (["block", "a", "--for", "soon"], "a duration such as"),
        (["block"], "user is required"),
        (["kick", b"\xff".decode("utf-8", "surrogateescape")], "user: is not UTF-8"),
        (["nodes", "--timeout", "never"], "--timeout"),
        (["nodes", "--address", "somewhere"], '"somewhere" is no host:port'),
        (["nodes", "--address", "http://127.0.0.1:1"], "is no host:port"),
        (["nodes", "--address", "a:99999"], "is no host:port"),
        (["nodes", "--key", "with blanks"], "the key holds characters"),
        (["nodes", "--key", "a", "--key-file", "b"], "not both"),
        (["nodes", "--key-file", "no-such-file"], "no-such-file"),
        (["nodes", "--ca", "no-such-file"], "--ca"),
        (["nodes", "--ca", "."], "--ca"),
        (["nodes", "--cert", "a"], "--cert and --cert-key go together"),
        (["nodes", "--context", "nowhere"], 'no context "nowhere"'),
        (["top", "--interval", "0"], "--interval"),
        (["watch", "--kind", "nothing"], "is none of"),
        (["watch", "--resume", "x"], "is no position"),
        (["nosuch"], "there is no command"),
    ],
)
def test_wrong_usage(shell: Shell, arguments: list[str], said: str) -> None:
    """Exit code 2, and words that name what is wrong."""
    assert said in shell.refused(*arguments, code=2)


def test_unknown_commands_are_answered_with_those_that_there_are(shell: Shell) -> None:
    said = shell.refused("kikc", code=2)
    assert "(kick?)" in said
    groups = [line.split()[0] for line in said.splitlines() if line.startswith("  ")]
    assert groups == ["Run", "Configure", "Use", "Look", "Act", "Measure", "Diagnose", "Convenience"]


def test_denied(shell: Shell, fresh: Fresh) -> None:
    """Exit code 4: no key, a wrong one, one that may not."""
    assert "[KEY_INVALID]" in shell.refused("nodes", environment={"CARILLON_TOKEN": None}, code=4)
    assert "[KEY_INVALID]" in shell.refused("nodes", "--key", "another", code=4)
    said = shell.refused("kick", fresh("ann"), "--key", key("reader"), code=4)
    assert "lacks the verb admin" in said and "carillon doctor" in said
    assert "[KEY_TOO_NARROW]" in shell.refused("publish", "s", "e", "1", "--key", key("reader"), code=4)


@pytest.mark.parametrize("command", [["nodes"], ["publish", "s", "e", "1"], ["publish", "s", "e", "1", "--count", "3"], ["watch"], ["top"], ["history", "s"]])
def test_unreachable(shell: Shell, command: list[str]) -> None:
    """Exit code 3."""
    assert "127.0.0.1:1" in shell.refused(*command, "--address", "127.0.0.1:1", code=3)


def test_too_late_is_unreachable(shell: Shell) -> None:
    """Somebody who takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        said = shell.refused("nodes", "--address", address, "--timeout", "100ms", code=3)
    assert "within 100 ms" in said and "--timeout" in said


def test_what_clients_say_cannot_play_with_a_terminal(shell: Shell, connect: Connect, fresh: Fresh) -> None:
    user = fresh("ann")
    connect(with_query("/ws", token=token(user, name="\x1b[31mred\u202e")))
    said = shell.run("sessions", "--user", user).out
    assert "\x1b" not in said and "\u202e" not in said and "\\u001b[31mred\\u202e" in said


# --- Standard output ---


def test_somebody_who_has_seen_enough_is_no_error(shell: Shell, fresh: Fresh) -> None:
    stream = fresh("log")
    shell.run("publish", stream, "n", '"' + 1000 * "x" + '"', "--count", "900")
    done = shell.shell(f"carillon history {stream} -o jsonl | head -1")
    assert (done.code, done.err, len(done.lines)) == (0, "", 1)


def test_a_full_disk_is_an_error(shell: Shell) -> None:
    done = shell.shell("carillon nodes > /dev/full")
    assert done.code == 1 and "No space left" in done.err and "try: " in done.err


# --- grpcurl ---


@pytest.mark.parametrize(
    "arguments",
    [
        ["streams", "a*", "--min-sessions", "2"],
        ["stream", "chat"],
        ["subs", "chat", "--limit", "3"],
        ["subs", "--user", "o'hara $HOME `id`"],
        ["sessions", "--label", "a=b c", "--label", "d=e"],
        ["session", "$SESSION", "--measure", "50ms"],
        ["presence", "here-1"],
        ["history", "log-1"],
        ["nodes"],
        ["blocked"],
        ["kick", "nobody", "--code", "4100", "--reason", "it's \"late\"\\"],
        ["subscribe", "alice", "chat"],
        ["unsubscribe", "alice", "chat"],
        ["block", "nobody", "--for", "1h"],
        ["unblock", "nobody"],
        ["revoke", "nobody", "--before", "2001-01-01T00:00:00Z"],
        ["health"],
        ["top"],
        ["publish", "log-1", "it's", '{"a":"it\'s $HOME"}', "--meta", "trace=1", "--ttl", "5s"],
        ["publish", "chat", "n", "{{.Count}}", "--count", "3"],
        ["send", "alice", "hi", "[1,2]", "--stream", "chat", "--any-session"],
        ["send", "--session", "$SESSION", "hi", "null"],
        ["send", "--all", "hi", '"x"', "--app", "shop"],
    ],
    ids=lambda arguments: "-".join(arguments[:2]),
)
def test_the_lines_of_grpcurl_do_the_same(
    shell: Shell, connect: Connect, grpcurl_program: str, tmp_path_factory: pytest.TempPathFactory, arguments: list[str]
) -> None:
    """As they are printed, in a shell that knows $KEY."""
    session = connect("/ws").session
    words = [session if word == "$SESSION" else word for word in arguments]
    printed = shell.run(*words, "--print-grpcurl")
    assert key("all") not in printed.out + printed.err and '"authorization: Bearer $KEY"' in printed.out
    script = re.sub(r"^grpcurl ", f"{grpcurl_program} ", printed.out, flags=re.M)
    done = shell.shell("set -e\n" + script, environment={"KEY": key("all")})
    assert done.code == 0, done
    assert done.out.count("\n{\n") + done.out.startswith("{") >= 1 or done.out == "{}\n" * printed.out.count("\n")


def test_nothing_is_done_where_grpcurl_is_printed(shell: Shell, connect: Connect, fresh: Fresh) -> None:
    user = fresh("ann")
    browser = connect(with_query("/ws", token=token(user)))
    shell.run("kick", user, "--print-grpcurl")
    browser.ask("ping")
