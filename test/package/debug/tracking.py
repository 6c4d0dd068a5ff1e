# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)
"""Runs the program `tracking`, and looks at what Asio's handler tracking says of its acquires.

Usage: tracking.py <program>
"""

import re
import subprocess
import sys

CREATION = re.compile(r'@asio\|[\d.]+\|(\d+)\*(\d+)\|(.*)@\w+\.(\w+)$')
LOCATION = re.compile(r"@asio\|[\d.]+\|\d+\^(\d+)\|in '(\w+)' \(.*with_permit\.hpp:\d+\)$")
OPERATION = re.compile(r'@asio\|[\d.]+\|\d+\|turnstile::semaphore@\w+\.(\w+)$')
EVENT = re.compile(r'@asio\|[\d.]+\|([><!~])(\d+)\|(.*)$')

# Of each part of the program: what its acquires are called, and what becomes of them.
GRANTED, ABORTED, CLOSED = '>ec=system:0 <', '>ec=system:125 <', '>ec=turnstile:1 <'
WANTED = {
    'granted': [('async_acquire', GRANTED), ('async_acquire_permit', GRANTED)],
    'at once': [('async_acquire', GRANTED)],
    'cancelled': [('async_acquire', ABORTED), ('async_acquire', ABORTED), ('async_acquire', CLOSED)],
    'destroyed': [('async_acquire', '~')],
    'throws': [('async_acquire', '>ec=system:0 !')],
    'with permit': [('async_acquire_permit', GRANTED)],
}


def main():
    if len(sys.argv) != 2:
        print('tracking.py: takes the program to run', file=sys.stderr)
        return 2
    done = subprocess.run([sys.argv[1]], capture_output=True, text=True, timeout=60, check=False)
    parts, handlers, calls = {}, {}, {}
    located, part = set(), None
    for line in done.stderr.splitlines():
        if not line.startswith('@asio|'):
            part = line
            parts[part], calls[part] = [], []
        elif found := CREATION.match(line):
            parent, number, kind, operation = found.groups()
            handlers[number] = [kind, operation, [], parent]
            if kind == 'turnstile::semaphore':
                parts[part].append(handlers[number])
        elif found := LOCATION.match(line):
            located.add((part, found.group(2), found.group(1)))
        elif found := OPERATION.match(line):
            calls[part].append(found.group(1))
        elif found := EVENT.match(line):
            handlers[found.group(2)][2].append(found.group(1) + found.group(3))

    wrong = []
    if done.returncode != 0:
        wrong.append(f'the program ended with {done.returncode}')
    shown = {name: [(operation, ' '.join(events)) for _, operation, events, _ in acquires]
             for name, acquires in parts.items()}
    for name, wanted in WANTED.items():
        if shown.get(name) != wanted:
            wrong.append(f'{name}: {shown.get(name)}\n  instead of {wanted}')
    if calls.get('cancelled') != ['cancel', 'close']:
        wrong.append(f"cancelled: the calls {calls.get('cancelled')} instead of cancel and close")

    # The acquire and the operation that follows it are both said to be async_with_permit's, and the
    # second to come from the first.
    steps = {number for where, function, number in located
             if where == 'with permit' and function == 'async_with_permit'}
    chain = sorted((handlers[number] for number in steps), key=lambda handler: handler[1])
    if [handler[1] for handler in chain] != ['async_acquire_permit', 'async_wait']:
        wrong.append(f'with permit: {chain} are in async_with_permit')
    elif handlers.get(chain[1][3]) is not chain[0]:
        wrong.append('with permit: the operation does not follow from the acquire')

    if wrong:
        print(done.stderr, *wrong, sep='\n')
        return 1
    print(f'tracking: {sum(map(len, parts.values()))} acquires, each with its name and its end')
    return 0


sys.exit(main())
