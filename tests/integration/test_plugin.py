# SPDX-License-Identifier: Apache-2.0
"""A plugin as a stranger writes it: built with what is installed and nothing of this tree, loaded and used."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from harness import parts

EXAMPLE = os.path.join(parts.SOURCE, "docs", "acme.c")
MANUAL = os.path.join(parts.SOURCE, "man", "pointsman-plugin.3")


@pytest.fixture(scope="module")
def installed(build_dir, tmp_path_factory):
    """make install into a folder of its own; returns a function that runs pkg-config there."""
    root = str(tmp_path_factory.mktemp("root"))
    subprocess.run(["make", "-s", "-C", build_dir, "install", "DESTDIR=" + root], check=True, capture_output=True, timeout=300)
    pc, = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names if name == "pointsman.pc"]

    def pkg_config(*arguments):
        done = subprocess.run(["pkg-config", *arguments, "pointsman"], check=True, capture_output=True, text=True,
                              env=os.environ | {"PKG_CONFIG_LIBDIR": os.path.dirname(pc), "PKG_CONFIG_SYSROOT_DIR": root})
        return done.stdout.strip()
    pkg_config.root = root
    return pkg_config


def build(installed, source, directory):
    """As docs/plugins.md and pointsman-plugin(3) say, but with every warning."""
    plugin = os.path.join(directory, "acme.so")
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers",
                    "-Werror", "-fPIC", "-shared", "-fvisibility=hidden", *installed("--cflags").split(), "-o", plugin, source],
                   check=True, cwd=directory)
    os.chmod(plugin, 0o644)
    return plugin


def test_the_installed_tree_is_whole(installed):
    folder = installed("--variable=providerdir")
    if not folder.startswith(installed.root):  # what pkg-config does with variables differs
        folder = installed.root + folder
    names = {n for n in os.listdir(folder) if n.endswith(".so")}
    assert names == {"generic.so", "google.so", "here.so", "mapbox.so", "samsara.so", "stripe.so"}
    assert "-I" + installed.root in installed("--cflags")


def example_in_the_manual(directory):
    with open(MANUAL, encoding="utf-8") as f:
        text = re.search(r"\.Bd -literal\n(#include.*?)\n\.Ed", f.read(), re.S)[1]
    path = os.path.join(directory, "manual.c")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text + "\n")
    return path


@pytest.mark.parametrize("which", ["docs", "manual"])
def test_a_strangers_plugin(installed, daemon, client, run_dir, build_dir, which):
    providers = os.path.join(run_dir, "providers")
    os.mkdir(providers, 0o755)
    shutil.copy(os.path.join(parts.provider_dir(build_dir), "stripe.so"), providers)
    shutil.move(build(installed, EXAMPLE if which == "docs" else example_in_the_manual(run_dir), run_dir), providers)
    d = daemon({"services": {"maps": {"nodes": {"acme": {"provider": "acme"}}}}}, provider_dir_=providers)
    c = client(d)

    acme = next(p for p in c.call("ListProviders")["providers"] if p["name"] == "acme")
    assert "error" not in acme and acme["title"] == "Acme Maps", acme
    for status, verdict in ((200, "ok"), (429, "rate_limit_exceeded"), (503, "service_unavailable"), (404, "client_error")):
        decision = c.call("Route", serviceName="maps", operation="geocode")["decision"]
        assert decision["url"] == "https://api.acme.example" and decision["estimatedCost"] == 0, "5000 are free"
        answer = c.call("Report", decision=decision["id"], httpStatus=status, latencyMs=10)
        assert answer["verdict"] == verdict and answer["reason"] == ("" if status == 200 else f"HTTP {status}")


def test_a_plugin_that_is_replaced_under_the_daemon(installed, daemon, client, run_dir, build_dir):
    providers = os.path.join(run_dir, "providers")
    os.mkdir(providers, 0o755)
    with open(EXAMPLE, encoding="utf-8") as f:
        source = f.read()

    def put(change):
        path = os.path.join(run_dir, "acme.c")
        with open(path, "w", encoding="utf-8") as f:
            f.write(change(source))
        os.rename(build(installed, path, run_dir), os.path.join(providers, "acme.so"))

    def acme(c):
        return next(p for p in c.call("ListProviders")["providers"] if p["name"] == "acme")

    def judge(c):
        decision = c.call("Route", serviceName="maps", operation="geocode")["decision"]["id"]
        return c.call("Report", decision=decision, httpStatus=429, latencyMs=10)["verdict"]

    put(lambda text: text)
    config = {"services": {"maps": {"nodes": {"acme": {"provider": "acme"}}}}}
    d = daemon(config, provider_dir_=providers)
    c = client(d)
    assert acme(c)["version"] == "1" and judge(c) == "rate_limit_exceeded"

    # The one that is loaded stays, and works, until the daemon is started anew.
    for change in (lambda text: text.replace('.version = "1"', '.version = "2"'), lambda text: text.replace("= PM_PROVIDER_ABI,", "= PM_PROVIDER_ABI + 1,")):
        put(change)
        assert acme(c)["version"] == "1" and judge(c) == "rate_limit_exceeded"
        before = c.call("GetSystemStatus")["status"].get("lastReloadAt")
        d.signal(signal.SIGHUP)
        d.wait_for(lambda before=before: c.call("GetSystemStatus")["status"].get("lastReloadAt") != before, "it reloads")
        assert acme(c)["version"] == "1" and judge(c) == "rate_limit_exceeded"
    os.unlink(os.path.join(providers, "acme.so"))
    assert judge(c) == "rate_limit_exceeded"

    # Of another ABI, it is refused with what to do, and the daemon works all the same.
    put(lambda text: text.replace("= PM_PROVIDER_ABI,", "= PM_PROVIDER_ABI + 1,"))
    d.stop()
    c = client(daemon(config, provider_dir_=providers, name="second"))
    assert "rebuild it against" in acme(c)["error"]
    assert c.call("GetHealth")["status"] in ("degraded", "unhealthy")
