# SPDX-License-Identifier: Apache-2.0
"""The stand-ins answer as the vendors do, and fail in each of the ways that they promise."""

import http.client
import json
import pathlib
import ssl

import pytest

from harness import parts

SAMPLES = [json.loads(line) for line in
           (pathlib.Path(__file__).parents[1] / "data" / "provider_samples.jsonl").read_text(encoding="utf-8").splitlines()]
GOOD = {"stripe": ("/v1/balance", {"Authorization": "Bearer sk_test_1"}), "samsara": ("/me", {"Authorization": "Bearer samsara_api_1"}),
        "mapbox": ("/tokens/v2?access_token=pk.1", {}), "google": ("/maps/api/geocode/json?address=x&key=AIza1", {}),
        "here": ("/v8/routes?apiKey=k", {})}


def ask(standins, name, path=None, headers=None, timeout=5):
    good_path, good_headers = GOOD[name.partition("-")[0]]
    connection = http.client.HTTPConnection("127.0.0.1", standins.ports[name], timeout=timeout)
    try:
        connection.request("GET", path or good_path, headers=good_headers if headers is None else headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def sample(provider, verdict, status):
    return [s["body"] for s in SAMPLES if (s["provider"], s["expected_class"], s["http_status"]) == (provider, verdict, status)]


@pytest.mark.parametrize("provider", parts.PROVIDERS)
def test_health_outage_and_recovery(standins, provider):
    status, _, body = ask(standins, provider)
    assert status == 200 and body in sample(provider, "ok", 200)
    standins.fault(provider, "outage")
    status, _, body = ask(standins, provider)
    assert status >= 500 and body in sample(provider, "service_unavailable", status)
    standins.fault(provider)
    assert ask(standins, provider)[0] == 200
    assert standins.counts()[provider]["requests"] == 3


def test_a_key_is_wanted_and_a_bad_one_refused(standins):
    assert ask(standins, "stripe", headers={})[0] == 401
    assert "Invalid API Key" in ask(standins, "stripe", headers={"Authorization": "Bearer bad"})[2]
    assert ask(standins, "mapbox", "/tokens/v2")[0] == 422
    assert "REQUEST_DENIED" in ask(standins, "google", "/maps/api/geocode/json?address=x")[2]
    assert ask(standins, "here", "/v8/health")[0] == 200


def test_rate_limits_carry_the_vendors_headers(standins):
    standins.fault("all", "rate_limit", retryAfter=7)
    assert ask(standins, "stripe")[1]["Stripe-Rate-Limited-Reason"] == "global-rate"
    assert ask(standins, "samsara")[1]["Retry-After"] == "7"
    assert int(ask(standins, "mapbox")[1]["X-Rate-Limit-Reset"]) > 1700000000
    assert "OVER_QUERY_LIMIT" in ask(standins, "google")[2]
    assert ask(standins, "here")[0] == 429


def test_connections_that_break(standins):
    for fault, error in (("reset", ConnectionResetError), ("empty", http.client.RemoteDisconnected), ("half", http.client.IncompleteRead),
                         ("refuse", ConnectionRefusedError), ("not_http", http.client.BadStatusLine)):
        standins.fault("here", fault)
        with pytest.raises(error):
            ask(standins, "here")
    for fault, details in (("hang", {}), ("slow", {"byteMs": 500}), ("ok", {"latencyMs": 1000})):
        standins.fault("here", fault, **details)
        with pytest.raises(TimeoutError):
            ask(standins, "here", timeout=0.2)
    standins.fault("here", "corrupt")
    status, _, body = ask(standins, "here")
    assert status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    standins.fault("here")
    assert ask(standins, "here")[0] == 200


def test_a_fault_for_so_many_requests(standins):
    standins.fault("stripe", "outage", count=2)
    assert [ask(standins, "stripe")[0] for _ in range(3)] == [500, 500, 200]


def test_wrong_orders_are_refused(standins):
    for order in ({"provider": "stripe", "fault": "nonsense"}, {"provider": "nobody", "fault": "ok"}, {"provider": "stripe", "fault": "certificate"}):
        with pytest.raises(OSError, match="400"):
            standins.fault(**order)
    assert ask(standins, "stripe")[0] == 200


def test_tls_with_good_and_bad_certificates(run_dir, started):
    standins = started(parts.Standins(run_dir, "--tls", "--listen", "here-a=here")).wait_ready()
    context = ssl.create_default_context(cafile=standins.ca_file)

    def handshake():
        connection = http.client.HTTPSConnection("localhost", standins.ports["here-a"], context=context, timeout=5)
        try:
            connection.request("GET", "/v8/health")
            return connection.getresponse().status
        finally:
            connection.close()

    assert handshake() == 200
    for kind, text in (("expired", "expired"), ("wrong_name", "mismatch"), ("self_signed", "self-signed")):
        standins.fault("here-a", "certificate", kind=kind)
        with pytest.raises(ssl.SSLCertVerificationError, match=text):
            handshake()
    standins.fault("here-a")
    assert handshake() == 200
