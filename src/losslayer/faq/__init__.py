"""Application 1: a matcher that answers a question with the nearest FAQ entry.

    >>> from losslayer.faq import Matcher
    >>> matcher = Matcher.load("runs/banking77")
    >>> matcher.ask(["my card still isn't here"], top=1)[0][0].id
    'card_arrival'

It is written on losslayer's public names only, so it reads as an example too:
`model.py` is the network and its loss, `triplets.py` what it is trained on.
"""

from losslayer.faq.audit import Audit, audit
from losslayer.faq.entries import Examples, examples, read_examples
from losslayer.faq.matcher import Matcher
from losslayer.faq.reading import read_faq, read_pairs
from losslayer.faq.search import open_searcher
from losslayer.faq.settings import Settings
from losslayer_serve.index import Entry, Hit

__all__ = [
    "Audit",
    "Entry",
    "Examples",
    "Hit",
    "Matcher",
    "Settings",
    "audit",
    "examples",
    "open_searcher",
    "read_examples",
    "read_faq",
    "read_pairs",
]
