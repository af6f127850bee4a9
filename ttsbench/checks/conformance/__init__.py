"""What a plug-in must do beyond having the right methods, as checks that run in seconds on synthetic tensors."""
