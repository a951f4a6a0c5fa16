"""Requests over TLS, each on a connection that resumes the session of the one before. Prints how many were answered on a
resumed connection, with 200 and the expected cipher. usage: resumed.py PORT COUNT"""

import socket
import ssl
import sys

REQUEST = b"GET /api/items HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer tok1\r\nConnection: close\r\n\r\n"
# the first choice of Python's ssl; it cannot be told another one
CIPHER = "TLS_AES_256_GCM_SHA384"


def ask(context, port, session):
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), session=session) as connection:
        connection.sendall(REQUEST)
        response = b""
        while piece := connection.recv(65536):
            response += piece
        good = response.startswith(b"HTTP/1.1 200") and connection.cipher()[0] == CIPHER
        return good and connection.session_reused, connection.session


context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
port, count = map(int, sys.argv[1:])
_, session = ask(context, port, None)
done = 0
for _ in range(count):
    good, session = ask(context, port, session)
    done += good
print(done)
