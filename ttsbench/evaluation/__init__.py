"""From measured clips to numbers: rows, reductions and statistics."""
