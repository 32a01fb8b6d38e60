"""Batches of about equal numbers of tokens, in few shapes: training data at scale."""

import itertools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

import losslayer as ll
from losslayer.text.rows import Rows
from losslayer_serve.padding import pad

# Bounds that are chosen for the user: enough to keep padding low, few enough to compile.
_BUCKETS = 5
_MULTIPLE = 8

# Where a batch tells `ll.Model` which of its rows count: 1, or 0 for one that was added.
_ROWS = "__rows__"


class TokenBatches(keras.utils.PyDataset):
    """Batches of token ids for `fit` and `evaluate`: rows of similar length, padded to few shapes.

    Every row belongs to a bucket: the smallest of a few bounds that its longest text fits in. All
    texts of a batch are padded with zeros to the bound of its bucket, and there are as many rows
    as `tokens` allows, so a batch of short texts has many. Each row comes once in an epoch. The
    batches of a bucket are of one size, as equal as they can be, but for the last, which may lack
    a few rows; it is filled up with rows that count nowhere. So there is one shape per bucket.
    `shapes` lists them: a model is compiled once for each.

    Which rows share a batch, and in which order the batches come, depends on `(seed, epoch)` and
    on nothing else, so a run that was interrupted can go on at any batch of any epoch. Keras moves
    to the next epoch by itself; `begin(epoch)` goes to any. Pass `shuffle=False` to `fit`: it
    would otherwise call the batches of the epoch in an order of its own, drawn from Python's
    global random numbers.

    Args:
        source: Columns by name, `{"text": [[5, 2], [7]], "label": [0, 1]}`; or anything with a
            length whose `source[i]` is row `i` as a dict, such as a `grain.MapDataset`.
        tokens: The largest number of tokens, padding included, that one text column of a batch
            may have: rows times padded length.
        bounds: The padded lengths, increasing. What is longer than the last is cut there, with a
            warning; `cut` is the number of such rows. Default: at most five multiples of 8, those
            with the least padding for these lengths; nothing is cut.
        texts: Names of the columns of token ids. Default: those whose first row is a list or a
            one-dimensional array of integers. All others go along as they are, one number or one
            array of the same shape per row.
        lengths: Length of the longest text of each row, where it is known. Without it, all rows
            are read once to begin with.
        rows_multiple: The rows of a batch are a multiple of this: the number of devices, say.
            Where `fill` is False, short batches are not.
        fill: Whether short batches are filled up with copies of their first row. An `ll.Model`
            counts these nowhere: in no loss, in no metric, and not among in-batch negatives. Any
            other model needs False: then there are at most two shapes per bucket.
        seed: An integer >= 0; or None, all epochs in the order of the data.
        **kwargs: `workers`, `use_multiprocessing`, `max_queue_size` of `keras.utils.PyDataset`.

    Attributes:
        shapes: The shapes of texts that the batches have, a list of `(rows, time)`.
        cut: Number of rows that are cut at the last bound.
        padding: Share of padding among the tokens of the longest texts, filled rows included.
        epoch: Number of the epoch that is, or will be, read.

    Raises:
        ArgumentError: An argument breaks its rule, or a row does not hold what the others do.

    Example:

    >>> _ = Path("faq.csv").write_text("text,entry\\nWhere is my card?,0\\nHi,1\\nNo card!,0\\n")
    >>> table = read_table("faq.csv", ["text", "entry"])
    >>> tokenizer = Tokenizer.train(table["text"], 100)
    >>> columns = {"text": tokenizer(table["text"]), "entry": [int(e) for e in table["entry"]]}
    >>> data = TokenBatches(columns, tokens=32, bounds=(8, 16))
    >>> data.shapes
    [(2, 8), (1, 16)]
    >>> for (batch,) in data:
    ...     print(batch["text"].shape, batch["entry"].shape)
    (2, 8) (2,)
    (1, 16) (1,)
    """

    def __init__(
        self,
        source: Mapping[str, Sequence] | Any,
        tokens: int,
        *,
        bounds: Sequence[int] | None = None,
        texts: Sequence[str] | None = None,
        lengths: Sequence[int] | np.ndarray | None = None,
        rows_multiple: int = 1,
        fill: bool = True,
        seed: int | None = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._source = Rows(source, texts)
        _check_integer("tokens", tokens, 1)
        _check_integer("rows_multiple", rows_multiple, 1)
        if seed is not None:
            _check_integer("seed", seed, 0)
        self.texts = self._source.texts
        self.lengths = self._source.lengths() if lengths is None else self._checked(lengths)
        self.bounds = _checked_bounds(bounds) if bounds is not None else best_bounds(self.lengths)
        if tokens < self.bounds[-1] * rows_multiple:
            raise ll.ArgumentError(
                f"TokenBatches: `tokens` must be >= {self.bounds[-1] * rows_multiple}, room for "
                f"rows_multiple={rows_multiple} rows of the last bound, {self.bounds[-1]}. "
                f"Received: tokens={tokens}. Raise it, or give bounds= that cut long rows."
            )
        self.fill = fill
        self.seed = seed
        self.cut = int((self.lengths > self.bounds[-1]).sum())
        if self.cut:
            warnings.warn(
                f"TokenBatches: {self.cut} of {len(self.lengths)} rows are longer than the last "
                f"bound, {self.bounds[-1]}, and are cut there; the longest has "
                f"{self.lengths.max()} tokens.",
                stacklevel=2,
            )
        bucket = np.searchsorted(self.bounds, np.minimum(self.lengths, self.bounds[-1]))
        self._buckets = []  # of each that has rows: bound, rows in a batch, numbers of all rows
        for number, bound in enumerate(self.bounds):
            rows = np.flatnonzero(bucket == number)
            if len(rows):
                most = tokens // bound // rows_multiple
                size = _equal_share(len(rows), most * rows_multiple, rows_multiple)
                self._buckets.append((bound, size, rows))
        self.begin(0)

    # Epochs

    def begin(self, epoch: int) -> None:
        """Go to the start of an epoch.

        To tie the epochs to those of `fit`, also when it is given an `initial_epoch`:
        `keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: data.begin(epoch))`.

        Args:
            epoch: Its number, from 0.
        """
        _check_integer("epoch", epoch, 0, owner="TokenBatches.begin")
        self.epoch = epoch
        self._running = False
        random = None if self.seed is None else np.random.default_rng((self.seed, epoch))
        plan = []
        for bound, size, rows in self._buckets:
            rows = rows if random is None else random.permutation(rows)
            starts = range(0, len(rows), size)
            plan += [(bound, size, rows[start : start + size]) for start in starts]
        if random is not None:
            plan = [plan[place] for place in random.permutation(len(plan))]
        self._plan = _first_two_differ(plan)

    def on_epoch_begin(self) -> None:
        """Keras: an epoch begins."""
        self._running = True

    def on_epoch_end(self) -> None:
        """Keras: the epoch is over, the next one comes."""
        if self._running:  # Keras says so once more, before the first epoch
            self.begin(self.epoch + 1)

    # Batches

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, batch: int) -> tuple[dict[str, np.ndarray]]:
        bound, size, rows = self._plan[batch]
        filled = _filled(rows, size) if self.fill else rows
        read = [self._source.read(row) for row in filled]
        x = {}
        for name in read[0]:
            if name in self.texts:
                x[name] = self._padded(name, read, filled, bound)
            else:
                x[name] = self._source.stacked(name, [row[name] for row in read])
        if self.fill:
            x[_ROWS] = (np.arange(size) < len(rows)).astype("float32")
        return (x,)

    def rows(self, batch: int) -> np.ndarray:
        """Numbers of the rows of a batch of this epoch, without those that fill it."""
        return self._plan[batch][2]

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """The shapes of texts that the batches have, `(rows, time)`; the same in all epochs."""
        sizes = {(size if self.fill else len(rows), bound) for bound, size, rows in self._plan}
        return sorted(sizes, key=lambda shape: (shape[1], -shape[0]))

    @property
    def padding(self) -> float:
        """Share of padding among the tokens of the longest texts, filled rows included."""
        cells = sum((size if self.fill else len(rows)) * bound for bound, size, rows in self._plan)
        return 1 - float(np.minimum(self.lengths, self.bounds[-1]).sum()) / cells

    def _checked(self, lengths: Sequence[int] | np.ndarray) -> np.ndarray:
        found = np.asarray(lengths)
        whole = found.shape == (len(self._source),) and found.dtype.kind in "iu"
        if not whole or found.min() < 0:
            raise ll.ArgumentError(
                f"TokenBatches: `lengths` must hold an integer >= 0 for each of the "
                f"{len(self._source)} rows. Received: {found.dtype} of shape {found.shape}"
                f"{f', the least {found.min()}' if found.size else ''}."
            )
        return found.astype("int64")

    def _padded(self, name: str, read: list, numbers: np.ndarray, bound: int) -> np.ndarray:
        """The token ids of a column; what `lengths` did not announce is an error, not a cut."""
        ids = [self._source.ids(name, row, number) for row, number in zip(read, numbers)]
        for found, number in zip(ids, numbers):
            if len(found) > bound and self.lengths[number] <= bound:
                raise ll.ArgumentError(
                    f"TokenBatches: `lengths` must be those of the rows. Received: "
                    f"{self.lengths[number]} for row {number}, whose '{name}' has {len(found)} "
                    "tokens."
                )
        flat = np.concatenate(ids)
        if flat.size and not 0 <= flat.min() <= flat.max() < 2**31:
            raise ll.ArgumentError(
                f"TokenBatches: `source` must hold token ids >= 0 that fit in 32 bits in '{name}'. "
                f"Received: {flat.min()} to {flat.max()}."
            )
        return pad(ids, bound, bound)


