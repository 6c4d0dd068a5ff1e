# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""A soak at 4 x the limit with clients of every kind. The argument is its duration in minutes.

Eighty clients send requests of different sizes, read slowly, leave the queue, reset connections or stay
idle, and whole client processes are killed with SIGKILL. Half of the clients come through a load balancer. The upstream
must never have more connections than the limit.

The limiter has every option that goes with the others: the limit is shared over Redis, each client has a limit of its
own, PROXY headers come in and go out, there is a log line for each connection, and the limits change all the time.

The script samples the resident size and the descriptors of the limiter every second. After a quarter of
the duration, at most five minutes, both must stay constant: the regression line through the samples may
grow by 512 KiB in total, about 20 bytes for each connection of five minutes, and by less than one
descriptor a minute.
"""

import asyncio
import collections
import contextlib
import os
import random
import signal
import sys
import threading
import time

from common import DATA, HOST, Limiter, Process, Scenario, done, folder, free_port, is_open, wait_until
from peers import Upstream, Victim, fill, stages

MINUTES = int(sys.argv[1])
CLIENTS, LIMIT, PER_CLIENT, QUEUE, TOLERANCE = 80, 20, 15, 200, 512 << 10
BALANCER = "127.0.0.2"


class Clients:
    """Runs eighty clients on a thread of their own until stop() is called."""

    def __init__(self, port):
        self.port, self.over, self.answered, self.trouble = port, threading.Event(), 0, collections.Counter()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.all()), daemon=True)
        self.thread.start()

    def stop(self):
        self.over.set()
        self.thread.join()

    async def all(self):
        await asyncio.gather(*(self.one(random.Random(seed)) for seed in range(CLIENTS)))

    async def one(self, dice):
        manners = {self.asks: 60, self.asks_for_much: 5, self.sends_much: 5, self.reads_slowly: 5,
                   self.abandons: 10, self.breaks_off: 10, self.falls_silent: 5}
        while not self.over.is_set():
            [manner] = dice.choices(list(manners), manners.values())
            writer, balanced = None, dice.random() < 0.5
            try:
                reader, writer = await asyncio.open_connection(HOST, self.port,
                                                               local_addr=(BALANCER if balanced else HOST, 0))
                if balanced:
                    writer.write(f"PROXY TCP4 10.0.0.{dice.randint(1, 10)} {BALANCER} 1 2\r\n".encode())
                await manner(dice, reader, writer)
            except (OSError, EOFError) as error:
                self.trouble[f"{manner.__name__}: {error!r}"] += 1
            if writer:
                writer.close()

    async def ask(self, reader, writer, up=0, ms=0, down=1):
        writer.write(f"{up} {ms} {down}\n".encode() + bytes(up))
        await writer.drain()
        await reader.readexactly(down)
        self.answered += 1

    async def asks(self, dice, reader, writer):
        for _ in range(dice.randint(1, 3)):
            await self.ask(reader, writer, ms=dice.randint(20, 300), down=dice.randint(1, 20_000))

    async def asks_for_much(self, dice, reader, writer):
        await self.ask(reader, writer, down=1 << 20)

    async def sends_much(self, dice, reader, writer):
        await self.ask(reader, writer, up=1 << 20)

    async def reads_slowly(self, dice, reader, writer):
        writer.write(b"0 0 100000\n")
        for _ in range(10):
            await reader.readexactly(10_000)
            await asyncio.sleep(0.05)

    async def abandons(self, dice, reader, writer):
        await asyncio.sleep(dice.random() / 4)

    async def breaks_off(self, dice, reader, writer):
        writer.write(b"0 100 1000000\n")
        await reader.read(1)
        writer.transport.abort()

    async def falls_silent(self, dice, reader, writer):
        with contextlib.suppress(ConnectionResetError):  # the --idle-timeout ends it
            await reader.read(1)


def growth(samples):
    """The growth of the least-squares line through the (time, figure) samples."""
    times, figures = zip(*samples)
    t, f = sum(times) / len(times), sum(figures) / len(figures)
    slope = sum((a - t) * (b - f) for a, b in samples) / sum((a - t) ** 2 for a in times)
    return slope * (times[-1] - times[0])


def write_limits(per_client):
    LIMITS_FILE.write_text(f"per-client = {per_client}\nqueue-timeout = {15 + per_client}s\n")


LIMITS_FILE = DATA / "soak-limits"
with Scenario(f"Soak, {MINUTES} min at 4 x the limit") as s:
    upstream, redis = Upstream(), free_port()
    Process("redis", "redis-server", "--bind", HOST, "--port", redis, "--dir", folder("redis"), "--save", "")
    wait_until(lambda: is_open(redis), "Redis")
    write_limits(PER_CLIENT)
    limiter = Limiter(upstream.port, LIMIT, "--max-queue", QUEUE, "--per-client-queue", QUEUE, "--limits-file", LIMITS_FILE,
                      "--per-client", PER_CLIENT, "--accept-proxy", BALANCER, "--send-proxy", "v1", "--resolve-every", "1s",
                      "--shared", f"redis://{HOST}:{redis}", "--name", "soak", "--lease", "15s", "--lost-lease", "cut",
                      "--connect-timeout", "5s", "--keepalive", "10s", "--half-close-timeout", "2s", "--idle-timeout", "3s",
                      "--session-timeout", "60s", "--drain-delay", "100ms", "--access-log", "on", "--log-format", "json",
                      host="localhost")
    for _ in range(5):
        fill(limiter, PER_CLIENT + QUEUE)
    used = limiter.cpu_seconds()
    clients = Clients(limiter.port)
    start, minute = time.monotonic(), 0
    warm, end = min(15 * MINUTES, 300), 60 * MINUTES
    sizes, descriptors, killed = [], [], 0
    while (now := time.monotonic() - start) < end:
        time.sleep(1)
        write_limits(PER_CLIENT - int(now) % 5)
        os.kill(limiter.pid, signal.SIGHUP)
        limiter.set_limit(LIMIT - int(now) % 3)
        if now > warm:
            sizes.append((now, limiter.resident_bytes()))
            descriptors.append((now, limiter.descriptors()))
        if int(now) % 7 == 0:
            with contextlib.suppress(RuntimeError):  # connections were cut before all of them had reached the stage
                Victim(limiter.port, random.choice(stages), random.randint(1, LIMIT // 2)).kill()
                killed += 1
        if now // 60 > minute:
            minute += 1
            counts = upstream.counts()
            print(f"  {minute} min: {counts['all']} connections, at most {counts['most']} at once, {killed} processes"
                  f" killed; {limiter.resident_bytes() >> 10} KiB, {limiter.descriptors()} descriptors", flush=True)
    limiter.set_limit(LIMIT)
    share = (limiter.cpu_seconds() - used) / (time.monotonic() - start)
    clients.stop()
    counts, grown, more = upstream.counts(), growth(sizes), growth(descriptors)
    s.with_limiter = (f"{counts['all']:,} connections, at most {counts['most']} at once; {grown / 1024:+.0f} KiB of"
                      f" {sizes[0][1] >> 10}; {share:.0%} of a processor")
    s.expect(counts["most"] <= LIMIT, f"{counts['most']} connections at the upstream, the limit is {LIMIT}")
    s.expect(counts["most"] == LIMIT, f"at most {counts['most']} at the upstream: the limit was never reached")
    s.expect(grown <= TOLERANCE, f"the resident size grew by {grown / 1024:.0f} KiB")
    s.expect(more < MINUTES, f"the number of descriptors grew by {more:.0f}")
    s.expect(killed > 0 and clients.answered > 100 * MINUTES, f"{killed} killed, {clients.answered} answers: not enough load")
    s.expect(not clients.trouble, f"unexpected errors of clients: {dict(clients.trouble)}")
    limiter.check_clean_end(s)
done()
