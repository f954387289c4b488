"""Typed events with the real gateway, with both clients. The types are Carillon's own: any would do."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from browser import Browser
from google.protobuf.duration_pb2 import Duration

from carillon_client import Client, FailedPrecondition, InvalidArgument, Registered, SchemaType, descriptors_of
from carillon_client._pb import control_pb2, envelope_pb2

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]


def test_what_is_bound_is_checked_and_arrives_as_its_json(client: Client, connect: Connect, fresh: Fresh) -> None:
    stream, name = fresh("typed"), fresh("set")
    browser = connect(fresh("alice"), stream)

    registered = client.register_descriptors(name, descriptors_of(envelope_pb2.Position))
    assert registered.types > 2 and not registered.replaced
    assert client.bind_stream(stream, "moved", "carillon.v1.Position") is False
    assert client.bind_stream(stream, "moved", "carillon.v1.Position") is True

    client.broadcast_stream(stream, event="moved", data=envelope_pb2.Position(epoch="e", offset=2**64 - 1))
    client.broadcast_stream(stream, event="moved", data={"offset": 5})
    client.broadcast_stream(stream, event="else", data={"anything": 1})
    assert browser.receive()["data"] == {"epoch": "e", "offset": str(2**64 - 1)}
    assert browser.receive()["data"] == {"epoch": "", "offset": "5"}
    assert browser.receive()["data"] == {"anything": 1}
    with pytest.raises(InvalidArgument) as caught:
        client.broadcast_stream(stream, event="moved", data={"offset": -1})
    assert caught.value.reason == "SCHEMA_MISMATCH"
    assert [each.field for each in caught.value.field_violations] == ["event.json.offset"]

    good = client.validate(stream, event="moved", data={"offset": 5})
    bad = client.validate(stream, event="moved", data={"offset": -1, "other": 1})
    assert (good.type, json.loads(good.json), good.violations) == (
        "carillon.v1.Position",
        {"epoch": "", "offset": "5"},
        (),
    )
    assert [each.field for each in bad.violations] == ["event.json.offset", "event.json.other"] and not bad.json

    with pytest.raises(FailedPrecondition) as needed:
        client.register_descriptors(name, b"")
    assert needed.value.reason == "SCHEMA_IN_USE"
    assert client.bind_stream(stream, "moved", "") is True
    assert client.register_descriptors(name, b"") == Registered(0, True)


def test_types_that_the_gateway_knows(client: Client, connect: Connect, fresh: Fresh) -> None:
    stream = fresh("typed")
    browser = connect(fresh("alice"), stream)

    client.broadcast_stream(stream, event="said", data=Duration(seconds=1, nanos=500_000_000))  # nobody registered it
    with pytest.raises(FailedPrecondition) as caught:
        client.broadcast_stream(stream, event="said", data=envelope_pb2.Position())

    assert browser.receive()["data"] == "1.500s"
    assert caught.value.reason == "TYPE_UNKNOWN"


def test_schemas_are_listed(client: Client, fresh: Fresh) -> None:
    name, stream = fresh("set"), fresh("typed")
    client.register_descriptors(name, descriptors_of(control_pb2.KickRequest, envelope_pb2.Event))
    client.bind_stream(stream, "*", "carillon.v1.KickRequest")

    listing = client.list_schemas(page_size=3)
    head = listing.head()
    types = list(listing)

    (made,) = (each for each in head.sets if each.name == name)
    (bound,) = (each for each in head.bindings if each.stream == stream)
    assert made.types == len(types) and made.bytes > 1000 and not made.configured
    assert (bound.event, bound.type, bound.configured, bound.type_missing) == (
        "*",
        "carillon.v1.KickRequest",
        False,
        False,
    )
    assert SchemaType("carillon.v1.Event", name) in types
    assert [each.type for each in types] == sorted({each.type for each in types})
    client.bind_stream(stream, "*", "")
    client.register_descriptors(name, b"")
