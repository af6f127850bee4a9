"""What energy-based objectives are made of: the energy, wrong answers to tell from speech, Langevin dynamics."""
