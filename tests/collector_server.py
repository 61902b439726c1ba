"""An OpenTelemetry collector that takes what it is sent over OTLP/HTTP, and keeps it."""

from __future__ import annotations

import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class CollectorServer:
    """Listens on a port of its own while it is used in ``with``.

    With ``hangs`` it takes what it is sent and never answers.
    """

    def __init__(self, *, hangs: bool = False) -> None:
        self.messages: list[tuple[str, dict[str, str], bytes]] = []
        self._ending = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.messages.append((self.path, headers, body))
                if hangs:
                    outer._ending.wait(60)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def spans(self):
        """All spans, with the resource that they are of."""
        found = []
        for path, _, body in self.messages:
            if path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        found += [(span, said(resource.resource)) for span in scope.spans]
        return found

    def metrics(self):
        """The last state of each metric, by its name."""
        found = {}
        for path, _, body in self.messages:
            if path == "/v1/metrics":
                for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    for scope in resource.scope_metrics:
                        found |= {metric.name: metric for metric in scope.metrics}
        return found

    def wait_for(self, what, seconds=10.0):
        """What ``what`` finds, as soon as it finds something."""
        until = time.monotonic() + seconds
        while not (found := what()) and time.monotonic() < until:
            time.sleep(0.01)
        return found


def said(message):
    """The attributes of a span, a resource or a point."""
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in message.attributes
    }
