"""Which letters tags have, and which tag may follow which."""

from collections.abc import Iterable, Sequence

import losslayer as ll
from losslayer import options
from losslayer.tag.sentences import Sentence
from losslayer.text import TableError

# The schemes of `ll.losses.allowed_transitions`; one that others contain comes first.
CHUNKS = ("BIO", "BIOES", "BMES", "BILOU")
NONE = "none"  # any tags, each for itself: parts of speech, say
SCHEMES = (*CHUNKS, NONE)
AUTO = "auto"


def find_scheme(sentences: Sequence[Sentence], scheme: str = AUTO) -> str:
    """The scheme of the tags, given or found by their letters.

    Raises:
        losslayer.text.TableError: A tag isn't of the scheme, or of any; with its file and line.
    """
    options.choice("Tagger.train", "scheme", scheme, (AUTO, *SCHEMES))
    if scheme == AUTO:
        tags = {tag for sentence in sentences for tag in sentence.tags}
        fitting = (scheme for scheme in CHUNKS if all(is_of(tag, scheme) for tag in tags))
        scheme = next(fitting, AUTO)
    check_tags(sentences, scheme)
    return scheme


def is_of(tag: str, scheme: str) -> bool:
    """Whether a tag is of a scheme."""
    if scheme == NONE:
        return True
    try:
        ll.losses.allowed_transitions([tag], scheme)
    except ll.ArgumentError:
        return False
    return True


def check_tags(sentences: Iterable[Sentence], scheme: str) -> None:
    """Raise a `TableError` for the first tag that isn't of the scheme."""
    schemes = CHUNKS if scheme == AUTO else (scheme,)
    known: set[str] = set()
    for sentence in sentences:
        for place, tag in enumerate(sentence.tags):
            if tag in known:
                continue
            if not any(is_of(tag, one) for one in schemes):
                raise TableError(
                    f"{sentence.where(place)}: the tag {tag!r:.60} is not of the scheme "
                    f"{' or '.join(schemes)}, as B-NP is. Name the column of the tags, or take "
                    f"any tags with --scheme {NONE}"
                )
            known.add(tag)
    if scheme == AUTO:
        raise TableError(
            f"the tags {sorted(known)[:12]} are not of one scheme, {' or '.join(CHUNKS)}. Name the "
            f"column of the tags, or take any tags with --scheme {NONE}"
        )


def check_order(sentences: Iterable[Sentence], tags: Sequence[str], scheme: str) -> None:
    """Raise a `TableError` for the first tag that can't stand where it does.

    A CRF with the constraints of the scheme gives such a sentence no probability.
    """
    if scheme == NONE:
        return
    allowed = ll.losses.allowed_transitions(list(tags), scheme)
    number = {tag: place for place, tag in enumerate(tags)}
    for sentence in sentences:
        path = [*(number[tag] for tag in sentence.tags), len(tags)]  # the last one: the end
        before = len(tags)  # the start
        for place, tag in enumerate(path):
            if not allowed[before][tag]:
                end = place == len(sentence.tags)
                where = sentence.where(place - 1 if end else place)
                first = repr(tags[before]) if place else "the start of a sentence"
                second = "the end of a sentence" if end else repr(tags[tag])
                raise TableError(
                    f"{where}: in {scheme}, {second} can't follow {first}. Mend the tags, or train "
                    "with --loss token, which takes any order"
                )
            before = tag


def measure_of(scheme: str) -> str:
    """The figure of the training's history by which epochs are compared."""
    return "val_accuracy" if scheme == NONE else "val_f1"
