# SPDX-License-Identifier: Apache-2.0
"""A whole system, booted in a container: this machine's own files below a layer of its own, systemd as its first process, no
network but loopback. What happens in it is gone with it."""

import os
import shutil
import signal
import subprocess
import uuid

from harness.process import Failed, wait_for

BOOT_DEADLINE = 90  # seconds

# In a mount namespace of its own, so that nothing stays mounted. $1: an empty folder, $2: the machine id.
BOOT = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
printf '%s\\n' "$2" >"$1/root/etc/machine-id"
# A machine that builds packages may forbid that installing one starts it; this one is for just that.
rm -f "$1/root/usr/sbin/policy-rc.d"
exec systemd-nspawn --quiet --register=no --keep-unit -D "$1/root" --boot --private-network --console=pipe
"""


def why_not():
    """Why no system can be booted here; None if it can."""
    if os.geteuid() != 0:
        return "only root may boot a container"
    if not shutil.which("systemd-nspawn"):
        return "systemd-nspawn is missing (package systemd-container)"
    probe = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, check=False)
    return f"mounting is not allowed here: {probe.stderr.strip()}" if probe.returncode else None


class Machine:
    def __init__(self, directory):
        self.log = os.path.join(directory, "boot.log")
        layer = os.path.join(directory, "layer")
        os.mkdir(layer)
        with open(self.log, "wb") as log:
            self.container = subprocess.Popen(["unshare", "-m", "bash", "-c", BOOT, "boot", layer, uuid.uuid4().hex],
                                              stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.leader = wait_for(self._find_leader, "a first process", BOOT_DEADLINE)
            wait_for(self._is_up, "the end of the boot", BOOT_DEADLINE, 0.2)
        except Failed as e:
            self.stop()
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise Failed(f"{e}\n{log.read()[-2000:]}") from e

    def _find_leader(self):
        if self.container.poll() is not None:
            raise Failed(f"the container ended with status {self.container.returncode}")
        with open(f"/proc/{self.container.pid}/task/{self.container.pid}/children", encoding="ascii") as f:
            for pid in f.read().split():
                with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
                    if comm.read().strip() == "systemd":
                        return pid
        return None

    def _is_up(self):
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def run(self, *command, user=None, check=True, stdin=None):
        """Runs a command in the machine; its output as text. check: it must succeed."""
        enter = ["nsenter", "-t", self.leader, "-a"] + (["runuser", "-u", user, "--"] if user else [])
        done = subprocess.run(enter + list(command), input=stdin, stdin=None if stdin else subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd="/", timeout=120)
        if check and done.returncode:
            raise Failed(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
        return done

    def start(self, *command):
        """The same, running on; its output is to be read from it."""
        return subprocess.Popen(["nsenter", "-t", self.leader, "-a", *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, cwd="/")

    def show(self, unit, name):
        return self.run("systemctl", "show", "-P", name, unit).stdout.strip()

    def write(self, path, text):
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1"', "sh", path, stdin=text)

    def copy(self, path, to):
        with open(path, "rb") as f:
            subprocess.run(["nsenter", "-t", self.leader, "-a", "sh", "-c", 'cat >"$1"', "sh", to], stdin=f, check=True, cwd="/")

    def take(self, path, folder="/root"):
        """Copies a file into a folder of the machine; returns its path there."""
        there = os.path.join(folder, os.path.basename(path))
        self.copy(path, there)
        return there

    def shell(self, script, directory, environment):
        """Runs a script of bash as root would in that folder of the machine; its exit status and output."""
        variables = {"HOME": "/root", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                     "COLUMNS": "120"} | environment
        done = self.run("env", "-i", "-C", directory, *(f"{k}={v}" for k, v in variables.items()), "bash", "-euo", "pipefail", "-c",
                        script, check=False)
        return done.returncode, done.stdout

    def exists(self, path):
        return self.run("test", "-e", path, check=False).returncode == 0

    def stop(self):
        """Ends it as one pulls the plug: nothing in it is to be kept."""
        if self.container.poll() is None:
            self.container.send_signal(signal.SIGTERM)
            try:
                self.container.wait(20)
            except subprocess.TimeoutExpired:
                self.container.kill()
                self.container.wait()
