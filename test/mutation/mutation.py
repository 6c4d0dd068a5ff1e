"""Builds changed copies of the library and has the tests find the change. Started by `run`."""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib

import equivalent
import hazards
import operators

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / 'build' / 'mutation'
BASE = OUT / 'base'
JOBS = len(os.sched_getaffinity(0))

CORE = 'src/core.cpp'
DETAIL = 'include/turnstile/detail/'
SEEN_BY_CORE = (DETAIL + 'core.hpp', DETAIL + 'waiter.hpp')

# The programs that may find a mutant, the likeliest first; `model` is the explorer. A case of `core`
# that takes long is left out: the explorer sees all that it could see.
SLOW_CASE = 'a_raised_limit_holds_for_those_who_come_after_it'
OF_THE_CORE = ['core', 'model', 'weighted', 'bounded', 'counting', 'queue', 'permits', 'closing', 'cancellation',
               'lifetime', 'executors', 'threads', 'allocation', 'with_permit', 'tokens']
KILLERS = {
    CORE: OF_THE_CORE,
    DETAIL + 'core.hpp': ['core', 'counting', 'bounded'] + OF_THE_CORE,
    DETAIL + 'waiter.hpp': OF_THE_CORE,
    DETAIL + 'acquire_op.hpp': ['queue', 'cancellation', 'executors', 'lifetime', 'allocation', 'tokens',
                                'permits', 'with_permit', 'threads', 'closing', 'bounded', 'weighted', 'counting'],
    DETAIL + 'service.hpp': ['lifetime', 'cancellation', 'executors', 'permits', 'threads', 'tokens'],
    'include/turnstile/permit.hpp': ['permits', 'closing', 'bounded', 'lifetime', 'counting', 'cancellation',
                                     'threads', 'executors', 'with_permit', 'allocation'],
    'include/turnstile/semaphore.hpp': ['counting', 'permits', 'closing', 'queue', 'weighted', 'lifetime', 'tokens',
                                        'cancellation', 'allocation', 'executors', 'threads', 'bounded'],
    'include/turnstile/bounded_semaphore.hpp': ['bounded', 'counting', 'permits', 'closing', 'lifetime', 'tokens',
                                                'threads'],
    'include/turnstile/with_permit.hpp': ['with_permit', 'tokens'],
}

# What all tests include, compiled once.
PRECOMPILED = '''
#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/experimental/promise.hpp>
#include <boost/asio/experimental/use_promise.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/test/unit_test.hpp>
#include <barrier>
#include <functional>
#include <future>
#include <map>
#include <random>
#include <sstream>
#include <variant>
'''
MAIN = '#define BOOST_TEST_MODULE unit\n#include <boost/test/unit_test.hpp>\n'

CXX = [os.environ.get('CXX', 'g++'), '-std=c++20', '-w']
UNIT = ['-O0', '-DBOOST_TEST_DYN_LINK', '-DBOOST_COROUTINES_NO_DEPRECATION_WARNING']
LIBRARIES = ['-lboost_unit_test_framework', '-lboost_coroutine', '-lboost_context', '-pthread']
# Linked with AddressSanitizer, the tests find leaks, what is freed twice, and, as freed memory is
# overwritten, most of what is used afterwards. Compiled with it, which takes half as long again, is
# the core; the tests are for the hazards, and for what they have not found in headers otherwise.
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS='detect_leaks=1:max_free_fill_size=65536:free_fill_byte=219'
                                            ':hard_rss_limit_mb=3000:allocator_may_return_null=1')

PRECOMPILING = threading.Lock()


class DoesNotCompile(Exception):
    pass


def stop(text):
    print('test/mutation/run: ' + text, file=sys.stderr)
    sys.exit(1)


# ---- Building and running ------------------------------------------------------------------------

def compiled(arguments, log):
    with open(log, 'ab') as f:
        if subprocess.run([str(a) for a in CXX + arguments], stdout=f, stderr=f, cwd=OUT).returncode:
            raise DoesNotCompile


