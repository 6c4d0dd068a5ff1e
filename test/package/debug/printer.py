# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)
"""Compares what GDB shows of the variables of `printer` with what it should. `run` has GDB source it."""

import gdb

WANTED = {
    'bounded': '3 of 10 available, 2 waiting, open',
    'unbounded': '5 available, 0 waiting, open',
    'closed': '2 available, 0 waiting, closed',
    'over_limit': '0 of 5 available, 0 waiting, 8 in use, open',
    'source': 'moved from',
    'target': '1 available, 0 waiting, open',
    'on_io_context': '1 available, 0 waiting, open',
    'on_thread_pool': '2 available, 0 waiting, open',
    'on_strand': '4 of 4 available, 0 waiting, open',
    'without_context': '1 available, 0 waiting, open, its context is gone',
    'reference': '5 available, 0 waiting, open',
    '*pointer': '5 available, 0 waiting, open',
    'optional': '6 available, 0 waiting, open',
    'vector': '1 of 1 available, 0 waiting, open|2 of 2 available, 0 waiting, open',
    'keyed': '1 of 10 in use, at most 1 a key, 1 waiting, open',
    'keys': '0 in use, at most 2 a key, 0 waiting, open',
    'none': 'empty',
    'one': '1 permit',
    'two': '2 permits',
    'permits': '3 permits',
}
INSIDE = ('optional', 'vector', 'permits')  # the standard library's printers write the rest


def shown(expression):
    return gdb.execute(f'print {expression}', to_string=True).split(' = ', 1)[1].strip()


gdb.execute('set width 0')
gdb.execute('break look_here', to_string=True)
gdb.execute('run', to_string=True)
gdb.execute('up', to_string=True)
wrong = []
for expression, wanted in WANTED.items():
    text = shown(expression)
    right = text == wanted
    if expression in INSIDE:
        right = all(part in text for part in wanted.split('|'))
    if not right:
        wrong.append(f'print {expression}\n  {text}\n  instead of\n  {wanted}')
# All of the frame is shown without an error of the printers.
if 'Python Exception' in gdb.execute('info locals', to_string=True):
    wrong.append('info locals')
print('\n'.join(wrong) if wrong else f'printer: {len(WANTED)} values are shown as they should be')
gdb.execute('kill', to_string=True)
gdb.execute(f'quit {len(wrong)}')
