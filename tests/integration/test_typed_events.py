"""Typed events: what a stream and an event are bound to is checked at every publish, with the path of what is wrong, and
arrives as one JSON whatever way it was published."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, json_format, struct_pb2, timestamp_pb2
from support import shop
from support.control import Control, event, pb, stream_item
from support.gateway import Gateway, token
from support.schemas import ORDER, Schemas, publish, refused
from support.ws import Browser, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]
Start = Callable[..., Gateway]

READER = "a-key-that-may-only-read"
NARROW = "a-key-for-some-streams"
ADMIN = "a-key-that-may-do-all"
EMPTY = {
    "orderId": "0", "customer": "", "items": [], "state": "STATE_UNSPECIFIED", "extras": {}, "totalCents": "0",
    "gift": False, "token": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {"endpoints": [{"path": "/ws", "anonymous": True}]},
        "control": {
            "keys": [
                {"name": "admin", "secret": ADMIN, "apps": ["*"]},
                {"name": "reader", "secret": READER, "verbs": ["read"]},
                {"name": "narrow", "secret": NARROW, "streams": ["narrow*"]},
            ]
        },
        "streams": [{"pattern": "talk-*", "log": {"mode": "log"}, "publish": {"who": "anyone"}}],
        "client_events": [{"event": "say", "action": "publish", "stream": "talk-{data.room}", "anonymous": True}],
        "apps": [{"name": "other"}],
    }


@pytest.fixture
def control(gateway: Gateway) -> Any:
    with Control(gateway.control, ADMIN) as control:
        yield control


@pytest.fixture
def schemas(gateway: Gateway) -> Any:
    """With shop.proto registered; what a test binds is taken away again."""
    with Schemas(gateway.control, ADMIN) as schemas:
        schemas.register("shop", shop.descriptors())
        yield schemas
        schemas.clear()


@pytest.fixture
def orders(schemas: Schemas, fresh: Fresh) -> str:
    """A stream whose "order" is an Order."""
    stream = fresh("talk")
    schemas.bind(stream, "order", ORDER)
    return stream


# --- What is published ---


def test_a_wrong_field_is_refused_with_its_path(control: Control, connect: Connect, orders: str) -> None:
    browser = connect(with_query("/ws", streams=orders))
    for payload, field in [
        ({"items": [{"price": "x"}]}, "event.json.items[0].price"),
        ({"items": [{}, {"colour": "red"}]}, "event.json.items[1].colour"),
        ({"orderId": 2**63}, "event.json.orderId"),
        ({"extras": {"a b": {"count": True}}}, 'event.json.extras["a b"].count'),
        ({"state": "LOST"}, "event.json.state"),
        (None, "event.json"),
        ([], "event.json"),
    ]:
        refusal = refused(control, orders, json=json.dumps(payload))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "SCHEMA_MISMATCH"), refusal
        assert refusal.fields == [field] and refusal.message.startswith(f"{field}: "), refusal

    value = struct_pb2.Value()
    json_format.ParseDict({"items": [{"count": 1.5}]}, value)
    assert refused(control, orders, value=value).fields == ["event.value.items[0].count"]
    assert refused(control, orders, binary=b"x").fields == ["event.binary"]
    assert refused(control, orders).fields == ["event"]
    publish(control, orders, json="{}")
    assert browser.receive()["data"] == EMPTY, "and nothing of the others came before"


def test_a_right_one_arrives_as_one_json(control: Control, connect: Connect, orders: str) -> None:
    """Zeros kept, 64-bit integers as strings: by text, by Value, by Any."""
    browser = connect(with_query("/ws", streams=orders))
    wanted = {**EMPTY, "orderId": "9007199254740993", "items": [{"sku": "a", "price": 1.5, "count": 0}], "voucher": "0"}
    order = shop.message("Order", order_id=2**53 + 1, items=[shop.message("Item", sku="a", price=1.5)], voucher=0)
    value = struct_pb2.Value()
    json_format.ParseDict({"orderId": "9007199254740993", "items": [{"sku": "a", "price": 1.5}], "voucher": 0}, value)

    publish(control, orders, json='{ "order_id": 9007199254740993, "voucher": 0, "items": [{"price": 1.5, "sku":"a"}] }')
    publish(control, orders, value=value)
    publish(control, orders, message=shop.packed(order))

    texts = [browser.next_message().payload.decode() for _ in range(3)]
    data = [text[text.index('"data":') : text.index(',"meta"')] for text in texts]
    assert data[0] == data[1] == data[2]
    assert json.loads(texts[0])["data"] == wanted


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1, 2**53 + 1, 0, -1])
def test_int64_round_trips(control: Control, connect: Connect, orders: str, number: int) -> None:
    """A number of JSON text, a string and an Any come to the same string, and what a browser got may be published again."""
    browser = connect(with_query("/ws", streams=orders))
    publish(control, orders, json=f'{{"orderId": {number}}}')
    publish(control, orders, json=f'{{"orderId": "{number}"}}')
    publish(control, orders, message=shop.packed(shop.message("Order", order_id=number)))
    received = [browser.receive()["data"] for _ in range(3)]
    assert [data["orderId"] for data in received] == [str(number)] * 3
    publish(control, orders, json=json.dumps(received[0]))
    again = browser.receive()["data"]
    assert again == received[0]
    assert json_format.ParseDict(again, shop.message("Order")).order_id == number


def test_random_orders_round_trip(control: Control, connect: Connect, orders: str) -> None:
    """From a message by Any to a browser's JSON, and by protobuf's own parser to the same message."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    browser = connect(with_query("/ws", streams=orders))
    for _ in range(50):
        order = shop.message(
            "Order",
            order_id=dice.choice([0, 1, 2**63 - 1, -(2**63), dice.getrandbits(62)]),
            customer=dice.choice(["", "Ann \"☃\" 😀", "\u2028\x00"]),
            items=[shop.message("Item", sku=str(n), price=dice.uniform(-1, 1e9)) for n in range(dice.randrange(4))],
            state=dice.randrange(4),
            extras={str(n): shop.message("Item", count=dice.getrandbits(31)) for n in range(dice.randrange(3))},
            total_cents=dice.choice([0, 2**64 - 1]),
            token=dice.randbytes(dice.randrange(5)),
            time=timestamp_pb2.Timestamp(seconds=dice.randrange(-(10**10), 10**11), nanos=dice.choice([0, 1, 5 * 10**8])),
        )
        if dice.random() < 0.5:
            order.rating = dice.choice([0, -5])
        publish(control, orders, message=shop.packed(order))
        data = browser.receive()["data"]
        assert json_format.ParseDict(data, shop.message("Order")) == order, seed


