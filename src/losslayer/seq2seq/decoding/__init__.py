"""Decoding: from sources to the best outputs, or to samples.

settings.py     what is a choice
batches.py      sources sorted into batches of few shapes
search.py       one step of beam search or sampling, on tensors
constraints.py  which tokens may come next, by what has been said
decoder.py      the loop over steps, and the hypotheses
"""

from losslayer.seq2seq.decoding.decoder import Decoder, Hypothesis
from losslayer.seq2seq.decoding.settings import DecodingSettings

__all__ = ["Decoder", "DecodingSettings", "Hypothesis"]
