"""The tests. A package, so that a `tests` in some site-packages can never be imported instead."""
