# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)
"""What `run` measures; its help says how."""

import argparse
import os
import resource
import statistics
import subprocess
import sys

OUT = 'build/compile/'
AIM = 1.3


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def user_time(*command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    run(*command)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def text(file):
    output = subprocess.run(['size', file], check=True, capture_output=True, text=True).stdout
    return int(output.splitlines()[1].split()[0])


def measure(cxx, level, repetitions):
    """Of the timer and the semaphore: seconds, bytes of code, bytes of the program."""
    def compile_(source, to):
        return user_time(*cxx, '-std=c++20', level, '-Iinclude', '-c', source, '-o', to)

    library = []
    for part in ('core', 'error'):
        library.append(f'{OUT}{part}{level}.o')
        compile_(f'src/{part}.cpp', library[-1])
    seconds, results = {'timer': [], 'semaphore': []}, []
    for _ in range(repetitions):
        for name, times in seconds.items():
            times.append(compile_(f'test/compile/cost/{name}.cpp', f'{OUT}{name}{level}.o'))
    for name, times in seconds.items():
        object_, program = f'{OUT}{name}{level}.o', f'{OUT}{name}{level}'
        run(*cxx, '-s', object_, *(library if name == 'semaphore' else []), '-pthread', '-o', program)
        run(program)
        results.append((statistics.median(times), text(object_), os.path.getsize(program)))
    return results


def main():
    options = argparse.ArgumentParser(prog='test/compile/cost/measure.py')
    options.add_argument('--repetitions', type=int, default=9)
    options.add_argument('--check', action='store_true')
    options = options.parse_args()
    cxx = os.environ.get('CXX', 'g++').split()
    missed = False
    print(f"{'':22}{'steady_timer':>14}{'semaphore':>14}{'ratio':>8}")
    for level in ('-O0', '-O2'):
        timer, semaphore = measure(cxx, level, options.repetitions)
        for what, a, b in zip(('user CPU time, s', 'code of the object', 'program, stripped'), timer,
                              semaphore):
            digits = '.2f' if isinstance(a, float) else 'd'
            print(f'{what + ", " + level:22}{a:14{digits}}{b:14{digits}}{b / a:8.2f}')
            missed |= b / a > AIM
    print(f"compile: {'more than' if missed else 'at most'} {AIM} x of steady_timer")
    return 1 if missed and options.check else 0


sys.exit(main())
