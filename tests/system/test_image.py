# SPDX-License-Identifier: Apache-2.0
"""packaging/: what the Dockerfile says is done in a machine, in the place of an image of Debian, and run as README.md says a container
is; and the packages as a portable service. (That apt finds what the Dockerfile asks it for is not tested: the machine has no network.)"""

import fnmatch
import json
import os
import re
import shlex

import pytest

from harness import parts
from harness.process import wait_for

PACKAGING = os.path.join(parts.SOURCE, "packaging")
PORTABLE = "/var/lib/portables/pointsman"


@pytest.fixture(scope="module")
def dockerfile():
    """Its instructions: name → the rest of the line."""
    with open(os.path.join(PACKAGING, "Dockerfile"), encoding="utf-8") as f:
        text = re.sub(r"^#.*\n", "", f.read(), flags=re.M).replace("\\\n", "")
    return dict(line.split(None, 1) for line in text.splitlines())


def command(instruction):
    """The command of an ENTRYPOINT or a HEALTHCHECK in its exec form."""
    return json.loads(instruction[instruction.index("["):])


@pytest.fixture(scope="module")
def image(bare_machine, dockerfile, deb_files):
    """A machine in which the Dockerfile's steps have been done. Its own services are off, so that nothing but a container's command runs."""
    patterns = dockerfile["COPY"].split()[:-1]
    wanted = [p for p in deb_files if any(fnmatch.fnmatch(os.path.basename(p), w) for w in patterns)]
    assert len(wanted) == len(patterns) == 2, wanted
    steps = [s.strip() for s in dockerfile["RUN"].split("&&")]
    install = next(i for i, s in enumerate(steps) if s.startswith("apt-get install"))
    for step in steps[:install]:
        if not step.startswith("apt-get update"):
            bare_machine.run(*shlex.split(step))
    # In the place of apt-get: it comes here with what it depends on.
    bare_machine.run("systemctl", "mask", "pointsman.socket", "pointsman.service", "pointsman-prober.service")
    bare_machine.run("dpkg", "--install", *[bare_machine.take(p) for p in wanted])
    for step in steps[install + 1:]:
        if not step.startswith("rm "):
            bare_machine.run(*shlex.split(step))
    return bare_machine


def start(machine, name, user, argv, writable):
    """As docker run --read-only --cap-drop all --security-opt no-new-privileges does."""
    uid, gid = user.split(":")
    properties = {"User": uid, "Group": gid, "ProtectSystem": "strict", "ReadWritePaths": writable, "CapabilityBoundingSet": "",
                  "NoNewPrivileges": "yes"}
    machine.run("systemd-run", f"--unit={name}", *[f"--property={k}={v}" for k, v in properties.items()], *argv)


def healthy(machine, dockerfile):
    return machine.run(*command(dockerfile["HEALTHCHECK"]), check=False).returncode == 0


def test_what_an_image_needs_instead_of_systemd_is_asked_for(dockerfile, deb_files):
    package = next(p for p in deb_files if os.path.basename(p).startswith("pointsman_"))
    with os.popen(f"dpkg-deb -f {shlex.quote(package)} Depends") as depends:
        assert "systemd-standalone-sysusers" in depends.read() and "systemd-standalone-sysusers" in dockerfile["RUN"]


def test_the_container_runs_and_tells_its_health(image, dockerfile):
    assert not healthy(image, dockerfile)
    start(image, "container", dockerfile["USER"], command(dockerfile["ENTRYPOINT"]), dockerfile["VOLUME"])
    wait_for(lambda: healthy(image, dockerfile), "the health check to pass")
    pid = image.show("container", "MainPID")
    assert image.run("stat", "-c", "%u:%g", f"/proc/{pid}").stdout.strip() == dockerfile["USER"]
    assert "stripe/" in image.run("pointsmanctl", "route", "stripe", user="nobody").stdout
    image.run("pointsmanctl", "reload")


def test_the_prober_in_a_container_of_its_own(image, dockerfile):
    with open(os.path.join(PACKAGING, "README.md"), encoding="utf-8") as f:
        line = next(p for p in f.read().replace("\\\n", "").split("\n\n") if "--entrypoint" in p)
    user, entrypoint = re.search(r"--user (\S+)", line)[1], re.search(r"--entrypoint (\S+)", line)[1]
    image.run("install", "-d", "/credentials")
    start(image, "prober-container", user, [entrypoint, *line.split(" pointsman ")[-1].split()], "")
    wait_for(lambda: "1 prober connected" in image.run("pointsmanctl", "health").stdout, "the prober to be let in")
    image.run("systemctl", "stop", "prober-container", "container")
    assert not healthy(image, dockerfile)


def test_the_portable_service(image, deb_files):
    machine = image
    for package in deb_files:
        if os.path.basename(package).startswith(("pointsman_", "pointsman-prober_")):
            machine.run("dpkg-deb", "--extract", "/root/" + os.path.basename(package), PORTABLE)
    machine.run("mkdir", "-p", f"{PORTABLE}/usr/lib/systemd/system")
    machine.run("sh", "-c", f"cp {PORTABLE}/lib/systemd/system/* {PORTABLE}/usr/lib/systemd/system/; cp /usr/lib/os-release {PORTABLE}/usr/lib/")
    machine.run("systemctl", "unmask", "pointsman.socket", "pointsman.service", "pointsman-prober.service")
    machine.run("dpkg", "--purge", "pointsman-prober", "pointsman")
    with open(os.path.join(PACKAGING, "portable", "service.conf"), encoding="utf-8") as f:
        machine.write("/etc/systemd/portable/profile/pointsman/service.conf", f.read())
    found = machine.run("portablectl", "inspect", PORTABLE).stdout
    for unit in ("pointsman.service", "pointsman.socket", "pointsman-prober.service"):
        assert unit in found, found
    machine.run("portablectl", "attach", "--profile=pointsman", PORTABLE)
    assert machine.show("pointsman", "RootDirectory") == PORTABLE
    assert "/etc/pointsman" in machine.show("pointsman", "BindReadOnlyPaths")
    machine.run("portablectl", "detach", PORTABLE)
