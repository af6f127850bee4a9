"""Codecs: continuous latents of speech, and speech from them."""
