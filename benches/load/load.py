"""Gateways side by side, on loopback: CPU time per request, latency, errors, memory; rounds interleaved, so that a noisy
machine treats all alike. Compare rows of one run only. usage: load.py INTROGATE BARE_PINGORA [--quick]"""

import argparse
import asyncio
import collections
import os
import platform
import re
import statistics
import subprocess
import sys
import time
import urllib.request

import shapes
from lab import HERE, Lab

CONNECTIONS = 64


def wrk(port, seconds, tokens, prefix, load_cores, connections=CONNECTIONS, delay=0, environment=None):
    """Requests, seconds, median, 99th and 99.9th percentile in ms, errors."""
    environment = dict(os.environ, TOKENS=str(tokens), PREFIX=prefix, DELAY=str(delay), **(environment or {}))
    command = ["taskset", "-c", load_cores, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", f"{HERE}/tokens.lua", f"http://127.0.0.1:{port}"]
    out = subprocess.run(command, env=environment, capture_output=True, text=True).stdout
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", out)
    if not found:
        return None
    requests, micros, median, p99, p999, broken, refused = map(int, found.groups())
    return requests, micros / 1e6, median / 1e3, p99 / 1e3, broken + refused, p999 / 1e3


class Rounds:
    """Rounds of load over several gateways, and their table."""

    def __init__(self, title, gateways, options, tokens=1000, delays=None, environment=None):
        self.title, self.rows, self.failed = title, {gateway.name: [] for gateway in gateways}, []
        for number in range(-1, options.rounds):
            for gateway in gateways:
                prefix = "tok" if tokens else f"new{number}{os.getpid()}"
                before = gateway.cpu_seconds()
                seconds = options.seconds if number >= 0 else 1
                result = wrk(gateway.port, seconds, tokens, prefix, options.load, delay=(delays or {}).get(gateway.name, 0), environment=environment)
                # on a starved machine a round that only warms up may end before its first answer
                if not result or result[4] or (number >= 0 and not result[0]):
                    self.failed.append(gateway.name)
                if number < 0 or not result or not result[0]:
                    continue
                requests, took, median, p99, errors, p999 = result
                used = gateway.cpu_seconds() - before
                self.rows[gateway.name].append((requests / took, used / requests * 1e6, median, p99, errors, gateway.resident_mib(), p999))

    def figure(self, name, column):
        rows = self.rows.get(name)
        return statistics.median(row[column] for row in rows) if rows else float("nan")

    def print(self):
        print(f"\n{self.title}\n")
        print("| gateway | CPU µs a request | ÷ nginx | ÷ bare pingora | requests/s | p50 ms | p99 ms | errors | RSS MiB |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
        nginx, bare = self.figure("nginx", 1), self.figure("bare pingora", 1)
        ratio = lambda cpu, to: f"{cpu / to:.2f}" if to == to else "–"
        for name, rows in self.rows.items():
            cpu = self.figure(name, 1)
            errors = sum(row[4] for row in rows)
            print(
                f"| {name} | {cpu:.1f} | {ratio(cpu, nginx)} | {ratio(cpu, bare)} | {self.figure(name, 0):.0f} "
                f"| {self.figure(name, 2):.2f} | {self.figure(name, 3):.2f} | {errors} | {self.figure(name, 5):.1f} |"
            )
        sys.stdout.flush()


async def crowd(port, token, size=100):
    """The status of each of `size` simultaneous requests with one token."""

    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        return answer[9:12].decode()

    return collections.Counter(map(str, await asyncio.gather(*[one() for _ in range(size)], return_exceptions=True)))


def stampede(lab):
    """How many introspections 100 simultaneous requests with one new token cause."""
    slow = lab.slow_server(0.2)
    count = lambda: int(urllib.request.urlopen(f"http://127.0.0.1:{slow}/count").read())
    print("\n100 simultaneous requests with one new token, an answer takes 0.2 s\n\n| gateway | introspections | statuses |\n|---|--:|---|")
    failed = []
    for gateway in [lab.introgate("introgate, slow server", server=slow)] + lab.introspecting_peers(slow):
        count()
        statuses = asyncio.run(crowd(gateway.port, f"crowd{time.time()}"))
        asked = count()
        if gateway.name.startswith("introgate") and (asked != 1 or statuses["200"] != 100):
            failed.append(f"stampede of {gateway.name}")
        print(f"| {gateway.name.split(',')[0]} | {asked} | {dict(statuses)} |")
    return failed


def growth(lab, options):
    """CPU time per request as routes and tokens become more; every token is in the cache before anything is measured, and stays."""
    routes, tokens = ([1, 100], [1, 100]) if options.quick else ([1, 100, 1000, 10_000], [1, 100, 1000, 10_000, 50_000])
    gateways = {count: lab.introgate(f"introgate, {count} routes", routes=count, ttl="1h") for count in routes}
    one = gateways[1]
    for title, cases in [
        ("routes", [(count, gateways[count], 1000) for count in routes]),
        ("tokens", [(count, one, count) for count in tokens]),
    ]:
        used = collections.defaultdict(list)
        for number in range(-1, options.rounds):
            for count, gateway, distinct in cases:
                seconds = options.seconds if number >= 0 else 1 + distinct // 3000
                before = gateway.cpu_seconds()
                result = wrk(gateway.port, seconds, distinct, "tok", options.load)
                if number >= 0 and result and result[0]:
                    used[count].append((gateway.cpu_seconds() - before) / result[0] * 1e6)
        first = statistics.median(used[1])
        print(f"\ngrowth with {title}\n\n| {title} | CPU µs a request | ÷ one |\n|--:|--:|--:|")
        for count, micros in used.items():
            print(f"| {count:,} | {statistics.median(micros):.1f} | {statistics.median(micros) / first:.2f} |")
        sys.stdout.flush()
    for gateway in gateways.values():
        lab.stop(gateway)


def workers(lab, options):
    """What a second worker costs each request: the load generator and the service need their part of the cores, so that the
    throughput of two workers cannot be seen on two cores, but what keeps them from twice that of one can."""
    everywhere = f"0-{max(1, (os.cpu_count() or 2) - 1)}"
    names = ["one worker", "two workers"]
    gateways = [lab.introgate(name, threads=count, cores=everywhere) for name, count in zip(names, [1, 2])]
    rounds = Rounds("one and two workers on all cores: 1,000 tokens take turns", gateways, options)
    rounds.print()
    print(f"\ntwo workers could do {2 * rounds.figure(names[0], 1) / rounds.figure(names[1], 1):.2f} times the work of one, by their CPU time")
    return rounds.failed


def starts(lab, options):
    """Milliseconds from start to the first answered request, and memory before it."""
    for routes in [1, 1000]:
        took, idle = [], []
        for _ in range(options.starts):
            began = time.monotonic()
            gateway = lab.introgate(f"introgate, {routes} routes", routes=routes)
            took.append((time.monotonic() - began) * 1000)
            idle.append(gateway.resident_mib())
            lab.stop(gateway)
        print(
            f"\nstart to first answered request, routes {routes}: {min(took):.0f} ms at best, {statistics.median(took):.0f} ms in the middle; "
            f"memory then: {statistics.median(idle):.1f} MiB"
        )
    print(f"\nthe binary: {os.path.getsize(lab.binary) / 2**20:.1f} MiB")


def main_tables(lab, nginx, plain, options):
    failed = []
    bare = lab.bare_pingora()
    others = lab.introspecting_peers(lab.ports["AS"])
    variants = [
        lab.introgate("introgate, JSON access log", access="all"),
        lab.introgate("introgate, 10,000 routes", routes=10_000),
        lab.introgate("introgate, fast path off", fast_path="false"),
    ]

    cached = Rounds("cached: 1,000 tokens take turns", [nginx, bare, plain] + variants + others, options)
    cached.print()
    miss = Rounds("miss: a new token every request", [nginx, bare, plain] + others, options, tokens=0)
    miss.print()
    half = cached.figure("bare pingora", 0) / 2
    delay = min(100, max(1, round(CONNECTIONS / half * 1000))) if half > 0 else 1
    slow = Rounds(f"half load: each connection waits {delay} ms between requests", [bare, plain], options, delays=dict.fromkeys(["bare pingora", "introgate"], delay))
    slow.print()
    failed += cached.failed + miss.failed + slow.failed + workers(lab, options)
    failed += stampede(lab)
    growth(lab, options)
    starts(lab, options)
    for gateway in [bare, *variants, *others]:
        lab.stop(gateway)
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("introgate")
    parser.add_argument("bare")
    parser.add_argument("--quick", action="store_true", help="a smoke run of a minute: fails on errors, says nothing about speed")
    parser.add_argument("--only", choices=["cached", "bodies", "edge"], help="one part of the tables; default: all")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--pin", default="0", help="the core of the gateways")
    parser.add_argument("--load", default=f"1-{max(1, (os.cpu_count() or 2) - 1)}", help="the cores of everything else")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 4)
    options.starts = 1 if options.quick else 10

    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before the run")
    print(f"{options.rounds} rounds of {options.seconds} s, {CONNECTIONS} connections, gateways on core {options.pin}, everything else on {options.load}")
    failed = []
    options.connections = shapes.raise_limits()
    with Lab(options.introgate, options.bare, options.pin, options.load) as lab:
        nginx, plain = lab.nginx_bare(), lab.introgate("introgate")
        if options.only in (None, "cached"):
            failed += main_tables(lab, nginx, plain, options)
        if options.only in (None, "bodies"):
            asked = lab.introgate("introgate, asked", serves="ext_authz")
            peers, others = lab.plain_peers(asked, options.connections), lab.introspecting_peers(lab.ports["AS"])
            failed += shapes.bodies(lab, [nginx, *peers, *others, plain], options, Rounds)
            # the others are configured for fewer connections
            shapes.idle([nginx, *peers, plain], options)
            for gateway in [*peers, *others, asked]:
                lab.stop(gateway)
        if options.only in (None, "edge"):
            failed += shapes.tls([nginx, plain], options)
            failed += shapes.tail([nginx, plain], options, 5, Rounds)
    ours = sorted({name for name in failed if name.startswith("introgate")})
    if ours:
        sys.exit(f"errors with: {', '.join(ours)}")


main()
