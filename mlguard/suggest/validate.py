"""Count each proposal over all rows, both parts; keep what holds, widen what nearly does, drop the rest with a note."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mlguard.suggest.engine import Source
from mlguard.suggest.facts import Profile, Proposal
from mlguard.suggest.statistics import count, share

AT_ONCE = 200  # conditions of one pass


def validate(source: Source, found: Profile, proposals: Iterable[Proposal]) -> tuple[list[Proposal], list[str]]:
    """Return the proposals that no row breaks, in their order, and notes on the others.

    Every condition is counted in one pass over the rows (per 200 conditions). A proposal that rows break gives way to
    its fallback, which was made from all rows, if no more of the validating rows break it than it tolerates.
    """
    wanted = list(proposals)
    counted = dict(_counts(source, [p.holds for p in wanted if p.holds]))
    second = dict(_counts(source, [p.fallback.holds for p in wanted if p.fallback and sum(counted[p.holds][:2])]))
    kept: list[Proposal] = []
    notes: list[str] = []
    for proposal in wanted:
        if not proposal.holds:
            kept.append(_filled(proposal, "", ""))
            continue
        train, held, n = counted[proposal.holds]
        bad = f"{count(train + held)} of {count(found.rows)} rows"
        everywhere = f"in all {count(found.rows)} rows"
        if not train + held:
            kept.append(_filled(proposal, bad, everywhere))
            continue
        too_many = n == 0 or (train + held) / max(found.rows, 1) > proposal.tolerated or held / n > proposal.tolerated
        fallback = proposal.fallback
        if fallback is not None and not too_many and not sum(second[fallback.holds][:2]):
            said = f"{bad} ({count(held)} of them validating) lay beyond what the others argued for"
            kept.append(_filled(fallback, said, everywhere))
            continue
        notes.append(f"{_named(proposal)}: {share(held / n) if n else bad} of the validating rows broke it")
    return kept, notes


def _counts(source: Source, conditions: Sequence[str]) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Yield each condition with the rows that break it in part 0 and part 1, and the rows of part 1."""
    different = list(dict.fromkeys(conditions))
    for start in range(0, len(different), AT_ONCE):
        some = different[start : start + AT_ONCE]
        asked = ", ".join(f"count(*) filter (where not ({sql}))" for sql in some)
        rows = {row[0]: row for row in source.query(f"select part, count(*), {asked} from {source.rows} group by part")}
        nothing = (0,) * (len(some) + 2)
        first, second = rows.get(0, nothing), rows.get(1, nothing)
        for place, condition in enumerate(some, 2):
            yield condition, (int(first[place]), int(second[place]), int(second[1]))


def _filled(proposal: Proposal, bad: str, everywhere: str) -> Proposal:
    return replace(proposal, evidence=proposal.evidence.replace("{bad}", bad).replace("{all}", everywhere))


def _named(proposal: Proposal) -> str:
    return f"{proposal.column}.{proposal.key}" if proposal.column else proposal.key
