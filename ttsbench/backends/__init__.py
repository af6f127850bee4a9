"""Pretrained or signal-processing back ends: vocoders, codecs, recognisers, and the weights they load."""
