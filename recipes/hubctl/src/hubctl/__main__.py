"""The command ``hubctl``, also as ``python -m hubctl``: what has to be so before the rest of it is loaded."""

import os
import signal
import sys


def main() -> None:
    """Runs the command line, which ctrl-C ends without a traceback from its first moment on.

    A stream that was closed by whoever started this (``hubctl status >&-``) is one that nobody reads.
    """
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123  # open for as long as this runs
    sys.stderr = sys.stderr or sys.stdout
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from hubctl import cli

    signal.signal(signal.SIGINT, handler)
    cli.main()


if __name__ == "__main__":
    main()
