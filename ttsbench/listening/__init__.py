"""Listening tests: what a run synthesized, to be rated by people in a browser, and their answers back into its tables.

``export`` makes a folder that any static web server can serve, ``results`` reads what listeners hand in. Nobody who is
served the folder can tell which system is heard: that is in ``key.json``, beside it.
"""
