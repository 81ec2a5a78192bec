"""The verdict function of an SLO over batches or windows: states in, metrics and an answer out. Pure.

Every metric of the check becomes a variable, computed by a finaliser of the runtime; the condition is then the check as
it stands in the SLO file, with variables in the metrics' places.
"""

from __future__ import annotations

from mlguard.emit.gaps import gap_function
from mlguard.emit.objects import DbObject, Kind, Statement, comment, function, indent
from mlguard.emit.pg_expr import Writer
from mlguard.emit.rules import literal, one_line
from mlguard.emit.states import categories
from mlguard.lang.analyse import base_metrics, told_metrics
from mlguard.lang.measure import Measure, Of, State, measure, measured_name
from mlguard.lang.metrics import FAIRNESS, METRICS, Family
from mlguard.lang.precedence import ATOM
from mlguard.lang.tree import Literal, Metric
from mlguard.names import fit, quote_ident
from mlguard.program import Rule, TableProgram

WHY = "judges the merged states of a batch or window"
WHY_GAPS = "computes the longest gap of a window from its own stored rows"
HISTORY_LACKS = "fewer than 3 earlier windows"
LEARNING = "learning"
NOTHING_BEFORE = "trailing is 0"
NO_ANSWER = "no answer"
CHANCE = "within chance"
ROUNDED = "of scores rounded to three digits"
_LINE = "\n"
DISTANCES = ("psi", "js", "ks", "linf", "new_category_rate")


def verdict_name(rule: Rule) -> str:
    """Return the qualified name of the SLO's verdict function, '' where it has none: learned health needs none."""
    named = rule.expr is not None or rule.no_gaps is not None
    return f"mlguard.{quote_ident(fit(f'verdict {rule.id}'))}" if named else ""


def counts_labels(rule: Rule) -> bool:
    """Say whether the rows of a verdict are those that have a label; its function then knows how many are too few."""
    metrics = base_metrics(rule.expr) if rule.expr is not None else ()
    return any(METRICS[metric.name].family is Family.LABELS for metric in metrics)


def objects(program: TableProgram) -> list[DbObject]:
    """Return one verdict function for each SLO over batches or windows that has a check."""
    return [_object(rule, program) for rule in program.judged if verdict_name(rule)]


def _object(rule: Rule, program: TableProgram) -> DbObject:
    signature = f"{verdict_name(rule)}(jsonb, jsonb)"
    if rule.no_gaps is not None:
        made = gap_function(rule, program, verdict_name(rule))
    else:
        made = _Verdict(rule, program).function()
    return DbObject(
        table=program.table,
        kind=Kind.FUNCTION,
        name=signature,
        slos=(rule.id,),
        create=(
            Statement(made),
            Statement(f"revoke all on function {signature} from public"),
            Statement(comment(f"function {signature}", program.table, (rule.id,), made)),
        ),
        drop=(f"drop function if exists {signature}",),
        why=WHY_GAPS if rule.no_gaps is not None else WHY,
        replaces_in_place=True,
    )


class Condition(Writer):
    """Writes the check with variables in the places of its metrics."""

    def __init__(self, variables: dict[Metric, str]) -> None:
        super().__init__()
        self.variables = variables

    def _metric(self, expr: Metric) -> tuple[str, int]:
        return self.variables[expr], ATOM


