"""Configuration: where it comes from, what beats what, and that everything wrong with it is said at once, with its
place. And the small commands beside serve."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.control import Control
from support.gateway import JWT_SECRET, Gateway, clean_environment, sign, token
from support.patience import PATIENCE
from support.ws import Browser, with_query

Run = Callable[..., subprocess.CompletedProcess[str]]

ANYBODY = "edge: {listen: '127.0.0.1:0', endpoints: [{path: /ws, anonymous: true}]}\n"


@pytest.fixture
def run(binary: str, tmp_path: Path) -> Run:
    """Runs a command of the binary: run("check-config", text="…", environment={…}, arguments=[…])."""

    def command(
        name: str, *arguments: str, text: str | None = None, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        line = [binary, name, *arguments]
        if text is not None:
            file = tmp_path / "c.yaml"
            file.write_text(text)
            line += ["-c", str(file)]
        return subprocess.run(
            line, capture_output=True, text=True, timeout=PATIENCE, env=clean_environment(environment), cwd=tmp_path
        )

    return command


# --- check-config ---


def test_a_good_file_is_fine(run: Run) -> None:
    """Exit 0, and nothing on standard error."""
    checked = run("check-config", text=ANYBODY)

    assert (checked.returncode, checked.stderr) == (0, "")
    assert "fine" in checked.stdout


def test_everything_wrong_is_said_at_once_with_its_place(run: Run, tmp_path: Path) -> None:
    """One line for each problem: file, line, column and the setting."""
    checked = run(
        "check-config",
        text=(
            "edge:\n"  # 1
            "  lisen: '127.0.0.1:0'\n"
            "  request_timeout: 10 minutes\n"
            "  request_timeout: 5s\n"
            "  max_connections: many\n"  # 5
            "  demo_page: yes\n"
            "  endpoints:\n"
            "    - path: ws\n"
            "      dialect: klingon\n"
            "      outbox_bytes: 1KB\n"  # 10
            "      anonymous: true\n"
            "      ping_interval: 60s\n"
            "      peer_timeout: 30s\n"
            "  allowed_origins: ['https://ok.test', 'nonsense']\n"
            "control: []\n"  # 15
            "hub: {shards: 65}\n"
            "bells: 12\n"
        ),
    )

    file = tmp_path / "c.yaml"
    assert checked.returncode == 1
    problems = dict(re.findall(rf"^{re.escape(str(file))}:(\d+:\d+): (\S+):", checked.stderr, re.M))
    assert problems == {
        "2:3": "edge.lisen",
        "3:20": "edge.request_timeout",
        "4:3": "edge.request_timeout",
        "5:20": "edge.max_connections",
        "6:14": "edge.demo_page",
        "8:13": "edge.endpoints[0].path",
        "9:16": "edge.endpoints[0].dialect",
        "10:21": "edge.endpoints[0].outbox_bytes",
        "13:21": "edge.endpoints[0].peer_timeout",
        "14:40": "edge.allowed_origins[1]",
        "15:10": "control",
        "16:15": "hub.shards",
        "17:1": "bells",
    }
    assert len(checked.stderr.splitlines()) == len(problems)


@pytest.mark.parametrize(
    "text, hint",
    [
        ("edge: {lisen: 'x'}", "did you mean listen?"),
        ("egde: {}", "did you mean edge?"),
        ("auth: {hs256-secret: x}", "did you mean hs256_secret?"),
        ("edge: {endpoints: [{anonymus: true}]}", "did you mean anonymous?"),
        ("hub: {completely_different: 1}", "known here: shards, mailbox_messages, mailbox_bytes"),
        ("log: {level: warning}", "none of debug, info, warn, error"),
        ("edge: {endpoints: [{dialect: socketio}]}", "none of native, echo"),
        ("edge: {request_timeout: 50ms}", "at least 100ms"),
        ("limits: {max_publish_bytes: 1MiB}", "at most 512KiB"),
        ("edge: {request_timeout: 5}", "a duration such as"),
        ("limits: {max_publish_bytes: 10kb}", "a size such as"),
        ("hub: {shards: -1}", "a whole number"),
        ("hub: {shards: 1.5}", "a whole number"),
        ("edge: {max_connections: 4294967296}", "too large"),
        ("edge: {demo_page: 1}", "neither true nor false"),
        ("edge: {listen: localhost}", "an address and a port"),
        ("edge: {listen: '127.0.0.1:70000'}", "an address and a port"),
        ("edge: {endpoints: {path: /ws}}", "must be a list"),
        ("edge: {allowed_origins: ['*.com:80']}", "is no origin"),
        ("edge: {endpoints: [{path: /a}, {path: /a}]}", "two endpoints have the path /a"),
        ("control: {keys: [{name: a, secret: 0123456789abcdef}, {name: a, secret: 123456789abcdefg}]}", "two keys"),
        ("control: {keys: [{name: a, secret: short}]}", "at least 16 bytes"),
        ("auth: {hs256_secret: short}", "at least 32 bytes"),
        ("- a\n- b", "must be a group of settings"),
        ("edge: [\n", ":2:1: "),
        ("edge: {listen: 'x", ":1:"),
    ],
)
def test_an_error_says_what_would_have_been_right(run: Run, text: str, hint: str) -> None:
    """The nearest name, the values that there are, the bound, the form."""
    checked = run("check-config", text=text)

    assert checked.returncode == 1
    assert hint in checked.stderr


def test_a_secret_is_not_repeated_in_an_error(run: Run) -> None:
    """Errors say what is wrong with it, not what it is."""
    secret = "hush-hush"

    both = f"auth: {{hs256_secret: {secret}}}\ncontrol: {{keys: [{{name: a, secret: {secret}}}]}}"
    for checked in (
        run("check-config", text=both),
        run("check-config", text=ANYBODY, environment={"CARILLON_AUTH_HS256_SECRET": secret}),
    ):
        assert checked.returncode == 1
        assert "hs256_secret" in checked.stderr.lower()
        assert secret not in checked.stdout + checked.stderr


def test_a_file_that_is_not_there_is_named(run: Run) -> None:
    """The path and the reason."""
    checked = run("check-config", "-c", "nowhere.yaml")

    assert checked.returncode == 1
    assert "nowhere.yaml" in checked.stderr and "No such file" in checked.stderr


# --- Safe by default ---


def test_a_gateway_that_nobody_could_use_does_not_start(run: Run) -> None:
    """Without tokens and without anonymous access nobody can connect; the message says what to do about either."""
    for name, status in (("check-config", 1), ("serve", 2)):
        refused = run(name, text="edge: {listen: '127.0.0.1:0'}\n")

        assert refused.returncode == status
        assert "nobody can connect" in refused.stderr
        assert "anonymous: true" in refused.stderr


@pytest.mark.parametrize(
    "control, good",
    [
        ("listen: '0.0.0.0:0'", False),
        ("listen: '[::]:0'", False),
        ("listen: '0.0.0.0:0', insecure: true", True),
        ("listen: '0.0.0.0:0', keys: [{name: a, secret: '0123456789abcdef'}]", False),
        ("listen: '0.0.0.0:0', insecure: true, keys: [{name: a, secret: '0123456789abcdef'}]", True),
        ("listen: '127.0.0.1:0'", True),
        ("listen: '[::1]:0'", True),
        ("listen: 'localhost:0'", True),
        ("listen: 'unix:/run/carillon.sock'", True),
    ],
)
def test_a_control_port_that_is_open_to_others_needs_tls_and_keys(run: Run, control: str, good: bool) -> None:
    """Unless the operator says insecure. With TLS: test_tls.py."""
    checked = run("check-config", text=ANYBODY + f"control: {{{control}}}\n")

    assert (checked.returncode == 0) == good, checked.stderr
    assert good or "control.insecure: true" in checked.stderr


def test_the_control_port_may_be_a_unix_socket(start_gateway: Callable[..., Gateway]) -> None:
    """No port at all: the file system's permissions guard it."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = start_gateway({"control": {"listen": f"unix:{folder}/control.sock"}})

        assert gateway.control == f"unix:{folder}/control.sock"
        with Control(gateway.control) as control:
            assert control.count() == 0


