"""Every verb and option has help, and docs/cli.md names it: what is not written down does not exist for a user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mlguard.cli import cli
from mlguard.cli.lazy import LazyGroup

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


COMMANDS = dict(commands(cli))
OPTIONS = [
    (path, option)
    for path, command in [("", cli), *COMMANDS.items()]
    for option in command.params
    if isinstance(option, click.Option)
]


def section(path: str) -> str:
    """Return the part of the page about a verb: from its heading, or its row in a table, to the next heading."""
    verb = path.split(" ", maxsplit=1)[0]
    found = re.search(rf"(?ms)^###? `{verb}\b.*?(?=^##|\Z)", PAGE)
    assert found, f"docs/cli.md has no section `{verb}`"
    return found[0]


@pytest.mark.parametrize("path", COMMANDS)
def test_every_verb_has_help_and_a_place_in_the_docs(path: str) -> None:
    assert (COMMANDS[path].help or "").strip().endswith((".", "`."))
    assert f"`{path}" in PAGE
    section(path)


@pytest.mark.parametrize(("path", "option"), OPTIONS, ids=[f"{path} {option.opts[-1]}" for path, option in OPTIONS])
def test_every_option_has_help_and_a_place_in_the_docs(path: str, option: click.Option) -> None:
    assert (option.help or "").endswith(".")
    shared = {name for param in cli.params for name in param.opts} - {"--format"}
    part = section(path) if path and not set(option.opts) & shared else PAGE
    assert any(f"`{name}" in part for name in option.opts)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_argument_is_in_the_docs_as_help_shows_it(path: str) -> None:
    context = click.Context(COMMANDS[path])
    arguments = [part.make_metavar(context) for part in COMMANDS[path].params if isinstance(part, click.Argument)]
    assert " ".join([f"`{path}", *arguments]) in PAGE


def test_the_list_of_verbs_says_what_each_verb_says_of_itself() -> None:
    assert isinstance(cli, LazyGroup)
    for name, verb in cli.verbs.items():
        first = (COMMANDS[name].help or "").split("\n\n", maxsplit=1)[0].replace("\n", " ")
        assert first.startswith(verb.help.rstrip(".")[:20]), name
        assert len(verb.help) <= 64


def test_every_finding_of_doctor_is_in_the_docs() -> None:
    from mlguard.doctor import NAMES

    plain = section("doctor").replace("`", "")
    for name, meaning in NAMES.items():
        assert f"| {name} | {meaning} |" in plain


def test_the_docs_name_no_option_that_does_not_exist() -> None:
    known = {name for _, option in OPTIONS for name in (*option.opts, *option.secondary_opts)} | {"--help", "--version"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= known


def test_every_format_of_every_verb_is_in_the_docs() -> None:
    for path, option in OPTIONS:
        if path and option.name == "style" and isinstance(option.type, click.Choice):
            for choice in option.type.choices:
                assert choice in section(path), (path, choice)
