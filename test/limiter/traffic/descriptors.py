# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Out of descriptors: the open-file limit is lowered while the limiter runs, and 60 clients connect.

For five seconds, the limiter must use less than 2 % of a processor and keep serving the connections
that it had forwarded before. When the open-file limit is raised again, it must serve all clients.
"""

import resource
import threading
import time

from common import Limiter, Scenario, connected, done, wait_until
from peers import Upstream, read, request

CLIENTS, LIMIT, SECONDS = 60, 20, 5


def allow(limiter, descriptors):
    """As prlimit(1) does."""
    resource.prlimit(limiter.pid, resource.RLIMIT_NOFILE, (descriptors, hard))


with Scenario(f"Out of descriptors, {CLIENTS} clients") as s:
    upstream = Upstream()
    limiter = Limiter(upstream.port, LIMIT, "--queue-timeout", "60s")
    soft, hard = resource.prlimit(limiter.pid, resource.RLIMIT_NOFILE)
    before = [connected(limiter.port) for _ in range(LIMIT // 2)]
    for client in before:
        request(client)
        read(client, 1)
    allow(limiter, limiter.descriptors() + 3)

    clients = [connected(limiter.port) for _ in range(CLIENTS)]
    for client in clients:
        request(client)
    wait_until(lambda: limiter.log.read_text().count("retrying"), "log line about the failure")
    used, start = limiter.cpu_seconds(), time.monotonic()
    while time.monotonic() < start + SECONDS:
        time.sleep(SECONDS / 10)
        for client in before:
            request(client)
            read(client, 1)
    share = (limiter.cpu_seconds() - used) / (time.monotonic() - start)
    s.expect(limiter.descriptors() <= limiter.first_descriptors + LIMIT + 3, "the limiter had descriptors left")
    s.expect(share < 0.02, f"{share:.1%} of a processor")

    allow(limiter, soft)
    for client in before:
        client.close()
    outcomes = []

    def end(client):
        with client:
            try:
                read(client, 1)
                outcomes.append(True)
            except OSError:
                outcomes.append(False)

    ends = [threading.Thread(target=end, args=(client,), daemon=True) for client in clients]
    for thread in ends:  # all at once, because the order in which clients are served is not specified
        thread.start()
    for thread in ends:
        thread.join()
    served = outcomes.count(True)
    s.with_limiter = f"{share:.1%} of a processor; {served} of {CLIENTS} served afterwards"
    s.expect(served >= CLIENTS - 3, f"only {served} of {CLIENTS} were served after the limit was raised")
    limiter.check_clean_end(s)
    s.expect(upstream.counts()["most"] <= LIMIT, f"{upstream.counts()['most']} at the upstream")
done()
