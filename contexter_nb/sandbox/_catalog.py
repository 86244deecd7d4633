"""A small service to practise on: a catalog of well-known libraries."""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from contexter_nb.core import Secret, did_you_mean
from contexter_nb.sandbox._routes import Route, Routes
from contexter_nb.sandbox._service import Reply, Request

PAGE_SIZE = 10
_MAX_JOBS = 1_000
_MAX_FAILURES = 100
_MAX_HITS = 50
_WORD = re.compile(r"[a-z0-9]+")
SUMMARIES = {
    "altair": "Declarative statistical charts",
    "anyio": "Asynchronous networking and concurrency on asyncio or trio",
    "attrs": "Classes without boilerplate",
    "beautifulsoup4": "Parse HTML and XML, also where it is broken",
    "bokeh": "Interactive plots in the browser",
    "celery": "Distributed task queue",
    "click": "Command line interfaces by decorators",
    "cryptography": "Cryptographic recipes and primitives",
    "dask": "Parallel arrays and data frames",
    "django": "Web framework with an ORM and an admin site",
    "duckdb": "Analytical SQL database in process",
    "fastapi": "Web APIs from type hints",
    "flask": "Small web framework",
    "httpx": "HTTP client, synchronous and asynchronous",
    "hypothesis": "Property-based testing",
    "ipywidgets": "Interactive widgets for Jupyter notebooks",
    "jinja2": "Text templates",
    "matplotlib": "Plots and figures",
    "networkx": "Graphs and networks, and algorithms on them",
    "numba": "Compile numerical Python functions",
    "numpy": "Arrays of numbers with any number of dimensions",
    "pandas": "Data frames: join, group, reshape and analyse tables",
    "pillow": "Read, change and write images",
    "plotly": "Interactive charts",
    "polars": "Fast data frames with lazy queries",
    "pyarrow": "Columnar memory format, Parquet files and tables",
    "pydantic": "Validate data by type hints",
    "pytest": "Testing with plain assertions and fixtures",
    "qdrant-client": "Client of the Qdrant vector search engine",
    "redis": "Client of the Redis key-value store",
    "requests": "HTTP client for people",
    "rich": "Colours, tables and progress bars in the terminal",
    "scikit-learn": "Machine learning: classify, regress, cluster",
    "scipy": "Algorithms for science: optimize, integrate, interpolate",
    "seaborn": "Statistical plots on matplotlib",
    "sqlalchemy": "SQL toolkit and object-relational mapper",
    "statsmodels": "Statistical models and tests",
    "sympy": "Symbolic mathematics",
    "torch": "Tensors and neural networks on the GPU",
    "tqdm": "Progress bars for loops",
    "transformers": "Pretrained language and vision models",
    "typer": "Command line interfaces from type hints",
    "uvicorn": "ASGI web server",
    "xarray": "Arrays with labelled dimensions",
}


