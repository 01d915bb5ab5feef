# SPDX-License-Identifier: Apache-2.0
"""The stand-ins answer as the vendors do, and fail in each of the ways that they promise."""

import http.client
import json
import os
import pathlib
import ssl
import subprocess
import sys
import time

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
    assert status == 200 and any(json.loads(body) | json.loads(s) == json.loads(body) for s in sample(provider, "ok", 200))
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


def test_what_never_ends(standins):
    standins.fault("here", "huge_headers")
    with pytest.raises(http.client.HTTPException, match="100 headers"):
        ask(standins, "here")
    standins.fault("here", "endless_headers")
    with pytest.raises(http.client.HTTPException, match="100 headers"):
        ask(standins, "here")
    standins.fault("here", "endless_body")
    connection = http.client.HTTPConnection("127.0.0.1", standins.ports["here"], timeout=5)
    connection.request("GET", "/v8/health")
    assert len(connection.getresponse().read(1 << 20)) == 1 << 20
    connection.close()


def test_answers_that_are_not_the_vendors(standins):
    standins.fault("here", "redirect", location="http://127.0.0.1:1/")
    status, headers, _ = ask(standins, "here")
    assert status == 302 and headers["Location"] == "http://127.0.0.1:1/"
    standins.fault("here", "echo")
    status, headers, body = ask(standins, "here", "/v8/health?a=b", {"X-Mine": "c"})
    assert status == 401 and json.loads(body)["headers"]["x-mine"] == "c" and headers["X-Target"] == "/v8/health?a=b"


@pytest.mark.parametrize("provider", parts.PROVIDERS)
def test_what_a_vendor_says_no_with(standins, provider):
    """Each of a vendor's own faults is an answer of that vendor: its plugin's tests have the same."""
    for fault, verdict in (("rate_limit", "rate_limit_exceeded"), ("auth", "authentication_failure"), ("client_error", "client_error"),
                           ("budget", "budget_exhausted"), ("outage", "service_unavailable")):
        standins.fault(provider, fault)
        status, _, body = ask(standins, provider)
        known = [s for s in SAMPLES if (s["provider"], s["expected_class"]) == (provider, verdict) and s["http_status"]]
        if known and fault not in ("budget", "rate_limit"):
            assert (status, body) in [(s["http_status"], s["body"]) for s in known], fault
        assert status >= 400 or provider in ("google", "mapbox", "here"), fault


def test_flapping(standins):
    standins.fault("here", "flapping", of="outage", downMs=400, upMs=400)
    seen, end = [], time.monotonic() + 10
    while len(seen) < 5 and time.monotonic() < end:
        status = ask(standins, "here")[0]
        if not seen or seen[-1] != status:
            seen.append(status)
    assert seen == [503, 200, 503, 200, 503]
    standins.fault("here", "flapping", of="reset", downMs=60000)
    with pytest.raises(ConnectionResetError):
        ask(standins, "here")


def test_a_script(run_dir, started, wait_for):
    script = run_dir + "/script"
    with open(script, "w", encoding="utf-8") as f:
        f.write("# who fails, and when\n0 all ok latencyMs=1\n0.3 stripe outage status=500  # for so long\n0.6 stripe ok\n\n0.6 here rate_limit\n0.9 repeat\n")
    standins = started(parts.Standins(run_dir, "--script", script)).wait_ready()

    def statuses():
        return ask(standins, "stripe")[0], ask(standins, "here")[0]

    for expected in ((500, 200), (200, 429), (200, 200)) * 2:
        wait_for(lambda expected=expected: statuses() == expected, f"{expected} by the script")


@pytest.mark.parametrize("line, complaint", [
    ("5", "want SECONDS PROVIDER FAULT"), ("soon all ok", "could not convert"), ("0 nobody ok", "no provider named 'nobody'"),
    ("0 all nonsense", "no fault named 'nonsense'"), ("0 all ok retryAfter=5", "ok has no detail 'retryAfter'"),
    ("0 all hang latencyMs=-1", "latencyMs is -1"), ("0 all flapping of=refuse", "of is 'refuse'"), ("0 repeat", "repeat wants a time"),
    ("5 repeat\n6 all ok", "nothing may follow repeat"), ("5 all ok\n4 all ok", "before the line above"), ("0 all certificate", "need --tls"),
])
def test_a_wrong_script_is_refused(run_dir, line, complaint):
    script = run_dir + "/script"
    with open(script, "w", encoding="utf-8") as f:
        f.write(line + "\n")
    p = parts.Standins(run_dir, "--script", script)
    assert p.wait_exit() != 0 and complaint in p.log()


def test_the_help_names_every_fault():
    done = subprocess.run([sys.executable, os.path.join(parts.SOURCE, "tests", "standins", "standins.py"), "--help"], capture_output=True,
                          text=True, check=True, timeout=30)
    for fault in ("hang", "reset", "half", "certificate", "slow", "huge_headers", "rate_limit", "flapping", "latencyMs"):
        assert f"\n  {fault} " in done.stdout


def test_wrong_orders_are_refused(standins):
    for order in ({"provider": "stripe", "fault": "nonsense"}, {"provider": "nobody", "fault": "ok"}, {"provider": "stripe", "fault": "certificate"},
                  {"provider": "stripe", "fault": "outage", "latencyMs": "long"}, {"provider": "stripe", "fault": "outage", "colour": 1}):
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
