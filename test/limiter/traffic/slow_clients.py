# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Slow clients: slowhttptest with 100 connections against an nginx with room for 30 connections, while
another client requests a page twice a second.

Slow headers: requests that never end. Slow read: answers that the client does not read. Without the
limiter, the other client gets no page until the attack is over. With the limiter (limit 20,
--idle-timeout 1s, --session-timeout 2s), the slow connections are cut and the other client waits for
its turn. With --per-client 10 as well, the other client, which has another address, hardly waits.
"""

import subprocess
import threading
import time

from common import DATA, HOST, Limiter, Scenario, connected, done
from nginx_server import Nginx

CONNECTIONS, LIMIT, SECONDS = 100, 20, 8
OTHER = "127.0.0.2"  # the address that the other client comes from

ATTACKS = {
    "slow headers": ("-H", "-i", "2", "-x", "16"),
    "slow read": ("-X", "-w", "64", "-y", "128", "-n", "2", "-z", "32", "-k", "1"),
}


def page_in(port, patience):
    """The time that a page takes, or None if it did not arrive."""
    start = time.monotonic()
    try:
        with connected(port, OTHER, patience) as s:
            s.sendall(b"GET /small HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: s.recv(1 << 16), b""))
        return time.monotonic() - start if b"200 OK" in answer else None
    except OSError:
        return None


def attacked(port, attack):
    """The times of the pages that were requested during the attack."""
    with open(DATA / "slowhttptest.log", "ab") as log:
        attacker = subprocess.Popen(["slowhttptest", *ATTACKS[attack], "-c", str(CONNECTIONS), "-r", str(CONNECTIONS),
                                     "-l", str(SECONDS), "-p", "30", "-u", f"http://{HOST}:{port}/large"],
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=DATA)
    times = []
    asking = []
    time.sleep(1.5)  # until the attacker has opened its connections
    while attacker.poll() is None:
        asking.append(threading.Thread(target=lambda: times.append(page_in(port, 10)), daemon=True))
        asking[-1].start()
        time.sleep(0.5)
    for thread in asking:
        thread.join()
    return times


def in_words(times):
    came = [t for t in times if t is not None]
    return f"{len(came)} of {len(times)} pages" + (f", the slowest {max(came):.1f} s" if came else "")


for attack in ATTACKS:
    with Scenario(f"{attack}, {CONNECTIONS} connections") as s:
        nginx = Nginx("reset_timedout_connection on;", connections=30 + 4)
        times = attacked(nginx.port, attack)
        s.without = in_words(times)
        s.expect(None in times, "without the limiter the attack had no effect on the server, so the scenario shows nothing")
        nginx.stop()

        nginx = Nginx(connections=30 + 4)
        options = ("--idle-timeout", "1s", "--session-timeout", "2s", "--queue-timeout", "30s")
        limiter = Limiter(nginx.port, LIMIT, *options)
        times = attacked(limiter.port, attack)
        s.with_limiter = in_words(times)
        s.expect(None not in times, f"{times.count(None)} pages did not arrive")
        limiter.check_clean_end(s)
        fair = Limiter(nginx.port, LIMIT, *options, "--per-client", LIMIT // 2)
        times = attacked(fair.port, attack)
        s.with_limiter += f"; with --per-client {in_words(times)}"
        s.expect(None not in times, f"with --per-client {times.count(None)} pages did not arrive")
        fair.check_clean_end(s)
done()