def library(tree, folder):
    """The shared library of a tree, in a folder."""
    compiled(['-O1', '-fsanitize=address', '-fPIC', '-shared', '-Wl,-soname,libturnstile.so', '-I', tree / 'include', tree / CORE,
              tree / 'src/error.cpp', '-o', folder / 'libturnstile.so'], folder / 'build.log')


def precompiled(address):
    """The flags for what all tests include."""
    folder = OUT / ('pch_address' if address else 'pch')
    flags = UNIT + (['-fsanitize=address'] if address else [])
    with PRECOMPILING:
        if not folder.exists():
            folder.mkdir()
            (folder / 'all.hpp').write_text(PRECOMPILED)
            compiled(flags + ['-x', 'c++-header', folder / 'all.hpp', '-o', folder / 'all.hpp.gch'],
                     folder / 'build.log')
    return flags + ['-include', folder / 'all.hpp']


def unit_test(name, tree, folder, libraries, address=False):
    """A test program of a tree, in a folder."""
    compiled(precompiled(address) + ['-I', tree / 'include', '-c',
                     BASE / f'test/unit/{name}.cpp', '-o', folder / f'{name}.o'], folder / 'build.log')
    compiled(['-fsanitize=address', folder / f'{name}.o', OUT / 'main.o', libraries / 'libturnstile.so']
             + LIBRARIES + ['-o', folder / name], folder / 'build.log')
    (folder / f'{name}.o').unlink()


def explorer(tree, folder, changed):
    """The explorer over a tree's core; `changed` says what differs from the base."""
    flags = ['-I', BASE / 'test/model/shadow', '-I', BASE / 'test/model', '-I', tree / 'include']
    objects = []
    for name, source, extra in (('explorer', BASE / 'test/model/explorer.cpp', ['-O2']),
                                ('programs', BASE / 'test/model/programs.cpp', ['-O2', '-fsanitize=thread']),
                                ('core', tree / CORE, ['-O2', '-fsanitize=thread'])):
        if name in changed:
            compiled(extra + flags + ['-c', source, '-o', folder / f'model_{name}.o'], folder / 'build.log')
            objects.append(folder / f'model_{name}.o')
        else:
            objects.append(BASE / f'model_{name}.o')
    compiled(objects + ['-lboost_context', '-o', folder / 'model'], folder / 'build.log')


def limits():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 26, 1 << 26))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(command, log, seconds, libraries):
    """The exit status, negative for a signal, None where it hangs."""
    with open(log, 'wb') as f:
        process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                                   start_new_session=True, preexec_fn=limits,
                                   env=dict(ENVIRONMENT, LD_LIBRARY_PATH=str(libraries)))
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def run_unit(program, log, seconds, libraries, cases=None):
    """None where all is well; else what went wrong, and where."""
    select = [f'--run_test={cases}'] if cases else []
    status = run([program, '--color_output=no', '--log_level=test_suite', '--catch_system_errors=no', *select],
                 log, seconds, libraries)
    if status == 0:
        return None
    text = log.read_text(errors='replace')
    failed = re.search(r'error: in "([^"]+)"', text)
    entered = re.findall(r'(Entering|Leaving) test case "([^"]+)"', text)
    case = failed.group(1).split('/')[-1] if failed else entered[-1][1] if entered else 'nothing'
    if failed:
        return case
    sanitizer = re.search(r'ERROR: \w+Sanitizer: ([\w-]+(?: memory leaks)?)', text)
    if sanitizer and 'leak' in sanitizer.group(1):
        return 'leaks'
    if status is None or 'watchdog' in text:
        return f'{case} (hangs)'
    return f'{case} ({sanitizer.group(1) if sanitizer else f"status {status}"})'


