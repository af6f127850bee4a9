"""The stages of a run, one module per stage."""
