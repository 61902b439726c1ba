"""A GGUF model on this machine, run by llama.cpp through ``xllamacpp``."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import secrets
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec

from crossmodel.domain.completion import Completion, CompletionRequest
from crossmodel.errors import (
    MissingExtraError,
    ProviderConnectionError,
    ProviderError,
    ProviderResponseError,
    ProviderTimeoutError,
)
from crossmodel.ports import TokenCounter
from crossmodel.providers.http import Where, json_bytes
from crossmodel.providers.openai import ChatCompletion, chat_body, read_chat_completion
from crossmodel.providers.weights import find_weights

CONTEXT_TOKENS: Final = 4096
BATCH_TOKENS: Final = 256
"""Prompt tokens that are read between two chances to stop."""

STREAMED: Final = {
    "stream": True,
    "stream_options": {"include_usage": True},
    "return_progress": True,  # chunks while the prompt is read, so that this can be stopped too
}
TOKENIZE_SECONDS: Final = 30


class LocalProvider:
    """One model in this process; requests queue for its one slot.

    llama.cpp opens a listener of its own on a random loopback port, which we cannot switch off; a
    random key keeps everybody else out of it.

    Args:
        model_path: a GGUF file, or ``smollm2`` for the installed weights.
        threads: processor threads; more than there are idle cores makes it slower.
        timeout_seconds: most seconds that one answer may take, loading and queueing included.
        provider_id: for error messages.

    Raises:
        MissingExtraError: if ``xllamacpp`` is not installed.
        ConfigurationError: if there are no such weights.
    """

    def __init__(
        self,
        *,
        model_path: str = "smollm2",
        threads: int = 1,
        timeout_seconds: float = 120.0,
        provider_id: str = "local",
    ) -> None:
        if importlib.util.find_spec("xllamacpp") is None:
            raise MissingExtraError("the local model", "local")
        self._path = find_weights(model_path)
        self._threads = threads
        self._timeout = timeout_seconds
        self._provider_id = provider_id
        self._key = secrets.token_urlsafe(32)
        self._server: Any = None
        self._loading = threading.Lock()
        self._closed = threading.Event()
        self._slot = ThreadPoolExecutor(1, thread_name_prefix="crossmodel-local")

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer, or raise a ``ProviderError``; a cancelled call stops generating.

        Raises:
            InvalidInputError: if the request holds what JSON has no form for.
        """
        body = chat_body(request) | STREAMED
        if request.seed is not None:
            # a prompt that is read in other portions comes out otherwise in its last bits
            body.setdefault("cache_prompt", False)
        json_bytes(body)  # the runtime would say it less clearly
        self._refuse_if_closed()
        stop = threading.Event()
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                raw = await asyncio.get_running_loop().run_in_executor(
                    self._slot, self._generate, body, stop
                )
        except TimeoutError:
            raise ProviderTimeoutError(
                f"no answer within {self._timeout:g} s", **self._where(request)
            ) from None
        finally:
            stop.set()
        answer = self._answer(raw, request)
        elapsed = (time.perf_counter() - started) * 1000
        return read_chat_completion(answer, request, self._provider_id, elapsed)

    def token_counter(self, model: str) -> TokenCounter | None:  # noqa: ARG002 - the port's signature
        """The model's own tokenizer."""
        return self.count_tokens

    def count_tokens(self, text: str) -> int:
        """Exactly how many tokens the model reads ``text`` as."""
        body = {"content": text.encode("utf-8", "replace").decode(), "parse_special": False}
        request = urllib.request.Request(  # noqa: S310 - our own listener on loopback
            f"{self._loaded().listening_address}/tokenize",
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json", "authorization": f"Bearer {self._key}"},
        )
        try:
            with _loopback.open(request, timeout=TOKENIZE_SECONDS) as response:
                return len(json.load(response)["tokens"])
        except OSError as error:
            raise ProviderConnectionError(
                f"the model's tokenizer does not answer: {error}", provider=self._provider_id
            ) from None

    async def close(self) -> None:
        """Free the model; answers that are not finished end with an error. Safe to call twice."""
        self._closed.set()
        await asyncio.to_thread(self._slot.shutdown, wait=True)
        with self._loading:
            self._server = None

    def _refuse_if_closed(self) -> None:
        if self._closed.is_set():
            raise ProviderError("it is closed", provider=self._provider_id)

    def _loaded(self) -> Any:
        with self._loading:
            self._refuse_if_closed()
            if self._server is None:
                import xllamacpp  # noqa: PLC0415 - a runtime of 100 MB, loaded when it is used

                params = xllamacpp.CommonParams()
                params.model.path = str(self._path)
                params.n_ctx = CONTEXT_TOKENS
                params.n_batch = BATCH_TOKENS
                params.n_ubatch = BATCH_TOKENS
                params.n_parallel = 1  # n_ctx would be divided among slots
                params.cpuparams.n_threads = self._threads
                params.cpuparams_batch.n_threads = self._threads
                params.warmup = False
                params.verbosity = -1
                params.api_keys = [self._key]
                try:
                    self._server = xllamacpp.Server(params)
                except RuntimeError:
                    raise ProviderError(
                        f"llama.cpp cannot load {self._path}: is it a whole GGUF file?",
                        provider=self._provider_id,
                    ) from None
            return self._server

    def _generate(self, body: dict[str, Any], stop: threading.Event) -> dict[str, Any]:
        """Runs in the slot's thread. Chunks are collected, so that a call can be stopped."""
        collected = _Collected()

        def on_chunk(chunk: Any) -> bool:
            collected.add(chunk)
            return stop.is_set() or self._closed.is_set()

        if not stop.is_set():
            self._loaded()
            try:
                # no name of its own here: a traceback would keep the model in memory
                self._server.handle_chat_completions(body, on_chunk)
            except (RuntimeError, ValueError) as error:  # what its parser makes of odd requests
                return {"error": str(error)}
        self._refuse_if_closed()
        return collected.answer()

    def _answer(self, raw: dict[str, Any], request: CompletionRequest) -> ChatCompletion:
        error = raw.get("error")
        if error is not None:
            said = error.get("message", error) if isinstance(error, dict) else error
            raise ProviderResponseError(str(said), **self._where(request))
        return msgspec.convert(raw | {"model": request.model}, ChatCompletion)

    def _where(self, request: CompletionRequest) -> Where:
        return {"provider": self._provider_id, "model": request.model}


class _Collected:
    """The chunks of one streamed answer, put together."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] = {}
        self.error: Any = None

    def add(self, chunk: Any) -> None:
        if isinstance(chunk, str | bytes):
            chunk = json.loads(chunk)
        if "error" in chunk or "choices" not in chunk:
            self.error = chunk.get("error", chunk)
            return
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk["choices"]:
            self.text.append(choice.get("delta", {}).get("content") or "")
            self.finish_reason = choice.get("finish_reason") or self.finish_reason

    def answer(self) -> dict[str, Any]:
        if self.error is not None:
            return {"error": self.error}
        message = {"content": "".join(self.text)}
        choice = {"message": message, "finish_reason": self.finish_reason}
        return {"choices": [choice], "usage": self.usage or None}


_loopback = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Ignores proxies: they have no business between us and our own listener."""
