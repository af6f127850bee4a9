"""``ttsbench selftest``: what every metric promises of itself, tried on the user's own recordings."""
