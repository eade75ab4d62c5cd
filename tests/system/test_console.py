"""The console and the shell, as somebody at the keyboard has them."""

import re
import shutil
import subprocess

import pytest

from harness.evidence import BUILD
from shell import Shell, wait_until
from test_barriers import PREFIXES

CTRL_C, CTRL_D, CTRL_P, CTRL_U, BACKSPACE = "\x03", "\x04", "\x10", "\x15", "\x7f"


@pytest.fixture
def shell(boot):
    return Shell(boot())


def run_cat(shell, command="cat"):
    """Returns when it runs: it has given back a line."""
    shell.console.send(f"{command}\n")
    shell.console.send("typed\n")
    shell.console.expect(r"^typed\n(.*\n)*?typed$")


def test_backspace_erases(shell):
    shell.console.send(f"echo abXY{BACKSPACE}{BACKSPACE}cd\n")
    shell.console.expect(r"^abcd$")


def test_backspace_stops_at_the_start_of_the_line(shell):
    shell.console.send(f"ab{BACKSPACE * 9}echo start\n")
    shell.console.expect(r"^start$")


def test_ctrl_u_erases_the_line(shell):
    shell.console.send(f"echo wrong{CTRL_U}echo right\n")
    shell.console.expect(r"^right$")
    assert "\nwrong" not in shell.console.text


def test_ctrl_c_kills_what_runs_but_not_the_shell(shell):
    run_cat(shell)
    shell.console.send(CTRL_C)
    shell.prompt()
    assert "alive" in shell.run("echo alive")
    assert "cat" not in shell.run("ps")


def test_ctrl_c_kills_a_whole_pipeline(shell):
    run_cat(shell, "cat | cat | cat")
    shell.console.send(CTRL_C)
    shell.prompt()
    assert " cat" not in shell.run("ps")


def test_ctrl_c_at_the_prompt_gives_a_new_one(shell):
    shell.console.send("echo half" + CTRL_C)
    shell.prompt()
    assert "whole" in shell.run("echo whole")
    assert "\nhalf" not in shell.console.text


def test_ctrl_c_spares_the_background(shell):
    shell.serve("udpecho 7", 7)
    run_cat(shell)
    shell.console.send(CTRL_C)
    shell.prompt()
    assert "udpecho" in shell.run("ps")


def test_ctrl_d_ends_input(shell):
    shell.console.send("cat\n")
    shell.console.send("one line\n" + CTRL_D)
    shell.prompt()
    assert "alive" in shell.run("echo alive")
    assert "cat" not in shell.run("ps")


def test_ctrl_d_hands_over_half_a_line(shell):
    shell.console.send("cat\n")
    shell.console.send("half" + CTRL_D)
    shell.console.expect("halfhalf")
    shell.console.send(CTRL_D)
    shell.console.expect(r"\$ ")  # behind the half line
    assert "alive" in shell.run("echo alive")


def test_ctrl_p_lists_processes(shell):
    run_cat(shell)
    shell.console.send(CTRL_P)
    shell.console.expect(r"^ *\d+ .*\binit$")
    shell.console.expect(r"^ *\d+ .*\bcat$")
    shell.console.send(CTRL_C)
    shell.prompt()


@pytest.mark.parametrize("command, output", [
    ("echo one two", "one two\n"),
    ("echo one ; echo two", "one\ntwo\n"),
    ("echo piped | cat | cat", "piped\n"),
    ("echo text > /tmp/f ; cat /tmp/f ; cat < /tmp/f", "text\ntext\n"),
    ("echo a > /tmp/g ; echo b >> /tmp/g ; cat /tmp/g", "a\nb\n"),
    ("echo one > /tmp/h ; echo two > /tmp/h ; cat /tmp/h", "two\n"),
    ("ls / | grep bin", "bin"),
    ("cat /no/such", "/no/such"),
    ("no-such-program", "no-such-program"),
])
def test_commands(shell, command, output):
    assert output in shell.run(command)


