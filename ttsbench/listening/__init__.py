"""Listening tests: listeners rate the clips of a run in a browser, and their answers become tables and figures.

``export`` writes a folder that any static web server can serve, ``results`` reads the answer files. The served folder
does not reveal the systems; the key to them is in ``key.json`` beside it.
"""
