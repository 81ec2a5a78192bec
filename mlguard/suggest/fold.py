"""`--group`: lines that many columns share become groups. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from mlguard.suggest.facts import Draft, Proposal
from mlguard.suggest.yaml_text import flow

LEAST = 3  # columns that share a line
_ALONE = frozenset({"type", "pii", "unique"})


def fold(draft: Draft) -> Draft:
    """Return the draft with its equal lines folded; lines that the same columns share stand in one group."""
    sharing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, proposals in draft.columns.items():
        for proposal in proposals:
            if proposal.key not in _ALONE and not any(character in name for character in "*?[]"):
                sharing[proposal.key, flow(proposal.value)].append(name)
    shared = {line: tuple(names) for line, names in sharing.items() if len(names) >= LEAST}
    by_columns: dict[tuple[str, ...], list[Proposal]] = defaultdict(list)
    rest: dict[str, list[Proposal]] = {}
    for name, proposals in draft.columns.items():
        kept = []
        for proposal in proposals:
            names = shared.get((proposal.key, flow(proposal.value)))
            if names is None or proposal.key in _ALONE:
                kept.append(proposal)
            elif name == names[0]:
                evidence = f"{len(names)} columns alike; {name}: {proposal.evidence}"
                by_columns[names].append(replace(proposal, column=None, evidence=evidence))
        if kept:
            rest[name] = kept
    groups = [(_short(names, draft), lines) for names, lines in by_columns.items()]
    return replace(draft, columns=rest, groups=groups)


def _short(names: tuple[str, ...], draft: Draft) -> list[str]:
    """Return the names, or a pattern that stands for exactly these columns of the table."""
    everything = set(draft.columns)
    prefix = names[0].split("_")[0] + "_" if "_" in names[0] else ""
    if prefix and {name for name in everything if name.startswith(prefix)} == set(names):
        return [f"{prefix}*"]
    return list(names)
