"""docs/language.md says what the program does."""

from __future__ import annotations

import pytest

from mlguard.lang import ExpressionError, Scope, compile_slo, tree
from mlguard.lang.catalogue import FUNCTIONS
from mlguard.lang.convert import Danger
from mlguard.lang.types import SqlType, parse_type
from tests.unit.lang.documented import PAGE, code, function_rows, metric_rows, table


def type_of(spelled: str) -> SqlType:
    """Return a declared type."""
    found = parse_type(spelled)
    assert found is not None
    return found


DECLARED = {"age": "integer", "TEMP": "real", "score": "double precision", "plan": "text", "payload": "json"}
CUSTOMER = {**DECLARED, "seen_at": "timestamptz", "signed_up": "date"}
SCOPE = Scope({name: type_of(spelled) for name, spelled in CUSTOMER.items()}, closed=True)


def test_tables_of_functions_and_metrics_are_the_catalogue() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "\n".join(function_rows()) in page
    assert "\n".join(metric_rows()) in page


def test_every_node_is_documented() -> None:
    nodes = {node.__name__ for node in vars(tree).values() if isinstance(node, type) and issubclass(node, tree.Expr)}
    assert {code(row[1]) for row in table("Constructs")} == nodes - {"Expr"}


def test_every_function_that_can_raise_is_documented_as_such() -> None:
    page = PAGE.read_text(encoding="utf-8").split("## Errors on a row")[1].split("## Examples")[0]
    generic = {"ceil", "floor", "round", "date_trunc", "extract"}  # rows about numbers and timestamps
    dangerous = {name for name, function in FUNCTIONS.items() if function.danger is not Danger.NONE}
    assert all(f"`{name}`" in page for name in dangerous - generic)


@pytest.mark.parametrize(("text", "message"), [(code(row[0]), row[1]) for row in table("What is refused")])
def test_refused_as_documented(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_slo(text, SCOPE)
    assert caught.value.message == message
