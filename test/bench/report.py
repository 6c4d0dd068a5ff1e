# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""The table of ratios, with the targets and whether they are met, and a bar chart."""

import json
import sys


def medians(path):
    with open(path) as f:
        data = json.load(f)
    times, counters = {}, {}
    for b in data["benchmarks"]:
        if b.get("aggregate_name", "median") != "median" or b.get("run_type") == "iteration" and \
                any(x.get("aggregate_name") for x in data["benchmarks"]):
            continue
        name = b["run_name"].replace("/real_time", "").replace("/iterations:1", "")
        times[name] = b["real_time"] * {"ns": 1, "us": 1e3, "ms": 1e6}[b["time_unit"]]
        for key in ("bytes", "allocations"):
            if key in b:
                counters[name, key] = b[key]
    return times, counters


def main(bench, others, svg):
    t, counters = medians(bench)
    with open(others) as f:
        t.update(json.load(f))

    rows = []  # work, turnstile's ns, beside what, its ns, ratio, the most it may be

    def row(work, mine, beside, other, most):
        if mine in t and other is not None:
            rows.append((work, t[mine], beside, other, t[mine] / other, most))

    def beside(work, *names, most=1.0, mine=None):
        for name in names:
            if f"{work}/{name}" in t:
                row(work, mine or f"{work}/turnstile", name, t[f"{work}/{name}"], most)

    beside("try", "pair", most=1.15)
    beside("try", "std")
    if "callback/post" in t and "try/pair" in t:
        row("callback", "callback/turnstile", "post + pair", t["callback/post"] + t["try/pair"], 1.15)
    beside("callback", "channel", "mutex", "strand")
    beside("await", "post", most=0.5)
    beside("await", "nothing", most=None)
    beside("await", "channel", "mutex", "strand", "tokio", "go", "asyncio")
    beside("await", "deferred", most=None)
    beside("handoff", "post", most=2.0)
    beside("handoff", "channel", "mutex", "strand")
    beside("handoff_hint_1", "post", most=None)
    beside("handoff_hint_1", "channel")
    beside("handoff_await", "deferred", most=None)
    beside("handoff_await", "tokio", "go", "asyncio", "channel", "mutex", "strand")
    beside("threads_io_context", "channel", "mutex", "strand")
    beside("threads_pool", "channel", "mutex", "strand")
    beside("release_many", "post", most=1.4)
    for order, most in (("in_order", 1.5), ("at_random", 4.0)):
        base = t.get(f"cancel_{order}/turnstile/10000")
        for n in (100_000, 1_000_000):
            row(f"cancel_{order}, {n:,}", f"cancel_{order}/turnstile/{n}", "10,000", base, most)
        row(f"cancel_{order}, 1,000,000", f"cancel_{order}/turnstile/1000000", "post",
            t.get(f"cancel_{order}/post/1000000"), None)
        row(f"posts {order}, 1,000,000", f"cancel_{order}/post/1000000", "10,000",
            t.get(f"cancel_{order}/post/10000"), None)
    for n in (1_000, 1_000_000):
        row(f"depth, {n:,}", f"depth/turnstile/{n}", "10", t.get("depth/turnstile/10"), 1.5)
    for order in ("in_order", "at_random"):
        name = f"fair_handoff_{order}"
        for n in (1_000, 100_000):
            row(f"{name}, {n:,}", f"{name}/turnstile/{n}", "10", t.get(f"{name}/turnstile/10"), None)
    for work in ("key_try", "key_threads", "key_callback"):
        beside(work, "map", "map_removing")
        beside(work + "_new", "map_removing")
    for n in (1_000, 100_000):
        row(f"key_handoff, {n:,}", f"key_handoff/turnstile/{n}", "10", t.get("key_handoff/turnstile/10"), None)

    print(f"{'work':<28}{'turnstile':>12}   {'beside':<14}{'':>12}{'ratio':>8}  target")
    for work, mine, name, other, ratio, most in rows:
        verdict = "" if most is None else f"<= {most:g}" + ("" if ratio <= most else "  MISSED")
        print(f"{work:<28}{mine:>9.1f} ns   {name:<14}{other:>9.1f} ns{ratio:>8.2f}  {verdict}")
    for name, most in (("turnstile", 128), ("turnstile_any", 208)):
        if (f"memory/{name}", "bytes") in counters:
            size = counters[f"memory/{name}", "bytes"]
            blocks = counters[f"memory/{name}", "allocations"]
            print(f"memory/{name:<21}{size:>9.0f} bytes, {blocks:.0f} allocations"
                  f"{'':<22}<= {most}, 1{'' if size <= most and blocks == 1 else '  MISSED'}")

    with open(svg, "w") as f:
        f.write(chart(t))


def chart(t):
    """Bars of the works that have peers, each work to a scale of its own."""
    colour = {"turnstile": "#2a7ae2", "post": "#999999", "pair": "#999999"}
    works = ["try", "callback", "await", "handoff", "handoff_await", "threads_io_context", "threads_pool"]
    left, width, bar, gap = 240, 420, 16, 14
    y, parts = 20, []
    for work in works:
        names = sorted((n for n in t if n.split("/")[0] == work and "_any" not in n), key=t.get)
        if not names:
            continue
        # What is many times slower is cut, or nothing would be seen of the others.
        scale = min(max(t[n] for n in names), 4 * t.get(f"{work}/turnstile", float("inf")))
        parts.append(f'<text x="10" y="{y + 12}" font-weight="bold">{work}</text>')
        for n in names:
            name = n.split("/")[1]
            length = min(1.0, t[n] / scale) * width
            cut = " »" if t[n] > scale else ""
            parts.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{name}</text>'
                         f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 3}" '
                         f'fill="{colour.get(name, "#c9a227")}"/>'
                         f'<text x="{left + length + 6:.1f}" y="{y + 12}">{t[n]:.0f} ns{cut}</text>')
            y += bar
        y += gap
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{y}" '
            f'font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n')


main(*sys.argv[1:])
