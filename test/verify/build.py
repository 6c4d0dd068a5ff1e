"""Builds the library as it is, changed copies of it, and the programs that find the changes.

A changed copy is a folder with the changed headers, which come before the others on the compiler's path, and
with all of src/, whose files include each other from their own folder. An object is compiled again in a copy
only if it depends on a file that is changed there."""

import collections
import fcntl
import hashlib
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

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / 'build' / 'bugs'
BASE = OUT / 'base'
COPIES = OUT / 'copies'  # what an earlier run has left there is removed
JOBS = len(os.sched_getaffinity(0))

CORE = 'src/core.cpp'
KEYED = ['src/keyed_core.cpp', 'src/lane_queue.cpp']
STATISTICS = 'src/wait_statistics.cpp'
ERROR = 'src/error.cpp'
# What a unit test needs besides these, by how its name begins.
LIBRARY = {
    'shared_': [f'src/{s}.cpp' for s in ('listed_core', 'memory_state', 'shared_core', 'shared_turn', 'time_source',
                                         'fleet/member', 'fleet/server', 'fleet/text')],
    'text': ['src/fleet/text.cpp'],
    'redis_': [f'src/redis/{s}.cpp' for s in ('answer', 'caller', 'client', 'dialogue', 'listener', 'pipe', 'tls', 'url')] +
              ['test/fleet/fixed_script.cpp'],
}
SANITIZER = '-O1 -g1 -fno-omit-frame-pointer'

# What all unit tests include, compiled once.
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
# The script that a Redis engine sends. The servers of these tests do not execute it.
SCRIPT = '''
#include "redis/caller.hpp"
std::string_view turnstile::shared_script() noexcept { return "text"; }
std::string_view turnstile::detail::redis::script_sha1() noexcept { return "sha1"; }
'''
MAIN = '#define BOOST_TEST_MODULE unit\n#include <boost/test/unit_test.hpp>\n'

CXX = os.environ.get('CXX', 'g++')
CLANGXX = os.environ.get('CLANGXX', 'clang++')
LAUNCHER = [os.environ['CMAKE_CXX_COMPILER_LAUNCHER']] if os.environ.get('CMAKE_CXX_COMPILER_LAUNCHER') else []
CPPFLAGS = os.environ.get('CPPFLAGS', '').split()
QUIET = '--color_output=no --catch_system_errors=no'

# AddressSanitizer overwrites freed memory: what is used afterwards fails in code that is not compiled with it, too.
ENVIRONMENT = dict(
    os.environ,
    ASAN_OPTIONS='detect_leaks=1:max_free_fill_size=65536:free_fill_byte=219'
                 ':hard_rss_limit_mb=3000:allocator_may_return_null=1',
    UBSAN_OPTIONS='print_stacktrace=1',
    TSAN_OPTIONS=f'suppressions={ROOT}/test/verify/tsan.supp:halt_on_error=1')
# ThreadSanitizer expects certain addresses to be free. Some kernels place something there at random.
PREFIX = ['setarch', '--addr-no-randomize']
if subprocess.run(PREFIX + ['true'], stderr=subprocess.DEVNULL).returncode:
    PREFIX = []


class DoesNotCompile(Exception):
    pass


def stop(text):
    print('test/verify/run: ' + text, file=sys.stderr)
    sys.stderr.flush()
    os._exit(1)


# ---- Programs ------------------------------------------------------------------------------------

class Program:
    """The sources of a program, how they are compiled, and how it is linked."""

    def __init__(self, name, sources, libraries='', flags='', compiler=CXX):
        self.name, self.libraries, self.flags, self.compiler = name, libraries, flags, compiler
        self.sources = sources  # (source, flags of its own)

    def command(self, flags):
        return [self.compiler, '-std=c++20', '-w', *CPPFLAGS, *f'{self.flags} {flags}'.format(base=BASE).split()]


def stress(name, sources, flags, libraries='-pthread'):
    return Program(name, [(s, '') for s in sources + [CORE, ERROR, *KEYED]], libraries, flags)


