#!/usr/bin/env python3
"""Measures Carillon against the bare loops of docs/performance.md, in one alternating run, and prints the ratios.

  tests/bench/bench.py [--rounds 5] [--seconds 4] [--only saturated,paced,logged,tls,idle,subscriptions,slow] [--json FILE]

Server on the first processor, load on the second. The loops send exactly Carillon's frame bytes; saturated means that
the publisher stays at most 128 messages ahead of the slowest client; CPU is the kernel's schedstat over all of the
server's threads; every delivery is counted and in order. Ratios of one run are claims; absolute numbers are context.
Exit code 1 where a delivery was lost. Bounded: every part ends by itself.
"""

import argparse
import json
import os
import pathlib
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CARILLON_BUILD", ROOT / "build" / "release"))
CARILLON = BUILD / "carillon"
FLOOR = BUILD / "tests" / "bench" / "carillon_floor"
PROCESSORS = sorted(os.sched_getaffinity(0))
SERVER_CPU, LOAD_CPU = PROCESSORS[0], PROCESSORS[-1]

CONFIG = """
edge: {listen: "127.0.0.1:0", endpoints: [{path: /ws, anonymous: true, ping_interval: PING, peer_timeout: 30m}]}
control: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
hub: {shards: 1}
log: {level: warn}
"""


def pinned(cpu):
    return lambda: os.sched_setaffinity(0, {cpu})


class Server:
    """A process that prints one JSON line with its addresses, on the server's processor."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=pinned(SERVER_CPU))
        self.at = json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)

    @property
    def pid(self):
        return self.process.pid


def gateway(folder, ping="20m", more="", config=CONFIG):
    path = pathlib.Path(folder) / "carillon.yaml"
    path.write_text(config.replace("PING", ping) + more)
    return Server([CARILLON, "serve", "-c", path])


def floor(mode):
    return Server([FLOOR, mode])


def fanout(server, *arguments):
    command = [CARILLON, "bench", "fanout", "--json", "--edge", server.at["edge"], "--pid", str(server.pid), *arguments]
    if "publish" in server.at:
        command += ["--floor", server.at["publish"]]
    else:
        command += ["--control", server.at["control"]]
    run = subprocess.run(command, stdout=subprocess.PIPE, preexec_fn=pinned(LOAD_CPU), timeout=120)
    figures = json.loads(run.stdout)
    if run.returncode != 0:
        raise SystemExit(f"a delivery was lost: {figures}")
    return figures


def spread(values):
    text = f"median {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
    if len(values) < 8:
        return text
    low, _, high = statistics.quantiles(values, n=4)
    return f"{text}, the middle half {low:.2f} to {high:.2f}"


def ratio(name, mode, target, options, arguments):
    """CPU per delivery of the gateway over the bare loop's, round by round."""
    ratios, ours, theirs = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            with floor(mode) as server:
                bare = fanout(server, *arguments)
            with gateway(folder) as server:
                carillon = fanout(server, *arguments)
            if bare["bytes_per_delivery"] != carillon["bytes_per_delivery"]:
                raise SystemExit(f"different frames: {bare['bytes_per_delivery']} and {carillon['bytes_per_delivery']} bytes")
            ours.append(carillon["cpu_us_per_delivery"])
            theirs.append(bare["cpu_us_per_delivery"])
            ratios.append(ours[-1] / theirs[-1])
            print(f"  {name} round {number + 1}: carillon {ours[-1]:.3f} us, loop {theirs[-1]:.3f} us, "
                  f"ratio {ratios[-1]:.2f}; p99 {carillon['p99_us']:.0f} and {bare['p99_us']:.0f} us", flush=True)
    print(f"{name}: CPU a delivery, carillon over the bare loop: {spread(ratios)}, budget {target}")
    return {"ratios": ratios, "carillon_us": ours, "loop_us": theirs}


def saturated(options):
    return ratio("saturated", "join", 1.5, options, ["--seconds", str(options.seconds)])


def paced(options):
    return ratio("paced", "one", 1.25, options, ["--seconds", str(options.seconds), "--rate", "100"])


