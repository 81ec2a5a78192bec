"""Post-prediction steps of a table: the part of its BEFORE ROW trigger that runs before any rule is judged. Pure.

Most rows meet no condition of any step: the entry function computes their new values in local variables and lets them
land. It pins no setting, which every row would pay for, so nothing in it is looked up by name: expressions stand in
functions with BEGIN ATOMIC, which PostgreSQL binds when they are made and puts in place of their calls. The first
condition that holds, and every value outside the domain of an expression, sends the row as it arrived to the function
of `post_slow`, which does everything over again, with lines for the change log and errors caught.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlguard.emit import post_names, rows_mode
from mlguard.emit.objects import DbObject, Kind, Statement, comment, function, indent
from mlguard.emit.pg_expr import Writer, to_sql
from mlguard.emit.pg_guard import guard
from mlguard.emit.pg_probe import ProbeWriter, plain_lookups
from mlguard.emit.post_names import of, stepped
from mlguard.emit.rules import Types, literal, one_line
from mlguard.emit.triggers import trigger_function
from mlguard.lang.analyse import columns_of, lookups_of
from mlguard.lang.tree import Expr
from mlguard.lang.types import pinned, without_modifier
from mlguard.names import quote_ident
from mlguard.program import Points, Rule, Step, TableProgram

MAX_ARGUMENTS = 100  # FUNC_MAX_ARGS
WHY = "post-prediction steps change a row before it lands"


class Entry:
    """Writes the entry function of one table, and the functions that hold its expressions."""

    def __init__(self, program: TableProgram, rules: tuple[Rule, ...], slow: str) -> None:
        self.program, self.rules, self.slow = program, rules, slow
        self.names = {
            name: f"_{number}"
            for number, name in enumerate(stepped(program), 1)
            if any(name in step.targets and step.when is None for step in of(program).steps)
        }
        why = f"the steps of {one_line(str(program.table))} run in functions"
        self.types = Types(program, why, of(program).steps_in_file)
        self.made: list[DbObject] = []
        self._waiting: list[tuple[str, tuple[str, ...]]] = []

    def body(self) -> tuple[tuple[str, ...], str]:
        """Return declarations and body."""
        found = of(self.program)
        for number, step in enumerate(found.steps, 1):
            if step.points is not None:
                self._points(number, step.points)
        lines = self._lines(found.steps) if self._can_be_fast(found.steps) else None
        away = f"return {self.slow}(NEW, OLD, TG_OP);"
        if lines is None:
            return (), f"{self._acting()}{self._update()}{away}"
        kinds = {name: pinned(self.types[name]) for name in self.names}
        declare = tuple(f"{local} {kinds[name]} := NEW.{quote_ident(name)}" for name, local in self.names.items())
        declare += tuple(f"{local}_next {kinds[name]}" for name, local in self.names.items() if self._needs_next(name))
        text = "\n".join(lines)
        return declare, f"<<plain>>\nbegin\n{indent(text)}\nend plain;\n{self._acting()}{self._update()}{away}"

    def _acting(self) -> str:
        """Return what lets pass what COMMIT makes of the rows of a request, which may be all of a load."""
        program = self.program
        steps = program.predictions.steps if program.predictions is not None else ()
        if program.shape.partition_columns or not any(step.scales for step in steps) or not self._inlined(self.rules):
            return ""
        kept = [f"NEW.{quote_ident(name)} := OLD.{quote_ident(name)};" for name in of(program).raw.values()]
        held = f"if {self._rules_call(local=False)} is not true then\n" if self.rules else ""
        act = indent("\n".join((*kept, "return NEW;")), 6 if held else 4)
        return (
            "if TG_OP operator(pg_catalog.=) 'UPDATE'\n"
            "  and pg_catalog.current_setting('mlguard.acting', true) operator(pg_catalog.=) 'on' then\n"
            "  if exists (\n    select from mlguard._acting as a\n"
            f"    where a.tbl operator(pg_catalog.=) {literal(str(program.table))}\n"
            "      and a.xid operator(pg_catalog.=) pg_catalog.pg_current_xact_id_if_assigned()\n  ) then\n"
            f"{'    ' if held else ''}{held}{act}\n{'    end if;' if held else ''}".rstrip()
            + "\n  end if;\nend if;\n"
        )

    def _update(self) -> str:
        """Return what lets an UPDATE pass that touches no stepped column and breaks no rule."""
        program = self.program
        routing = (name for step in of(program).steps if not step.targets for name in reads(step))
        watched = tuple(
            dict.fromkeys((*stepped(program), *of(program).raw.values(), *program.shape.partition_columns, *routing))
        )
        if not watched or 2 * len(watched) > MAX_ARGUMENTS or not self._inlined(self.rules) or self._folded(watched):
            return ""
        parameters = [f"{side}_{number} {self.types[name]}" for number, name in enumerate(watched) for side in "ab"]
        test = "\n    and ".join(f"a_{number} is not distinct from b_{number}" for number in range(len(watched)))
        types = [without_modifier(self.types[name]) for name in watched for _ in "ab"]
        arguments = ", ".join(f"NEW.{quote_ident(name)}, OLD.{quote_ident(name)}" for name in watched)
        call = self._atomic("same", watched, parameters, types, "boolean", test)
        held = ""
        if self.rules:
            held = f"\n    and {self._rules_call(local=False)} is not true"
        # NEW and OLD of one row only: nested, since PostgreSQL may evaluate all of a condition before it knows it.
        return (
            f"if TG_OP operator(pg_catalog.=) 'UPDATE' then\n  if {call}({arguments}){held} then\n"
            "    return NEW;\n  end if;\nend if;\n"
        )

    def _needs_next(self, name: str) -> bool:
        return any(step.points or len(step.sets) > 1 for step in of(self.program).steps if name in step.targets)

    def _folded(self, columns: Sequence[str]) -> bool:
        odd = {column.name for column in self.program.shape.columns if column.nondeterministic}
        return bool(odd & set(columns))

    def _inlined(self, rules: tuple[Rule, ...]) -> bool:
        columns = rows_mode.columns_of_rules(rules)
        return len(columns) <= MAX_ARGUMENTS and not self._folded(columns) and not rows_mode.looks_up(rules)

    def _can_be_fast(self, steps: Sequence[Step]) -> bool:
        raw = of(self.program).raw
        logs_all = any(step.when is None and any(name not in raw for name in step.targets) for step in steps)
        routes_all = any(step.when is None and not step.targets for step in steps)
        read = {name for step in steps for name in reads(step)}
        return not logs_all and not routes_all and not self._folded(tuple(read)) and self._inlined(self.rules)

    def _lines(self, steps: Sequence[Step]) -> list[str]:
        lines: list[str] = []
        self._waiting.append((self._first(), ()))
        for number, step in enumerate(steps, 1):
            if step.when is not None:
                lines += self._condition(number, step)
            else:
                lines += self._assignment(number, step)
        lines += self._flush()
        if self.rules:
            lines.append(f"exit plain when {self._rules_call(local=True)};")
        raw = of(self.program).raw
        lines += [f"NEW.{quote_ident(kept)} := NEW.{quote_ident(name)};" for name, kept in raw.items()]
        lines += [f"NEW.{quote_ident(name)} := {local};" for name, local in self.names.items()]
        return [*lines, "return NEW;"]

    def _first(self) -> str:
        """Return when a row takes the long way whatever it holds: it is no plain INSERT."""
        setting = f"current_setting({literal(post_names.both(self.program))}, true)"
        return f"tg_op <> 'INSERT' or {setting} = 'both'"

    def _condition(self, number: int, step: Step) -> list[str]:
        """Leave the plain way where the step's condition holds, or cannot be evaluated."""
        assert step.when is not None
        if not lookups_of(step.when):
            self._waiting.append((_may_hold(step.when, self.program), columns_of(step.when)))
            return []
        rest, probes = plain_lookups(step.when)
        if probes is None:
            name = self._when(number, step)
            return [*self._flush(), f"exit plain when {name}({self._arguments(columns_of(step.when))});"]
        columns = tuple(dict.fromkeys(column for part in rest for column in columns_of(part)))
        head = ""
        if rest:
            test = "\n    and ".join(f"({_may_hold(part, self.program)})" for part in rest)
            head = f"{self._test(test, columns)} is true"
        probed = [
            f"perform from {probe.source}\nwhere {probe.column} operator(pg_catalog.=) {self._at(probe.operand)};"
            for probe in probes
        ]
        text = "\n".join(f"{sql}\nexit plain when found;" for sql in probed)
        return [*self._flush(), f"if {head} then\n{indent(text)}\nend if;" if head else text]

    def _assignment(self, number: int, step: Step) -> list[str]:
        parts = [item.value for item in step.sets]
        for part in parts:
            whole = guard(part, None, self.program.time_zone).whole
            if whole is not None and not step.total:
                self._waiting.append((f"({whole}) is not true", columns_of(part)))
        lines = self._flush()
        if step.points is not None:
            local = self.names[step.points.column]
            lines.append(f"{local}_next := {points_name(self.program, number)}({local});")
            lines.append(f"exit plain when {local}_next is null and {local} is not null;")
            return [*lines, f"{local} := {local}_next;"]
        several = len(step.sets) > 1
        for place, item in enumerate(step.sets, 1):
            columns = columns_of(item.value)
            call = self._value(f"{number}.{place} {item.column}", columns, self.types[item.column], item.value)
            local = self.names[item.column]
            lines.append(f"{local}{'_next' * several} := {call}({self._arguments(columns)});")
        if several:
            lines += [f"{self.names[item.column]} := {self.names[item.column]}_next;" for item in step.sets]
        return lines

    def _flush(self) -> list[str]:
        """Write the conditions that wait as one, since each costs a statement."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        columns = tuple(dict.fromkeys(name for _, names in waiting for name in names))
        test = "\n    or ".join(f"({text})" for text, _ in waiting)
        return [f"exit plain when {self._test(test, columns, op=waiting[0][0] == self._first())};"]

    def _test(self, text: str, columns: tuple[str, ...], *, op: bool = False) -> str:
        parameters = [f"{quote_ident(name)} {self.types[name]}" for name in columns]
        types = [without_modifier(self.types[name]) for name in columns]
        arguments = self._arguments(columns)
        if op:
            parameters, types = ["tg_op text", *parameters], ["text", *types]
            arguments = ", ".join(filter(None, ("TG_OP", arguments)))
        name = self._atomic(f"test {len(self.made) + 1}", columns, parameters, types, "boolean", text)
        return f"{name}({arguments})"

    def _value(self, label: str, columns: tuple[str, ...], result: str, expr: Expr) -> str:
        parameters = [f"{quote_ident(name)} {self.types[name]}" for name in columns]
        types = [without_modifier(self.types[name]) for name in columns]
        text = to_sql(expr, None, self.program.time_zone)
        return self._atomic(f"value {label}", columns, parameters, types, without_modifier(result), f"({text})")

    def _atomic(
        self, label: str, columns: Sequence[str], parameters: list[str], types: list[str], result: str, text: str
    ) -> str:
        """Make a function that PostgreSQL puts in place of its call; return its name.

        Its columns are part of the name: CREATE OR REPLACE FUNCTION cannot rename a parameter.
        """
        name = post_names.function(self.program, f"{label} ({', '.join(columns)})")
        made = (
            f"create or replace function {name}({', '.join(parameters)})\nreturns {result}\nlanguage sql\nstable\n"
            f"begin atomic\n  select {text};\nend"
        )
        self._private(f"{name}({', '.join(types)})", made, "an expression of the steps, bound when it was made")
        return name

    def _private(self, signature: str, sql: str, why: str) -> None:
        ids = (str(self.program.table),)
        self.made.append(
            DbObject(
                table=self.program.table,
                kind=Kind.FUNCTION,
                name=signature,
                slos=ids,
                create=(
                    Statement(sql),
                    Statement(f"revoke all on function {signature} from public"),
                    Statement(comment(f"function {signature}", self.program.table, ids, sql)),
                ),
                drop=(f"drop function if exists {signature}",),
                why=why,
                replaces_in_place=True,
            )
        )

    def _arguments(self, columns: Sequence[str], *, local: bool = True) -> str:
        return ", ".join(self._at(name) if local else f"NEW.{quote_ident(name)}" for name in columns)

    def _at(self, column: str) -> str:
        return self.names.get(column) or f"NEW.{quote_ident(column)}"

    def _rules_call(self, *, local: bool) -> str:
        name, made = rows_mode.breaks(self.program, self.rules)
        if all(item.name != made.name for item in self.made):
            self.made.append(made)
        raw = {kept: name for name, kept in of(self.program).raw.items()}
        columns = rows_mode.columns_of_rules(self.rules)
        # The raw column holds by then what the model gave.
        own = [f"NEW.{quote_ident(raw[name])}" if local and name in raw else "" for name in columns]
        arguments = [given or self._arguments((name,), local=local) for given, name in zip(own, columns, strict=True)]
        return f"{name}({', '.join(arguments)})"

    def _when(self, number: int, step: Step) -> str:
        """Make the function for a condition with lookups that are not plain probes."""
        assert step.when is not None
        columns = columns_of(step.when)
        name = post_names.function(self.program, f"when {number} ({', '.join(columns)})")
        parameters = ", ".join(f"{quote_ident(column)} {self.types[column]}" for column in columns)
        types = ", ".join(without_modifier(self.types[column]) for column in columns)
        text = ProbeWriter(None, self.program.time_zone).write(step.when)
        made = function(
            f"{name}({parameters})",
            returns="boolean",
            attributes="stable security definer\nset search_path = pg_catalog, pg_temp",
            about=f"Whether step {one_line(step.name)} may hold; true too where that cannot be evaluated.",
            declare=(),
            body=f"  return {text};\nexception\n  when others then\n    return true;",
        )
        self._private(f"{name}({types})", made, "a condition of the steps that reads other tables")
        return name

    def _points(self, number: int, points: Points) -> None:
        name, made = points_function(self.program, number, points)
        self._private(f"{name}(double precision)", made, "interpolates between the points of a calibration")


def entry(program: TableProgram, rules: tuple[Rule, ...], name: str, slow: str, ids: tuple[str, ...]) -> list[DbObject]:
    """Return the trigger's function and the functions that hold its expressions."""
    writer = Entry(program, rules, slow)
    declare, body = writer.body()
    listed = "\n".join(f"  {one_line(step.name)}: {step.kind}" for step in of(program).steps)
    made = function(
        f"{name}()",
        returns="trigger",
        attributes="security definer",
        about=f"Every row written to {one_line(str(program.table))}. Pins no search_path, which a good row would pay\n"
        f"for: nothing here is looked up in it. Post-prediction steps:\n{listed}",
        declare=declare,
        body=indent(body),
    )
    return [*writer.made, trigger_function(program, name, made, ids, WHY)]


