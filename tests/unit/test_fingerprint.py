"""PostgreSQL's own words for a view: the same hash from every major version, another for another view."""

from __future__ import annotations

import pytest

from mlguard.names import digest
from mlguard.plan import fingerprint, unchanged

OF_15 = """ SELECT t.a,
    t."B c"
   FROM features.customer t
     JOIN ops."Other" "O" ON ((t.a = "O".a))
  WHERE (mlguard.guard_v1('features.customer'::text) AND (NOT (EXISTS ( SELECT
           FROM mlguard._hold h
          WHERE (h.tbl = 'features.customer'::text)))));"""
OF_18 = """ SELECT a,
    "B c"
   FROM features.customer t
     JOIN ops."Other" "O" ON ((t.a = "O".a))
  WHERE (mlguard.guard_v1('features.customer'::text) AND (NOT (EXISTS ( SELECT
           FROM mlguard._hold h
          WHERE (tbl = 'features.customer'::text)))));"""


def test_versions_that_print_a_view_differently_are_one() -> None:
    assert fingerprint(OF_15) == fingerprint(OF_18)
    assert unchanged(OF_18, fingerprint(OF_15))
    assert unchanged(OF_15, digest(OF_15)), "an older client hashed the text as it stood"


@pytest.mark.parametrize(
    ("old", "new"),
    [("mlguard.guard_v1", "guard_v1"), ("features.customer t", "public.customer t"), ("t.a,", "t.b,"), ("NOT ", "")],
)
def test_another_view_is_another(old: str, new: str) -> None:
    assert old in OF_15
    assert not unchanged(OF_15.replace(old, new, 1), fingerprint(OF_15))


def test_what_is_no_view_is_taken_as_it_stands() -> None:
    text = "CREATE TRIGGER x AFTER INSERT ON a.b t WHEN (t.a) EXECUTE FUNCTION f()"
    assert fingerprint(text) == digest(text)
    assert fingerprint(None) == digest("")
