"""Puts each seeded bug into a copy of the library and has the methods that must find it look for it. Started by
`run`; test/verify/mutation uses it, too."""

import argparse
import concurrent.futures
import pathlib
import re
import sys
import threading
import time

import bugs
import build

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What each method runs to find a bug, how long at most, and what it runs first on the library as it is.
SEARCHES = {
    'linearizability': ('--histories 5000000', 300, '--histories 100000'),
    'tsan': ('--acquires 2000000 --patience 15', 300, '--acquires 100000'),
    'asan': ('--acquires 2000000 --patience 15', 300, '--acquires 100000'),
    'shell-tsan': ('--groups 200000 --patience 15', 300, '--groups 3000'),
    'shell-asan': ('--groups 200000 --patience 15', 300, '--groups 3000'),
    'depth': ('--color_output=no --catch_system_errors=no', 300, '--color_output=no --catch_system_errors=no'),
    'fleet': ('--seeds 4000', 300, '--seeds 500'),
    'fleet-exhaustive': ('--failures 1', 300, '--failures 1'),
    'fleet-member': ('--color_output=no', 60, '--color_output=no'),
    'fleet-server': ('--color_output=no', 60, '--color_output=no'),
}
METHODS = ['explorer', 'unit', 'fuzz', *SEARCHES]
# These run on several threads and are given all processors; building goes on meanwhile.
threads_run = threading.Lock()


# ---- Finding -------------------------------------------------------------------------------------

def texts_with(bug, read):
    """The changed files; raises ValueError if a text is not there exactly once."""
    texts = {}
    for file, before, after in bug.changes:
        text = texts.get(file) or read(file)
        count = text.count(before)
        if count != 1:
            raise ValueError(f'{file}: found {count} times instead of once: {before!r}')
        texts[file] = text.replace(before, after)
    for file, text in texts.items():
        if text == read(file):
            raise ValueError(f'{file}: the change leaves it as it is')
    return texts


def copy_of(folder):
    return (build.COPIES / folder).relative_to(ROOT)


def look(base, copy, method):
    """What a method says of a copy; None if it sees nothing."""
    log = copy.folder / f'{method.name}.log'
    is_base = not copy.changed
    name, _, cases = method.what.partition(': ')
    program = copy.build(build.unit_program(name, method.address) if method.name == 'unit'
                         else build.PROGRAMS[method.name])
    if not program:
        return None
    if method.name == 'unit':
        return build.run_unit(program, log, base.seconds.get(method, 60), cases)
    if method.name == 'explorer':
        return build.run_explorer(program, log, base.seconds.get(method, 600), method.what)
    if method.name == 'fuzz':
        corpus = copy.folder / 'corpus'
        corpus.mkdir(exist_ok=True)
        more = ROOT / 'build/fuzz/corpus'
        arguments = '-entropic=0 -max_len=64 ' + ('-runs=100000' if is_base else '-max_total_time=20')
        arguments += f' -artifact_prefix={copy.folder}/ {corpus} {ROOT}/test/verify/fuzz/corpus'
        return build.run_search(program, log, 300, arguments + (f' {more}' if more.is_dir() else ''))
    search, seconds, control = SEARCHES[method.name]
    with threads_run:
        return build.run_search(program, log, seconds, control if is_base else search)


def control(base, method):
    """Has a method look at the library as it is: if it finds something there, bugs found would mean nothing."""
    with base.locks[method]:
        if method not in base.controls:
            slug = re.sub(r'\W+', '_', f'base_{method}')[:100]
            try:
                copy = build.Copy(base, slug, {})
                base.controls[method] = look(base, copy, method)
                base.seconds[method] = 15 + 5 * (time.monotonic() - copy.built_at)
            except build.DoesNotCompile:
                base.controls[method] = f'does not compile (see build.log in build/bugs and {copy_of(slug)})'
            if not base.controls[method]:
                copy.remove()
        return base.controls[method]


