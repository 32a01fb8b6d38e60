"""The trained object: what it predicts, scores and measures, against plain loops."""

import dataclasses
import math

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.seq2seq import DecodingSettings, Seq2Seq, pairs
from losslayer.seq2seq.evaluation import set_weights, weights_of
from losslayer.seq2seq.training import new_models
from losslayer.text import pad

GREEDY = DecodingSettings(beam=1)


def log_p(logits, targets):
    """Log-probabilities of each target's tokens and its end: a loop over logits."""
    found = []
    for of_row, row in zip(logits.astype("float64"), targets):
        said = []
        for of_place, token in zip(of_row, row[1:]):
            if token:
                peak = of_place.max()
                said.append(of_place[token] - peak - math.log(np.exp(of_place - peak).sum()))
        found.append(np.array(said))
    return found


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_perplexity_is_the_loop_over_the_logits(trained, dev, rows, logits):
    """Exact for any batch size, short last batches included."""
    expected = math.exp(-np.concatenate(log_p(*logits)).mean())
    training = dataclasses.replace(trained.settings.training, tokens=8 * rows)
    settings = dataclasses.replace(trained.settings, training=training)
    again = dataclasses.replace(trained, settings=settings)  # the same network
    assert again.rows(dev).batches(8 * rows).shapes[0][0] <= rows
    assert again.teacher_forced(again.rows(dev))["ppl"] == pytest.approx(expected, rel=1e-6)


def test_scores_are_the_loop_over_the_logits(trained, dev, logits):
    """Sums of log-probabilities, in the order of the pairs."""
    found = trained.score(dev.sources, dev.targets)
    expected = [row.sum() for row in log_p(*logits)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_evaluate_measures_what_predict_says(trained, dev):
    """The share of wrong outputs, counted by hand; the four figures of `fit` are there too."""
    figures = trained.evaluate(dev)
    outputs = trained.texts(dev.sources)
    wrong = sum(output != target for output, target in zip(outputs, dev.targets))
    assert figures["wer"] == pytest.approx(100 * wrong / len(dev))
    assert {"nll", "ppl", "accuracy", "sequence_accuracy", "per", "bleu", "chrf"} < figures.keys()
    assert figures["left_out"] == 0
    # The greedy output is right exactly where each token is the likeliest after the right ones.
    assert figures["sequence_accuracy"] == pytest.approx(1 - wrong / len(dev))


def test_predictions_have_tokens_and_attention(trained):
    """As many rows of attention as output tokens, each a distribution over the source."""
    [[best]] = trained.predict(["abc"], DecodingSettings(beam=1, attention=True))
    assert best.source_tokens == ["a", "b", "c"]
    assert " ".join(best.tokens) == best.text
    assert best.attention.shape == (len(best.tokens), 3)
    np.testing.assert_allclose(best.attention.sum(axis=1), 1, rtol=1e-4)
    [score] = trained.score(["abc"], [best.text])
    penalty = ((5 + len(best.tokens) + 1) / 6) ** 0.6
    assert best.score == pytest.approx(score / penalty, rel=1e-4)


@pytest.mark.slow
def test_prefixes_and_allowed_outputs(trained):
    """Outputs begin as they must, or are one of those given."""
    texts = [best.text for [best] in trained.predict(["abc", "d"], GREEDY, prefixes=["D D", "A"])]
    assert [text[:3].strip() for text in texts] == ["D D", texts[1][:3].strip()]
    assert texts[1].startswith("A")
    [[best]] = trained.predict(["abc"], GREEDY, allowed=["D C B A", "B B"])
    assert best.text in ("D C B A", "B B")


def test_wrong_sources(trained):
    """A text instead of a list, a blank text; one that is too long is cut, with a warning."""
    with pytest.raises(ll.ArgumentTypeError, match="`sources` must be a list of texts"):
        trained.predict("abc")
    with pytest.raises(ll.ArgumentError, match="blank. Received: a blank one at place 1"):
        trained.predict(["a", "  "])
    with pytest.warns(UserWarning, match="1 of 2 sources have more than 12 tokens and are cut"):
        texts = trained.texts(["a", "abcd" * 5], GREEDY)
    assert texts == trained.texts(["a", ("abcd" * 5)[:12]], GREEDY)


def test_long_pairs_are_counted(trained):
    """In figures with the right targets they are left out, and the result says so."""
    mixed = pairs(["ab", "abcd" * 5, "c"], ["A B", "A B", " ".join("C" * 30)])
    with pytest.warns(UserWarning, match="1 of 3 sources"):
        figures = trained.evaluate(mixed, GREEDY)
    assert figures["left_out"] == 2
    only = trained.teacher_forced(trained.rows(pairs(["ab"], ["A B"])))
    assert figures["ppl"] == pytest.approx(only["ppl"], rel=1e-6)
    assert trained.rows(mixed).report == (
        "the pairs: 2 of 3 pairs left out because a text has more than 12 tokens (the longest has "
        "30)"
    )


def test_what_is_saved_is_loaded(trained, command, tmp_path):
    """Weights, settings and figures; the other checkpoints can be asked for."""
    folder = command[0] / "m"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "losslayer-manifest.json",
        "spec.json",
        "weights.safetensors",
        "last.safetensors",
        "average.safetensors",
        "source_tokenizer.json",
        "target_tokenizer.json",
        "config.toml",
        "metrics.json",
        "history.json",
        "curves.png",
    }
    trained.save(tmp_path / "m")
    found = Seq2Seq.load(tmp_path / "m")
    for one, two in zip(*(weights_of(m.models.training) for m in (found, trained)), strict=True):
        np.testing.assert_array_equal(one, two)
    for name in ("settings", "history", "metrics", "checkpoint"):
        assert getattr(found, name) == getattr(trained, name)
    assert found.source_tokens.digest() == trained.source_tokens.digest()
    last, mean, best = (
        weights_of(Seq2Seq.load(folder, name).models.training)
        for name in ("last", "average", "best")
    )
    assert all(np.array_equal(a, b) for a, b in zip(best, weights_of(trained.models.training)))
    assert not all(np.array_equal(a, b) for a, b in zip(last, mean))
    with pytest.raises(ll.ArgumentError, match="`checkpoint` must be one of"):
        Seq2Seq.load(folder, checkpoint="first")


