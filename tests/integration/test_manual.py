# SPDX-License-Identifier: Apache-2.0
"""The manual pages say what the programs do: the interface's page is the tables', and each option stands in --help and in the page."""

import os
import re
import subprocess

import pytest

from harness import parts

MAN = os.path.join(parts.SOURCE, "man")


def read(name):
    with open(os.path.join(MAN, name), encoding="utf-8") as f:
        return f.read()


def test_the_interface_text_as_a_manual_page(build_dir):
    """man/ has what the tables say. After a change: POINTSMAN_UPDATE=1 ./dev test integration -k interface_text"""
    page = "org.pointsman.routing.7"
    done = subprocess.run([parts.program(build_dir, "man/interface-page"), os.path.join(MAN, page + ".in"),
                           os.path.join(MAN, "org.pointsman.routing.words")], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr + "write them into man/org.pointsman.routing.words"
    if os.environ.get("POINTSMAN_UPDATE"):
        with open(os.path.join(MAN, page), "w", encoding="utf-8") as f:
            f.write(done.stdout)
    assert read(page) == done.stdout


def test_every_field_has_words_and_the_other_way_round(build_dir, run_dir):
    """A field without words is a mistake, and so are words without a field."""
    words = read("org.pointsman.routing.words").replace("\nRoute.maxCost\t", "\nRoute.minCost\t")
    words = re.sub(r"\n\.maxCost\t[^\n]*", "", words).replace("\nNode.healthScore\t", "\nNode.wealthScore\t")
    path = os.path.join(run_dir, "words")
    with open(path, "w", encoding="utf-8") as f:
        f.write(words)
    done = subprocess.run([parts.program(build_dir, "man/interface-page"), os.path.join(MAN, "org.pointsman.routing.7.in"), path],
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "no words for Route.maxCost" in done.stderr and "no words for Node.healthScore" in done.stderr
    assert "words without a field: Node.wealthScore" in done.stderr


def test_roles_stand_in_the_table(daemon):
    """docs/api.md has every method, with its role."""
    with daemon({"services": {}}).client() as c:
        text = c.call("org.varlink.service.GetInterfaceDescription", interface="org.pointsman.routing")["description"]
    roles = {name: role for role, name in re.findall(r"Role: (\w+)\.\nmethod (\w+)", text)}
    with open(os.path.join(parts.SOURCE, "docs", "api.md"), encoding="utf-8") as f:
        rows = re.findall(r"^\| (\w*) ?\| ([\w, ]+) \|", f.read().split("## The methods")[1].split("###")[0], re.M)
    told, role = {}, ""
    for named, methods in rows[1:]:
        role = named or role
        told |= {m: role for m in methods.split(", ")}
    assert told == roles


def test_the_checks_of_health_are_named(daemon):
    d = daemon({"services": {}})
    with d.client() as c:
        names = ", ".join(check["name"] for check in c.call("GetHealth")["checks"])
    assert f"GetHealth>checks.name\tWhat was looked at: {names}.\n" in read("org.pointsman.routing.words")


def options_of_page(text):
    """Every option that heads an entry of a list: ".It Fl Fl config Ar FILE", ".It Fl j , Fl Fl json"."""
    found = set()
    for line in re.findall(r"^\.It (?:Cm .*)?(.*Fl .*)$", text, re.M):
        found |= {"--" + o for o in re.findall(r"Fl (?:Fl |\\-)([a-z][a-z-]+)", line)}
    return found


@pytest.mark.parametrize("program, page", [("daemon/pointsmand", "pointsmand.8"), ("prober/pointsman-prober", "pointsman-prober.8"),
                                           ("snmp/pointsman-snmp", "pointsman-snmp.8")])
def test_each_option_stands_in_help_and_in_the_page(build_dir, program, page):
    done = subprocess.run([parts.program(build_dir, program), "--help"], capture_output=True, text=True, timeout=30, check=True)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", done.stdout)) == options_of_page(read(page))


@pytest.mark.parametrize("page, folders", [("pointsmand.8", ("daemon", "basic")), ("pointsman-prober.8", ("prober", "lib", "basic")),
                                           ("pointsman-snmp.8", ("snmp", "lib", "basic")), ("pointsmanctl.1", ("ctl", "lib"))])
def test_each_variable_of_the_environment(page, folders):
    for folder in folders:
        for path, _, names in os.walk(os.path.join(parts.SOURCE, folder)):
            for name in (n for n in names if n.endswith(".c")):
                with open(os.path.join(path, name), encoding="utf-8") as f:
                    for variable in re.findall(r'getenv\("(\w+)"\)', f.read()):
                        assert re.search(rf"^\.It Ev .*\b{variable}\b", read(page), re.M), f"{page} lacks {variable} ({folder}/{name})"


def test_each_command_and_option_of_pointsmanctl(build_dir):
    def ask(*arguments):
        return subprocess.run([parts.program(build_dir, "ctl/pointsmanctl"), *arguments], capture_output=True, text=True, timeout=30,
                              check=True).stdout

    page = read("pointsmanctl.1")
    commands = re.findall(r"^  (\w[\w -]*?)(?:  +|$| [A-Z[])", ask("help").split("\n\n", 1)[1], re.M)
    assert len(commands) > 20
    for command in commands:
        assert re.search(r"^\.It Cm " + r" (?:Cm )?".join(command.split()), page, re.M), f"{command} is not in the page"
    helped = set()
    for command in commands:
        helped |= set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", ask("help", *command.split())))
    named = {"--" + o for o in re.findall(r"Fl Fl ([a-z][a-z-]+)", page)}
    assert helped <= named, f"not in the page: {sorted(helped - named)}"
