"""Checks of the rules that a plug-in must follow, beyond having the right methods, in seconds on synthetic tensors."""
