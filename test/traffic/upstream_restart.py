# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""The upstream is killed with -9 under load (4 x the limit), stays away for two seconds, and comes back.

Who was connected, and who comes meanwhile, sees its connection end within a second, and is not left
hanging; once the upstream is back, every client is served.
"""

import threading
import time

from common import Limiter, Scenario, done
from peers import Upstream, ask

CLIENTS, LIMIT, AWAY = 80, 20, 2

with Scenario("The upstream killed with -9 and restarted") as s:
    upstream = Upstream()
    limiter = Limiter(upstream.port, LIMIT, "--queue-timeout", "10s")
    asked, over = [], threading.Event()  # (start, end, whether it was answered)

    def client():
        while not over.is_set():
            start = time.monotonic()
            try:
                ask(limiter.port, ms=50, down=1000)
                answered = True
            except OSError:
                answered = False
                time.sleep(0.1)
            asked.append((start, time.monotonic(), answered))

    clients = [threading.Thread(target=client, daemon=True) for _ in range(CLIENTS)]
    for thread in clients:
        thread.start()
    time.sleep(2)
    killed = time.monotonic()
    upstream.kill()
    time.sleep(AWAY)
    upstream = Upstream(upstream.port)
    back = time.monotonic()
    time.sleep(3)
    over.set()
    for thread in clients:
        thread.join()

    before = [answered for start, end, answered in asked if end < killed]
    during = [(end - max(start, killed), answered) for start, end, answered in asked if end > killed and start < back - 0.5]
    after = [answered for start, end, answered in asked if start > back]
    slowest = max(wait for wait, answered in during)
    s.with_limiter = (f"{before.count(False)} of {len(before)} failed before, {len(during)} ended meanwhile within"
                      f" {slowest:.1f} s, {after.count(False)} of {len(after)} failed after")
    s.expect(before and False not in before, "clients failed while the upstream was there")
    s.expect(any(not answered for _, answered in during), "nobody noticed that the upstream was away")
    s.expect(slowest < 1, f"a client was left hanging for {slowest:.1f} s")
    s.expect(after and False not in after, "clients failed although the upstream was back")
    s.expect(upstream.counts()["most"] <= LIMIT, f"{upstream.counts()['most']} at the upstream")
    limiter.ended_well(s)
done()
