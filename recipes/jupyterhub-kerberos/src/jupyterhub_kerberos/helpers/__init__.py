"""Programs that the hub runs for what may wait or break: PAM's modules and the Kerberos libraries.

Each is started by its path, in Python's isolated mode; it imports nothing of this package. It reads one JSON object
from its standard input, since that is where secrets are safe, and writes one to its standard output.
"""