class _Verdict:
    """One verdict function in the making."""

    def __init__(self, rule: Rule, program: TableProgram) -> None:
        assert rule.expr is not None
        self.rule, self.program, self.expr = rule, program, rule.expr
        self.told = told_metrics(rule.expr)
        self.variables = {metric: f"_{number}" for number, metric in enumerate(self.told, 1)}

    def function(self) -> str:
        """Return CREATE FUNCTION."""
        learns = any(metric.name == "usual" for metric in self.told)
        return function(
            f"{verdict_name(self.rule)}(_s jsonb, _c jsonb)",
            returns="mlguard.found_v1",
            attributes=f"{'volatile' if learns else 'stable'}\nsecurity definer\nset search_path = pg_catalog, pg_temp",
            about=f"{one_line(self.rule.id)}: {one_line(self.rule.text)}\n_s: merged states; _c: what they are of.",
            declare=tuple(self._declarations()),
            body=indent("\n".join(self._body())),
        )

    def _declarations(self) -> list[str]:
        kinds = [
            f"{self.variables[metric]} {'boolean' if metric.name == 'usual' else 'double precision'}"
            for metric in self.told
        ]
        return [*kinds, *(["_n bigint"] if counts_labels(self.rule) else []), "_ok boolean", "_reason text"]

    def _body(self) -> list[str]:
        # What is computed from others comes after them.
        order = sorted(self.told, key=lambda metric: METRICS[metric.name].family is Family.HISTORY)
        lines = [
            f"{self.variables[metric]} := {self._value(metric)};  -- {one_line(self._name(metric))}" for metric in order
        ]
        condition = self._condition(self.variables)
        lines.append(f"_ok := {condition};")
        distances = [metric for metric in self.told if metric.name in DISTANCES]
        if distances:
            lines.append(self._noise(distances))
        fair = [metric for metric in self.told if metric.name in FAIRNESS]
        if fair:
            lines.append(self._chance(fair))
        lines += [self._rounded(metric) for metric in self.told if metric.name == "auc"]
        reasons = indent(f"_reason := {self._reasons()};")
        lines.append(f"if _ok is null and _reason is null then\n{reasons}\nend if;")
        names = ", ".join(literal(self._name(metric)) for metric in self.told)
        values = ", ".join(self._as_number(metric) for metric in self.told)
        rows = f"mlguard.count_v1(_s, {literal(State(Of.ROWS, where=self.rule.where).key)})::bigint"
        if counts_labels(self.rule):
            lines += self._few_labels()
            rows = "_n"
        lines.append(
            f"return row(array[{names}],\n           array[{values}]::double precision[],\n"
            f"           {rows}, _ok, _reason)::mlguard.found_v1;"
        )
        return lines

    def _condition(self, variables: dict[Metric, str]) -> str:
        return Condition(variables).write(self.expr)

    def _as_number(self, metric: Metric) -> str:
        variable = self.variables[metric]
        return f"{variable}::integer" if metric.name == "usual" else variable

    def _name(self, metric: Metric) -> str:
        return measured_name(metric, self.rule.where)

    def _measure(self, metric: Metric) -> Measure:
        return measure(metric, self.rule.where, categories(self.program))

    def _value(self, metric: Metric) -> str:
        if METRICS[metric.name].family is Family.HISTORY:
            return self._history(metric)
        found = self._measure(metric)
        keys = [literal(state.key) if state is not None else "null" for state in found.states]
        if found.column is not None:
            return f"mlguard.{found.finish}_v1(_s, _c, {keys[0]}, {literal(found.column)})"
        if metric.name in FAIRNESS:
            return f"mlguard.fair_v1(_s, {self._fair(metric)})"
        if found.share is not None:
            keys.append(f"{found.share}")
        return f"mlguard.{found.finish}_v1(_s, {', '.join(keys)})"

    def _history(self, metric: Metric) -> str:
        base = metric.args[0]
        assert isinstance(base, Metric)
        value, name = self.variables[base], literal(self._name(base))
        if metric.name == "usual":
            rows = literal(State(Of.ROWS, where=self.rule.where).key)
            return f"mlguard.usual_v1(_c, {name}, {value}, mlguard.count_v1(_s, {rows})::bigint)"
        past = self._past(metric)
        if metric.name == "trailing":
            return past
        if metric.name == "delta":
            return f"{value} - {past}"
        return f"{value} / nullif({past}, 0) - 1"

    def _past(self, metric: Metric) -> str:
        base, length = metric.args
        assert isinstance(base, Metric)
        assert isinstance(length, Literal)
        return f"mlguard.trailing_v1(_c, {literal(self._name(base))}, interval {literal(str(length.value))})"

    def _fair(self, metric: Metric) -> str:
        state = self._measure(metric).states[0]
        assert state is not None
        return f"{literal(metric.name)}, {literal(state.key)}, {self.rule.min_rows}"

    def _chance(self, fair: list[Metric]) -> str:
        """A gap between groups that chance alone could bring about is unknown, not too large."""
        copies = {metric: f"_least_{self.variables[metric][1:]}" for metric in fair}
        bounds = [
            f"{copy} double precision := mlguard.fair_bound_v1(_s, {self._fair(metric)});"
            for metric, copy in copies.items()
        ]
        inner = (
            f"declare\n{indent(_LINE.join(bounds))}\nbegin\n"
            f"  if ({self._condition({**self.variables, **copies})}) is not false then\n"
            f"    _ok := null;\n    _reason := {literal(CHANCE)};\n  end if;\nend;"
        )
        return f"if not _ok then\n{indent(inner)}\nend if;"

    def _rounded(self, metric: Metric) -> str:
        """What fails by an approximate value says so."""
        state = self._measure(metric).states[0]
        assert state is not None
        return f"if not _ok and _s -> {literal(state.key)} ? 'rounded' then\n  _reason := {literal(ROUNDED)};\nend if;"

    def _few_labels(self) -> list[str]:
        key, least = State(Of.LABELLED, where=self.rule.where).key, self.rule.min_rows
        words = f"format('%s labelled row%s, fewer than {least}', _n, case when _n = 1 then '' else 's' end)"
        return [
            f"_n := coalesce(mlguard.count_v1(_s, {literal(key)}), 0)::bigint;",
            f"if _n < {least} then\n  _ok := null;\n  _reason := {words};\nend if;",
        ]

    def _noise(self, distances: list[Metric]) -> str:
        """A distance that chance alone could bring about is unknown, not too large."""
        copies = {metric: f"_known_{self.variables[metric][1:]}" for metric in distances}
        lines = [
            f"declare\n  {'; '.join(f'{copy} double precision := {self.variables[m]}' for m, copy in copies.items())};"
        ]
        lines.append("  _why text;\nbegin")
        for metric, copy in copies.items():
            found = self._measure(metric)
            state = found.states[0]
            assert state is not None
            assert found.column is not None
            arguments = f"{literal(metric.name)}, {literal(state.key)}, {literal(found.column)}, {copy}"
            lines.append(
                f"  _why := mlguard.within_noise_v1(_s, _c, {arguments});\n"
                f"  if _why is not null then\n    _reason := _why;\n    {copy} := null;\n  end if;"
            )
        lines.append(f"  _ok := {self._condition({**self.variables, **copies})};")
        lines.append("  if _ok is not null then\n    _reason := null;\n  end if;\nend;")
        return f"if not _ok then\n{indent(chr(10).join(lines))}\nend if;"

    def _reasons(self) -> str:
        """Why there is no answer: a metric without values first, then what lacks a past or a baseline."""
        arms = []
        for metric in self.told:
            variable = self.variables[metric]
            if METRICS[metric.name].family is Family.HISTORY:
                continue
            if metric.name in DISTANCES:
                found = self._measure(metric)
                assert found.states[0] is not None
                assert found.column is not None
                why = (
                    f"mlguard.no_distance_v1(_s, _c, {literal(metric.name)}, {literal(found.states[0].key)},"
                    f" {literal(found.column)})"
                )
                arms.append(f"when {variable} is null then {why}")
            elif METRICS[metric.name].family in (Family.LABELS, Family.GROUPS):
                state = self._measure(metric).states[0]
                assert state is not None
                labelled = literal(State(Of.LABELLED, where=self.rule.where).key)
                why = f"mlguard.no_score_v1(_s, {self._fair(metric)}, {labelled})"
                arms.append(f"when {variable} is null then {why}")
            else:
                arms.append(f"when {variable} is null then 'no values'")
        for metric in self.told:
            if METRICS[metric.name].family is Family.HISTORY:
                if metric.name == "change":
                    arms.append(f"when {self._past(metric)} = 0 then {literal(NOTHING_BEFORE)}")
                words = LEARNING if metric.name == "usual" else HISTORY_LACKS
                arms.append(f"when {self.variables[metric]} is null then {literal(words)}")
        return f"case\n{indent(_LINE.join([*arms, 'else ' + literal(NO_ANSWER)]))}\nend"
