"""Puts the line `/* [lab N] */` above each part that parts.tsv names, and takes it away elsewhere. With --check it
only says where one is missing or too many. Run it after a part was added or moved."""

import re
import sys

import sources

MARK = re.compile(r"^/\* \[lab \d+\] \*/\n", re.M)


def marked(text, parts):
    """The text with exactly these marks; parts: [(function, lab)]."""
    text = MARK.sub("", text)
    for function, lab in parts:
        at = sources.extent(text, function)
        text = text[:at.comment] + f"/* [lab {lab}] */\n" + text[at.comment:]
    return text


def main():
    wanted = {}
    for folder in sources.lab_folders():
        for part in sources.parts(folder):
            wanted.setdefault(part.file, []).append((part.function, sources.lab_number(folder)))
    wrong = []
    for path in sorted((sources.TOP / "kernel").rglob("*.c")):
        file, text = str(path.relative_to(sources.TOP)), path.read_text()
        right = marked(text, wanted.get(file, []))
        if right != text:
            wrong.append(file)
            if "--check" not in sys.argv:
                path.write_text(right)
    print("\n".join(wrong) if wrong else "all parts are marked")
    return 1 if wrong and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
