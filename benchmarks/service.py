"""What the service does per second, and how long a question takes, under load from another process.

100,000 entries of random unit vectors of 256 values, searched exactly with NumPy; a question's
vector is drawn from its text, so an encoder's time comes on top. The load is `wrk` where it is
installed, else a small client of this script.

    python benchmarks/service.py [--entries 100000] [--seconds 10] [--connections 1 4 64]

First what one search costs, by the number of questions in it: this is why the service searches for
waiting questions together. Then, for each number of connections: answers per second, refusals per
second (429), median and 99th percentile of the latency, and the server's memory. With `wrk` the
latency is that of all requests, refused ones included.
"""

import argparse
import asyncio
import itertools
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib

import numpy as np

from losslayer_serve.searcher import Hit, Searcher
from losslayer_serve.service import run

DIM = 256
BLOCK = 100
QUESTIONS = 1000
WRK = """
local at = 0
request = function()
  at = (at + 7) % {questions}
  local body = '{{"question": "question ' .. at .. '"}}'
  return wrk.format("POST", "/ask", {{["Content-Type"] = "application/json"}}, body)
end
"""


class Drawn:
    """Texts to vectors drawn from their checksums."""

    fingerprint = "0" * 64

    def __call__(self, texts):
        seeds = [zlib.crc32(text.encode()) for text in texts]
        rows = [np.random.default_rng(s).standard_normal(DIM, dtype="float32") for s in seeds]
        return np.stack(rows) / np.linalg.norm(rows, axis=1, keepdims=True)


class Exact:
    """Random vectors `(entry, dim)`; their number a multiple of the block's."""

    fingerprint = Drawn.fingerprint

    def __init__(self, entries):
        vectors = np.random.default_rng(0).standard_normal((entries, DIM), dtype="float32")
        self.vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def __len__(self):
        return len(self.vectors)

    def search(self, texts, vectors, top):
        scores = vectors @ self.vectors.T
        # The best are in the blocks with the largest maxima: sorting those alone is much faster.
        blocks = scores.reshape(len(texts), -1, BLOCK)
        chosen = np.argpartition(-blocks.max(axis=2), top, axis=1)[:, :top]
        places = (chosen[:, :, None] * BLOCK + np.arange(BLOCK)).reshape(len(texts), -1)
        candidates = np.take_along_axis(scores, places, axis=1)
        order = np.argsort(-candidates, axis=1)[:, :top]
        best = np.take_along_axis(places, order, axis=1)
        return [
            [Hit(str(at), f"Title {at}", "An answer. " * 20, float(row[at]), True) for at in found]
            for row, found in zip(scores, best, strict=True)
        ]


def search_costs(index):
    """Milliseconds of a search, by the number of questions."""
    costs = {}
    for count in (1, 2, 4, 8, 16, 32):
        texts = [f"question {at}" for at in range(count)]
        vectors = Drawn()(texts)
        index.search(texts, vectors, 3)
        times = []
        for _ in range(7):
            started = time.perf_counter()
            index.search(texts, vectors, 3)
            times.append(1e3 * (time.perf_counter() - started))
        costs[count] = statistics.median(times)
    return costs


def figures(url):
    text = urllib.request.urlopen(f"{url}/metrics").read().decode()
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def memory(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def by_wrk(url, connections, seconds):
    """Median and 99th percentile of the latency, milliseconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK.format(questions=QUESTIONS))
        script.flush()
        call = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
        done = subprocess.run([*call, "-s", script.name, url], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    unit = {"us": 1e-3, "ms": 1, "s": 1e3}

    def percentile(share):
        number, name = re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", done.stdout).groups()
        return float(number) * unit[name]

    return percentile(50), percentile(99)


def by_client(url, connections, seconds):
    """The same with a client of our own, each connection one question after the other."""
    host, port = url.removeprefix("http://").split(":")
    end = time.perf_counter() + seconds
    times, numbers = [], itertools.count()

    async def one():
        reader, writer = await asyncio.open_connection(host, port)
        while time.perf_counter() < end:
            body = json.dumps({"question": f"question {next(numbers) % QUESTIONS}"})
            head = f"POST /ask HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            started = time.perf_counter()
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", answer)[1]))
            times.append(1e3 * (time.perf_counter() - started))
        writer.close()

    async def all_of_them():
        await asyncio.gather(*(one() for _ in range(connections)))

    asyncio.run(all_of_them())
    return tuple(np.percentile(times, [50, 99]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4, 64])
    parser.add_argument("--serve", action="store_true", help="be the server")
    given = parser.parse_args()
    if given.serve:
        run(Searcher(Drawn(), Exact(given.entries)), port=0)
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"load {os.getloadavg()[0]:.1f} before; {given.entries:,} x {DIM} float32")
    costs = search_costs(Exact(given.entries))
    print("questions in one search:", *(f"{n}: {ms:.1f} ms" for n, ms in costs.items()), sep="  ")
    load = by_wrk if shutil.which("wrk") else by_client
    print(f"\nload by {'wrk' if load is by_wrk else 'a client of this script'}")
    print(
        "connections  answers/s  refused/s  median ms   p99 ms  questions/search  memory MB  load"
    )
    command = [sys.executable, __file__, "--serve", "--entries", str(given.entries)]
    rows = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            for line in server.stderr:
                if found := re.search(r"http://[\d.]+:\d+", line):
                    break
            url = found[0]
            load(url, 1, 1)
            for connections in given.connections:
                before = figures(url)
                started = time.perf_counter()
                median, p99 = load(url, connections, given.seconds)
                seconds = time.perf_counter() - started
                after = figures(url)

                def added(name, before=before, after=after):
                    return after.get(name, 0) - before.get(name, 0)

                answered = added('losslayer_requests_total{path="/ask",status="200"}')
                refused = added('losslayer_requests_total{path="/ask",status="429"}')
                together = answered / added("losslayer_batch_questions_count")
                row = (connections, answered / seconds, refused / seconds, median, p99, together)
                rows.append((*row, memory(server), os.getloadavg()[0]))
                print(
                    "{:11}  {:9.0f}  {:9.0f}  {:9.1f}  {:7.1f}  {:16.1f}  {:9.0f}  {:.1f}".format(
                        *rows[-1]
                    )
                )
        finally:
            server.terminate()
    print(json.dumps({"search_ms": costs, "rows": rows}))


if __name__ == "__main__":
    main()
