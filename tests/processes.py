"""Runs a module of the tests in several processes at once, as `keras.distribution` wants them."""

import pathlib
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]


def run(module, *arguments):
    """Start `module` once for each list of arguments, with a number and a port that all share.

    Args:
        module: Reads its arguments, `--id` and `--port`.
        *arguments: A list for each process.

    Returns:
        For each process what it wrote, its errors, and the code it ended with.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    jobs = [
        subprocess.Popen(
            [sys.executable, "-m", module, *map(str, [*given, "--id", number, "--port", port])],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, given in enumerate(arguments)
    ]
    said = [job.communicate(timeout=900) for job in jobs]
    return [(*texts, job.returncode) for texts, job in zip(said, jobs, strict=True)]
