"""One step of beam search, and one of sampling, on tensors, for a whole batch.

What a search holds, `(batch, width)` each unless said otherwise:

    token      said last by each hypothesis that goes on
    score      its log probability; of one that doesn't exist below `NOTHING`
    best       final scores of the best hypotheses that ended, the best first
    ended      where each of these ended: place * width + the hypothesis that it was
    count      how many have ended, (batch,)
    done       whether the search is over, (batch,)
"""

from typing import Any

from keras import ops

from losslayer.seq2seq.decoding.settings import DecodingSettings
from losslayer.seq2seq.symbols import BEGIN, END

# The log probability of what must not come; no sum of real ones is below half of it.
NEVER = -1e9
NOTHING = NEVER / 2

Search = dict[str, Any]


def length_penalty(length: Any, alpha: float) -> Any:
    """`((5 + length) / 6) ** alpha`, for a number or a tensor; `length` counts the end too."""
    return ((5.0 + length) / 6.0) ** alpha


def begin(real: Any, width: int, every: bool) -> Search:
    """A search that has said nothing yet.

    Args:
        real: Which rows are there, `(batch,)`; the search of others is over.
        width: Hypotheses per row.
        every: Whether all of these exist at the start: samples do, while a beam begins as one.
    """
    shape = (real.shape[0], width)
    exists = ops.logical_or(ops.arange(width) == 0, every)
    return {
        "token": ops.full(shape, BEGIN, "int32"),
        "score": ops.zeros(shape, "float32") + ops.where(exists, 0.0, NEVER),
        "best": ops.full(shape, NEVER, "float32"),
        "ended": ops.zeros(shape, "int32"),
        "count": ops.zeros(shape[:1], "int32"),
        "done": ops.logical_not(real),
    }


def search_step(
    search: Search, log_p: Any, place: Any, longest: Any, settings: DecodingSettings
) -> tuple[Search, Any]:
    """The best continuations of each row's hypotheses.

    All continuations of all hypotheses compete by log probability; those among the best `beam`
    that end are kept with their final score, and the best `beam` that don't end go on. A row is
    done when `beam` hypotheses have ended, or when none that goes on can still get among the
    best `n_best`: a log probability only falls, and no length penalty exceeds that of `longest`.

    Args:
        search: What `begin` or the last step returned.
        log_p: Log probabilities of the next token, `(batch, beam, vocab)`.
        place: How many tokens each hypothesis has, a scalar.
        longest: Most tokens before the end, a scalar.
        settings: Of the search.

    Returns:
        The search, and the hypothesis that each of its hypotheses continues, `(batch, beam)`.
    """
    width, vocabulary = log_p.shape[1:]
    batch = log_p.shape[0]
    total = ops.expand_dims(search["score"], -1) + log_p
    # As many may end as go on.
    count = min(2 * width, width * vocabulary)
    values, flat = ops.top_k(ops.reshape(total, (batch, -1)), count)
    flat = ops.cast(flat, "int32")
    parent, token = flat // vocabulary, flat % vocabulary
    ends = ops.equal(token, END)

    among = ops.logical_and(ends, ops.arange(count) < width)
    going = ops.expand_dims(ops.logical_not(search["done"]), -1)
    accepted = ops.logical_and(ops.logical_and(among, going), values > NOTHING)
    alpha = settings.length_penalty
    here = length_penalty(ops.cast(place, "float32") + 1.0, alpha)
    finals = ops.concatenate([search["best"], ops.where(accepted, values / here, NEVER)], axis=1)
    where = ops.concatenate([search["ended"], place * width + parent], axis=1)
    best, chosen = ops.top_k(finals, width)
    ended = ops.take_along_axis(where, ops.cast(chosen, "int32"), axis=1)
    ended_count = search["count"] + ops.sum(ops.cast(accepted, "int32"), axis=1)

    score, chosen = ops.top_k(ops.where(ends, NEVER * 2, values), width)
    chosen = ops.cast(chosen, "int32")
    most = length_penalty(ops.cast(longest, "float32") + 1.0, alpha)
    bound = score[:, 0] / most
    over = ops.logical_or(ended_count >= width, best[:, settings.n_best - 1] >= bound)
    over = ops.logical_or(over, score[:, 0] < NOTHING)
    parents = ops.take_along_axis(parent, chosen, axis=1)
    return {
        "token": ops.take_along_axis(token, chosen, axis=1),
        "score": score,
        "best": best,
        "ended": ended,
        "count": ended_count,
        "done": ops.logical_or(search["done"], over),
    }, parents


def sampling_step(
    search: Search, log_p: Any, draw: Any, place: Any, settings: DecodingSettings
) -> tuple[Search, Any]:
    """A token drawn for each hypothesis, from the likeliest that `top_k` and `top_p` leave.

    Args:
        search: What `begin` or the last step returned.
        log_p: Log probabilities of the next token, `(batch, width, vocab)`.
        draw: Uniform numbers in [0, 1), `(batch, width)`.
        place: How many tokens each hypothesis has, a scalar.
        settings: Of the sampling.

    Returns:
        As `search_step`; each hypothesis continues itself.
    """
    batch, width, vocabulary = log_p.shape
    count = min(settings.top_k or vocabulary, vocabulary)
    values, tokens = ops.top_k(log_p, count)
    p = ops.softmax(values / settings.temperature)
    kept = ops.logical_and(ops.cumsum(p, axis=-1) - p < settings.top_p, values > NOTHING)
    up_to = ops.cumsum(ops.where(kept, p, 0.0), axis=-1)
    # The first place up to which there is more than was drawn.
    drawn = ops.expand_dims(draw, -1) * up_to[..., -1:]
    place_of = ops.sum(ops.cast(up_to <= drawn, "int32"), axis=-1, keepdims=True)
    last = ops.sum(ops.cast(kept, "int32"), axis=-1, keepdims=True) - 1
    place_of = ops.maximum(ops.minimum(place_of, last), 0)
    token = ops.take_along_axis(ops.cast(tokens, "int32"), place_of, axis=-1)[..., 0]

    over = search["best"] > NOTHING
    gained = ops.take_along_axis(values, place_of, axis=-1)[..., 0]
    score = ops.where(over, search["score"], search["score"] + gained)
    ends = ops.logical_and(ops.equal(token, END), ops.logical_not(over))
    ends = ops.logical_and(ends, score > NOTHING)
    final = score / length_penalty(ops.cast(place, "float32") + 1.0, settings.length_penalty)
    itself = ops.broadcast_to(ops.arange(width, dtype="int32"), (batch, width))
    best = ops.where(ends, final, search["best"])
    dead = score < NOTHING
    return {
        "token": ops.where(over, END, token),
        "score": score,
        "best": best,
        "ended": ops.where(ends, place * width + itself, search["ended"]),
        "count": search["count"] + ops.sum(ops.cast(ends, "int32"), axis=1),
        "done": ops.logical_or(
            search["done"], ops.all(ops.logical_or(best > NOTHING, dead), axis=1)
        ),
    }, itself
