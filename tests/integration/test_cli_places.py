"""Which gateway the commands speak to: flags, environment, contexts, TLS; what doctor says of it; and completion."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.certificates import make_certificate
from support.command_line import Shell
from support.control import Control
from support.gateway import Gateway, token
from support.ws import Browser, with_query

KEY = "canary-of-contexts-0123456789abcdef"
READER = "canary-of-readers-0123456789abcdef"
NARROW = "canary-of-few-streams-0123456789abcdef"
Connect = Callable[..., Browser]


@pytest.fixture(scope="module")
def shards() -> int:
    return 2


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"control": {"keys": [{"name": "all", "secret": KEY, "verbs": ["publish", "read", "admin"], "apps": ["*"]},
                                 {"name": "reader", "secret": READER, "verbs": ["read"]},
                                 {"name": "narrow", "secret": NARROW, "verbs": ["publish", "read"], "streams": ["a-*"], "apps": ["shop"]}]},
            "apps": [{"name": "shop"}]}  # fmt: skip


@pytest.fixture
def stranger(binary: str, tmp_path: Path) -> Shell:
    """Somebody who knows of no gateway."""
    return Shell(binary, tmp_path / "stranger")


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    return str(file)


def contexts_file(shell: Shell) -> Path:
    return shell.home / ".config" / "carillon" / "contexts.yaml"


# --- Where the settings come from ---


def test_flag_beats_environment_beats_context(gateway: Gateway, stranger: Shell, key_file: str) -> None:
    stranger.run("context", "add", "here", "--address", gateway.control, "--key-file", key_file)
    stranger.run("nodes")
    wrong = {"CARILLON_ADDRESS": "127.0.0.1:1"}
    stranger.refused("nodes", environment=wrong, code=3)
    stranger.run("nodes", "--address", gateway.control, environment=wrong)
    stranger.run("nodes", "--context", "here", "--address", gateway.control, environment=wrong)
    stranger.refused("nodes", environment={"CARILLON_TOKEN": "another"}, code=4)
    stranger.run("nodes", "--key", KEY, environment={"CARILLON_TOKEN": "another"})
    stranger.run("nodes", "--key-file", key_file, environment={"CARILLON_TOKEN": "another"})
    stranger.run("nodes", environment={"CARILLON_TOKEN_FILE": key_file})
    stranger.run("nodes", environment={"CARILLON_TOKEN": KEY, "CARILLON_TOKEN_FILE": "/nowhere"})
    stranger.run("nodes", environment={"CARILLON_TOKEN": f" {KEY}\r\n"})
    empty = Path(key_file).with_name("empty")
    empty.write_text(" \n")
    assert f"{empty} holds none" in stranger.refused("nodes", "--key-file", str(empty), code=2)


def test_a_key_is_not_sent_to_another_gateway(gateway: Gateway, stranger: Shell, key_file: str) -> None:
    """A context's key is for its address; another address needs a key of its own, or the context's name."""
    stranger.run("context", "add", "elsewhere", "--address", "127.0.0.1:1", "--key-file", key_file)
    stranger.refused("nodes", "--address", gateway.control, code=4)
    stranger.refused("nodes", environment={"CARILLON_ADDRESS": gateway.control}, code=4)
    stranger.run("nodes", "--address", gateway.control, "--context", "elsewhere")
    stranger.run("nodes", "--address", gateway.control, environment={"CARILLON_CONTEXT": "elsewhere"})


def test_without_anything_the_default_address_is_asked(stranger: Shell) -> None:
    assert "127.0.0.1:7311 " in stranger.run("nodes", "--print-grpcurl").out


# --- Contexts ---


def test_contexts_are_added_listed_selected_and_removed(gateway: Gateway, stranger: Shell, key_file: str) -> None:
    assert stranger.run("context", "ls", "-o", "json").json == []
    assert "which is selected" in stranger.run("context", "add", "one", "-s", gateway.control, "--key-file", key_file).err
    stranger.run("context", "add", "two", "-s", "127.0.0.1:2", "--key", KEY, "--app", "shop", "--tls")
    listed = {row["name"]: row for row in stranger.run("context", "ls", "-o", "jsonl").lines}
    assert listed["one"] == {"selected": True, "name": "one", "address": gateway.control, "key_file": key_file, "tls": False, "key": f"in {key_file}"}
    assert (listed["two"]["selected"], listed["two"]["app"], listed["two"]["tls"], listed["two"]["key"]) == (False, "shop", True, "in the context")
    for form in ("table", "json", "jsonl"):
        assert KEY not in stranger.run("context", "ls", "-o", form).out
    stranger.run("context", "select", "two")
    stranger.refused("nodes", "--timeout", "2s", code=3)
    stranger.run("nodes", "--context", "one")
    stranger.run("context", "rm", "two")
    assert stranger.run("context", "ls").table == [["false", "one", gateway.control, "-", "false", "in", key_file]]
    stranger.run("context", "add", "one", "-s", "127.0.0.1:3", "--select")
    assert stranger.run("context", "ls", "-o", "json").json[0]["address"] == "127.0.0.1:3"


def test_the_file_is_its_owners_alone(stranger: Shell) -> None:
    stranger.run("context", "add", "one", "-s", "127.0.0.1:2", "--key", KEY)
    file = contexts_file(stranger)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["contexts.yaml"]
    file.chmod(0o644)
    assert "warning: others may read" in stranger.run("context", "ls").err
    elsewhere = stranger.home / "elsewhere"
    stranger.run("context", "add", "x", "-s", "127.0.0.1:2", environment={"XDG_CONFIG_HOME": str(elsewhere)})
    assert (elsewhere / "carillon" / "contexts.yaml").exists()


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["add", "one"], 2, "--address is missing"),
        (["add", "a b", "-s", "x:1"], 2, "is no name of a context"),
        (["add", "one", "-s", "nowhere"], 2, "is no host:port"),
        (["add", "one", "-s", "x:1", "--key", "a", "--key-file", "b"], 2, "not both"),
        (["select", "none"], 2, 'no context "none"'),
        (["rm", "none"], 2, 'no context "none"'),
        ([], 2, "subcommand"),
    ],
)
def test_wrong_usage_of_contexts(stranger: Shell, arguments: list[str], code: int, said: str) -> None:
    assert said in stranger.refused("context", *arguments, code=code)


@pytest.mark.parametrize("text", ["contexts: [", "contexts: {a: {key: " + KEY + ", nokey: b}}", "contexts: {a: {key: [" + KEY + "]}}", "- a", "contexts: 3"])
def test_a_broken_file_is_said_and_left_alone(stranger: Shell, text: str) -> None:
    file = contexts_file(stranger)
    file.parent.mkdir(parents=True)
    file.write_text(text)
    said = stranger.refused("nodes", code=2)
    assert str(file) in said and KEY not in said
    stranger.refused("context", "add", "one", "-s", "x:1", code=2)
    assert file.read_text() == text


def test_no_home_is_no_reason_to_fail(gateway: Gateway, stranger: Shell) -> None:
    stranger.run("nodes", "--address", gateway.control, "--key", KEY, environment={"HOME": None})
    stranger.refused("context", "add", "one", "-s", "x:1", environment={"HOME": None}, code=1)


def test_keys_are_never_said(gateway: Gateway, stranger: Shell, connect: Connect, key_file: str) -> None:
    """Whatever goes wrong, and whoever asks."""
    commands = [
        ["nodes"], ["nodes", "--print-grpcurl"], ["kick", "a b"], ["kick"], ["doctor"], ["health"], ["doctor", "-o", "json"], ["context", "ls"],
        ["nodes", "--address", "127.0.0.1:1"], ["nodes", "--tls"], ["nodes", "--ca", key_file], ["watch", "--kind", "x"], ["publish", "s", "e", "{"],
    ]  # fmt: skip
    unusable = "canary unusable\x01key"
    for secret, by_flag in ((KEY, False), (READER, True), (unusable, True), (unusable, False)):
        for command in commands if secret != unusable else commands[:2]:
            flag = ["--key", secret] if by_flag and command[0] != "context" else []
            environment = {"CARILLON_ADDRESS": gateway.control, "CARILLON_TOKEN": None if by_flag else secret}
            done = stranger.run(*command, *flag, environment=environment, code=None)
            assert "canary" not in done.out + done.err, done
            assert done.code in (0, 1, 2, 3, 4), done


# --- TLS ---


@pytest.fixture
def over_tls(start_gateway: Callable[..., Gateway], tmp_path: Path) -> tuple[Gateway, str]:
    """A gateway whose control port speaks TLS, and its certificate."""
    file = str(make_certificate(tmp_path / "control.pem"))
    tls = {"cert_file": file, "key_file": file}
    return start_gateway({"control": {"tls": tls, "keys": [{"name": "all", "secret": KEY, "verbs": ["publish", "read", "admin"]}]}}), file


def test_tls(over_tls: tuple[Gateway, str], stranger: Shell, grpcurl_program: str, key_file: str) -> None:
    gateway, ca = over_tls
    stranger.run("context", "add", "safe", "-s", gateway.control, "--ca", ca, "--key-file", key_file)
    stranger.run("nodes")
    printed = stranger.run("nodes", "--print-grpcurl").out
    assert "-plaintext" not in printed and f"-cacert {ca}" in printed
    assert stranger.shell(printed.replace("grpcurl", grpcurl_program, 1), environment={"KEY": KEY}).code == 0
    for how in (["--tls"], []):
        stranger.refused("nodes", "-s", gateway.control, *how, environment={"XDG_CONFIG_HOME": "/nowhere"}, code=3)
    assert "by TLS" in stranger.run("doctor").out


def test_doctor_knows_tls_from_plain_text(over_tls: tuple[Gateway, str], gateway: Gateway, stranger: Shell) -> None:
    encrypted, ca = over_tls
    assert "speaks TLS, and we plain text" in stranger.run("doctor", "-s", encrypted.control, code=1).out
    assert "speaks plain text, and we TLS" in stranger.run("doctor", "-s", gateway.control, "--ca", ca, code=1).out
    assert "certificate" in stranger.run("doctor", "-s", encrypted.control, "--tls", code=1).out
    assert "but it is no control port" in stranger.run("doctor", "-s", gateway.admin, code=1).out


# --- doctor ---


def results(checks: list[dict[str, str]]) -> dict[str, str]:
    return {check["check"]: check["result"] for check in checks}


def test_doctor_of_a_gateway_that_is_well(gateway: Gateway, shell: Shell, connect: Connect) -> None:
    connect("/ws")
    checks = shell.run("doctor", "--key", KEY, "--app", "shop", "-o", "json").json
    assert results(checks) == {"control port": "good", "health": "good", "key": "good", "app": "good", "reflection": "good",
                               "clock": "note", "version": "good"}  # fmt: skip
    checks = shell.run("doctor", "--key", KEY, "-o", "jsonl").lines
    assert results(checks)["clock"] == "good"
    assert [check["said"] for check in checks if check["check"] == "key"] == ["good for: publish, read, admin"]
    assert "good for: read" in shell.run("doctor", "--key", READER).out
    narrow = shell.run("doctor", "--key", NARROW, "--app", "shop").out
    assert "good for: publish, read\n" in narrow and "✓ app" in narrow
    table = shell.run("doctor", "--key", KEY).out.splitlines()
    assert all(line[0] in "✓-" for line in table) and len(table) == 6


def test_doctor_of_backends_that_do_not_answer(
    start_gateway: Callable[..., Gateway], stranger: Shell, keep: Callable[[Any], Any]
) -> None:
    gateway = start_gateway({
        "hooks": [{"name": "lost", "address": "127.0.0.1:1", "breaker_failures": 1, "breaker_pause": "10m"}],
        "streams": [{"pattern": "asked-*", "subscribe": {"hook": "lost"}}],
    })  # fmt: skip
    assert results(stranger.run("doctor", "-s", gateway.control, "-o", "json").json)["backends"] == "good"
    keep(Browser(gateway.edge)).ask("subscribe", streams=["asked-1"])
    done = stranger.run("doctor", "-s", gateway.control, code=1)
    assert "✗ backends" in done.out and "left alone: lost at " in done.out and "hooks[].address" in done.out


def test_doctor_of_a_key_that_is_none(shell: Shell) -> None:
    wrong = shell.run("doctor", "--key", "another", code=1)
    assert "✗ key" in wrong.out and "does not know this key" in wrong.out and "try: " in wrong.out
    assert "none was given, and the gateway wants one" in shell.run("doctor", code=1).out
    assert "✗ app" in shell.run("doctor", "--key", KEY, "--app", "nosuch", code=1).out


def test_doctor_where_nobody_listens(shell: Shell) -> None:
    done = shell.run("doctor", "-s", "127.0.0.1:1", code=1)
    assert "nobody listens at 127.0.0.1:1" in done.out and "carillon serve" in done.out
    assert "--print-grpcurl" in shell.refused("doctor", "--print-grpcurl", code=2)


def test_doctor_of_a_configuration(gateway: Gateway, shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "carillon.yaml"

    def checked(code: int, **edge: Any) -> dict[str, str]:
        file.write_text(json.dumps({"edge": {"endpoints": [{"path": "/ws", "anonymous": True}], **edge},
                                    "control": {"listen": "127.0.0.1:0"}, "admin": {"listen": "127.0.0.1:0"}}))  # fmt: skip
        return results(shell.run("doctor", "--key", KEY, "-c", str(file), "-o", "json", code=code).json)

    good = checked(0, listen="127.0.0.1:0", allowed_origins=["https://app.example.com"])
    assert good["configuration"] == good["edge port"] == good["origins"] == good["open files"] == "good"
    taken = checked(0, listen=gateway.edge, allowed_origins=["*"])
    assert (taken["edge port"], taken["origins"]) == ("note", "note")
    assert checked(1, listen="127.0.0.1:0", max_connections=4_000_000_000)["open files"] == "bad"
    assert checked(1, listen="nonsense")["configuration"] == "bad"
    done = shell.run("doctor", "-s", "127.0.0.1:1", "-c", str(gateway.file), "-o", "json", code=1)
    assert results(done.json)["edge port"] == "good"


# --- Completion ---


def complete(shell: Shell, *words: str) -> list[str]:
    """What bash offers after these words."""
    script = f"""source <(carillon completion bash)
      COMP_WORDS=({' '.join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
      _carillon; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = shell.shell(script)
    assert done.code == 0 and done.err == "", done
    return done.out.split()


def test_bash_completes_commands_flags_and_formats(shell: Shell) -> None:
    commands = complete(shell, "carillon", "")
    assert {"serve", "publish", "kick", "context", "completion"} <= set(commands)
    assert complete(shell, "carillon", "pub") == ["publish"]
    assert complete(shell, "carillon", "context", "") == ["add", "select", "ls", "rm", "--help", "-h"]
    assert set(complete(shell, "carillon", "kick", "alice", "--r")) == {"--reason"}
    assert "--edge.listen" in complete(shell, "carillon", "serve", "--edge.l")
    assert complete(shell, "carillon", "nodes", "-o", "") == ["table", "json", "jsonl"]
    script = """source <(carillon completion bash)
      for command in $COMMANDS; do COMP_WORDS=(carillon $command --hel); COMP_CWORD=2; _carillon; echo $command ${COMPREPLY[@]}; done"""
    names = [command for command in commands if not command.startswith("-")]
    done = shell.shell(script, environment={"COMMANDS": " ".join(names)})
    assert [line for line in done.out.splitlines() if line] == [f"{name} --help" for name in names]


def test_the_scripts_are_sound(shell: Shell) -> None:
    """bash reads it; zsh and fish do where they are installed; all three name every command."""
    commands = [word for word in complete(shell, "carillon", "") if not word.startswith("-")]
    for name, check in (("bash", "bash -n"), ("zsh", "zsh -n"), ("fish", "fish --no-execute")):
        script = shell.run("completion", name).out
        assert all(command in script for command in commands)
        if any(os.access(os.path.join(folder, name), os.X_OK) for folder in os.environ["PATH"].split(os.pathsep)):
            assert shell.shell(check, stdin=script).code == 0
    assert "subcommand" in shell.refused("completion", code=2)


def test_help_of_every_command(shell: Shell) -> None:
    """And the remote ones have the same flags."""
    remote = set("publish send watch streams stream subs sessions session presence history nodes blocked top kick subscribe unsubscribe "
                 "block unblock revoke health doctor tail drain reload config schemas bindings register unregister bind unbind".split())  # fmt: skip
    for command in complete(shell, "carillon", ""):
        if command.startswith("-"):
            continue
        said = shell.run(command, "--help").out
        assert ("--print-grpcurl" in said and "--address" in said) == (command in remote), command
