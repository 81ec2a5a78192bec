"""A draft as the text of an SLO file: each line with its evidence as a comment. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlguard.suggest.facts import Draft, Proposal
from mlguard.suggest.yaml_text import comment, double, flow, key, plain

SCHEMA = "https://raw.githubusercontent.com/mlguard/mlguard/main/schema/slo-v1.schema.json"
COMMENT_AT = 44  # column where comments begin, when the line is shorter


def write(draft: Draft) -> str:
    """Return the file."""
    lines = [f"# yaml-language-server: $schema={SCHEMA}"]
    lines += [f"# {comment(words)}" for words in draft.head]
    lines += ["mlguard: 1", f"table: {plain_name(draft.table)}"]
    lines += [setting(one) for one in draft.settings]
    if draft.columns:
        lines += ["", "columns:"]
        for name, proposals in draft.columns.items():
            lines += column(name, proposals)
    if draft.groups:
        lines += ["", "groups:"]
        for names, proposals in draft.groups:
            lines += group(names, proposals)
    if draft.slos:
        lines += ["", "slos:"]
        for proposal in draft.slos:
            lines += slo(proposal)
    if draft.notes:
        lines += ["", "# Looked at, and not proposed:"]
        lines += [f"#   {comment(note)}" for note in draft.notes]
    return "\n".join(lines) + "\n"


def plain_name(name: str) -> str:
    """Return the name of a table or column as a value."""
    return flow(name)


def setting(proposal: Proposal) -> str:
    """Return a line of the table."""
    return _with(f"{proposal.key}: {value(proposal.value)}", proposal.evidence)


def column(name: str, proposals: Iterable[Proposal], indent: str = "  ") -> list[str]:
    """Return the lines of a column."""
    return [f"{indent}{key(name)}:", *(rule(one, indent + "  ") for one in proposals)]


def rule(proposal: Proposal, indent: str) -> str:
    """Return one rule of a column."""
    return _with(f"{indent}{proposal.key}: {value(proposal.value)}", proposal.evidence)


def group(names: list[str], proposals: list[Proposal], indent: str = "  ") -> list[str]:
    """Return the lines of a group."""
    return [f"{indent}- columns: {flow(names)}", *(rule(one, indent + "  ") for one in proposals)]


def slo(proposal: Proposal, indent: str = "  ") -> list[str]:
    """Return the lines of an entry of `slos:`; a comment behind a check would be taken for a part of it cut off."""
    words = dict(proposal.value)
    check = str(words.pop("check"))
    lines = [_with(f"{indent}- name: {flow(proposal.key)}", proposal.evidence), f"{indent}  check: {quoted(check)}"]
    return lines + [f"{indent}  {word}: {value(said)}" for word, said in words.items()]


def quoted(check: str) -> str:
    """Return a check in quotes, the kind that needs fewer escapes."""
    if "\\" in check or not check.isprintable():
        return double(check)
    if "'" in check and '"' not in check:
        return f'"{check}"'
    return "'" + check.replace("'", "''") + "'"


def value(said: Any) -> str:
    """Return a value on one line."""
    return plain(said) if isinstance(said, str) else flow(said)


def _with(line: str, evidence: str) -> str:
    return f"{line.ljust(COMMENT_AT)}  # {comment(evidence)}" if evidence else line
