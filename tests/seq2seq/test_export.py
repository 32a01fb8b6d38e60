"""The model as ONNX files: they say what the model says, or there are none."""

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.saving import ExportError, session
from losslayer.seq2seq import export
from losslayer.seq2seq.check import SelfCheckError, self_check
from losslayer.seq2seq.decoding import DecodingSettings
from losslayer.seq2seq.exported import FILES, SCORER, Exported
from losslayer.seq2seq.parity import compare, golden_pairs
from losslayer.seq2seq.symbols import BEGIN, COUNT, END, UNKNOWN
from losslayer_serve.errors import FolderError
from tests.seq2seq.conftest import (
    EACH_KIND,
    KINDS,
    SOURCES,
    VOCABULARY,
    compiles,
    decoder,
    log_probabilities,
    log_softmax,
    logits_of,
    make,
    padded,
)

TARGETS = [[4, 5, 6, 6], [], [5, 4] * 3]
LONGER = 15  # than any source or target of the golden pairs


def spec_of(models):
    """What the exporting process is told of a model."""
    sizes = [models.source_vocabulary, models.target_vocabulary]
    return {"settings": vars(models.settings), "vocabularies": sizes}


def louder(spec):
    """The parts, but the scorer says a hundredth more."""
    found = export.graphs(spec)
    scorer = found.parts[SCORER]
    scores = {name: 1.01 * tensor for name, tensor in scorer.output.items()}
    return found._replace(parts={**found.parts, SCORER: keras.Model(scorer.input, scores)})


@pytest.mark.parametrize("longest", [1, 2, 5, 64])
def test_golden_pairs_have_many_shapes(longest):
    """From one token to the longest on either side, the first row of a batch without padding."""
    found = golden_pairs(12, VOCABULARY, longest)
    assert {source.shape[1] for source, _ in found} >= {1, longest}
    assert {target.shape[1] - 2 for _, target in found} >= {1, longest}
    assert [len(source) for source, _ in found] == [1, 3, 2, 5]
    for source, target in found:
        assert source.dtype == target.dtype == np.int32
        assert (source.max() < 12, target.max() < VOCABULARY) == (True, True)
        assert (source[0] >= COUNT).all()
        for row in target:
            last = np.count_nonzero(row) - 1
            assert (row[0], row[last], row[last + 1 :].any()) == (BEGIN, END, False)


@compiles
@pytest.mark.parametrize("kind", EACH_KIND)
def test_the_parts_are_the_model(of_kind, kind):
    """On the engine that runs here, with its own weights: scores, and what follows a prefix."""
    models = of_kind(kind)
    parts = export.graphs(spec_of(models))
    parts.whole.set_weights(models.training.get_weights())
    targets = [[BEGIN, *ids, END] for ids in TARGETS]
    source, target = padded(SOURCES), padded(targets)

    def run(name, **given):
        found = parts.parts[name](given)
        return {name: keras.ops.convert_to_numpy(tensor) for name, tensor in found.items()}

    scores = run("scorer", source=source, target=target)["log_probability"]
    expected = [log_probabilities(models, s, [t])[0] for s, t in zip(SOURCES, TARGETS)]
    np.testing.assert_allclose(scores.sum(axis=1), expected, rtol=1e-5)
    assert not scores[1, 1:].any()
    memory = run("encoder", source=source)
    for place in (0, 3):
        logits = run("decoder", prefix=target[:, : place + 1], **memory)["logits"]
        right = logits_of(models, SOURCES, targets)[:, place]
        there = target[:, place] != 0
        np.testing.assert_allclose(logits[there], right[there], rtol=1e-4, atol=1e-5)


def test_files_that_are_missing_are_named(tmp_path):
    """With the command that writes them."""
    for name in FILES[:-1]:
        (tmp_path / name).touch()
    with pytest.raises(FolderError, match=r"holds no decoder.onnx. Run: losslayer seq2seq export"):
        Exported(tmp_path)
    (tmp_path / FILES[-1]).write_text("no graph")
    with pytest.raises(ExportError, match=r"decoder.onnx: can't be read by ONNX Runtime"):
        Exported(tmp_path).logits(np.ones((1, 1), "int32"), {})


def test_nothing_to_compare_with_is_refused(tmp_path, transformer):
    """It would prove nothing."""
    with pytest.raises(ll.ArgumentError, match="`golden` must have a batch"):
        export.export_models(tmp_path, transformer, [])


