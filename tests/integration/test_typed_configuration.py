"""Typed events by configuration: sets and bindings that no call changes, what a reload makes of them, and of each app its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from support import shop
from support.control import Control, event, pb
from support.gateway import REFUSED, Gateway, token
from support.schemas import ORDER, Schemas, publish, refused
from support.ws import Browser, with_query

Start = Callable[..., Gateway]

ADMIN = "a-key-that-may-do-all"


def configured(folder: Path, **more: Any) -> dict[str, Any]:
    (folder / "shop.binpb").write_bytes(shop.descriptors())
    return {
        "schemas": {
            "sets": [{"name": "shop", "file": str(folder / "shop.binpb")}],
            "bindings": [{"stream": "orders-*", "event": "order", "type": ORDER}],
        },
        **more,
    }


def test_the_configuration_lasts_and_counts_first(start_gateway: Start, tmp_path: Path) -> None:
    gateway = start_gateway(configured(tmp_path))
    with Schemas(gateway.control) as schemas, Control(gateway.control) as control:
        assert refused(control, "orders-1", json='{"x":1}').fields == ["event.json.x"]
        listed = schemas.call("ListSchemas")
        assert listed.sets[0].configured and listed.bindings[0].configured
        schemas.register("mine", shop.source("mine", "message Thing { int64 id = 1; }", tmp_path))
        schemas.bind("orders-*", "*", "mine.Thing")
        assert refused(control, "orders-1", json='{"id":1}').fields == ["event.json.id"], "an order, as before"
        for method, fields in [
            ("RegisterDescriptors", {"name": "shop", "descriptor_set": shop.descriptors()}),
            ("RegisterDescriptors", {"name": "shop"}),
            ("BindStream", {"stream": "orders-*", "event": "order", "type": "mine.Thing"}),
            ("BindStream", {"stream": "orders-*", "event": "order"}),
        ]:
            refusal = schemas.refused(method, **fields)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SCHEMA_CONFIGURED")


def test_a_reload_reads_the_files_again(start_gateway: Start, tmp_path: Path) -> None:
    """All or nothing; what backends registered stays, but for sets of a name that the configuration takes."""
    settings = configured(tmp_path)
    gateway = start_gateway(settings)
    with Schemas(gateway.control) as schemas, Control(gateway.control) as control:
        mine = shop.source("mine", "message Thing { int64 id = 1; }", tmp_path)
        schemas.register("mine", mine)
        schemas.bind("mine-*", "order", "mine.Thing")

        wider = (shop.SUPPORT / "shop.proto").read_text().replace("int64 order_id = 1;", "int64 order_id = 1; int32 x = 99;")
        (tmp_path / "shop.proto").write_text(wider)
        (tmp_path / "shop.binpb").write_bytes(shop.compile_proto(tmp_path / "shop.proto"))
        gateway.hang_up()
        publish(control, "orders-1", json='{"x":1}')
        assert refused(control, "mine-1", json='{"x":1}').fields == ["event.json.x"]

        (tmp_path / "shop.binpb").write_bytes(b"garbage")
        gateway.hang_up(REFUSED)
        assert "schemas.sets[0].file" in gateway.log_text()
        publish(control, "orders-1", json='{"x":1}')

        (tmp_path / "shop.binpb").write_bytes(shop.source("other", "message Thing {}", tmp_path))
        gateway.reload({"schemas": {**settings["schemas"], "bindings": []}})
        publish(control, "orders-1", json='{"anything":1}')
        sets = [{"name": "mine", "file": str(tmp_path / "shop.binpb")}]
        gateway.reload({"schemas": {"sets": sets, "bindings": []}})
        refusal = refused(control, "mine-1", json="{}")
        assert refusal.reason == "TYPE_UNKNOWN", "refused, rather than let through unchecked"
        assert schemas.call("ListSchemas").bindings[0].type_missing
        gateway.reload({"schemas": {"sets": []}})
        schemas.register("mine", mine)
        publish(control, "mine-1", json="{}")


def test_a_client_is_told_where_the_type_is_gone(start_gateway: Start, tmp_path: Path, keep: Callable[[Any], Any]) -> None:
    gateway = start_gateway({"streams": [{"pattern": "*", "publish": {"who": "anyone"}}]})
    browser = keep(Browser(gateway.edge, with_query("/ws", token=token("alice"))))
    with Schemas(gateway.control) as schemas:
        schemas.register("mine", shop.source("mine", "message Thing { int64 id = 1; }", tmp_path))
        schemas.bind("*", "*", "mine.Thing")
        (tmp_path / "other").write_bytes(shop.source("other", "message Thing {}", tmp_path))
        gateway.reload({"schemas": {"sets": [{"name": "mine", "file": str(tmp_path / "other")}]}})
        answer = browser.ask("publish", stream="a", event="e", data={})["data"]
        assert (answer["code"], answer["temporary"]) == ("bad_data", True)


def test_apps_have_their_own(start_gateway: Start, tmp_path: Path) -> None:
    """What an app that is gone had is gone with it."""
    theirs = configured(tmp_path)["schemas"]
    gateway = start_gateway({"apps": [{"name": "blog", "schemas": theirs}]})
    with Schemas(gateway.control) as schemas, Control(gateway.control) as control:
        publish(control, "orders-1", json='{"x":1}')
        assert not schemas.call("ListSchemas").sets
        listed = schemas.call("ListSchemas", app="default")
        assert not listed.bindings
    del control
    gateway.reload({"control": {"keys": [{"name": "all", "secret": ADMIN, "apps": ["*"]}]}})
    with Schemas(gateway.control, ADMIN) as schemas, Control(gateway.control, ADMIN) as control:
        request = pb.BroadcastStreamRequest(app="blog", stream="orders-1", event=event("order", json='{"x":1}'))
        assert control.refused("BroadcastStream", request).fields == ["event.json.x"]
        schemas.call("RegisterDescriptors", app="blog", name="more", descriptor_set=shop.descriptors())
        gateway.reload({"apps": []})
        gateway.reload({"apps": [{"name": "blog"}]})
        assert not schemas.call("ListSchemas", app="blog").sets


def test_what_is_wrong_with_the_configuration(shell: Any, tmp_path: Path) -> None:
    settings = configured(tmp_path)
    settings["schemas"]["sets"].append({"name": "gone", "file": str(tmp_path / "gone")})
    settings["schemas"]["sets"].append({"name": "a b", "file": "x"})
    (tmp_path / "bad.yaml").write_text(json.dumps(settings))
    said = shell.run("check-config", "-c", str(tmp_path / "bad.yaml"), code=1).err
    assert "schemas.sets[1].file: " in said and "schemas.sets[2].name: must have" in said, said


def test_a_restart_forgets_what_was_registered(start_gateway: Start, tmp_path: Path) -> None:
    """The configuration's sets it reads again; a snapshot of the logs has none."""
    config = configured(tmp_path, engine={"memory": {"snapshot": str(tmp_path / "logs")}})
    first = start_gateway(config)
    with Schemas(first.control) as schemas:
        schemas.register("more", shop.source("more", "message Thing { int64 id = 1; }", tmp_path))
        assert [each.name for each in schemas.call("ListSchemas").sets] == ["shop", "more"]
    first.stop()
    with Schemas(start_gateway(config).control) as schemas:
        assert [each.name for each in schemas.call("ListSchemas").sets] == ["shop"]