THREAD = f'{SANITIZER} -fsanitize=thread'
ADDRESS = f'{SANITIZER} -fsanitize=address,undefined -fno-sanitize-recover=all'
SHELL = [str(p.relative_to(ROOT)) for p in sorted((ROOT / 'test/verify/stress').glob('shell*.cpp'))]
MODEL = ('-DTURNSTILE_MODEL -I{base}/test/verify/model/shadow -I{base}/test/verify/model', ' -fsanitize=thread')

PROGRAMS = {p.name: p for p in [
    # Not linked with -fsanitize=thread: the explorer answers the calls of ThreadSanitizer.
    Program('explorer', [('test/verify/model/explorer.cpp', '-O2 ' + MODEL[0]),
                         *((source, '-O2 ' + ''.join(MODEL)) for source in (
                             'test/verify/model/programs.cpp', 'test/verify/model/keyed_programs.cpp', CORE, *KEYED))],
            '-lboost_context'),
    stress('linearizability', ['test/verify/stress/linearizability.cpp'], '-O2'),
    stress('tsan', ['test/verify/stress/stress.cpp'], THREAD),
    stress('asan', ['test/verify/stress/stress.cpp'], ADDRESS),
    stress('shell-tsan', SHELL, THREAD),
    stress('shell-asan', SHELL, ADDRESS),
    stress('depth', ['test/verify/stress/depth.cpp'], '-O1 -DBOOST_TEST_DYN_LINK', '-lboost_unit_test_framework -pthread'),
    *(Program(name, [(f'test/fleet/{s}.cpp', '') for s in ('invariants', 'network', 'scenario', 'world', main)] +
              [('src/fleet/member.cpp', ''), ('src/fleet/server.cpp', '')], '', '-O2')
      for name, main in (('fleet', 'simulator'), ('fleet-exhaustive', 'exhaustive'))),
    *(Program(f'fleet-{n}', [(f'test/fleet/{n}.cpp', ''), (f'src/fleet/{n}.cpp', '')], '-lboost_unit_test_framework',
              '-O0 -DBOOST_TEST_DYN_LINK') for n in ('member', 'server')),
    Program('fuzz', [(s, '') for s in ('test/verify/fuzz/fuzz.cpp', CORE, ERROR)], '', '-O1 -g1 -fsanitize=fuzzer',
            CLANGXX),
]}


def unit_source(name):
    source = f'test/unit/{name}.cpp'
    return source if (ROOT / source).exists() else f'test/fleet/{name}.cpp'


def unit_program(name, address):
    """A unit test. The library is compiled with AddressSanitizer, which finds leaks and what is freed twice;
    the test, if `address` says so: this takes half as long again."""
    test = '-O0 -DBOOST_TEST_DYN_LINK -DBOOST_COROUTINES_NO_DEPRECATION_WARNING'
    library = '-O1 -fsanitize=address'
    if address:
        test += ' -fsanitize=address'
    folder = OUT / ('precompiled_address' if address else 'precompiled')
    more = next((sources for beginning, sources in LIBRARY.items() if name.startswith(beginning)), [])
    return Program(f'{name}-address' if address else name,
                   [(unit_source(name), f'{test} -include {folder}/all.hpp'), ('test/unit/main.cpp', test),
                    *((s, library) for s in [CORE, ERROR, *KEYED, STATISTICS, *more])],
                   '-fsanitize=address -lboost_unit_test_framework -lboost_coroutine -lboost_context -pthread' +
                   (' -lhiredis' if name.startswith('redis_') else ''))


def run_tool(arguments, log):
    with open(log, 'ab') as f:
        if subprocess.run([str(a) for a in arguments], stdout=f, stderr=f, cwd=OUT).returncode:
            raise DoesNotCompile


def write(path, text):
    """Leaves a file alone that says the same already."""
    data = text if isinstance(text, bytes) else text.encode()
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


