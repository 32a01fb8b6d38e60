"""Application 3: a tagger of words, and of the characters of text that is to be cut into words.

    >>> from losslayer.tag import Tagger, read
    >>> tagger = Tagger.train(read("train.conll"), read("dev.conll"))
    >>> tagger.predict([["Rome", "fell"]])
    [['B-LOC', 'O']]

It is written on losslayer's public names only, so it reads as an example too: `model.py` is the
network and its loss.
"""

from losslayer.tag.measures import measures
from losslayer.tag.reading import read
from losslayer.tag.sentences import Chunk, Sentence, chunks, from_words
from losslayer.tag.settings import Settings
from losslayer.tag.tagger import Tagger

__all__ = ["Chunk", "Sentence", "Settings", "Tagger", "chunks", "from_words", "measures", "read"]