@pytest.mark.parametrize("command, output", [
    ("cd /etc > /tmp/out 2> /dev/null ; ls", "net.conf\nresolv.conf\n"),
    ("cd /no/such 2> /dev/null ; echo $? ; cat /no/such", "1\ncat: /no/such: No such file or directory\n"),
    ("cd /etc > /no/such/file ; echo $? ; ls /dev/null", "sh: /no/such/file: No such file or directory\n1\n/dev/null\n"),
    ("cd /etc 4> /dev/null ; echo x >&4", "sh: 4: not an open descriptor\n"),
    ("sh -c 'exit 3 > /tmp/out ; echo no' ; echo $?", "3\n"),
    ("echo 'cd /etc 3> /dev/null' > /tmp/s ; echo ls >> /tmp/s ; sh /tmp/s", "net.conf\nresolv.conf\n"),
])
def test_redirected_builtins_change_the_shell(shell, command, output):
    """And their redirections are gone afterwards, also of the descriptor that a script is read from."""
    assert shell.run(command) == output


@pytest.mark.parametrize("command, status", [
    ("echo x", 1), ("echo -n x", 1), ("ls /", 1), ("ls -l /", 1), ("wc /etc/net.conf", 1), ("grep -c x /etc/net.conf", 2),
    ("ps", 1), ("lspci", 1), ("ifconfig", 1), ("route", 1), ("netstat", 1), ("ping -c 1 127.0.0.1", 2)])
def test_output_that_cannot_be_written_is_an_error(shell, command, status):
    """As on a full disk. Here standard output is a descriptor for reading."""
    output = shell.run(f"({command}) 3< /etc/net.conf >&3 ; echo status $?")
    assert output == f"{command.split()[0]}: standard output: not everything could be written\nstatus {status}\n"


def test_grep_reports_input_that_cannot_be_read(shell):
    """Here descriptor 0 is one for writing."""
    assert shell.run("grep x 0> /tmp/out ; echo status $?") == "grep: standard input: Bad file descriptor\nstatus 2\n"


def test_message_has_room_for_a_whole_path(shell):
    path = "/tmp/d".rjust(253, "/")
    shell.run("mkdir /tmp/d ; echo > /tmp/d/name")
    assert shell.run(f"rm -r {path} ; echo status $?") == f"rm: {path}/name: path too long\nstatus 1\n"


def test_ls_looks_at_no_other_file_than_it_names(shell):
    """The path of /tmp/d/abc would be cut off to that of /tmp/d/ab, which is another size."""
    path = "/tmp/d".rjust(252, "/")
    shell.run("mkdir /tmp/d ; echo 1 > /tmp/d/ab ; echo 12345 > /tmp/d/abc")
    lines = shell.run(f"ls -l {path} ; echo status $?").splitlines()
    assert [lines[0].split()[2], lines[0].split()[4]] == ["2", "ab"] and len(lines) == 3
    assert lines[1:] == [f"ls: {path}/abc: path too long", "status 1"]


@pytest.mark.parametrize("command, output", [
    (" | ".join(["true"] * 65), "sh: pipeline: no more pipes\nstatus 1\n"),
    ("echo" + 256 * " x", "sh: command has too many words\nstatus 1\n"),
    ("echo x >&4294967298", "sh: 4294967298: not an open descriptor\nstatus 1\n"),  # 2 in 32 bits
    ("sh /tmp/long", "sh: line too long\nstatus 2\n"),
], ids=["pipeline", "words", "descriptor", "line"])
def test_what_the_shell_cannot_do_fails(shell, command, output):
    shell.run(f"echo -n {'x' * 500} > /tmp/x ; cat {'/tmp/x ' * 9} > /tmp/long")
    assert shell.run(f"{command} ; echo status $?") == output


def test_character_1_is_no_exit_status(shell):
    """It stands for $? inside the shell."""
    assert shell.run("false ; echo '\x01?' a\x01\x01b \"$?\x01$?\" > /tmp/\x01 ; cat /tmp/\x01") == "\x01? a\x01\x01b 1\x011\n"


def test_ps_knows_how_long_a_program_has_run(boot):
    """Also one that has a hart for itself, so that nobody takes its place."""
    shell = Shell(boot(smp=3))
    shell.run("cat /dev/zero > /dev/null &")

    def half_a_second_has_run():
        cat = re.search(r"(\d+\.\d+) +\d+ cat$", shell.run("ps"), re.M)
        return cat and float(cat.group(1)) > 0.5  # before it has begun it is still the shell's child "sh"

    wait_until(half_a_second_has_run)


def test_what_is_left_of_a_program_that_has_ended(shell):
    """Until it is waited for: a process, not a thread of the kernel, without memory."""
    shell.run("(echo & cat /dev/zero > /dev/null) &")

    def find_zombie():
        return re.search(r"zombie .* (\d+)K .* echo$", shell.run("ps"), re.M)

    wait_until(find_zombie)
    assert find_zombie().group(1) == "0"
    shell.console.send(CTRL_P)
    shell.console.expect(r"zombie .* echo$")


