"""TLS of the edge and of the control plane: that it works as without, what is refused, and that certificates change
while sessions stay."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from support.certificates import make_certificate, trusting
from support.control import Control, event, pb
from support.gateway import REFUSED, Gateway, token
from support.http import RawConnection, request_bytes, split_address, upgrade_headers
from support.patience import dice, eventually
from support.ws import Browser, ClosedByGateway, frame_bytes, with_query

Start = Callable[..., Gateway]
Keep = Callable[[Any], Any]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "edge.pem")


@pytest.fixture(scope="module")
def config(certificate: Path) -> dict[str, Any]:
    return {
        "edge": {
            "tls": {"cert_file": str(certificate), "key_file": str(certificate)},
            "demo_page": True,
            "accept_timeout": "1s",
            "endpoints": [
                {"path": "/ws", "anonymous": True},
                {"path": "/small", "anonymous": True, "send_buffer_bytes": "4KiB", "outbox_messages": 20,
                 "outbox_patience": "50ms", "outbox_bytes": "300KiB"},
                {"path": "/paused", "anonymous": True, "send_buffer_bytes": "4KiB", "outbox_bytes": "16MiB",
                 "outbox_messages": 10000},
            ],
        },
        "limits": {"max_publish_bytes": "256KiB"},
        "streams": [{"pattern": "kept-*", "log": {"mode": "log"}}],
    }


@pytest.fixture
def trust(certificate: Path) -> ssl.SSLContext:
    return trusting(certificate)


@pytest.fixture
def secure(gateway: Gateway, trust: ssl.SSLContext, keep: Keep) -> Callable[..., Browser]:
    """Connects a Browser over TLS."""
    return lambda target="/ws", **how: keep(Browser(gateway.edge, target, **{"tls": trust, **how}))


@pytest.fixture
def https(gateway: Gateway, trust: ssl.SSLContext, keep: Keep) -> Callable[..., RawConnection]:
    """Connects over TLS and says nothing."""
    return lambda **how: keep(RawConnection(gateway.edge, **{"tls": trust, **how}))


# --- As without ---


def test_a_session_over_tls(secure: Any, control: Control, fresh: Callable[[str], str]) -> None:
    stream = fresh("kept")
    browser = secure(with_query("/ws", streams=stream, token=token("alice")))
    assert browser.welcome["user"]["id"] == "alice"
    assert browser.socket.version() == "TLSv1.3"
    for i in range(10):
        control.to_stream(stream, event(str(i)))
    assert [browser.receive()["event"] for _ in range(10)] == [str(i) for i in range(10)]
    assert browser.ask("ping", data="x" * 1000)["data"] == {"echo": "x" * 1000}
    again = secure("/ws")
    assert len(again.ask("subscribe", streams=[stream], since={"last": 5})["data"]["streams"]) == 1
    assert [again.receive()["event"] for _ in range(5)] == ["5", "6", "7", "8", "9"]
    browser.leave()  # insists on an end in good order, TLS's own goodbye included
    control.kick(session_id=again.session)
    assert again.receive_close() == (4005, "kicked")


def test_tls12_works_as_well(secure: Any, trust: ssl.SSLContext) -> None:
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    browser = secure("/ws")
    assert browser.socket.version() == "TLSv1.2"
    assert "ECDHE" in browser.socket.cipher()[0] and ("GCM" in browser.socket.cipher()[0] or "CHACHA" in browser.socket.cipher()[0])
    assert browser.ask("ping")["event"] == "pong"


def test_messages_of_all_sizes_both_ways(secure: Any, control: Control, fresh: Callable[[str], str]) -> None:
    stream = fresh("sizes")
    browser = secure(with_query("/ws", streams=stream))
    for size in (1, 125, 126, 16_000, 16_384, 16_385, 65_000, 200_000):
        control.to_stream(stream, event("big", json=json.dumps("x" * size)))
        assert browser.receive()["data"] == "x" * size
    # Many messages in one record, and one message in many.
    commands = b"".join(frame_bytes(1, json.dumps({"action": "ping", "id": i}).encode()) for i in range(50))
    browser.send(commands)
    assert [browser.receive()["id"] for _ in range(50)] == list(range(50))
    command = frame_bytes(1, json.dumps({"action": "ping", "id": 1, "pad": "x" * 60_000}).encode())
    for at in range(0, len(command), 7_000):
        browser.send(command[at : at + 7_000])
    assert browser.receive()["id"] == 1


def test_a_reader_that_pauses_gets_everything_in_order(
    secure: Any, control: Control, gateway: Gateway, fresh: Callable[[str], str]
) -> None:
    """Random sizes to a socket that takes little, so that records are cut everywhere."""
    stream = fresh("paused")
    chance = dice()
    browser = secure(with_query("/paused", streams=stream), receive_buffer=4096)
    sizes = [chance.choice([1, 100, 3000, chance.randrange(40_000)]) for _ in range(200)]
    for i, size in enumerate(sizes):
        control.to_stream(stream, event(str(i), json=json.dumps("x" * size)))
    for i, size in enumerate(sizes):
        message = browser.receive()
        assert (message["event"], len(message["data"])) == (str(i), size)
    assert browser.ask("ping")["event"] == "pong"


def test_a_slow_reader_is_closed_with_its_code(
    secure: Any, control: Control, gateway: Gateway, fresh: Callable[[str], str]
) -> None:
    stream = fresh("slow")
    browser = secure(with_query("/small", streams=stream), receive_buffer=4096)
    with gateway.rises("carillon_connections_closed_total", code="4101"):
        while gateway.metrics().value("carillon_slow_consumers_total") == 0:
            control.to_stream(stream, event("much", json=json.dumps("x" * 20_000)))
        with pytest.raises(ClosedByGateway) as closed:
            while True:
                browser.receive()
        assert closed.value.code == 4101
        browser.answer_close(closed.value.code)


def test_the_page_and_refusals_are_https(https: Any, trust: ssl.SSLContext) -> None:
    connection = https()
    connection.send(request_bytes("/", [("Host", "gateway.test")]))
    page = connection.read_response()
    assert page.status == 200 and b"<html" in page.body
    assert connection.receive_to_end() == b""  # in good order

    connection = https()
    connection.send_bytewise(request_bytes("/nowhere", [("Host", "gateway.test")]))
    refused = connection.read_response()
    assert (refused.status, refused.error["code"]) == (404, "path")

    trust.set_alpn_protocols(["h2", "http/1.1"])
    assert https().socket.selected_alpn_protocol() == "http/1.1"


def test_the_request_may_bring_the_first_messages(secure: Any) -> None:
    early = b"".join(frame_bytes(1, json.dumps({"action": "ping", "id": i}).encode()) for i in range(20))
    browser = secure("/ws", early=early)
    browser.receive_welcome()
    assert [browser.receive()["id"] for _ in range(20)] == list(range(20))


def test_sessions_of_tls_are_resumed(gateway: Gateway, trust: ssl.SSLContext, keep: Keep) -> None:
    first = keep(Browser(gateway.edge, "/ws", tls=trust))
    assert not first.socket.session_reused
    session = first.socket.session
    raw = socket.create_connection(split_address(gateway.edge))
    with trust.wrap_socket(raw, server_hostname="127.0.0.1", session=session) as again:
        assert again.session_reused


# --- What is no TLS, or no good one ---


def test_plain_http_is_told_to_use_tls(tcp: Any, gateway: Gateway) -> None:
    with gateway.rises("carillon_handshakes_rejected_total", reason="malformed"):
        connection = tcp()
        connection.send(request_bytes("/ws", upgrade_headers("gateway.test")))
        answer = connection.read_response()
    assert answer.status == 400
    assert "wss://" in answer.error["message"]


@pytest.mark.parametrize(
    "hello", [b"\x16\x03\x01\x00\x05hello", b"\x16" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 70_000], ids=["torn", "noise", "long"]
)
def test_a_hello_that_is_none_ends_the_connection(tcp: Any, gateway: Gateway, hello: bytes) -> None:
    with gateway.rises("carillon_handshakes_rejected_total", reason="tls"):
        connection = tcp()
        try:
            connection.send(hello)
            assert connection.receive_to_end()[:1] in (b"", b"\x15")  # an alert at most
        except ConnectionResetError:
            pass
    gateway.wait_for_log('"reason":"tls"')


def test_half_a_hello_is_not_waited_for(tcp: Any, gateway: Gateway) -> None:
    with gateway.rises("carillon_handshakes_rejected_total", reason="timeout"):
        connection = tcp()
        connection.send(b"\x16\x03\x01\x02\x00\x01")
        assert connection.receive_to_end() == b""


def test_who_does_not_trust_us_is_logged(gateway: Gateway) -> None:
    with gateway.rises("carillon_handshakes_rejected_total", reason="tls"), pytest.raises(ssl.SSLCertVerificationError):
        RawConnection(gateway.edge, tls=ssl.create_default_context())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_refused(gateway: Gateway, trust: ssl.SSLContext) -> None:
    trust.set_ciphers("ALL:@SECLEVEL=0")
    trust.minimum_version = ssl.TLSVersion.TLSv1_1
    trust.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        RawConnection(gateway.edge, tls=trust)


def test_the_oldest_version_is_a_setting(start_gateway: Start, certificate: Path, trust: ssl.SSLContext) -> None:
    tls = {"cert_file": str(certificate), "key_file": str(certificate), "min_version": "tls13"}
    gateway = start_gateway({"edge": {"tls": tls}})
    Browser(gateway.edge, tls=trust).close()
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        RawConnection(gateway.edge, tls=trust)


def test_a_connection_that_is_cut_ends_its_session(secure: Any, gateway: Gateway, control: Control) -> None:
    """Without TLS's goodbye, with garbage instead of a record, and with a bit that is turned over."""
    for cut in (b"", b"garbage" * 10, b"\x17\x03\x03\x00\x20" + bytes(32)):
        browser = secure(with_query("/ws", token=token("cut")))
        raw = socket.socket(fileno=browser.socket.detach())
        raw.sendall(cut)
        if not cut:
            raw.close()
        eventually(lambda: control.count(user_id="cut"), lambda count: count == 0, "the session's end")
        raw.close()


