"""Everything about decoding that is a choice."""

from dataclasses import dataclass

from losslayer import options
from losslayer.seq2seq.symbols import END


@dataclass(frozen=True)
class DecodingSettings:
    """How outputs are searched for, or drawn.

    Args:
        beam: Hypotheses kept per source; 1 is greedy.
        length_penalty: `alpha` >= 0; a hypothesis of n tokens, its end included, has the score
            `log p / ((5 + n) / 6) ** alpha` (Wu et al. 2016, arXiv:1609.08144, equation 14).
        n_best: Hypotheses returned per source, at most `beam`; when sampling, how many are drawn.
        longest: Most tokens of an output; None: twice the padded length of the source and 10
            more, and no more than the model's own `longest`.
        shortest: Fewest tokens of an output.
        sample: Whether outputs are drawn, token by token, rather than searched for; `beam` is
            then not used.
        temperature: > 0; when sampling, logits are divided by it.
        top_k: When sampling, only the k likeliest tokens may come; None: all.
        top_p: When sampling, only the likeliest tokens may come that have this probability
            together, in (0, 1] (Holtzman et al. 2020, arXiv:1904.09751).
        seed: Fixes what is drawn; another source of the same call draws other numbers.
        no_repeat_ngram: No sequence of so many tokens comes twice in an output; 0: any may.
        must_not: Token ids that never come.
        attention: Whether each hypothesis brings its attention.
        batch_size: Most sources that are decoded side by side.

    Raises:
        ArgumentError: An option is out of its range, or two don't fit together.
    """

    beam: int = 5
    length_penalty: float = 0.6
    n_best: int = 1
    longest: int | None = None
    shortest: int = 0
    sample: bool = False
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    seed: int = 0
    no_repeat_ngram: int = 0
    must_not: tuple[int, ...] = ()
    attention: bool = False
    batch_size: int = 64

    def __post_init__(self) -> None:
        owner = type(self).__name__
        options.whole(owner, 1, beam=self.beam, n_best=self.n_best, batch_size=self.batch_size)
        options.whole(owner, 0, shortest=self.shortest, no_repeat_ngram=self.no_repeat_ngram)
        options.whole(owner, 0, seed=self.seed)
        options.number(owner, "length_penalty", self.length_penalty, 0)
        options.switch(owner, sample=self.sample, attention=self.attention)
        if self.longest is not None:
            options.whole(owner, max(1, self.shortest), longest=self.longest)
        if self.top_k is not None:
            options.whole(owner, 1, top_k=self.top_k)
        options.positive(owner, "temperature", self.temperature)
        options.positive(owner, "top_p", self.top_p, at_most=1)
        if not isinstance(self.must_not, (tuple, list)):
            options.refuse(owner, "must_not", "be a list of token ids", self.must_not)
        for token in self.must_not:
            options.whole(owner, 0, must_not=token)
        if END in self.must_not:
            options.refuse(owner, "must_not", f"leave {END}, the end, alone", self.must_not)
        if not self.sample and self.n_best > self.beam:
            options.refuse(owner, "n_best", f"be at most beam={self.beam}", self.n_best)

    @property
    def width(self) -> int:
        """Hypotheses per source that run side by side."""
        return self.n_best if self.sample else self.beam
