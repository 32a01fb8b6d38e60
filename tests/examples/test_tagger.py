import numpy as np


def test_runs_are_tagged(example, capsys):
    numbers = example.main(examples=1024, dim=24, epochs=8)
    assert numbers["accuracy"] > 0.9
    assert numbers["commonest"] < 0.6
    assert numbers["nll"] < 0.3
    printed = capsys.readouterr().out.splitlines()
    assert len(printed[-1]) == len(printed[-2]), "a tag for each symbol"


def test_tags_are_what_they_say(example):
    symbols, tags = example.sequences(100, longest=9, seed=2)
    for row, row_tags in zip(symbols, tags):
        runs = "".join(example.SYMBOLS[s - 1] for s in row[row != example.PAD])
        expected, start = "", 0
        while start < len(runs):
            end = start
            while end < len(runs) and runs[end] == runs[start]:
                end += 1
            length = end - start
            expected += "S" if length == 1 else "B" + "M" * (length - 2) + "E"
            start = end
        assert "".join(example.TAGS[t] for t in row_tags[: len(runs)]) == expected
        assert np.all(row_tags[len(runs) :] == -1)
