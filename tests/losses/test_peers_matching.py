"""Losses for matching and ranking, against those of other libraries: values and gradients."""

import importlib

import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer import backend
from losslayer.core.reduction import mean, total_and_weight

torch = pytest.importorskip("torch", reason="peers are written in PyTorch")

ROWS, DIM = 24, 6
GROUPS = np.repeat(np.arange(8), 3)  # of three: all anchors have as many triplets


@pytest.fixture
def metric_learning():
    """pytorch-metric-learning."""
    reason = "pytorch-metric-learning is not installed"
    peer = pytest.importorskip("pytorch_metric_learning", reason=reason)
    for part in ("distances", "losses", "miners", "reducers"):
        importlib.import_module(f"pytorch_metric_learning.{part}")
    return peer


@pytest.fixture
def sentence_losses():
    """The losses of sentence-transformers, which also take embeddings."""
    reason = "sentence-transformers is not installed"
    pytest.importorskip("sentence_transformers", reason=reason)
    from sentence_transformers.sentence_transformer import losses

    return losses


def arrays(*shapes, seed=0):
    """Normally distributed, an array for each shape."""
    random = np.random.default_rng(seed)
    return [random.normal(size=shape).astype("float32") for shape in shapes]


def require_equal(ours, peer, leaves):
    """The same mean and the same gradient by each of `leaves`."""
    run = backend.value_and_gradient(lambda tensors: mean(*total_and_weight(*ours(*tensors))))
    value, gradients = run(leaves)
    tensors = [torch.tensor(leaf, requires_grad=True) for leaf in leaves]
    expected = peer(*tensors)
    expected.backward()
    np.testing.assert_allclose(value, expected.item(), rtol=1e-5)
    for gradient, tensor in zip(gradients, tensors):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-5, atol=1e-6)


# Triplets


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_triplet_margin_is_that_of_torch(metric):
    """Cosines, and distances, given."""
    layer, distance = ll.losses.TripletMargin(0.4), None
    if metric == "cosine":

        def distance(a, b):
            return 1 - torch.nn.functional.cosine_similarity(a, b)

    else:
        layer = ll.losses.TripletMargin(0.4, similarity=MinusDistance())
        distance = torch.nn.PairwiseDistance(eps=0)

    def peer(*tensors):
        return torch.nn.functional.triplet_margin_with_distance_loss(
            *tensors, distance_function=distance, margin=0.4
        )

    require_equal(layer, peer, arrays(*[(ROWS, DIM)] * 3))


class MinusDistance(ll.losses.EuclideanDistance):
    """Larger is nearer."""

    def call(self, a, b):
        return -super().call(a, b)


def test_triplet_margin_is_that_of_sentence_transformers(sentence_losses):
    """With Euclidean distances, its default."""
    peer = sentence_losses.TripletLoss(None, triplet_margin=0.7)
    layer = ll.losses.TripletMargin(0.7, similarity=MinusDistance())
    leaves = arrays(*[(ROWS, DIM)] * 3)
    require_equal(layer, lambda *t: peer.compute_loss_from_embeddings(t, None), leaves)


@pytest.mark.parametrize("mining", ["all", "hard"])
def test_mined_triplets_are_those_of_metric_learning(metric_learning, mining):
    """All triplets of a batch, and the hardest of each anchor."""
    loss = metric_learning.losses.TripletMarginLoss(
        margin=0.3,
        distance=metric_learning.distances.CosineSimilarity(),
        reducer=metric_learning.reducers.MeanReducer(),
    )
    miner = metric_learning.miners.BatchHardMiner(
        distance=metric_learning.distances.CosineSimilarity()
    )
    groups = torch.tensor(GROUPS)

    def peer(embeddings):
        return loss(embeddings, groups, miner(embeddings, groups) if mining == "hard" else None)

    layer = ll.losses.MinedTripletMargin(0.3, mining)
    require_equal(lambda e: layer(e, ops.convert_to_tensor(GROUPS)), peer, arrays((ROWS, DIM)))