# ---- The library as it is ------------------------------------------------------------------------

class Base:
    """The library as it is, and the programs over it, built from one copy when they are first needed."""

    def __init__(self):
        OUT.mkdir(parents=True, exist_ok=True)
        self.lock_file = open(OUT / 'lock', 'w')
        try:
            fcntl.flock(self.lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f'Waiting for another run in {OUT}', file=sys.stderr, flush=True)
            fcntl.flock(self.lock_file, fcntl.LOCK_EX)
        shutil.rmtree(COPIES, ignore_errors=True)
        present = set()
        for folder in ('include', 'src', 'example/recipes', 'test/unit', 'test/verify/model', 'test/verify/stress', 'test/verify/fuzz', 'test/fleet'):
            for path in (ROOT / folder).rglob('*'):
                name = path.relative_to(ROOT)
                if path.suffix in ('.cpp', '.hpp', '') and path.is_file() and 'corpus' not in name.parts:
                    present.add(BASE / name)
                    write(BASE / name, path.read_bytes())
        support = BASE / 'test/unit/support.hpp'
        short = support.read_text().replace('patience{60}', 'patience{10}')
        if short == support.read_text():
            stop('test/unit/support.hpp does not contain patience{60}')
        support.write_text(short)
        present.add(BASE / 'test/unit/main.cpp')
        write(BASE / 'test/unit/main.cpp', MAIN)
        present.add(BASE / 'test/fleet/fixed_script.cpp')
        write(BASE / 'test/fleet/fixed_script.cpp', SCRIPT)
        for path in BASE.rglob('*'):
            if path.is_file() and path not in present:
                path.unlink()
        self.locks = collections.defaultdict(threading.Lock)
        self.objects = {}
        self.controls = {}
        self.seconds = {}

    def text(self, file):
        return (BASE / file).read_text()

    def precompile(self, flags):
        header = pathlib.Path(re.search(r'-include (\S+)', flags).group(1))
        with self.locks[header]:
            key = hashlib.sha256(' '.join([PRECOMPILED, flags, CXX, *CPPFLAGS]).encode()).hexdigest()
            stamp = header.parent / 'key'
            if stamp.exists() and stamp.read_text() == key:
                return
            write(header, PRECOMPILED)
            flags = re.sub(r'-include \S+', '', flags).split()
            run_tool([CXX, '-std=c++20', '-w', *CPPFLAGS, *flags, '-x', 'c++-header', header, '-o', f'{header}.gch'],
                     OUT / 'build.log')
            stamp.write_text(key)

    def object(self, program, source, flags):
        """The object of a source as it is, and the files of the library that it depends on."""
        command = program.command(flags)
        name = hashlib.sha256(' '.join(command + [source]).encode()).hexdigest()[:16]
        with self.locks[name]:
            if name in self.objects:
                return self.objects[name]
            if '-include' in flags:
                self.precompile(flags)
            folder = OUT / 'objects'
            folder.mkdir(exist_ok=True)
            result, stamp = folder / f'{name}.o', folder / f'{name}.key'
            key, files = self.key(folder / f'{name}.d', command)
            if not (result.exists() and stamp.exists() and stamp.read_text() == key):
                run_tool(LAUNCHER + command + ['-MMD', '-MF', folder / f'{name}.d', '-I', BASE / 'include', '-I', BASE / 'src', '-c',
                                               BASE / source, '-o', result], OUT / 'build.log')
                key, files = self.key(folder / f'{name}.d', command)
                stamp.write_text(key)
            self.objects[name] = result, files
            return self.objects[name]

    @staticmethod
    def key(dependencies, command):
        """What an object is made of, and which of that is the library's."""
        if not dependencies.exists():
            return None, set()
        names = dependencies.read_text().replace('\\\n', ' ').split()[1:]
        files = [OUT / name for name in names]  # ccache may write relative names
        digest = hashlib.sha256(' '.join(command).encode())
        for file in files:
            digest.update(file.read_bytes() if file.exists() else b'gone')
        own = {str(f.relative_to(BASE)) for f in files if f.is_relative_to(BASE)}
        return digest.hexdigest(), own


