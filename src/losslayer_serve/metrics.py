"""What Prometheus reads: counts and times, never a question."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from losslayer_serve.live import Live
from losslayer_serve.worker import Worker

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The figures of one service, in a registry of their own."""

    def __init__(self) -> None:
        kept = self.registry = CollectorRegistry()
        self.requests = Counter(
            "losslayer_requests",
            "Requests, answered or refused.",
            ["path", "status"],
            registry=kept,
        )
        self.seconds = Histogram(
            "losslayer_request_seconds", "Their time.", ["path"], registry=kept, buckets=SECONDS
        )
        self.questions = Counter(
            "losslayer_questions",
            "Questions, by whether a hit was accepted.",
            ["answered"],
            registry=kept,
        )
        self.batches = Histogram(
            "losslayer_batch_questions",
            "Questions that were searched for at once.",
            registry=kept,
            buckets=SIZES,
        )

    def watch(self, worker: Worker, live: Live) -> None:
        """Add what is read from the parts when Prometheus asks."""
        kept = self.registry
        waiting = Gauge("losslayer_waiting_questions", "Questions that wait now.", registry=kept)
        waiting.set_function(lambda: worker.waiting)
        entries = Gauge("losslayer_entries", "Entries of the index in use.", registry=kept)
        entries.set_function(lambda: len(live.searcher))
        reloads = Gauge(
            "losslayer_reloads", "Times the index was reloaded.", ["outcome"], registry=kept
        )
        for outcome in live.reloads:
            reloads.labels(outcome).set_function(partial(live.reloads.__getitem__, outcome))

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self.registry)
