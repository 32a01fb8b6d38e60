"""The trained object: what it predicts, scores and measures, against plain loops."""

import dataclasses
import math

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.seq2seq import DecodingSettings, Seq2Seq, pairs
from losslayer.seq2seq.evaluation import set_weights, weights_of
from losslayer.seq2seq.symbols import BEGIN, END

GREEDY = DecodingSettings(beam=1)


def log_p(model, source, target):
    """Log-probabilities of a target's tokens and its end, from the stored logits alone."""
    [ids], [labels] = model.source_tokens([source]), model.target_tokens([target])
    whole = np.array([[BEGIN, *labels, END]], "int32")
    logits = model.models.training.inference([np.array([ids], "int32"), whole])
    logits = keras.ops.convert_to_numpy(logits)[0].astype("float64")
    logits -= logits.max(axis=-1, keepdims=True)
    normal = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return np.array([normal[place, token] for place, token in enumerate([*labels, END])])


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_perplexity_is_the_loop_over_the_logits(trained, dev, rows, monkeypatch):
    """Exact for any batch size, short last batches included."""
    found = [log_p(trained, source, target) for source, target in zip(dev.sources, dev.targets)]
    expected = math.exp(-np.concatenate(found).mean())
    training = dataclasses.replace(trained.settings.training, tokens=8 * rows)
    settings = dataclasses.replace(trained.settings, training=training)
    again = dataclasses.replace(trained, settings=settings)
    assert again.rows(dev).batches(8 * rows).shapes[0][0] <= rows
    assert again.teacher_forced(again.rows(dev))["ppl"] == pytest.approx(expected, rel=1e-6)


def test_scores_are_the_loop_over_the_logits(trained, dev):
    """Sums of log-probabilities, in the order of the pairs."""
    found = trained.score(dev.sources, dev.targets)
    expected = [log_p(trained, s, t).sum() for s, t in zip(dev.sources, dev.targets)]
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
    assert best.score == pytest.approx(
        log_p(trained, "abc", best.text).sum() / ((5 + len(best.tokens) + 1) / 6) ** 0.6, rel=1e-4
    )


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


def test_what_is_saved_is_loaded(trained, dev, tmp_path):
    """The same outputs, scores and figures; the other checkpoints can be asked for."""
    trained.save(tmp_path / "m")
    found = Seq2Seq.load(tmp_path / "m")
    assert found.texts(dev.sources) == trained.texts(dev.sources)
    np.testing.assert_array_equal(
        found.score(dev.sources, dev.targets), trained.score(dev.sources, dev.targets)
    )
    assert (found.settings, found.history, found.metrics) == (
        trained.settings,
        trained.history,
        trained.metrics,
    )
    for name, weights in trained.checkpoints.items():
        other = Seq2Seq.load(tmp_path / "m", checkpoint=name)
        for one, two in zip(weights_of(other.models.training), weights, strict=True):
            np.testing.assert_array_equal(one, two)
    with pytest.raises(ll.ArgumentError, match="`checkpoint` must be one of"):
        Seq2Seq.load(tmp_path / "m", checkpoint="first")
    names = {path.name for path in (tmp_path / "m").iterdir()}
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


def test_an_ensemble_has_the_mean_of_the_probabilities(trained, dev):
    """Each token's probability is the mean of the models', also in the perplexity."""
    other = dataclasses.replace(trained, models=trained.models)
    last = Seq2SeqWith(trained, trained.checkpoints["last"], noise=0.3)
    both = trained.together([last])
    assert trained.together([other]).texts(dev.sources[:4], GREEDY) == trained.texts(
        dev.sources[:4], GREEDY
    )
    tokens = []
    for source, target in zip(dev.sources, dev.targets):
        of_each = [log_p(model, source, target) for model in (trained, last)]
        tokens.append(np.logaddexp(*of_each) - np.log(2))
    expected = [row.sum() for row in tokens]
    np.testing.assert_allclose(both.score(dev.sources, dev.targets), expected, rtol=1e-4)
    figures = both.teacher_forced(both.rows(dev))
    assert figures["ppl"] == pytest.approx(math.exp(-np.concatenate(tokens).mean()), rel=1e-5)


def Seq2SeqWith(model, weights, noise=0.0):
    """A model like another, with weights of its own."""
    from losslayer.seq2seq.training import new_models

    source, target = model.source_tokens, model.target_tokens
    made = Seq2Seq(new_models(model.settings, source, target), source, target, model.settings)
    rng = np.random.default_rng(0)
    noisy = [(w + noise * rng.normal(size=w.shape)).astype(w.dtype) for w in weights]
    set_weights(made.models.training, noisy if noise else weights)
    return made


def test_the_average_of_models(trained):
    """Each weight is the mean; models with other tokens are refused."""
    others = [Seq2SeqWith(trained, trained.checkpoints["last"], noise) for noise in (0, 0.5)]
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


def test_the_model_passes_its_own_check(trained, dev, lines):
    """At the end of the training, and when asked; a damaged one is told."""
    assert trained.metrics["self_check"]["rows"] == 30
    assert any(line.startswith("self-check over 30 pairs") for line in lines)
    assert trained.check(dev, rows=5).rows == 5
