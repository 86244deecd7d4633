"""Keep credentials out of what the HTTP library logs when somebody debugs it."""

from __future__ import annotations

import logging
from typing import Any

from contexter_nb.core import scrub

_PARTS = ("connection", "http11", "http2", "proxy", "socks")


class Scrubbing(logging.Filter):
    """Scrubs the message of each record; it lets every record through."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Scrub one record.

        Parameters
        ----------
        record : logging.LogRecord
        """
        record.msg, record.args = scrub(record.getMessage()), ()
        return True


_filter = Scrubbing()


def scrub_logs(library: Any) -> None:
    """Have the loggers below a library scrub what they are told.

    Parameters
    ----------
    library : module
        httpx or httpx2, whose connections are httpcore's or httpcore2's.
    """
    core = library.__name__.replace("httpx", "httpcore")
    names = [library.__name__, *(f"{core}.{part}" for part in _PARTS)]
    for name in names:
        logging.getLogger(name).addFilter(_filter)  # once: it is the same object
