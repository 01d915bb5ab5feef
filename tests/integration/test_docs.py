# SPDX-License-Identifier: Apache-2.0
"""Documents are true: their commands run, their examples are valid, their links lead somewhere. What belongs to the booted
system is in tests/system/test_docs_system.py."""

import json
import os
import re
import subprocess

import pytest

from harness import documents, parts, process
from harness.parts import SOURCE

PLACES = ("", *documents.PLACES, "verify")  # the last: of docs/audit.md, run by test_audit.py


def short(path):
    return os.path.relpath(path, SOURCE)


ALL = [pytest.param(p, id=short(p)) for p in documents.documents()]


# ---- what can be seen without running anything ----

@pytest.mark.parametrize("path", ALL)
def test_every_block_says_what_it_is(path):
    for block in documents.blocks_of(path):
        assert block.kind in documents.COMMANDS + documents.OTHERS, f"{block}: a block of what? {block.text[:40]!r}"
        assert block.place in PLACES, f"{block}: “{block.place}” is no place"
        assert block.kind not in documents.OTHERS or not block.text.startswith("$ "), f"{block}: commands in a block of {block.kind}"
        if block.kind == "console":
            assert documents.commands(block)
        if block.kind == "json":
            json.loads(block.text)


def target_exists(path, target):
    name, _, anchor = target.partition("#")
    there = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
    return os.path.exists(there) and (not anchor or anchor in documents.headings(there))


@pytest.mark.parametrize("path", [p for p in ALL if p.id.endswith(".md")])
def test_links_lead_somewhere(path):
    broken = [f"{short(path)}:{line}: {target}" for line, target in documents.links(path)
              if "://" not in target and not target_exists(path, target)]
    assert not broken, "\n".join(broken)


def test_every_document_is_linked_from_another():
    pages = [p for p in documents.documents() if p.endswith(".md")]
    linked = {os.path.normpath(os.path.join(os.path.dirname(p), target.partition("#")[0])) for p in pages
              for _, target in documents.links(p) if "://" not in target}
    assert [short(p) for p in pages if p not in linked and p != pages[0]] == []


def test_manual_pages_know_each_other():
    pages = {os.path.basename(p) for p in documents.documents() if "/man/" in p}
    for p in documents.documents():
        with open(p, encoding="utf-8") as f:
            text = f.read()
        named = re.findall(r"^\.Xr ((?:org\.)?pointsman\S*) (\d)", text, re.M) + re.findall(r"\b((?:org\.)?pointsman[\w.-]*)\((\d)\)", text)
        for name, section in named:
            assert f"{name}.{section}" in pages, f"{short(p)} names {name}({section})"


def test_each_file_that_a_page_names_is_installed():
    """Of the project's own documentation."""
    for p in documents.documents():
        with open(p, encoding="utf-8") as f:
            for name in re.findall(r"/usr/share/doc/pointsman/([\w./-]+\w)", f.read()):
                # debian/pointsman-doc.docs installs all that is in docs/.
                assert os.path.exists(os.path.join(SOURCE, "docs", name)), f"{short(p)} names {name}"


def test_objects_of_the_mib_exist():
    with open(os.path.join(SOURCE, "mibs", "POINTSMAN-MIB.txt"), encoding="utf-8") as f:
        mib = set(re.findall(r"\w+", f.read()))
    for p in documents.documents():
        with open(p, encoding="utf-8") as f:
            named = set(re.findall(r"\b(?:pm[A-Z]|pointsmanS)\w+", f.read()))
        assert named <= mib, f"{short(p)}: {sorted(named - mib)}"


def test_commands_of_dev(run_dir):
    """./dev is what runs this, so its commands are looked up, not run; .ci/run and test_show.py run them."""
    done = subprocess.run([os.path.join(SOURCE, "dev"), "help"], capture_output=True, text=True, timeout=10, check=True, cwd=run_dir)
    known = set(re.findall(r"^  (\w+)", done.stdout, re.M))
    blocks = [b for p in documents.documents() for b in documents.blocks_of(p) if b.place == "dev"]
    assert blocks
    for block in blocks:
        for line in block.text.splitlines():
            command = re.match(r"\./dev (\w+)", line)
            assert command and command.group(1) in known, f"{block}: {line}"


