"""The FAQ matcher trained in one process and in two: the same losses, answers as good.

    python benchmarks/faq_processes.py                # half an hour on two cores
    python benchmarks/faq_processes.py --steps-only   # the first steps, a minute or two

The demo's data, BANKING77, and settings on JAX's CPU devices: two processes with a device each that
share every batch (`keras.distribution.DataParallel`), and one process with two devices. The losses
of the first 20 steps must be equal to 1e-5. (One device would draw other dropout masks: each device
draws its own.) Later ones can't be: sums in another order are rounded otherwise, and a hinge that
opens a step earlier, or another nearest title, leads elsewhere. So what the trainings end with is
compared by the measures on the test split, beside those of one process with one device and their
spread over seeds. Nothing is chosen by them.

Prints tables in Markdown, then one JSON line; progress on standard error. Exits with 1 if a loss
differs by more.
"""

import argparse
import dataclasses
import json
import os
import socket
import subprocess
import sys
import time

os.environ["KERAS_BACKEND"] = "jax"  # keras.distribution is for JAX only

import keras
from faq_banking77 import machine, parts, row

from losslayer.faq import Matcher, Settings

STEPS, TOLERANCE = 20, 1e-5


class FirstLosses(keras.callbacks.Callback):
    """The loss of each of the first steps by itself; logs within an epoch are means so far."""

    def __init__(self, stops: bool) -> None:
        super().__init__()
        self.stops, self.losses = stops, []

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Note the step's loss, and begin the means anew."""
        if len(self.losses) < STEPS:
            self.losses.append(float(logs["loss"]))
            self.model.jax_state_sync()
            self.model.reset_metrics()
        if len(self.losses) == STEPS and self.stops:
            self.model.stop_training = True


def train(seed: int, epochs: int, steps_only: bool) -> dict:
    """A training in this process; what the comparison needs of it."""
    examples, unseen = parts("test")
    settings = dataclasses.replace(Settings(), seed=seed, epochs=epochs)
    first = FirstLosses(steps_only)
    started = time.perf_counter()
    matcher = Matcher.train(
        examples, settings, lambda line: print(line, file=sys.stderr), callbacks=[first]
    )
    seconds = time.perf_counter() - started
    measured = {} if steps_only else matcher.evaluate(unseen)
    return {"seed": seed, "losses": first.losses, "seconds": round(seconds, 1), **measured}


def _own_core(number: int) -> None:
    """Keep this process to one core, as if it were another machine; else they hinder each other."""
    if hasattr(os, "sched_setaffinity"):  # Linux
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def work(given: argparse.Namespace) -> None:
    """The part of one process of several."""
    if given.processes > 1:
        _own_core(given.id)
        keras.distribution.initialize(f"localhost:{given.port}", given.processes, given.id)
    if given.processes * given.devices > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    print(json.dumps(train(given.seeds[0], given.epochs, given.steps_only)))


def launch(
    seed: int, processes: int, given: argparse.Namespace, devices: int = 1, steps: bool = False
) -> dict:
    """What a training in that many processes, of that many devices each, found."""
    print(f"seed {seed}, processes: {processes}, devices of each: {devices}", file=sys.stderr)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    line = [sys.executable, __file__, "--processes", processes, "--port", port, "--seeds", seed]
    line += ["--epochs", given.epochs, "--devices", devices]
    line += [*(["--steps-only"] if steps else []), "--id"]
    flags = f"--xla_force_host_platform_device_count={devices}"
    jobs = [
        subprocess.Popen(
            [*map(str, line), str(number)],
            env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if number else None,  # both would say the same
            text=True,
        )
        for number in range(processes)
    ]
    said = [job.communicate()[0] for job in jobs]
    if any(job.returncode for job in jobs):
        raise SystemExit(f"a process of seed {seed} failed")
    last = said[0].splitlines()[-1]
    print(last, file=sys.stderr)
    return {"processes": processes, **json.loads(last)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[0, 1, 2],
        help="of the trainings in one process; the one in two has the first of them",
    )
    parser.add_argument("--epochs", type=int, default=Settings().epochs, help="default: the demo's")
    parser.add_argument("--steps-only", action="store_true", help="the first 20 steps, one seed")
    for name in ("--processes", "--devices", "--port", "--id"):  # of those that this one starts
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.id is not None:
        work(given)
        return

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    seeds = given.seeds[:1] if given.steps_only else given.seeds
    one = launch(seeds[0], 1, given, devices=2, steps=True)
    both = launch(seeds[0], 2, given, steps=given.steps_only)
    alone = [] if given.steps_only else [launch(seed, 1, given) for seed in seeds]
    pairs = list(zip(one["losses"], both["losses"], strict=True))
    differences = [abs(one - two) / abs(one) for one, two in pairs]

    print(f"BANKING77, seed {seeds[0]}; {machine()}, load {load:.2f} at the start.\n")
    print("| step | one process | two processes | relative difference |\n|---:|---:|---:|---:|")
    for step, ((one, two), differs) in enumerate(zip(pairs, differences, strict=True), 1):
        print(f"| {step} | {one:.8f} | {two:.8f} | {differs:.1e} |")
    print(f"\nLargest difference: {max(differences):.1e}, at most {TOLERANCE:.0e} is asked for.")
    if not given.steps_only:
        print("\n| | accuracy@1 | recall@5 | MRR | training, s |\n|---|---:|---:|---:|---:|")
        for run in alone:
            print(row(f"one process, seed {run['seed']}", run, f"{run['seconds']:.0f}"))
        print(row(f"two processes, seed {both['seed']}", both, f"{both['seconds']:.0f}"))
    result = {
        "machine": machine(),
        "load": load,
        "epochs": given.epochs,
        "largest_difference": max(differences),
        "runs": [*alone, both],
    }
    print(json.dumps(result))
    raise SystemExit(1 if max(differences) > TOLERANCE else 0)


if __name__ == "__main__":
    main()
