"""The settings of a run as one TOML file, and what the command line changes in it."""

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import tomli_w

import losslayer as ll
from losslayer.seq2seq.settings import Settings


class ConfigError(ll.LosslayerError, ValueError):
    """A configuration that can't be used: the message names the option."""


def read_config(path: str | PathLike[str]) -> Settings:
    """Read settings from a TOML file.

    The file has the sections `[data]`, `[model]`, `[training]` and `[decoding]`, whose options are
    the fields of the dataclasses of these names; what it leaves out has its default.

    Raises:
        ConfigError: For an option that there isn't (with the nearest one that there is), or a value
            of the wrong type.
        losslayer.ArgumentError: If a value breaks the rule of its option.
    """
    return settings_from(_parsed(Path(path)), str(path))


def changed(settings: Settings, changes: Sequence[str]) -> Settings:
    """The settings with some options changed.

    Args:
        settings: Settings.
        changes: Texts `section.option=value`, with the value as in TOML; quotes around a text may
            be left out.

    Raises:
        ConfigError, losslayer.ArgumentError: As `read_config`.
    """
    content = dataclasses.asdict(settings)
    for change in changes:
        name, equals, text = change.partition("=")
        section, dot, option = name.strip().partition(".")
        if not (equals and dot and option):
            raise ConfigError(
                f"--set: must be section.option=value. Received: {change!r}. "
                "For example: --set training.epochs=5"
            )
        content.setdefault(section, {})[option] = _value(text.strip())
    return settings_from(content, "--set")


def settings_from(content: dict[str, Any], where: str) -> Settings:
    """The settings that nested plain data describe; `where` it came from is for errors."""
    sections = {}
    for section, options in content.items():
        kind = _check_section(section, where)
        if not isinstance(options, dict):
            raise ConfigError(f"{where}: `{section}` must be a section, [{section}]")
        hints = typing.get_type_hints(kind)
        known = [field.name for field in dataclasses.fields(kind)]
        values = {}
        for option, value in options.items():
            if option not in known:
                raise ConfigError(
                    f"{where}: [{section}] has no option `{option}`.{_nearest(option, section)}"
                )
            values[option] = _as(hints[option], value, f"{where}: [{section}] {option}")
        sections[section] = kind(**values)
    return Settings(**sections)


def write_config(path: str | PathLike[str], settings: Settings) -> None:
    """Write all settings, the defaults too, so that `read_config` gives them back."""
    sections = {
        section: {option: value for option, value in options.items() if value is not None}
        for section, options in dataclasses.asdict(settings).items()
    }
    Path(path).write_text(tomli_w.dumps(sections), encoding="utf-8")


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except OSError as problem:
        raise ConfigError(f"{path}: can't be read ({problem.strerror})") from None
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{path}: not UTF-8 ({problem.reason})") from None
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{path}: no TOML: {problem}") from None


def _value(text: str) -> Any:
    """A value as TOML reads it; what it can't read is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _sections() -> dict[str, Any]:
    hints = typing.get_type_hints(Settings)
    return {field.name: hints[field.name] for field in dataclasses.fields(Settings)}


def _check_section(section: str, where: str) -> Any:
    """The dataclass of a section."""
    sections = _sections()
    if section not in sections:
        near = difflib.get_close_matches(section, sections, n=1, cutoff=0)
        advice = f" Did you mean [{near[0]}]?" if near else ""
        raise ConfigError(f"{where}: there is no section `{section}`.{advice}")
    return sections[section]


def _nearest(option: str, section: str) -> str:
    """What was meant, perhaps: the nearest option of all sections, the own one first."""
    options = {
        f"[{name}] {field.name}": field.name
        for name, kind in _sections().items()
        for field in dataclasses.fields(kind)
    }
    near = difflib.get_close_matches(option, options.values(), n=1, cutoff=0)
    places = [place for place, name in options.items() if name == near[0]] if near else []
    places.sort(key=lambda place: not place.startswith(f"[{section}]"))
    return f" Did you mean {places[0]}?" if places else ""


def _as(hint: Any, value: Any, where: str) -> Any:
    """A value of TOML as the type of its field, or an error."""
    for kind in typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,):
        origin, items = typing.get_origin(kind) or kind, typing.get_args(kind)
        if origin in (tuple, list) and isinstance(value, (str, list, tuple)):
            found = [value] if isinstance(value, str) else value
            return origin(_as(items[0], item, where) if items else item for item in found)
        if origin is float and type(value) is int:
            return float(value)
        if origin is type(None) and value is None:
            return None
        if type(value) is origin:
            return value
    kind = getattr(hint, "__name__", None) if not typing.get_args(hint) else None
    raise ConfigError(f"{where}: must be of type {kind or hint}. Received: {value!r:.80}")
