"""AdminService.Tail: what goes by a user's sessions, one, or a stream; without payloads and tokens unless they are asked for;
at nobody's cost but the one's who looks."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from carillon_client._pb import admin_pb2, admin_pb2_grpc
from google.protobuf.duration_pb2 import Duration
from support.control import Control, Refusal, event, pb, stream_item
from support.gateway import Gateway, token
from support.patience import PATIENCE, eventually
from support.ws import Browser, with_query

apb = admin_pb2
OUT, IN = apb.TAIL_DIRECTION_OUT, apb.TAIL_DIRECTION_IN

ALL_KEY, SHOP_KEY, CHAT_KEY, READ_KEY = (f"the-key-{name}-0123456789" for name in ("all", "shop", "chat", "read"))
Connect = Callable[..., Browser]
Fresh = Callable[[str], str]
Keep = Callable[[Any], Any]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {"endpoints": [{"path": "/ws", "anonymous": True, "auth_timeout": "0s"}]},
        "streams": [{"pattern": "chat*", "publish": {"who": "anyone"}}, {"pattern": "log-*", "log": {"mode": "log"}}],
        "apps": [{"name": "shop"}],
        "control": {
            "keys": [
                {"name": "operator", "secret": ALL_KEY, "apps": ["*"]},
                {"name": "shopkeeper", "secret": SHOP_KEY, "apps": ["shop"]},
                {"name": "chatter", "secret": CHAT_KEY, "streams": ["chat-*"]},
                {"name": "reader", "secret": READ_KEY, "verbs": ["read"]},
            ]
        },
        "log": {"format": "json"},
    }


class Tail:
    """One call. A thread of its own reads."""

    def __init__(self, gateway: Gateway, key: str = ALL_KEY, reads: bool = True, **request: Any) -> None:
        if "max_age" in request:
            request["max_age"] = Duration(seconds=request["max_age"])
        self.control = Control(gateway.control, key)
        stub: Any = admin_pb2_grpc.AdminServiceStub(self.control.channel)
        self.call = stub.Tail(apb.TailRequest(**request), metadata=self.control.metadata, timeout=10 * PATIENCE)
        self.begun: Any = None
        self.left_out = self.lost = 0
        self.end = apb.TAIL_END_UNSPECIFIED
        self._frames: queue.SimpleQueue[Any] = queue.SimpleQueue()
        if reads:
            self.take_first()
            threading.Thread(target=self._read, daemon=True).start()

    def take_first(self) -> None:
        response = next(self.call)
        assert response.HasField("begun") and not response.frames
        self.begun = response.begun

    def _read(self) -> None:
        try:
            for response in self.call:
                self.take(response)
            self._frames.put(None)
        except grpc.RpcError as error:
            self._frames.put(error)

    def take(self, response: Any) -> None:
        self.left_out += response.left_out
        self.lost += response.lost
        self.end = response.end
        for frame in response.frames:
            self._frames.put(frame)

    def frames(self, count: int) -> list[Any]:
        """The next so many."""
        taken = []
        for _ in range(count):
            frame = self._frames.get(timeout=PATIENCE)
            assert isinstance(frame, apb.TailFrame), frame
            taken.append(frame)
        return taken

    def until(self, event: str) -> list[Any]:
        """All up to one of this event."""
        taken = self.frames(1)
        while taken[-1].event != event:
            taken += self.frames(1)
        return taken

    def ended(self) -> Refusal | None:
        """How it ends, behind all frames: None is well."""
        while isinstance(last := self._frames.get(timeout=PATIENCE), apb.TailFrame):
            pass
        return None if last is None else Refusal(last)

    def close(self) -> None:
        self.call.cancel()
        self.control.close()


@pytest.fixture
def tail(gateway: Gateway, keep: Keep) -> Callable[..., Tail]:
    return lambda **request: keep(Tail(gateway, **request))


@pytest.fixture
def control(gateway: Gateway) -> Iterator[Control]:
    with Control(gateway.control, ALL_KEY) as connected:
        yield connected


def fields(frame: Any) -> dict[str, str]:
    return {each.name: each.type for each in frame.fields}


def lines(gateway: Gateway, message: str, which: str) -> list[dict[str, Any]]:
    found = map(json.loads, gateway.log_text().splitlines())
    return [line for line in found if line["msg"] == message and line.get("which") == which]


def test_a_session(tail: Any, connect: Connect, control: Control, fresh: Fresh) -> None:
    """Both ways: answers, messages of streams and to the user, and what the client says. Payloads are described only."""
    chat, user = fresh("chat"), fresh("user")
    browser = connect(with_query("/ws", streams=chat, token=token(user)))
    seen = tail(session_id=browser.session)
    assert seen.begun.sessions == 1

    browser.ask("ping", data={"hello": 1})
    control.to_stream(chat, event("news", json='{"text":"classified","n":[1]}', meta={"trace": "4bf9"}))
    control.to_user(user, event("mail", value=None))
    browser.send_json({"action": "publish", "stream": chat, "event": "said", "data": {"mine": "classified"}})
    ping, pong, news, mail, said, heard = seen.frames(6)

    assert all(frame.session_id == browser.session and frame.bytes > 0 and frame.time.seconds for frame in (ping, pong, news))
    assert (ping.direction, ping.action, fields(ping)) == (IN, "ping", {"hello": "number"})
    assert (pong.direction, pong.stream, pong.event) == (OUT, "system", "pong")
    assert (news.direction, news.stream, news.event, news.meta["trace"]) == (OUT, chat, "news", "4bf9")
    assert (news.payload_type, news.payload_bytes, fields(news)) == ("object", 29, {"text": "string", "n": "array"})
    assert (mail.stream, mail.event, mail.payload_type) == ("@user", "mail", "null")
    assert (said.direction, said.action, said.stream, said.event) == (IN, "publish", chat, "said")
    assert (heard.direction, heard.event) == (OUT, "said")
    assert not any("classified" in str(frame) or frame.payload for frame in (ping, pong, news, mail, said, heard))


def test_payloads_where_they_are_asked_for(tail: Any, connect: Connect, control: Control, fresh: Fresh) -> None:
    chat = fresh("chat")
    browser = connect(with_query("/ws", streams=chat))
    of_session, of_stream, short = (
        tail(session_id=browser.session, payloads=True),
        tail(stream=chat, payloads=True),
        tail(stream=chat, payloads=True, max_payload_bytes=5),
    )
    control.to_stream(chat, event("news", json='{"a": 1.50}'))
    control.to_stream(chat, event("bytes", binary=b"abc"))
    for each in (of_session, of_stream):
        news, binary = each.frames(2)
        assert (news.payload, news.payload_cut) == ('{"a": 1.50}', False)
        assert binary.payload == '"YWJj"'
    (news, _) = short.frames(2)
    assert (news.payload, news.payload_cut, news.payload_bytes) == ('{"a":', True, 11)
    browser.send_json({"action": "publish", "stream": chat, "event": "said", "data": [1, 2]})
    assert of_session.frames(1)[0].payload == "[1,2]"


def test_tokens_never(tail: Any, connect: Connect, fresh: Fresh) -> None:
    """Neither where a client shows one, in whatever way, nor where it goes wrong."""
    user = fresh("user")
    browser = connect(with_query("/ws", token=token(user)))
    secret = token(user, lasts=1000)
    seen = tail(session_id=browser.session, payloads=True)
    browser.ask("auth", token=secret)
    browser.send_json({"action": "subscribe", "streams": ["a"], "tokens": {"a": secret}})
    browser.send_text('{"action":"auth","token":"' + secret)
    browser.send_json({"action": "publish", "event": "auth", "data": {"token": secret}})
    browser.ask("ping", token=secret)
    frames = seen.until("pong")
    assert secret not in str(frames) and secret[:40] not in str(frames)
    said = [frame for frame in frames if frame.direction == IN]
    assert [frame.action for frame in said] == ["auth", "subscribe", "error", "publish", "ping"]
    assert [frame.secret for frame in said] == [True, False, True, True, False]
    assert said[1].payload == '{"streams":["a"]}'


def test_what_is_called_auth_is_not_shown_on_its_way_out(
    tail: Any, connect: Connect, control: Control, fresh: Fresh
) -> None:
    stream = fresh("chat")
    browser = connect(with_query("/ws", streams=stream))
    tails = [tail(stream=stream, payloads=True), tail(session_id=browser.session, payloads=True)]
    control.to_stream(stream, event("Auth", json='{"x":"SECRET"}'))
    for seen in tails:
        (frame,) = seen.frames(1)
        assert (frame.event, frame.secret, frame.payload) == ("Auth", True, "") and "SECRET" not in str(frame)


def test_a_user(tail: Any, connect: Connect, control: Control, fresh: Fresh) -> None:
    """All sessions, also one that comes, and one that becomes the user's; and no other user's."""
    user = fresh("user")
    first = connect(with_query("/ws", token=token(user)))
    seen = tail(user_id=user)
    assert seen.begun.sessions == 1
    second = connect(with_query("/ws", token=token(user)))
    assert [frame.event for frame in seen.frames(1)] == ["welcome"]
    other = connect(with_query("/ws", token=token(fresh("user"))))
    control.to_all(event("to all"))
    assert {frame.session_id for frame in seen.frames(2)} == {first.session, second.session}
    other.ask("auth", token="x")
    late = connect("/ws")
    late.ask("auth", token=token(user))
    assert [(frame.session_id, frame.event) for frame in seen.frames(1)] == [(late.session, "authenticated")]
    second.close()
    eventually(lambda: control.count(user_id=user), lambda count: count == 2, "the session")
    control.to_user(user, event("mail"))
    assert {frame.session_id for frame in seen.frames(2)} == {first.session, late.session}


def test_a_stream(tail: Any, connect: Connect, control: Control, fresh: Fresh) -> None:
    """Each message once, however many listen; also where nobody does, and it counts as no listener."""
    chat = fresh("chat")
    seen = tail(stream=chat)
    assert control.to_stream(chat, event("unheard")).sessions == 0
    browsers = [connect(with_query("/ws", streams=chat)) for _ in range(5)]
    assert control.to_stream(chat, event("heard", json="7")).sessions == 5
    publisher = control.publisher()
    publisher.wait_acked(publisher.send([stream_item(chat, event(f"n{number}")) for number in range(10)]))
    browsers[0].send_json({"action": "publish", "stream": chat, "event": "said", "data": 1})
    control.to_user(fresh("user"), event("elsewhere"))
    frames = seen.frames(13)
    assert [frame.event for frame in frames] == ["unheard", "heard", *(f"n{number}" for number in range(10)), "said"]
    assert {(frame.session_id, frame.direction, frame.stream) for frame in frames} == {("", OUT, chat)}
    assert control.count(stream=chat) == 5
    assert publisher.finish() == []


def test_a_log_that_is_replayed(tail: Any, connect: Connect, control: Control, fresh: Fresh) -> None:
    """What a client catches up with is given to it too."""
    log, user = fresh("log"), fresh("user")
    first = control.to_stream(log, event("n0"))
    for number in range(1, 20):
        control.to_stream(log, event(f"n{number}"))
    seen = tail(user_id=user)
    connect(with_query("/ws", streams=log, recover=f"{log}:{first.position.epoch}:1", token=token(user)))
    assert [frame.event for frame in seen.frames(20)] == ["welcome", *(f"n{number}" for number in range(1, 20))]


def test_samples(tail: Any, control: Control, fresh: Fresh) -> None:
    """What they leave out is counted."""
    chat = fresh("chat")
    third, few = tail(stream=chat, sample_every=3), tail(stream=chat, max_per_second=1)
    for number in range(31):
        control.to_stream(chat, event(f"n{number}"))
    assert [frame.event for frame in third.frames(11)] == [f"n{number}" for number in range(0, 31, 3)]
    eventually(lambda: third.left_out, lambda count: count == 20, "what is left out")
    assert few.frames(1)[0].event == "n0"
    eventually(lambda: few.left_out, lambda count: count >= 20, "what is left out")


def test_it_ends_with_its_time_and_with_its_session(tail: Any, connect: Connect, fresh: Fresh) -> None:
    browser = connect()
    of_session = tail(session_id=browser.session)
    short = tail(stream=fresh("chat"), max_age=1)
    browser.ask("ping")
    browser.leave()
    assert [frame.event for frame in of_session.frames(2)][1] == "pong"
    assert of_session.ended() is None and of_session.end == apb.TAIL_END_SESSION_GONE
    assert short.ended() is None and short.end == apb.TAIL_END_MAX_AGE


def test_who_reads_slowly_loses_and_nobody_waits(
    gateway: Gateway, connect: Connect, control: Control, keep: Keep, fresh: Fresh
) -> None:
    """Messages reach everybody while a tail is not read at all; it is told afterwards how many it has missed."""
    chat = fresh("chat")
    browser = connect(with_query("/ws", streams=chat))
    seen = keep(Tail(gateway, reads=False, stream=chat, payloads=True, max_payload_bytes=65536))
    seen.take_first()
    count = 3000
    publisher = control.publisher()
    message = event("n", json=json.dumps("x" * 20_000))
    for first in range(0, count, 10):
        publisher.send([stream_item(chat, message) for _ in range(10)])
        for _ in range(10):
            assert browser.receive()["event"] == "n"
    assert publisher.finish() == []
    shown = 0
    while shown + seen.lost < count:
        response = next(seen.call)
        seen.take(response)
        shown += len(response.frames)
    assert shown + seen.lost == count and seen.lost > 0


def flood(control: Control, chat: str, count: int) -> None:
    """More than a call holds on its way to one who does not read."""
    publisher = control.publisher()
    message = event("n", json=json.dumps("x" * 20_000))
    for _ in range(0, count, 10):
        publisher.send([stream_item(chat, message) for _ in range(10)])
    assert publisher.finish() == []


def test_what_waits_at_the_end_of_its_time_is_shown_or_counted(
    gateway: Gateway, control: Control, keep: Keep, fresh: Fresh
) -> None:
    chat = fresh("chat")
    seen = keep(Tail(gateway, reads=False, stream=chat, payloads=True, max_payload_bytes=65536, max_age=5))
    seen.take_first()
    flood(control, chat, 1000)
    end = seen.begun.end_time.ToNanoseconds() / 1e9
    assert time.time() < end, "this machine is too slow for the test"
    eventually(time.time, lambda now: now > end, "the end of its time")
    shown = 0
    for response in seen.call:
        seen.take(response)
        shown += len(response.frames)
    assert shown + seen.lost == 1000 and seen.lost > 0
    assert seen.end == apb.TAIL_END_MAX_AGE


def test_who_does_not_read_gives_its_place_back(gateway: Gateway, control: Control, keep: Keep, fresh: Fresh) -> None:
    """When its time is over, it is cut."""
    chat = fresh("chat")
    gateway.wait_for_metric("carillon_tails", 0)
    seen = keep(Tail(gateway, reads=False, stream=chat, payloads=True, max_payload_bytes=65536, max_age=6))
    seen.take_first()
    end = seen.begun.end_time.ToNanoseconds() / 1e9
    while time.time() < end + 0.5:  # so that something waits for the reader, however much is held on the way
        flood(control, chat, 100)
    gateway.wait_for_metric("carillon_tails", 0)
    with pytest.raises(grpc.RpcError) as caught:
        for response in seen.call:
            seen.take(response)
    assert caught.value.code().name == "CANCELLED" and seen.end == apb.TAIL_END_UNSPECIFIED
    eventually(lambda: lines(gateway, "a tail ends", chat), bool, "the end in the log")
    assert lines(gateway, "a tail ends", chat)[0]["why"] == "the caller does not read"


def test_there_are_sixteen_at_most_and_eight_of_a_key(gateway: Gateway, keep: Keep, fresh: Fresh) -> None:
    gateway.wait_for_metric("carillon_tails", 0)
    tails = [keep(Tail(gateway, stream=fresh("chat"))) for _ in range(8)]
    refusal = refused(gateway, keep, stream=fresh("chat"))
    assert (refusal.code.name, refusal.reason, refusal.retry_after_ms) == ("RESOURCE_EXHAUSTED", "LIMIT_REACHED", None)
    assert "the key operator has 8" in refusal.message
    tails += [keep(Tail(gateway, key=SHOP_KEY, stream=fresh("chat"))) for _ in range(8)]
    refusal = refused(gateway, keep, key=CHAT_KEY, stream=fresh("chat-"))
    assert (refusal.code.name, refusal.reason) == ("RESOURCE_EXHAUSTED", "LIMIT_REACHED")
    assert "16 tails on this gateway" in refusal.message
    tails[0].close()
    gateway.wait_for_metric("carillon_tails", 15)
    assert keep(Tail(gateway, stream=fresh("chat"))).begun is not None
    for each in tails:
        each.close()
    gateway.wait_for_metric("carillon_tails", lambda count: count <= 1)


def refused(gateway: Gateway, keep: Keep, key: str = ALL_KEY, **request: Any) -> Refusal:
    seen = keep(Tail(gateway, key=key, reads=False, **request))
    with pytest.raises(grpc.RpcError) as caught:
        next(seen.call)
    return Refusal(caught.value)


def test_what_makes_no_sense_is_refused(gateway: Gateway, keep: Keep) -> None:
    for request, field in (
        ({}, "target"),
        ({"user_id": ""}, "user_id"),
        ({"session_id": "x"}, "session_id"),
        ({"stream": "no such name"}, "stream"),
        ({"stream": "chat", "max_age": 0}, "max_age"),
        ({"stream": "chat", "max_age": 3601}, "max_age"),
        ({"stream": "chat", "max_age": -1}, "max_age"),
        ({"stream": "chat", "max_payload_bytes": 65537}, "max_payload_bytes"),
        ({"stream": "chat", "sample_every": 1_000_001}, "sample_every"),
    ):
        refusal = refused(gateway, keep, **request)
        assert (refusal.code.name, refusal.fields) == ("INVALID_ARGUMENT", [field]), request
    for session in ("0000" + "0" * 16, "003f" + "0" * 16):
        refusal = refused(gateway, keep, session_id=session)
        assert (refusal.code.name, refusal.reason) == ("NOT_FOUND", "SESSION_UNKNOWN")
    assert refused(gateway, keep, stream="chat", app="nope").reason == "APP_UNKNOWN"
    gateway.wait_for_metric("carillon_tails", 0)


def test_who_may(gateway: Gateway, keep: Keep, connect: Connect, fresh: Fresh) -> None:
    """The verb admin; the key's apps and streams."""
    browser = connect()
    for key, request in (
        (READ_KEY, {"stream": "chat-1"}),
        (SHOP_KEY, {"stream": "chat-1", "app": "default"}),
        (SHOP_KEY, {"user_id": "alice", "app": "default"}),
        (CHAT_KEY, {"stream": "news"}),
        (CHAT_KEY, {"user_id": "alice"}),
        (CHAT_KEY, {"session_id": browser.session}),
    ):
        assert refused(gateway, keep, key, **request).code.name == "PERMISSION_DENIED", (key, request)
    assert refused(gateway, keep, "no-such-key", stream="chat").code.name == "UNAUTHENTICATED"
    # Of another app, the session is not there.
    assert refused(gateway, keep, SHOP_KEY, session_id=browser.session).reason == "SESSION_UNKNOWN"
    chat = fresh("chat-")
    allowed, theirs = keep(Tail(gateway, CHAT_KEY, stream=chat)), keep(Tail(gateway, SHOP_KEY, stream=chat))
    with Control(gateway.control, ALL_KEY) as control:
        control.to_stream(chat, event("ours"))
        control.call("BroadcastStream", pb.BroadcastStreamRequest(stream=chat, event=event("theirs"), app="shop"))
    assert allowed.frames(1)[0].event == "ours" and theirs.frames(1)[0].event == "theirs"


