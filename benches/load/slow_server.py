"""An authorization server that takes its time and counts: GET /count tells how often it was asked since the last count.
usage: slow_server.py PORT SECONDS"""

import asyncio
import sys

PORT, SECONDS = int(sys.argv[1]), float(sys.argv[2])
ANSWER = b'{"active":true,"scope":"read write dolphin","client_id":"c","username":"jdoe","sub":"u1","exp":4102444800}'
asked = 0


async def serve(reader, writer):
    global asked
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            for line in head.split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.split(b":")[1]))
            if head.startswith(b"get /count"):
                body, asked = b"%d" % asked, 0
            else:
                asked += 1
                await asyncio.sleep(SECONDS)
                body = ANSWER
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", PORT, backlog=4096)
    await server.serve_forever()


asyncio.run(main())
