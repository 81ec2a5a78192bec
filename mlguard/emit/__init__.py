"""Program → SQL text: expressions, and one module for each kind of generated object. Pure."""
