# SPDX-License-Identifier: Apache-2.0
"""How each error scenario comes about, by what callers report, so that documents and tests can look at it."""

import os
import time

from .parts import SOURCE, libconfig_file
from .process import wait_for
from .varlink import VarlinkError


def configuration(directory):
    """The shipped configuration without probes, so that only what is reported counts, and with everybody an admin."""
    def service(**more):
        return {"load_balancing": {"health_check_interval": 0}} | more

    path = os.path.join(directory, "pointsman.conf")
    with open(os.path.join(SOURCE, "etc", "pointsman.conf"), encoding="utf-8") as shipped:
        write(path, shipped.read())
    write(os.path.join(directory, "conf.d", "here.conf"), libconfig_file({
        "services": {"stripe": service(), "samsara": service(), "maps": service(nodes={"here": {"latency_limit_ms": 200}})},
        "access": {"operator": ["*"], "admin": ["*"]}}))
    return path


class Caller:
    """Calls nodes of its choice, and reports what it likes."""

    def __init__(self, client):
        self.client = client
        self.nodes = {s["serviceName"]: [n["node"] for n in s["nodes"]] for s in client.call("GetSystemStatus")["services"]}

    def call(self, node, times=1, operation=None, **outcome):
        service = node.partition("/")[0]
        others = [n for n in self.nodes[service] if n != node]
        for _ in range(times):
            wanted = {"operation": operation} if operation else {}
            decision = self.client.call("Route", serviceName=service, exclude=others, **wanted)["decision"]
            self.client.call("Report", decision=decision["id"], **outcome)

    def types(self):
        return {s["type"] for s in self.client.call("GetActiveScenarios")["scenarios"]}


def service_unavailable(c):
    c.call("maps/here", 5, httpStatus=503)


def performance_degradation(c):
    c.call("maps/here", 12, httpStatus=200, latencyMs=900)


def cost_overrun(c):
    # What is left, 1.3 cents, would last for half a minute at this rate; so the hour must not end before.
    wait_for(lambda: time.time() % 3600 < 3540, "a full hour is over", 70)
    c.call("maps/here", httpStatus=200, cost=19.987)


def rate_limit_exceeded(c):
    c.call("maps/here", httpStatus=429, headers={"Retry-After": "30"})


def authentication_failure(c):
    c.call("stripe/us-east", 2, httpStatus=401, body='{"error":{"type":"invalid_request_error","message":"Invalid API Key provided"}}')


def network_issues(c):
    for node in ("maps/here", "maps/google"):
        c.call(node, 3, error="timeout")


def data_corruption(c):
    c.call("maps/here", 3, operation="geocode", httpStatus=200, body="<html>maintenance</html>")


def cascading_failure(c):
    for node in ("maps/here", "maps/google"):
        c.call(node, 5, httpStatus=503)


def budget_exhaustion(c):
    wait_for(lambda: time.time() % 3600 < 3540, "a full hour is over", 70)
    c.call("maps/here", httpStatus=200, cost=20)
    try:
        c.client.call("Route", serviceName="maps")
    except VarlinkError as e:
        assert e.name == "BudgetExhausted"


def emergency_scenario(c):
    for node in ("stripe/us-east", "stripe/us-west"):
        c.call(node, 5, httpStatus=503)


SITUATIONS = {f.__name__.upper(): f for f in (
    service_unavailable, performance_degradation, cost_overrun, rate_limit_exceeded, authentication_failure, network_issues,
    data_corruption, cascading_failure, budget_exhaustion, emergency_scenario)}


# ---- the daemon's own troubles: what has to be done before it starts, and after ----

def write(path, text=""):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def make_audit_unwritable(state_dir):
    """A file where a folder should be stops root as well."""
    write(os.path.join(state_dir, "audit"))


def make_ledger_unwritable(state_dir):
    os.makedirs(os.path.join(state_dir, "ledger.db"))


def damage_ledger(state_dir):
    write(os.path.join(state_dir, "ledger.db"), "this is no database\n" * 1000)


def break_configuration(path):
    write(os.path.join(os.path.dirname(path), "conf.d", "mistake.conf"), 'services = { maps = { strategy = "FAST"; }; };\n')
