"""Talks to an echo service. Arguments: `talk` or `wait`, the URL, the token, and a CA for TLS.

`talk` sends messages, compares what comes back, and closes. `wait` prints `open` and waits for the
other end to close. Both print the close code at the end.
"""

import asyncio
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

LARGE = bytes(range(256)) * 8192


async def talk(connection):
    assert connection.subprotocol == "chat", connection.subprotocol
    assert "permessage-deflate" in connection.response.headers["Sec-WebSocket-Extensions"]
    for message in ["text", "ümläut", "", b"\x00\xff", LARGE, "x" * 200_000]:
        await connection.send(message)
        assert await connection.recv() == message, len(message)
    # one message in several frames
    await connection.send(["one ", "two ", "three"])
    assert await connection.recv() == "one two three"
    for _ in range(20):
        await (await connection.ping())
    # many under way at once
    for number in range(200):
        await connection.send(str(number))
    for number in range(200):
        assert await connection.recv() == str(number)
    await connection.close()


async def main(mode, url, token, *ca):
    tls = ssl.create_default_context(cafile=ca[0]) if ca else None
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with connect(
            url,
            additional_headers=headers,
            subprotocols=["chat"],
            max_size=None,
            ssl=tls,
            proxy=None,
        ) as connection:
            if mode == "talk":
                await talk(connection)
            else:
                await connection.send("hello")
                await connection.recv()
                print("open", flush=True)
                try:
                    await connection.recv()
                except ConnectionClosed:
                    pass
                await connection.wait_closed()
            print("closed", connection.close_code)
    except InvalidStatus as refusal:
        print("refused", refusal.response.status_code)


asyncio.run(main(*sys.argv[1:]))
