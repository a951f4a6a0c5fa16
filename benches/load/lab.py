"""Everything that a load run starts, each on a free port of 127.0.0.1, and ended by its own process id."""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

HERE = pathlib.Path(__file__).parent.resolve()
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Gateway:
    name: str
    port: int
    process: subprocess.Popen
    tls: int = 0  # the port that speaks TLS
    config: str = ""  # the file that a reload reads again
    asked: int = 0  # the process that it asks about each request, whose costs are its own

    @property
    def pid(self):
        return self.process.pid

    def cpu_seconds(self):
        """User and system time."""
        return sum(cpu_seconds(pid) for pid in [self.pid, self.asked] if pid)

    def resident_mib(self):
        return sum(resident_mib(pid) for pid in [self.pid, self.asked] if pid)


class Lab:
    def __init__(self, binary, bare, pin, load, jkt=""):
        self.binary, self.bare, self.pin, self.load = binary, bare, pin, load
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="introgate-load-"))
        self.directory.chmod(0o755)
        self.processes, self.taken = [], []
        self.wrapper = []  # what a gateway is run under
        self.jkt = jkt  # the key that tokens of /bound are bound to
        self.ports = {"BACKEND": self.port(), "AS": self.port()}
        (self.directory / "large").mkdir()
        (self.directory / "large" / "body").write_bytes(b"introgate " * 6553 + b"123456")  # 64 KiB

    def __enter__(self):
        for needed in ["nginx", "wrk", "h2load", "openssl", "taskset"]:
            if not shutil.which(needed, path=f"{os.environ['PATH']}:/usr/sbin"):
                sys.exit(f"{needed} is missing: apt-get install wrk nghttp2-client openssl nginx libnginx-mod-http-js apache2 libapache2-mod-oauth2")
        self.certificate()
        self.run(["nginx", "-c", self.render("services.conf", "services", JKT=self.jkt, **self.ports)], self.load)
        self.wait(self.ports["BACKEND"])
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            self.end(process)
        shutil.rmtree(self.directory, ignore_errors=True)

    # what is measured

    def introgate(self, name, routes=1, access="off", server=None, fast_path="true", threads=1, ttl="60s", cores=None, demands="", top="", answer="introspect", serves="proxy"):
        lines = ["  - { path: /*, upstream: backend }"]
        lines += [f"  - {{ name: r{n}, path: /service{n}/items/*, upstream: backend }}" for n in range(1, routes)]
        port, tls = self.port(), self.port()
        values = {"PORT": port, "TLS": tls, "ADMIN": self.port(), "AS": server or self.ports["AS"], "ACCESS": access, "ROUTES": "\n".join(lines)}
        values |= {"FAST_PATH": fast_path, "THREADS": threads, "TTL": ttl}
        values |= {"DEMANDS": f", {demands}" if demands else "", "TOP": top, "ANSWER": answer, "SERVES": serves}
        config = self.render("gateway.yaml", f"gateway-{port}", BACKEND=self.ports["BACKEND"], **values)
        gateway = self.started(name, port, [self.binary, "run", "-c", config], cores)
        gateway.tls, gateway.config = tls, config
        return gateway

    def bare_pingora(self):
        port = self.port()
        return self.started("bare pingora", port, [self.bare, f"127.0.0.1:{port}", f"127.0.0.1:{self.ports['BACKEND']}"])

    def nginx_bare(self):
        port, tls = self.port(), self.port()
        config = self.render("nginx-bare.conf", "nginx-bare", BACKEND=self.ports["BACKEND"], PORT=port, TLS=tls)
        gateway = self.started("nginx", port, ["nginx", "-c", config])
        gateway.tls = tls
        return gateway

    def plain_peers(self, asks, connections):
        """HAProxy and Envoy as plain proxies, and Envoy that asks introgate (`asks`) about each request."""
        peers, values = [], {"BACKEND": self.ports["BACKEND"]}
        if shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin"):
            port = self.port()
            config = self.render("haproxy.cfg", "haproxy", PORT=port, CONNECTIONS=connections, **values)
            peers.append(self.started("HAProxy", port, ["haproxy", "-db", "-f", config]))
        envoy = os.environ.get("ENVOY") or shutil.which("envoy")
        for name, template in [("Envoy", "envoy.yaml"), ("Envoy asking introgate", "envoy-ext-authz.yaml")] if envoy else []:
            port = self.port()
            config = self.render(template, name.replace(" ", "-"), PORT=port, ASKS=asks.port, **values)
            command = [envoy, "-c", config, "--concurrency", "1", "--use-dynamic-base-id", "-l", "error"]
            peers.append(self.started(name, port, command))
            peers[-1].asked = asks.pid if template == "envoy-ext-authz.yaml" else 0
        return peers

    def introspecting_peers(self, server):
        """Those of Debian's packages that are installed."""
        values = {"BACKEND": self.ports["BACKEND"], "AS": server, "CONF": HERE / "conf"}
        peers = []
        if os.path.exists("/usr/lib/nginx/modules/ngx_http_js_module.so"):
            port = self.port()
            config = self.render("nginx-njs.conf", f"njs-{port}", PORT=port, **values)
            peers.append(self.started("nginx + njs", port, ["nginx", "-c", config]))
        if os.path.exists("/usr/lib/apache2/modules/mod_oauth2.so"):
            port = self.port()
            config = self.render("apache-oauth2.conf", f"apache-{port}", PORT=port, **values)
            peers.append(self.started("Apache + mod_oauth2", port, ["apache2", "-f", config, "-DFOREGROUND"]))
        return peers

    def slow_server(self, seconds):
        port = self.port()
        self.run([sys.executable, str(HERE / "slow_server.py"), str(port), str(seconds)], self.load)
        self.wait(port)
        return port

    def stop(self, gateway):
        self.processes.remove(gateway.process)
        self.end(gateway.process)

    # how

    def certificate(self):
        command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
        files = ["-keyout", self.directory / "tls.key", "-out", self.directory / "tls.crt"]
        subprocess.run(["openssl", *command.split(), *files], check=True, capture_output=True)

    def port(self):
        """A free port; held until all are known, so that none comes twice."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port in self.taken:
            return self.port()
        self.taken.append(port)
        return port

    def render(self, template, name, **values):
        text = (HERE / "conf" / template).read_text()
        for key, value in {"DIR": self.directory, "NAME": name, **values}.items():
            text = text.replace(f"@{key}@", str(value))
        file = self.directory / f"{name}{pathlib.Path(template).suffix}"
        file.write_text(text)
        return str(file)

    def run(self, command, cores):
        output = open(self.directory / "output.log", "ab")
        environment = dict(os.environ, PATH=f"{os.environ['PATH']}:/usr/sbin")
        process = subprocess.Popen(["taskset", "-c", cores, *command], stdout=output, stderr=output, env=environment)
        self.processes.append(process)
        return process

    def started(self, name, port, command, cores=None):
        process = self.run(self.wrapper + [str(part) for part in command], cores or self.pin)
        self.wait(port, process)
        return Gateway(name, port, process)

    def wait(self, port, process=None):
        """Until a request is answered, whatever the answer."""
        deadline = time.monotonic() + (300 if self.wrapper else 30)
        while time.monotonic() < deadline and not (process and process.poll() is not None):
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as connection:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    if connection.recv(1):
                        return
            except OSError:
                time.sleep(0.001)
        sys.exit(f"nothing answers on port {port}:\n{(self.directory / 'output.log').read_text()[-2000:]}")

    @staticmethod
    def end(process):
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def family(pid):
    """A process and its children's children."""
    found = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                found += family(int(child))
    except FileNotFoundError:
        pass
    return found


def cpu_seconds(pid):
    """User and system time of a process and its children."""
    ticks = 0
    for member in family(pid):
        try:
            fields = pathlib.Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


def resident_mib(pid):
    lines = [line for member in family(pid) for line in pathlib.Path(f"/proc/{member}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