def run_explorer(program, log, seconds):
    status = run([program, '--ci', '--first'], log, seconds, BASE)
    if status == 0:
        return None
    if status is None:
        return 'hangs'
    text = log.read_text(errors='replace')
    before = re.search(r'^([^\n]+): [^\n]*\n ', text, re.M)
    return before.group(1) if before else f'status {status}'


# ---- The base ------------------------------------------------------------------------------------

class Base:
    """The library as it is: built once, from one copy, and found to be without a fault."""

    def __init__(self):
        shutil.rmtree(OUT, ignore_errors=True)
        OUT.mkdir(parents=True)
        for folder in ('include', 'src', 'test/unit', 'test/model'):
            shutil.copytree(ROOT / folder, BASE / folder)
        support = BASE / 'test/unit/support.hpp'
        short = support.read_text().replace('patience{60}', 'patience{10}')
        if short == support.read_text():
            stop('test/unit/support.hpp does not say patience{60} any more')
        support.write_text(short)
        self.seconds = collections.defaultdict(lambda: 60.0)
        self.locks = collections.defaultdict(threading.Lock)
        self.built = {}

        (OUT / 'main.cpp').write_text(MAIN)
        try:
            precompiled(False)
            compiled(UNIT + ['-c', OUT / 'main.cpp', '-o', OUT / 'main.o'], OUT / 'build.log')
            library(BASE, BASE)
        except DoesNotCompile:
            stop(f'the base does not compile (see build.log in {OUT} and below)')

    def need(self, name):
        """Builds and runs a program of the base, the first time that it is asked for."""
        with self.locks[name]:
            if name in self.built:
                return
            try:
                if name == 'model':
                    explorer(BASE, BASE, ('explorer', 'programs', 'core'))
                else:
                    unit_test(name, BASE, BASE, BASE)
            except DoesNotCompile:
                stop(f'{name} does not compile as it is (see {BASE}/build.log)')
            start = time.monotonic()
            wrong = self.run(name, BASE, BASE, BASE)
            self.seconds[name] = 8 + 3 * (time.monotonic() - start)
            if wrong:
                print(f'test/mutation/run: {name} fails without a change: {wrong}', file=sys.stderr)
                os._exit(1)
            self.built[name] = True

    def run(self, name, programs, libraries, folder, cases=None):
        """Runs a program; what goes wrong, or None."""
        log = folder / f'{name}.log'
        if name == 'model':
            return run_explorer(programs / 'model', log, self.seconds[name])
        if name == 'core' and not cases:
            cases = '!' + SLOW_CASE
        return run_unit(programs / name, log, self.seconds[name], libraries, cases)


class Copy:
    """A changed copy of the library, and the programs built against it."""

    def __init__(self, base, folder, texts):
        self.base, self.folder, self.changed = base, folder, set(texts)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for part in ('include', 'src'):
            shutil.copytree(BASE / part, folder / part)
        for file, text in texts.items():
            (folder / file).write_text(text)
        self.core_differs = bool(self.changed & {CORE, *SEEN_BY_CORE})
        self.libraries = BASE
        if self.core_differs:
            library(folder, folder)
            self.libraries = folder

    def find(self, name, cases=None, address=False):
        """What a program says of the change; None where it sees nothing."""
        self.base.need(name)
        programs = self.folder
        if name == 'model':
            if not self.core_differs:
                return None
            explorer(self.folder, self.folder, ('core',) if self.changed == {CORE} else ('programs', 'core'))
        elif not address and (self.changed == {CORE} or (name == 'core' and not self.core_differs)):
            programs = BASE
        else:
            unit_test(name, self.folder, self.folder, self.libraries, address)
        return self.base.run(name, programs, self.libraries, self.folder, cases)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- Hazards -------------------------------------------------------------------------------------

def patched(hazard):
    """The texts that a hazard's patches make; None where one of them has nothing to change."""
    texts = {}
    for file, old, new in hazard.patches:
        text = texts.get(file) or (BASE / file).read_text()
        if text.count(old) != 1:
            return None, f'{file}: {"nothing" if old not in text else "more than one place"} to change for {old!r}'
        texts[file] = text.replace(old, new)
    return texts, None