# --- Certificates that change ---


def shown(gateway: Gateway) -> bytes:
    """The certificate that new connections are shown."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    with anybody.wrap_socket(socket.create_connection(split_address(gateway.edge))) as connection:
        return connection.getpeercert(binary_form=True) or b""


def test_certificates_change_and_sessions_stay(start_gateway: Start, keep: Keep, tmp_path: Path) -> None:
    file = make_certificate(tmp_path / "edge.pem")
    old_trust = trusting(file)
    gateway = start_gateway({"edge": {"tls": {"cert_file": str(file), "key_file": str(file)}}})
    before = shown(gateway)
    sessions = [keep(Browser(gateway.edge, "/ws?streams=chat", tls=old_trust)) for _ in range(50)]
    expiry = gateway.metrics().value("carillon_certificate_expiry_seconds")

    make_certificate(file, lasts=datetime.timedelta(days=90))
    gateway.hang_up()
    after = shown(gateway)
    assert after != before
    assert gateway.metrics().value("carillon_certificate_expiry_seconds") > expiry + 80 * 86_400
    keep(Browser(gateway.edge, tls=trusting(file)))
    with Control(gateway.control) as control:
        assert control.to_stream("chat", event("still")).sessions == 50
    assert [session.receive()["event"] for session in sessions] == ["still"] * 50

    # What is wrong is refused whole, and everything stays.
    for wrong in (b"", b"no certificate", file.read_bytes().replace(b"PRIVATE KEY", b"PRIVATE KEX")):
        good = file.read_bytes()
        file.write_bytes(wrong)
        gateway.hang_up(REFUSED)
        file.write_bytes(good)
        assert shown(gateway) == after
    gateway.reload({"edge": {"tls": {"cert_file": "", "key_file": ""}}}, REFUSED)
    gateway.wait_for_log("needs a restart")
    assert all(session.ask("ping")["event"] == "pong" for session in sessions)


def test_a_drain_over_tls(start_gateway: Start, certificate: Path, trust: ssl.SSLContext) -> None:
    gateway = start_gateway({
        "edge": {"tls": {"cert_file": str(certificate), "key_file": str(certificate)}},
        "drain": {"window": "100ms"},
    })
    sessions = [Browser(gateway.edge, tls=trust) for _ in range(20)]
    gateway.begin_stop()
    for session in sessions:
        assert session.receive()["event"] == "restart"
        code, _ = session.receive_close()
        assert code == 4200
    assert gateway.wait() == 0


# --- Settings ---


def test_settings_that_are_wrong_are_named(binary: str, tmp_path: Path) -> None:
    good = make_certificate(tmp_path / "good.pem")
    other = make_certificate(tmp_path / "other.pem")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    base = {"auth": {"hs256_secret": "a-secret-of-the-tests-0123456789abcdef"}}
    missing = str(tmp_path / "none.pem")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"edge": {"tls": {"cert_file": str(good)}}}, "edge.tls.key_file: is missing"),
        ({"edge": {"tls": {"key_file": str(good)}}}, "edge.tls.cert_file: is missing"),
        ({"edge": {"tls": {"cert_file": missing, "key_file": str(good)}}}, "edge.tls.cert_file: " + missing),
        ({"edge": {"tls": {"cert_file": str(empty), "key_file": str(good)}}}, "holds no certificate"),
        ({"edge": {"tls": {"cert_file": str(good), "key_file": str(empty)}}}, "no private key"),
        ({"edge": {"tls": {"cert_file": str(good), "key_file": str(tmp_path)}}}, "is not a file"),
        ({"edge": {"tls": {"cert_file": str(good), "key_file": str(good), "min_version": "ssl3"}}}, "edge.tls.min_version"),
        ({"edge": {"tls": {"min_version": "tls13"}}}, "edge.tls.cert_file: is missing"),
        ({"control": {"tls": {"cert_file": str(good)}}}, "control.tls.key_file: is missing"),
        ({"control": {"tls": {"client_ca_file": str(good)}}}, "control.tls.client_ca_file: is of no use"),
        ({"control": {"tls": {"cert_file": str(good), "key_file": str(good), "client_ca_file": str(empty)}}},
         "control.tls.client_ca_file: "),
        ({"control": {"listen": "0.0.0.0:7311", "tls": {"cert_file": str(good), "key_file": str(good)}}},
         "control.listen: is open to others"),
        ({"edge": {"tls": {"cert_file": str(good), "key_file": str(other)}}}, "is not the certificate's"),
    ]
    for config, problem in cases:
        file = tmp_path / "carillon.yaml"
        file.write_text(json.dumps({**base, **config}))
        done = subprocess.run([binary, "check-config", "-c", str(file)], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1, config
        assert problem in done.stderr + done.stdout, (config, done.stderr + done.stdout)


@pytest.mark.parametrize(
    ("certificate_is", "said"),
    [
        ({"lasts": datetime.timedelta(days=-1)}, "has ended on"),
        ({"lasts": datetime.timedelta(days=3)}, "ends on"),
        ({"lasts": datetime.timedelta(days=90), "begins": datetime.timedelta(days=1)}, "counts only from"),
        ({"lasts": datetime.timedelta(days=90), "purpose": x509.ExtendedKeyUsageOID.CLIENT_AUTH}, "is not for servers"),
    ],
)
def test_a_certificate_that_clients_will_not_like_is_a_warning(
    start_gateway: Start, tmp_path: Path, certificate_is: dict[str, Any], said: str
) -> None:
    good = make_certificate(tmp_path / "good.pem", lasts=datetime.timedelta(days=90))
    gateway = start_gateway({"edge": {"tls": {"cert_file": str(good), "key_file": str(good)}}})
    assert "certificate in" not in gateway.log_text()

    make_certificate(good, **certificate_is)
    gateway.reload({}, "SIGHUP: loaded")
    gateway.wait_for_log(said)

    make_certificate(good, **certificate_is)
    again = start_gateway({"edge": {"tls": {"cert_file": str(good), "key_file": str(good)}}})
    again.wait_for_log(said)


def test_a_certificate_for_good(start_gateway: Start, tmp_path: Path) -> None:
    """The year 9999 says "no end" (RFC 5280 section 4.1.2.5)."""
    lasts = datetime.datetime(9999, 12, 31, tzinfo=datetime.timezone.utc) - datetime.datetime.now(datetime.timezone.utc)
    file = make_certificate(tmp_path / "edge.pem", lasts=lasts)
    gateway = start_gateway({"edge": {"tls": {"cert_file": str(file), "key_file": str(file)}}})
    assert gateway.metrics().value("carillon_certificate_expiry_seconds") > 4_000_000_000
    assert "certificate in" not in gateway.log_text()


def test_the_same_certificate_again_is_no_new_one(start_gateway: Start, tmp_path: Path) -> None:
    """Tickets stay good, and only a certificate that is another one is told of."""
    file = make_certificate(tmp_path / "edge.pem", lasts=datetime.timedelta(days=90))
    gateway = start_gateway({"edge": {"tls": {"cert_file": str(file), "key_file": str(file)}}})
    context = trusting(file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # the ticket comes with the handshake
    host, port = split_address(gateway.edge)

    def resumed(session: ssl.SSLSession | None) -> tuple[bool, ssl.SSLSession | None]:
        with socket.create_connection((host, port), timeout=20) as plain:
            with context.wrap_socket(plain, server_hostname=host, session=session) as secure:
                return bool(secure.session_reused), secure.session

    first, session = resumed(None)
    assert not first and resumed(session)[0]
    gateway.reload({}, "SIGHUP: loaded")
    assert resumed(session)[0]
    assert "another certificate" not in gateway.log_text()

    make_certificate(file, "its successor", lasts=datetime.timedelta(days=80))
    context.load_verify_locations(file)
    gateway.reload({}, "SIGHUP: loaded")
    assert not resumed(session)[0]
    gateway.wait_for_log("clients are shown another certificate")


# --- The control plane ---


KEYS = [{"name": "shop", "secret": "a-key-for-backends", "verbs": ["publish", "read"]}]


def credentials(authority: Path, own: Path | None = None) -> grpc.ChannelCredentials:
    """A caller's."""
    pem = own.read_bytes() if own is not None else None
    return grpc.ssl_channel_credentials(authority.read_bytes(), pem, pem)


