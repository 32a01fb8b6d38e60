def test_strings_are_reversed(example, capsys):
    numbers = example.main(examples=1024, longest=3, dim=32, epochs=6)
    assert numbers["ppl"] < 1.3, "13 tokens; guessing alone gives more than 5"
    assert numbers["accuracy"] > 0.9
    assert numbers["right"] > 0.8
    assert " -> " in capsys.readouterr().out
    assert numbers["loss"] == numbers["nll"]


def test_data_are_what_they_say(example):
    source, target = example.strings(50, longest=4, seed=3)
    assert (target[:, 0] == example.START).all()
    for said, wanted in zip(source, target):
        assert example.text(said)[::-1] == example.text(wanted)