class LibraryCatalog:
    """A read-only catalog, and a job that fails at first.

    ============================  =====================================================
    ``GET /v1/libraries``         a page of 10: ``?page=2``; items, page, pages, total
    ``GET /v1/libraries/{name}``  one of them
    ``POST /v1/search``           ``{"query": "data frames", "limit": 5}``: items, best
                                  first
    ``GET /v1/unstable/{job}``    503 for the first two requests of each job, or
                                  ``?failures=5``, then 200
    ============================  =====================================================

    Errors are ``{"error": {"status": 404, "message": "..."}}``.

    Parameters
    ----------
    api_key : Secret, optional
        Demanded as ``Authorization: Bearer`` or ``X-Api-Key``; None for nobody's.
    """

    def __init__(self, api_key: Secret | None = None) -> None:
        self._failed: OrderedDict[str, int] = OrderedDict()
        routes = [
            Route("GET", "/v1/libraries", self._list),
            Route("GET", "/v1/libraries/{name}", self._show),
            Route("POST", "/v1/search", self._search),
            Route("GET", "/v1/unstable/{job}", self._try),
        ]
        self._routes = Routes(routes, self.refuse, api_key)

    @property
    def name(self) -> str:
        """``catalog``."""
        return "catalog"

    async def answer(self, request: Request) -> Reply:
        """Answer one request.

        Parameters
        ----------
        request : Request

        Returns
        -------
        Reply

        Examples
        --------
        >>> from contexter_nb.bridge import run
        >>> asked = Request(method="GET", path="/v1/libraries/rich")
        >>> run(LibraryCatalog().answer(asked)).status
        200
        """
        return await self._routes.answer(request)

    def refuse(self, status: int, message: str) -> Reply:
        """Return an error in the catalog's form.

        Parameters
        ----------
        status : int
        message : str

        Returns
        -------
        Reply
        """
        return Reply.of({"error": {"status": status, "message": message}}, status)

    async def _list(self, request: Request, _: Mapping[str, str]) -> Reply:
        pages = math.ceil(len(SUMMARIES) / PAGE_SIZE)
        page = _whole(request.query.get("page", "1"), 1, 1_000_000)
        if page is None:
            return self.refuse(400, "page is no whole number from 1 on")
        names = list(SUMMARIES)[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        listed = [_item(name) for name in names]
        counts = {"page": page, "pages": pages, "total": len(SUMMARIES)}
        return Reply.of({"items": listed, **counts})

    async def _show(self, _: Request, found: Mapping[str, str]) -> Reply:
        name = found["name"]
        if name not in SUMMARIES:
            hint = did_you_mean(name[:100], SUMMARIES)
            return self.refuse(404, f"no library is called {name[:100]!r}.{hint}")
        return Reply.of(_item(name))

    async def _search(self, request: Request, _: Mapping[str, str]) -> Reply:
        try:
            asked = request.json()
        except ValueError:
            return self.refuse(400, "the body is no JSON")
        if not isinstance(asked, dict) or not isinstance(asked.get("query"), str):
            return self.refuse(422, "query is missing or no text")
        limit = asked.get("limit", 5)
        if isinstance(limit, bool) or not isinstance(limit, int):
            return self.refuse(422, "limit is no whole number")
        if not 1 <= limit <= _MAX_HITS:
            return self.refuse(422, f"limit is not from 1 to {_MAX_HITS}")
        return Reply.of({"items": _hits(asked["query"], limit)})

    async def _try(self, request: Request, found: Mapping[str, str]) -> Reply:
        wanted = _whole(request.query.get("failures", "2"), 0, _MAX_FAILURES)
        if wanted is None:
            return self.refuse(400, f"failures is not from 0 to {_MAX_FAILURES}")
        job = found["job"][:200]
        failed = self._failed.pop(job, 0)
        if failed < wanted:
            self._failed[job] = failed + 1
            if len(self._failed) > _MAX_JOBS:
                self._failed.popitem(last=False)
            return self.refuse(503, f"job {job!r} failed, {failed + 1} of {wanted}")
        return Reply.of({"job": job, "failed": failed})


def _item(name: str) -> dict[str, str]:
    return {"name": name, "summary": SUMMARIES[name]}


def _whole(text: str, low: int, high: int) -> int | None:
    """Return a number written in plain digits and within bounds, or None."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        return None
    number = int(text)
    return number if low <= number <= high else None


def _hits(query: str, limit: int) -> list[dict[str, Any]]:
    """Return the libraries that share words with the query, the most first."""
    wanted = set(_WORD.findall(query.lower()))
    shared = {
        name: len(wanted.intersection(_WORD.findall(f"{name} {text}".lower())))
        for name, text in SUMMARIES.items()
    }
    best = sorted(
        filter(shared.__getitem__, shared), key=lambda name: (-shared[name], name)
    )
    return [
        {**_item(name), "score": round(shared[name] / len(wanted), 4)}
        for name in best[:limit]
    ]
