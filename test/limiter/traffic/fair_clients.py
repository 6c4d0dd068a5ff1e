# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""One client keeps 200 connections waiting, and another client with its own address connects every 100 ms.

A request takes 200 ms on average, and the limit is 10. Without --per-client, the second client waits behind the
first one's connections. With --per-client, it waits less than one request takes.
"""

import random
import threading
import time

from common import Limiter, Scenario, connected, done
from peers import Upstream, read, request

LIMIT, WAITING, SERVICE, SECONDS = 10, 200, 0.2, 8
HEAVY, LIGHT = "127.0.0.2", "127.0.0.3"


def ask(port, source):
    """How long the request waited."""
    service = SERVICE * random.uniform(0.5, 1.5)
    start = time.monotonic()
    with connected(port, source) as s:
        request(s, ms=int(service * 1000))
        read(s, 1)
    return time.monotonic() - start - service


def waits(port):
    """How long the requests of the light client waited, while the heavy one asks on 200 connections again and again."""
    end = time.monotonic() + SECONDS
    seen, failed = [], []

    def run(source, note):
        try:
            note(ask(port, source))
        except OSError as error:
            failed.append(f"{source}: {error}")

    def heavy():
        while time.monotonic() < end:
            run(HEAVY, lambda _: None)

    threads = [threading.Thread(target=heavy, daemon=True) for _ in range(WAITING + LIMIT)]
    for thread in threads:
        thread.start()
    time.sleep(1)  # until the queue is full of the heavy client's connections
    while time.monotonic() < end:
        threads.append(threading.Thread(target=run, args=(LIGHT, seen.append), daemon=True))
        threads[-1].start()
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    return sorted(seen), failed


def in_words(times):
    return f"waits {times[len(times) // 2] * 1000:.0f} ms in the median, {times[-1] * 1000:.0f} ms at most"


with Scenario(f"1 connection each 100 ms beside {WAITING}") as s:
    upstream = Upstream()
    options = ("--queue-timeout", "30s", "--max-queue", 2 * WAITING)
    limiter = Limiter(upstream.port, LIMIT, *options)
    times, failed = waits(limiter.port)
    s.without = "one queue: " + in_words(times)
    s.expect(times[len(times) // 2] > 2 * SERVICE, "without --per-client the light client does not wait, so the scenario shows nothing")
    limiter.check_clean_end(s)
    fair = Limiter(upstream.port, LIMIT, *options, "--per-client", LIMIT, "--per-client-queue", WAITING + LIMIT)
    times, failed = waits(fair.port)
    s.with_limiter = "--per-client: " + in_words(times)
    s.expect(not failed, f"{len(failed)} requests failed: {failed[:1]}")
    s.expect(times[-1] < SERVICE, "the light client waits longer than a request takes on average")
    fair.check_clean_end(s)
done()
