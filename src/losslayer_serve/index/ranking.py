"""How hits are scored and accepted: what is chosen on a development split and stored."""

from typing import Any, NamedTuple

from losslayer_serve.index.threshold import Threshold


class Ranking(NamedTuple):
    """How hits are scored and accepted.

    Args:
        weight: Of the cosine in the score; the rest is BM25's. 1: the cosine alone.
        threshold: From which score on hits are accepted. None: all are.
    """

    weight: float = 1.0
    threshold: Threshold | None = None

    def accepts(self, score: float) -> bool:
        """Whether a hit with this score is accepted."""
        if self.threshold is None:
            return True
        return self.threshold.value is not None and score >= self.threshold.value

    def stored(self) -> dict[str, Any]:
        """As JSON has it."""
        threshold = self.threshold._asdict() if self.threshold else None
        return {"weight": self.weight, "threshold": threshold}

    @classmethod
    def read(cls, stored: dict[str, Any]) -> "Ranking":
        """From what `stored` returned."""
        threshold = stored["threshold"]
        return cls(float(stored["weight"]), Threshold(**threshold) if threshold else None)
