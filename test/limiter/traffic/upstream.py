# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""A server that counts its connections (a program of its own; see peers.py).

A request is a line "<up> <ms> <down>": the server reads <up> more bytes, waits <ms> milliseconds, and
answers <down> bytes. A connection can have any number of requests, and a PROXY header. On the second port the server sends
the number of connections now, the highest number at once, and the total number.
"""

import asyncio
import contextlib
import sys

PIECE = bytes(1 << 16)


class Counted(asyncio.StreamReaderProtocol):
    """Counts connections. The count falls before the socket is closed, so that a client that sees the end
    of one connection and opens another is not counted twice."""

    now = most = all = 0

    def connection_made(self, transport):
        Counted.now += 1
        Counted.all += 1
        Counted.most = max(Counted.most, Counted.now)
        super().connection_made(transport)

    def connection_lost(self, error):
        Counted.now -= 1
        super().connection_lost(error)


async def serve(reader, writer):
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
        while line := await reader.readline():
            if line.startswith(b"PROXY "):
                continue
            up, ms, down = map(int, line.split())
            while up > 0:
                piece = await reader.read(min(up, len(PIECE)))
                if not piece:
                    return writer.close()
                up -= len(piece)
            await asyncio.sleep(ms / 1000)
            while down > 0:
                writer.write(PIECE[:down])
                down -= len(PIECE)
                await writer.drain()
    writer.close()


async def tell(_, writer):
    writer.write(f"{Counted.now} {Counted.most} {Counted.all}\n".encode())
    writer.close()


async def main(port, counts_at):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Counted(asyncio.StreamReader(), serve), "127.0.0.1", port, backlog=1024)
    await asyncio.start_server(tell, "127.0.0.1", counts_at)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
