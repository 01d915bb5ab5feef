# SPDX-License-Identifier: Apache-2.0
"""Probes end to end: the daemon says what is due, the prober carries it out, the brain learns from it."""

import os
import signal

import pytest

from harness import parts

SECRET = "sk_live_p1anted-secret"


@pytest.fixture
def two(run_dir, started):
    """Two regions of one vendor."""
    return started(parts.Standins(run_dir, "--listen", "east=stripe", "--listen", "west=stripe")).wait_ready()


def configuration(standins, **node_settings):
    return {"services": {"pay": {
        "nodes": {name: {"provider": "stripe", "url": url} | node_settings for name, url in standins.urls.items()},
        "load_balancing": {"health_check_interval": 1, "retry_backoff_ms": 100},
    }}}


def node(client, name):
    return next(n for s in client.call("GetSystemStatus")["services"] for n in s["nodes"] if n["node"] == name)


def probers(client):
    return next(c for c in client.call("GetHealth")["checks"] if c["name"] == "probes")["status"]


def events(c):
    """All that have happened so far."""
    c.send("Subscribe", {"since": 0}, more=True)
    found = []
    try:
        while True:
            found.append(c.receive(timeout=0.5))
    except TimeoutError:
        return found


def test_nodes_are_probed_while_nobody_calls(daemon, prober, client, two, wait_for):
    d = daemon(configuration(two))
    c = client(d)
    assert probers(c) == "ok"  # it was never promised one
    prober(d).wait_following()
    assert probers(c) == "ok"
    wait_for(lambda: node(c, "pay/east").get("lastProbe") == "ok" and node(c, "pay/west").get("lastProbe") == "ok", "both are probed")
    east = node(c, "pay/east")
    assert east["lastProbeAt"] and east["calls"] == 0 and east["health"] == "healthy"
    assert two.requests("east")[0]["target"] == "/v1/balance"
    assert "authorization" not in two.requests("east")[0]["headers"]
    seen = two.counts()["west"]["requests"]
    wait_for(lambda: two.counts()["west"]["requests"] >= seen + 2, "they go on")


@pytest.mark.parametrize("fault, verdict", [("outage", "service_unavailable"), ("refuse", "network_issue"), ("hang", "network_issue"),
                                            ("rate_limit", "rate_limit_exceeded")])
def test_probes_open_a_node_and_bring_it_back(daemon, prober, client, two, wait_for, fault, verdict):
    d = daemon(configuration(two))
    c = client(d)
    prober(d).wait_following()
    wait_for(lambda: node(c, "pay/east")["health"] == "healthy", "it is healthy")
    two.fault("east", fault)
    wait_for(lambda: node(c, "pay/east").get("lastProbe") == verdict, "a probe fails", 30)
    wait_for(lambda: node(c, "pay/east")["health"] != "healthy", "it is not healthy any more", 30)
    assert node(c, "pay/west")["health"] == "healthy"
    for _ in range(20):
        decision = c.call("Route", serviceName="pay")["decision"]
        c.call("Report", decision=decision["id"], httpStatus=200, body='{"id":"pi_1"}', latencyMs=10)
        if decision["node"] == "pay/east":
            break
    two.fault("east")
    wait_for(lambda: node(c, "pay/east")["circuit"] == "closed" and node(c, "pay/east")["lastProbe"] == "ok", "a probe closes it", 30)


def test_prober_and_daemon_come_and_go(daemon, prober, client, two, wait_for):
    d = daemon(configuration(two))
    p = prober(d).wait_following()
    p.kill()
    c = client(d)
    wait_for(lambda: probers(c) == "degraded", "the daemon misses it")
    p = prober(d, name="second").wait_following()
    d.kill()
    wait_for(lambda: p.status().startswith("No pointsmand"), "the prober misses the daemon")
    again = daemon(configuration(two), name="again", socket_path=d.socket)
    c = client(again)
    p.wait_following()
    wait_for(lambda: node(c, "pay/east").get("lastProbe") == "ok", "probes go on")
    assert len(p.log().splitlines()) <= 6, p.log()


def test_a_prober_that_hangs_is_missed_and_speaks_ill_of_nobody(daemon, prober, client, two, wait_for):
    d = daemon(configuration(two))
    c = client(d)
    p = prober(d).wait_following()
    wait_for(lambda: node(c, "pay/east").get("lastProbe") == "ok" and node(c, "pay/west").get("lastProbe") == "ok", "both are probed")
    p.signal(signal.SIGSTOP)
    wait_for(lambda: probers(c) == "degraded", "the daemon misses it")
    sent = c.call("GetSystemStatus")["status"]["probes"]
    wait_for(lambda: c.call("GetSystemStatus")["status"]["probesUnanswered"] >= 4, "more are given up")
    status = c.call("GetSystemStatus")["status"]
    assert status["probes"] - sent <= status["probesUnanswered"], "no node has two under way"
    assert all(n["circuit"] == "closed" and n["health"] in ("healthy", "unknown") for n in (node(c, "pay/east"), node(c, "pay/west")))
    p.signal(signal.SIGCONT)
    wait_for(lambda: probers(c) == "ok", "it is back")


