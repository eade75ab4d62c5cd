"""The labs: handouts build, boot, hold nothing of the solution, and fail what they must; the reference passes.

RVNET_LABS=full in the environment grades each handout and the reference in all cases (some minutes); otherwise a few of
each, and the reference in all cases of one lab, another one with each commit.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
TOOLS = TOP / "labs/tools"
sys.path.insert(0, str(TOOLS))

import build  # noqa: E402
import handout  # noqa: E402
import mutants  # noqa: E402
import session  # noqa: E402
import sources  # noqa: E402

FULL = os.environ.get("RVNET_LABS") == "full"
NUMBERS = [sources.lab_number(folder) for folder in sources.lab_folders()]
TRIVIAL = 28  # shorter lines say nothing about where they come from


def tool(name, *arguments, timeout=900):
    return subprocess.run([sys.executable, TOOLS / f"{name}.py", *map(str, arguments)], cwd=TOP, capture_output=True,
                          text=True, timeout=timeout, check=False,
                          env={**os.environ, "PYTHONPATH": str(TOOLS), "RVNET_BUILD": str(TOP / "build")})


def case_names(number):
    script = f"import grade, sources; print(*(c.name for c in grade.casebook_of(sources.lab_folder({number})).cases))"
    result = subprocess.run([sys.executable, "-c", script], cwd=TOOLS, capture_output=True, text=True, check=True)
    return result.stdout.split()


def graded(number, tree, out, count):
    """{case: passed} of the first cases; count None: of all. The first, `boot`, has no points."""
    names = case_names(number)[:None if FULL else count]
    result = tool("grade", number, "--tree", tree, "--out", out, "--cases", *names)
    assert result.returncode in (0, 1), result.stdout + result.stderr
    tests = json.loads((out / "results.json").read_text())["tests"]
    return {test["name"].split(":")[0]: test["status"] == "passed" for test in tests}, result.stdout


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", NUMBERS)
def test_handout_builds_boots_and_fails_its_cases(number, tmp_path):
    handout.make(number, tmp_path / "tree")
    verdicts, text = graded(number, tmp_path / "tree", tmp_path / "out", 2)
    assert verdicts.pop("boot"), text
    assert verdicts and not any(verdicts.values()), text


@pytest.mark.timeout(300)
def test_handout_can_be_graded_by_its_student(tmp_path):
    """`make grade` in a handout, with what is there: it builds the tree, and boots it. If it does not build, the
    reports say so."""
    number = NUMBERS[0]
    folder, texts = handout.make(number, tmp_path)
    reports = tmp_path / "build/labs" / f"{folder.name}-{tmp_path.name}"
    words = ["make", "-s", "grade", f"LAB={number}", "CASES=boot"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RVNET")}
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (reports / "results.json").exists()
    with open(tmp_path / min(texts), "a") as file:
        file.write("int unfinished(;\n")
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert "Error 3" in result.stderr and "unfinished" in result.stdout, result.stdout + result.stderr
    assert "unfinished" in (reports / "build.log").read_text()
    assert json.loads((reports / "results.json").read_text())["output"].startswith("build failed")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", NUMBERS)
def test_reference_passes(number, tmp_path):
    its_turn = number == NUMBERS[mutants.rotation() % len(NUMBERS)]
    verdicts, text = graded(number, TOP, tmp_path, None if its_turn else 2)
    assert all(verdicts.values()), text


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["puts", "host_devices_reset"])
def test_nothing_but_the_kernel_is_called_on_the_host(name, tmp_path):
    """A weak reference is nothing to the kernel, and would be the host's library, or the tests' own helper, beside a
    unit test."""
    for file in ("kernel/dev/e1000.c", "kernel/dev/e1000_hw.c", "kernel/dev/e1000_rx.c", "kernel/dev/e1000_tx.c"):
        (tmp_path / "tree" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / file).write_text((TOP / file).read_text())
    with open(tmp_path / "tree/kernel/dev/e1000_tx.c", "a") as file:
        file.write(f"int {name}(const char *) __attribute__((weak));\nint cheat(void);\n"
                   f'int cheat(void) {{ return {name} ? {name}("[  PASSED  ] 1 test(s)") : 0; }}\n')
    result = tool("grade", 3, "--tree", tmp_path / "tree", "--out", tmp_path / "out", "--cases", "full-ring")
    assert "score: 0 of 8" in result.stdout, result.stdout + result.stderr
    assert f"expected functions of the kernel, got {name}" in result.stdout


@pytest.mark.timeout(120)
def test_the_hosts_compiler_adds_no_calls(tmp_path):
    """Ubuntu's guards the stack unless told not to, by a function of the library: the submission would call that."""
    target = tmp_path / "b/unit/kernel/dev/e1000_tx.o"
    subprocess.run(["make", "-s", f"B={tmp_path}/b", "HOSTCC=gcc -fstack-protector-all", target], cwd=TOP, check=True)
    used = subprocess.run(["nm", "-u", target], capture_output=True, text=True, check=True).stdout
    assert "__asan" in used and "__stack_chk" not in used