def test_background_does_not_hold_up_the_shell(shell):
    shell.serve("udpecho 4321", 4321)


def test_long_line_does_no_harm(shell):
    shell.console.send("echo " + "x" * 3000 + "\n")
    shell.console.send(CTRL_C)
    shell.settle()
    assert "alive" in shell.run("echo alive")


def test_every_control_character_does_no_harm(shell):
    shell.console.send("".join(chr(n) for n in range(1, 32) if n not in (3, 4)) + CTRL_C)
    shell.settle()
    assert "alive" in shell.run("echo alive")


def function_range(name):
    """The addresses of a function of the kernel."""
    objdump = next(filter(None, (shutil.which(prefix + "objdump") for prefix in PREFIXES)))
    symbols = subprocess.run([objdump, "-t", BUILD / "kernel.elf"], capture_output=True, text=True, check=True).stdout
    address, size = re.search(rf"^(\w+) .* F \.text\s+(\w+) {name}$", symbols, re.M).groups()
    return range(int(address, 16), int(address, 16) + int(size, 16))


def test_interrupts_do_not_pile_up(boot):
    """Each one that comes inside the handler of another takes a piece of the same stack. So the handler, when it gives
    the hart away because a time slice is over, leaves those that are pending to the next thread: next to none comes
    there, beside the ticks that end the slices."""
    log = boot.evidence.path / "traps"
    guest = boot(options=("-d", "int", "-D", str(log)))
    shell = Shell(guest)
    shell.run("cat /dev/zero > /dev/null &")
    shell.run("cat /dev/zero > /dev/null &")
    shell.console.send("x" * 5000)
    shell.settle(40)
    guest.close()
    interrupts = re.findall(r"async:1, cause:0*([59]), epc:(\w+)", log.read_text())
    ticks = sum(cause == "5" for cause, _ in interrupts)
    handler = function_range("trap_from_kernel")
    inside = sum(int(address, 16) in handler for _, address in interrupts)
    assert ticks > 20 and inside < ticks / 4, (ticks, inside)


@pytest.mark.parametrize("command, complaint", [
    ("nc -u -l -w 4294968 5000", "nc: 4294968: not a number of seconds"),  # as ms in 32 bits: 704
    ("nc -u -l -w 1x 5000", "nc: 1x: not a number of seconds"),
    ("nc -u -l -w 0 5000", "nc: 0: not a number of seconds"),
    ("poweroff ''", "poweroff: usage: poweroff [CODE]"),
    ("wait x", "sh: wait: x: not a process id"),
    ("wait 12x", "sh: wait: 12x: not a process id"),
    ("wait -2", "sh: wait: -2: not a process id"),
    ("sh -c 'exit 3x ; echo no'", "sh: exit: 3x: not a number"),
    ("sh -c 'exit x'", "sh: exit: x: not a number"),
    ("exit 3x", "sh: exit: 3x: not a number"),
])
def test_bad_numbers_are_refused(shell, command, complaint):
    assert shell.run(f"{command} ; echo status $?") == f"{complaint}\nstatus 2\n"


@pytest.mark.parametrize("words", ["-l 127.0.0.1 5000", "-l -p 5000 5001", "-l -p 5000 127.0.0.1 5001"])
def test_nc_takes_no_word_that_it_does_not_heed(shell, words):
    assert shell.run(f"nc -u -w 1 {words} ; echo status $?") == (
        "nc: usage: nc -u [-w SECONDS] [-p PORT] HOST PORT, or nc -u -l [-w SECONDS] PORT\nstatus 2\n")


def test_kill(shell):
    shell.serve("udpecho 4321", 4321)
    pid = next(line.split()[0] for line in shell.run("ps").splitlines() if "udpecho" in line)
    shell.run(f"kill {pid}; wait")  # the process ends when it runs next, which may be after the next command
    assert "udpecho" not in shell.run("ps")


def test_kill_by_the_number_that_the_shell_shows(shell):
    """As POSIX has it of $!: not another shell in between, whose end leaves the program running."""
    pid = re.search(r"^\[(\d+)\]$", shell.run("udpecho 4321 &"), re.M).group(1)
    assert shell.run(f"kill {pid} ; wait {pid} 2> /dev/null ; echo status $?").endswith("status 143\n")
    assert "udpecho" not in shell.run("ps")
