"""Collections of Qdrant: made, known again, rebuilt, and named by aliases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from contexter_nb.clients import _qdrant_rebuild
from contexter_nb.clients._qdrant_asking import QdrantAsking
from contexter_nb.clients._qdrant_connection import models, read
from contexter_nb.clients._qdrant_errors import checked_name
from contexter_nb.clients._qdrant_rebuild import Rebuilt
from contexter_nb.clients._qdrant_spec import (
    CollectionSpec,
    CollectionState,
    Distance,
    Quantization,
    check_fits,
    state_of,
)
from contexter_nb.core import HTTPError, IndexMismatchError, NotFoundError


class QdrantCollections(QdrantAsking):
    """The part of the client that knows collections."""

    async def ensure_collection(
        self,
        name: str,
        *,
        dimension: int,
        identity: str,
        distance: Distance = "cosine",
        sparse: bool = True,
        on_disk: bool = False,
        quantization: Quantization | None = None,
        shards: int | None = None,
        replication: int | None = None,
        payload_indexes: Mapping[str, str] | None = None,
        adopt: bool = False,
    ) -> CollectionState:
        """Make a collection where there is none, and check one that is there.

        Parameters
        ----------
        name : str
            Of the collection, or an alias of one that is there.
        dimension : int
            Of the dense vectors.
        identity : str
            What makes the vectors: embedder, dimension, chunking. It is kept with the
            collection (in its metadata), so that no other vectors get into it.
        distance : str, default "cosine"
            ``cosine``, ``dot``, ``euclid`` or ``manhattan``.
        sparse : bool, default True
            Whether points have sparse vectors of BM25, too.
        on_disk : bool, default False
            Whether vectors and payloads are read from disk when they are needed.
        quantization : str, optional
            ``int8`` or ``binary``: small vectors in memory, for the first choice.
        shards, replication : int, optional
            Of a cluster; the server's own where None.
        payload_indexes : mapping of str to str, optional
            Field to ``keyword``, ``prefix`` (keyword that can be asked by prefix),
            ``tenant`` (keyword that divides the points), ``integer``, ``float``,
            ``bool``, ``datetime``, ``uuid``, ``text`` or ``geo``. Missing ones are
            made; in memory they would do nothing and are left out.
        adopt : bool, default False
            Write `identity` to a collection that has none.

        Returns
        -------
        CollectionState

        Raises
        ------
        IndexMismatchError
            There is a collection that was built by other means.
        InvalidArgumentError
            An argument cannot be used.
        APIIntegrationError
            The call failed.
        """
        spec = CollectionSpec(
            name=name,
            dimension=dimension,
            identity=identity,
            distance=distance,
            sparse=sparse,
            on_disk=on_disk,
            quantization=quantization,
            shards=shards,
            replication=replication,
            payload_indexes=dict(payload_indexes or {}),
        )
        try:
            there = await self.has_collection(name)
            state = await (self.fetch_state(name) if there else self._created(spec))
        except NotFoundError:
            state = await self._created(spec)  # deleted in between
        if adopt and state.identity is None:
            await self._run(
                read("update_collection"),
                lambda library: library.update_collection(
                    name, metadata=spec.metadata()
                ),
            )
            state = await self.fetch_state(name)
        check_fits(spec, state)
        return await self._indexed(spec, state)

    async def fetch_state(self, name: str) -> CollectionState:
        """Return what a collection is.

        Parameters
        ----------
        name : str
            Of the collection or an alias.

        Raises
        ------
        NotFoundError
            There is none.
        APIIntegrationError
            The call failed.
        """
        checked_name(name)
        info = await self._run(
            read("get_collection"), lambda library: library.get_collection(name)
        )
        return state_of(name, info)

    async def has_collection(self, name: str) -> bool:
        """Tell whether there is a collection, or an alias, of this name.

        Parameters
        ----------
        name : str

        Raises
        ------
        APIIntegrationError
            The call failed.
        """
        checked_name(name)
        there = await self._run(
            read("collection_exists"),
            lambda library: library.collection_exists(name),
        )
        return bool(there) or name in await self.aliases()

    async def drop_collection(self, name: str) -> bool:
        """Delete a collection with all its points.

        Parameters
        ----------
        name : str

        Returns
        -------
        bool
            Whether there was one.

        Raises
        ------
        APIIntegrationError
            The call failed.
        """
        checked_name(name)
        done = await self._run(
            read("delete_collection"), lambda library: library.delete_collection(name)
        )
        return bool(done)

    async def collections(self) -> tuple[str, ...]:
        """Return the names of all collections, sorted."""
        found = await self._run(
            read("get_collections"), lambda library: library.get_collections()
        )
        return tuple(sorted(each.name for each in found.collections))

    async def aliases(self) -> dict[str, str]:
        """Return all aliases: name to the collection it names."""
        found = await self._run(
            read("get_aliases"), lambda library: library.get_aliases()
        )
        return {each.alias_name: each.collection_name for each in found.aliases}

    async def switch_alias(self, alias: str, to_collection: str) -> str | None:
        """Have an alias name a collection, in one step: no search falls between.

        Parameters
        ----------
        alias : str
            Made where there is none.
        to_collection : str

        Returns
        -------
        str or None
            Which collection it named before.

        Raises
        ------
        NotFoundError
            There is no such collection.
        APIIntegrationError
            The call failed.
        """
        checked_name(alias, "alias")
        checked_name(to_collection)
        before = (await self.aliases()).get(alias)
        kinds = models()
        steps: list[Any] = [
            kinds.CreateAliasOperation(
                create_alias=kinds.CreateAlias(
                    collection_name=to_collection, alias_name=alias
                )
            )
        ]
        if before is not None:
            gone = kinds.DeleteAlias(alias_name=alias)
            steps.insert(0, kinds.DeleteAliasOperation(delete_alias=gone))
        await self._run(
            read("switch_alias"),
            lambda library: library.update_collection_aliases(
                change_aliases_operations=steps
            ),
        )
        return before

    async def rebuild(
        self,
        alias: str,
        build: Callable[[str], Awaitable[object]],
        *,
        keep_previous: bool = False,
    ) -> Rebuilt:
        """Build a collection anew while the old one is searched, then switch.

        Parameters
        ----------
        alias : str
            By which the collection is searched; not the name of a collection itself.
        build : callable
            Takes the name of the new collection; makes and fills it.
        keep_previous : bool, default False
            Whether the collection that the alias named stays.

        Returns
        -------
        Rebuilt

        Raises
        ------
        InvalidArgumentError
            A collection itself has the alias's name, or nothing was built.
        Exception
            What `build` raised; the alias is as it was, and what was built is deleted.
        """
        checked_name(alias, "alias")
        name = checked_name(f"{alias}-{self._make_id()}")
        return await _qdrant_rebuild.rebuild(
            self, alias, name, build, keep_previous=keep_previous
        )

    async def _created(self, spec: CollectionSpec) -> CollectionState:
        wanted = models().CreateCollection.model_validate(spec.creation())
        created = True
        try:
            await self._run(
                read("create_collection"),
                lambda library: library.create_collection(
                    spec.name,
                    vectors_config=wanted.vectors,
                    sparse_vectors_config=wanted.sparse_vectors,
                    shard_number=wanted.shard_number,
                    replication_factor=wanted.replication_factor,
                    quantization_config=wanted.quantization_config,
                    payload=wanted.payload,
                    metadata=wanted.metadata,
                ),
            )
        except HTTPError as exc:
            if exc.status_code != 409:
                raise
            created = False  # another was quicker, or an answer of ours was lost
        info = await self._run(
            read("get_collection"), lambda library: library.get_collection(spec.name)
        )
        state = state_of(spec.name, info, created=created)
        if created and state.identity is None:
            raise IndexMismatchError(
                f"This server keeps no metadata of {spec.name!r}, so its vectors could "
                "not be told from others; update the server."
            )
        return state

    async def _indexed(
        self, spec: CollectionSpec, state: CollectionState
    ) -> CollectionState:
        missing = {} if self._local else spec.missing_indexes(state.payload_indexes)
        if not missing:
            return state
        kinds = models()
        for column, schema in missing.items():
            wanted = kinds.CreateFieldIndex.model_validate(
                {"field_name": column, "field_schema": schema}
            )
            await self._make_index(spec.name, column, wanted.field_schema)
        info = await self._run(
            read("get_collection"), lambda library: library.get_collection(spec.name)
        )
        return state_of(spec.name, info, created=state.created)

    async def _make_index(self, name: str, column: str, schema: Any) -> None:
        await self._run(
            read("create_index"),
            lambda library: library.create_payload_index(
                name, field_name=column, field_schema=schema, wait=True
            ),
        )