def best_bounds(
    lengths: Sequence[int] | np.ndarray, count: int = _BUCKETS, multiple: int = _MULTIPLE
) -> tuple[int, ...]:
    """The padded lengths, at most `count`, for which the least padding is needed.

    Args:
        lengths: Length of each row.
        count: The largest number of bounds.
        multiple: All bounds are multiples of this; where rows have thousands of tokens, of this
            times 2, 4, 8, ...: then as many bounds are tried as before.

    Returns:
        The bounds, increasing; all lengths fit in the last.
    """
    longest = max(1, int(np.max(lengths)))
    while longest > 512 * multiple:  # as many candidates are enough
        multiple *= 2
    candidates = np.arange(multiple, longest + multiple, multiple)
    # Rows that fit in each candidate; then the tokens of those that fit in one but not in another.
    fit = np.searchsorted(np.sort(lengths), candidates, side="right")
    between = (fit[None, :] - fit[:, None]) * candidates[None, :]
    between = np.where(np.arange(len(fit))[:, None] < np.arange(len(fit)), between, np.inf)
    # `cost[i]`: tokens of all that fits in candidate i, if that is the last of 1, 2, ... bounds.
    cost, ways = (fit * candidates).astype(float), []
    for _ in range(min(count, len(candidates)) - 1):
        through = cost[:, None] + between
        ways.append(np.where(through.min(axis=0) < cost, through.argmin(axis=0), -1))
        cost = np.minimum(cost, through.min(axis=0))
    bounds, last = [len(candidates) - 1], len(candidates) - 1
    for way in reversed(ways):
        if way[last] >= 0:
            last = int(way[last])
            bounds.append(last)
    return tuple(int(candidates[place]) for place in reversed(bounds))


