"""``hubctl doctor``: what is wrong on this server, and how to mend it.

``examination`` has the list of checks; each is a function in a module by its subject.
"""