def test_the_log_says_who_looks_at_what(gateway: Gateway, tail: Any, control: Control, fresh: Fresh) -> None:
    chat = fresh("chat")
    seen = tail(stream=chat, payloads=True)
    control.to_stream(chat)
    seen.frames(1)
    seen.close()
    (end,) = eventually(lambda: lines(gateway, "a tail ends", chat), lambda found: found != [], "the line")
    (begin,) = lines(gateway, "a tail begins", chat)
    assert (begin["by"], begin["what"], begin["payloads"], begin["app"]) == ("operator", "stream", "yes", "default")
    assert (end["by"], end["frames"], end["lost"]) == ("operator", 1, 0)


def test_it_ends_with_its_key_and_with_the_gateway(
    start_gateway: Callable[..., Gateway], keep: Keep, shards: int
) -> None:
    """A key that is taken away shows nothing more; an idle tail does not hold the end of the process."""
    keys = [{"name": name, "secret": f"{ALL_KEY}-{name}"} for name in ("first", "second")]
    gateway = start_gateway({"control": {"keys": keys}, "hub": {"shards": shards}, "drain": {"control_timeout": "5m"}})
    first, second = (keep(Tail(gateway, key["secret"], stream="chat")) for key in keys)
    gateway.reload({"control": {"keys": keys[1:]}})
    refusal = first.ended()
    assert refusal is not None and refusal.code.name == "UNAUTHENTICATED"
    gateway.begin_stop()
    refusal = second.ended()
    assert refusal is not None and (refusal.code.name, refusal.reason) == ("UNAVAILABLE", "SHUTTING_DOWN")
    assert gateway.wait() == 0