@pytest.fixture(scope="module")
def exported(of_kind, tmp_path_factory):
    """The files of a model of each kind, written when they are first asked for."""
    made: dict = {}

    def files(kind):
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            made[kind] = folder, export.export_models(folder, of_kind(kind))
        return made[kind]

    return files


def greedy(files, source, longest):
    """What the documentation says: the likeliest next token, over and over."""
    memory, prefix = files.memory(padded([source])), np.array([[BEGIN]], "int32")
    while prefix.shape[1] <= longest:
        logits = files.logits(prefix, memory)
        logits[:, [0, UNKNOWN, BEGIN]] = -np.inf
        best = logits.argmax(axis=-1).astype("int32")
        if best[0] == END:
            break
        prefix = np.concatenate([prefix, best[:, None]], axis=1)
    return prefix[0, 1:].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_files_say_what_the_model_says(of_kind, exported, kind):
    """At shapes that the export has not seen; and greedy decoding finds the same outputs."""
    models, (folder, parity) = of_kind(kind), exported(kind)
    files = Exported(folder)
    assert max(parity.score, parity.padding, parity.next_token) <= 1e-4
    assert (parity.rows, len(parity.shapes)) == (11, 4)

    generator = np.random.default_rng(1)
    sources = [generator.integers(4, 12, n).tolist() for n in (LONGER, 3, 8, 1, 1, 2)]
    targets = [generator.integers(4, VOCABULARY, n).tolist() for n in (2, LONGER, 0, 1, 9, 4)]
    batch = padded(sources), padded([[BEGIN, *ids, END] for ids in targets])
    log_p = log_softmax(models.training.predict_on_batch(dict(zip(("source", "target"), batch))))
    expected = [
        sum(log_p[row, place, token] for place, token in enumerate([*ids, END]))
        for row, ids in enumerate(targets)
    ]
    np.testing.assert_allclose(files(sources, targets), expected, rtol=1e-5)
    np.testing.assert_allclose(
        files.token_scores(*batch).sum(axis=1), expected, rtol=1e-5, err_msg="in one batch"
    )
    settings = DecodingSettings(beam=1, longest=10, must_not=(UNKNOWN,))
    found = decoder(models, settings).decode(sources)
    assert [greedy(files, source, 10) for source in sources] == [h.ids for [h] in found]


@pytest.mark.slow
def test_the_sizes_have_names(exported):
    """So that who looks at a file sees what may be of any size."""
    run = session(exported("transformer")[0] / "decoder.onnx")
    shapes = {value.name: value.shape for value in (*run.get_inputs(), *run.get_outputs())}
    assert shapes["prefix"] == ["batch", "prefix_time"]
    assert shapes["keys_1"] == ["batch", 2, "source_time", 8]
    assert shapes["logits"] == ["batch", VOCABULARY]


@pytest.mark.slow
def test_the_self_check_asks_the_files(of_kind, exported):
    """And tells those of another model, or of one whose weights have changed since."""
    files = Exported(exported("transformer")[0])
    report = self_check(of_kind("transformer"), SOURCES, TARGETS, exported=files)
    assert report.exported < 1e-5
    with pytest.raises(SelfCheckError, match=r"exported: scores differ by [\d.]+ per token"):
        self_check(make(seed=1, **KINDS["transformer"]), SOURCES, TARGETS, exported=files)


@pytest.mark.slow
def test_a_difference_is_told_with_its_place(exported):
    """The part, the batch, the row, the number; and NaN is a difference."""
    files, golden = Exported(exported("transformer")[0]), golden_pairs(12, VOCABULARY, 12)
    other = make(seed=1, **KINDS["transformer"])
    message = (
        r"scorer.onnx: says something else than the model \(score\). For row 0 of batch 0, of the "
        r"shapes \(1, 1, 7\), log-probabilities differ by [\d.]+, at most 0.0001 is allowed. "
        r"Its source is \[\d+\], its target \[2, .*3\]"
    )
    with pytest.raises(ExportError, match=message):
        compare(other, files, golden)
    other.training.weights[0].assign(np.full(other.training.weights[0].shape, np.nan))
    with pytest.raises(ExportError, match="differ by nan"):
        compare(other, files, golden)
