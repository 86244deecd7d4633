"""A client of Voyage AI: embeddings, contextualized embeddings, reranking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contexter_nb.clients._client import APIClient
from contexter_nb.clients._health import HealthCheck
from contexter_nb.clients._pipeline import Knowledge
from contexter_nb.clients._prices import price_per_million_usd, usd_of
from contexter_nb.clients._service_client import ServiceClient
from contexter_nb.clients._url import host_of
from contexter_nb.clients._voyage_auth import VoyageAIAuthHandler
from contexter_nb.clients._voyage_calibration import Calibration
from contexter_nb.clients._voyage_collect import Collection
from contexter_nb.clients._voyage_decode import read_ranking
from contexter_nb.clients._voyage_embeddings import (
    JOB_DEADLINE_SECONDS,
    CountTokens,
    EmbeddingCall,
)
from contexter_nb.clients._voyage_errors import answers, inspector, wrong_host
from contexter_nb.clients._voyage_limiter import (
    VoyageLimiter,
    admitted_tokens,
    window_of,
)
from contexter_nb.clients._voyage_models import (
    RERANK_BATCH_TOKENS,
    Dtype,
    VoyageModel,
    find_model,
    voyage_models,
)
from contexter_nb.clients._voyage_payloads import distinct, document_problem, listed
from contexter_nb.clients._voyage_plan import (
    EmbeddingPlan,
    InputType,
    Payload,
    problems_sentence,
    text_problem,
)
from contexter_nb.clients._voyage_rerank import (
    check_rerank,
    merged,
    rerank_parts,
    rerank_request,
)
from contexter_nb.clients._voyage_results import (
    ContextualizedResult,
    EmbeddingProgress,
    EmbeddingResult,
    RerankResult,
)
from contexter_nb.clients._voyage_tiers import FREE, USUAL_BATCH_TOKENS, checked_tier
from contexter_nb.clients._voyage_tokens import count_tokens
from contexter_nb.core import (
    APIRequest,
    APIResponse,
    CallRecord,
    ContexterError,
    DeadlineExceededError,
    InvalidArgumentError,
    PermissionDeniedError,
    Secret,
    SystemClock,
    Timeouts,
    Trace,
    Usage,
    new_id,
    together,
)
from contexter_nb.policies import (
    LimitStore,
    RateLimitConfig,
    RetryPolicy,
    TokenBucketRateLimiter,
)

SERVICE = "voyage"
DEFAULT_MODEL = "voyage-4"
DEFAULT_RERANKER = "rerank-2.5-lite"
DEFAULT_CONTEXT_MODEL = "voyage-context-4"
# A full batch of documents takes long; a person who asks does not wait so long.
_JOB_TIMEOUTS = Timeouts(read_seconds=300.0, write_seconds=60.0, attempt_seconds=310.0)
_RETRY = RetryPolicy(max_attempts=7, throttled_base_seconds=2.0)
# An account without a card is told no time to wait; a minute's quota is 3 requests.
_FREE_RETRY = RetryPolicy(
    max_attempts=6, throttled_base_seconds=20.0, max_backoff_seconds=60.0
)


class VoyageAIClient(ServiceClient):
    """Ask Voyage AI, within the limits of the account.

    Texts are deduplicated, looked up in the cache, and sent in batches by count and by
    tokens, several at once. Each batch is kept in the cache as soon as it is answered.

    Parameters
    ----------
    api_key : str or Secret, optional
        None takes the environment's ``VOYAGE_API_KEY``.
    base_url : str, optional
        By default that of the key's kind: Voyage's own for ``pa-``, MongoDB Atlas for
        ``al-``. Keys that are bound to a geography need theirs.
    model : str, default "voyage-4"
        For embeddings.
    tier : str, RateLimitConfig or None, default "tier 1"
        The account's: ``free`` (no payment method: 3 requests and 10,000 tokens a
        minute), ``tier 1``, ``tier 2``, ``tier 3``, or limits of your own for all
        models together; None for no limit.
    max_batch_tokens : int, default 120000
        Of one request; the model's own limit holds, too.
    count_tokens : callable, optional
        Takes texts and returns the tokens of each: a real tokenizer, say. By default a
        counting that is rather too high (`count_tokens`).
    prices : mapping of str to float, optional
        US dollars per million tokens by model, over those of the table.
    limit_store : LimitStore, optional
        Shares the account's limits with other processes.
    cache : APICache, optional
        For vectors, by their text, model and dimension; and for rerankings.
    **options
        As of `APIClient`: transport, monitor, clock, retry and so on.

    Raises
    ------
    InvalidArgumentError
        There is no key, no such tier, or an argument cannot be used.

    Source
    ------
    docs.voyageai.com and mongodb.com/docs/voyageai, read 2026-11-23.
    """

    def __init__(
        self,
        api_key: str | Secret | None = None,
        *,
        base_url: str | None = None,
        model: str = DEFAULT_MODEL,
        tier: str | RateLimitConfig | None = "tier 1",
        max_batch_tokens: int = USUAL_BATCH_TOKENS,
        count_tokens: CountTokens | None = None,
        prices: Mapping[str, float] | None = None,
        limit_store: LimitStore | None = None,
        **options: Any,
    ) -> None:
        auth = VoyageAIAuthHandler(api_key)
        del api_key  # an error from here on shows this frame
        if not max_batch_tokens >= 1:
            raise InvalidArgumentError(
                f"max_batch_tokens is {max_batch_tokens!r}; give 1 or more."
            )
        self._auth = auth
        self.model = find_model(model, "embedding").name
        self._prices = prices
        self._max_batch_tokens = max_batch_tokens
        self._count = count_tokens or _count_tokens
        self._clock = options.get("clock") or SystemClock()
        self._make_id: Callable[[], str] = options.get("make_id", new_id)
        self._calibrations: dict[str, Calibration] = {}
        self._own_timeouts = "timeouts" in options
        self._max_concurrency: int = options.setdefault("max_concurrency", 16)
        free = isinstance(tier, str) and checked_tier(tier) == FREE
        options.setdefault("retry", _FREE_RETRY if free else _RETRY)
        if "limiter" not in options:
            options["limiter"] = self._limiter(tier, limit_store, options.get("clock"))
        self._client = APIClient(
            SERVICE,
            base_url or auth.base_url,
            auth=auth,
            knowledge=Knowledge(
                is_answer=answers(free),
                inspect=inspector(SERVICE, self._clock),
                usage=self._usage,
            ),
            health=APIRequest(endpoint="/embeddings", operation="health_check"),
            **options,
        )

    async def generate_embeddings(
        self,
        texts: Sequence[str],
        *,
        model: str | None = None,
        input_type: InputType | None = None,
        dimension: int | None = None,
        dtype: Dtype = "float",
        truncation: bool = False,
        on_batch: Callable[[EmbeddingProgress], None] | None = None,
        partial: bool = False,
        deadline_seconds: float | None = None,
    ) -> EmbeddingResult:
        """Embed texts, one row each, in their order.

        Parameters
        ----------
        texts : sequence of str
            n texts; a repeated one is sent once.
        model : str, optional
            By default the client's.
        input_type : str, optional
            ``document`` for what is stored, ``query`` for what is asked: each is put
            into another sentence before it is embedded; None leaves it as it is.
        dimension : int, optional
            Of those the model offers; None takes its default.
        dtype : str, default "float"
            ``float``, ``int8``, ``uint8``, ``binary`` or ``ubinary``.
        truncation : bool, default False
            Whether a text that is longer than the model reads, or than the rate limit
            lets through at once, loses its end; otherwise it is an error.
        on_batch : callable, optional
            Takes an `EmbeddingProgress` after each batch.
        partial : bool, default False
            Whether an error leaves the other texts to be embedded, and is given with
            the result.
        deadline_seconds : float, optional
            For the whole call. None: queries have the client's own, documents as long
            as the rate limit takes.

        Returns
        -------
        EmbeddingResult
            Its matrix has shape (n, dimension); for no texts (0, dimension).

        Raises
        ------
        InvalidArgumentError
            The model does not offer this; or texts are empty, no texts, or longer than
            the rate limit lets through: they are named by their positions, and nothing
            is sent.
        APIIntegrationError
            Of the first batch that failed; its notes say what is done and kept.
        DeadlineExceededError
            The time for the whole call is up.
        """
        plan = EmbeddingPlan(
            model=find_model(model or self.model, "embedding"),
            input_type=input_type,
            asked_dimension=dimension,
            dtype=dtype,
            truncation=truncation,
        )
        payloads = listed(texts, "texts")
        problems = {
            place: problem
            for place, text in enumerate(payloads)
            if (problem := text_problem(text)) is not None
        }
        found = await self._embedded(
            plan, payloads, problems, on_batch, partial, deadline_seconds
        )
        return EmbeddingResult(
            vectors=found.matrix(),
            token_counts=tuple(found.token_counts),
            total_tokens=found.tokens,
            usd=usd_of(plan.model.name, found.tokens, self._prices),
            cached=tuple(found.cached),
            model=plan.model.name,
            dimension=found.dimension or 0,
            requests=found.requests,
            errors=dict(sorted(found.errors.items())),
        )

    async def generate_contextualized_embeddings(
        self,
        documents: Sequence[Sequence[str]],
        *,
        model: str = DEFAULT_CONTEXT_MODEL,
        input_type: InputType | None = None,
        dimension: int | None = None,
        dtype: Dtype = "float",
        on_batch: Callable[[EmbeddingProgress], None] | None = None,
        deadline_seconds: float | None = None,
    ) -> ContextualizedResult:
        """Embed the chunks of documents, each in the light of its whole document.

        A document is never divided between requests, since that would change its
        vectors.

        Parameters
        ----------
        documents : sequence of sequences of str
            The chunks of each; a query is a document of one chunk.
        model : str, default "voyage-context-4"
        input_type : str, optional
            ``document``, ``query`` or None.
        dimension : int, optional
            None takes the model's default.
        dtype : str, default "float"
        on_batch : callable, optional
            Takes an `EmbeddingProgress` after each batch; it counts documents.
        deadline_seconds : float, optional
            For the whole call.

        Returns
        -------
        ContextualizedResult
            A matrix of shape (n chunks, dimension) for each document.

        Raises
        ------
        InvalidArgumentError
            A document has no chunk, an empty one or too many tokens; it is named.
        APIIntegrationError
            Of the first batch that failed.
        DeadlineExceededError
            The time for the whole call is up.
        """
        plan = EmbeddingPlan(
            model=find_model(model, "contextualized"),
            input_type=input_type,
            asked_dimension=dimension,
            dtype=dtype,
        )
        payloads = [
            tuple(listed(each, f"document {place}"))
            for place, each in enumerate(listed(documents, "documents"))
        ]
        problems = {
            place: problem
            for place, chunks in enumerate(payloads)
            if (problem := document_problem(chunks)) is not None
        }
        found = await self._embedded(
            plan, payloads, problems, on_batch, False, deadline_seconds
        )
        return ContextualizedResult(
            vectors=found.documents(),
            token_counts=tuple(found.token_counts),
            total_tokens=found.tokens,
            usd=usd_of(plan.model.name, found.tokens, self._prices),
            cached=tuple(found.cached),
            model=plan.model.name,
            dimension=found.dimension or 0,
            requests=found.requests,
        )

    async def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        model: str = DEFAULT_RERANKER,
        top_k: int | None = None,
        truncation: bool = True,
        deadline_seconds: float | None = None,
    ) -> RerankResult:
        """Order documents by their relevance to a query.

        More than a request takes go in several, whose scores are put together. The
        cost grows with the length of the query times the number of documents.

        Parameters
        ----------
        query : str
        documents : sequence of str
            n documents.
        model : str, default "rerank-2.5-lite"
        top_k : int, optional
            How many to return, from 1 on; None for all.
        truncation : bool, default True
            Whether what is longer than the model reads loses its end; otherwise it is
            an error.
        deadline_seconds : float, optional
            For each request; None takes the client's own.

        Returns
        -------
        RerankResult

        Raises
        ------
        InvalidArgumentError
            The query or a document is empty, which is named by its position, or too
            long, or `top_k` is below 1.
        APIIntegrationError
            A request failed.
        """
        reranker = find_model(model, "rerank")
        texts = listed(documents, "documents")
        check_rerank(query, texts, top_k)
        admitted = admitted_tokens(self._limit_of(reranker))
        counts = list(self._count([query, *texts]))
        parts = rerank_parts(
            reranker,
            counts[0],
            counts[1:],
            truncation=truncation,
            max_tokens=min(RERANK_BATCH_TOKENS, admitted),
        )
        requests = [
            rerank_request(
                reranker,
                query,
                texts,
                part,
                truncation=truncation,
                admitted_tokens=admitted,
                deadline_seconds=deadline_seconds,
            )
            for part in parts
        ]
        responses = await together(self._ask(each) for each in requests)
        pairs: list[tuple[int, float]] = []
        billed = 0
        for part, response in zip(parts, responses, strict=True):
            ranked, tokens = read_ranking(response.data, count=len(part.positions))
            pairs += [(part.positions[index], score) for index, score in ranked]
            billed += 0 if response.cached or response.trace.coalesced else tokens
        sent = [each for each in responses if not each.cached]
        return RerankResult(
            ranking=merged(pairs, top_k),
            total_tokens=billed,
            usd=usd_of(reranker.name, billed, self._prices),
            cached=bool(responses) and not sent,
            model=reranker.name,
            requests=len(sent),
        )

    def get_models(self) -> tuple[VoyageModel, ...]:
        """Return the models known, with limits and prices; the service lists none."""
        return voyage_models(self._prices)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return about how many tokens each text has, rather too many than too few.

        By default every byte counts by what it is (a small letter 0.28, a digit 1, a
        byte of a Chinese letter 1), so that no tokenizer need be fetched. It is meant
        for packing; what is billed stands in the results.

        Parameters
        ----------
        texts : sequence of str
        """
        return list(self._count(texts))

    def limit_of(self, model: str | None = None) -> RateLimitConfig | None:
        """Return the rate limit that a model's calls go by; None without one.

        Parameters
        ----------
        model : str, optional
            By default the client's.
        """
        limiter = self._limit_of(find_model(model or self.model, "embedding"))
        return limiter.config if limiter is not None else None

    def price_per_million_usd(self, model: str | None = None) -> float | None:
        """Return what a million tokens of a model cost; None where that is not known.

        Parameters
        ----------
        model : str, optional
            By default the client's.
        """
        return price_per_million_usd(model or self.model, self._prices)

    async def is_cached(
        self,
        texts: Sequence[str],
        *,
        model: str | None = None,
        input_type: InputType | None = None,
        dimension: int | None = None,
        dtype: Dtype = "float",
    ) -> list[bool]:
        """Tell which texts `generate_embeddings` would take from the cache.

        Parameters
        ----------
        texts : sequence of str
            n texts.
        model, input_type, dimension, dtype : optional
            As of `generate_embeddings`.

        Returns
        -------
        list of bool
            n answers; False for all of them where there is no cache.
        """
        plan = EmbeddingPlan(
            model=find_model(model or self.model, "embedding"),
            input_type=input_type,
            asked_dimension=dimension,
            dtype=dtype,
        )
        if self._client.cache is None:
            return [False] * len(texts)
        keys = [plan.key(text) for text in texts]
        kept = await self._client.cache.get_many(dict.fromkeys(keys))
        return [key in kept for key in keys]

    async def health_check(self) -> HealthCheck:
        """Ask whether the service answers and takes the key, at no cost.

        A GET goes where only POST is served: "no such method" or "no such path", said
        as JSON, comes from the service itself and after the key; 401 and 403 tell that
        the key is refused. No tokens are used, and the limiter is not asked.
        """
        return await self._client.health_check()

    def __repr__(self) -> str:
        return f"<VoyageAIClient {self.model} {self._client.base_url}>"

    def _limiter(
        self, tier: str | RateLimitConfig | None, store: LimitStore | None, clock: Any
    ) -> TokenBucketRateLimiter | None:
        if tier is None:
            return None
        # The account is part of the name, by which processes share a limit.
        name = f"{SERVICE} {self._auth.fingerprint()}"
        if isinstance(tier, RateLimitConfig):
            return TokenBucketRateLimiter(tier, name=name, clock=clock, store=store)
        model = find_model(self.model, "embedding")
        return VoyageLimiter(tier, model, name=name, clock=clock, store=store)

    def _limit_of(self, model: VoyageModel) -> TokenBucketRateLimiter | None:
        limiter = self._client.limiter
        return (
            limiter.limit_of(model) if isinstance(limiter, VoyageLimiter) else limiter
        )

    async def _embedded(
        self,
        plan: EmbeddingPlan,
        payloads: Sequence[Payload],
        problems: dict[int, str],
        on_batch: Callable[[EmbeddingProgress], None] | None,
        partial: bool,
        deadline_seconds: float | None,
    ) -> Collection:
        """Run a call with its deadline, and tell the monitor what the cache saved."""
        if problems and not partial:
            raise InvalidArgumentError(problems_sentence(plan.noun, problems))
        found = Collection(plan, len(payloads))
        for place, problem in problems.items():
            found.errors[place] = InvalidArgumentError(
                f"{plan.noun} {place}: {problem}."
            )
        limiter = self._limit_of(plan.model)
        admitted = admitted_tokens(limiter)
        is_query = plan.input_type == "query"
        call = EmbeddingCall(
            plan=plan,
            items=distinct(payloads, problems),
            collection=found,
            ask=self._ask,
            cache=self._client.cache,
            count_tokens=self._count,
            calibration=self._calibrations.setdefault(plan.model.name, Calibration()),
            batch_tokens=min(plan.model.batch_tokens, self._max_batch_tokens, admitted),
            admitted_tokens=admitted,
            window=window_of(limiter, self._max_concurrency),
            clock=self._clock,
            timeouts=None if is_query or self._own_timeouts else _JOB_TIMEOUTS,
            deadline_seconds=None if is_query else JOB_DEADLINE_SECONDS,
            partial=partial,
            on_batch=on_batch,
            prices=self._prices,
        )
        started = self._clock.now()
        try:
            async with asyncio.timeout(deadline_seconds) as bound:
                await call.run()
        except ContexterError as exc:
            call.note(exc)
            raise
        except TimeoutError as exc:
            if not bound.expired():
                raise
            late = DeadlineExceededError(
                f"voyage did not embed {len(payloads):,} {plan.noun.lower()}s within "
                f"{deadline_seconds:g} s, waits for the rate limit included; allow "
                "more with deadline_seconds.",
                service=SERVICE,
                operation=plan.operation,
            )
            call.note(late)
            raise late from exc
        finally:
            self._tell_of_hits(call, self._clock.now() - started)
        return found

    def _tell_of_hits(self, call: EmbeddingCall, seconds: float) -> None:
        """Tell the monitor what came from the cache, once for each of its tiers."""
        monitor = self._client.monitor
        if monitor is None:
            return
        name = call.plan.model.name
        for tier, saved in call.saved.items():
            monitor.record(
                CallRecord(
                    service=SERVICE,
                    operation=call.plan.operation,
                    method="POST",
                    host=host_of(self._client.base_url),
                    request_id=self._make_id(),
                    started_at=self._clock.wall(),
                    outcome="ok",
                    trace=Trace(
                        cache_tier=tier,
                        cache_asked=True,
                        total_seconds=0.0 if call.found.requests else seconds,
                    ),
                    saved=Usage(saved.tokens, saved.usd, name),
                    saved_seconds=saved.seconds,
                )
            )

    async def _ask(self, request: APIRequest) -> APIResponse:
        try:
            return await self._client.execute_request(request)
        except PermissionDeniedError as exc:
            raise wrong_host(exc, self._auth, self._client.base_url) from exc

    def _usage(self, request: APIRequest, data: Any) -> Usage:
        """Return what an answer says it was billed; nothing where it does not say."""
        told = data.get("usage") if isinstance(data, dict) else None
        tokens = told.get("total_tokens") if isinstance(told, dict) else None
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
            return Usage()
        name = request.limit_key or ""
        return Usage(tokens, usd_of(name, tokens, self._prices) or 0.0, name)


_count_tokens = count_tokens
