"""PostgreSQL's regular expressions (manual 9.7.3) → those of RE2, which DuckDB has. Pure.

A pattern is read token by token and written anew, so that nothing passes through that the engines read differently.
What RE2 lacks, or means otherwise, is refused: back references, look-around, collating elements.
"""

from __future__ import annotations

import re

from mlguard.emit.duck_core import NotLocal

# What PostgreSQL finds in a class is decided by the database's locale; for ASCII it is the same everywhere.
_CLASSES = {
    "alpha": r"\pL",
    "alnum": r"\pL\pNd",
    "digit": r"\pNd",
    "lower": r"\p{Ll}",
    "upper": r"\p{Lu}",
    "space": r"\s\x0b",
    "blank": r" \t",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": r"0-9A-Fa-f",
    "cntrl": r"\x00-\x1f\x7f",
    "graph": r"!-~",
    "print": r" -~",
    "word": r"\pL\p{Nd}_",
}
_CLASSES["alnum"] = r"\pL\p{Nd}"
_CLASSES["digit"] = r"\p{Nd}"
_SHORTHANDS = {"d": "digit", "w": "word", "s": "space"}
_CONTROLS = {"a": "\\a", "b": "\\x08", "f": "\\f", "n": "\\n", "r": "\\r", "t": "\\t", "v": "\\v", "e": "\\x1b"}
_ANCHORS = {"A": r"\A", "Z": r"\z", "y": r"\b", "Y": r"\B"}
_BOUND = re.compile(r"\{(\d+)(,(\d*))?\}")


def translated(pattern: str, insensitive: bool) -> str:
    """Return the pattern as RE2 reads it, with its flags.

    Raises:
        NotLocal: the pattern holds something RE2 cannot say.
    """
    return f"(?{'i' if insensitive else ''}s)" + _Reader(pattern).whole()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def refuse(self, why: str) -> NotLocal:
        return NotLocal("a regular expression", f"{why} in {self.text!r}")

    def whole(self) -> str:
        if self.text.startswith(("***", "(?")) and not self.text.startswith(("(?:", "(?=", "(?!", "(?<")):
            raise self.refuse("embedded options")
        out: list[str] = []
        while self.at < len(self.text):
            out.append(self.token())
        return "".join(out)

    def token(self) -> str:
        char = self.text[self.at]
        if char == "\\":
            return self.escape() + self.quantifier()
        if char == "[":
            return self.bracket() + self.quantifier()
        if char == "(":
            self.at += 1
            if self.text.startswith("?:", self.at):
                self.at += 2
                return "(?:"
            if self.text.startswith("?", self.at):
                raise self.refuse("look-around")
            return "(?:"
        self.at += 1
        if char == ")":
            return char + self.quantifier()
        if char in "|^$":
            return char
        if char == ".":
            return "." + self.quantifier()
        if char in "*+?":
            raise self.refuse("a quantifier after another")
        return re.escape(char) + self.quantifier()

    def quantifier(self) -> str:
        if self.at >= len(self.text):
            return ""
        char = self.text[self.at]
        found = char
        if char == "{":
            bound = _BOUND.match(self.text, self.at)
            if bound is None:
                if self.text[self.at + 1 : self.at + 2].isdigit():
                    raise self.refuse("an unfinished bound")
                return ""
            found = bound[0]
            if int(bound[1]) > 255 or int(bound[3] or 0) > 255:
                raise self.refuse("a bound above 255")
            if bound[2] is not None and bound[3] and int(bound[3]) < int(bound[1]):
                raise self.refuse("a bound that ends before it begins")
        elif char not in "*+?":
            return ""
        self.at += len(found)
        if self.text.startswith("?", self.at):
            self.at += 1
            found += "?"
        return found

    def escape(self) -> str:
        char = self.text[self.at + 1]
        self.at += 2
        if char in _ANCHORS:
            return _ANCHORS[char]
        if char.lower() in _SHORTHANDS:
            inner = _CLASSES[_SHORTHANDS[char.lower()]]
            return f"[{'^' if char.isupper() else ''}{inner}]"
        if char.isalnum():
            return self.character(char)
        return re.escape(char)

    def character(self, char: str) -> str:
        """Return an escape that stands for one character."""
        if char in _CONTROLS:
            return _CONTROLS[char]
        for letter, length in (("u", 4), ("U", 8)):
            digits = self.text[self.at : self.at + length]
            if char == letter and re.fullmatch(f"[0-9a-fA-F]{{{length}}}", digits):
                self.at += length
                return f"\\x{{{int(digits, 16):x}}}"
        raise self.refuse(f"the escape \\{char}")

    def bracket(self) -> str:
        """Read a bracket expression; its characters are written as escapes, so that none means anything else."""
        self.at += 1
        out = ["["]
        if self.text.startswith("^", self.at):
            out.append("^")
            self.at += 1
        first = True
        while True:
            if self.at >= len(self.text):
                raise self.refuse("an unclosed bracket")
            if self.text[self.at] == "]" and not first:
                self.at += 1
                return "".join(out) + "]"
            first = False
            out.append(self.item())

    def item(self) -> str:
        if self.text.startswith("[:", self.at):
            end = self.text.find(":]", self.at)
            name = self.text[self.at + 2 : end]
            if end < 0 or name not in _CLASSES:
                raise self.refuse(f"the class {name}")
            self.at = end + 2
            return _CLASSES[name]
        if self.text.startswith(("[.", "[="), self.at):
            raise self.refuse("a collating element")
        start = self.single()
        if (len(start) > 2 and start.startswith("\\p")) or (" " in start and len(start) > 2):
            return start
        after = self.text[self.at + 1 : self.at + 2]
        if self.text.startswith("-", self.at) and after not in ("]", "") and not start.startswith("[["):
            self.at += 1
            if self.text.startswith("[", self.at):
                raise self.refuse("a range that ends in a class")
            return f"{start}-{self.single()}"
        return start

    def single(self) -> str:
        char = self.text[self.at]
        self.at += 1
        if char != "\\":
            return f"\\x{{{ord(char):x}}}"
        char = self.text[self.at]
        self.at += 1
        if char in _SHORTHANDS:
            return _CLASSES[_SHORTHANDS[char]]
        if char.isalnum():
            return self.character(char)
        return f"\\x{{{ord(char):x}}}"
