"""Starting and stopping: harts, exit codes, and machines that lack something or are broken."""

import struct
import subprocess
import time

import pytest

from harness.demo import PEER_IP, PEER_MAC
from harness.evidence import BUILD
from harness.host import Host
from harness.qemu import disk_options
from shell import PROMPT, Shell


@pytest.mark.parametrize("smp", range(1, 9))
def test_boots_on_any_number_of_harts(boot, smp):
    guest = boot(smp=smp)
    assert "hello from the shell" in Shell(guest).run("echo hello from the shell")


@pytest.mark.parametrize("code", [0, 1, 2, 77, 255])
def test_poweroff_gives_qemu_its_exit_code(boot, code):
    guest = boot()
    guest.console.expect(PROMPT, 30)
    guest.console.send(f"poweroff {code}\n")
    assert guest.wait(15) == code


@pytest.mark.parametrize("command, code", [
    ("echo scripted", 0), ("cat /no/such/file", 1), ("poweroff 42", 42), ("echo one ; echo two", 0),
    ("false ; echo text > /tmp/file$? ; cat < /tmp/file1", 0)])
def test_scripted_run_ends_with_its_commands_code(boot, command, code):
    guest = boot(run=command)
    assert guest.wait(30) == code


def test_scripted_run_of_a_missing_program_fails(boot):
    guest = boot(run="no-such-program")
    assert guest.wait(30) not in (0, 255)
    assert "no-such-program" in guest.console.text


def test_shell_that_ends_is_started_again(boot):
    """Also when its last command was not found: that status, 127, is also the one for "no shell"."""
    shell = Shell(boot())
    shell.console.send("no-such-program\n")
    shell.console.expect("not found")
    shell.prompt()
    shell.console.send("\x04")
    shell.console.expect(r"\$ ")  # behind the other one, in the same line
    assert "still there" in shell.run("echo still there")


USER_BASE = 0x100000000
FORKS_FOR_EVER = (0x00100893, 0x00000073, 0xffdff06f)  # li a7, SYS_fork; 1: ecall; j 1b
MAKES_INPUT_NONBLOCKING = (
    0x00000513, 0x00400593, 0x00100613, 0x00b61613,  # li a0, 0; li a1, F_SETFL; li a2, 1; slli a2, a2, 11 (O_NONBLOCK)
    0x01d00893, 0x00000073, 0x00000513, 0x00200893, 0x00000073)  # li a7, SYS_fcntl; ecall; exit(0)


def program(instructions):
    """An ELF file (System V ABI) with these in its one segment."""
    code = struct.pack(f"<{len(instructions)}I", *instructions)
    ident = b"\x7fELF\2\1\1".ljust(16, b"\0")
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 243, 1, USER_BASE, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 120, USER_BASE, USER_BASE, len(code), len(code), 4096)
    return header + segment + code


def disk_with(folder, name, instructions):
    """A disk with init, a shell, echo and this program."""
    (folder / name).write_bytes(program(instructions))
    image = folder / "fs.img"
    programs = [*(BUILD / "stripped" / each for each in ("init", "sh", "echo")), folder / name]
    subprocess.run([BUILD / "mkfs", image, "8", "dir=/dev", "dev=/dev/console,5,1", "dev=/dev/null,1,3",
                    *(f"{each}=/bin/{each.name}" for each in programs)], check=True, capture_output=True)
    return disk_options(image)


def test_console_that_a_program_left_nonblocking(boot, tmp_path):
    """All shells share this open file with it, those that init starts later, too."""
    shell = Shell(boot(disk=disk_with(tmp_path, "unblock", MAKES_INPUT_NONBLOCKING)))
    shell.run("unblock")
    assert "still there" in shell.run("echo still there")
    assert "sh: read" not in shell.console.text


def test_init_outlives_a_full_process_table(boot, tmp_path):
    """Its shell ends, and somebody else may take the place before init can start another one: whether that happens
    is up to the host, so this may pass without having met it, but init must live in any case."""
    guest = boot(disk=disk_with(tmp_path, "forks", FORKS_FOR_EVER), smp=3)
    shell = Shell(guest)
    shell.console.send("forks &\n")
    for _ in range(40):
        time.sleep(0.3)
        if "init: fork:" in shell.console.text:
            break
        shell.console.send("\x04")
    time.sleep(1)
    assert guest.running()


def test_version_1_device_names_the_flag_and_the_boot_goes_on(boot):
    """Disk and network are legacy devices: both are left out, and said so, so there is no root either."""
    guest = boot(modern=False)
    guest.console.expect(r"version 1.*force-legacy=false", 20)
    assert guest.wait(30) != 0


