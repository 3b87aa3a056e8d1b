"""``python -m scantrial`` is the command ``scantrial``."""

import os
import sys

try:
    # Python puts the working directory first for ``-m``: a file there must not shadow a library.
    if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109 - pathlib would be searched there
        del sys.path[0]
except OSError:  # there is no working directory, so Python has not put it there
    pass

from scantrial.cli.main import main

if __name__ == "__main__":
    main()
