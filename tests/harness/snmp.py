# SPDX-License-Identifier: Apache-2.0
"""What tests of pointsman-snmp share: a daemon's snapshots made up, and SNMP read back."""

from . import process

ROOT = "1.3.6.1.4.1.8072.9999.9999.7668"


def node(name, **changes):
    return {
        "node": name, "provider": name.partition("/")[0], "region": "r1", "url": "http://127.0.0.1/", "weight": 70, "costPerRequest": 0.029,
        "administrativeState": "enabled", "health": "healthy", "healthScore": 97.6, "circuit": "closed", "successRate": 0.998,
        "latencyP50Ms": 12.5, "latencyP95Ms": 40.25, "latencyP99Ms": 99, "inFlight": 2, "calls": 10, "failures": 1,
        "verdicts": {"ok": 9, "network_issue": 1}, "cooldownMs": 1500, "spendHour": 0.261, "spendPeriod": 1.5, "share": 0.7, **changes}


def service(name, nodes, **changes):
    return {
        "serviceName": name, "strategy": "HEALTH_BASED", "priority": "revenue", "origin": "file", "costTier": "normal", "budgetState": "ok",
        "spendHour": 50.25, "maxCostPerHour": 100, "spendPeriod": 50.25, "reserved": 0, "decisions": 11, "failures": 1, "successRate": 0.998,
        "nodes": nodes, **changes}


def snapshot(services, scenarios=(), **status):
    return {"serial": 1, "services": services, "scenarios": list(scenarios),
            "status": {"version": "0.1.0", "health": "ok", "uptimeSeconds": 12.5, "configurationSerial": 3, "decisions": 5000000000,
                       "reports": 10, "failures": 1, "fallbacks": 2, "rateLimited": 4, "startedAt": "2026-03-01T11:00:00Z", **status}}


DEFAULT = snapshot([service("stripe", [node("stripe/us-east"), node("stripe/us-west", circuit="half_open", weight=30)]),
                    service("maps", [node("maps/mapbox", circuit="open", failureForecast=0.025)], maxCostPerHour=None)])


def get(snmpd, name, **options):
    """One value as snmpget prints it, without its name and type."""
    return snmpd.tool("snmpget", f"POINTSMAN-MIB::{name}", options=("-Oqv",), **options).strip()


def registered(snmpd):
    try:
        return "No Such" not in get(snmpd, "pmDataState.0")
    except process.Failed:
        return False


def rows(snmpd, table, name):
    """The rows of a table by one of their columns."""
    return {row[name].strip('"'): row for row in snmpd.table(table)}
