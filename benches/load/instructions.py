"""Instructions in user space for one cached request, counted by callgrind: the same on a busy machine as on a quiet one.
The kernel's part is not in them. With --cpu, microseconds of CPU time in their place, the kernel's included.
usage: instructions.py INTROGATE BARE_PINGORA [--keep FOLDER | --cpu]"""

import argparse
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

from lab import Lab
from proofs import Key

WARM, COUNTED, CONNECTIONS = 200, 2000, 8


class Client:
    """A few connections that are kept, asked in turn, each with a token of its own."""

    def __init__(self, port, proofs=None, path="/api/items?page=1", body=0, fresh=False):
        self.proofs, self.path, self.body, self.fresh, self.asked = proofs, path, b"x" * body, fresh, 0
        self.connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        for connection in self.connections:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, requests):
        for n in range(requests):
            at = n % CONNECTIONS
            token, scheme, proof = f"tok{at:032x}", "Bearer", ""
            if self.proofs:
                scheme, proof = "DPoP", f"DPoP: {self.proofs[token].pop()}\r\n"
            if self.fresh:
                self.asked += 1
                token = f"new{self.asked:032x}"
            method, length = ("POST", f"Content-Length: {len(self.body)}\r\n") if self.body else ("GET", "")
            request = f"{method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nUser-Agent: bench/1\r\n"
            request += f"Authorization: {scheme} {token}\r\n{proof}{length}\r\n"
            self.connections[at].sendall(request.encode() + self.body)
            answer = whole_response(self.connections[at])
            assert answer.startswith(b"HTTP/1.1 200"), answer[:300]


def whole_response(connection):
    answer = connection.recv(65536)
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head = answer[: answer.index(b"\r\n\r\n") + 4]
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while len(answer) < len(head) + int(length[1]) if length else not answer.endswith(b"\r\n0\r\n\r\n"):
        more = connection.recv(65536)
        assert more, answer[:300]
        answer += more
    return answer


def total(file):
    return int(re.search(r"^(?:summary|totals): (\d+)", file.read_text(errors="replace"), re.M).group(1))


def control(pid, flag):
    subprocess.run(["callgrind_control", flag, str(pid)], check=True, stdout=subprocess.DEVNULL)


def measure(lab, name, keep, key, cpu=False):
    proofs = None
    if name.endswith("DPoP proof"):
        # ready before the gateway runs, each for one request
        each = (WARM + COUNTED) // CONNECTIONS + 1
        tokens = [f"tok{at:032x}" for at in range(CONNECTIONS)]
        proofs = {token: [key.proof("GET", "http://127.0.0.1/api/items", token) for _ in range(each)] for token in tokens}
    if name.endswith("assertion"):
        shutil.copy(key.file, lab.directory / "assertion.pem")
    folder = pathlib.Path(keep or lab.directory)
    file = folder / f"callgrind.{name.replace(' ', '-').replace(',', '')}"
    for old in folder.glob(f"{file.name}*"):
        old.unlink()
    wrapped = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={file}"]
    lab.wrapper = [] if cpu else wrapped
    gateway = lab.bare_pingora() if name == "bare pingora" else lab.introgate(name, **VARIANTS[name])
    lab.wrapper = []
    client = Client(gateway.port, proofs, **SHAPES.get(name.removeprefix("introgate, "), {}))
    client.ask(WARM)
    time.sleep(0.2)
    if cpu:
        before = gateway.cpu_seconds()
        client.ask(COUNTED)
        used = gateway.cpu_seconds() - before
        lab.stop(gateway)
        return used / COUNTED * 1e6
    control(gateway.pid, "-z")
    client.ask(COUNTED)
    control(gateway.pid, "-d")
    lab.stop(gateway)
    return total(pathlib.Path(f"{file}.1")) / COUNTED


# each beside `introgate`: what a request pays for a check
CHECKS = {
    "require": {"demands": "require: \"claims.client_id == 'l238j323ds-23ij4' && !has(claims.act)\""},
    "rate limit": {"demands": "rate_limit: { per: client_id, requests: 1000000, window: 1h }"},
    "assertion": {"top": "identity: { assertion: { private_key: assertion.pem, audience: a, ttl: 1h } }"},
    "DPoP proof": {"demands": "binding: { dpop: required }", "top": "dpop: { window: 1h }", "answer": "bound"},
}

VARIANTS = {"introgate": {}, "introgate, fast path off": {"fast_path": "false"}, "introgate, JSON access log": {"access": "all"}, "introgate, 10,000 routes": {"routes": 10_000}}
VARIANTS |= {f"introgate, {name}": keys for name, keys in CHECKS.items()}

# other requests than a GET with a cached token and a short response
SHAPES = {
    "POST 1 KiB": {"body": 1 << 10},
    "POST 64 KiB": {"body": 1 << 16},
    "response 64 KiB": {"path": "/large"},
    "response 64 KiB, chunked": {"path": "/chunked"},
    "new token each time": {"fresh": True},
}
VARIANTS |= {f"introgate, {name}": {} for name in SHAPES}
# asked by the general client, as every server is that is called over https or through a proxy
SHAPES["new token each time, fast path off"] = {"fresh": True}
VARIANTS["introgate, new token each time, fast path off"] = {"fast_path": "false"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("introgate")
    parser.add_argument("bare")
    parser.add_argument("--keep", help="where the profiles go, for callgrind_annotate")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--only", nargs="*", default=["bare pingora", *VARIANTS])
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        raise SystemExit("valgrind is missing: apt-get install valgrind")
    everywhere = f"0-{max(1, (os.cpu_count() or 2) - 1)}"
    print(f"| gateway | {'CPU µs' if options.cpu else 'instructions'} a request | ÷ bare pingora |\n|---|--:|--:|")
    bare = None
    folder = tempfile.TemporaryDirectory(prefix="introgate-key-")
    key = Key(pathlib.Path(folder.name) / "key.pem")
    with folder, Lab(options.introgate, options.bare, everywhere, everywhere, key.thumbprint()) as lab:
        for name in options.only:
            count = measure(lab, name, options.keep, key, options.cpu)
            bare = bare or count
            print(f"| {name} | {count:.0f} | {count / bare:.2f} |", flush=True)


main()