def try_hazard(base, number, hazard):
    texts, problem = patched(hazard)
    if problem:
        return False, 'PATCH CHANGES NOTHING: ' + problem
    folder = OUT / f'hazard{number}'
    program, path = hazard.killer.split(': ')
    case = path.split('/')[-1]
    try:
        copy = Copy(base, folder, texts)
        found = copy.find(program, path, hazard.address)
    except DoesNotCompile:
        if hazard.about_compiling:
            return True, f'{program}: {case} (does not compile)'
        return False, f'DOES NOT COMPILE (see {folder}/build.log)'
    if found and case not in found and found != 'leaks':
        return False, f'NOT FOUND by {hazard.killer}, but: {found}'
    if not found:
        return False, f'NOT FOUND by {hazard.killer}'
    copy.remove()
    detail = re.search(r' \(.*\)$|^leaks$', found)
    return True, f'{hazard.killer}' + (' ' + detail.group().strip() if detail else '')


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


def try_mutant(base, number, mutant):
    """('killed', by what), ('survived', where to look) or ('invalid', None)."""
    folder = OUT / f'mutant{number}'
    names = list(dict.fromkeys(KILLERS[mutant.file]))
    if mutant.change.operator == 'memory order':
        names = ['model']  # the machine that the tests run on may be stronger
    attempts = [(name, False) for name in names]
    if mutant.file != CORE and mutant.change.operator != 'memory order':
        attempts += [(name, True) for name in names[:5]]
    try:
        copy = Copy(base, folder, {mutant.file: mutant.changed()})
        for name, address in attempts:
            found = copy.find(name, address=address)
            if found:
                copy.remove()
                return 'killed', f'{name}: {found}'
    except DoesNotCompile:
        shutil.rmtree(folder, ignore_errors=True)
        return 'invalid', None
    return 'survived', None


# ---- All of it -----------------------------------------------------------------------------------

def each(function, base, items):
    """The results, in the order of the items, each as soon as it and those before it are there."""
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        futures = [pool.submit(function, base, i, item) for i, item in enumerate(items)]
        for item, future in zip(items, futures):
            yield item, future.result()


def pattern(text):
    try:
        return re.compile(text)
    except re.error as error:
        print(f'test/mutation/run: --only: {error}', file=sys.stderr)
        sys.exit(2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--hazards', action='store_true')
    parser.add_argument('--mutants', action='store_true')
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--sample', type=int, default=1)
    parser.add_argument('--only', default='', type=pattern)
    options = parser.parse_args()
    both = options.hazards == options.mutants

    known = [h for h in hazards.HAZARDS if options.only.search(str(h))][::options.sample]
    mutants = [m for m in all_mutants() if (m.chosen or options.all) and options.only.search(str(m))][::options.sample]
    if not both and options.mutants:
        known = []
    if not both and options.hazards:
        mutants = []
    if not known and not mutants:
        print('test/mutation/run: nothing is selected', file=sys.stderr)
        sys.exit(2)
    if options.list:
        for item in known + mutants:
            print(item)
        return

    base = Base()
    found = 0
    if known:
        print(f'== Faults that are known\n\n{"":7} {"":64} found by')
        for hazard, (ok, what) in each(try_hazard, base, known):
            found += ok
            print(f'{hazard.row:7} {hazard.fault:64} {what}', flush=True)
        print(f'{len(known)} faults, {found} found')

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
        for mutant, (verdict, what) in each(try_mutant, base, run_these):
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
        'faults known of asynchronous semaphores' if known else '',
        f'{len({m.file for m in mutants})} files of the core and the headers' if mutants else '',
        f'every {options.sample}th' if options.sample > 1 else '']))
    print(f'proof: Mutation | {covered} | {figure} | hazards {found} of {len(known)} found')
    sys.exit(bool(counts['survived'] or found != len(known) or stale))


main()
