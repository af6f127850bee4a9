"""``ttsbench selftest``: test the promises of metrics on the user's own recordings."""
