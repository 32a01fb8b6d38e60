"""Tag every symbol of a sequence: does a run of equal symbols begin, go on or end here?

The loss and the accuracy count real symbols only. Half of what stands in the padded table is
padding; a tagger praised for that would look better than it is.

    python examples/tagger.py
"""

import keras
import numpy as np

import losslayer as ll

PAD, SYMBOLS, TAGS = 0, "abc", "SBME"  # single, begin, middle, end


def sequences(count, longest, seed):
    """Random sequences and their tags, `(batch, time)` each; the tag of padding is -1."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, (count, 1))
    symbols = rng.integers(1, len(SYMBOLS) + 1, (count, longest)).astype("int32")
    symbols[np.arange(longest) >= lengths] = PAD
    bordered = np.pad(symbols, ((0, 0), (1, 1)))
    as_before, as_after = symbols == bordered[:, :-2], symbols == bordered[:, 2:]
    table = np.array([[TAGS.index("S"), TAGS.index("B")], [TAGS.index("E"), TAGS.index("M")]])
    tags = table[as_before.astype(int), as_after.astype(int)]
    return symbols, np.where(symbols == PAD, -1, tags).astype("int32")


def build(dim=32):
    """The model, with its masked loss and accuracy."""
    symbols = keras.Input((None,), dtype="int32", name="symbols")
    tags = keras.Input((None,), dtype="int32", name="tags")
    mask = symbols != PAD
    embedded = keras.layers.Embedding(len(SYMBOLS) + 1, dim, mask_zero=True)(symbols)
    read = keras.layers.Bidirectional(keras.layers.GRU(dim, return_sequences=True))
    logits = keras.layers.Dense(len(TAGS))(read(embedded))

    model = ll.Model(inputs=symbols, outputs=logits, labels=tags)
    model.add_loss(ll.losses.SequenceCrossEntropy()(logits, tags, mask=mask), name="nll")
    model.add_metric(ll.metrics.MaskedAccuracy(), tags, logits, sample_weight=mask)
    return model


def main(examples=2048, longest=16, dim=32, epochs=6, seed=0):
    """Train, evaluate on sequences of their own, and tag one."""
    keras.utils.set_random_seed(seed)
    model = build(dim)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(*sequences(examples, longest, seed), batch_size=64, epochs=epochs, verbose=0)

    symbols, tags = sequences(512, longest, seed + 1)
    numbers = model.evaluate(symbols, tags, batch_size=64, verbose=0, return_dict=True)
    commonest = np.bincount(tags[symbols != PAD]).max() / np.sum(symbols != PAD)
    print(f"nll {numbers['nll']:.3f}, accuracy {numbers['accuracy']:.3f}", end=" ")
    print(f"(always the commonest tag: {commonest:.3f})")
    row = np.argmax(np.sum(symbols != PAD, axis=1))
    guesses = model.predict_on_batch(symbols[row : row + 1])[0].argmax(-1)
    print("".join(SYMBOLS[symbol - 1] for symbol in symbols[row] if symbol != PAD))
    print("".join(TAGS[tag] for tag in guesses[symbols[row] != PAD]))
    return {**numbers, "commonest": commonest}


if __name__ == "__main__":
    main()
