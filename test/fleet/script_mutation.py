#!/usr/bin/env python3
"""Changes one thing at a time in src/fleet/sync.lua, and has fleet_script find it."""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'src/fleet/sync.lua'
HISTORIES = 'histories_go_as_in_the_model'

# What is changed, and into what. Each occurrence in the code makes a mutant of each.
RULES = [
    (r' < ', [' <= ', ' > ']), (r' <= ', [' < ']), (r' > ', [' >= ', ' < ']), (r' >= ', [' > ']),
    (r' == ', [' ~= ']), (r' ~= ', [' == ']),
    (r' \+ ', [' - ']), (r' - ', [' + ']), (r' \* ', [' / ']), (r' / ', [' * ']),
    (r'\bmax\(', ['min(']), (r'\bmin\(', ['max(']), (r'\bfloor\(', ['(']),
    (r'\band\b', ['or']), (r'\bor\b', ['and']), (r'\bnot ', ['']),
    (r'\btrue\b', ['false']), (r'\bfalse\b', ['true']),
    (r'(?<![\w.%])0(?![\w.])', ['1']), (r'(?<![\w.%])1(?![\w.])', ['0', '2']), (r'(?<![\w.%])2(?![\w.])', ['3']),
]
# Lines that can be left out: one statement each.
STATEMENT = re.compile(r'^\s*(?!local function|function|return |for .* do$|if .* then$|else|end\b|\)|\})'
                       r'(local [\w, ]+ = .*|[\w.\[\]#, +]+ = .*|[\w.]+\(.*\)|(if|for) .* end|break|return)$')

# Mutants that do what the script does, by a regular expression for the changed line, and why.
SORTED = 'costs time only: what is in order is sorted again'
OVERWRITTEN = 'is overwritten before it is read'
WHOLE = 'the other side of the comparison is a whole number'
EQUIVALENT = [
    (r'\(left out\) if not less\(list\[middle \+ 1\], .*', SORTED),
    (r'limit = 0, lease = 1, slice = 0, .*|limit = 0, lease = 0, slice = 1, .*|.*version = 0, epoch = 1,', OVERWRITTEN),
    (r'limit = 0, lease = 0, slice = 0, used = 0, now = 0, wall = 1, .*', 'without a lease, time does not move'),
    (r'limit = 0, .* version = 1, epoch = 0,', 'the first version is the clock'),
    (r'turns = 0, idle_wanted = 1, .*', 'the first member is alone, and is asked for nothing'),
    (r"turns = 0, idle_wanted = 0, (soonest_end = 1, is_calm = 0|soonest_end = 0, is_calm = 1), .*",
     'a newcomer has all sessions read'),
    (r'ends = (1, serial = 0, epoch = 0|0, serial = 1, epoch = 0|0, serial = 0, epoch = 1), version = 0, .*', OVERWRITTEN),
    (r'in_use = (1, want = 0, need = 0|0, want = 1, need = 0|0, want = 0, need = 1), turn = 0, turn_end = 0', OVERWRITTEN),
    (r'local is_restored = .* > \(s\.lease / 3\)', WHOLE),
    (r'local is_silent = .* - \(s\.lease / 4\)', WHOLE),
    (r'(\(left out\) target = 0|target = 1),', OVERWRITTEN),
    (r'local first, level = 1, 1', 'is overwritten, or no member is left to get it'),
    (r'if a\.m\.share ~= b\.m\.share then return a\.m\.share >= b\.m\.share end', 'the shares differ'),
    (r"local _, last = info:find\('run_id:', ([02], true|1, false)\)", 'it is not at the start, and has no special characters'),
    (r'.* a\[\d+\] - 0.*', 'makes a number of a text, too'),
    (r'if n >= 0 then', 'to grant nothing changes nothing: a turn has ended if the share meets the need'),
    (r's\.soonest_end = 2 \^ 53 (\+ 1|- 0|- 2)', 'all leases end before'),
    (r's\.is_calm = 2', 'not 0 is true'),
    (r'local may_grow = .* < s\.now', 'costs time only: to divide the limit gives the same'),
]


def mutants(lines):
    """All mutants, as (number of the line, the changed line)."""
    for number, line in enumerate(lines, 1):
        code = line.split('--')[0].rstrip() if '%' not in line else line
        if not code.strip():
            continue
        if STATEMENT.match(code) and code.count('(') == code.count(')') and code.count('{') == code.count('}'):
            yield number, ''
        for pattern, replacements in RULES:
            for match in re.finditer(pattern, code):
                if code.count("'", 0, match.start()) % 2 == 1:
                    continue  # in a text
                for replacement in replacements:
                    yield number, code[:match.start()] + replacement + code[match.end():]


def run(program, folder, script, *tests):
    """What the tests say about the script: the test case that fails, or nothing."""
    try:
        result = subprocess.run([program, *tests, '--color_output=no', '--catch_system_errors=no', '--', '--script', script],
                                cwd=folder, capture_output=True, text=True, errors='replace', timeout=120)
    except subprocess.TimeoutExpired:
        return 'timeout'
    if result.returncode == 0:
        return ''
    found = re.search(r'in "(\w+)"', result.stdout + result.stderr)
    return found.group(1) if found else f'status {result.returncode}'


def killer(program, lines, number, changed):
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        script = pathlib.Path(folder) / 'sync.lua'
        script.write_text('\n'.join(lines[:number - 1] + [changed] + lines[number:]) + '\n')
        return run(program, folder, script, f'--run_test={HISTORIES}') or \
            run(program, folder, script, f'--run_test=!{HISTORIES}')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('program', type=pathlib.Path, help='the built fleet_script')
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument('--sample', type=int, default=1, metavar='N', help='every N-th mutant')
    parser.add_argument('--list', action='store_true', help='names them, and tests nothing')
    arguments = parser.parse_args()
    program = arguments.program.resolve()
    lines = SCRIPT.read_text().splitlines()

    reasons = {}
    unused = {pattern for pattern, _ in EQUIVALENT}
    chosen = list(mutants(lines))[::arguments.sample]
    for number, changed in mutants(lines):
        for pattern, reason in EQUIVALENT:
            if re.fullmatch(pattern, changed.strip() or '(left out) ' + lines[number - 1].strip()):
                reasons[number, changed] = reason
                unused.discard(pattern)
    for pattern in sorted(unused):
        print('No mutant is like this any more:', pattern)
    if arguments.list:
        for number, changed in chosen:
            print(f'{number}: {lines[number - 1].strip()}  ->  {changed.strip() or "(left out)"}')
        print(len(chosen), 'mutants')
        return

    survivors = 0
    counts = {}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        tested = [m for m in chosen if m not in reasons]
        for (number, changed), found in zip(tested, pool.map(lambda m: killer(program, lines, *m), tested)):
            counts[found] = counts.get(found, 0) + 1
            if not found:
                survivors += 1
                print(f'NOT FOUND {number}: {lines[number - 1].strip()}  ->  {changed.strip() or "(left out)"}', flush=True)
    for name, count in sorted(counts.items(), key=lambda x: -x[1]):
        print(f'{count:5} {name or "NOT FOUND"}')
    print(f'{len(tested) - survivors} of {len(tested)} mutants found, {len(chosen) - len(tested)} listed with a reason')
    sys.exit(1 if survivors or unused else 0)


if __name__ == '__main__':
    main()
