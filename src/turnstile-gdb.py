# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)
"""Shows semaphores and permits in GDB as one would say it:

    (gdb) print connections
    $1 = 3 of 10 available, 2 waiting, open

GDB loads this by itself with the installed shared library; for a program that is linked with the
static one: `source .../turnstile-gdb.py`. `print/r` shows what is behind it.
"""

import re

import gdb
import gdb.printing


def scalar(value):
    """What an atomic holds, in whichever class of the standard library."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        value = value[next(f for f in value.type.strip_typedefs().fields() if hasattr(f, 'bitpos'))]
    return int(value)


def core_of(implementation):
    counter = implementation['core_']
    return counter.cast(counter.dynamic_type).dereference()


class Semaphore:
    def __init__(self, value, kind):
        self.implementation = value['impl_']
        self.kind = kind

    def to_string(self):
        if not self.implementation['core_']:
            return 'moved from'
        try:
            return self.describe(core_of(self.implementation))
        except gdb.error:
            return 'the debug symbols of libturnstile are missing'

    def describe(self, core):
        word, most = scalar(core['word_']), int(core['used_mask'])  # see state_word.hpp
        used, limit = word & most, scalar(core['limit_']) & most
        if self.kind == 'keyed':
            text = self.keyed(core, used, limit if limit != most else None)
        else:
            text = self.counting(core, used, limit)
        text += 'closed' if word & int(core['closed']) else 'open'
        return text if self.implementation['service_'] else text + ', its context is gone'

    def counting(self, core, used, limit):
        waiting = (scalar(core['entered_']) - scalar(core['queue_']['left_'])) % 2**32
        available = str(max(limit - used, 0))
        if self.kind == 'bounded':
            available += f' of {limit}'
        text = f'{available} available, {waiting} waiting, '
        return text + f'{used} in use, ' if used > limit else text

    @staticmethod
    def keyed(core, used, limit):
        of = f' of {limit}' if limit is not None else ''
        per_key, waiting = (scalar(core['queue_'][name]) for name in ('per_key_', 'waiting_'))
        return f'{used}{of} in use, at most {per_key} a key, {waiting} waiting, '


class Permit:
    def __init__(self, value):
        self.count = int(value['count_'])

    def to_string(self):
        return {0: 'empty', 1: '1 permit'}.get(self.count, f'{self.count} permits')


class Printers(gdb.printing.PrettyPrinter):
    """Of all executors, and of every version's inline namespace."""

    def __init__(self):
        super().__init__('turnstile')

    def __call__(self, value):
        if value.type.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
            value = value.referenced_value()
        found = re.match(r'turnstile::(?:v\d+::)?(?:basic_(?:(bounded|keyed)_)?semaphore<|(permit)$)',
                         value.type.strip_typedefs().unqualified().tag or '')
        if not found:
            return None
        return Permit(value) if found.group(2) else Semaphore(value, found.group(1))


gdb.printing.register_pretty_printer(gdb.current_objfile(), Printers(), replace=True)
