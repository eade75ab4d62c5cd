"""The disk seen from programs: errors of the device reach whoever asked, and nobody else; what was confirmed stays."""

import re
import shutil
import subprocess

import pytest

from harness.evidence import BUILD
from harness.qemu import disk_options
from shell import Shell, wait_until


def failing_disk(tmp_path, event, kind):
    """A copy of the disk; from the first event of this name on every request of this kind fails (QEMU's blkdebug)."""
    image, rules = tmp_path / "fs.img", tmp_path / "blkdebug.conf"
    shutil.copy(BUILD / "fs.img", image)
    rules.write_text(f'[inject-error]\nevent = "{event}"\niotype = "{kind}"\nerrno = "5"\nonce = "off"\n')
    return ["-drive", f"if=none,id=disk0,format=raw,werror=report,rerror=report,file=blkdebug:{rules}:{image}",
            "-device", "virtio-blk-device,drive=disk0"]


@pytest.mark.parametrize("event, kind", [("write_aio", "write"), ("flush_to_disk", "flush")])
def test_write_error_reaches_the_writer(boot, tmp_path, event, kind):
    """The program is told; others go on, and what is on the disk can still be read."""
    shell = Shell(boot(smp=2, disk=failing_disk(tmp_path, event, kind)))
    assert "input/output error" in shell.run("mkdir /newdir").lower()
    assert "input/output error" in shell.run("echo data > /tmp/f").lower() + shell.run("mkdir /other").lower()
    assert "alive" in shell.run("echo alive | cat")
    assert "bin" in shell.run("ls /")


def disk_with(tmp_path, megabytes, *items):
    """The image of a disk with a shell, a few programs and these items."""
    image = tmp_path / "fs.img"
    programs = [f"{BUILD}/stripped/{name}=/bin/{name}"
                for name in ("init", "sh", "cat", "echo", "ls", "mkdir", "poweroff", "ps", "rm")]
    subprocess.run([BUILD / "mkfs", image, str(megabytes), "dir=/dev", "dir=/etc", "dev=/dev/console,5,1",
                    "dev=/dev/null,1,3", "dev=/dev/zero,1,5", *items, *programs], check=True)
    return image


def slow_disk(tmp_path, *items, snapshot=True):
    """A disk with these items whose requests take 20 ms, two time slices."""
    return disk_options(disk_with(tmp_path, 16, *items), ",throttling.iops-total=50", snapshot)


def wait_until_busy(shell, program):
    """Until the program has been to the disk more than a few times."""
    def is_busy():
        found = re.search(rf"(\d+) {program}$", shell.run("ps"), re.M)
        return found and int(found.group(1)) > 20

    wait_until(is_busy)


@pytest.mark.parametrize("queue_size, busy, command", [
    (64, "cat" + " /big" * 20 + " > /dev/null", "ls -l /big /big /big"),
    (64, "cat /dev/zero > /zeros", "mkdir /a /b /c /d /e /f"),
    (4, "cat" + " /big" * 20 + " > /dev/null", "cat /other > /dev/null"),  # one request at a time
], ids=["reader", "writer", "requests"])
def test_nobody_waits_for_one_that_goes_on_and_on(boot, tmp_path, queue_size, busy, command):
    """One process takes the same lock again and again, with a request to the disk each time. Another one's turn comes
    nevertheless, long before the first is done."""
    big, other = tmp_path / "big", tmp_path / "other"
    big.write_bytes(bytes(4 << 20))  # four times the buffer cache
    other.write_bytes(bytes(40000))
    *drive, _ = slow_disk(tmp_path, f"{big}=/big", f"{other}=/other")
    shell = Shell(boot(disk=[*drive, f"virtio-blk-pci,drive=disk0,queue-size={queue_size}"]))
    shell.run(f"{busy} &")
    wait_until_busy(shell, "cat")
    shell.run(command)
    assert re.search(r" cat$", shell.run("ps"), re.M)


def test_poweroff_keeps_what_was_written(boot, tmp_path):
    """Also what shares its transaction with an operation that is still under way: a mkdir that searches a directory of
    200 blocks."""
    links = tmp_path / "links"
    links.write_text("".join(f"link=/file,/many/{n}\n" for n in range(200 * 64)))
    (tmp_path / "file").write_text("")
    guest = boot(disk=slow_disk(tmp_path, f"{tmp_path}/file=/file", f"@{links}", snapshot=False))
    shell = Shell(guest)
    shell.run("mkdir /new ; echo once > /file ; cat /bin/poweroff > /dev/null")  # later these are in the cache
    shell.run("mkdir /many/new &")
    wait_until_busy(shell, "mkdir")
    shell.console.send("echo this is kept >> /file ; poweroff 5\n")
    assert guest.wait(40) == 5
    assert b"this is kept" in (tmp_path / "fs.img").read_bytes()


def test_full_disk_is_an_error_to_the_writer(boot, tmp_path):
    """The disk is a small one, but the file that fills it has blocks of each kind: direct, indirect, double."""
    shell = Shell(boot(disk=disk_options(disk_with(tmp_path, 6))))
    assert "no space" in shell.run("cat /dev/zero > /full", 50).lower()
    assert int(re.search(r" (\d+) +\d+ full$", shell.run("ls -l /"), re.M).group(1)) > (22 + 1024) * 4096
    shell.run("rm /full")
    assert shell.run("echo room > /new ; cat /new") == "room\n"


def test_disk_smaller_than_its_file_system(boot, tmp_path):
    """The superblock says more than the device has: found out at boot."""
    image = tmp_path / "fs.img"
    shutil.copy(BUILD / "fs.img", image)
    with open(image, "r+b") as file:
        file.truncate(16 << 20)
    guest = boot(disk=disk_options(image))
    assert guest.wait(30) == 254
    assert "disk0" in guest.console.text


@pytest.mark.parametrize("arguments, complaint", [
    (["4294967297"], "mkfs: 4294967297: the size is a number of MiB from 1 to 65536"),  # 1 in 32 bits
    (["-4294967295"], "mkfs: -4294967295: the size is a number of MiB from 1 to 65536"),  # the same
    (["2", "dev=/d,4294967297,1"], "mkfs: dev=/d,4294967297,1: expected dev=/PATH,MAJOR,MINOR with numbers up to 255"),
], ids=["size", "negative", "device"])
def test_mkfs_refuses(tmp_path, arguments, complaint):
    image = tmp_path / "fs.img"
    made = subprocess.run([BUILD / "mkfs", image, *arguments], capture_output=True, text=True, check=False)
    assert (made.stderr, made.returncode) == (f"{complaint}\n", 2)
    assert not image.exists()


@pytest.mark.parametrize("text, complaint", [(None, "Is a directory"),
                                             ("#" * 4095 + "dir=/x\n", "a line is longer than 4094 characters")],
                         ids=["directory", "line"])
def test_mkfs_reads_whole_lists(tmp_path, text, complaint):
    """The comment has as many characters as there are read at once: dir=/x is no line of its own."""
    image, listed = tmp_path / "fs.img", tmp_path / "list"
    listed.mkdir() if text is None else listed.write_text(text)
    made = subprocess.run([BUILD / "mkfs", image, "2", f"@{listed}"], capture_output=True, text=True, check=False)
    assert (made.stderr, made.returncode) == (f"mkfs: {listed}: {complaint}\n", 1 if text is None else 2)
    assert not image.exists()