def _equal_share(rows: int, most: int, multiple: int) -> int:
    """The size of batches, at most `most`, if `rows` are spread over as few as can be."""
    batches = -(-rows // most)
    share = -(-rows // batches)
    return -(-share // multiple) * multiple


def _first_two_differ(plan: list) -> list:
    """The batches with a second one that has another length than the first, if any has.

    Keras on TensorFlow looks at the first two, and takes what they have in common for fixed.
    """
    for place, (bound, *_) in enumerate(plan):
        if bound != plan[0][0]:
            plan[1], plan[place] = plan[place], plan[1]
            break
    return plan


def _filled(rows: np.ndarray, size: int) -> np.ndarray:
    """Row numbers of a batch, and the first again for all that it lacks.

    A copy and not an empty row: the mean over the tokens of one is 0 / 0, and the NaN in its
    gradient reaches all weights, whatever the sample weight.
    """
    return np.concatenate([rows, np.full(size - len(rows), rows[0])])


def _checked_bounds(bounds: Iterable[int]) -> tuple[int, ...]:
    found = tuple(bounds)
    whole = all(isinstance(b, (int, np.integer)) and b > 0 for b in found)
    if not found or not whole or any(a >= b for a, b in itertools.pairwise(found)):
        raise ll.ArgumentError(
            f"TokenBatches: `bounds` must be integers > 0, increasing. Received: bounds={found}."
        )
    return tuple(int(b) for b in found)


def _check_integer(name: str, value: Any, least: int, owner: str = "TokenBatches") -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:
        raise ll.ArgumentError(
            f"{owner}: `{name}` must be an integer >= {least}. Received: {name}={value!r}."
        )
