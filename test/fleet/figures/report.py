# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""The table of the figures, with what they should be. Writes it into a page if one is given."""

import collections
import os
import platform
import re
import statistics
import subprocess
import sys

BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def machine():
    with open("/proc/cpuinfo") as f:
        names = re.findall(r"^model name\s*: (.*)", f.read(), re.M)
    name = re.sub(r"\s+", " ", names[0]) if names else platform.machine()
    redis = re.search(r"v=(\S+)", output("redis-server", "--version"))[1]
    compiler = " ".join(output(os.environ.get("CXX", "g++"), "--version").split("\n")[0].split())
    return (f"{os.cpu_count()} processors of {name}, Redis {redis}, "
            f"hiredis {output('pkg-config', '--modversion', 'hiredis')}, {compiler}")


def read(path):
    figures, texts = collections.defaultdict(list), collections.defaultdict(list)
    with open(path) as f:
        for line in f:
            if text := re.match(r"(script|storm): (.*)", line):
                texts[text[1]].append(text[2])
            else:
                name, value = line.split()
                figures[name].append(float(value))
    return figures, texts


def rows_of(path):
    figures, texts = read(path)
    median = {name: statistics.median(values) for name, values in figures.items()}
    rows = []

    def row(figure, aim, measured, is_met=True):
        rows.append((figure, aim, ("" if is_met else "**missed**: ") + measured))

    def ratio(mine, other):
        """Of neighbours, so that it bears a machine that becomes slower and faster."""
        return statistics.median(m / o for m, o in zip(figures[mine], figures[other]))

    for name, work in (("try", "`try_acquire` and `release` within the share"),
                       ("callback", "`async_acquire` with a callback and `release` within the share")):
        core = f"local.{name}.core"
        if core not in figures:
            continue
        for kind, suffix, most in (("unchecked", "`check_every_grant = false`", 1.1),
                                   ("checked", "with the check of the clock, the default", None)):
            mine = f"local.{name}.{kind}"
            r = ratio(mine, core)
            row(f"{work}, {suffix}", f"≤ {most} × `bounded_semaphore`" if most else "",
                f"{r:.2f} × ({median[mine]:.1f} ns and {median[core]:.1f} ns)", not most or round(r, 2) <= most)
    if "miss.ping" in figures:
        r = ratio("miss.acquire", "miss.ping")
        row("an acquire that needs a round trip", "≤ 3 × a bare `PING`",
            f"{r:.2f} × ({median['miss.acquire'] / 1e3:.0f} µs, of which the script {median['miss.script']:.0f} µs, "
            f"and {median['miss.ping'] / 1e3:.0f} µs)", r <= 3)
    if "load.redis" in figures:
        row("processor time of Redis while 16 processes acquire and release within their shares as fast as they can",
            "< 1 % of a core",
            f"{median['load.redis']:.2f} % at {median['load.grants'] / 1e6:.1f} million grants a second; "
            f"{median['load.redis_at_rest']:.2f} % at rest", median["load.redis"] < 1)
    if "fair.grants" in figures:
        r = ratio("fair.grants", "fair.timers")
        row("throughput of 8 permits that 16 processes want for 1 ms each", "≥ 90 % of 8 bare timers of 1 ms",
            f"{100 * r:.0f} % ({median['fair.grants']:,.0f} and {median['fair.timers']:,.0f} a second; "
            f"from {median['fair.least']:,.0f} to {median['fair.most']:,.0f} for each process; "
            f"Redis {median['fair.redis']:.0f} % of a core)", r >= 0.9)
        samples, uneven = sum(figures["fair.samples"]), sum(figures["fair.uneven"])
        row("their shares", "within 1 of each other",
            f"in {samples - uneven:,.0f} of {samples:,.0f} samples", uneven == 0)
    if "crash.time" in figures:
        lease, worst = median["crash.lease"], max(figures["crash.time"])
        row("a process that uses all permits is killed: another one uses all after",
            f"≤ the lease of {lease:.0f} s",
            f"{median['crash.time']:.2f} s; in the worst of {len(figures['crash.time'])} cases {worst:.2f} s",
            worst <= lease)
    for text in texts["script"]:
        if beat := re.match(r"(\d+) members: (\S+) us a heartbeat, (\S+) us", text):
            row(f"the script in Redis, {beat[1]} member{'s' if beat[1] != '1' else ''}: a heartbeat", "< 30 µs",
                f"{float(beat[2]):.0f} µs; a request while all want more, {float(beat[3]):.0f} µs",
                float(beat[2]) < 30)
    ends = [text for text in texts["storm"] if "seed" in text]
    for text, server in zip(ends, ("forgets", "has an append-only file")):
        grants, faults = re.match(r"(\d+) grants, (\d+) faults", text).groups()
        is_right = text.endswith("never more than the limit inside")
        row(f"a storm of faults, with a server that {server}: more permits in use than the limit", "never",
            f"{'never' if is_right else 'WRONG'}, at {int(grants):,} grants and {int(faults):,} faults", is_right)
    return rows


def main(path, command, page=None):
    lines = ["| figure | aim | measured |", "| --- | --- | --- |"]
    lines += [f"| {' | '.join(row)} |" for row in rows_of(path)]
    text = f"Measured by `{command}` on {machine()}:\n\n" + "\n".join(lines) + "\n"
    print(text, end="")
    if page:
        with open(page) as f:
            before, rest = f.read().split(BEGIN)
        after = rest.split(END)[1]
        with open(page, "w") as f:
            f.write(before + BEGIN + "\n" + text + "\n" + END + after)


main(*sys.argv[1:])