# ---- the instance beside which commands run ----

class Instance:
    """Everything at once, as an operator has it, with the programs on the PATH and every default where the commands expect it."""

    def __init__(self, build_dir, directory, started):
        self.build_dir, self.directory = build_dir, directory
        nodes = {"stripe": {"us-east": "stripe", "us-west": "stripe"}, "samsara": {"us-central": "samsara", "us-west": "samsara"},
                 "maps": {n: n for n in ("mapbox", "google", "here")}}
        listen = [a for s, of in nodes.items() for n, vendor in of.items() for a in ("--listen", f"{s}-{n}={vendor}")]
        self.standins = started(parts.Standins(directory, *listen)).wait_ready()
        self.config = self._configure({s: {"nodes": {n: {"url": self.standins.urls[f"{s}-{n}"]} for n in of}} for s, of in nodes.items()})
        self.bus = started(parts.Bus(directory)).wait_ready()
        self.snmpd = started(parts.Snmpd(build_dir, directory)).wait_ready()
        self.daemon = started(parts.Daemon(build_dir, directory, self.config, bus=self.bus.address)).wait_ready()
        self.prober = started(parts.Prober(build_dir, directory, self.daemon.socket)).wait_ready().wait_following()
        self.subagent = started(parts.Subagent(build_dir, directory, self.daemon.socket, self.snmpd.agentx)).wait_ready()
        self.work = self._workplace()
        self.environment = self._environment()
        process.wait_for(lambda: self.run("snmpget -v2c -c public -m POINTSMAN-MIB localhost pmHealth.0")[0] == 0, "the MIB is served")

    def _configure(self, services):
        path = os.path.join(self.directory, "etc")
        os.makedirs(os.path.join(path, "conf.d"))
        with open(os.path.join(SOURCE, "etc", "pointsman.conf"), encoding="utf-8") as shipped:
            text = shipped.read()
        here = {"services": services, "access": {"operator": ["*"], "admin": ["*"], "prober": ["*"]}}
        for name, content in (("pointsman.conf", text), ("conf.d/here.conf", parts.libconfig_file(here))):
            with open(os.path.join(path, name), "w", encoding="utf-8") as f:
                f.write(content)
        return os.path.join(path, "pointsman.conf")

    def _workplace(self):
        """A folder like a clone that has been built, where a command may write."""
        work = os.path.join(self.directory, "work")
        os.mkdir(work)
        for name in os.listdir(SOURCE):
            if name != "build" and not name.startswith("."):
                os.symlink(os.path.join(SOURCE, name), os.path.join(work, name))
        os.symlink(self.build_dir, os.path.join(work, "build"))
        return work

    def _environment(self):
        programs = os.path.join(self.directory, "bin")
        os.mkdir(programs)
        for name in ("daemon/pointsmand", "ctl/pointsmanctl", "prober/pointsman-prober", "bench/pointsman-sim"):
            os.symlink(parts.program(self.build_dir, name), os.path.join(programs, os.path.basename(name)))
        with open(os.path.join(self.directory, "snmp.conf"), "w", encoding="utf-8") as f:
            f.write(f"defaultPort {self.snmpd.port}\n")
        clean = {k: v for k, v in os.environ.items() if k not in process.INHERITED_BY_ACCIDENT}
        return clean | {
            "PATH": f"{programs}:{os.environ['PATH']}:/usr/sbin:/sbin", "POINTSMAN_SOCKET": self.daemon.socket,
            "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address, "SNMPCONFPATH": self.directory, "SNMP_PERSISTENT_DIR": self.directory,
            "MIBDIRS": ":".join(self.snmpd.mib_dirs), "TMPDIR": self.directory, "COLUMNS": "120", "LC_ALL": "C.UTF-8"}

    def run(self, script):
        return documents.bash(script, self.work, self.environment)


@pytest.fixture
def instance(build_dir, run_dir, started):
    return Instance(build_dir, run_dir, started)


def here(path):
    """Without the sections of the runbook that test_runbook.py reads in their situations."""
    return [b for b in documents.blocks_of(path) if b.kind in documents.COMMANDS and b.place == ""
            and (b.path != "docs/runbook.md" or b.heading == "Where to look")]


