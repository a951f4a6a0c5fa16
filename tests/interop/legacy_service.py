#!/usr/bin/env python3
"""A service that knows nothing about tokens: Python's own http.server over a folder.

    legacy_service.py FOLDER [PORT]

http.server does not show what it received, so below /echo it answers with the request's headers, as a JSON list of
[name, value] pairs in the order of arrival. Says on standard output where it listens; without PORT it takes a free one.
"""

import functools
import json
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        if not self.path.startswith("/echo"):
            return super().do_GET()
        body = json.dumps(self.headers.items()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    folder = sys.argv[1]
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    server = ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Handler, directory=folder))
    print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
