"""Draw some rows of a phantom in a separate process: ``python -m scantrial.data.phantom.part OPTIONS START STOP``.

The pixels go to standard output, row by row.
"""

from __future__ import annotations

import sys

from scantrial.data.phantom.make import draw_rows
from scantrial.data.phantom.options import PhantomOptions

if __name__ == "__main__":
    options = PhantomOptions.model_validate_json(sys.argv[1])
    for row in range(int(sys.argv[2]), int(sys.argv[3])):
        sys.stdout.buffer.write(draw_rows(options, row, row + 1).tobytes())
