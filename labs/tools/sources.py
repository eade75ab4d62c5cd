"""The lab tree: which files it has, which parts of them a student writes, and C functions as text.

labs/NN-name/parts.tsv names the parts, one a line, tabs between:

    FILE   FUNCTION   STUB

STUB is what stands in the function's body in a handout: C statements, `-` (the whole function goes, with its
comment: a helper that is the student's own business), or `@NAME` (the text of stubs/NAME). Parameters that a stub
does not use are marked so. In the source each part carries the line `/* [lab N] */` above its comment.
"""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).resolve().parents[2]
SKIPPED = {".git", "build", "__pycache__", ".pytest_cache", ".venv"}


class Part(NamedTuple):
    file: str
    function: str
    stub: str


class Extent(NamedTuple):
    """Offsets in a file: of the comment above a definition, the definition, its body's braces, its end."""
    comment: int
    start: int
    open: int
    end: int


def lab_folders(top=TOP):
    return sorted(path for path in (top / "labs").glob("[0-9][0-9]-*") if (path / "cases.py").exists())


def lab_folder(number, top=TOP):
    for path in lab_folders(top):
        if int(path.name[:2]) == int(number):
            return path
    raise SystemExit(f"there is no lab {number}: expected one of {', '.join(p.name for p in lab_folders(top))}")


def lab_number(folder):
    return int(folder.name[:2])


def parts(folder):
    found = []
    for line in (folder / "parts.tsv").read_text().splitlines():
        if line and not line.startswith("#"):
            file, function, stub = line.split("\t")
            found.append(Part(file, function, stub))
    return found


def tree_files(top):
    """Every file of a tree, relative, without what is built."""
    found = []
    for path in sorted(Path(top).rglob("*")):
        relative = path.relative_to(top)
        if path.is_file() and not SKIPPED.intersection(relative.parts):
            found.append(str(relative))
    return found


def tracked_files(top):
    """The tracked files and new ones; in a tree that is no repository, all but what is built."""
    result = subprocess.run(["git", "-C", str(top), "ls-files", "-co", "--exclude-standard"],
                            capture_output=True, text=True)
    if result.returncode == 0 and result.stdout:
        return [file for file in result.stdout.splitlines() if (top / file).is_file()]
    return tree_files(top)


# --- C as text ---

_SKIP = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blanked(text):
    """The same length, with comments, strings and characters as blanks: safe to count braces in."""
    return _SKIP.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def _closing(text, at, opening, closing):
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] == opening) - (text[i] == closing)
        if depth == 0 and text[i] == closing:
            return i
    raise ValueError(f"expected {closing!r} for the {opening!r} at {at}")


def _comment_above(text, start):
    above = text[:start]
    found = re.search(r"(/\* \[lab \d+\] \*/\n)?(/\*(?:(?!\*/).)*\*/\n)?\Z", above, re.S)
    return found.start() if found else start


def extent(text, name):
    """Where the definition of a function, or of a variable of file scope, is."""
    plain = blanked(text)
    for found in re.finditer(rf"^(?!\s|#)[^\n;{{}}]*\b{re.escape(name)}\b", plain, re.M):
        after = plain[found.end():]
        if after.lstrip().startswith("("):
            opened = found.end() + after.index("(")
            closed = _closing(plain, opened, "(", ")")
            body = re.match(r"\s*\{", plain[closed + 1:])
            if not body:
                continue
            brace = closed + body.end()
            end = _closing(plain, brace, "{", "}") + 1
        elif plain[found.start():].startswith("static"):
            brace = found.end()
            end = plain.index(";", _closing(plain, plain.index("{", brace), "{", "}")
                              if "{" in plain[brace:plain.index(";", brace)] else brace) + 1
        else:
            continue
        return Extent(_comment_above(text, found.start()), found.start(), brace, end + 1)
    raise KeyError(f"no definition of {name}")


def _parameters(header):
    inside = header[header.index("(") + 1:header.rindex(")")]
    if inside.strip() in ("", "void"):
        return []
    return [re.search(r"(\w+)\s*(\[\w*\])?\s*$", one).group(1) for one in inside.split(",")]


def stubbed(text, part, folder, number):
    """The file's text with one part replaced by its stub."""
    at = extent(text, part.function)
    if part.stub == "-":
        before, after = text[:at.comment], text[at.end:]
        return before.rstrip("\n") + "\n\n" + after.lstrip("\n")
    code = part.stub.replace("\\n", "\n")
    if code.startswith("@"):
        code = (folder / "stubs" / code[1:]).read_text()
    header = text[at.start:at.open].rstrip()
    lines = [f"    /* Lab {number}: yours to write. */"]
    lines += [f"    (void){p};" for p in _parameters(header) if not re.search(rf"\b{p}\b", code)]
    lines += ["    " + line if line else line for line in code.rstrip("\n").split("\n") if code]
    return text[:at.start] + header + "\n{\n" + "\n".join(lines) + "\n}\n" + text[at.end:]


def removed_lines(top, folder):
    """(file, line) of the solution: what stands in the bodies that a handout has not."""
    for part in parts(folder):
        text = (Path(top) / part.file).read_text()
        at = extent(text, part.function)
        for line in text[at.open:at.end].splitlines():
            yield part.file, line.strip()
