"""Ask the documentation from a terminal: ``python -m contexter_nb "question"``."""

from __future__ import annotations

import sys

from contexter_nb.notebook import main

if __name__ == "__main__":
    sys.exit(main())