class Copy:
    """A changed copy of the library. Without changes, the library as it is."""

    def __init__(self, base, folder, texts):
        self.base, self.folder, self.changed = base, COPIES / folder, set(texts)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        shutil.copytree(BASE / 'src', self.folder / 'src')
        for file, text in texts.items():
            write(self.folder / file, text)

    def build(self, program):
        """The program over this copy; None if it does not depend on any change."""
        log, differs = self.folder / 'build.log', not self.changed
        arguments = []
        for source, flags in program.sources:
            object, files = self.base.object(program, source, flags)
            if files & self.changed:
                differs = True
                object = self.folder / (source.replace('/', '_') + f'.{program.name}.o')
                place = self.folder if source.startswith('src/') else BASE
                run_tool(LAUNCHER + program.command(flags) +
                         ['-I', self.folder / 'include', '-I', BASE / 'include', '-I', self.folder / 'src',
                          '-c', place / source, '-o', object], log)
            arguments.append(object)
        if not differs:
            return None
        result = self.folder / program.name
        run_tool([program.compiler, *program.flags.split(), *arguments, *program.libraries.split(), '-o', result],
                 log)
        self.built_at = time.monotonic()
        return result

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- Running -------------------------------------------------------------------------------------

def limits():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 26, 1 << 26))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(command, log, seconds):
    """The exit status, negative for a signal, None if it hangs."""
    with open(log, 'wb') as f:
        process = subprocess.Popen([str(c) for c in PREFIX + command], stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                                   start_new_session=True, preexec_fn=limits, cwd=log.parent, env=ENVIRONMENT)
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


def run_unit(program, log, seconds, cases=None):
    """None if all is well; else what went wrong, and where."""
    select = [f'--run_test={cases}'] if cases else []
    status = run([program, *QUIET.split(), '--log_level=test_suite', *select], log, seconds)
    if status == 0:
        return None
    text = log.read_text(errors='replace')
    failed = re.search(r'error: in "([^"]+)"', text)
    entered = re.findall(r'(Entering|Leaving) test case "([^"]+)"', text)
    if failed:
        return failed.group(1).split('/')[-1]
    case = entered[-1][1] if entered else 'nothing'
    sanitizer = re.search(r'ERROR: \w+Sanitizer: ([\w-]+(?: memory leaks)?)', text)
    if sanitizer and 'leak' in sanitizer.group(1):
        return 'leaks'
    if status is None or 'watchdog' in text:
        return f'{case} (hangs)'
    return f'{case} ({sanitizer.group(1) if sanitizer else f"status {status}"})'


def run_explorer(program, log, seconds, only=''):
    select = [f'--only={only}'] if only else []
    status = run([program, '--ci', '--first', *select], log, seconds)
    if status == 0:
        return None
    if status is None:
        return 'hangs'
    text = log.read_text(errors='replace')
    before = re.search(r'^([^\n]+): ([^\n]*)\n ', text, re.M)  # "<program>: <what>" stands before the trace
    if status != 1 or not re.search(r'VIOLATION$', text, re.M) or not before:
        return f'status {status}'
    return f'{before.group(1)}: {before.group(2)}'


def run_search(program, log, seconds, arguments):
    """A program that searches at random, on several threads."""
    status = run([program, *arguments.split()], log, seconds)
    if status == 0:
        return None
    if status is None:
        return 'it hangs'  # a lost wake-up may leave an acquire waiting for ever, and the program with it
    text = log.read_text(errors='replace')
    what = re.search(r'ThreadSanitizer: [a-z -]+|(Address|Leak)Sanitizer: [a-z -]+|runtime error: .*'
                     r'|^(?:stress|shell|violation): [^(\n]*|history .*|^differs.*|error: in "[^"]+"', text, re.M)
    return what.group().strip() if what else f'exit status {status}'
