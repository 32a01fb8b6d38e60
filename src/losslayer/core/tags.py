"""Tags that mark chunks, "B-NP" say: what their letters mean, and which may follow which."""

from losslayer.core import check
from losslayer.core.errors import refuse

# What each letter of a scheme says of a position in a chunk. A chunk of the first may end anywhere.
SCHEMES = {
    "BIO": {"B": "begin", "I": "inside", "O": "outside"},
    "BIOES": {"B": "begin", "I": "inside", "E": "end", "S": "single", "O": "outside"},
    "BMES": {"B": "begin", "M": "inside", "E": "end", "S": "single", "O": "outside"},
    "BILOU": {"B": "begin", "I": "inside", "L": "end", "U": "single", "O": "outside"},
}


def parsed(owner, tags, scheme):
    """The role and the type of each tag: `("begin", "NP")` of "B-NP", `("begin", "")` of "B"."""
    check.choice(owner, "scheme", scheme, tuple(SCHEMES))
    letters = SCHEMES[scheme]
    named = isinstance(tags, (list, tuple)) and all(isinstance(tag, str) for tag in tags)
    if not (named and tags and len(set(tags)) == len(tags)):
        refuse(owner, "tags", "be a list of different names", tags)
    for tag in tags:
        letter, dash, kind = tag.partition("-")
        if letter not in letters or bool(dash) != bool(kind) or (dash and letter == "O"):
            rule = f"be 'O', or one of {tuple(letters)} with or without a type, as in 'B-NP'"
            refuse(owner, "tags", rule, tag)
    return [(letters[tag[0]], tag[2:]) for tag in tags]
