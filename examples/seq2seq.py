"""Learn to reverse strings of digits: an encoder and a decoder, trained by teacher forcing.

Source and target are the only inputs. What the decoder reads and what it should say are the same
target, shifted by one inside the graph. Padding counts nowhere: the numbers are the same for any
batch size and any number of padding columns.

    python examples/seq2seq.py
"""

import keras
import numpy as np

import losslayer as ll

PAD, START, END = 0, 1, 2
FIRST_DIGIT = 3  # "0" is 3, "1" is 4, ...


def strings(count, longest, seed):
    """Random strings of digits as token numbers: source `(batch, time)`, reversed target."""
    rng = np.random.default_rng(seed)
    source = np.full((count, longest), PAD, "int32")
    target = np.full((count, longest + 2), PAD, "int32")
    for row, length in enumerate(rng.integers(1, longest + 1, count)):
        digits = rng.integers(FIRST_DIGIT, FIRST_DIGIT + 10, length)
        source[row, :length] = digits
        target[row, : length + 2] = [START, *digits[::-1], END]
    return source, target


def build(dim=64, vocab=FIRST_DIGIT + 10):
    """The model, with its losses and metrics."""
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    read, labels = target[:, :-1], target[:, 1:]
    mask = labels != PAD

    embed = keras.layers.Embedding(vocab, dim, mask_zero=True)
    encode = keras.layers.Bidirectional(keras.layers.GRU(dim // 2, return_sequences=True))
    memory = encode(embed(source))
    states = keras.layers.GRU(dim, return_sequences=True)(embed(read))
    found = keras.layers.Attention()([states, memory])
    hidden = keras.layers.Dense(dim, "relu")(keras.layers.Concatenate()([states, found]))
    logits = keras.layers.Dense(vocab)(hidden)

    per_sequence = ll.losses.SequenceCrossEntropy(per="sequence")(logits, labels, mask=mask)
    per_token = ll.losses.SequenceCrossEntropy()(logits, labels, mask=mask)
    model = ll.Model(inputs=[source, target], outputs=logits)
    model.add_loss(per_sequence, name="nll")
    model.add_metric(ll.metrics.Perplexity(), per_token, name="ppl")
    model.add_metric(ll.metrics.MaskedAccuracy(), labels, logits, sample_weight=mask)
    return model


def decode(model, source, steps):
    """The likeliest next token, `steps` times: `(batch, steps)`."""
    target = np.full((len(source), steps + 1), PAD, "int32")
    target[:, 0] = START
    for step in range(steps):
        logits = model.predict_on_batch({"source": source, "target": target})
        target[:, step + 1] = logits[:, step].argmax(-1)
    return target[:, 1:]


def text(tokens):
    """Token numbers as a string, up to the end."""
    tokens = list(tokens)
    end = tokens.index(END) if END in tokens else len(tokens)
    return "".join(str(token - FIRST_DIGIT) for token in tokens[:end] if token >= FIRST_DIGIT)


def main(examples=4096, longest=6, dim=64, epochs=5, seed=0):
    """Train, evaluate on strings of their own, and reverse a few of them."""
    keras.utils.set_random_seed(seed)
    model = build(dim)
    model.compile(keras.optimizers.Adam(0.01))
    source, target = strings(examples, longest, seed)
    model.fit({"source": source, "target": target}, batch_size=64, epochs=epochs, verbose=0)

    source, target = strings(256, longest, seed + 1)
    data = {"source": source, "target": target}
    numbers = model.evaluate(data, batch_size=64, verbose=0, return_dict=True)
    said = [text(row) for row in decode(model, source, longest + 1)]
    right = np.mean([word == text(row) for word, row in zip(said, target)])
    print(", ".join(f"{name} {value:.3f}" for name, value in numbers.items()))
    print(f"decoded, whole string right: {right:.2f}")
    for row, word in zip(source[:3], said):
        print(f"  {text(row)} -> {word}")
    return {**numbers, "right": right}


if __name__ == "__main__":
    main()
