# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""The cost of the limiter, compared with HAProxy in TCP mode with the same maxconn, one thread each.

wrk sends requests to nginx directly, through HAProxy, through the limiter and through a bare proxy in turn,
one second each, five times, and the medians are compared. The bare proxy (bare_proxy.cpp) does the least
that a program with Asio does. The row shows HAProxy's figure in the column "without the limiter", then the
limiter's figure and its ratios to HAProxy's and to the bare proxy's. A ratio above 1 means that the limiter
has the higher throughput or adds less latency. The last figures are the ratios of the processor time for
each request. All programs share the machine, so only the ratios are meaningful.

The last row is the number of system calls of a connection, except reading the clock, if one client after the
other sends a request and reads the answer.
"""

import os
import signal
import statistics

from common import HOST, Limiter, Process, Scenario, done, folder, free_port, is_open, wait_until
from nginx_server import Nginx, wrk
from peers import Upstream, ask

LIMIT, SECONDS, REPETITIONS, TRACED = 20, 1, 5, 200
FLOOR = 0.6  # the goal is a ratio of 1; a busy machine does not explain a ratio below this

CONFIGURATION = """
global
  nbthread 1
  maxconn 2000
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  timeout queue 60s
listen proxy
  bind {host}:{port}
  server nginx {host}:{upstream} maxconn {limit}
"""

NEW = ("-H", "Connection: close")
WORKS = {  # name: (arguments for wrk, the figure to compare, its unit)
    "16 connections kept": (("/small", 16, SECONDS), "requests", "requests/s"),
    "16, new for each request": (("/small", 16, SECONDS, *NEW), "requests", "requests/s"),
    "80 (4 x limit), new for each request": (("/small", 4 * LIMIT, SECONDS, *NEW), "requests", "requests/s"),
    "4 large transfers": (("/large", 4, SECONDS), "bytes", "MB/s"),
    "1 connection kept, added latency": (("/small", 1, SECONDS), "latency", "µs"),
}
SCALE = {"requests/s": 1, "MB/s": 1e-6, "µs": 1e6}


class Haproxy(Process):
    def __init__(self, upstream):
        self.port = free_port()
        configuration = folder("haproxy") / "haproxy.cfg"
        configuration.write_text(CONFIGURATION.format(host=HOST, port=self.port, upstream=upstream, limit=LIMIT))
        super().__init__("haproxy", "haproxy", "-db", "-f", configuration)
        wait_until(lambda: is_open(self.port), "HAProxy")


class BareProxy(Process):
    def __init__(self, upstream):
        self.port = free_port()
        super().__init__("bare_proxy", os.environ["BARE_PROXY"], str(self.port), str(upstream))
        wait_until(lambda: is_open(self.port), "the bare proxy")


def measured(server, work):
    """The figures of one run of wrk, and the processor time for each request."""
    before = server.cpu_seconds()
    seen = wrk(server.port, *work)
    seen["cpu"] = (server.cpu_seconds() - before) / (seen["requests"] * SECONDS)
    return seen


def median(runs, figure):
    return statistics.median(seen[figure] for seen in runs)


def compare(s, work, figure, unit):
    """Fills the row: HAProxy's figure, the limiter's figure, and the ratios."""
    nginx = Nginx()
    servers = {"direct": nginx, "haproxy": Haproxy(nginx.port),
               "limiter": Limiter(nginx.port, LIMIT, "--threads", "1", "--queue-timeout", "60s"),
               "bare": BareProxy(nginx.port)}
    runs = {name: [] for name in servers}
    for _ in range(REPETITIONS):
        for name, server in servers.items():
            runs[name].append(measured(server, work))
    direct, haproxy, limiter, bare = (median(runs[name], figure) * SCALE[unit] for name in servers)
    if figure == "latency":
        haproxy, limiter, bare = (max(proxy - direct, 1) for proxy in (haproxy, limiter, bare))
        ratio, to_bare = haproxy / limiter, bare / limiter
    else:
        ratio, to_bare = limiter / haproxy, limiter / bare
    cpu, cpu_to_bare = (median(runs["limiter"], "cpu") / median(runs[name], "cpu") for name in ("haproxy", "bare"))
    s.without = f"HAProxy {haproxy:.0f} {unit} (directly {direct:.0f})"
    s.with_limiter = (f"{limiter:.0f} {unit}, {ratio:.2f} x HAProxy, {to_bare:.2f} x a bare proxy; "
                      f"processor time {cpu:.2f} x HAProxy, {cpu_to_bare:.2f} x a bare proxy")
    failed = sum(seen["errors"] + seen["others"] for seen in runs["limiter"])
    s.expect(failed == 0, f"{failed} requests failed")
    s.expect(ratio > FLOOR, f"only {ratio:.2f} x HAProxy")
    servers["limiter"].check_clean_end(s)


def system_calls(server):
    counts = folder("strace") / server.name
    strace = Process("strace", "strace", "-f", "-c", "-o", counts, "-p", server.pid, ends_with=signal.SIGINT)
    wait_until(lambda: f"Process {server.pid} attached" in strace.log.read_text(), "strace")
    for _ in range(TRACED):
        ask(server.port)
    strace.stop()
    lines = (line.split() for line in counts.read_text().splitlines())  # share, seconds, µs each, calls, ..., name
    calls = {words[-1]: int(words[3]) for words in lines if len(words) > 4 and words[3].isdigit()}
    return (calls["total"] - calls.get("clock_gettime", 0)) / TRACED


for name, what in WORKS.items():
    with Scenario(f"Cost, {name}") as scenario:
        compare(scenario, *what)
with Scenario("Cost, system calls") as scenario:
    upstream = Upstream()
    haproxy, limiter, bare = (system_calls(server) for server in (
        Haproxy(upstream.port), Limiter(upstream.port, LIMIT, "--threads", "1"), BareProxy(upstream.port)))
    scenario.without = f"HAProxy {haproxy:.1f}"
    scenario.with_limiter = f"{limiter:.1f}; a bare proxy {bare:.1f}"
    scenario.expect(limiter < bare + 1, f"{limiter:.1f}, and a bare proxy makes {bare:.1f}")
done()
