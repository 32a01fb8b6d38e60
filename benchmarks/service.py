"""What the service does per second, and how long a question takes, under `wrk` in another process.

    python benchmarks/service.py [--entries 100000] [--seconds 10] [--folder runs/service]

All that a real service does: `losslayer faq serve` with tokeniser, encoder, search by vectors and
by words (weight 0.5), and the answers as JSON. The questions are BANKING77's test questions; an
entry is two of its training questions, the vector their mean, and a third one as its answer. The
encoder is that of `losslayer faq train` with its first weights: what it costs is the same.

Printed as Markdown: the CPU time of each part of one question; then for 1 and 4 connections, for an
overload by 64, and for 4 again after it: requests answered per second, refused ones (429), others,
median and 99th percentile of the latency (of all requests, refused ones included), the server's CPU
time per request, how many questions were searched for at once, and its memory before, at most, and
after. Last, the same as one line of JSON.

Needs `wrk` (apt-get install wrk), `losslayer[faq,onnx,serve]`, an engine, and `losslayer[faiss]`
unless the search is to compare with every entry. The folder is built by the first run and kept.
"""

import argparse
import csv
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import asdict

import numpy as np

from losslayer_serve.encoder import Encoder
from losslayer_serve.folder import TOKENIZER, new_model_folder
from losslayer_serve.index import Entry, Index, Ranking
from losslayer_serve.index.generations import ROOT
from losslayer_serve.saved import INDEX, KIND, MODEL, open_searcher
from losslayer_serve.tokenizer import Tokenizer
from losslayer_serve.vectors import unit

DATA = pathlib.Path(__file__).parents[1] / "data" / "banking77"
COMMAND = [sys.executable, "-c", "import losslayer_command; losslayer_command.main()", "faq"]
WRK = """
local bodies = {%s}
local requests, at = {}, 0
init = function()
  for place, body in ipairs(bodies) do
    requests[place] = wrk.format("POST", "/ask", {["Content-Type"] = "application/json"}, body)
  end
end
request = function()
  at = at %% #requests + 1
  return requests[at]
end
"""


