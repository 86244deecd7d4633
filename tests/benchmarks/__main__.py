"""``python -m tests.benchmarks``: ratios measured side by side in one run.

Each part is a function of a folder that yields the lines of a Markdown table; peers are
measured in the same run (``pip install -e ".[bench]"``).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

# Part: the module that measures it and the function in it.
PARTS = {
    "import": ("local", "import_rows"),
    "index": ("local", "index_rows"),
    "search": ("local", "search_rows"),
    "pipeline": ("pipeline", "rows"),
    "limiter": ("limiter", "rows"),
    "breaker": ("breaker", "rows"),
    "cache": ("cache", "rows"),
    "monitor": ("monitor", "rows"),
    "outage": ("outage", "rows"),
    "dashboards": ("dashboards", "rows"),
    "voyage": ("voyage", "rows"),
    "voyage-quota": ("voyage_quota", "rows"),
    "qdrant": ("qdrant", "rows"),
    "explorer": ("explorer", "rows"),
    "significance": ("significance", "rows"),
}


def main() -> None:
    """Print all tables, or those of the parts that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", choices=[*PARTS, []])
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    for part in options.only or PARTS:
        module, function = PARTS[part]
        rows: Callable[[Path], Iterator[str]] = getattr(
            import_module(f"tests.benchmarks.{module}"), function
        )
        with tempfile.TemporaryDirectory() as name:
            print(f"\n**{part}**\n", flush=True)
            for row in rows(Path(name)):
                print(row, flush=True)


if __name__ == "__main__":
    main()