def points_function(program: TableProgram, number: int, points: Points) -> tuple[str, str]:
    """Return the name and text of the function that calibrates by the points of a table: NULL where there is none."""
    name = points_name(program, number)
    x, y = f"p.{quote_ident(points.x)}", f"p.{quote_ident(points.y)}"
    body = (
        "  if p_value is null or p_value = 'NaN' then\n    return p_value;\n  end if;\n"
        f"  select {x}, {y} into _x_1, _y_1 from {points.table.sql} as p where {x} <= p_value"
        f" order by {x} desc limit 1;\n"
        f"  select {x}, {y} into _x_2, _y_2 from {points.table.sql} as p where {x} >= p_value order by {x} limit 1;\n"
        "  return case\n    when _x_1 is null then _y_2\n    when _x_2 is null or _x_1 = _x_2 then _y_1\n"
        "    else _y_1 + (_y_2 - _y_1) * ((p_value - _x_1) / (_x_2 - _x_1))\n  end;"
    )
    made = function(
        f"{name}(p_value double precision)",
        returns="double precision",
        attributes="stable security definer\nset search_path = pg_catalog, pg_temp",
        about="A straight line between the two nearest points; outside all of them the value of the nearest.",
        declare=tuple(f"_{axis}_{end} double precision" for end in (1, 2) for axis in "xy"),
        body=body,
    )
    return name, made


def points_name(program: TableProgram, number: int) -> str:
    """Return the name of the function that calibrates by the points of step `number`."""
    return post_names.function(program, f"points {number}")


def reads(step: Step) -> tuple[str, ...]:
    """Return the columns a step reads."""
    parts = [item.value for item in step.sets] + ([step.when] if step.when is not None else [])
    own = (step.points.column,) if step.points is not None else ()
    return tuple(dict.fromkeys((*(name for part in parts for name in columns_of(part)), *own)))


def _may_hold(expr: Expr, program: TableProgram) -> str:
    """Return a condition that is true where `expr` is, and where it cannot be evaluated."""
    text = Writer(None, program.time_zone).write(expr)
    whole = guard(expr, None, program.time_zone).whole
    return text if whole is None else f"case when {whole} then {text} else true end"