def logged(options):
    """Fan-out with a log over fan-out without: with the same payload, and with payloads that make the frames equally
    long (a position is part of the frame, and costs what bytes cost). Each round runs the three in another order: what
    ran before leaves the machine in another state."""
    rule = 'streams: [{pattern: "*", log: {mode: log, messages: 300}}]\n'
    by_payload, by_bytes = [], []
    with tempfile.TemporaryDirectory() as folder:
        def run(more, size, seconds=options.seconds):
            with gateway(folder, more=more) as server:
                return fanout(server, "--seconds", str(seconds), "--size", str(size))
        longer = 64 + round(run(rule, 64, 0.5)["bytes_per_delivery"] - run("", 64, 0.5)["bytes_per_delivery"])
        kinds = {"with": (rule, 64), "without": ("", 64), "without, longer": ("", longer)}
        for number in range(options.rounds):
            names = list(kinds)
            names = names[number % 3:] + names[:number % 3]
            figures = {name: run(*kinds[name]) for name in names}
            cpu = {name: figures[name]["cpu_us_per_delivery"] for name in kinds}
            by_payload.append(cpu["with"] / cpu["without"])
            by_bytes.append(cpu["with"] / cpu["without, longer"])
            print(f"  logged round {number + 1}: " + "; ".join(
                f"{name} {cpu[name]:.3f} us ({figures[name]['bytes_per_delivery']:.0f} bytes)" for name in kinds), flush=True)
    print(f"logged: CPU a delivery with a log over without, equal frames: {spread(by_bytes)}, budget 1.05")
    print(f"logged: the same, equal payloads: {spread(by_payload)}")
    return {"equal_frames": by_bytes, "equal_payloads": by_payload}


def tls(options):
    """Rate per CPU with TLS over without: saturated, where frames share records, and paced, where each has its own."""
    retained = {"saturated": [], "paced": []}
    modes = {"saturated": [], "paced": ["--rate", "100"]}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([ROOT / "tools" / "dev_cert.sh", folder], check=True, stdout=subprocess.DEVNULL)
        edge = CONFIG.replace('edge: {listen', f'edge: {{tls: {{cert_file: "{folder}/server.pem", key_file: "{folder}/server.key"}}, listen')

        def run(secure, arguments):
            arguments = ["--seconds", str(options.seconds), *arguments]
            with gateway(folder, config=edge if secure else CONFIG) as server:
                return fanout(server, *arguments, *(["--tls"] if secure else []))["cpu_us_per_delivery"]

        for number in range(options.rounds):
            for mode, arguments in modes.items():
                first = number % 2 == 1
                cpu = {secure: run(secure, arguments) for secure in (first, not first)}
                retained[mode].append(cpu[False] / cpu[True])
                print(f"  tls round {number + 1}, {mode}: plain {cpu[False]:.3f} us, TLS {cpu[True]:.3f} us, "
                      f"retained {retained[mode][-1]:.2f}", flush=True)
    print(f"tls: rate per CPU of plain that is left, saturated: {spread(retained['saturated'])}, at least 0.8 wanted")
    print(f"tls: the same, paced: {spread(retained['paced'])}, at least 0.6 wanted")
    return retained


# --- Memory ----------------------------------------------------------------------------------------------------------

def rss(pid):
    fields = pathlib.Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGESIZE")


