"""``python -m forge``."""

from forge import interruption

interruption.catch()
try:
    from forge.cli import main
except KeyboardInterrupt:
    interruption.end()

main()
