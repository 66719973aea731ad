"""What is counted for Prometheus: every answer under its route, queues, trainings and streams."""

from __future__ import annotations

import time
from collections.abc import Mapping

from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gatecast.guard import App, Message, Receive, Scope, Send
from gatecast.queues import Queue
from gatecast.server_streams import Streams
from gatecast.workers import Pool


class Meters:
    """What is counted for Prometheus."""

    def __init__(self, pools: Mapping[str, Pool], trainings: Queue, streams: Streams) -> None:
        self.collected = CollectorRegistry()
        apart = "", "", "", self.collected  # no namespace, subsystem or unit; counted here, not for the whole process
        labels = ("method", "route", "status")
        self.requests = Counter("gatecast_requests", "Requests answered.", labels, *apart)
        self.seconds = Histogram("gatecast_request_seconds", "How long.", ("route",), *apart)
        waiting = Gauge("gatecast_pending", "Tasks that wait or are worked on.", ("pool",), *apart)
        for name, pool in pools.items():
            waiting.labels(name).set_function(lambda pool=pool: pool.pending)  # type: ignore[misc]
        states = Gauge("gatecast_trainings", "Trainings by state.", ("state",), *apart)
        for state in trainings.counts():
            states.labels(state).set_function(lambda state=state: trainings.counts()[state])  # type: ignore[misc]
        kept = Gauge("gatecast_streams", "Streams that are kept.", (), *apart)
        kept.set_function(lambda: len(streams))
        gone = Gauge("gatecast_streams_evicted", "Streams that had to make room.", (), *apart)
        gone.set_function(lambda: streams.evicted)


class Count:
    """Counts every answer under its route's pattern, never under what a client wrote."""

    def __init__(self, app: App, meters: Meters) -> None:
        self.app, self.meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            route = scope.get("route")
            pattern = route.path if isinstance(route, APIRoute) else "other"
            method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD") else "other"
            self.meters.requests.labels(method, pattern, str(status)).inc()
            self.meters.seconds.labels(pattern).observe(time.perf_counter() - begin)
