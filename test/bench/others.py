# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""The same loops in other languages, where they are installed; prints {"work/name": nanoseconds}."""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

REPETITIONS = 9

GO = r'''
package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

func main() {
	runtime.GOMAXPROCS(1)
	ctx := context.Background()
	s := semaphore.NewWeighted(1)
	const n = 200000
	start := time.Now()
	for i := 0; i < n; i++ {
		s.Acquire(ctx, 1)
		s.Release(1)
	}
	fmt.Println("await", float64(time.Since(start).Nanoseconds())/n)
	s = semaphore.NewWeighted(4)
	var all sync.WaitGroup
	start = time.Now()
	for k := 0; k < 16; k++ {
		all.Add(1)
		go func() {
			for i := 0; i < n/16; i++ {
				s.Acquire(ctx, 1)
				runtime.Gosched()
				s.Release(1)
			}
			all.Done()
		}()
	}
	all.Wait()
	fmt.Println("handoff_await", float64(time.Since(start).Nanoseconds())/n)
}
'''

TOKIO_MANIFEST = '''
[package]
name = "bench"
version = "0.0.0"
edition = "2021"
[dependencies]
tokio = { version = "1", features = ["rt", "sync", "macros"] }
[profile.release]
opt-level = 3
'''

TOKIO = r'''
use std::{sync::Arc, time::Instant};
use tokio::{sync::Semaphore, task::yield_now};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    const N: u32 = 200_000;
    let s = Arc::new(Semaphore::new(1));
    let t = s.clone();
    tokio::spawn(async move {
        let start = Instant::now();
        for _ in 0..N {
            let _p = t.acquire().await.unwrap();
        }
        println!("await {}", start.elapsed().as_nanos() as f64 / N as f64);
    })
    .await
    .unwrap();
    let s = Arc::new(Semaphore::new(4));
    let start = Instant::now();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let s = s.clone();
            tokio::spawn(async move {
                for _ in 0..N / 16 {
                    let _p = s.acquire().await.unwrap();
                    yield_now().await;
                }
            })
        })
        .collect();
    for t in tasks {
        t.await.unwrap();
    }
    println!("handoff_await {}", start.elapsed().as_nanos() as f64 / N as f64);
}
'''


def python():
    n = 20_000

    async def uncontended():
        s = asyncio.Semaphore(1)
        start = time.perf_counter_ns()
        for _ in range(n):
            async with s:
                pass
        return (time.perf_counter_ns() - start) / n

    async def sixteen():
        s = asyncio.Semaphore(4)

        async def work():
            for _ in range(n // 16):
                async with s:
                    await asyncio.sleep(0)

        start = time.perf_counter_ns()
        await asyncio.gather(*(work() for _ in range(16)))
        return (time.perf_counter_ns() - start) / n

    return {"await": asyncio.run(uncontended()), "handoff_await": asyncio.run(sixteen())}


def program(command):
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name: float(ns) for name, ns in (line.split() for line in output.splitlines())}


def built_go(folder):
    source = os.path.join(folder, "bench.go")
    with open(source, "w") as f:
        f.write(GO)
    binary = os.path.join(folder, "go_bench")
    # Debian keeps its packages where a GOPATH has them.
    environment = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOFLAGS="",
                       GOCACHE=os.path.join(folder, "cache"))
    subprocess.run(["go", "build", "-o", binary, source], check=True, capture_output=True,
                   env=environment)
    return [binary]


def built_tokio(folder):
    os.makedirs(os.path.join(folder, "src"))
    os.makedirs(os.path.join(folder, ".cargo"))
    with open(os.path.join(folder, "Cargo.toml"), "w") as f:
        f.write(TOKIO_MANIFEST)
    with open(os.path.join(folder, "src", "main.rs"), "w") as f:
        f.write(TOKIO)
    with open(os.path.join(folder, ".cargo", "config.toml"), "w") as f:
        f.write('[source.crates-io]\nreplace-with = "debian"\n'
                '[source.debian]\ndirectory = "/usr/share/cargo/registry"\n')
    subprocess.run(["cargo", "build", "--release", "--offline", "--quiet"], check=True,
                   capture_output=True, cwd=folder)
    return [os.path.join(folder, "target", "release", "bench")]


def main():
    runs = {"asyncio": python}
    with tempfile.TemporaryDirectory() as folder:
        for name, tool, build in (("go", "go", built_go), ("tokio", "cargo", built_tokio)):
            try:
                if shutil.which(tool):
                    os.mkdir(os.path.join(folder, name))
                    command = build(os.path.join(folder, name))
                    runs[name] = lambda command=command: program(command)
            except (subprocess.CalledProcessError, OSError):
                pass  # its library is not installed
        figures = {}
        for _ in range(REPETITIONS):  # interleaved
            for name, run in runs.items():
                for work, ns in run().items():
                    figures.setdefault(f"{work}/{name}", []).append(ns)
    print(json.dumps({name: statistics.median(all) for name, all in figures.items()}))


main()
