# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)
"""What `run` measures; its help says how."""

import argparse
import os
import statistics
import subprocess
import sys

OUT = 'build/compile/'
# What is measured, and the largest ratio allowed. Time has no limit, because runs differ by a fifth. Memory, the same to
# 0.1 %, stands in for it: with g++, it is 1.09 times as large, and the compiler runs 1.10 to 1.15 times the instructions.
FIGURES = {
    'user CPU time, s': None,
    'memory, KiB': 1.12,
    'code of the object, B': 1.3,
    'program, stripped, B': 1.3,
}


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def usage(*command):
    """The command's user CPU time in seconds, and the memory of its largest process in KiB."""
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used.ru_utime, used.ru_maxrss


def text(file):
    output = subprocess.run(['size', file], check=True, capture_output=True, text=True).stdout
    return int(output.splitlines()[1].split()[0])


def measure(cxx, level, repetitions):
    """The figures of the timer and of the semaphore."""
    def compile_(source, to):
        return usage(*cxx, '-std=c++20', level, '-Iinclude', '-c', source, '-o', to)

    library = []
    for part in ('core', 'error'):
        library.append(f'{OUT}{part}{level}.o')
        compile_(f'src/{part}.cpp', library[-1])
    costs, results = {'timer': [], 'semaphore': []}, []
    for _ in range(repetitions):
        for name, cost in costs.items():
            cost.append(compile_(f'test/compile/cost/{name}.cpp', f'{OUT}{name}{level}.o'))
    for name, cost in costs.items():
        object_, program = f'{OUT}{name}{level}.o', f'{OUT}{name}{level}'
        run(*cxx, '-s', object_, *(library if name == 'semaphore' else []), '-pthread', '-o', program)
        run(program)
        results.append((*map(statistics.median, zip(*cost)), text(object_), os.path.getsize(program)))
    return results


def main():
    options = argparse.ArgumentParser(prog='test/compile/cost/measure.py')
    options.add_argument('--repetitions', type=int, default=9)
    options.add_argument('--check', action='store_true')
    options = options.parse_args()
    cxx = os.environ.get('CXX', 'g++').split()
    missed = []
    print(f"{'':27}{'steady_timer':>14}{'semaphore':>14}{'ratio':>8}{'limit':>8}")
    for level in ('-O0', '-O2'):
        timer, semaphore = measure(cxx, level, options.repetitions)
        for (what, limit), a, b in zip(FIGURES.items(), timer, semaphore):
            digits = '.2f' if what.endswith(', s') else '.0f'
            print(f'{what + ", " + level:27}{a:14{digits}}{b:14{digits}}{b / a:8.2f}{limit or "-":>8}')
            if limit and b / a > limit:
                missed.append(f'{what}, {level}')
    print('compile: above the limit: ' + '; '.join(missed) if missed else 'compile: all within their limits')
    return 1 if missed and options.check else 0


sys.exit(main())