def lab_1_with(place, text, function=None):
    """A right submission for lab 1 with more at its end, and at the beginning of a function."""
    file = "kernel/virtio/virtq.c"
    source = (TOP / file).read_text()
    if function:
        at = sources.extent(source, "virtq_add").open + 1
        source = source[:at] + function + source[at:]
    (place / file).parent.mkdir(parents=True)
    (place / file).write_text(source + text)
    return place


@pytest.mark.timeout(300)
def test_kernel_functions_may_be_pointed_at_on_the_host(tmp_path):
    """Code that takes an address from outside its file goes by way of the offset table, which is nobody's function."""
    tree = lab_1_with(tmp_path / "tree", "void (*speaker(void))(const char *, ...);\n"
                                         "void (*speaker(void))(const char *, ...) { return kprintf; }\n")
    result = tool("grade", 1, "--tree", tree, "--out", tmp_path / "out", "--cases", "full")
    assert "score: 8 of 8" in result.stdout, result.stdout + result.stderr


OTHERWISE_THE_HOSTS = """
#ifdef __riscv
int puts(const char *);
int puts(const char *text) { return text != 0; }
void exit(int);
void exit(int code) { (void)code; }
#endif
"""
PASSED = """
#ifndef __riscv
    extern int puts(const char *);
    extern void exit(int);
    puts("[  PASSED  ] 1 test(s)");
    exit(0);
#endif
"""


@pytest.mark.timeout(300)
def test_no_function_of_ones_own_kernel_is_called_on_the_host(tmp_path):
    """One that the submission has in the kernel, but not here, is the library's here."""
    tree = lab_1_with(tmp_path / "tree", OTHERWISE_THE_HOSTS, PASSED)
    result = tool("grade", 1, "--tree", tree, "--out", tmp_path / "out", "--cases", "full")
    assert "score: 0 of 8" in result.stdout, result.stdout + result.stderr
    assert "expected functions of the kernel, got exit, puts" in result.stdout


NEVER_FAILS = """
void _assert_int_equal(unsigned long, unsigned long, const char *, int);
void _assert_int_equal(unsigned long one, unsigned long other, const char *file, int line)
{
    (void)one, (void)other, (void)file, (void)line;
}
"""


@pytest.mark.timeout(300)
def test_nothing_of_the_tests_is_replaced_on_the_host(tmp_path):
    tree = lab_1_with(tmp_path / "tree", NEVER_FAILS)
    result = tool("grade", 1, "--tree", tree, "--out", tmp_path / "out", "--cases", "full")
    assert "score: 0 of 8" in result.stdout, result.stdout + result.stderr
    assert "expected functions of the kernel, got _assert_int_equal" in result.stdout


def refused(place, text):
    """Why a file of this text is not accepted; None: it is."""
    (place / "file.c").write_text(text)
    try:
        build.submitted_text(place, "file.c")
    except build.BuildError as error:
        return str(error)
    return None


@pytest.mark.parametrize("text", ["#include MACRO\n", "#/* \n */include MACRO\n", "/* */ # /* */ include MACRO\n", "%:include MACRO\n",
                                  "#in\\\nclude MACRO\n", '#include "a/../b"\n', f"#include <a{'/' * 400}../b>\n",
                                  "#include </a>\n", '# /* */ 3 "file"\n', "a ## b\n", "/*\n*/ __asm__\n",
                                  '#ident "text"\n', '/*\n*/# 1 "file"\n', 'int a;\n\t%: 7 "file"\n',
                                  "int a __attribute__((section(NAME)));\n", "#define S __section__\n",
                                  "#if 0\n' /*\n#endif\nsection /* */\n", '#if 0\n" /*\n#endif\nsection /* */\n',
                                  "/* *\\\f\n/ symver /* */\n", 'R"(" /* )" weakref /* */\n'])
def test_a_file_that_reaches_outside_is_refused(text, tmp_path):
    assert "may not contain" in refused(tmp_path, text)


