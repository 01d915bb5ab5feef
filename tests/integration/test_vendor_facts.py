# SPDX-License-Identifier: Apache-2.0
"""What the vendors' published descriptions, SDKs and mocks say (tests/data/vendor_facts.json, with its sources), against the
stand-ins and, by way of the daemon, against the plugins."""

import json
import pathlib
import time
import urllib.error
import urllib.request

import pytest

from harness import parts

FACTS = json.loads((pathlib.Path(__file__).parents[1] / "data" / "vendor_facts.json").read_text(encoding="utf-8"))
KEYS = {"stripe": {"Authorization": "Bearer sk_test_1"}, "samsara": {"Authorization": "Bearer samsara_api_1"}}
QUERY = {"mapbox": "?access_token=pk.1", "google": "?key=AIza1&address=x", "here": "?apiKey=k"}
PROBED = {"stripe": "/v1/balance", "samsara": "/me", "mapbox": "/directions/v5/mapbox/driving/0,0;1,1", "google": "/maps/api/geocode/json",
          "here": "/v8/routes"}


def ask(standins, provider, path=None, method="GET"):
    """Status, headers and parsed body."""
    url = standins.urls[provider] + (path or PROBED[provider]) + QUERY.get(provider, "")
    request = urllib.request.Request(url, method=method, headers=KEYS.get(provider, {}), data=b"" if method == "POST" else None)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as e:
        with e:
            text = e.read()
            return e.code, e.headers, json.loads(text) if text.startswith(b"{") else None


@pytest.fixture
def verdict(daemon, client):
    """verdict(provider, status, body, …) → what the daemon makes of a call with that answer."""
    services = {name: {"nodes": {"only": {"provider": name, "url": "http://127.0.0.1:1", "cost_per_request": 0.0}}} for name in FACTS}
    c = client(daemon({"services": services}))

    def report(provider, status, body, operation=None, **details):
        decision = c.call("Route", serviceName=provider, **({"operation": operation} if operation else {}))["decision"]["id"]
        if body is not None:
            details["body"] = body if isinstance(body, str) else json.dumps(body)
        return c.call("Report", decision=decision, httpStatus=status, latencyMs=10, **details)

    return report


@pytest.mark.parametrize("provider", FACTS)
def test_every_fact_names_its_source(provider):
    assert FACTS[provider]["sources"] and FACTS[provider]["notChecked"]


@pytest.mark.parametrize("provider", ["stripe", "samsara", "google"])
def test_the_standins_successes_are_whole(standins, verdict, provider):
    for success in FACTS[provider]["successes"]:
        status, _, body = ask(standins, provider, success["path"], success["method"])
        assert status == 200 and set(success["required"]) <= body.keys(), success
        assert verdict(provider, 200, body, success.get("operation"))["verdict"] == "ok"


@pytest.mark.parametrize("provider", FACTS)
def test_the_standins_errors_have_the_vendors_shape(standins, provider):
    shapes = {name: fact for name, fact in FACTS[provider].items() if name.startswith("error") and isinstance(fact, dict)}
    for fault in ("outage", "rate_limit", "auth", "client_error"):
        standins.fault(provider, fault)
        status, _, body = ask(standins, provider)
        # Classic Google has no envelope, a gateway of HERE's has another one, and some answers are plain text.
        if status < 400 or body is None or isinstance(body.get("error"), str) or (provider == "google" and "status" in body):
            continue
        for name, shape in shapes.items():
            part = body[name.partition(".")[2]] if "." in name else body
            assert set(shape["required"]) <= part.keys() <= set(shape["properties"]), (fault, name)


def test_stripes_error_types(verdict):
    for kind in FACTS["stripe"]["errorTypes"]:
        body = {"error": {"type": kind, "message": "m"}}
        assert verdict("stripe", 400, body)["verdict"] == "client_error"
        assert verdict("stripe", 500, body)["verdict"] == "service_unavailable"


def test_samsaras_statuses_and_retry_headers(verdict):
    for status, expected in FACTS["samsara"]["statuses"].items():
        assert verdict("samsara", int(status), {"message": "m", "requestId": "r1"})["verdict"] == expected, status
    values = {"Retry-After": "7", "X-RateLimit-Reset": str(int(time.time()) + 7)}
    for name in FACTS["samsara"]["retryHeaders"]:
        settled = verdict("samsara", 429, {"message": "m", "requestId": "r1"}, headers={name: values[name]})
        assert 5000 <= settled["retryAfterMs"] <= 7000, name


def test_mapboxs_codes_and_limits(standins, verdict):
    facts = FACTS["mapbox"]
    for answer in facts["answers"]:
        assert verdict("mapbox", answer["status"], answer["body"])["verdict"] == answer["verdict"], answer
    standins.fault("mapbox", "rate_limit", retryAfter=30)
    status, headers, body = ask(standins, "mapbox")
    assert status == 429 and set(facts["rateLimitHeaders"]) <= set(headers.keys())
    settled = verdict("mapbox", 429, body, headers={n: headers[n] for n in facts["rateLimitHeaders"]})
    assert 28000 <= settled["retryAfterMs"] <= 30000, "X-Rate-Limit-Reset is a Unix time in seconds"


def test_googles_statuses(verdict):
    meaning = {"OK": "ok", "OVER_DAILY_LIMIT": "budget_exhausted", "OVER_QUERY_LIMIT": "rate_limit_exceeded",
               "REQUEST_DENIED": "authentication_failure", "UNKNOWN_ERROR": "service_unavailable"}
    required = {s["operation"]: s["required"] for s in FACTS["google"]["successes"]}
    for operation, statuses in FACTS["google"]["classicStatuses"].items():
        for status in statuses:
            body = {key: [] for key in required[operation]} | {"timeZoneId": "Europe/Berlin", "status": status}
            assert verdict("google", 200, body, operation)["verdict"] == meaning.get(status, "client_error"), (operation, status)
    for name in FACTS["google"]["messageProperties"]:
        body = {"status": "REQUEST_DENIED", name: "You must enable Billing on the project."}
        assert verdict("google", 200, body)["verdict"] == "budget_exhausted", name


def test_heres_codes_and_notices(verdict):
    facts = FACTS["here"]
    for code, expected in facts["codes"].items():
        body = {"title": "t", "status": 400, "code": code, "cause": "c", "action": "a", "correlationId": "4199533b"}
        assert verdict("here", 400, body)["verdict"] == expected, code
    for notice in facts["criticalNotices"]:
        body = {"isolines": [], "notices": [{"code": notice, "severity": "critical"}]}
        assert verdict("here", 200, body, "isochrone")["verdict"] == "client_error", notice
    for notice in facts["infoNotices"]:
        body = {"isolines": [{"polygons": []}], "notices": [{"code": notice, "severity": "info"}]}
        assert verdict("here", 200, body, "isochrone")["verdict"] == "ok", notice
