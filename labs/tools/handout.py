"""make handout LAB=n DIR=path: the tree that students get.

A copy of the tree without the bodies that parts.tsv names, without the other labs, and without what only the
grader may know: hidden cases, mutants, stubs, and this tool. Its stubs build without warnings.
"""

import argparse
import shutil
import sys
from pathlib import Path

import sources

# What else lies at the top of the instructor's tree, such as what a class has handed in, is nobody's business.
TOP_NAMES = {".ci", ".clang-format", ".gitignore", "LICENSE", "Makefile", "README.md", "gdbinit",
             "kernel", "labs", "mkfs", "tests", "user"}
TEACHERS = ("labs/tools/handout.py", "labs/tools/mutants.py", "labs/tools/grade_all.py", "labs/tools/stability.py",
            "tests/labs/")


def belongs(file, folder):
    if file.split("/")[0] not in TOP_NAMES or file.startswith(TEACHERS):
        return False
    if not file.startswith("labs/") or file.startswith("labs/tools/") or file.count("/") == 1:
        return True
    return file in (f"labs/{folder.name}/README.md", f"labs/{folder.name}/cases.py")


def stub_texts(folder, top=sources.TOP):
    """{file: its text with every part of the lab as a stub}."""
    texts = {}
    for part in sources.parts(folder):
        text = texts.get(part.file) or (top / part.file).read_text()
        texts[part.file] = sources.stubbed(text, part, folder, sources.lab_number(folder))
    return texts


def make(number, target, top=sources.TOP):
    folder = sources.lab_folder(number, top)
    texts = stub_texts(folder, top)
    for file in sources.tracked_files(top):
        if not belongs(file, folder):
            continue
        place = target / file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(top / file, place)
        if file in texts:
            place.write_text(texts[file])
    return folder, texts


def main():
    parser = argparse.ArgumentParser(prog="handout")
    parser.add_argument("lab", type=int)
    parser.add_argument("directory", type=Path)
    options = parser.parse_args()
    target = options.directory
    if target.exists() and any(target.iterdir()):
        sys.exit(f"handout: {target} is not empty")
    folder, texts = make(options.lab, target)
    count = sum(1 for part in sources.parts(folder) if part.stub != "-")
    print(f"{target}: {folder.name}, {count} functions to write, in {', '.join(sorted(texts))}")


if __name__ == "__main__":
    main()
