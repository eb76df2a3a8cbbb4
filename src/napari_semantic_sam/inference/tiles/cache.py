"""Embeddings in memory, the least recently used of which make room for new ones."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from napari_semantic_sam.inference.embedding import PictureEmbedding

if TYPE_CHECKING:
    from napari_semantic_sam.inference.tiles.disk import DiskCache


class EmbeddingCache:
    """Keeps embeddings by key, up to a number of bytes; several threads may use it.

    Parameters
    ----------
    limit_bytes : int
        Of everything an embedding holds. Beyond it, the least recently used ones are let go.
    disk : DiskCache, optional
        Where features are kept for later runs.
    """

    def __init__(self, limit_bytes: int = 10**9, disk: DiskCache | None = None) -> None:
        self.limit_bytes = limit_bytes
        self.disk = disk
        self._held: OrderedDict[str, tuple[PictureEmbedding, object]] = OrderedDict()
        self._in_work: dict[str, Future[PictureEmbedding]] = {}
        self._nbytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Memory that is taken."""
        return self._nbytes

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def get(
        self, key: str, make: Callable[[], PictureEmbedding], owner: object = None
    ) -> PictureEmbedding:
        """Return what is kept under a key, or make it and keep it.

        A thread that asks for what another one is making waits for it. What `make` raises
        is raised to both.

        Parameters
        ----------
        key : str
        make : callable
        owner : object, optional
            Kept as long as what is made, because the key holds its `id`.
        """
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key][0]
            at_work = self._in_work.get(key)
            if at_work is None:
                mine = self._in_work[key] = Future[PictureEmbedding]()
        return self._make(key, make, mine, owner) if at_work is None else at_work.result()

    def _make(
        self,
        key: str,
        make: Callable[[], PictureEmbedding],
        mine: Future[PictureEmbedding],
        owner: object,
    ) -> PictureEmbedding:
        try:
            made = make()
        except BaseException as error:
            with self._lock:
                del self._in_work[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._in_work[key]
            self._keep(key, made, owner)
        mine.set_result(made)
        return made

    def _keep(self, key: str, embedding: PictureEmbedding, owner: object) -> None:
        self._held[key] = embedding, owner
        self._nbytes += embedding.nbytes
        while self._nbytes > self.limit_bytes:
            _, (oldest, _) = self._held.popitem(last=False)
            self._nbytes -= oldest.nbytes
