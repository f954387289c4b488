"""Reload and GetConfig: what operators do to the process without a shell on its machine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from carillon_client._pb import admin_pb2
from support.control import Control
from support.gateway import JWT_SECRET, Gateway, clean_environment, merged

Start = Callable[..., Gateway]
Keep = Callable[[Any], Any]

KEYS = {
    "all": {"apps": ["*"]},
    "default": {},
    "some": {"apps": ["*"], "streams": ["a*"]},
    "reader": {"apps": ["*"], "verbs": ["read"]},
}


def key(name: str) -> str:
    return f"the-key-{name}-0123456789"


def config(**more: Any) -> dict[str, Any]:
    keys = [{"name": name, "secret": key(name), "verbs": ["publish", "read", "admin"], **what} for name, what in KEYS.items()]
    return merged({"control": {"keys": keys}, "apps": [{"name": "shop"}]}, more)


@pytest.fixture
def open_control(keep: Keep) -> Callable[..., Control]:
    return lambda gateway, name="all": keep(Control(gateway.control, key(name)))


def write(gateway: Gateway, changes: dict[str, Any]) -> None:
    """Changes the file, and tells nobody."""
    gateway.file.write_text(json.dumps(merged(json.loads(gateway.file.read_text()), changes)))


def test_a_reload_says_what_has_changed(start_gateway: Start, open_control: Callable[..., Control]) -> None:
    gateway = start_gateway(config())
    control = open_control(gateway)
    nothing = control.call("Reload", admin_pb2.ReloadRequest())
    assert (list(nothing.changed), list(nothing.need_restart)) == ([], [])
    write(gateway, {"edge": {"allowed_origins": ["https://a.example"]}, "hub": {"mailbox_messages": 99}})
    answer = control.call("Reload", admin_pb2.ReloadRequest())
    assert [(each.setting, getattr(each, "from"), each.to) for each in answer.changed] == [
        ("edge.allowed_origins", "[]", '["https://a.example"]')
    ]
    assert [each.setting for each in answer.need_restart] == ["hub.mailbox_messages"]
    assert "Reload by all: loaded the configuration" in gateway.wait_for_log("Reload by all: loaded")


def test_a_refused_reload_changes_nothing(start_gateway: Start, open_control: Callable[..., Control]) -> None:
    gateway = start_gateway(config())
    control = open_control(gateway)
    before = control.call("GetConfig", admin_pb2.GetConfigRequest()).yaml
    write(gateway, {"edge": {"allowed_origins": ["no origin"]}, "limits": {"streams": "many"}})
    refusal = control.refused("Reload", admin_pb2.ReloadRequest())
    assert (refusal.code.name, refusal.reason) == ("FAILED_PRECONDITION", "CONFIG_INVALID")
    assert "edge.allowed_origins" in refusal.message or "limits.streams" in refusal.message
    assert control.call("GetConfig", admin_pb2.GetConfigRequest()).yaml == before
    gateway.file.write_text("")
    assert control.refused("Reload", admin_pb2.ReloadRequest()).code.name == "FAILED_PRECONDITION"


def test_the_configuration_is_shown_without_secrets(
    start_gateway: Start, open_control: Callable[..., Control], tmp_path: Path, binary: str
) -> None:
    """And is one that the gateway would read, once the secrets are put in."""
    gateway = start_gateway(config(streams=[{"pattern": "room-*", "log": {"mode": "log", "age": "90s"}, "publish": {"events": [{"event": "a", "rate": "5/5s"}]}}]))
    text = open_control(gateway).call("GetConfig", admin_pb2.GetConfigRequest()).yaml
    assert JWT_SECRET not in text and "the-key-" not in text
    shown = yaml.safe_load(text)
    assert shown["streams"][0]["log"] == {"mode": "log", "messages": 300, "max_bytes": 4 << 20, "age": "90s", "max_replay": 300}
    assert shown["control"]["keys"][0]["name"] == "all" and shown["control"]["keys"][0]["secret"] == "***"
    assert shown["drain"]["timeout"] and shown["apps"][0]["name"] == "shop"
    for each in shown["control"]["keys"]:
        each["secret"] = key(each["name"])
    shown["auth"]["hs256_secret"] = JWT_SECRET
    file = tmp_path / "again.yaml"
    file.write_text(yaml.safe_dump(shown))
    check = subprocess.run([binary, "check-config", "-c", str(file)], capture_output=True, text=True, env=clean_environment())
    assert check.returncode == 0, check.stderr


def test_a_gateway_runs_on_what_was_shown(start_gateway: Start, open_control: Callable[..., Control], keep: Keep) -> None:
    """And shows the same."""
    first = start_gateway(config())
    text = open_control(first).call("GetConfig", admin_pb2.GetConfigRequest()).yaml
    shown = yaml.safe_load(text)
    for each in shown["control"]["keys"]:
        each["secret"] = key(each["name"])
    shown["auth"]["hs256_secret"] = JWT_SECRET
    second = start_gateway(shown)
    again = yaml.safe_load(open_control(second).call("GetConfig", admin_pb2.GetConfigRequest()).yaml)
    assert again == yaml.safe_load(text)


@pytest.mark.parametrize("name", ["default", "some", "reader"])
def test_a_key_must_be_for_everything(start_gateway: Start, open_control: Callable[..., Control], name: str) -> None:
    gateway = start_gateway(config())
    control = open_control(gateway, name)
    for method in ("Reload", "GetConfig"):
        request = getattr(admin_pb2, method + "Request")()
        assert control.refused(method, request).code.name == "PERMISSION_DENIED"
