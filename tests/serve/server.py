"""Serves the searcher of the tests: `python -m tests.serve.server '{"port": 0}'`.

The argument is one JSON object: arguments of `run`, with limits as an object, and

- `table`: what is served, and watched;
- `slow`: seconds that an encoding takes.
"""

import json
import sys
import time

from losslayer_serve.limits import Limits
from losslayer_serve.service import run
from tests.serve import faq


class Slow(faq.HashedWords):
    """Takes its time; a question with the word `poison` breaks it, one with `nan` isn't finite."""

    seconds = 0.0

    def __call__(self, texts):
        time.sleep(self.seconds)
        if any("poison" in text for text in texts):
            raise RuntimeError("poison")
        vectors = super().__call__(texts)
        for vector, text in zip(vectors, texts, strict=True):
            if text == "nan":
                vector[0] = float("nan")
        return vectors


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    table = given.pop("table", str(faq.TABLE))
    encoder = Slow()
    encoder.seconds = given.pop("slow", 0)
    run(
        lambda: faq.searcher(table, encoder),
        watch=table,
        limits=Limits(**given.pop("limits", {})),
        **given,
    )
