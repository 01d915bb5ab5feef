# SPDX-License-Identifier: Apache-2.0
"""Documents are true where they need systemd or the packages: their `system` blocks are run as root in a booted system that has
the packages installed; each document in its order. tests/integration/test_docs.py runs the others."""

import os

import pytest

from harness import documents, parts
from machine import Machine, why_not


def there(path):
    return [b for b in documents.blocks_of(path) if b.kind in documents.COMMANDS and b.place == "system"]


@pytest.fixture(scope="module")
def system(tmp_path_factory, deb_files):
    """A machine of this module's own: documents leave traces. run(script) → (exit status, output)."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    m = Machine(str(tmp_path_factory.mktemp("documents")))
    try:
        # As much of a clone as the commands need, since this machine's own folders may not be seen there.
        m.run("mkdir", "-p", "/root/pointsman/docs", "/root/pointsman/build/deb")
        for folder in ("/root/pointsman/docs", "/root/pointsman"):
            m.take(os.path.join(parts.SOURCE, "docs", "acme.c"), folder)
        m.run("dpkg", "--install", *[m.take(p, "/root/pointsman/build/deb") for p in deb_files])
        m.write("/etc/snmp/snmpd.conf.d/docs.conf", "rocommunity public 127.0.0.1\nrwcommunity private 127.0.0.1\n")
        m.run("systemctl", "restart", "snmpd")
        yield lambda script: m.shell(script, "/root/pointsman", {"MIBDIRS": ":".join(parts.Snmpd.MIB_DIRS)})
    finally:
        m.stop()


@pytest.mark.parametrize("path", [pytest.param(p, id=os.path.relpath(p, parts.SOURCE)) for p in documents.documents() if there(p)])
def test_commands(system, path):
    for block in there(path):
        wrong = documents.run_block(block, system)
        assert not wrong, wrong