@pytest.mark.parametrize("path", [p for p in ALL if here(p.values[0])])
def test_commands(instance, path):
    wrong = [w for w in (documents.run_block(b, instance.run) for b in here(path)) if w]
    assert not wrong, "\n\n".join(wrong)


def test_a_wrong_command_is_noticed(instance):
    """Or else all of this would prove nothing."""
    def check(kind, text):
        return documents.run_block(documents.Block(os.path.join(SOURCE, "some.md"), 1, [kind], text), instance.run)

    assert check("sh", "pointsmanctl status\npointsmanctl nodes maps\n") is None
    assert "exit status 2" in check("sh", "pointsmanctl statsu\n")
    assert "exit status 1" in check("console", "$ pointsmanctl nodes nosuch\n")
    assert check("console", "$ pointsmanctl services\nSERVICE  …\n…\nmaps …\n") is None
    assert "shows" in check("console", "$ pointsmanctl services\nSERVICE  …\n…\nnosuch …\n")
    assert "exit status" in check("sh", f"pointsmanctl events --nosuch  # {documents.FOREVER}\n")
    assert check("sh", f"pointsmanctl events  # {documents.FOREVER}\n") is None


# ---- examples of configurations and traces ----

@pytest.mark.parametrize("path", ALL)
def test_configurations(build_dir, run_dir, path):
    for i, block in enumerate(b for b in documents.blocks_of(path) if b.kind == "conf"):
        text = block.text
        # What is shown may be the nodes alone, or one of them.
        text = text if re.match(r"\s*[a-z]+ = {", text) and "provider" not in text.split("nodes")[0] else f"nodes = {{ {text} }};"
        text = f"services = {{ example = {{ {text} }}; }};" if text.lstrip().startswith("nodes") else text
        conf = os.path.join(run_dir, f"{i}.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(text)
        base = os.path.join(run_dir, str(i))
        os.makedirs(os.path.join(base, "conf.d"))
        # It is added to the shipped one, as a file in conf.d is.
        os.symlink(os.path.join(SOURCE, "etc", "pointsman.conf"), os.path.join(base, "pointsman.conf"))
        os.rename(conf, os.path.join(base, "conf.d", "example.conf"))
        done = subprocess.run([parts.program(build_dir, "daemon/pointsmand"), "--check", "--config", os.path.join(base, "pointsman.conf"),
                               "--provider-dir", parts.provider_dir(build_dir)], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"


def test_traces(build_dir, run_dir):
    blocks = [b for p in documents.documents() for b in documents.blocks_of(p) if b.kind == "trace"]
    assert blocks
    for block in blocks:
        path = os.path.join(run_dir, "a.trace")
        with open(path, "w", encoding="utf-8") as f:
            f.write(block.text)
        done = subprocess.run([parts.program(build_dir, "bench/pointsman-sim"), "--trace", path, "--strategy", "own"], capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{block}: {done.stderr}"


def test_c_that_includes_our_headers_compiles(run_dir):
    """A whole source as it is; the body of a function in one, beside what it takes for granted."""
    given = "extern int http_status;\nextern const char *body;\nextern double latency_ms;\nint get(const char *url);\nvoid f(void);\n"
    blocks = [b for p in documents.documents() for b in documents.blocks_of(p) if b.kind == "c" and "#include <pointsman/" in b.text]
    assert blocks
    for block in blocks:
        lines = block.text.splitlines()
        source = block.text if "static" in block.text else "\n".join(
            [line for line in lines if line.startswith("#")] + [given, "void f(void) {"] + [line for line in lines if line[:1] != "#"] + ["}"])
        done = subprocess.run(["cc", "-std=gnu11", "-Wall", "-Werror", "-fsyntax-only", "-I", os.path.join(SOURCE, "include"),
                               "-x", "c", "-"], input=source, capture_output=True, text=True, timeout=30, check=False, cwd=run_dir)
        assert done.returncode == 0, f"{block}: {done.stderr}"


def test_changes_apply():
    """A document that shows a change of the sources shows one that can be made."""
    for block in (b for p in documents.documents() for b in documents.blocks_of(p) if b.kind == "diff"):
        done = subprocess.run(["patch", "--dry-run", "--force", "--fuzz=0", "-p1", "-d", SOURCE], input=block.text, capture_output=True,
                              text=True, timeout=10, check=False)
        assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"
