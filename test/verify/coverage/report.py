# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Says what llvm-cov's export shows as not executed in the library, and whether a reason is known.

A line or branch of a template counts as executed where any instance of it was. A reason is a line of
the form `<file>: <text of the source line> # <why>`; it holds for all that the line has.
"""

import collections
import json
import os
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
LEAST = 95.0  # per cent of the branches


def ours(path):
    relative = os.path.relpath(path, ROOT)
    return relative if relative.startswith(("src/", "include/turnstile/")) else None


def source(file):
    with open(os.path.join(ROOT, file)) as f:
        return f.read().split("\n")


def functions_of(exports):
    for export in exports:
        with open(export) as f:
            yield from json.load(f)["data"][0]["functions"]


def main(reasons_file, *exports):
    lines = collections.defaultdict(int)  # (file, line) -> how often a region that covers it ran
    branches = collections.defaultdict(lambda: [0, 0])
    for function in functions_of(exports):
        files = [ours(path) for path in function["filenames"]]
        # A region inside another says more than that: the last one that covers a line counts.
        inner = {}
        for first, _, last, _, count, file, _, kind in function["regions"]:
            if files[file] and kind == 0:
                for line in range(first, last + 1):
                    inner[files[file], line] = max(count, inner.get((files[file], line), 0)) \
                        if line == first else count
        for key, count in inner.items():
            lines[key] += count
        for branch in function["branches"]:
            if files[branch[6]]:
                taken = branches[(files[branch[6]], *branch[:4])]
                taken[0] += branch[4]
                taken[1] += branch[5]

    missing = []  # (file, line, what)
    for (file, line), count in lines.items():
        if count == 0 and source(file)[line - 1].strip(" {}();"):
            missing.append((file, line, "not executed"))
    sides = 2 * len(branches)
    untaken = 0
    for (file, line, column, last, end), taken in branches.items():
        text = source(file)[line - 1][column - 1:end - 1 if last == line else None]
        for side, count in zip(("true", "false"), taken):
            if count == 0:
                untaken += 1
                missing.append((file, line, f"never {side}: {text}"))

    reasons = {}
    with open(reasons_file) as f:
        for entry in f:
            if entry.strip() and not entry.startswith("#"):
                place, why = entry.rstrip("\n").split(" # ")
                reasons[place] = why
    unexplained = 0
    for file, line, what in sorted(missing):
        place = f"{file}: {source(file)[line - 1].strip()}"
        unexplained += place not in reasons
        print(f"{file}:{line}: {what}\n    {reasons.get(place, 'NO REASON KNOWN')}")

    executed = sum(count != 0 for count in lines.values())
    per_cent = 100 * (sides - untaken) / sides
    print(f"verified: Coverage | lines and branches of src/ and include/turnstile/ by the unit tests | "
          f"{executed} of {len(lines)} lines, {per_cent:.1f} % of {sides} branches; "
          f"{'each' if unexplained == 0 else f'not each ({unexplained})'} of the rest has its reason | -")
    return 0 if unexplained == 0 and per_cent >= LEAST else 1


sys.exit(main(*sys.argv[1:]))
