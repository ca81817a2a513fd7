"""``python upgrading [--back]``: this folder is run by its path, so it puts its own parent on the module path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from upgrading.course import main  # type: ignore[import-not-found]

if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent, back="--back" in sys.argv[1:]))