def handshake(address, target, source="127.0.0.1"):
    host, port = address.rsplit(":", 1)
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.bind((source, 0))
    connection.connect((host, int(port)))
    connection.sendall((f"GET {target} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
    received = b""
    while b'"server_time":' not in received or not received.endswith(b"}"):
        chunk = connection.recv(65536)
        if not chunk:
            raise SystemExit(f"refused: {received}")
        received += chunk
    return connection


def until_pinged(connections):
    """Answers each connection's first ping; returns when all have been pinged."""
    selector = selectors.DefaultSelector()
    for connection in connections:
        selector.register(connection, selectors.EVENT_READ)
    while selector.get_map():
        ready = selector.select(timeout=60)
        if not ready:
            raise SystemExit("a ping is missing")
        for key, _ in ready:
            if b"\x89\x00" in key.fileobj.recv(65536):
                key.fileobj.sendall(b"\x8a\x80\0\0\0\0")
                selector.unregister(key.fileobj)


def idle(options):
    count = 10_000
    per_connection = []
    for number in range(max(1, options.rounds // 2)):
        with tempfile.TemporaryDirectory() as folder, gateway(folder, ping="8s") as server:
            warm = [handshake(server.at["edge"], "/ws?streams=chat") for _ in range(50)]
            for connection in warm:
                connection.close()
            before = rss(server.pid)
            connections = [handshake(server.at["edge"], "/ws?streams=chat", f"127.0.0.{2 + i % 8}") for i in range(count)]
            until_pinged(connections)
            per_connection.append((rss(server.pid) - before) / count)
            print(f"  idle round {number + 1}: {per_connection[-1] / 1024:.2f} KiB a connection", flush=True)
            for connection in connections:
                connection.close()
    print(f"idle: KiB a connection, one stream each, after a ping round: "
          f"{spread([value / 1024 for value in per_connection])}, budget 6")
    return {"bytes": per_connection}


def frame(text):
    payload = text.encode()
    header = bytes([0x81, 0x80 | (126 if len(payload) > 125 else len(payload))])
    if len(payload) > 125:
        header += len(payload).to_bytes(2, "big")
    return header + b"\0\0\0\0" + payload


def subscriptions(options):
    """Memory of 1,000 subscriptions on one session: many such sessions, so that the allocator's steps average out."""
    sessions, streams = 40, 1000
    per_subscription = []
    for number in range(max(1, options.rounds // 2)):
        with tempfile.TemporaryDirectory() as folder, gateway(folder) as server:
            connections = [handshake(server.at["edge"], "/ws") for _ in range(sessions)]
            before = rss(server.pid)
            for i, connection in enumerate(connections):
                for block in range(0, streams, 100):
                    names = [f"s{i}.{block + j}" for j in range(100)]
                    connection.sendall(frame(json.dumps({"action": "subscribe", "streams": names})))
                    received = b""
                    while b'"refused":[]' not in received:
                        received += connection.recv(65536)
            per_subscription.append((rss(server.pid) - before) / (sessions * streams))
            print(f"  subscriptions round {number + 1}: {per_subscription[-1]:.0f} bytes each", flush=True)
            for connection in connections:
                connection.close()
    print(f"subscriptions: bytes each, 1,000 on one session: {spread(per_subscription)}, budget about 100")
    return {"bytes": per_subscription}


# --- One slow reader -------------------------------------------------------------------------------------------------

def slow(options):
    arguments = ["--seconds", str(options.seconds), "--rate", "400", "--size", "1024"]
    ratios, growth = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            with gateway(folder) as server:
                calm = fanout(server, *arguments)
            with gateway(folder) as server:
                stalled = fanout(server, *arguments, "--stopped", "1")
                metrics = subprocess.run(["curl", "-s", f"http://{server.at['admin']}/metrics"], stdout=subprocess.PIPE,
                                         check=True).stdout.decode()
            recorded = [line for line in metrics.splitlines() if 'code="4101"' in line][0].split()[-1]
            ratios.append(stalled["p99_us"] / calm["p99_us"])
            growth.append(stalled["rss_growth_bytes"] - calm["rss_growth_bytes"])
            print(f"  slow round {number + 1}: p99 {stalled['p99_us']:.0f} us with, {calm['p99_us']:.0f} us without, ratio "
                  f"{ratios[-1]:.2f}; memory grew by {growth[-1] / 1024:.0f} KiB more; 4101 recorded {recorded}", flush=True)
            if recorded != "1":
                raise SystemExit("the slow reader was not recorded")
    print(f"slow: the others' p99 with one stopped reader over without: {spread(ratios)}, budget 1.2; "
          f"memory: at most {max(growth) / 1024:.0f} KiB more, budget 2,048 KiB")
    return {"ratios": ratios, "growth_bytes": growth}


PARTS = {"saturated": saturated, "paced": paced, "logged": logged, "tls": tls, "idle": idle, "subscriptions": subscriptions, "slow": slow}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if SERVER_CPU == LOAD_CPU:
        raise SystemExit("two processors are needed: one for the server, one for the load")
    os.environ.pop("CARILLON_TOKEN", None)
    results = {name: PARTS[name](options) for name in options.only.split(",")}
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
