"""Parts of energy-based objectives: the energy, corrupted targets, Langevin dynamics."""