def test_without_a_disk(boot):
    guest = boot(disk=())
    assert guest.wait(30) == 254
    assert "root" in guest.console.text


def test_without_a_network_card(boot):
    guest = boot(nics=0)
    shell = Shell(guest)
    assert "127.0.0.1" in shell.run("ifconfig")
    assert "unreachable" in shell.run("ping -c 1 10.0.2.100").lower()
    assert "1 received" in shell.run("ping -c 1 127.0.0.1")


def test_read_only_disk(boot):
    """Reading works, writing gives an error to who writes, and nothing stops."""
    guest = boot(disk=disk_options(drive=",readonly=on", snapshot=False))
    shell = Shell(guest)
    assert "bin" in shell.run("ls /")
    assert "read-only" in shell.run("mkdir /newdir").lower()
    assert "newdir" not in shell.run("ls /")


def test_disk_writes_are_gone_after_the_test(boot):
    shell = Shell(boot())
    assert "marker" not in shell.run("ls /")
    shell.run("mkdir /marker")
    assert "marker" in shell.run("ls /")


BLKDEBUG = """[inject-error]
event = "{event}"
errno = "5"
once = "off"
{sector}"""


def faulty_disk(folder, event, sector=""):
    """A disk with errors: a driver of QEMU for tests, in front of the image."""
    config = folder / "blkdebug.conf"
    config.write_text(BLKDEBUG.format(event=event, sector=sector))
    return ["-drive", f"if=none,id=disk0,format=raw,read-only=on,file=blkdebug:{config}:{BUILD / 'fs.img'}",
            "-device", "virtio-blk-device,drive=disk0"]


def test_read_error_at_the_first_block_is_reported(boot):
    """The root cannot be mounted: a clear end, not a hang and not a panic."""
    guest = boot(disk=faulty_disk(boot.evidence.path, "read_aio"))
    assert guest.wait(40) == 254
    assert "error 5" in guest.console.text


def test_read_error_reaches_the_reader(boot):
    """One sector in the middle of a file is bad: a program that is read from there does not start, the others
    do."""
    image = (BUILD / "fs.img").read_bytes()
    marker = image.find(b"nettests: no peer")  # a text of that program only
    assert marker > 0
    guest = boot(disk=faulty_disk(boot.evidence.path, "read_aio", f'sector = "{marker // 512}"'))
    shell = Shell(guest)
    assert "alive" in shell.run("echo alive")
    assert "input/output error" in shell.run("cat /bin/nettests | wc").lower()
    assert "still alive" in shell.run("echo still alive")


def test_disk_in_another_slot(boot):
    """Slots are probed by what is in them, not by where QEMU usually puts it (QV-MAP-3)."""
    options = disk_options()
    options[-1] += ",bus=virtio-mmio-bus.0"
    assert "bin" in Shell(boot(disk=options)).run("ls /")


@pytest.mark.parametrize("slot", range(8))
def test_all_slots_are_probed(boot, slot):
    """Disk and card in any two of the eight, the others with devices that nobody drives."""
    places = {slot: "virtio-blk-device,drive=disk0", (slot + 3) % 8: "virtio-net-device,netdev=card"}
    options = ["-netdev", "user,id=card"]
    for number in range(8):
        options += ["-device", f"{places.get(number, 'virtio-rng-device')},bus=virtio-mmio-bus.{number}"]
    shell = Shell(boot(nics=0, disk=disk_options()[:2], options=options))
    assert f"disk0: virtio-mmio slot {slot}" in shell.console.text
    assert f"virtio0: virtio-mmio slot {(slot + 3) % 8}" in shell.console.text
    assert "1 received" in shell.run("ping -c 1 10.0.2.2")


def test_other_devices_are_left_alone(boot):
    guest = boot(options=("-device", "virtio-rng-device", "-device", "virtio-balloon-device"))
    assert "bin" in Shell(guest).run("ls /")


@pytest.mark.parametrize("memory", ["32M", "64M", "256M", "512M"])
def test_memory_sizes(boot, memory):
    assert "bin" in Shell(boot(memory=memory)).run("ls /")


@pytest.mark.parametrize("memory", ["33M", "33028K"])
def test_all_memory_can_be_used(boot, memory):
    """Also what lies behind the last large page (2 MiB): the program takes all there is."""
    guest = boot(run="usertests memory", memory=memory)
    assert guest.wait(50) == 0, guest.console.text[-2000:]


def test_ping_of_the_peer(boot):
    guest = boot()
    Host(guest.links[0], PEER_IP, PEER_MAC)
    assert "3 received" in Shell(guest).run("ping -c 3 10.0.2.100")
