"""Pretrained or signal-processing back ends: vocoders, codecs and recognisers, and the loading of their weights."""
