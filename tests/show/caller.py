# SPDX-License-Identifier: Apache-2.0
"""A caller as any program on the host would be: asks which node, calls it, reports; on a failure asks for the next one."""

import collections
import http.client
import itertools
import queue
import threading
import time
import urllib.parse

from harness.varlink import Client, Disconnected, VarlinkError

# How each vendor is asked, and how it wants its key: method, path, headers, body.
REQUESTS = {
    "stripe": ("POST", "/v1/payment_intents", {"Authorization": "Bearer sk_test_show"}, "amount=2000&currency=usd"),
    "samsara": ("GET", "/fleet/vehicles/stats?types=gps", {"Authorization": "Bearer samsara_api_show"}, None),
    "mapbox": ("GET", "/search/geocode/v6/forward?q=1600+Amphitheatre+Parkway&access_token=pk.show", {}, None),
    "google": ("GET", "/maps/api/geocode/json?address=1600+Amphitheatre+Parkway&key=AIzaShow", {}, None),
    "here": ("GET", "/v1/geocode?q=1600+Amphitheatre+Parkway&apiKey=show", {}, None),
}
OPERATIONS = {"stripe": "create_payment_intent", "samsara": "vehicle_stats", "maps": "geocode"}  # what that is to pointsmand
TIMEOUT = 2  # seconds, of one HTTP call


def call_http(connections, decision):
    """Makes the call that a decision allows. Returns what Report wants to know of it."""
    host = urllib.parse.urlsplit(decision["url"]).netloc
    method, path, headers, body = REQUESTS[decision["provider"]]
    start = time.monotonic()
    try:
        connection = connections.setdefault(host, http.client.HTTPConnection(host, timeout=TIMEOUT))
        connection.request(method, path, body, headers | {"Content-Type": "application/x-www-form-urlencoded"} if body else headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        outcome = {"httpStatus": answer.status, "headers": dict(answer.getheaders()), "body": text[:4096]}
    except (OSError, http.client.HTTPException) as e:
        connections.pop(host).close()
        error = "timeout" if isinstance(e, TimeoutError) else "connect" if isinstance(e, ConnectionRefusedError) else "reset"
        outcome = {"error": error}
    return outcome | {"latencyMs": (time.monotonic() - start) * 1000}


def succeeded(decision, outcome):
    """As a program would judge that knows its vendor a little: Google says in the body what others say in the status."""
    if not 200 <= outcome.get("httpStatus", 0) < 300:
        return False
    return decision["provider"] != "google" or '"status":"OK"' in outcome["body"].replace(" ", "")


class Traffic:
    """Calls for the services at a steady rate, by a few threads. The counters are read by whoever likes."""

    def __init__(self, socket_path, rates, threads=8):
        self.socket_path, self.rates = socket_path, rates
        self.ok = self.saved = self.failed = 0  # calls that worked at once, after a fallback, and not at all
        self.refused = collections.Counter()    # errors of the daemon, by name
        self.trouble = []                       # what must never happen: an exception in the caller
        self.decisions = collections.Counter()  # by node; every one of them is reported
        self.recent = collections.deque()       # (time, node) of decisions, for the shares
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.due = queue.Queue()
        self.threads = [threading.Thread(target=t, daemon=True) for t in [self._pace] + [self._work] * threads]

    def start(self):
        for t in self.threads:
            t.start()

    def stop(self):
        self.stopping.set()
        for _ in self.threads:
            self.due.put(None)
        for t in self.threads:
            t.join()

    def _pace(self):
        """Puts calls on the queue, spread evenly."""
        start = time.monotonic()
        slots = sorted((i / rate, service) for service, rate in self.rates.items() for i in range(rate))
        for second in itertools.count():
            for offset, service in slots:
                if self.stopping.wait(max(0, start + second + offset - time.monotonic())):
                    return
                if self.due.qsize() < 100:  # behind: a real program would not pile up either
                    self.due.put(service)

    def _work(self):
        connections, client = {}, None
        while (service := self.due.get()) is not None:
            try:
                client = client or Client(self.socket_path)
                self._one_call(client, connections, service)
            except VarlinkError as e:
                self._count("failed", refused=e.name)
            except (Disconnected, OSError, KeyError, ValueError) as e:
                client = client and client.close()
                self._count("failed", trouble=f"{type(e).__name__}: {e}")
        for c in [client, *connections.values()]:
            if c:
                c.close()

    def _one_call(self, client, connections, service):
        decision = client.call("Route", serviceName=service, operation=OPERATIONS[service])["decision"]
        for attempt in range(decision["maxRetries"] + 1):
            self._decided(decision["node"])
            outcome = call_http(connections, decision)
            if succeeded(decision, outcome):
                client.oneway("Report", decision=decision["id"], **outcome)
                return self._count("saved" if attempt else "ok")
            if attempt == decision["maxRetries"]:
                break
            decision = client.call("CostAwareFallback", decision=decision["id"], **outcome)["decision"]
        client.oneway("Report", decision=decision["id"], **outcome)
        return self._count("failed")

    def _count(self, what, refused=None, trouble=None):
        with self.lock:
            setattr(self, what, getattr(self, what) + 1)
            if refused:
                self.refused[refused] += 1
            if trouble:
                self.trouble.append(trouble)

    def _decided(self, node):
        with self.lock:
            self.recent.append((time.monotonic(), node))
            self.decisions[node] += 1

    def shares(self, seconds=2.0):
        """{node: its part of its service's decisions in the last seconds}."""
        with self.lock:
            while self.recent and self.recent[0][0] < time.monotonic() - 60:
                self.recent.popleft()
            nodes = collections.Counter(node for at, node in self.recent if at > time.monotonic() - seconds)
        services = collections.Counter()
        for node, n in nodes.items():
            services[node.partition("/")[0]] += n
        return collections.defaultdict(float, {node: n / services[node.partition("/")[0]] for node, n in nodes.items()})
