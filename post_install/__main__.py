"""``python post_install``: this folder is run by its path, so it puts its own parent on the module path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from post_install.cli import main

if __name__ == "__main__":
    sys.exit(main())
