"""Brings what is there to this release, as one transaction (``-u``, ``-f``); runs on the server, as ``link.py`` does.

``plan`` says what would change and what of the administrator's is in the way, before anything is written. ``link`` does
it: every package of the new set lies in ``PREFIX/pkgs`` by then, beside those of the set before, and the records of
that set are kept in ``.hubforge/before`` until the marker says that the new one is complete. Killed on the way, it
goes on from what it finds. When it has failed, ``back`` puts back the set before, in a process of its own: rattler's
threads may go on linking for a while after an error.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from link import EXIT_FAILED, end  # type: ignore[import-not-found]
from upgrade_change import back, bring  # type: ignore[import-not-found]
from upgrade_plan import plan  # type: ignore[import-not-found]
from upgrade_state import Place  # type: ignore[import-not-found]
from wording import message  # type: ignore[import-not-found]

EXIT_REFUSED = 1


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Bring an installation to this release.")
    parser.add_argument("task", choices=("plan", "link", "back"))
    parser.add_argument("--prefix", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--relink", action="store_true", help="link packages anew that are there already")
    parser.add_argument("--command", default="", help="what conda's history shows as the command")
    return parser.parse_args()


def main() -> int:
    """Ends with 0; with 1 when something is in the way; with 4 and one line when it has failed."""
    os.umask(0o022)
    options = parse()
    place = Place(options.prefix, options.work)
    try:
        if options.task == "plan":
            return EXIT_REFUSED if asyncio.run(plan(place, options.relink)) else 0
        asyncio.run(back(place) if options.task == "back" else bring(place, options.relink, options.command))
    except Exception as error:  # people see one line, whatever it was
        print(message(f"{options.task}_failed", why=error), file=sys.stderr)
        return int(EXIT_FAILED)
    return 0


if __name__ == "__main__":
    end(main())
