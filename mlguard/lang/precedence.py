"""How tightly PostgreSQL's operators bind, loosest first: manual, table 4.1.6, and gram.y where the table is silent."""

OR, AND, NOT, IS, COMPARE, MATCH, OTHER, ADD, MULTIPLY, AT, COLLATE, SIGN, CAST, ATOM = range(1, 15)
"""MATCH: BETWEEN, IN, LIKE, ILIKE. OTHER: every operator without a level of its own. AT: AT TIME ZONE.
SIGN: unary minus. CAST: `::`. ATOM: what needs no parentheses anywhere."""

BINARY: dict[str, int] = {
    **dict.fromkeys(("=", "<>", "!=", "<", "<=", ">", ">="), COMPARE),
    **dict.fromkeys(("||", "~", "~*", "!~", "!~*", "->", "->>", "#>>"), OTHER),
    **dict.fromkeys(("+", "-"), ADD),
    **dict.fromkeys(("*", "/", "%"), MULTIPLY),
}
WORDS: dict[str, int] = {
    "or": OR,
    "and": AND,
    "is": IS,
    **dict.fromkeys(("in", "between", "like", "ilike"), MATCH),
}
