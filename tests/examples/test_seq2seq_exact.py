"""The seq2seq recipe reports the same numbers however its data are cut and padded."""

import keras
import numpy as np
import pytest

NAMES = ("loss", "ppl", "accuracy")


@pytest.fixture(scope="module")
def recipe(load_example):
    """The recipe with weights that prefer something, and 71 strings.

    71 is 10 * 7 + 1 and 64 + 7: last batches are cut short, but no new sizes are compiled.
    """
    example = load_example("seq2seq")
    model = example.build(dim=16)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.7, w.shape) for w in model.get_weights()])
    model.compile("adam")
    model.optimizer.build(model.trainable_variables)  # saved unbuilt, it would warn on loading
    source, target = example.strings(71, longest=5, seed=1)
    return example, model, source, target


@pytest.fixture(scope="module")
def expected(recipe):
    """The three numbers by a plain loop over the model's logits, in float64."""
    example, model, source, target = recipe
    logits = model.predict({"source": source, "target": target}, batch_size=71, verbose=0)
    sequence_means, token_losses, hits = [], [], []
    for row, labels in zip(logits.astype("float64"), target[:, 1:]):
        losses = []
        for position, label in zip(row, labels):
            if label == example.PAD:
                continue
            largest = position.max()
            losses.append(largest + np.log(np.sum(np.exp(position - largest))) - position[label])
            hits.append(position.argmax() == label)
        sequence_means.append(np.mean(losses))
        token_losses += losses
    numbers = {
        "loss": np.mean(sequence_means),
        "ppl": np.exp(np.mean(token_losses)),
        "accuracy": np.mean(hits),
    }
    assert abs(np.mean(sequence_means) - np.mean(token_losses)) > 1e-3, "else it shows too little"
    return numbers


def padded(tokens, columns):
    """`tokens` with more columns of padding."""
    return np.pad(tokens, ((0, 0), (0, columns)))


@pytest.mark.parametrize(("more_source", "more_target"), [(0, 0), (3, 6)])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_numbers_depend_neither_on_batch_size_nor_on_padding(
    recipe, expected, batch_size, more_source, more_target
):
    _, model, source, target = recipe
    data = {"source": padded(source, more_source), "target": padded(target, more_target)}
    numbers = model.evaluate(data, batch_size=batch_size, verbose=0, return_dict=True)
    assert {n: numbers[n] for n in NAMES} == pytest.approx(expected, rel=1e-5)


def test_numbers_do_not_depend_on_the_order_of_the_rows(recipe, expected):
    _, model, source, target = recipe
    order = np.argsort(np.sum(target != 0, axis=1))  # batches of short and of long strings
    data = {"source": source[order], "target": target[order]}
    numbers = model.evaluate(data, batch_size=7, verbose=0, return_dict=True)
    assert {n: numbers[n] for n in NAMES} == pytest.approx(expected, rel=1e-5)


def test_loaded_from_its_file_the_recipe_gives_the_same_numbers(recipe, expected, tmp_path):
    _, model, source, target = recipe
    model.save(tmp_path / "seq2seq.keras")
    loaded = keras.saving.load_model(tmp_path / "seq2seq.keras")
    data = {"source": source, "target": target}
    numbers = loaded.evaluate(data, batch_size=71, verbose=0, return_dict=True)
    assert {n: numbers[n] for n in NAMES} == pytest.approx(expected, rel=1e-5)