# --- Where settings come from ---


@pytest.mark.parametrize(
    "file, environment, flag, wanted",
    [
        ({}, None, None, None),
        ({"shards": 2}, None, None, 2),
        ({"shards": 2}, "3", None, 3),
        ({"shards": 2}, "3", "4", 4),
    ],
)
def test_flag_beats_environment_beats_file(
    start_gateway: Callable[..., Gateway],
    file: dict[str, int],
    environment: str | None,
    flag: str | None,
    wanted: int | None,
) -> None:
    """The number of shards that a running gateway has; by default, one a processor."""
    gateway = start_gateway(
        {"hub": file},
        environment={"CARILLON_HUB_SHARDS": environment} if environment else {},
        arguments=["--hub.shards", flag] if flag else [],
    )

    shards = len(re.findall(r"^carillon_mailbox_messages\{", gateway.metrics().text, re.M))

    assert shards == wanted if wanted else 1 <= shards <= 64


def test_the_environment_alone_will_do(run: Run) -> None:
    """Lists too: words with commas between them, or YAML."""
    checked = run(
        "check-config",
        environment={
            "CARILLON_EDGE_ENDPOINTS": "[{path: /ws, anonymous: true}]",
            "CARILLON_EDGE_ALLOWED_ORIGINS": "https://a.example.com,*.example.org",
            "CARILLON_CONTROL_KEYS": '[{"name": "a", "secret": "0123456789abcdef", "verbs": ["read"]}]',
            "CARILLON_DRAIN_TIMEOUT": "1s",
            "CARILLON_STREAMS": "[{pattern: chat-*, log: {mode: log}}]",
            "CARILLON_INBOX_MODE": "latest",
        },
    )

    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    "environment, name",
    [
        ({"CARILLON_HUB_SHARDS": "many"}, "CARILLON_HUB_SHARDS"),
        ({"CARILLON_EDGE_ALLOWED_ORIGINS": "nonsense"}, "CARILLON_EDGE_ALLOWED_ORIGINS"),
        ({"CARILLON_EDGE_ENDPOINTS": "[{pth: /a}]"}, "CARILLON_EDGE_ENDPOINTS"),
        ({"CARILLON_AUTH_HS256_SECRET_FILE": "/nowhere"}, "CARILLON_AUTH_HS256_SECRET_FILE"),
    ],
)
def test_a_bad_variable_is_named(run: Run, environment: dict[str, str], name: str) -> None:
    """An error says where the value came from."""
    checked = run("check-config", text=ANYBODY, environment=environment)

    assert checked.returncode == 1
    assert name in checked.stderr


