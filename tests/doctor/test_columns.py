"""A table in which no column can be the time or the target is an error."""

import pyarrow as pa
from planted import nothing, only, table


def test_a_table_of_words_has_no_target():
    found = only(pa.table({"a": ["x", "y"], "b": ["u", "v"]}))
    assert (found.code, found.severity) == ("columns", "error")
    assert "no column of numbers" in found.message.lower()
    assert nothing(table())
