"""Has the unit tests find seeded bugs, and the unit tests and the explorer find mutants. Started by `run`."""

import argparse
import collections
import concurrent.futures
import pathlib
import re
import sys
import zlib

import equivalent
import operators

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / 'test/verify'))

import bugs  # noqa: E402
import build  # noqa: E402
import runner  # noqa: E402

CORE, STRAND = 'src/core.cpp', 'src/strand.hpp'
DETAIL = 'include/turnstile/detail/'

# The programs that may find a mutant, the likeliest first. A case of `core` that takes long is left out: the
# explorer sees all that it could see.
SLOW_CASE = 'a_raised_limit_holds_for_later_acquires'
OF_THE_CORE = ['core', 'explorer', 'bounded_work', 'weighted', 'bounded', 'counting', 'queue', 'permits', 'closing', 'cancellation',
               'lifetime', 'executors', 'threads', 'timed', 'allocation', 'with_permit', 'tokens', 'coroutines']
KILLERS = {
    CORE: OF_THE_CORE,
    STRAND: OF_THE_CORE,
    **dict.fromkeys([DETAIL + 'core.hpp', DETAIL + 'counter.hpp'], ['core', 'counting', 'bounded'] + OF_THE_CORE),
    **dict.fromkeys([DETAIL + name for name in (
        'state_word.hpp', 'mailbox.hpp', 'cancellation.hpp', 'waiter.hpp', 'strand.hpp', 'decisions.hpp',
        'wait_queue.hpp')], OF_THE_CORE),
    **dict.fromkeys([DETAIL + name for name in (
        'acquire_op.hpp', 'asio_internals.hpp', 'cancel_request.hpp', 'completion.hpp', 'handler_executor.hpp',
        'initiate_acquire.hpp', 'token.hpp')],
        ['queue', 'cancellation', 'executors', 'lifetime', 'allocation', 'tokens', 'timed', 'coroutines', 'permits',
         'with_permit', 'threads', 'closing', 'bounded', 'weighted', 'counting']),
    DETAIL + 'lanes.hpp': ['lanes'],
    DETAIL + 'service.hpp': ['lifetime', 'cancellation', 'executors', 'permits', 'threads', 'tokens'],
    'include/turnstile/permit.hpp': ['permits', 'closing', 'bounded', 'lifetime', 'counting', 'cancellation',
                                     'threads', 'executors', 'with_permit', 'allocation'],
    'include/turnstile/semaphore.hpp': ['counting', 'permits', 'closing', 'queue', 'weighted', 'lifetime', 'tokens',
                                        'timed', 'coroutines', 'cancellation', 'allocation', 'executors', 'threads',
                                        'bounded'],
    'include/turnstile/bounded_semaphore.hpp': ['bounded', 'counting', 'permits', 'closing', 'lifetime', 'tokens',
                                                'threads'],
    'include/turnstile/with_permit.hpp': ['with_permit', 'tokens'],
}

# ---- Mutants -------------------------------------------------------------------------------------

class Mutant:
    def __init__(self, file, text, change):
        self.file, self.text, self.change = file, text, change
        self.line = text.count('\n', 0, change.begin) + 1
        begin = text.rfind('\n', 0, change.begin) + 1
        end = text.find('\n', change.end)
        flat = lambda s: ' '.join(s.split())
        self.old = flat(text[begin:end])
        self.new = flat(text[begin:change.begin] + change.new + text[change.end:end])
        self.above = text[:begin]
        # One in six, by its text, so that an edit elsewhere does not change the choice.
        self.chosen = zlib.crc32(f'{file}: {self.old} => {self.new}'.encode()) % 6 == 0

    def __str__(self):
        return f'{self.file}:{self.line}: {self.change.operator}: {self.old}  =>  {self.new}'

    def reason(self):
        """Why it changes nothing, where that is known."""
        for entry in equivalent.MUTANTS:
            if (self.file.endswith('/' + entry.file) and self.old == entry.old and self.new == entry.new
                    and entry.after in '\n'.join(self.above.splitlines()[-12:])):
                return entry.reason
        return None

    def changed(self):
        return self.text[:self.change.begin] + self.change.new + self.text[self.change.end:]


def all_mutants():
    for file in KILLERS:
        text = (ROOT / file).read_text()
        for change in operators.changes(text):
            yield Mutant(file, text, change)