def test_a_bad_flag_is_named(run: Run) -> None:
    """And one that there is not is refused."""
    bad = run("check-config", "--hub.shards", "many", text=ANYBODY)
    unknown = run("check-config", "--hub.bells", "1", text=ANYBODY)

    assert bad.returncode == 1 and "--hub.shards" in bad.stderr
    assert unknown.returncode != 0 and "hub.bells" in unknown.stderr


def test_secrets_are_no_flags(run: Run) -> None:
    """What stands in a command line can be read by every process of the machine."""
    refused = run("check-config", "--auth.hs256-secret", "x" * 40, text=ANYBODY)

    assert refused.returncode != 0
    assert "hs256" not in run("serve", "--help").stdout


def test_a_secret_may_come_from_a_file(start_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    """CARILLON_..._FILE names it; the line break at its end is no part of it."""
    file = tmp_path / "secret"
    file.write_text("a-secret-from-a-file-0123456789abcdef\n")
    gateway = start_gateway({"auth": {"hs256_secret": ""}}, environment={"CARILLON_AUTH_HS256_SECRET_FILE": str(file)})

    claims = {"sub": "alice", "exp": int(time.time()) + 600}
    text = sign(claims, secret="a-secret-from-a-file-0123456789abcdef")
    browser = Browser(gateway.edge, with_query("/ws", token=text))

    assert browser.welcome["user"]["id"] == "alice"
    browser.close()


def test_variables_of_kubernetes_are_not_ours(run: Run) -> None:
    """A Service called carillon must not break the gateway behind it; a misspelt setting is worth a warning."""
    kubernetes = {
        "CARILLON_PORT": "tcp://10.0.0.1:7310",
        "CARILLON_PORT_7310_TCP_ADDR": "10.0.0.1",
        "CARILLON_SERVICE_HOST": "10.0.0.1",
        "CARILLON_SERVICE_PORT_EDGE": "7310",
    }

    silent = run("check-config", text=ANYBODY, environment=kubernetes)
    warned = run("check-config", text=ANYBODY, environment={**kubernetes, "CARILLON_EDGE_LISTENS": "x"})

    assert (silent.returncode, silent.stderr) == (0, "")
    assert warned.returncode == 0
    assert warned.stderr.count("\n") == 1 and "CARILLON_EDGE_LISTENS" in warned.stderr


# --- The small commands ---


def test_a_token_of_the_command_lets_its_user_in(start_gateway: Callable[..., Gateway], run: Run) -> None:
    """With its name, roles, streams and labels, signed for this gateway's issuer and audience."""
    gateway = start_gateway({"auth": {"issuer": "me", "audience": "carillon"}})
    who = "--user alice --name Alice --role editor --role admin --label tab=1"
    what = "--stream chat --stream private-a --ttl 1h"

    made = run("token", *who.split(), *what.split(), "-c", str(gateway.file))

    assert (made.returncode, made.stderr) == (0, "")
    browser = Browser(gateway.edge, with_query("/ws", token=made.stdout.strip()))
    assert browser.welcome["user"] == {"id": "alice", "name": "Alice", "roles": ["editor", "admin"]}
    assert sorted(browser.welcome["streams"]) == ["chat", "private-a"]
    with Control(gateway.control) as control:
        (subscriber,) = control.page(user_id="alice").subscribers
        assert dict(subscriber.labels) == {"tab": "1"}
    browser.close()


@pytest.mark.parametrize(
    "arguments, hint",
    [
        (["--ttl", "1h"], "--user"),
        (["--user", ""], "--user"),
        (["--user", "alice", "--ttl", "soon"], "--ttl"),
        (["--user", "alice", "--ttl", "0s"], "--ttl"),
        (["--user", "alice", "--ttl", "2200000h"], "--ttl"),
        (["--user", "alice", *(["--role", "r" * 200] * 100)], "refuse"),
        (["--user", "alice", "--stream", "bad name"], "--stream"),
        (["--user", "alice", "--label", "nonsense"], "--label"),
    ],
)
def test_a_token_that_would_not_work_is_not_made(run: Run, arguments: list[str], hint: str) -> None:
    """Exit 2, and the argument is named."""
    refused = run("token", *arguments, text=ANYBODY + f"auth: {{hs256_secret: {JWT_SECRET}}}\n")

    assert refused.returncode == 2
    assert refused.stdout == ""
    assert hint in refused.stderr


def test_without_a_secret_there_is_no_token(run: Run) -> None:
    """The message says where one could come from."""
    refused = run("token", "--user", "alice", text=ANYBODY)

    assert refused.returncode == 2
    assert "CARILLON_AUTH_HS256_SECRET" in refused.stderr


def test_the_version_is_the_one_that_metrics_show(start_gateway: Callable[..., Gateway], run: Run) -> None:
    """carillon version, and carillon_build_info."""
    said = run("version")

    match = re.match(r"carillon (\d+\.\d+\.\d+)\n", said.stdout)
    assert said.returncode == 0 and match
    assert start_gateway().metrics().value("carillon_build_info", version=match[1]) == 1


def test_help_is_there_and_nonsense_is_refused(run: Run) -> None:
    """Exit 0 and 2."""
    assert run("--help").returncode == 0
    assert "--edge.listen" in run("serve", "--help").stdout
    assert run("dance").returncode == 2
    assert '"dance"' in run("dance").stderr and "check-config" in run("dance").stderr
    assert run("serve", "-c", "").returncode == 2
    assert run("serve", "--dance").returncode == 2


def test_a_token_for_one_gateway_is_none_for_another(start_gateway: Callable[..., Gateway]) -> None:
    """Another secret, another town."""
    other = start_gateway({"auth": {"hs256_secret": "another-secret-of-32-bytes-or-more"}})

    with pytest.raises(AssertionError, match="401"):
        Browser(other.edge, with_query("/ws", token=token("alice")))


def test_the_ready_line_is_all_that_stands_on_standard_output(start_gateway: Callable[..., Gateway]) -> None:
    """Whoever started it reads one line of JSON there, and logs elsewhere."""
    gateway = start_gateway()
    gateway.begin_stop()

    assert gateway.process.stdout is not None
    assert gateway.process.stdout.read() == b""
    assert gateway.wait() == 0

