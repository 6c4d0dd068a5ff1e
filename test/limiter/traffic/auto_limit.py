# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""A server that takes 24, then 8, then 24 connections at once, and closes all others without an answer.

64 clients send one request after the other, and each takes 50 ms. With --limit auto, the limit must come near the
server's number within 5 s if the number has risen, and within 15 s if it has fallen. After that, the server must answer
at least 0.85 times as many requests as with the best fixed limit.
"""

import asyncio
import threading
import time

from common import HOST, Limiter, Scenario, done, free_port

CLIENTS, SERVICE, CAPACITIES = 64, 0.05, (24, 8, 24)
UPWARDS, DOWNWARDS, MEASURED = 5, 15, 8  # seconds


class Server:
    """Runs with the clients on a thread of its own."""

    def __init__(self):
        self.capacity, self.now, self.refused, self.port = CAPACITIES[0], 0, 0, free_port()
        self.served, self.target = 0, None
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(asyncio.start_server(self.serve, HOST, self.port), self.loop).result()
        self.tasks = set()  # the loop itself keeps no task from being collected
        self.clients = [asyncio.run_coroutine_threadsafe(self.ask(), self.loop) for _ in range(CLIENTS)]

    async def serve(self, reader, writer):
        if self.now >= self.capacity:
            self.refused += 1
            return writer.close()
        self.tasks.add(asyncio.current_task())
        self.now += 1
        try:
            if await reader.read(1):
                await asyncio.sleep(SERVICE)
                writer.write(b".")
                await reader.read()
        except OSError:
            pass
        finally:
            self.now -= 1
            writer.close()
            self.tasks.discard(asyncio.current_task())

    async def ask(self):
        while True:
            try:
                if self.target is None:
                    raise OSError
                reader, writer = await asyncio.open_connection(HOST, self.target)
                writer.write(b".")
                answer = await reader.read(1)
                writer.close()
                if not answer:
                    raise OSError
                self.served += 1
            except OSError:
                await asyncio.sleep(SERVICE)


def limit_now(limiter):
    return next(value for name, value in limiter.metrics().items() if name.startswith("limit_connections"))


def settle(limiter, capacity):
    """The seconds until the limit is near what the server takes."""
    start = time.monotonic()
    while time.monotonic() < start + 2 * DOWNWARDS:
        if 0.75 * capacity <= limit_now(limiter) <= 1.25 * (capacity + capacity ** 0.5):
            break
        time.sleep(0.1)
    return time.monotonic() - start


def measure(server, limiter):
    """Requests served in a second, and the mean limit meanwhile."""
    served, start, limits = server.served, time.monotonic(), []
    while time.monotonic() < start + MEASURED:
        limits.append(limit_now(limiter))
        time.sleep(0.1)
    return (server.served - served) / (time.monotonic() - start), sum(limits) / len(limits)


def run(server, limit, *options):
    """For each capacity, the seconds until the limit has settled, the requests served in a second then, and the mean
    limit."""
    limiter = Limiter(server.port, limit(CAPACITIES[0]), "--max-queue", CLIENTS, "--queue-timeout", "30s", *options)
    server.target = limiter.port
    results = []
    for capacity in CAPACITIES:
        server.capacity = capacity
        if not options:
            limiter.set_limit(limit(capacity))
        settled = settle(limiter, capacity)
        time.sleep(1)  # the connections beyond the last limit end
        results.append((settled, *measure(server, limiter)))
    server.target = None
    limiter.stop()
    return results


with Scenario(f"{CLIENTS} clients of a server that takes {', '.join(map(str, CAPACITIES))}") as s:
    server = Server()
    best = run(server, lambda capacity: capacity)
    found = run(server, lambda _: "auto", "--limit-max", CLIENTS)
    s.without = "--limit as taken: " + ", ".join(f"{rate:.0f}/s" for _, rate, _ in best)
    s.with_limiter = "--limit auto: " + ", ".join(
        f"{rate:.0f}/s at {limit:.0f}, after {seconds:.1f} s" for seconds, rate, limit in found)
    before = 0
    for capacity, (seconds, rate, limit), (_, fixed, _) in zip(CAPACITIES, found, best):
        s.expect(seconds <= (UPWARDS if capacity > before else DOWNWARDS), f"{seconds:.1f} s until a limit for {capacity}")
        s.expect(0.6 * capacity <= limit <= 1.25 * (capacity + capacity ** 0.5), f"a limit of {limit:.1f} for {capacity}")
        s.expect(rate >= 0.85 * fixed, f"{rate:.0f}/s are served, and {fixed:.0f}/s with the best fixed limit")
        before = capacity
done()