@pytest.mark.slow
def test_an_ensemble_has_the_mean_of_the_probabilities(trained, dev, logits):
    """Each token's probability is the mean of the models', also in the perplexity."""
    assert trained.together([trained]).texts(dev.sources) == trained.texts(dev.sources)
    other = like(trained, noise=0.3)
    both = trained.together([other])
    found = trained.rows(dev)
    arrays = [pad(rows, 8) for rows in (found.sources, found.targets)]
    others = keras.ops.convert_to_numpy(other.models.training.inference(arrays))
    of_each = zip(log_p(*logits), log_p(others, logits[1]))
    tokens = [np.logaddexp(one, two) - np.log(2) for one, two in of_each]
    scores = both.score(dev.sources, dev.targets)
    np.testing.assert_allclose(scores, [row.sum() for row in tokens], rtol=1e-4)
    figures = both.teacher_forced(found)
    assert figures["ppl"] == pytest.approx(math.exp(-np.concatenate(tokens).mean()), rel=1e-5)


def like(model, noise=0.0):
    """A model like another, with other weights."""
    source, target = model.source_tokens, model.target_tokens
    made = Seq2Seq(new_models(model.settings, source, target), source, target, model.settings)
    rng = np.random.default_rng(0)
    weights = weights_of(model.models.training)
    noisy = [(w + noise * rng.normal(size=w.shape)).astype(w.dtype) for w in weights]
    set_weights(made.models.training, noisy if noise else weights)
    return made


def test_the_average_of_models(trained):
    """Each weight is the mean; models with other tokens are refused."""
    others = [like(trained, noise) for noise in (0, 0.5)]
    expected = [
        np.mean(pair, axis=0) for pair in zip(*(weights_of(m.models.training) for m in others))
    ]
    others[0].average(others[1:])
    for found, right in zip(weights_of(others[0].models.training), expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-6)
    stranger = dataclasses.replace(trained, source_tokens=trained.target_tokens)
    with pytest.raises(
        ll.ArgumentError, match="must have the same tokens. Received: model number 2"
    ):
        trained.average([stranger])
    with pytest.raises(ll.ArgumentError, match="must have the same tokens"):
        trained.together([stranger])


@pytest.mark.slow
def test_the_model_passes_its_own_check(trained, dev):
    """When it is asked; at the end of a training `test_training.py` has it."""
    assert trained.check(dev, rows=5).rows == 5
