"""What is done to the host: numbered steps, each of them a ``check`` that only looks and an ``ensure`` that repairs.

Standard library only: it must run when everything else is broken.
"""