def test_semihard_pairs_are_those_of_metric_learning(metric_learning):
    """In groups of two, the nearest wrong one that is less near; here all have one."""
    distance = metric_learning.distances.CosineSimilarity()
    miner = metric_learning.miners.BatchEasyHardMiner(
        pos_strategy="hard", neg_strategy="semihard", distance=distance
    )
    reducer = metric_learning.reducers.MeanReducer()
    loss = metric_learning.losses.TripletMarginLoss(margin=0.3, distance=distance, reducer=reducer)
    pairs = np.repeat(np.arange(ROWS // 2), 2)
    groups = torch.tensor(pairs)

    def peer(embeddings):
        found = miner(embeddings, groups)
        assert len(found[0]) == ROWS
        return loss(embeddings, groups, found)

    layer = ll.losses.MinedTripletMargin(0.3, "semihard")
    (embeddings,) = arrays((ROWS, DIM))
    embeddings[1::2] = embeddings[::2] + embeddings[1::2] / 2  # no right one behind all wrong ones
    require_equal(lambda e: layer(e, ops.convert_to_tensor(pairs)), peer, [embeddings])


@pytest.mark.parametrize("mining", ["hard", "semihard"])
def test_mined_triplets_are_those_of_sentence_transformers(sentence_losses, mining):
    """With cosine distances; semi-hard ones with its second choice where all are nearer."""
    hard = sentence_losses.BatchHardTripletLoss
    distances = sentence_losses.BatchHardTripletLossDistanceFunction.cosine_distance
    loss = {"hard": hard, "semihard": sentence_losses.BatchSemiHardTripletLoss}[mining]
    peer = loss(None, distance_metric=distances, margin=0.3)
    groups = torch.tensor(GROUPS)
    layer = ll.losses.MinedTripletMargin(0.3, mining)
    require_equal(
        lambda e: layer(e, ops.convert_to_tensor(GROUPS)),
        lambda e: peer.compute_loss_from_embeddings([e], groups),
        arrays((ROWS, DIM)),
    )


# Pairs


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_contrastive_is_that_of_sentence_transformers(sentence_losses, metric):
    """With either distance."""
    labels = np.random.default_rng(1).integers(0, 2, ROWS)
    metrics = sentence_losses.SiameseDistanceMetric
    if metric == "cosine":
        cosine, measure = ll.losses.CosineSimilarity(), metrics.COSINE_DISTANCE

        def distance(a, b):
            return 1 - cosine(a, b)

    else:

        def measure(a, b):  # its own adds 1e-6 to each difference
            return torch.nn.functional.pairwise_distance(a, b, eps=0)

        distance = ll.losses.EuclideanDistance()
    peer = sentence_losses.ContrastiveLoss(None, distance_metric=measure, margin=1.2)
    layer = ll.losses.Contrastive(margin=1.2)
    require_equal(
        lambda a, b: layer(distance(a, b), ops.convert_to_tensor(labels)),
        lambda *t: peer.compute_loss_from_embeddings(t, torch.tensor(labels)),
        arrays((ROWS, DIM), (ROWS, DIM)),
    )


@pytest.mark.parametrize("graded", [False, True])
def test_cosent_is_that_of_sentence_transformers(sentence_losses, graded):
    """With targets that differ, and with few grades."""
    random = np.random.default_rng(2)
    targets = random.integers(0, 4, ROWS) if graded else random.uniform(size=ROWS)
    targets = targets.astype("float32")
    cosine, layer = ll.losses.CosineSimilarity(), ll.losses.CoSENT()
    peer = sentence_losses.CoSENTLoss(None)
    require_equal(
        lambda a, b: layer(cosine(a, b), ops.convert_to_tensor(targets)),
        lambda *t: peer.compute_loss_from_embeddings(t, torch.tensor(targets)),
        arrays((ROWS, DIM), (ROWS, DIM)),
    )


# Ranking


@pytest.mark.parametrize("negatives", [1, 3])
def test_margin_mse_is_that_of_sentence_transformers(sentence_losses, negatives):
    """With one negative and with several, scores are products."""
    shape = (ROWS,) if negatives == 1 else (ROWS, negatives)
    (targets,) = arrays(shape, seed=3)
    peer, layer = sentence_losses.MarginMSELoss(None), ll.losses.MarginMSE()

    def ours(query, positive, *wrong):
        scores = [ops.sum(query * answer, axis=-1) for answer in (positive, *wrong)]
        negative = scores[1] if negatives == 1 else ops.stack(scores[1:], axis=1)
        return layer(scores[0], negative, ops.convert_to_tensor(targets))

    require_equal(
        ours,
        lambda *t: peer.compute_loss_from_embeddings(list(t), torch.tensor(targets)),
        arrays(*[(ROWS, DIM)] * (2 + negatives)),
    )


def test_list_softmax_is_cross_entropy_with_probabilities():
    """That of torch, with the targets' shares; where candidates are masked, without them."""
    random = np.random.default_rng(4)
    targets = random.integers(0, 4, (ROWS, 9)).astype("float32")
    targets[:, 0] += 1
    mask = random.uniform(size=targets.shape) < 0.7
    mask[:, 0] = True
    layer, counted = ll.losses.ListSoftmax(), targets * mask

    def peer(scores):
        scores = torch.where(torch.tensor(mask), scores, -torch.inf)
        shares = torch.tensor(counted / counted.sum(axis=1, keepdims=True))
        terms = torch.where(shares > 0, shares * torch.log_softmax(scores, dim=1), 0.0)
        return -terms.sum() / ROWS

    require_equal(
        lambda s: layer(s, ops.convert_to_tensor(targets), mask=ops.convert_to_tensor(mask)),
        peer,
        arrays(targets.shape),
    )


# Classes


@pytest.mark.parametrize("turned", [False, True])
def test_arcface_is_that_of_metric_learning(metric_learning, turned):
    """By embeddings and centres; also where the angle with its margin is more than pi."""
    classes, labels = 5, np.random.default_rng(5).integers(0, 5, ROWS)
    embeddings, centres = arrays((ROWS, DIM), (classes, DIM))
    if turned:
        embeddings = embeddings / 8 - centres[labels]
    peer = metric_learning.losses.ArcFaceLoss(classes, DIM, margin=28.6, scale=16)
    layer = ll.losses.ArcFace(classes, margin=float(np.radians(28.6)), scale=16)
    layer.build([(ROWS, DIM), (ROWS,)])

    def ours(embeddings, centres):
        tensors = (embeddings, ops.convert_to_tensor(labels))
        return layer.stateless_call([centres], [], tensors)[0]

    def theirs(embeddings, centres):
        peer.W = torch.nn.Parameter(centres.detach().T.contiguous())
        expected = peer(embeddings, torch.tensor(labels))
        (slope,) = torch.autograd.grad(expected, peer.W, retain_graph=True)
        # So that the gradient by our centres is that by theirs, which are a parameter.
        return expected + (centres * slope.T).sum() - (centres.detach() * slope.T).sum()

    require_equal(ours, theirs, [embeddings, centres])


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_binary_focal_is_its_formula(alpha):
    """Written with torch's own cross entropy, and differentiated by torch."""
    labels = np.random.default_rng(6).integers(0, 2, ROWS)
    layer = ll.losses.Focal(gamma=1.7, alpha=alpha)

    def peer(logits):
        truth = torch.tensor(labels, dtype=torch.float32)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        loss = loss * (1 - torch.exp(-loss)) ** 1.7
        return (loss if alpha is None else loss * torch.where(truth == 1, alpha, 1 - alpha)).mean()

    leaves = [2 * array for array in arrays(ROWS)]
    require_equal(lambda logits: layer(logits, ops.convert_to_tensor(labels)), peer, leaves)


@pytest.mark.parametrize("alpha", [None, (0.5, 2.0, 1.0, 0.1)])
def test_focal_over_classes_is_its_formula(alpha):
    """The same with several classes, and a factor for each."""
    labels = np.random.default_rng(7).integers(0, 4, ROWS)
    layer = ll.losses.Focal(gamma=2.0, alpha=alpha)

    def peer(logits):
        truth = torch.tensor(labels)
        loss = torch.nn.functional.cross_entropy(logits, truth, reduction="none")
        loss = loss * (1 - torch.exp(-loss)) ** 2
        return (loss if alpha is None else loss * torch.tensor(alpha)[truth]).mean()

    leaves = arrays((ROWS, 4))
    require_equal(lambda logits: layer(logits, ops.convert_to_tensor(labels)), peer, leaves)


# The other examples of the batch


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"temperature": 0.1}, {"scale": 10.0}),
        (
            {"symmetric": True},
            {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"},
        ),
        ({"same_side": True}, {"directions": ("query_to_doc", "query_to_query")}),
    ],
    ids=["plain", "temperature", "symmetric", "same side"],
)
def test_in_batch_negatives(sentence_losses, ours, theirs):
    """Multiple negatives ranking, in the directions that both have."""
    peer = sentence_losses.MultipleNegativesRankingLoss(None, **theirs)
    require_equal(
        ll.losses.InBatchNegatives(**ours),
        lambda *vectors: peer.compute_loss_from_embeddings(list(vectors), None),
        arrays((ROWS, DIM), (ROWS, DIM)),
    )


