import pytest


def test_both_ways_learn_the_same_and_answer_forms_never_trained_on(example, capsys):
    results = example.main(repeats=4)
    assert set(results) == {"loss as output", "ll.Model"}
    for result in results.values():
        assert result["losses"][-1] < 0.2 * result["losses"][0]
        assert result["accuracy"] > 0.6, "chance is 0.11"
    one, other = results.values()
    assert one["losses"] == pytest.approx(other["losses"], rel=1e-3, abs=1e-4)
    assert "accuracy@1" in capsys.readouterr().out


def test_texts_become_numbers_and_unknown_words_are_left_out(example):
    rows = example.ids(["the ticket", "the unheard ticket", ""], time=3)
    assert (rows[0] == rows[1]).all()
    assert rows[0, 2] == 0
    assert (rows[2] == 0).all()
