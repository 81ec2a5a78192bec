"""States that need a grouping of their own: bins, categories, keys and quantiles, as CTEs over the rows. Pure.

Above LARGE rows bins, categories and quantiles are computed from a uniform sample of about SAMPLED rows, scaled up to
the rows it stands for, and say how many values were looked at. Keys are never sampled by rows but by their hash.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mlguard.emit import tallies
from mlguard.emit.cells import LONGEST_TEXT, Cells
from mlguard.emit.groups import Grouping
from mlguard.emit.objects import indent
from mlguard.emit.rules import literal
from mlguard.lang.measure import GROUPED, TALLIED, Of, State
from mlguard.lang.tree import Column
from mlguard.program import TableProgram

LARGE, SAMPLED = 100_000, 50_000  # rows
MOST_CATEGORIES = 1000
MOST_KEYS = 4096
FEW_VALUES, POINTS = 500, 501  # values kept as they are; points of equal rank kept of more
TRIED_KEYS = 4 * MOST_KEYS  # hashes a group of a large statement may be grouped by before the least are picked
# The first 13 hex digits of a hash are 52 bits: what double precision holds exactly.
_UNIT = "4503599627370496"
_EMPTY: dict[Of, dict[str, Any]] = {
    Of.VALUES: {"c": {}, "other": 0, "n": 0},
    Of.QUANTILES: {"n": 0, "v": []},
    Of.KEYS: {"t": 1, "k": {}, "n": 0},
    **{of: {"c": {}} for of in TALLIED},
}


def bin_columns(states: Sequence[State]) -> tuple[str, ...]:
    """Return the columns whose baseline edges the CTEs ask for, in the order of the variables `_edges_1` and on."""
    found = (state.args[0] for state in states if state.of is Of.BINS)
    return tuple(dict.fromkeys(arg.name for arg in found if isinstance(arg, Column)))


def declarations(states: Sequence[State]) -> tuple[str, ...]:
    """Return the variables the CTEs read."""
    columns = bin_columns(states)
    edges = tuple(f"_edges_{number} double precision[]" for number, _ in enumerate(columns, 1))
    return ("_version bigint", *edges) if columns else ()


def preparation(program: TableProgram, states: Sequence[State]) -> str:
    """Return the statements that fill the variables, '' where there are none.

    width_bucket() has bins that hold their lower edge; ours hold their upper one, so edges and values are negated.
    """
    columns = bin_columns(states)
    if not columns:
        return ""
    table = literal(str(program.table))
    asked = [
        f"_edges_{number} := (select array_agg(-e order by -e) from"
        f" unnest(mlguard.edges_v1({table}, {literal(column)})) as e);"
        for number, column in enumerate(columns, 1)
    ]
    return (
        f"-- null until a baseline is set: then there are no bins to count\n"
        f"_version := mlguard.baseline_version_v1({table});\n"
        f"if _version is not null then\n{indent(chr(10).join(asked))}\nend if;"
    )


class Grouped:
    """Writes the CTEs of one grouping; all but the last feed `more`, which has one row a group."""

    def __init__(self, states: Sequence[State], grouping: Grouping, *, removed: bool = False) -> None:
        self.cells, self.grouping = Cells(grouping.program), grouping
        self.edges = bin_columns(states)
        # What was taken away cannot be taken out of quantiles: the plain pass says that there was something.
        left_out = {Of.QUANTILES} if removed else set()
        self.states = [state for state in states if state.of in GROUPED - TALLIED and state.of not in left_out]
        self.tallied = [state for state in states if state.of in TALLIED]

    def ctes(self) -> list[str]:
        """Return the CTEs in order, none where no state needs them. The first reads `groups`."""
        if not self.states and not self.tallied:
            return []
        ctes = [*([self._size(), self._picked()] if self.states else []), self._empty()]
        made: list[str] = []
        for of, write in (
            (Of.BINS, self._bins),
            (Of.VALUES, self._categories),
            (Of.QUANTILES, self._quantiles),
        ):
            numbered = self._numbered(of)
            if numbered:
                ctes += write(numbered)
                made.append({Of.BINS: "bins", Of.VALUES: "categories", Of.QUANTILES: "quantiles"}[of])
        for number, state in self._numbered(Of.KEYS):
            ctes += self._keys(number, state)
            made.append(f"keys_{number}")
        for number, state in enumerate(self.tallied, 1):
            ctes += tallies.ctes(state, number, self.grouping, self._keys_of("t"))
            made.append(f"tally_{number}")
        return [*ctes, self._more(made)]

    def _numbered(self, of: Of) -> list[tuple[int, State]]:
        return [(number, state) for number, state in enumerate(self.states, 1) if state.of is of]

    def _keys_of(self, alias: str) -> str:
        return "".join(f"{key}, " for key in self.grouping.of(alias))

    def _size(self) -> str:
        """Write what share of the rows is looked at: of a statement as a whole, of stored rows bucket by bucket."""
        by_bucket = self._by_bucket()
        bucket = "coalesce(g.bucket, '-infinity') as bucket, " if by_bucket else ""
        group = " group by 1" if by_bucket else ""
        share = f"case when sum(g.n) > {LARGE} then {SAMPLED} / sum(g.n)::double precision else 1 end as share"
        return f"size as materialized (\n  select {bucket}{share}\n  from groups as g{group}\n)"

    def _empty(self) -> str:
        """Write the states of a group in which no row has a value."""
        known = {state.key: _EMPTY[state.of] for state in (*self.states, *self.tallied) if state.of in _EMPTY}
        parts = [f"{literal(json.dumps(known, ensure_ascii=False))}::jsonb"]
        for _, state in self._numbered(Of.BINS):
            edges = self._edges(state)
            counts = f"array_fill(0, array[cardinality({edges}) + 1])"
            empty = f"jsonb_build_object('v', _version, 'n', 0, 'c', {counts})"
            parts.append(
                f"case when {edges} is not null then jsonb_build_object({literal(state.key)}, {empty}) else '{{}}' end"
            )
        joined = "\n    || ".join(parts)
        return f"empty as materialized (\n  select {joined} as states\n)"

    def _edges(self, state: State) -> str:
        (column,) = state.args
        assert isinstance(column, Column)
        return f"_edges_{self.edges.index(column.name) + 1}"

    def _by_bucket(self) -> bool:
        return self.grouping.source.stored and self.grouping.bucket is not None

    def _picked(self) -> str:
        columns = list(self.grouping.selected)
        columns += [f"{self._picked_value(state)} as v_{number}" for number, state in enumerate(self.states, 1)]
        source = self.grouping.source
        # Without a baseline there are no bins, and where nothing else is grouped no row is looked at.
        only_bins = ["_version is not null"] if all(state.of is Of.BINS for state in self.states) else []
        if self._by_bucket() and self.grouping.bucket:
            columns.append("1 / size.share as weight")
            same = f"size.bucket = coalesce({self.grouping.bucket.group}, '-infinity')"
            joined = f"{source.rows}{self.cells.amounts}\njoin size on {same}"
            rows = f"from {joined}{source.where(*only_bins, 'random() < size.share')}"
        else:
            columns.append("1 / (select size.share from size) as weight")
            picked = source.where(*only_bins, "random() < (select size.share from size)")
            rows = f"from {source.rows}{self.cells.amounts}{picked}"
        return f"picked as materialized (\n  select\n{indent(_lines(columns), 4)}\n{indent(rows)}\n)"

    def _picked_value(self, state: State) -> str:
        cells = self.cells
        match state.of:
            case Of.VALUES:
                value = cells.category(state.args[0])
            case Of.KEYS:
                value = cells.key(state.args)
            case _:
                value = cells.amount(state.args[0])
        return f"case when {cells.holds(state.where)} then {value} end" if state.where is not None else value

    def _unpivot(self, alias: str, name: str, values: list[tuple[int, str]]) -> str:
        """Return the FROM clause with one row for each picked row and value.

        Two sets in the select list go in step, at half the cost of a lateral VALUES, which sets up its expressions
        anew for every row.
        """
        numbers = ", ".join(str(number) for number, _ in values)
        listed = ",\n".join(value for _, value in values)
        read = (
            f"select {self._keys_of('p')}p.weight,\n  unnest(array[{numbers}]) as no,\n"
            f"  unnest(array[\n{indent(listed, 4)}\n  ]) as {name}\nfrom picked as p"
        )
        return f"from (\n{indent(read)}\n) as {alias}"

    def _bins(self, states: list[tuple[int, State]]) -> list[str]:
        values, sizes = [], []
        for number, state in states:
            edges = self._edges(state)
            values.append((number, f"cardinality({edges}) + 1 - width_bucket(-p.v_{number}, {edges})"))
            sizes.append(f"({number}, {literal(state.key)}, cardinality({edges}) + 1)")
        counted = (
            f"select {self._keys_of('b')}b.no, b.bin, count(*) as looked_at, sum(b.weight)::bigint as c\n"
            f"{self._unpivot('b', 'bin', values)}\nwhere b.bin is not null{self.grouping.group_by(2)}"
        )
        dense = (
            "array(\n  select coalesce((b.bins -> i::text)::bigint, 0) from generate_series(1, k.size) as i order by i)"
        )
        made = (
            f"select {self._keys_of('b')}k.key,\n"
            f"  jsonb_build_object('v', _version, 'n', b.n, 'c', {indent(dense).lstrip()}) || b.sampled as state\n"
            f"from (\n  select {self._keys_of('b')}b.no, jsonb_object_agg(b.bin, b.c) as bins, sum(b.c) as n,\n"
            f"    {_sampled('b')} as sampled\n  from binned as b{indent(self.grouping.group_by(1))}\n) as b\n"
            f"join (values {', '.join(sizes)}) as k (no, key, size) on k.no = b.no"
        )
        return [_cte("binned", counted), _cte("bins", made)]

    def _categories(self, states: list[tuple[int, State]]) -> list[str]:
        values = [(number, f"p.v_{number}") for number, _ in states]
        keys = ", ".join(f"({number}, {literal(state.key)})" for number, state in states)
        partition = ", ".join([*self.grouping.of("v"), "v.no"])
        counted = (
            f"select {self._keys_of('v')}v.no, v.value, count(*) as looked_at, sum(v.weight)::bigint as c,\n"
            f'  row_number() over (partition by {partition} order by count(*) desc, v.value collate "C") as place\n'
            f"{self._unpivot('v', 'value', values)}\nwhere v.value is not null{self.grouping.group_by(2)}"
        )
        name = (
            f"case when length(v.value) > {LONGEST_TEXT}"
            f" then left(v.value, {LONGEST_TEXT - 20}) || ' ' || left(md5(v.value), 16) else v.value end"
        )
        made = (
            f"select {self._keys_of('v')}k.key,\n  jsonb_build_object(\n"
            f"    'c', coalesce(jsonb_object_agg({name}, v.c) filter (where v.place <= {MOST_CATEGORIES}), '{{}}'),\n"
            f"    'other', coalesce(sum(v.c) filter (where v.place > {MOST_CATEGORIES}), 0),\n"
            f"    'n', sum(v.c)) || {_sampled('v')} as state\n"
            f"from counted as v\njoin (values {keys}) as k (no, key) on k.no = v.no{self.grouping.group_by(1)}"
        )
        return [_cte("counted", counted), _cte("categories", made)]

    def _quantiles(self, states: list[tuple[int, State]]) -> list[str]:
        values = [(number, f"p.v_{number}") for number, _ in states]
        keys = ", ".join(f"({number}, {literal(state.key)})" for number, state in states)
        ordered = (
            f"select {self._keys_of('v')}v.no, array_agg(v.x order by v.x) as xs, count(*) as k,\n"
            f"  sum(v.weight)::bigint as n\n"
            f"{self._unpivot('v', 'x', values)}\nwhere v.x is not null{self.grouping.group_by(1)}"
        )
        points = (
            f"array(\n      select o.xs[1 + round(i * (o.k - 1) / {POINTS - 1}.0)::integer]"
            f" from generate_series(0, {POINTS - 1}) as i order by i)"
        )
        made = (
            f"select {self._keys_of('o')}k.key,\n  case\n"
            f"    when o.k > {FEW_VALUES} then jsonb_build_object('n', o.n, 'v', {points},\n"
            f"      'w', array_fill(o.n / {POINTS}::double precision, array[{POINTS}]))\n"
            "    when o.k < o.n then jsonb_build_object('n', o.n, 'v', o.xs,\n"
            "      'w', array_fill(o.n / o.k::double precision, array[o.k::integer]))\n"
            "    else jsonb_build_object('n', o.n, 'v', o.xs)\n"
            "  end || case when o.k < o.n then jsonb_build_object('sampled', o.k) else '{}' end as state\n"
            f"from ordered as o\njoin (values {keys}) as k (no, key) on k.no = o.no"
        )
        return [_cte("ordered", ordered), _cte("quantiles", made)]

    def _keys(self, number: int, state: State) -> list[str]:
        """Keep the keys whose hash is least.

        Grouping a large load by a key that is almost unique would cost more than the load. How many keys there will
        be is foreseen from the sample (Good 1953: the chance that a further row brings a new key is the share of rows
        whose key was seen once), and only the hashes below a first threshold are grouped at all.
        """
        grouping, cells = self.grouping, self.cells
        conditions = [cells.holds(state.where)] if state.where is not None else []
        if state.present:
            (arg,) = state.args
            conditions += [f"{cells.raw(arg)} is not null", *filter(None, [cells.present(arg)])]
        seen = (
            f"select {self._keys_of('p')}p.v_{number} as h, count(*) as c\n"
            f"from picked as p\nwhere p.v_{number} is not null"
            f" and (select sum(g.n) from groups as g) > {LARGE}{grouping.group_by(1)}"
        )
        foreseen = "count(*) + (g.n - sum(s.c)) * count(*) filter (where s.c = 1) / sum(s.c)"
        # A first threshold below which about TRIED_KEYS a group will be found; all of a statement that is not large.
        threshold = (
            f"select case when g.n <= {LARGE} then 1\n"
            f"    else floor(least(1, {TRIED_KEYS} * g.groups / ({foreseen})) * {_UNIT})\n"
            f"      / {_UNIT}::double precision end as t\n"
            "from (select coalesce(sum(groups.n), 0) as n, count(*) as groups from groups) as g\n"
            f"left join (\n{indent(seen)}\n) as s on true\ngroup by g.n, g.groups"
        )
        columns = [*grouping.selected, f"{cells.key(state.args)} as h"]
        hashed = f"select\n{indent(_lines(columns))}\nfrom {grouping.source.rows}{grouping.source.where(*conditions)}"
        below = f"case when t.t = 1 then 'g' else lpad(to_hex((t.t * {_UNIT})::bigint), 13, '0') end"
        partition = f"partition by {', '.join(grouping.of('r'))} " if grouping.keys else ""
        least = (
            f"select {self._keys_of('r')}r.h, count(*) as c,\n"
            f'  row_number() over ({partition}order by r.h collate "C") as place\n'
            f"from (\n{indent(hashed)}\n) as r\n"
            f'where r.h collate "C" < (select {below} from threshold_{number} as t){grouping.group_by(1)}'
        )
        cut = f"max(left(k.h, 13)) filter (where k.place = {MOST_KEYS + 1})"
        over = f"over (partition by {', '.join(grouping.of('k'))})" if grouping.keys else "over ()"
        made = (
            f"select {self._keys_of('k')}{literal(state.key)} as key,\n  jsonb_build_object(\n"
            f"    't', coalesce(('x' || min(k.cut))::bit(52)::bigint / {_UNIT}::double precision, min(t.t)),\n"
            "    'k', coalesce(jsonb_object_agg(k.h, k.c) filter (where k.cut is null"
            " or left(k.h, 13) collate \"C\" < k.cut), '{}'),\n"
            "    'n', (sum(k.c) / min(t.t))::bigint) as state\n"
            f"from (\n  select k.*, {cut} {over} as cut\n  from least_{number} as k\n) as k\n"
            f"cross join threshold_{number} as t{grouping.group_by(1)}"
        )
        return [
            _cte(f"threshold_{number}", threshold),
            _cte(f"least_{number}", least),
            _cte(f"keys_{number}", made),
        ]

    def _more(self, made: list[str]) -> str:
        union = "\nunion all\n".join(f"select * from {name}" for name in made)
        return _cte(
            "more",
            f"select {self._keys_of('u')}jsonb_object_agg(u.key, u.state) as states\n"
            f"from (\n{indent(union)}\n) as u{self.grouping.group_by()}",
        )


def _sampled(alias: str) -> str:
    """Say how many values were looked at, where that was not all."""
    return (
        f"case when sum({alias}.looked_at) < sum({alias}.c)"
        f" then jsonb_build_object('sampled', sum({alias}.looked_at)) else '{{}}' end"
    )


def _cte(name: str, body: str) -> str:
    return f"{name} as (\n{indent(body)}\n)"


def _lines(columns: Sequence[str]) -> str:
    return ",\n".join(columns)