def find(base, number, bug, method):
    """Whether the method finds the bug, and what there is to say."""
    try:
        texts = texts_with(bug, base.text)
    except ValueError as error:
        return False, f'STALE: {error}'
    wrong = control(base, method)
    if wrong:
        return False, f'FAILS WITHOUT A CHANGE: {wrong}'
    folder = f'bug{number}_{method.name}'
    copy = None
    try:
        copy = build.Copy(base, folder, texts)
        found = look(base, copy, method)
    except build.DoesNotCompile:
        if method.about_compiling:
            copy.remove()
            return True, 'found: does not compile'
        return False, f'DOES NOT COMPILE (see {copy_of(folder)}/build.log)'
    if not found:
        return False, f'NOT FOUND (see {copy_of(folder)})'
    if method.name == 'unit':
        case = method.what.split('/')[-1].split(': ')[-1]
        if case not in found and found != 'leaks':
            return False, f'NOT FOUND, but: {found}'
    if method.what and found.startswith(method.what + ': '):
        found = found[len(method.what) + 2:]
    copy.remove()
    return True, f'found: {found}'


def run_selected(selected, base):
    """Runs (bug, method) pairs, prints what came of each, and returns how many were found."""
    found = 0
    with concurrent.futures.ThreadPoolExecutor(build.JOBS) as pool:
        futures = {pool.submit(find, base, i, *pair): pair for i, pair in enumerate(selected)}
        for future in concurrent.futures.as_completed(futures):
            bug, method = futures[future]
            ok, what = future.result()
            found += ok
            print(f'{bug.name}\n    {method}: {what}', flush=True)
    print(f'{len(selected)} seeded bugs, {found} found')
    return found


# ---- Checking ------------------------------------------------------------------------------------

def stale():
    """What is wrong with the catalogue. Builds nothing."""
    cache = {}

    def read(file):
        if file not in cache:
            path = ROOT / file
            cache[file] = path.read_text() if path.exists() else ''
        return cache[file]

    names, changes = set(), {}
    for bug in bugs.BUGS:
        try:
            texts_with(bug, read)
        except ValueError as error:
            yield f'{bug.name}: {error}'
        if bug.name in names:
            yield f'{bug.name}: two bugs have this name'
        names.add(bug.name)
        other = changes.setdefault(frozenset(bug.changes), bug.name)
        if other != bug.name:
            yield f'{bug.name}: the same change as: {other}'
        if not bug.found_by:
            yield f'{bug.name}: no method is named'
        for method in bug.found_by:
            if method.name == 'explorer' and not any(f'"{method.what}"' in read(f'test/verify/model/{f}.cpp')
                                                     for f in ('programs', 'keyed_programs')):
                yield f'{bug.name}: the explorer has no program "{method.what}"'
            if method.name == 'unit':
                program, path = method.what.split(': ')
                source = build.unit_source(program)
                text = read(source)
                for part in path.split('/'):
                    if not re.search(r'_TEST_(SUITE|CASE)\w*\(' + re.escape(part) + r'\b', text):
                        yield f'{bug.name}: {source} has no {part}'


# ---- The command line ----------------------------------------------------------------------------

def select(method=None, only=None, sample=1):
    """The pairs of a bug and a method that must find it."""
    pairs = [(b, m) for b in bugs.BUGS for m in b.found_by
             if (not method or m.name == method) and (not only or only.lower() in f'{b.row} {b.name}'.lower())]
    exact = [(b, m) for b, m in pairs if only == b.name]
    return (exact or pairs)[::sample]


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def wrong(text):
    print(f'test/verify/run: {text}', file=sys.stderr)
    sys.exit(2)


def main():
    parser = argparse.ArgumentParser(prog='test/verify/run', add_help=False)
    parser.error = wrong
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--check', action='store_true')
    parser.add_argument('--only')
    parser.add_argument('--method', choices=METHODS + ['spin'])
    parser.add_argument('--sample', type=positive, default=1)
    options = parser.parse_args()

    if options.check:
        problems = list(stale())
        for problem in problems:
            print(problem)
        if not problems:
            print(f'{len(bugs.BUGS)} seeded bugs, each text found exactly once')
        sys.exit(bool(problems))

    selected = select(options.method, options.only, options.sample)
    mutants = [m for m in bugs.spin_mutants() if not options.only or options.only.lower() in m.lower()]
    if options.method not in (None, 'spin'):
        mutants = []
    if not selected and not mutants:
        wrong('nothing is selected')
    if options.list:
        last = None
        for bug, method in selected:
            if bug is not last:
                print(f'{bug.row}: {bug.name}' if bug.row else bug.name)
            last = bug
            print(f'    {method}')
        for mutant in mutants:
            print(f'{mutant}\n    spin')
        return
    if not selected:
        wrong('the mutants of the model are run by test/verify/model/run --only spin')
    sys.exit(run_selected(selected, build.Base()) != len(selected))


if __name__ == '__main__':
    main()
