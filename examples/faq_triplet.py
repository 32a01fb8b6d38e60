"""Find the answer to a question, trained on triplets: question, right answer, wrong answer.

One embedding and one LSTM read all three texts; a Dense layer on the question alone turns
questions towards their answers. Trained twice from the same start: with the loss as the output of
a plain `keras.Model`, and with `ll.Model`, where the loss has a name and no `y` is needed.

    python examples/faq_triplet.py
"""

import keras
import numpy as np

import losslayer as ll

# What the answers call it, and what people say.
VERBS = {"renew": ("renew", "extend"), "cancel": ("cancel", "stop"), "share": ("share", "lend")}
NOUNS = {"ticket": ("ticket", "pass"), "card": ("card", "badge"), "locker": ("locker", "box")}
TRAIN_FORMS = ("how do i {} my {}", "i want to {} a {} please", "{} the {}")
TEST_FORMS = ("how can i {} the {} today",)
PAIRS = [(verb, noun) for verb in VERBS for noun in NOUNS]
ANSWERS = [f"under {noun} settings press {verb}" for verb, noun in PAIRS]


def questions(forms):
    """Every way to ask for every answer, and the number of the answer."""
    return [
        (form.format(said_verb, said_noun), number)
        for form in forms
        for number, (verb, noun) in enumerate(PAIRS)
        for said_verb in VERBS[verb]
        for said_noun in NOUNS[noun]
    ]


TEXTS = ANSWERS + [question for question, _ in questions(TRAIN_FORMS)]
WORDS = {word: i + 1 for i, word in enumerate(sorted(set(" ".join(TEXTS).split())))}


def ids(texts, time=8):
    """Word numbers, `(batch, time)`, 0 behind the last; words never trained on are left out."""
    rows = [[WORDS[word] for word in text.split() if word in WORDS] for text in texts]
    return np.array([row + [0] * (time - len(row)) for row in rows], "int32")


def triplets(repeats, seed):
    """Questions with their right answer and a random wrong one, by the names of the inputs."""
    rng = np.random.default_rng(seed)
    texts, numbers = zip(*questions(TRAIN_FORMS) * repeats)
    right = np.array(numbers)
    wrong = (right + rng.integers(1, len(ANSWERS), len(right))) % len(ANSWERS)
    order, answers = rng.permutation(len(right)), ids(ANSWERS)
    data = {"question": ids(texts), "right": answers[right], "wrong": answers[wrong]}
    return {name: array[order] for name, array in data.items()}


def build(dim, margin=0.3):
    """The graph: three inputs, the encoded question and answer, the loss."""
    question, right, wrong = (
        keras.Input((None,), dtype="int32", name=name) for name in ("question", "right", "wrong")
    )
    embed = keras.layers.Embedding(len(WORDS) + 1, dim, mask_zero=True)
    encode = keras.Sequential([embed, keras.layers.LSTM(dim)])
    query, answer = keras.layers.Dense(dim)(encode(question)), encode(right)
    triplet = ll.losses.TripletMargin(margin)(query, answer, encode(wrong))
    return [question, right, wrong], query, answer, triplet


def answered(question_encoder, answer_encoder, texts):
    """The number of the answer nearest to each question."""
    answers = answer_encoder.predict_on_batch(ids(ANSWERS))
    answers /= np.linalg.norm(answers, axis=-1, keepdims=True)
    return np.argmax(question_encoder.predict_on_batch(ids(texts)) @ answers.T, axis=-1)


def main(repeats=6, epochs=6, dim=32, seed=0):
    """Train both ways and print how often the nearest answer is the right one."""
    data = triplets(repeats, seed)
    results = {}
    for way in ("loss as output", "ll.Model"):
        keras.utils.set_random_seed(seed)
        inputs, query, answer, (values, weights) = build(dim)
        if way == "loss as output":
            model, y = keras.Model(inputs, values), np.zeros(len(data["question"]))
            model.compile(keras.optimizers.Adam(0.01), loss=ll.losses.identity)
        else:
            model, y = ll.Model(inputs, query), None
            model.add_loss((values, weights), name="triplet")
            model.compile(keras.optimizers.Adam(0.01))
        fitted = model.fit(data, y, batch_size=36, epochs=epochs, shuffle=False, verbose=0)

        # Ordinary Keras: both encoders are cut out of the graph and share its weights.
        encoders = keras.Model(inputs[0], query), keras.Model(inputs[1], answer)
        texts, numbers = zip(*questions(TEST_FORMS))
        guesses = answered(*encoders, texts)
        losses, accuracy = fitted.history["loss"], np.mean(guesses == numbers)
        print(f"{way:>14}: loss {losses[0]:.3f} -> {losses[-1]:.3f}, accuracy@1 {accuracy:.2f}")
        results[way] = {"losses": losses, "accuracy": accuracy}
    print(f"{'chance':>14}: accuracy@1 {1 / len(ANSWERS):.2f}")
    print(f"{texts[-1]!r} -> {ANSWERS[guesses[-1]]!r}")
    return results


if __name__ == "__main__":
    main()
