"""Whether what was deployed does its work: found out by asking it, not by what it was told."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from crossmodel.assembly import CrossModel
from crossmodel.deployment.target import DeploymentStatus, InstanceState
from crossmodel.domain.operations import DeploymentValidationResult, Finding, HealthCheckResult
from crossmodel.errors import CrossModelError
from crossmodel.settings import Settings

FREE: Final = frozenset({"local", "fake"})
"""Kinds of providers that cost nothing and need no network: their models are asked something."""

REQUEST_ID: Final = "x-crossmodel-request-id"
ANSWER_SECONDS: Final = 60.0
RECORD_SECONDS: Final = 10.0
ASKED: Final = "Say hello."

Found = tuple[list[Finding], Mapping[str, Any]]


@dataclass(slots=True)
class MonitoringSetup:
    """Looks at a deployment from outside, as clients and administrators do.

    Attributes:
        seconds: how long one probe may take.
    """

    seconds: float = 10.0

    def validate(
        self,
        status: DeploymentStatus,
        settings: Settings,
        more: tuple[HealthCheckResult, ...] = (),
    ) -> DeploymentValidationResult:
        """Probe every instance, the clients' address, a model where that is free, and the log.

        ``more`` is what the target has found out by itself. The settings must be read where the
        deployment runs: relative paths mean the same there.
        """
        with httpx.Client(timeout=self.seconds, trust_env=False, verify=False) as client:  # noqa: S501 - our own certificate, at an address of ours
            asked = _Asked(client, status, settings)
            checks = [
                _timed("instances", asked.instances),
                _timed("metrics", asked.metrics),
                _timed("clients", asked.clients),
                _timed("request", asked.request),
                _timed("records", asked.records),
                *more,
            ]
        wrong = [f"{each.check_name}: {each.error}" for each in checks if not each.is_healthy]
        return DeploymentValidationResult(not wrong, "; ".join(wrong) or None, tuple(checks))


def _timed(name: str, look: Callable[[], Found]) -> HealthCheckResult:
    began = time.perf_counter()
    try:
        findings, details = look()
    except (httpx.HTTPError, CrossModelError) as error:
        findings, details = [Finding("", str(error) or type(error).__name__)], {}
    result = HealthCheckResult.of(name, findings, details)
    taken = (time.perf_counter() - began) * 1000
    return HealthCheckResult(
        name, result.is_healthy, result.error, details, latency_ms=taken, findings=result.findings
    )


@dataclass(slots=True)
class _Asked:
    """One look at a deployment; the record of its request is looked for afterwards."""

    client: httpx.Client
    status: DeploymentStatus
    settings: Settings
    request_id: str = ""

    def instances(self) -> Found:
        """Every instance says that it is ready, and there are as many as there should be."""
        status = self.status
        findings = [
            Finding(each.id, f"{each.id} is {each.state}: {each.error or 'not ready'}")
            for each in status.instances
            if each.state is not InstanceState.READY
        ]
        for each in status.instances:
            if each.control_url and each.state is InstanceState.READY:
                answer = self.client.get(f"{each.control_url}/readyz")
                if answer.status_code != httpx.codes.OK:
                    said = f"{each.id} says that it is not ready: {answer.status_code}"
                    findings.append(Finding(each.id, said))
        if status.ready != status.wanted:
            findings.append(Finding("", f"{status.ready} of {status.wanted} instances are ready"))
        return findings, {"ready": status.ready, "wanted": status.wanted}

    def metrics(self) -> Found:
        """Every instance can be watched."""
        findings = []
        for each in self.status.instances:
            if each.control_url:
                answer = self.client.get(f"{each.control_url}/metrics")
                if "crossmodel_" not in answer.text:
                    findings.append(Finding(each.id, f"{each.id} tells no metrics"))
        return findings, {}

    def clients(self) -> Found:
        """Clients are answered where they arrive, or asked for their key."""
        answer = self.client.get(f"{self.status.url}/v1/models")
        details = {"url": self.status.url, "status": answer.status_code}
        if answer.status_code in {httpx.codes.OK, httpx.codes.UNAUTHORIZED}:
            return [], details
        return [Finding("", f"{self.status.url} answers {answer.status_code}")], details

    def request(self) -> Found:
        """A model answers, where one can be asked that costs nothing."""
        free = {row.id for row in self.settings.providers if row.kind in FREE}
        model = next((each.id for each in self.settings.models if each.provider in free), None)
        headers = self._key()
        if model is None or headers is None:
            why = "every model may cost something" if model is None else "no client key is known"
            return [], {"note": f"no model was asked: {why}"}
        body = {
            "model": model, "max_tokens": 4, "messages": [{"role": "user", "content": ASKED}],
        }  # fmt: skip
        answer = self.client.post(
            f"{self.status.url}/v1/chat/completions",
            json=body,
            headers=headers,
            timeout=ANSWER_SECONDS,
        )
        details = {"model": model, "status": answer.status_code}
        if answer.status_code != httpx.codes.OK:
            return [Finding(model, f"{model} answers {answer.status_code}")], details
        self.request_id = answer.headers.get(REQUEST_ID, "")
        return [], details | {"request_id": self.request_id}

    def records(self) -> Found:
        """The store can be opened from here, and the log has the record of the request."""
        if self.settings.store.url.endswith(":memory:"):
            return [], {"note": "the store is in the memory of each instance"}
        return asyncio.run(self._look_at_log())

    async def _look_at_log(self) -> Found:
        give_up = time.monotonic() + RECORD_SECONDS
        async with CrossModel(self.settings, with_models=False) as cm:
            tenant = self.settings.loop.tenant
            while True:
                standing = await cm.engine.ledger.standing()
                found = await cm.engine.store.read(
                    lambda tx: len(tx.leaves_about(tenant, self.request_id))
                )
                details = {"records": standing.records, "signed": standing.signed_records}
                if found or not self.request_id:
                    return [], details
                if time.monotonic() > give_up:
                    said = f"the log has no record of {self.request_id}"
                    return [Finding("log", said)], details
                await asyncio.sleep(0.1)

    def _key(self) -> dict[str, str] | None:
        """What a client shows: nothing where nothing is asked for; ``None`` if none is known."""
        if not self.settings.keys:
            return {}
        known = (os.environ.get(key.key_env, "") for key in self.settings.keys)
        key = next((each for each in known if each), None)
        return None if key is None else {"authorization": f"Bearer {key}"}
