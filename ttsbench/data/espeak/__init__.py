"""The embedded corpus, rendered by espeak-ng with known prosody."""
