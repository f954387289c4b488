"""carillon watch and top: what goes on until somebody ends it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest
from support.command_line import Running, Shell
from support.control import Control
from support.feed import wait_for_watchers
from support.gateway import Gateway, token
from support.patience import PATIENCE, eventually
from support.ws import Browser, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]
Start = Callable[..., Running]


@pytest.fixture(scope="module")
def shards() -> int:
    return 2


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"streams": [{"pattern": "log-*", "log": {"mode": "log"}}], "client_events": [{"event": "ask-*"}]}


@pytest.fixture
def start(shell: Shell, keep: Callable[[Any], Any]) -> Start:
    return lambda *arguments: keep(shell.start(*arguments))


def of(lines: list[str]) -> list[tuple[str, int]]:
    events = [json.loads(line) for line in lines]
    return [(event["kind"].removeprefix("EVENT_KIND_").lower(), int(event["offset"])) for event in events]


def test_events_of_a_session_line_by_line(gateway: Gateway, start: Start, connect: Connect, fresh: Fresh) -> None:
    user, stream = fresh("ann"), fresh("s")
    watch = start("watch", "-o", "jsonl", "--user", user)
    table = start("watch", "--user", user, "--kind", "session_opened", "--kind", "session_closed", "--count", "2")
    wait_for_watchers(gateway, 2)
    connect(with_query("/ws", streams=stream, token=token(user, name="Ann"))).leave()
    said = of([watch.line() for _ in range(3)])
    assert [kind for kind, _ in said] == ["session_opened", "subscribed", "session_closed"]
    done = watch.end(signal.SIGINT)
    assert done.code == 0 and f":{said[-1][1]}" in done.err and "--resume" in done.err

    shown = table.end()
    assert shown.code == 0 and shown.out.splitlines()[0].split() == ["TIME", "OFFSET", "KIND", "USER", "SESSION", "STREAM", "DETAILS"]
    opened, closed = shown.table
    assert opened[2:4] == ["session_opened", user] and "name=Ann" in opened
    assert closed[2:4] == ["session_closed", user] and {"code=1000", "cause=normal"} <= set(closed)
    wait_for_watchers(gateway, 0)


def test_streams_and_what_clients_say(gateway: Gateway, start: Start, connect: Connect, fresh: Fresh) -> None:
    stream = fresh("s")
    watch = start("watch", "-o", "jsonl", "--stream", stream[:-2] + "*", "--kind", "subscribed", "--count", "1")
    wait_for_watchers(gateway, 1)
    connect(f"/ws?streams=other,{stream}")
    event = json.loads(watch.line())
    assert (event["kind"], event["stream"]) == ("EVENT_KIND_SUBSCRIBED", stream)
    assert watch.end().code == 0
    wait_for_watchers(gateway, 0)


def test_resume_and_from_oldest(gateway: Gateway, shell: Shell, start: Start, connect: Connect, fresh: Fresh) -> None:
    user = fresh("ann")
    watch = start("watch", "-o", "jsonl", "--user", user, "--count", "1")
    wait_for_watchers(gateway, 1)
    browser = connect(with_query("/ws", token=token(user)))
    first = json.loads(watch.line())
    place = watch.end().err.split("--resume ")[1].split()[0]
    browser.leave()
    resumed = shell.run("watch", "-o", "jsonl", "--user", user, "--resume", place, "--count", "1").lines
    assert [event["kind"] for event in resumed] == ["EVENT_KIND_SESSION_CLOSED"] and place.endswith(":" + first["offset"])
    oldest = shell.run("watch", "-o", "json", "--user", user, "--from-oldest", "--count", "2").lines
    assert oldest == [first, *resumed]
    lost = shell.run("watch", "--user", user, "--resume", "0123456789ab:5", "--count", "1")
    assert "events were lost" in lost.err and "session_opened" in lost.out
    wait_for_watchers(gateway, 0)


def test_a_group_acknowledges_what_was_shown(gateway: Gateway, shell: Shell, start: Start, connect: Connect, fresh: Fresh) -> None:
    """So the next member goes on behind it, and nothing is shown twice or left out."""
    group, user = fresh("group"), fresh("ann")
    watch = start("watch", "-o", "jsonl", "--group", group, "--user", user, "--count", "2")
    wait_for_watchers(gateway, 1)
    connect(with_query("/ws", streams=fresh("s"), token=token(user))).leave()
    shown = of([watch.line(), watch.line()])
    assert watch.end().code == 0
    rest = of(shell.run("watch", "-o", "jsonl", "--group", group, "--user", user, "--count", "1").out.splitlines())
    assert [kind for kind, _ in [*shown, *rest]] == ["session_opened", "subscribed", "session_closed"]
    wait_for_watchers(gateway, 0)


def test_a_gateway_that_restarts_is_followed(binary: str, start_gateway: Callable[..., Gateway], tmp_path: Any, start: Start, fresh: Fresh) -> None:
    """With its snapshot, nothing is missed; it says on standard error what happens."""
    snapshot = {"engine": {"memory": {"snapshot": str(tmp_path / "snapshot")}}}
    first = start_gateway(snapshot)
    watch = start("watch", "-o", "jsonl", "--address", first.control, "--kind", "session_opened", "--kind", "drain")
    wait_for_watchers(first, 1)
    Browser(first.edge).leave()
    offsets = [of([watch.line()])[0]]
    first.stop()
    offsets += of([watch.line()])
    assert "the gateway has gone: the gateway is shutting down" in watch.error_line()
    second = start_gateway({**snapshot, "control": {"listen": first.control}})
    assert "the gateway is back" in watch.error_line()
    wait_for_watchers(second, 1)
    Browser(second.edge).leave()
    offsets += of([watch.line()])
    assert [kind for kind, _ in offsets] == ["session_opened", "drain", "session_opened"]
    assert [offset for _, offset in offsets] == sorted(offset for _, offset in offsets)
    assert watch.end(signal.SIGTERM).code == 0


@pytest.mark.parametrize("group", [[], ["--group", "g"]])
def test_who_may_not_watch_is_told(start_gateway: Callable[..., Gateway], shell: Shell, group: list[str]) -> None:
    secret = "the-key-of-all-0123456789"
    gateway = start_gateway({"control": {"keys": [{"name": "all", "secret": secret, "verbs": ["read"]}]}})
    where = {"CARILLON_ADDRESS": gateway.control, "CARILLON_TOKEN": secret}
    for arguments, code, said in (
        (["--key", "wrong"], 4, "key"),
        (["--stream", "bad name"], 2, "filter.streams"),
        (["--app", "nowhere"], 4, "nowhere"),
        (["--count", "0"], 2, "--count"),
    ):
        assert said in shell.refused("watch", *arguments, *group, code=code, environment=where)


@pytest.mark.parametrize("group", [[], ["--group", "g"]])
def test_a_key_that_is_taken_away_ends_it(start_gateway: Callable[..., Gateway], start: Start, group: list[str]) -> None:
    keys = [{"name": name, "secret": f"the-key-{name}-0123456789", "verbs": ["read"]} for name in ("one", "two")]
    gateway = start_gateway({"control": {"keys": keys}})
    watch = start("watch", "--address", gateway.control, "--key", "the-key-one-0123456789", *group)
    wait_for_watchers(gateway, 1)
    gateway.reload({"control": {"keys": keys[1:]}})
    done = watch.end()
    assert done.code == 4 and "key" in done.err and "CANCELLED" not in done.err, done


def test_watching_ends_where_nobody_reads(gateway: Gateway, start: Start, connect: Connect) -> None:
    """With the next event, and without a word: no error."""
    watch = start("watch", "-o", "jsonl")
    wait_for_watchers(gateway, 1)
    assert watch.process.stdout is not None
    watch.process.stdout.close()
    connect("/ws")
    assert watch.process.wait(PATIENCE) == 0
    assert watch.process.stderr is not None and watch.process.stderr.read() == b""


# --- top ---


def test_top_off_a_terminal_prints_snapshots(shell: Shell, connect: Connect, control: Control, fresh: Fresh) -> None:
    """With rates from the second one on."""
    busy, quiet = fresh("log-busy"), fresh("log-quiet")
    browsers = [connect(f"/ws?streams={busy}") for _ in range(3)]
    connect(f"/ws?streams={quiet}")
    text = shell.run("top", "--count", "1").out
    assert "\x1b" not in text and "SLOWEST SESSION" in text and text.index(busy) < text.index(quiet)
    looks = shell.run("top", "--count", "2", "--interval", "50ms", "-o", "jsonl").lines
    assert [[row["stream"] for row in look["busiest"] if row["stream"] in (busy, quiet)] for look in looks] == [[busy, quiet]] * 2
    assert looks[0]["sessions"] >= len(browsers) + 1 and looks[0]["busiest"][0]["published_per_second"] is None
    assert looks[1]["busiest"][0]["published_per_second"] == 0


def test_top_measures_what_is_published(start: Start, connect: Connect, control: Control, fresh: Fresh) -> None:
    stream = fresh("log")
    connect(f"/ws?streams={stream}")
    top = start("top", "--interval", "20ms", "--rows", "1000", "-o", "jsonl")

    def rate() -> float:
        control.to_stream(stream)
        (row,) = [row for row in json.loads(top.line())["busiest"] if row["stream"] == stream]
        return float(row["published_per_second"] or 0)

    eventually(rate, lambda found: found > 0, "a rate")
    assert top.end(signal.SIGINT).code == 0


def test_top_on_a_terminal_has_a_screen_of_its_own(shell: Shell, connect: Connect, fresh: Fresh) -> None:
    """And leaves it; with NO_COLOR there is no bold."""
    stream = fresh("s")
    connect(f"/ws?streams={stream}")
    script = f"script -qec '{shell.binary} top --count 2 --interval 10ms --rows 1000' /dev/null"
    shown = shell.shell(script).out
    assert shown.startswith("\x1b[?1049h") and shown.rstrip().endswith("\x1b[?1049l") and stream in shown and "\x1b[1m" in shown
    plain = shell.shell(script, environment={"NO_COLOR": "1"}).out
    assert stream in plain and "\x1b[1m" not in plain
