"""What changes things for ``hubctl upgrade`` and ``hubctl rollback``, whose own environment is changed meanwhile.

It runs from a copy (``lifeboat.py``), with a copy of base's Python and conda, and so uses Python's standard library and
that conda alone. ``journal.py`` says how far it has come, so that after a kill the next run goes on, or back.
"""
