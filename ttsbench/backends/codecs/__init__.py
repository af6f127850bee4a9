"""Codecs: speech to continuous latents, and back."""
