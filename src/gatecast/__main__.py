"""``python -m gatecast`` is the command ``gatecast``."""

from gatecast.cli import main

if __name__ == "__main__":
    main()