def methods(mutant):
    names = list(dict.fromkeys(KILLERS[mutant.file]))
    if mutant.change.operator == 'memory order':
        names = ['explorer']  # the machine that the tests run on may be stronger
    for name in names:
        if name == 'explorer':
            yield bugs.explorer()
        else:
            yield bugs.unit(f'core: !{SLOW_CASE}' if name == 'core' else name)
    if mutant.file not in (CORE, STRAND) and mutant.change.operator != 'memory order':
        for name in names[:5]:
            if name != 'explorer':
                yield bugs.unit(name, address=True)


def try_mutant(base, number, mutant):
    """('killed', by what), ('survived', None) or ('invalid', None)."""
    copy = build.Copy(base, f'mutant{number}', {mutant.file: mutant.changed()})
    try:
        for method in methods(mutant):
            wrong = runner.control(base, method)
            if wrong:
                build.stop(f'{method} fails without a change: {wrong}')
            found = runner.look(base, copy, method)
            if found:
                copy.remove()
                return 'killed', f'{method}: {found}'
    except build.DoesNotCompile:
        copy.remove()
        return 'invalid', None
    return 'survived', None


# ---- All of it -----------------------------------------------------------------------------------

def each(base, mutants):
    """The mutants and what came of them, each as soon as it and those before it are done."""
    with concurrent.futures.ThreadPoolExecutor(build.JOBS) as pool:
        futures = [pool.submit(try_mutant, base, i, mutant) for i, mutant in enumerate(mutants)]
        for item, future in zip(mutants, futures):
            yield item, future.result()


def pattern(text):
    try:
        return re.compile(text)
    except re.error as error:
        print(f'test/verify/mutation/run: --only: {error}', file=sys.stderr)
        sys.exit(2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--bugs', action='store_true')
    parser.add_argument('--mutants', action='store_true')
    parser.add_argument('--long', action='store_true')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--sample', type=int, default=1)
    parser.add_argument('--only', default='', type=pattern)
    options = parser.parse_args()
    both = options.bugs == options.mutants

    seeded = [(b, m) for b, m in runner.select('unit')
              if options.only.search(f'{b.row}: {b.name}: {m}')][::options.sample]
    mutants = [m for m in all_mutants() if (m.chosen or options.long) and options.only.search(str(m))][::options.sample]
    if not both and options.mutants:
        seeded = []
    if not both and options.bugs:
        mutants = []
    if not seeded and not mutants:
        print('test/verify/mutation/run: nothing is selected', file=sys.stderr)
        sys.exit(2)
    if options.list:
        for b, m in seeded:
            print(f'{b.row}: {b.name}: {m}')
        for mutant in mutants:
            print(mutant)
        return

    base = build.Base()
    found = 0
    if seeded:
        print('== Seeded bugs\n')
        found = runner.run_selected(seeded, base)

    counts = collections.Counter()
    if mutants:
        print('\n== Mutants\n')
        run_these = []
        for mutant in mutants:
            reason = mutant.reason()
            if reason:
                counts['equivalent'] += 1
                print(f'{mutant}\n    equivalent: {reason}', flush=True)
            else:
                run_these.append(mutant)
        for mutant, (verdict, what) in each(base, run_these):
            counts[verdict] += 1
            if verdict == 'killed':
                print(f'{mutant}\n    killed by {what}', flush=True)
            elif verdict == 'survived':
                print(f'{mutant}\n    SURVIVED', flush=True)

    stale = []
    if mutants and options.sample == 1 and not options.only.pattern:
        there = {(m.file.split('/')[-1], m.old, m.new) for m in all_mutants()}
        stale = [e for e in equivalent.MUTANTS if (e.file, e.old, e.new) not in there]
        for entry in stale:
            print(f'LISTED AS EQUIVALENT, BUT NOT THERE: {entry.file}: {entry.old}  =>  {entry.new}')
    tried = counts['killed'] + counts['equivalent'] + counts['survived']
    figure = (f'{tried} mutants: {counts["killed"]} killed, {counts["equivalent"]} equivalent, '
              f'{counts["survived"]} survive')
    print(f'\n{figure}; {counts["invalid"]} more changes do not compile')
    covered = ', '.join(filter(None, [
        'bugs seen in asynchronous semaphores' if seeded else '',
        f'{len({m.file for m in mutants})} files of the core and the headers' if mutants else '',
        f'every {options.sample}th' if options.sample > 1 else '']))
    print(f'verified: Mutation | {covered} | {figure} | seeded bugs: {found} of {len(seeded)} found')
    sys.exit(bool(counts['survived'] or found != len(seeded) or stale))


main()
