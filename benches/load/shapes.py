"""Requests and responses with bodies, connections over TLS and HTTP/2, idle connections and the tail, beside the peers."""

import pathlib
import re
import resource
import socket
import subprocess
import sys
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).parent

# title, then the environment of tokens.lua; the paths are those of services.conf
SHAPES = [
    ("GET, cached", {}),
    ("POST 1 KiB", {"BODY": str(1 << 10)}),
    ("POST 64 KiB", {"BODY": str(1 << 16)}),
    ("response 64 KiB", {"ASK": "/large"}),
    ("response 64 KiB, chunked", {"ASK": "/chunked"}),
]


def bodies(lab, gateways, options, rounds):
    """One table for each shape, then all of them as ratios to nginx. Returns the names of gateways with errors."""
    failed, ratios = [], {gateway.name: [] for gateway in gateways}
    for title, environment in SHAPES:
        shape = rounds(title, gateways, options, environment=environment)
        shape.print()
        failed += shape.failed
        for gateway in gateways:
            ratios[gateway.name].append(shape.figure(gateway.name, 1) / shape.figure("nginx", 1))
    print("\nCPU per request ÷ nginx\n\n| gateway | " + " | ".join(title for title, _ in SHAPES) + " |")
    print("|---" + "|--:" * len(SHAPES) + "|")
    for name, row in ratios.items():
        print(f"| {name} | " + " | ".join(f"{ratio:.2f}" for ratio in row) + " |", flush=True)
    return failed


def h2load(gateway, seconds, load_cores, arguments):
    """Requests that were answered with 2xx, failed ones, and CPU seconds of the gateway."""
    before = gateway.cpu_seconds()
    command = ["taskset", "-c", load_cores, "h2load", "-t1", "-H", "Authorization: Bearer tok1", *arguments]
    command += ["-D", str(seconds), "--warm-up-time=1"] if "-n" not in arguments else []
    out = subprocess.run([*command, f"https://127.0.0.1:{gateway.tls}/api/items"], capture_output=True, text=True).stdout
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", out)
    if not counts:
        return 0, 1, 0.0
    done, failed, errored = map(int, counts.groups())
    return done, failed + errored, gateway.cpu_seconds() - before


def resumed(gateway, count, load_cores):
    """As `h2load`, with a resumed session for each request."""
    before = gateway.cpu_seconds()
    command = ["taskset", "-c", load_cores, sys.executable, str(HERE / "resumed.py"), str(gateway.tls), str(count)]
    out = subprocess.run(command, capture_output=True, text=True).stdout
    done = int(out or 0)
    return done, count - done, gateway.cpu_seconds() - before


def tls(gateways, options):
    """The same cipher on both sides, which is the client's choice: TLS 1.3 with AES-128-GCM, AES-256-GCM for resumed sessions,
    and a P-256 certificate."""
    handshakes = 200 if options.quick else 3000
    # h2load resumes no session: every connection is a full handshake
    each = ["--h1", "-c", str(handshakes), "-n", str(handshakes)]
    by_h2load = lambda *arguments: lambda gateway: h2load(gateway, options.seconds, options.load, arguments)
    cases = [
        ("HTTP/1.1, kept connections", by_h2load("--h1", "-c64")),
        ("HTTP/2, 4 connections with 100 streams each", by_h2load("-c4", "-m100")),
        ("HTTP/1.1, a new connection for each request", by_h2load(*each)),
        ("HTTP/1.1, a resumed session for each request", lambda gateway: resumed(gateway, handshakes // 2, options.load)),
    ]
    failed = []
    print("\nTLS 1.3, CPU µs a request\n\n| case | " + " | ".join(g.name for g in gateways) + " | introgate ÷ nginx |")
    print("|---" + "|--:" * (len(gateways) + 1) + "|")
    for title, load in cases:
        used = {gateway.name: [] for gateway in gateways}
        for _ in range(options.rounds):
            for gateway in gateways:
                done, wrong, cpu = load(gateway)
                if wrong or not done:
                    failed.append(f"{gateway.name}, {title}")
                else:
                    used[gateway.name].append(cpu / done * 1e6)
        middle = {name: sorted(values)[len(values) // 2] if values else float("nan") for name, values in used.items()}
        cells = " | ".join(f"{middle[g.name]:.1f}" for g in gateways)
        print(f"| {title} | {cells} | {middle['introgate'] / middle['nginx']:.2f} |", flush=True)
    return failed


REQUEST = b"GET /api/items HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer tok1\r\n\r\n"


class Idle:
    """Connections that were used once and are kept open."""

    def __init__(self, port, count):
        self.connections = []
        for n in range(count):
            # one loopback address has too few ports for several rounds
            connection = socket.create_connection(("127.0.0.1", port), 10, (f"127.0.1.{1 + n // 2000}", 0))
            connection.sendall(REQUEST)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            self.connections.append(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            connection.close()


def idle_count(options):
    return 500 if options.quick else min(10_000, options.connections - 200)


def idle(gateways, options):
    count = idle_count(options)
    print(f"\n{count:,} idle connections, each used once\n\n| gateway | KiB a connection |\n|---|--:|")
    for gateway in gateways:
        time.sleep(0.5)
        before = gateway.resident_mib()
        with Idle(gateway.port, count):
            time.sleep(1)
            print(f"| {gateway.name} | {(gateway.resident_mib() - before) * 1024 / count:.1f} |", flush=True)


def raise_limits():
    """Sockets for the idle connections, of this process and those that it starts. Returns how many connections a proxy can
    have, two sockets each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return min(16_000, (most - 100) // 2)


def tail(gateways, options, delay, rounds):
    """p50, p99 and p99.9 at half load: alone, with a reload each second, with idle connections open."""
    failed = []
    delays = {gateway.name: delay for gateway in gateways}
    cases = [("alone", None), ("a reload each second", "reload"), ("with idle connections", "idle")]
    print(f"\nlatency at half load (each connection waits {delay} ms between requests), ms\n")
    print("| case | gateway | p50 | p99 | p99.9 |\n|---|---|--:|--:|--:|")
    for title, kind in cases:
        for gateway in gateways:
            stop = threading.Event()
            others = threading.Thread(target=reload_each_second, args=(gateway, stop)) if kind == "reload" else None
            if others:
                others.start()
            crowd = Idle(gateway.port, idle_count(options)) if kind == "idle" else None
            result = rounds("", [gateway], options, delays=delays)
            if crowd:
                crowd.__exit__()
            stop.set()
            if others:
                others.join()
            failed += result.failed
            print(f"| {title} | {gateway.name} | " + " | ".join(f"{result.figure(gateway.name, c):.2f}" for c in (2, 3, 6)) + " |", flush=True)
    return failed


def reload_each_second(gateway, stop):
    number = 0
    while not stop.wait(1):
        number += 1
        if gateway.config:
            text = open(gateway.config).read()
            open(gateway.config, "w").write(re.sub(r"\n# reload \d+\n|\Z", f"\n# reload {number}\n", text, count=1))
        gateway.process.send_signal(1)
