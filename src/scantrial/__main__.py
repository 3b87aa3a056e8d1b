"""``python -m scantrial`` is the command ``scantrial``."""

from scantrial.cli.main import main

if __name__ == "__main__":
    main()
