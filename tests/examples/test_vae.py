import pytest


def test_two_numbers_are_enough_to_rebuild_a_picture(example, capsys):
    result = example.main(examples=500, epochs=16)
    history = result["history"]
    assert set(history) == {"loss", "reconstruction", "kl"}
    for loss, *terms in zip(*(history[n] for n in ("loss", "reconstruction", "kl"))):
        assert loss == pytest.approx(sum(terms), rel=1e-5)
    assert history["reconstruction"][-1] < 0.6 * history["reconstruction"][0]
    assert history["kl"][-1] > 0.5, "the two numbers say something"
    assert result["error"] < 0.7 * result["baseline"]
    assert len(capsys.readouterr().out.splitlines()) == 3 + 1 + example.SIDE + 1


def test_inference_takes_the_mean_and_not_a_draw(example):
    model, _ = example.build(units=8)
    picture = example.pictures(3, 0)
    first, second = (model.predict_on_batch(picture) for _ in range(2))
    assert (first == second).all()