def test_in_batch_negatives_with_hard_ones(sentence_losses):
    """All hard negatives are candidates for all anchors."""
    peer = sentence_losses.MultipleNegativesRankingLoss(None)
    require_equal(
        lambda a, p, n1, n2: ll.losses.InBatchNegatives()(a, p, ops.stack([n1, n2], axis=1)),
        lambda *vectors: peer.compute_loss_from_embeddings(list(vectors), None),
        arrays(*[(ROWS, DIM)] * 4),
    )


def test_hardness(sentence_losses):
    """The value; the peer's gradient stops at the factor, ours is that of the value."""
    peer = sentence_losses.MultipleNegativesRankingLoss(
        None, hardness_mode="all_negatives", hardness_strength=5.0
    )
    vectors = arrays((ROWS, DIM), (ROWS, DIM), (ROWS, DIM))
    value, _ = ll.losses.InBatchNegatives(hardness=5.0)(*vectors)
    expected = peer.compute_loss_from_embeddings([torch.tensor(v) for v in vectors], None)
    np.testing.assert_allclose(ops.convert_to_numpy(value), expected.item(), rtol=1e-5)


def test_nt_xent(metric_learning):
    """Both directions and both sides: the loss of SimCLR."""
    peer = metric_learning.losses.NTXentLoss(temperature=0.2)
    labels = torch.arange(ROWS).repeat(2)
    require_equal(
        ll.losses.InBatchNegatives(temperature=0.2, symmetric=True, same_side=True),
        lambda a, p: peer(torch.cat([a, p]), labels),
        arrays((ROWS, DIM), (ROWS, DIM)),
    )


def test_sigmoid_pairs():
    """The lines of the paper, written in PyTorch."""
    factor, bias = 7.0, -3.0

    def peer(anchor, positive):
        a, p = (torch.nn.functional.normalize(t) for t in (anchor, positive))
        signs = 2 * torch.eye(ROWS) - torch.ones(ROWS, ROWS)
        return -torch.nn.functional.logsigmoid(signs * (a @ p.T * factor + bias)).sum() / ROWS

    layer = ll.losses.SigmoidPairs(temperature=1 / factor, bias=bias, learned=False)
    require_equal(layer, peer, arrays((ROWS, DIM), (ROWS, DIM)))
