#!/usr/bin/env python3
"""./dev demo and ./dev up: a gateway with a demo page, on the default ports or on free ones.

  demo.py demo BINARY   a client connects, a backend broadcasts to it; prints both sides; ends with "demo ok"
  demo.py up BINARY     leaves the gateway running and prints how to talk to it
"""

import asyncio
import json
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "clients" / "python"))

DEFAULT_PORTS = {"edge": 7310, "control": 7311, "admin": 7312}
TIMEOUT = 20


def port_or_free(port):
    """The port, or 0 (a free one) where somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


class Gateway:
    """A gateway in a folder of its own, with fresh secrets."""

    def __init__(self, binary):
        self.binary = binary
        self.folder = tempfile.TemporaryDirectory(prefix="carillon-")
        self.key = secrets.token_hex(16)
        self.config = pathlib.Path(self.folder.name) / "carillon.yaml"
        self.config.touch(mode=0o600)
        listen = {plane: f"127.0.0.1:{port_or_free(port)}" for plane, port in DEFAULT_PORTS.items()}
        self.config.write_text(json.dumps({  # JSON is YAML
            "edge": {"listen": listen["edge"], "demo_page": True},
            "control": {"listen": listen["control"], "keys": [{"name": "demo", "secret": self.key}]},
            "admin": {"listen": listen["admin"]},
            "auth": {"hs256_secret": secrets.token_hex(32)},
            "log": {"level": "warn"},
        }, indent=1))
        self.process = subprocess.Popen([binary, "serve", "-c", str(self.config)], stdout=subprocess.PIPE, text=True,
                                        start_new_session=True,  # Ctrl-C is for us; we end the gateway in order
                                        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, ()))
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the gateway did not start (exit code {self.process.wait()})")
        self.at = json.loads(line)

    def token(self, user):
        command = [self.binary, "token", "-c", str(self.config), "--user", user, "--ttl", "12h"]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=TIMEOUT)
        self.folder.cleanup()
        return code


def say(who, what):
    print(f"{who:9} {what}", flush=True)


async def demo(gateway):
    import websockets
    from carillon_client import Client

    say("gateway", f"ws://{gateway.at['edge']}/ws   grpc {gateway.at['control']}   admin http://{gateway.at['admin']}/")
    url = f"ws://{gateway.at['edge']}/ws?streams=notifications"
    headers = {"Authorization": f"Bearer {gateway.token('alice')}"}
    async with websockets.connect(url, extra_headers=headers) as alice:
        welcome = json.loads(await asyncio.wait_for(alice.recv(), TIMEOUT))
        if welcome["data"]["user"]["id"] != "alice" or welcome["data"]["streams"] != ["notifications"]:
            raise SystemExit(f"an unexpected welcome: {welcome}")
        say("alice", f"connected over WebSocket as session {welcome['data']['session']}, subscribed to \"notifications\"")
        with Client(gateway.at["control"], token=gateway.key) as backend:
            backend.count_subscribers()  # connects, so that the time below is the call's own
            say("backend", 'BroadcastToUser(user_id="alice", stream="notifications", event="notification.created", data={"id": 1})')
            began = time.perf_counter()
            receipt = backend.broadcast_to_user("alice", stream="notifications", event="notification.created", data={"id": 1})
            took = (time.perf_counter() - began) * 1000
            say("", f"-> OK, {receipt.sessions} session, message {receipt.message_id}, {took:.1f} ms")
            text = await asyncio.wait_for(alice.recv(), TIMEOUT)
            say("alice", f"received {text}")
            message = json.loads(text)
            expected = {"stream": "notifications", "event": "notification.created", "data": {"id": 1}}
            if any(message[key] != value for key, value in expected.items()) or message["meta"]["id"] != receipt.message_id:
                raise SystemExit("that is not what was sent")
            nobody = backend.broadcast_to_user("bob", stream="notifications", event="hello", data=None)
            say("backend", f"BroadcastToUser(user_id=\"bob\", …) -> OK, {nobody.sessions} sessions: nobody is not an error")


def run_demo(binary):
    gateway = Gateway(binary)
    try:
        asyncio.run(demo(gateway))
    finally:
        code = gateway.stop()
    if code != 0:
        raise SystemExit(f"the gateway ended with exit code {code}")
    print("demo ok")


def run_up(binary):
    # From here on these wait until they are asked for, so that none is lost and no gateway is left behind.
    ends = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    gateway = Gateway(binary)
    token = gateway.token("alice")
    at = gateway.at
    print(f"""
Carillon is running. The page is a client of user alice:

  http://{at['edge']}/#token={token}&stream=notifications

Broadcast to her:

  grpcurl -plaintext -H 'authorization: Bearer {gateway.key}' \\
    -d '{{"user_id": "alice", "stream": "notifications", "event": {{"name": "notification.created", "value": {{"id": 1}}}}}}' \\
    {at['control']} carillon.v1.ControlService/BroadcastToUser

The same without grpcurl:

  CARILLON_ADDRESS={at['control']} CARILLON_TOKEN={gateway.key} PYTHONPATH=clients/python \\
    /usr/bin/python3 clients/python/examples/broadcast.py alice "Dinner is ready"

Is it ready?

  curl http://{at['admin']}/readyz

A token for other clients (user alice, 12 hours):

  {token}

Ctrl-C ends it.
""", flush=True)
    while gateway.process.poll() is None:
        if signal.sigwait(ends) != signal.SIGCHLD:
            return gateway.stop()
    return gateway.process.returncode


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("demo", "up"):
        raise SystemExit(__doc__)
    sys.exit(run_demo(sys.argv[2]) if sys.argv[1] == "demo" else run_up(sys.argv[2]))
