"""HTML and SVG made of elements, so that text can be nothing but text. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from mlguard.report.columns import one_line

VOID = frozenset({"br", "circle", "hr", "line", "meta", "path", "polygon", "polyline", "rect"})


class Markup(str):
    """Text that is markup already; only `element` and `raw` make it."""

    __slots__ = ()


def raw(text: str) -> Markup:
    """Take text of this package's own as markup: styles, and pictures that were escaped where they were made."""
    return Markup(text)


def element(name: str, /, *children: Markup | str | int | None, **attributes: str | float | None) -> Markup:
    """Return an element; everything that is not markup is escaped, None is left out.

    A trailing underscore of an attribute's name is dropped (`class_`), other ones become hyphens (`aria_label`).
    """
    spelled = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID and not children:
        return Markup(f"<{name}{spelled}/>")
    return Markup(f"<{name}{spelled}>{joined(children)}</{name}>")


def joined(children: Iterable[Markup | str | int | None], between: str = "") -> Markup:
    """Return children one after the other, text escaped."""
    return Markup(
        between.join(
            child if isinstance(child, Markup) else escape(_plain(child), quote=False)
            for child in children
            if child is not None
        )
    )


def _plain(value: str | float) -> str:
    if isinstance(value, str):
        return " " if value.isspace() else one_line(value)
    return f"{value:.1f}".removesuffix(".0")
