"""Settings from TOML and from the command line."""

import dataclasses

import pytest

import losslayer as ll
from losslayer.seq2seq import (
    ConfigError,
    DataSettings,
    DecodingSettings,
    ModelSettings,
    Settings,
    TrainingSettings,
    changed,
    read_config,
    write_config,
)


def written(tmp_path, text):
    path = tmp_path / "options.toml"
    path.write_text(text)
    return path


def test_sections_are_the_dataclasses(tmp_path):
    """What the file leaves out has its default; one file name is a list of one."""
    path = written(
        tmp_path,
        """
        [data]
        train = "train.tsv"
        dev = ["dev.de", "dev.en"]
        [model]
        model = "gru"
        dropout = 0
        [training]
        epochs = 3
        """,
    )
    settings = read_config(path)
    assert settings.data == DataSettings(train=("train.tsv",), dev=("dev.de", "dev.en"))
    assert settings.model == ModelSettings(model="gru", dropout=0.0)
    assert isinstance(settings.model.dropout, float)
    assert settings.training == TrainingSettings(epochs=3)
    assert settings.decoding == DecodingSettings()


def test_what_is_written_is_read(tmp_path):
    """All options, also those that are no default."""
    settings = Settings(
        DataSettings(train=("a",), source_tokens="bpe", target_tokens="bpe", shared=True),
        ModelSettings(model="lstm", dim=64),
        TrainingSettings(monitor="wer", keep="average", average=3, ema=0.99),
        DecodingSettings(beam=2, longest=7, must_not=(5, 6)),
    )
    write_config(tmp_path / "config.toml", settings)
    assert read_config(tmp_path / "config.toml") == settings
    # Every option is there but those that are none.
    text = (tmp_path / "config.toml").read_text()
    for section, options in dataclasses.asdict(settings).items():
        assert f"[{section}]" in text
        for option, value in options.items():
            assert (f"\n{option} = " in text) == (value is not None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[training]\nepoch = 3",
            r"\[training\] has no option `epoch`. Did you mean \[training\] epochs",
        ),
        (
            "[training]\nheads = 3",
            r"\[training\] has no option `heads`. Did you mean \[model\] heads",
        ),
        ("[trainin]\nepochs = 3", r"no section `trainin`. Did you mean \[training\]\?"),
        ("epochs = 3", "no section `epochs`"),
        ("model = 3", r"`model` must be a section, \[model\]"),
        ("[model]\ndim = 'large'", r"\[model\] dim: must be of type int. Received: 'large'"),
        ("[model]\ndim = 64.0", r"\[model\] dim: must be of type int. Received: 64.0"),
        ("[model]\ntied = 1", r"\[model\] tied: must be of type bool. Received: 1"),
        ("[data]\ntrain = 3", r"\[data\] train: must be of type tuple\[str, ...\]. Received: 3"),
        ("[decoding]\nlongest = 'x'", r"\[decoding\] longest: must be of type int | None"),
        ("[model", "options.toml: no TOML: "),
    ],
)
def test_wrong_files(tmp_path, text, message):
    """The option is named, and the nearest one that there is."""
    with pytest.raises(ConfigError, match=message):
        read_config(written(tmp_path, text))


def test_files_that_cant_be_read(tmp_path):
    """Missing, or not UTF-8."""
    with pytest.raises(ConfigError, match=r"none.toml: there is no such file"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes("[data]\ntrain = 'caf\xe9'".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin.toml: not UTF-8"):
        read_config(tmp_path / "latin.toml")


def test_changes():
    """As on the command line: values as in TOML, quotes left out where it is clear."""
    settings = changed(
        Settings(),
        ["training.epochs=5", "model.dropout = 0", "data.train=a.tsv", "training.monitor=wer"],
    )
    assert settings.training.epochs == 5
    assert settings.model.dropout == 0.0
    assert settings.data.train == ("a.tsv",)
    assert settings.training.monitor == "wer"
    assert changed(settings, ['data.train=["a", "b"]']).data.train == ("a", "b")
    for change in ("epochs=5", "training.epochs", "=5", "training.=5"):
        with pytest.raises(ConfigError, match="--set: must be section.option=value. Received"):
            changed(settings, [change])
    with pytest.raises(ConfigError, match=r"--set: \[training\] has no option `epoks`. Did you"):
        changed(settings, ["training.epoks=5"])


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (TrainingSettings, {"epochs": 0}, "`epochs` must be a whole number >= 1"),
        (TrainingSettings, {"monitor": "f1"}, "`monitor` must be one of"),
        (TrainingSettings, {"ema": 1.0}, "`ema` must be a number >= 0 and < 1"),
        (TrainingSettings, {"keep": "average"}, "`average` must be >= 1 where keep='average'"),
        (
            TrainingSettings,
            {"monitor": "wer", "decode_epochs": 0},
            "`decode_epochs` must be >= 1 where monitor='wer'",
        ),
        (DataSettings, {"source_tokens": "letters"}, "`source_tokens` must be one of"),
        (DataSettings, {"shared": True, "target_tokens": "bpe"}, "`target_tokens` must be 'char"),
        (DataSettings, {"train": ("a", "b", "c")}, "`train` must be one table, or"),
    ],
)
def test_rules(kind, options, message):
    """What can't be is an error when the settings are made, not after an hour."""
    with pytest.raises(ll.ArgumentError, match=message):
        kind(**options)