def reached(address: str, key: str | None, how: grpc.ChannelCredentials | None) -> str:
    """What a call comes to: "OK", or the status."""
    with Control(address, key, how) as control:
        try:
            control.call("CountSubscribers", pb.CountSubscribersRequest(), timeout=10)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"


def test_the_control_plane_with_tls_and_keys(start_gateway: Start, tmp_path: Path) -> None:
    file = make_certificate(tmp_path / "control.pem")
    stranger = make_certificate(tmp_path / "stranger.pem")
    gateway = start_gateway({"control": {"tls": {"cert_file": str(file), "key_file": str(file)}, "keys": KEYS}})
    assert reached(gateway.control, KEYS[0]["secret"], credentials(file)) == "OK"
    assert reached(gateway.control, "another-key-for-them", credentials(file)) == "UNAUTHENTICATED"
    assert reached(gateway.control, KEYS[0]["secret"], credentials(stranger)) == "UNAVAILABLE"
    assert reached(gateway.control, KEYS[0]["secret"], None) == "UNAVAILABLE"  # plain


def test_callers_show_certificates(start_gateway: Start, tmp_path: Path) -> None:
    authority = make_certificate(tmp_path / "authority.pem", "the authority")
    server = make_certificate(tmp_path / "server.pem", "the gateway", authority)
    caller = make_certificate(tmp_path / "caller.pem", "a backend", authority)
    forged = make_certificate(tmp_path / "forged.pem", "a backend", make_certificate(tmp_path / "false.pem", "the authority"))
    ended = make_certificate(tmp_path / "ended.pem", "a backend", authority, datetime.timedelta(hours=-1))
    tls = {"cert_file": str(server), "key_file": str(server), "client_ca_file": str(authority)}
    gateway = start_gateway({"control": {"listen": "0.0.0.0:0", "tls": tls}})
    address = gateway.control.replace("0.0.0.0", "127.0.0.1")
    assert reached(address, None, credentials(authority, caller)) == "OK"
    for own in (None, forged, ended):
        assert reached(address, None, credentials(authority, own)) == "UNAVAILABLE", own
    assert reached(address, None, None) == "UNAVAILABLE"

    before = gateway.log_text().count('"grpc"')
    for _ in range(30):
        stranger = RawConnection(address)
        stranger.send(b"hello, this is no TLS")
        stranger.receive_to_end()
        stranger.close()
    assert gateway.log_text().count('"grpc"') - before < 30  # a line a second


def test_certificates_of_the_control_plane_change(start_gateway: Start, tmp_path: Path) -> None:
    """gRPC looks at the files by itself, every ten seconds."""
    file = make_certificate(tmp_path / "control.pem")
    gateway = start_gateway({"control": {"tls": {"cert_file": str(file), "key_file": str(file)}}})
    old = credentials(file)
    with Control(gateway.control, None, old) as connected:
        assert connected.count() == 0
        make_certificate(file)
        eventually(lambda: reached(gateway.control, None, credentials(file)), lambda status: status == "OK", "the new one")
        assert reached(gateway.control, None, old) == "UNAVAILABLE"
        assert connected.count() == 0  # the old connection stays