def test_an_authenticated_probe_and_where_its_secret_is_not(daemon, prober, client, two, run_dir, wait_for):
    credentials = os.path.join(run_dir, "credentials")
    os.mkdir(credentials, 0o700)
    with open(os.path.join(credentials, "stripe-key"), "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write(SECRET)
    d = daemon(configuration(two, credential="stripe-key", options={"probe": "authenticated"}), "--log-level", "debug")
    p = prober(d, "--credentials-dir", credentials, "--log-level", "debug").wait_following()
    c = client(d)
    wait_for(lambda: node(c, "pay/east").get("lastProbe") == "ok", "the key is taken")
    assert two.requests("east")[-1]["headers"]["authorization"] == "Bearer " + SECRET

    two.fault("east", "echo")  # a vendor that quotes the key it refuses
    wait_for(lambda: node(c, "pay/east").get("lastProbe") == "authentication_failure", "the key is refused")
    everything = [str(c.call(m)) for m in ("GetSnapshot", "GetSystemStatus", "GetHealth", "ListProviders")]
    everything += [str(e) for e in events(client(d))]
    everything += [d.log(), p.log()]
    for root, _, files in os.walk(d.state_dir):
        for name in files:
            with open(os.path.join(root, name), encoding="latin-1") as f:
                everything.append(f.read())
    assert not [text for text in everything if SECRET in text]


def test_a_certificate_that_ends_soon_is_warned_of_once(daemon, prober, client, run_dir, started, wait_for):
    standins = started(parts.Standins(run_dir, "--tls", "--listen", "east=stripe")).wait_ready()  # its certificate is for two days
    d = daemon(configuration(standins))
    c = client(d)
    prober(d, "--ca-file", standins.ca_file).wait_following()
    wait_for(lambda: standins.counts()["east"]["requests"] >= 3, "it is probed again and again")
    standins.fault("east", "empty", count=1)  # a new connection, which tells anew
    wait_for(lambda: standins.counts()["east"]["connections"] >= 2 and node(c, "pay/east").get("lastProbe") == "ok", "and on another connection")
    told = [e["event"] for e in events(client(d)) if e["event"]["type"] == "system_health_changed"]
    assert len(told) == 1, told
    assert told[0]["severity"] == "high" and told[0]["node"] == "pay/east"
    assert "its certificate ends in" in told[0]["message"]


def test_the_steps_of_a_probe_are_told_apart(daemon, prober, client, run_dir, started, wait_for):
    standins = started(parts.Standins(run_dir, "--tls", "--listen", "east=stripe")).wait_ready()
    standins.fault("east", "ok", latencyMs=40)
    d = daemon(configuration(standins))
    c = client(d)
    assert "lastProbeTotalMs" not in node(c, "pay/east")
    prober(d, "--ca-file", standins.ca_file).wait_following()
    wait_for(lambda: standins.counts()["east"]["requests"] >= 2 and node(c, "pay/east").get("lastProbe") == "ok", "it is probed again")
    assert standins.counts()["east"]["connections"] == 1
    east = node(c, "pay/east")
    assert 0 < east["lastProbeTlsMs"] and 0 <= east["lastProbeConnectMs"] and 0 <= east["lastProbeDnsMs"], "as the first probe took them"
    assert 40 <= east["lastProbeFirstByteMs"] <= east["lastProbeTotalMs"]


def test_a_missing_credential_says_nothing_about_the_node(daemon, prober, client, two, wait_for):
    d = daemon(configuration(two, credential="no-such-key", options={"probe": "authenticated"}))
    p = prober(d)
    c = client(d)
    p.wait_log("Credential no-such-key")
    wait_for(lambda: node(c, "pay/east").get("lastProbe") == "not_sent", "the daemon hears of it")
    assert node(c, "pay/east")["health"] in ("healthy", "unknown") and node(c, "pay/east")["circuit"] == "closed"
    assert two.counts()["east"]["requests"] == 0
    assert p.log().count("Credential no-such-key") == 1


def test_many_nodes(daemon, prober, client, run_dir, started, wait_for):
    standins = started(parts.Standins(run_dir, "--listen", "all=here")).wait_ready()
    nodes = {f"n{i}": {"provider": "here", "url": standins.urls["all"]} for i in range(500)}
    d = daemon({"services": {"maps": {"nodes": nodes, "load_balancing": {"health_check_interval": 5}}}})
    p = prober(d)
    c = client(d)

    def all_probed():
        return all(n.get("lastProbe") == "ok" for n in c.call("GetSystemStatus")["services"][0]["nodes"])

    wait_for(all_probed, "all are probed", 30)
    assert "not sent" not in p.log()
    assert standins.counts()["all"]["connections"] <= 64
