# SPDX-License-Identifier: Apache-2.0
"""The blocks of code in documents, and whether they are true. What is done with a block says the word behind its fence (in a
manual page: in a comment before it); docs/CONTRIBUTING.md has the list."""

import glob
import os
import re
import subprocess

from .parts import SOURCE

# What a block can be. Of commands: sh is a script, console is commands behind a prompt with their output.
COMMANDS = ("sh", "console")
OTHERS = ("c", "conf", "diff", "json", "text", "trace")
# A second word says where commands run; without one, beside an instance of one's own.
PLACES = ("system", "dev")

FOREVER = "until Ctrl-C"
PATIENCE = (1, 4, 16)  # seconds until it is interrupted, if what is shown does not come sooner
INTERRUPT = """
forever() {
        local status=0
        timeout --signal=INT --kill-after=5 %d "$@" || status=$?
        case $status in 0 | 124 | 130) ;; *) return "$status" ;; esac
}
"""


class Block:
    def __init__(self, path, line, words, text, heading=""):
        self.path, self.line, self.text, self.heading = os.path.relpath(path, SOURCE), line, text, heading
        self.kind, self.place = (words + ["", ""])[:2]

    def __repr__(self):
        return f"{self.path}:{self.line}"


# ---- Markdown ----

def markdown_blocks(path):
    """Every block of code; one that is only indented, and one that does not say what it is, is of the kind ""."""
    blocks, fence, before, heading = [], None, "", ""
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    for number, line in enumerate(lines, 1):
        mark = re.match(r" *```(.*)", line)
        if mark and fence is None:
            fence = Block(path, number, mark.group(1).split(), "", heading)
            indent = len(line) - len(line.lstrip())
        elif mark:
            blocks.append(fence)
            fence = None
        elif fence:
            fence.text += line[indent:] + "\n"
        elif line.startswith("    ") and not before.strip():
            blocks.append(Block(path, number, [], line.strip()))
        elif line.startswith("#"):
            heading = line.lstrip("#").strip()
        before = line
    return blocks


def headings(path):
    """Their anchors, as code hosts make them."""
    found, inside = [], False
    with open(path, encoding="utf-8") as f:
        for line in f:
            inside ^= line.lstrip().startswith("```")
            if line.startswith("#") and not inside:
                text = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
                found.append(text.replace(" ", "-"))
    return found


def links(path):
    """(line, target) of every link and picture outside of blocks of code."""
    found, inside = [], False
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            inside ^= line.lstrip().startswith("```")
            if not inside:
                found += [(number, target) for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line))]
    return found


# ---- manual pages ----

ESCAPES = {r"\e": "\\", r"\-": "-", r"\(dq": '"', r"\(aq": "'", r"\&": "", r"\ ": " "}


def plain(text):
    return re.sub(r"\\(?:\(..|.)", lambda m: ESCAPES[m.group()], text)


def manual_blocks(path):
    """Every literal display: .Dl lines that follow each other, and .Bd -literal. One that begins with a prompt is console."""
    blocks, block, words, display = [], None, [], False
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    for number, line in enumerate(lines, 1):
        if display and line.startswith(".Ed"):
            block, display = None, False
        elif display:
            block.text += plain(line) + "\n"
        elif line.startswith(".Dl ") or line.startswith(".Bd -literal"):
            display = line.startswith(".Bd")
            if block is None or display:
                block = Block(path, number, words, "")
                blocks.append(block)
            if not display:
                block.text += plain(line[4:]) + "\n"
        else:
            block = None
            words = line[4:].split() if line.startswith('.\\" ') else words if line.startswith(".Pp") else []
    for b in blocks:
        if not b.kind and b.text.startswith(("$ ", "# ")):
            b.kind, b.place = "console", "system" if b.text.startswith("# ") else ""
    return blocks


# ---- all of them ----

def documents():
    """Paths of all documents for people, README.md first."""
    found = [os.path.join(SOURCE, "README.md")]
    for pattern in ("docs/*.md", "docs/examples/*.md", "mibs/*.md", "man/*.[0-9]"):
        found += sorted(glob.glob(os.path.join(SOURCE, pattern)))
    return found


def blocks_of(path):
    return markdown_blocks(path) if path.endswith(".md") else manual_blocks(path)


# ---- commands ----

def commands(block):
    """The commands of a console block, each with the output that is shown (None: none is). A line that begins with "> " goes on."""
    found = []
    for line in block.text.rstrip("\n").split("\n"):
        if line[:2] in ("$ ", "# "):
            found.append([line[2:], None])
        elif found and (line.startswith("> ") or found[-1][0].endswith("\\")) and found[-1][1] is None:
            found[-1][0] += "\n" + line.removeprefix("> ")
        elif found:
            found[-1][1] = (found[-1][1] or "") + line + "\n"
        else:
            raise ValueError(f"{block}: a console block begins with a prompt")
    return found


def runnable(command, seconds):
    """As a script: what goes on until Ctrl-C is interrupted after so many seconds."""
    lines = [f"forever {line}" if FOREVER in line else line for line in re.sub(r"\\\n\s*", " ", command).split("\n")]
    return INTERRUPT % seconds + "\n".join(lines) + "\n"


def pattern_of(shown):
    """What is shown, as a pattern: where lines break does not matter, numbers and times may be others, and … stands for anything."""
    pieces = re.split(r"(\d(?:[\d.,:]*\d)?)", " ".join(shown.split()))
    pattern = "".join(r"\d(?:[\d.,:]*\d)?" if i % 2 else re.escape(piece) for i, piece in enumerate(pieces))
    return re.sub(r"(\\ )?…(\\ )?", ".*", pattern)


def compare(shown, output):
    """None, or how the output differs from what is shown."""
    if re.fullmatch(pattern_of(shown), " ".join(output.split())):
        return None
    return f"the document shows\n{shown}\nbut the output is\n{output}"


def run_block(block, run):
    """Runs it by run(script) → (exit status, output); what is wrong, or None."""
    for command, shown in commands(block) if block.kind == "console" else [[block.text, None]]:
        for seconds in PATIENCE if FOREVER in command else PATIENCE[:1]:
            status, output = run(runnable(command, seconds))
            difference = f"exit status {status}\n{output}" if status else compare(shown, output) if shown else None
            if status or not difference:
                break
        if difference:
            return f"{block}: {command.strip()}\n{difference}"
    return None


def bash(script, directory, environment, timeout=60):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=directory, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)
    return done.returncode, done.stdout