@pytest.mark.parametrize("text", ["/* see section 2 */\n// section 3: don't\n", 'char *text = "\\"section"; /* 2 */\n',
                                  "/* step #1 */\n", 'char *format = "%#018lx";\n',
                                  "char c = '\"', d = '\\''; /* section 4 */\n", '#include /* */ "a.h" // b\n'])
def test_a_file_that_speaks_of_sections_is_not(text, tmp_path):
    assert refused(tmp_path, text) is None


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["#/*", "#/**/", "# ", "#\n", "*/ ", "#include <a", '#include "a#', "'\\", '"'])
def test_looking_into_a_file_ends(text, tmp_path):
    """However a file of the greatest length is made."""
    for end in ("", "*/\n"):
        refused(tmp_path, text * ((build.FILE_MAX - 3) // len(text)) + end)


@pytest.mark.timeout(60)
def test_what_a_build_says_is_limited(tmp_path):
    code, output = build.limited(["sh", "-c", "echo first; yes | head -c 100000000; echo last"], tmp_path, file=1 << 20)
    assert code != 0 and len(output) <= build.OUTPUT_SHOWN and "last" not in output
    assert build.limited(["sh", "-c", "echo word; exit 3"], tmp_path) == (3, "word\n")
    assert build.limited(["sleep", "100"], tmp_path, wall=0.1) == (-9, "took longer than 0 s\n")


def test_a_build_that_is_ended_leaves_nothing_elsewhere(tmp_path):
    """A compiler that is killed leaves its file for the assembler: where mktemp makes one, too."""
    code, text = build.limited(["mktemp"], tmp_path)
    assert code == 0 and Path(text.strip()).parent == tmp_path


@pytest.mark.timeout(300)
def test_a_submission_may_print(tmp_path):
    """Between the agent's words too, and without newlines."""
    for file in ("kernel/dev/virtio_net.c", "kernel/dev/virtio_net_data.c", "kernel/virtio/virtio.c"):
        text = (TOP / file).read_text()
        if file.endswith("_data.c"):
            at = sources.extent(text, "tx_submit").open + 1
            text = '#include "lib/printf.h"\n' + text[:at] + 'kprintf("%u bytes ", m->length);' + text[at:]
        (tmp_path / "tree" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / file).write_text(text)
    result = tool("grade", 2, "--tree", tmp_path / "tree", "--out", tmp_path / "out", "--cases", "sending")
    assert "score: 8 of 8" in result.stdout, result.stdout + result.stderr


@pytest.mark.timeout(300)
def test_a_submission_is_built_whatever_the_clock_says(tmp_path):
    """What make takes from the reference may be newer than any submission: another machine made it, or the clock was
    put back. Still the kernel and the library of the unit tests are made of what was handed in."""
    base, tree = tmp_path / "base", lab_1_with(tmp_path / "tree", "int handed_in;\n")
    shutil.copytree(build.reference(TOP, TOP / "build/labs/reference"), base)
    for path in (base / "build").rglob("*"):
        os.utime(path, (time.time() + 3600,) * 2)
    place = build.take(base, tree, ["kernel/virtio/virtq.c"], tmp_path / "place", ["test_virtq"])
    for made in ("build/kernel.elf", "build/unit/libkernel.a"):
        assert b"handed_in" in (place / made).read_bytes(), made


@pytest.mark.timeout(300)
def test_a_tree_may_have_any_name(tmp_path):
    """Neither make nor the shell reads it as theirs."""
    tree = lab_1_with(tmp_path / "it's $(shell touch made); touch `touch made` $(touch made)", "")
    made, out = TOP / "made", tmp_path / "$(shell touch made) out"
    result = subprocess.run(["make", "-s", "grade", "LAB=1", f"TREE={tree}", f"OUT={out}", "CASES=full"], cwd=TOP,
                            capture_output=True, text=True, check=False)
    found = made.exists()
    made.unlink(missing_ok=True)
    assert "score: 8 of 8" in result.stdout and not found, result.stdout + result.stderr
    assert (out / "results.json").exists()


@pytest.mark.timeout(300)
def test_two_graders_in_one_folder_take_turns(tmp_path):
    """Each has the score of its own submission."""
    right, other = lab_1_with(tmp_path / "right", ""), lab_1_with(tmp_path / "other", "", "return -1;\n")
    command = [sys.executable, TOOLS / "grade.py", "1", "--out", tmp_path / "out", "--cases", "full", "broken", "--tree"]
    graders = [subprocess.Popen([*command, tree], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env={**os.environ, "PYTHONPATH": str(TOOLS), "RVNET_BUILD": str(TOP / "build")})
               for tree in (right, other, right)]
    texts = [grader.communicate()[0] for grader in graders]
    assert ["score: 20 of 20" in text for text in texts] == [True, False, True], "\n".join(texts)
    assert re.search(r"evidence: \S*/evidence/full \(output\)$", texts[1], re.M), texts[1]
    assert "score: 0 of 20" in texts[1]


def test_numbers_of_a_case_are_never_the_same():
    """However many the cases before it have drawn."""
    for before in range(40):
        session.forget()
        for _ in range(before):
            session.fresh(200, 240)
        session.forget()
        assert len({session.fresh(200, 240) for _ in range(40)}) == 40


def test_a_report_that_is_missing_shows_what_came_in_its_place():
    """Not a frame that came when it had been waited for in vain."""
    s = session.Session.__new__(session.Session)
    s.link, s.reports = session.harness.qemu.Link(), {}
    s.round = lambda: s.link.far_end.send(b"late".ljust(60))
    s.link.far_end.send(b"early".ljust(60))
    assert s.here() == 1
    with pytest.raises(session.Failure) as found:
        s.report("nonce", rounds=3)
    s.round()
    assert s.here() == 5 and found.value.frame == 1
    s.link.close()


@pytest.mark.parametrize("number", NUMBERS)
def test_no_solution_line_is_handed_out(number, tmp_path):
    """Each line of a removed body is in the handout at most as often as in what was kept of the tree."""
    folder, _ = handout.make(number, tmp_path)
    removed = Counter(line for _, line in sources.removed_lines(TOP, folder) if len(line) > TRIVIAL)
    kept, given = Counter(), Counter()
    for file in sources.tracked_files(TOP):
        if file.startswith("kernel/") or (tmp_path / file).exists():
            kept.update(line.strip() for line in (TOP / file).read_text(errors="replace").splitlines())
    for file in sources.tree_files(tmp_path):
        given.update(line.strip() for line in (tmp_path / file).read_text(errors="replace").splitlines())
    leaks = [line for line, count in removed.items() if given[line] > kept[line] - count]
    assert leaks == []


@pytest.mark.parametrize("number", NUMBERS)
def test_handout_has_nothing_of_the_grader_alone(number, tmp_path):
    handout.make(number, tmp_path)
    names = sources.tree_files(tmp_path)
    assert b"mutants" not in subprocess.run(["make", "help"], cwd=tmp_path, capture_output=True, check=True).stdout
    assert not [n for n in names if "mutants" in n or "hidden" in n or "stubs" in n or n.endswith("parts.tsv")]
    assert {n.split("/")[1] for n in names if n.startswith("labs/") and n[5].isdigit()} == {sources.lab_folder(number).name}


@pytest.mark.parametrize("number", NUMBERS)
def test_functions_that_students_are_told_of_exist(number, tmp_path):
    folder, _ = handout.make(number, tmp_path)
    words = set(re.findall(r"\w+", " ".join(path.read_text() for path in (tmp_path / "kernel").rglob("*.[ch]"))))
    assert not set(re.findall(r"`(\w+)\(\)`", (folder / "README.md").read_text())) - words


@pytest.mark.parametrize("repository", [True, False])
def test_what_a_class_handed_in_is_not_handed_out(repository, tmp_path):
    """`make grade-all DIR=submissions` has it lie in the tree."""
    top, target = tmp_path / "top", tmp_path / "handout"
    for file in sources.tracked_files(TOP):
        (top / file).parent.mkdir(parents=True, exist_ok=True)
        (top / file).write_bytes((TOP / file).read_bytes())
    for file in ("submissions/anna/kernel/net/arp.c", "results/scores.csv", "lab6.tar.gz"):
        (top / file).parent.mkdir(parents=True, exist_ok=True)
        (top / file).write_text("a solution")
    if repository:
        subprocess.run(["git", "init", "-q", top], check=True)
    handout.make(NUMBERS[0], target, top)
    assert {path.name for path in target.iterdir()} == handout.TOP_NAMES


def test_parts_are_marked():
    result = tool("mark", "--check")
    assert result.returncode == 0, f"not as parts.tsv says (run labs/tools/mark.py):\n{result.stdout}"


@pytest.mark.parametrize("number", NUMBERS)
def test_points_add_up_to_100(number):
    script = f"import grade, sources; print(sum(c.points for c in grade.casebook_of(sources.lab_folder({number})).cases))"
    result = subprocess.run([sys.executable, "-c", script], cwd=TOOLS, capture_output=True, text=True, check=True)
    assert int(result.stdout) == 100