def test_an_any_is_what_it_says(control: Control, orders: str) -> None:
    assert refused(control, orders, message=shop.packed(shop.message("Item"))).fields == ["event.message.type_url"]
    other_field = shop.message("Everything", maybe_int64=1)  # number 26, which Order does not have
    url = "type.googleapis.com/" + ORDER
    refusal = refused(control, orders, message=any_pb2.Any(type_url=url, value=other_field.SerializeToString()))
    assert refusal.reason == "SCHEMA_MISMATCH" and "field number 26" in refusal.message
    refusal = refused(control, orders, message=any_pb2.Any(type_url=url, value=b"\x1a\x03\x0a\x01\xff"))
    assert refusal.fields == ["event.message.items[0].sku"]
    refusal = refused(control, orders, message=any_pb2.Any(type_url=url, value=b"\x1a\x30"))
    assert refusal.fields == ["event.message.items[0]"]


def test_elsewhere_json_stays_free(control: Control, connect: Connect, schemas: Schemas, orders: str, fresh: Fresh) -> None:
    """And an Any arrives as its JSON where its type is registered."""
    stream = fresh("free")
    browser = connect(with_query("/ws", streams=f"{stream},{orders}"))
    publish(control, stream, json='{ "items": 5 }')
    control.to_stream(orders, event("else", json='{"items":5}'))
    publish(control, stream, message=shop.packed(shop.message("Item", sku="x")))
    publish(control, stream, message=shop.packed(timestamp_pb2.Timestamp(seconds=1)))
    received = [browser.receive()["data"] for _ in range(4)]
    assert received[:3] == [{"items": 5}, {"items": 5}, {"sku": "x", "price": 0, "count": 0}]
    assert received[3] == "1970-01-01T00:00:01Z"
    refusal = refused(control, stream, message=any_pb2.Any(type_url="a/b.Missing"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TYPE_UNKNOWN")
    assert "b.Missing" in refusal.message


def test_users_sessions_and_everyone(control: Control, schemas: Schemas, connect: Connect, fresh: Fresh) -> None:
    """Messages that name no stream have names for theirs."""
    for stream in ("@user", "@session", "@all"):
        schemas.bind(stream, "typed", "shop.v1.Item")
    alice = fresh("alice")
    browser = connect(with_query("/ws", token=token(alice)))
    good, bad = event("typed", json='{"sku":"x"}'), event("typed", json='{"sku":5}')
    control.to_user(alice, good)
    control.to_users([alice], good)
    control.to_session(browser.session, good)
    control.to_all(good)
    assert [browser.receive()["data"] for _ in range(4)] == [{"sku": "x", "price": 0, "count": 0}] * 4
    for method, request in [
        ("BroadcastToUser", pb.BroadcastToUserRequest(user_id=alice, event=bad)),
        ("BroadcastToUsers", pb.BroadcastToUsersRequest(user_ids=[alice], event=bad)),
        ("SendToSession", pb.SendToSessionRequest(session_id=browser.session, event=bad)),
        ("BroadcastAll", pb.BroadcastAllRequest(event=bad)),
    ]:
        assert control.refused(method, request).fields == ["event.json.sku"]
    control.to_user(alice, bad, stream="named")
    schemas.bind("nam*", "*", "shop.v1.Item")
    request = pb.BroadcastToUserRequest(user_id=alice, stream="named", event=bad)
    assert control.refused("BroadcastToUser", request).fields == ["event.json.sku"]


def test_of_a_publish_stream_only_that_item_fails(control: Control, connect: Connect, orders: str) -> None:
    browser = connect(with_query("/ws", streams=orders))
    publisher = control.publisher()
    publisher.send(
        [
            stream_item(orders, event("order", json='{"orderId": 1}')),
            stream_item(orders, event("order", json='{"items":[{"price":"x"}]}')),
            stream_item(orders, event("order", message=shop.packed(shop.message("Item")))),
            stream_item(orders, event("order", message=shop.packed(shop.message("Order", order_id=2)))),
        ]
    )
    failures = publisher.finish()
    assert [(failure.seq, failure.code) for failure in failures] == [(2, 3), (3, 3)]
    assert failures[0].message.startswith("event.json.items[0].price: ")
    assert [browser.receive()["data"]["orderId"] for _ in range(2)] == ["1", "2"]


def test_clients_are_told_the_field(connect: Connect, orders: str) -> None:
    """And what they publish well arrives as everything else does; an event that a rule publishes is checked as well."""
    listener = connect(with_query("/ws", streams=orders))
    browser = connect()
    answer = browser.ask("publish", stream=orders, event="order", data={"items": [{"price": "x"}]})
    assert (answer["event"], answer["data"]["code"]) == ("error", "bad_data")
    assert answer["data"]["message"].startswith("data.items[0].price: ")
    assert browser.ask("publish", stream=orders, event="order")["data"]["code"] == "bad_data"
    assert browser.ask("publish", stream=orders, event="order", data={"orderId": 5})["event"] == "published"
    assert browser.ask("publish", stream=orders, event="free", data=[1])["event"] == "published"
    assert listener.receive()["data"] == {**EMPTY, "orderId": "5"}
    assert listener.receive()["data"] == [1]


def test_client_events_that_are_published(connect: Connect, schemas: Schemas, fresh: Fresh, tmp_path: Path) -> None:
    room = fresh("room")
    schemas.register("rooms", shop.source("rooms", "message Said { string room = 1; string text = 2; }", tmp_path))
    schemas.bind(f"talk-{room}", "say", "rooms.Said")
    listener, browser = connect(with_query("/ws", streams=f"talk-{room}")), connect()
    refusal = browser.ask("publish", event="say", data={"room": room, "texts": "x"})["data"]
    assert (refusal["code"], refusal["message"]) == ("bad_data", "data.texts: is no field of rooms.Said")
    assert browser.ask("publish", event="say", data={"room": room})["event"] == "published"
    assert listener.receive()["data"] == {"room": room, "text": ""}


def test_logs_keep_the_json(control: Control, connect: Connect, orders: str) -> None:
    publish(control, orders, message=shop.packed(shop.message("Order", order_id=2**60)))
    (kept,) = control.call("ListMessages", pb.ListMessagesRequest(stream=orders)).messages
    assert json.loads(kept.json) == {**EMPTY, "orderId": str(2**60)}


def test_request_ids_go_by_what_was_asked(control: Control, orders: str) -> None:
    def ask(**payload: Any) -> pb.BroadcastStreamRequest:
        options = pb.PublishOptions(request_id="one")
        return pb.BroadcastStreamRequest(stream=orders, event=event("order", **payload), options=options)

    request = ask(message=shop.packed(shop.message("Order", order_id=1)))
    assert not control.call("BroadcastStream", request).receipt.duplicate
    assert control.call("BroadcastStream", request).receipt.duplicate
    assert control.refused("BroadcastStream", ask(json='{"orderId":"2"}')).reason == "REQUEST_ID_REUSED"


# --- Sizes ---


def test_a_small_message_that_makes_much_text(control: Control, connect: Connect, orders: str) -> None:
    """Empty objects are 2 bytes of an Any and 200 as JSON: the result is what counts, and is not made in vain."""
    browser = connect(with_query("/ws", streams=orders))
    many = shop.packed(shop.message("Order", items=[shop.message("Item")] * 100_000))
    refusal = refused(control, orders, message=many)
    assert refusal.reason == "SCHEMA_MISMATCH" and "limits.max_publish_bytes" in refusal.message
    nested = shop.message("Order")
    innermost = nested
    for _ in range(40):
        innermost = innermost.replaces
    innermost.order_id = 1
    assert "nests deeper than 32" in refused(control, orders, message=shop.packed(nested)).message
    assert "deep" in refused(control, orders, json="[" * 100_000).message
    publish(control, orders, message=shop.packed(shop.message("Order", items=[shop.message("Item")] * 10_000)))
    assert len(browser.receive()["data"]["items"]) == 10_000


# --- Registering and binding ---


def test_sets_are_replaced_whole_or_not_at_all(schemas: Schemas, control: Control, fresh: Fresh, tmp_path: Path) -> None:
    stream, name = fresh("s"), fresh("set")
    one = shop.source("evolving", "message Thing { int64 id = 1; }", tmp_path)
    two = shop.source("evolving", "message Thing { int64 id = 1; string name = 2; }", tmp_path)
    other = shop.source("evolving", "message Another { int64 id = 1; }", tmp_path)
    assert schemas.register(name, one) == (1, False)
    schemas.bind(stream, "order", "evolving.Thing")
    assert refused(control, stream, json='{"name":"x"}').fields == ["event.json.name"]

    assert schemas.register(name, two) == (1, True)
    publish(control, stream, json='{"name":"x"}')
    for bad, reason, fields in [
        (other, "SCHEMA_IN_USE", []),
        (b"", "SCHEMA_IN_USE", []),
        (b"garbage", "FIELD_INVALID", ["descriptor_set"]),
        (two[:-5], "FIELD_INVALID", ["descriptor_set"]),
    ]:
        refusal = schemas.refused("RegisterDescriptors", name=name, descriptor_set=bad)
        assert (refusal.reason, refusal.fields) == (reason, fields), refusal
        publish(control, stream, json='{"name":"x"}')
    schemas.bind(stream, "order", "")
    publish(control, stream, json='{"anything":1}')
    assert schemas.register(name, b"") == (0, True)
    refusal = schemas.refused("BindStream", stream=stream, event="order", type="evolving.Thing")
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TYPE_UNKNOWN")


def test_what_does_not_link_is_named(schemas: Schemas, tmp_path: Path) -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    files = FileDescriptorSet.FromString(shop.source("p", "message A { B b = 1; } message B {}", tmp_path))
    del files.file[0].message_type[1]
    refusal = schemas.refused("RegisterDescriptors", name="bad", descriptor_set=files.SerializeToString())
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT and ".p.B" in refusal.message
    files.file[0].dependency.append("away.proto")
    refusal = schemas.refused("RegisterDescriptors", name="bad", descriptor_set=files.SerializeToString())
    assert "away.proto" in refusal.message and "--include_imports" in refusal.message
    assert schemas.refused("RegisterDescriptors", name="a b", descriptor_set=b"x").fields == ["name"]
    for fields, wrong in [
        ({"stream": "a b", "event": "e"}, "stream"),
        ({"stream": "@them", "event": "e"}, "stream"),
        ({"stream": "a", "event": "a*b"}, "event"),
        ({"stream": "a", "event": ""}, "event"),
    ]:
        assert schemas.refused("BindStream", type=ORDER, **fields).fields == [wrong]


def test_garbage_descriptors(schemas: Schemas, gateway: Gateway, control: Control, orders: str) -> None:
    """Linked or refused; the gateway and what was bound live on."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    good = shop.descriptors()
    for _ in range(200):
        bad = bytearray(good)
        for _ in range(dice.randrange(1, 10)):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        try:
            schemas.register("garbage", bytes(bad))
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, (seed, error)
    publish(control, orders, json="{}")


def test_the_limits(start_gateway: Start, tmp_path: Path) -> None:
    one = shop.source("one", "message Thing { int64 id = 1; }", tmp_path)
    gateway = start_gateway({"limits": {"schema_sets": 2, "schema_bytes": 2 * len(one) + 10, "schema_bindings": 1}})
    with Schemas(gateway.control) as schemas:
        schemas.register("one", one)
        large = shop.source("large", "message Thing { int64 " + "x" * 100 + " = 1; }", tmp_path)
        assert schemas.refused("RegisterDescriptors", name="large", descriptor_set=large).reason == "SCHEMA_LIMIT"
        schemas.register("two", one)
        refusal = schemas.refused("RegisterDescriptors", name="three", descriptor_set=one)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SCHEMA_LIMIT")
        schemas.bind("a", "e", "one.Thing")
        assert schemas.refused("BindStream", stream="b", event="e", type="one.Thing").reason == "SCHEMA_LIMIT"
        assert "limits.schema_bindings" in schemas.refused("BindStream", stream="b", event="e", type="one.Thing").message


def test_lists(schemas: Schemas, fresh: Fresh) -> None:
    stream = fresh("s")
    schemas.bind(stream, "order.*", ORDER)
    first = schemas.call("ListSchemas", page_size=2)
    assert [each.name for each in first.sets] == ["shop"]
    assert first.sets[0].types == 3 and first.sets[0].bytes == len(shop.descriptors()) and not first.sets[0].configured
    (binding,) = first.bindings
    assert (binding.stream, binding.event, binding.type) == (stream, "order.*", ORDER)
    assert [each.type for each in first.types] == ["shop.v1.Everything", "shop.v1.Item"]
    second = schemas.call("ListSchemas", page_size=2, page_token=first.next_page_token)
    assert [each.type for each in second.types] == [ORDER] and not second.sets and not second.next_page_token
    assert schemas.refused("ListSchemas", page_token="!").fields == ["page_token"]


def test_validate_publishes_nothing(schemas: Schemas, orders: str, connect: Connect, control: Control) -> None:
    browser = connect(with_query("/ws", streams=orders))

    def validate(**payload: Any) -> Any:
        return schemas.call("Validate", stream=orders, event=event("order", **payload))

    bad = validate(json='{"items":[{"price":"x"},{"y":1}],"z":1}')
    assert [each.field for each in bad.violations] == [
        "event.json.items[0].price", "event.json.items[1].y", "event.json.z",
    ]  # fmt: skip
    good = validate(message=shop.packed(shop.message("Order", order_id=1)))
    assert good.type == ORDER and json.loads(good.json) == {**EMPTY, "orderId": "1"} and not good.violations
    assert schemas.call("Validate", stream=orders, event=event("free", json="[1]")).json == "[1]"
    publish(control, orders, json=good.json)
    assert browser.receive()["data"] == json.loads(good.json)


def test_who_may(gateway: Gateway, schemas: Schemas) -> None:
    """Registering and binding is for admins, the rest for readers; a key for some streams validates there alone; apps know
    nothing of each other."""
    with Schemas(gateway.control, READER) as reader, Schemas(gateway.control, NARROW) as narrow:
        assert reader.call("ListSchemas").sets and reader.call("Validate", stream="a", event=event(json="1")).json == "1"
        assert narrow.call("Validate", stream="narrow-1", event=event(json="1")).json == "1"
        for caller, method, fields in [
            (reader, "RegisterDescriptors", {"name": "x"}),
            (reader, "BindStream", {"stream": "x", "event": "e"}),
            (narrow, "RegisterDescriptors", {"name": "x"}),
            (narrow, "BindStream", {"stream": "narrow", "event": "e", "type": ORDER}),
            (narrow, "ListSchemas", {}),
            (narrow, "Validate", {"stream": "a", "event": event(json="1")}),
            (narrow, "Validate", {"stream": "@all", "event": event(json="1")}),
            (reader, "ListSchemas", {"app": "other"}),
        ]:
            refusal = caller.refused(method, **fields)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "KEY_TOO_NARROW")
    assert not schemas.call("ListSchemas", app="other").sets
    assert schemas.refused("BindStream", app="other", stream="a", event="e", type=ORDER).reason == "TYPE_UNKNOWN"
    assert schemas.refused("ListSchemas", app="nowhere").reason == "APP_UNKNOWN"


def test_it_is_counted_and_logged(gateway: Gateway, schemas: Schemas, control: Control, orders: str) -> None:
    with gateway.rises("carillon_schema_checks_total", app="default", outcome="refused"):
        refused(control, orders, json="[]")
    with gateway.rises("carillon_schema_checks_total", app="default", outcome="good"):
        publish(control, orders, json="{}")
    assert gateway.metrics().value("carillon_schema_sets", app="default") == 1
    gateway.wait_for_log(f'"stream":"{orders}"')
    gateway.wait_for_log('"msg":"registered descriptors"')


def test_publishing_while_sets_are_replaced(gateway: Gateway, schemas: Schemas, fresh: Fresh, tmp_path: Path) -> None:
    """Each publish is judged by one set or the other: what both take is never refused, what neither takes always."""
    narrow = shop.source("racing", "message Thing { int64 id = 1; }", tmp_path)
    wide = shop.source("racing", "message Thing { int64 id = 1; string name = 2; }", tmp_path)
    stream = fresh("race")
    schemas.register("racing", narrow)
    schemas.bind(stream, "order", "racing.Thing")
    over, problems = threading.Event(), []

    def publish_on() -> None:
        with Control(gateway.control, ADMIN) as control:
            while not over.is_set():
                try:
                    publish(control, stream, json='{"id":"1"}')
                    if refused(control, stream, json='{"id":"x"}').fields != ["event.json.id"]:
                        problems.append("let through")
                except Exception as error:  # whatever it is
                    problems.append(error)

    threads = [threading.Thread(target=publish_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        schemas.register("racing", wide if turn % 2 else narrow)
    over.set()
    for thread in threads:
        thread.join()
    assert not problems
