"""An input that runs ahead of the target holds the future."""

import numpy as np
from planted import level, only, table


def test_an_input_ahead_of_its_time_is_an_error():
    y = np.array(level(62))
    frame = table(y=y[:60].tolist(), x=(2 * y[2:]).tolist())
    found = only(frame, target="y", inputs=["x"])
    assert (found.code, found.severity, found.rows[0], found.count) == ("future-in-inputs", "error", 1, 58)
    assert "2 steps ahead of its time" in found.message
    assert only(frame, target="y").code == "other-columns"  # the table itself is fine