def questions(name):
    with open(DATA / name, encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def build(folder, count):
    """A saved matcher with an encoder that learned nothing, and an index of `count` entries."""
    # Here: the service needs none of it.
    from losslayer.faq.settings import Settings
    from losslayer.faq.store import question_encoder
    from losslayer.saving import export_encoder, golden_ids

    folder.mkdir(parents=True, exist_ok=True)
    texts = list(dict.fromkeys(questions("train.csv")))
    settings = Settings()
    tokenizer = Tokenizer.train(texts, settings.vocabulary_size)
    size = tokenizer.vocabulary_size
    spec = {"vocabulary_size": size, "longest": settings.longest, "settings": asdict(settings)}
    with new_model_folder(folder / MODEL, {"kind": KIND, "encoder": spec}) as model:
        tokenizer.save(model / TOKENIZER)
        golden = golden_ids(size, settings.longest)
        encoder = question_encoder(spec)
        export_encoder(model / "question.onnx", encoder, question_encoder, spec, golden)
    encoder = Encoder(folder / MODEL)
    vectors = encoder(texts)
    chosen = np.random.default_rng(0).integers(0, len(texts), (count, 3))
    entries = [
        Entry(f"e{n}", f"{texts[a]} {texts[b]}", texts[c]) for n, (a, b, c) in enumerate(chosen)
    ]
    vectors = unit(vectors[chosen[:, 0]] + vectors[chosen[:, 1]])
    index = Index.create(folder / INDEX, encoder.fingerprint, entries, vectors, overwrite=True)
    index.set_ranking(Ranking(0.5))
    index.prepare()


def part_costs(searcher, texts):
    """CPU milliseconds of each part of one question, all threads together."""
    encoder, index = searcher.encoder, searcher.index
    vectors = encoder(texts)
    parts = {
        "tokens and encoder": lambda at: encoder(texts[at : at + 1]),
        "nearest vectors": lambda at: index._near().search(vectors[at : at + 1], 256),
        "BM25": lambda at: index._words().scores(texts[at]),
        "search, with both": lambda at: index.search(texts[at : at + 1], vectors[at : at + 1], 3),
    }
    costs = {}
    for name, part in parts.items():
        for at in range(10):
            part(at)
        started = time.process_time()
        for at in range(len(texts)):
            part(at)
        costs[name] = 1e3 * (time.process_time() - started) / len(texts)
    return costs


class Watched:
    """The server's largest memory, MB, between `with` and its end."""

    def __init__(self, process):
        self.process = process

    def now(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def cpu(self):
        """Its CPU seconds so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        self.most, self._over = self.now(), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        while not self._over.wait(0.1):
            self.most = max(self.most, self.now())

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()


def figures(url):
    text = urllib.request.urlopen(f"{url}/metrics").read().decode()
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def wrk(url, script, connections, seconds):
    """Median and 99th percentile of the latency, milliseconds."""
    call = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script, url]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"wrk: {done.stderr}")
    unit = {"us": 1e-3, "ms": 1, "s": 1e3}
    found = (re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", done.stdout) for share in (50, 99))
    return [float(each[1]) * unit[each[2]] for each in found]


def load(url, server, script, connections, seconds):
    """One line of the table."""
    before, cpu, memory = figures(url), server.cpu(), server.now()
    started = time.perf_counter()
    with server:
        median, p99 = wrk(url, script, connections, seconds)
    took = time.perf_counter() - started
    after = figures(url)

    def added(name):
        return after.get(name, 0) - before.get(name, 0)

    answered = added('losslayer_requests_total{path="/ask",status="200"}')
    refused = added('losslayer_requests_total{path="/ask",status="429"}')
    of_all = [name for name in after if name.startswith('losslayer_requests_total{path="/ask"')]
    return {
        "connections": connections,
        "answered/s": answered / took,
        "refused/s": refused / took,
        "other": sum(map(added, of_all)) - answered - refused,
        "median ms": median,
        "p99 ms": p99,
        "CPU ms each": 1e3 * (server.cpu() - cpu) / (answered + refused),
        "at once": answered / added("losslayer_batch_questions_count"),
        "MB before": memory,
        "MB most": server.most,
        "MB after": server.now(),
        "load": os.getloadavg()[0],
    }


def markdown(rows):
    """Dicts with the same keys as a table."""
    yield "| " + " | ".join(rows[0]) + " |"
    yield "|" + "---:|" * len(rows[0])
    for row in rows:
        cells = (
            value if isinstance(value, str | int) else f"{value:.4g}" for value in row.values()
        )
        yield "| " + " | ".join(map(str, cells)) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("runs/service"))
    given = parser.parse_args()
    started = time.perf_counter()
    folder = given.folder / str(given.entries)
    if not (folder / INDEX / ROOT).exists():  # written last
        build(folder, given.entries)
    built = time.perf_counter() - started
    asked = questions("test.csv")[:1000]
    searcher = open_searcher(folder)
    costs = part_costs(searcher, asked[:300])
    engine = type(searcher.index._near()).__name__
    del searcher
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before; {given.entries:,} entries, "
    )
    print(f"{engine}; built in {built:.0f} s\n")
    print(*markdown([{"part": name, "CPU ms": cost} for name, cost in costs.items()]), sep="\n")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        bodies = (json.dumps(json.dumps({"question": text})) for text in asked)
        script.write(WRK % ", ".join(bodies))
        script.flush()
        serve = [*COMMAND, "serve", "--model", folder, "--port", "0"]
        with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True) as process:
            try:
                for line in process.stderr:
                    if found := re.search(r"http://[\d.]+:\d+", line):
                        break
                else:
                    raise SystemExit("the service ended")
                url, server = found[0], Watched(process)
                wrk(url, script.name, 4, 2)
                rows = []
                for connections in (1, 4, 64, 4):
                    rows.append(load(url, server, script.name, connections, given.seconds))
            finally:
                process.terminate()
    print("", *markdown(rows), "", sep="\n")
    print(json.dumps({"engine": engine, "part_cpu_ms": costs, "rows": rows}))


if __name__ == "__main__":
    main()
