"""Random SLO files full of hostile names and values, and the same files with harmless ones in their places."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from tests.fuzz import hostile
from tests.fuzz.hostile import literal, quoted, yaml


@dataclass
class Spec:
    """An SLO file with what must be found again in what is made from it.

    Attributes:
        text: the file.
        schema: of its table.
        table: its name.
        columns: of the table: name → type.
        names: identifiers that stand in rules of this file.
        values: texts that rules compare with.
        told: texts that go into the registry and its messages: owners, addresses.
        lookups: other tables that rules look into, of schema fuzz: name → column.
    """

    text: str
    schema: str
    table: str
    columns: dict[str, str]
    names: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    lookups: dict[str, str] = field(default_factory=dict)


_PARTING = str.maketrans("./", "__")  # these part schema, table and SLO in ids


class Slots:
    """Gives names and values, hostile or plain; both draw the same number of chances."""

    def __init__(self, chance: random.Random, *, plain: bool) -> None:
        self.chance = chance
        self.plain = plain
        self._taken: set[str] = set()
        self._number = count(1)

    def name(self) -> str:
        """Return a new identifier."""
        name = hostile.identifier(self.chance, self._taken)
        return f"plain_{next(self._number)}" if self.plain else name

    def part(self) -> str:
        """Return a new name of a schema or table, which the file tells apart by a dot."""
        name = self.name().translate(_PARTING)
        return "t" + name[2:] if name.startswith("pg_") else name  # PostgreSQL keeps such schemas to itself

    def value(self) -> str:
        """Return a text, never the same twice."""
        text, before = hostile.text(self.chance), self.chance.random() < 0.5
        number = next(self._number)
        return f"plain {number}" if self.plain else f"{number}{text}" if before else f"{text}{number}"


ACTIONS = ("reject", "quarantine", "warn")


def spec(chance: random.Random, *, plain: bool = False) -> Spec:
    """Return a random file.

    Args:
        chance: decides everything; from the same seed the plain file differs in names and values only.
        plain: with harmless names and values.
    """
    slots = Slots(chance, plain=plain)
    found = Spec("", slots.part(), slots.part(), {})
    key, kept, flag, number, when = slots.name(), slots.name(), slots.name(), slots.name(), slots.name()
    texts = [slots.name() for _ in range(chance.randint(2, 4))]
    found.columns = {key: "bigint", kept: "text", flag: "boolean", number: "double precision", when: "timestamptz"}
    found.columns |= dict.fromkeys(texts, "text")
    lines = ["mlguard: 1", f"table: {yaml(found.schema + '.' + found.table)}", f"key: [{yaml(key)}]"]
    lines += [f"event_time: {yaml(quoted(when))}", f"reads: {chance.choice(['view', 'policy', 'none'])}"]
    lines += [f"writes: {chance.choice(['bulk', 'rows'])}"]
    found.told = [slots.value() for _ in range(3)]
    lines += [
        f"{word}: {yaml(told)}" for word, told in zip(("owner", "runbook", "description"), found.told, strict=True)
    ]
    lines += ["columns:", f"  {yaml(key)}: {{type: bigint}}", f"  {yaml(kept)}: {{type: text}}"]
    lines += [f"  {yaml(flag)}: {{type: boolean}}", f"  {yaml(when)}: {{type: timestamptz}}"]
    action = chance.choice(ACTIONS)
    lines += [f"  {yaml(number)}: {{type: double precision, range: {{between: [0, 9], on_violation: {action}}}}}"]
    for place, column in enumerate(texts):
        pii = ", pii: true" if place and chance.random() < 0.15 else ""
        lines.append(f"  {yaml(column)}: {{type: text{pii}, {_short(found, slots)}}}")
        found.names.append(column)
    lines.append("slos:")
    for _ in range(chance.randint(2, 5)):
        body = chance.choice(FORMS)(found, slots, chance.choice(texts), flag)
        plain_check = body.endswith("on_violation: reject") and "::integer" not in body  # that one may raise
        portable = ", portable: true" if plain_check and chance.random() < 0.2 else ""
        lines.append(f"  - {{name: {yaml(_label(slots))}, {body}{portable}}}")
    if chance.random() < 0.3:
        lines += _windows(slots, texts[0], number)
    if chance.random() < 0.2:
        lines += [f"  - {{name: {yaml(_label(slots))}, {_asserted(found, slots, texts[0], key)}}}"]
    if chance.random() < 0.3:
        lines += _steps(found, slots, kept, flag)
    found.text = "\n".join(lines) + "\n"
    return found


def _label(slots: Slots) -> str:
    """Return the name of an SLO, which may not hide parts of messages, nor look like an id."""
    value = slots.value()
    kept = "".join(character for character in value if character.isprintable()).translate(_PARTING)
    return kept.strip() or "q"


def _action(slots: Slots) -> str:
    words = f"on_violation: {slots.chance.choice(ACTIONS)}"
    if slots.chance.random() < 0.2:
        words += ", max_bad: 50%"
    if slots.chance.random() < 0.1:
        words += ", shadow: true"
    return words


def _short(found: Spec, slots: Slots) -> str:
    values = [slots.value() for _ in range(slots.chance.randint(1, 3))]
    found.values += values
    listed = f"[{', '.join(yaml(value) for value in values)}]"
    kind = slots.chance.choice(["in", "not_in", "repair"])
    if kind == "repair":
        mended = slots.value()
        found.values.append(mended)
        return f"not_in: {{values: {listed}, on_violation: repair, repair: {{default: {yaml(mended)}}}}}"
    return f"{kind}: {{values: {listed}, {_action(slots)}}}"


def _compared(found: Spec, slots: Slots, column: str, flag: str) -> str:
    value = slots.value()
    found.values.append(value)
    found.names += [column, flag]
    operator = slots.chance.choice(["=", "<>", "<", "is distinct from"])
    check = f"{quoted(column)} {operator} {literal(value)} or {quoted(flag)}"
    return f"check: {yaml(check)}, {_action(slots)}"


def _joined(found: Spec, slots: Slots, column: str, flag: str) -> str:
    left, right = slots.value(), slots.value()
    found.values += [left, right]
    found.names.append(column)
    check = f"{quoted(column)} || {literal(left)} <> coalesce({quoted(column)}, {literal(right)})"
    where = f", where: {yaml(quoted(flag))}" if slots.chance.random() < 0.5 else ""
    return f"check: {yaml(check)}{where}, nulls: fail, {_action(slots)}"


def _cast(found: Spec, slots: Slots, column: str, flag: str) -> str:
    """A rule that may raise: it is judged by a function of its own."""
    value = slots.value()
    found.values.append(value)
    found.names.append(column)
    check = f"case when {quoted(column)} = {literal(value)} then true else {quoted(column)}::integer > 0 end"
    return f"check: {yaml(check)}, {_action(slots)}"


def _looked_up(found: Spec, slots: Slots, column: str, flag: str) -> str:
    table, other = slots.part(), slots.name()
    found.lookups[table] = other
    found.names += [column, other, table]
    check = f"{quoted(column)} IN (SELECT {quoted(other)} FROM fuzz.{quoted(table)})"
    return f"check: {yaml(check)}, on_violation: {slots.chance.choice(['warn', 'quarantine'])}"


Form = Callable[[Spec, Slots, str, str], str]
FORMS: tuple[Form, ...] = (_compared, _joined, _cast, _looked_up)


def _asserted(found: Spec, slots: Slots, column: str, key: str) -> str:
    value = slots.value()
    found.values.append(value)
    found.names += [column, key]
    table = f"{quoted(found.schema)}.{quoted(found.table)}"
    query = f"select r.{quoted(key)} from {table} as r where r.{quoted(column)} = {literal(value)}"
    return f"assert: {yaml(query)}"


def _windows(slots: Slots, column: str, number: str) -> Iterator[str]:
    metric = slots.chance.choice(
        [f"coverage({quoted(column)})", f"distinct_count({quoted(column)})", f"mean({quoted(number)})"]
    )
    yield f"  - {{name: {yaml(_label(slots))}, check: {yaml(f'{metric} >= 0')}, by: [{yaml(column)}]}}"
    yield f"  - {{name: {yaml(_label(slots))}, check: {yaml(f'{metric} >= 0')}, over: batch, on_violation: hold}}"


def _steps(found: Spec, slots: Slots, column: str, flag: str) -> Iterator[str]:
    asked, given, missing = slots.value(), slots.value(), slots.value()
    found.values += [asked, given, missing]
    found.names += [column, flag]
    when = f"{quoted(column)} = {literal(asked)} or {quoted(flag)}"
    yield f"model: {yaml(_label(slots))}"
    yield "post:"
    yield f"  - {{name: {yaml(_label(slots))}, when: {yaml(when)}, set: {{{yaml(column)}: {yaml(literal(given))}}}}}"
    yield f"  - {{name: {yaml(_label(slots))}, default: {{{yaml(column)}: {yaml(missing)}}}}}"
