# SPDX-License-Identifier: Apache-2.0
"""What is made for stations agrees with the MIB: the module for Prometheus' snmp_exporter, by net-snmp's parser and, where it is
installed, by the exporter's own generator; and the MIB for compilers in Python."""

import os
import re
import shutil
import subprocess

import pytest

from harness import parts
from harness.snmp import ROOT

EXPORTER = os.path.join(parts.SOURCE, "mibs", "snmp_exporter")
MIB_DIRS = [*parts.Snmpd.MIB_DIRS, os.path.join(parts.SOURCE, "mibs")]


def read(name):
    with open(os.path.join(EXPORTER, name), encoding="utf-8") as f:
        return f.read()


def translate(*arguments):
    done = subprocess.run(["snmptranslate", "-M", ":".join(d for d in MIB_DIRS if os.path.isdir(d)), "-m", "POINTSMAN-MIB", *arguments],
                          capture_output=True, text=True, timeout=30, check=True, env=os.environ | {"MIBS": ""})
    assert not done.stderr, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def objects():
    """All that has a value by the MIB: name → (OID, syntax, enumeration)."""
    found = {}
    leaves = [line.split() for line in translate("-Tz").replace('"', "").splitlines()]
    names = {name: oid for name, oid in leaves if oid.startswith(ROOT + ".1.")}
    for text in translate("-Td", *names.values()).split("\nPOINTSMAN-MIB::"):
        name = text.removeprefix("POINTSMAN-MIB::").split("\n")[0]
        syntax = re.search(r"SYNTAX\s+(\w+)(?: \{(.*?)\})?", text, re.S)
        access = re.search(r"MAX-ACCESS\s+(\S+)", text)
        if syntax and access and access[1].startswith("read-") and name in names:
            enumeration = {int(n): word for word, n in re.findall(r"(\w+)\((\d+)\)", syntax[2] or "")}
            found[name] = names[name], syntax[1], enumeration
    return found


def metrics():
    """Of the module: name → (OID, type, enumeration)."""
    found = {}
    for block in re.split(r"^    - name: ", read("snmp.yml"), flags=re.M)[1:]:
        name = block.split("\n")[0]
        assert name not in found
        enumeration = re.search(r"^      enum_values:\n((?:        .*\n)*)", block, re.M)
        found[name] = (re.search(r"^      oid: (\S+)", block, re.M)[1], re.search(r"^      type: (\w+)", block, re.M)[1],
                       {int(n): w for n, w in re.findall(r"(\d+): (\w+)", enumeration[1])} if enumeration else {})
    return found


def test_the_module_shows_what_the_mib_has(objects):
    """All of what it walks, each with the OID, type and words of the MIB."""
    walked = re.findall(r"^    - ([\d.]+)$", read("snmp.yml"), re.M)
    ignored = re.findall(r"(\w+): \{ ignore: true \}", read("generator.yml"))
    shown = metrics()
    assert walked and ignored
    assert set(shown) == {name for name, (oid, _, _) in objects.items() if any(oid.startswith(w + ".") for w in walked)} - set(ignored)
    kinds = {"Counter64": {"counter", "gauge"}, "Gauge32": {"gauge"}, "Unsigned32": {"gauge"}, "Integer32": {"gauge"}, "TimeTicks": {"gauge"},
             "INTEGER": {"EnumAsInfo", "EnumAsStateSet"}, "OCTET": {"DisplayString", "DateAndTime"}}
    for name, (oid, kind, enumeration) in shown.items():
        its_oid, syntax, its_enumeration = objects[name]
        assert oid == its_oid, name
        assert kind in kinds[syntax], (name, kind, syntax)
        assert enumeration == its_enumeration, name


def test_what_only_borrows_a_counter_is_none():
    """Else Prometheus would take a spend that falls for a restart."""
    with open(os.path.join(parts.SOURCE, "mibs", "POINTSMAN-MIB.txt"), encoding="utf-8") as f:
        borrowed = re.findall(r"^(pm\w+) OBJECT-TYPE\s+SYNTAX\s+Pointsman(?:MicroDollars|Serial64)", f.read(), re.M)
    shown = metrics()
    assert len(borrowed) > 8
    assert {name: shown[name][1] for name in borrowed if name in shown} == {name: "gauge" for name in borrowed if name in shown}


def test_lookups_lead_to_names(objects):
    looked_up = set(re.findall(r"labelname: (\w+)\n\s+oid: (\S+)", read("snmp.yml")))
    assert looked_up == {(name, objects[name][0]) for name in ("pmServiceName", "pmNodeName", "pmScenarioId")}


@pytest.mark.skipif(not shutil.which("prometheus-snmp-generator"), reason="prometheus-snmp-generator is not installed")
def test_the_generator_makes_the_same(run_dir):
    shutil.copy(EXPORTER + "/generator.yml", run_dir)
    subprocess.run(["prometheus-snmp-generator", "generate"], cwd=run_dir, capture_output=True, timeout=60, check=True,
                   env=os.environ | {"MIBDIRS": ":".join(MIB_DIRS)})
    with open(run_dir + "/snmp.yml", encoding="utf-8") as f:
        made = f.read()
    # The modules stand alone in what generators before 0.23 make.
    module = "pointsman:\n" + read("snmp.yml").partition("\n  pointsman:\n")[2].replace("\n  ", "\n").removeprefix("  ")
    assert made.partition("\npointsman:\n")[2] == module.partition("pointsman:\n")[2]


def test_a_compiler_in_python_takes_the_mib(run_dir):
    """pysmi, which compiles for pysnmp and snmpsim; and pysnmp loads what it has made."""
    sources = [f"--mib-source=file://{d}" for d in MIB_DIRS if os.path.isdir(d)]
    done = subprocess.run(["mibdump", *sources, f"--mib-borrower=file://{run_dir}", "--destination-format=pysnmp", "--generate-mib-texts",
                           f"--destination-directory={run_dir}", "--no-python-compile", "POINTSMAN-MIB"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "Created/updated MIBs: POINTSMAN-MIB\n" in done.stdout and re.search("^Failed MIBs: *$", done.stdout, re.M), done.stdout
    assert "warning" not in done.stdout.lower(), done.stdout
    script = f"""
from pysnmp.smi import builder, view
b = builder.MibBuilder()
b.addMibSources(builder.DirMibSource({run_dir!r}))
b.loadTexts = True
b.loadModules("POINTSMAN-MIB")
view.MibViewController(b)
circuit, = b.importSymbols("POINTSMAN-MIB", "pmNodeCircuit")
print(circuit.name, dict(circuit.getSyntax().namedValues), circuit.getMaxAccess())
"""
    done = subprocess.run(["/usr/bin/python3", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60, check=False)
    oid = (*map(int, ROOT.split(".")), 1, 3, 1, 8)
    assert done.stdout == f"{oid} {dict(closed=1, open=2, halfOpen=3)} readonly\n", "in its own words"
