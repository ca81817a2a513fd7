"""The part of ``hubctl upgrade`` that changes things, while its own environment is being changed below it.

It runs from a copy (``lifeboat.py``), with a copy of base's Python and conda, and so uses Python's standard library and
that conda alone. ``journal.py`` says how far it has come, so that after a kill the next run goes on, or back.
"""
