"""/etc/net.conf and the kernel's command line, as init reads them: on disk images that are made with other files.
And /etc/resolv.conf, as programs do."""

import re
import subprocess

import pytest

from harness import wire
from harness.evidence import BUILD
from harness.qemu import disk_options
from shell import Shell, Wired

BIN = ("init", "sh", "ifconfig", "route", "echo")


@pytest.fixture
def configured(boot, tmp_path):
    """Boots with this text as /etc/net.conf (None: without the file) and these words for the kernel."""

    def start(text, words="", **options):
        image = tmp_path / "fs.img"
        command = [BUILD / "mkfs", image, "8", "dir=/bin", "dir=/etc", "dir=/dev", "dir=/tmp", "dev=/dev/console,5,1",
                   "dev=/dev/null,1,3", *(f"{BUILD / 'stripped' / name}=/bin/{name}" for name in BIN)]
        if text is not None:
            (tmp_path / "net.conf").write_text(text)
            command.append(f"{tmp_path / 'net.conf'}=/etc/net.conf")
        subprocess.run(command, check=True, capture_output=True)
        return Shell(boot(disk=disk_options(image), options=("-append", words) if words else (), **options))

    return start


def test_address_mask_and_gateway_are_taken(configured):
    shell = configured("# a comment\n\n  virtio0\t192.168.7.9/22 gateway 192.168.4.1 # another\n", cards=["virtio"])
    assert "192.168.7.9/22 broadcast 192.168.7.255" in shell.run("ifconfig virtio0")
    routes = shell.run("route").splitlines()
    assert any(line.split()[:3] == ["192.168.4.0/22", "on-link", "virtio0"] for line in routes), routes
    assert any(line.split()[:3] == ["default", "192.168.4.1", "virtio0"] for line in routes), routes


def test_host_that_its_class_would_not_have(configured):
    """192.168.5.0 is a host of this network, and no host of a network with the mask of its class."""
    shell = configured("virtio0 192.168.5.0/22 gateway 192.168.7.1\n", cards=["virtio"])
    assert "192.168.5.0/22 broadcast 192.168.7.255" in shell.run("ifconfig virtio0")
    assert "192.168.7.1" in shell.run("route")


def test_a_line_for_each_interface(configured):
    shell = configured("virtio1 10.9.0.1/16\n* 10.8.0.1/24\n", cards=["virtio"] * 3)
    assert "10.8.0.1/24" in shell.run("ifconfig virtio0")
    assert "10.9.0.1/16" in shell.run("ifconfig virtio1")
    assert "inet" not in shell.run("ifconfig virtio2")
    assert "default" not in shell.run("route")


@pytest.mark.parametrize("line", ["virtio0", "virtio0 10.0.2.15", "virtio0 10.0.2.300/24", "virtio0 10.0.2.15/33",
                                  "virtio0 10.0.2.15/24 router 10.0.2.2", "virtio0 10.0.2.15/24 gateway",
                                  "virtio0 10.0.2.15/24 gateway x", "\x01\xff", "x" * 1000], ids=range(9))
def test_wrong_line_is_named_and_passed_over(configured, line):
    """One typing error does not cost the other interfaces, nor the boot."""
    shell = configured(f"{line}\nvirtio1 10.9.0.1/16\n", cards=["virtio"] * 2)
    assert "init: /etc/net.conf:1: " in shell.console.text
    assert "10.9.0.1/16" in shell.run("ifconfig virtio1")


def test_comment_of_any_length_is_none_of_the_settings(configured):
    comment = "# " + "x" * 200 + " 10.6.0.1/16"
    start = "#" * 159 + "virtio0 10.7.0.1/16"  # as long as init's buffer, then what looks like a line
    shell = configured(f"{comment}\n{start}\nvirtio0 10.9.0.1/16 {comment}\nwrong\n", cards=["virtio"])
    assert re.findall("^init: .*net.conf.*", shell.console.text, re.M) == [
        "init: /etc/net.conf:4: not INTERFACE ADDRESS/PREFIX [gateway ADDRESS]"]
    assert "10.9.0.1/16" in shell.run("ifconfig virtio0")


def test_line_that_is_too_long_is_not_cut(configured):
    """Cut off behind the address, it would be a setting without a gateway."""
    line = "virtio0 10.9.0.1/16" + " " * 160 + "gateway 10.9.0.2"
    shell = configured(f"{line}\n", cards=["virtio"])
    assert "init: /etc/net.conf:1: line too long" in shell.console.text
    assert "inet" not in shell.run("ifconfig virtio0")


def test_unknown_interface_is_named(configured):
    shell = configured("nosuch0 10.0.0.1/8\nvirtio0 10.9.0.1/16\n", cards=["virtio"])
    assert "nosuch0" in shell.console.text
    assert "10.9.0.1/16" in shell.run("ifconfig virtio0")


@pytest.mark.parametrize("text", [None, ""])
def test_without_configuration_there_is_a_shell(configured, text):
    shell = configured(text)
    assert "127.0.0.1" in shell.run("ifconfig lo")


def test_command_line_goes_first(configured):
    shell = configured("virtio0 10.9.0.1/16\n", words="net.virtio0=10.7.7.7/24,10.7.7.1", cards=["virtio"])
    assert "10.7.7.7/24" in shell.run("ifconfig virtio0")
    assert "10.7.7.1" in shell.run("route")


def queries(wired, servers, name):
    """Whom a program asks for this name, and what the questions are; nobody answers."""
    wired.run(f"echo '{servers}' > /etc/resolv.conf")
    since = wired.link.position()
    wired.run(f"ping -c 1 {name}")
    asked = [d for frame in wired.link.from_guest(since) if (d := wire.parse_udp(frame)) and d.destination_port == 53]
    return {wire.ip_text(d.packet.destination) for d in asked}, {d.payload[12:-4] for d in asked}


def test_end_of_a_long_comment_is_no_name_server(boot):
    """The comment is as long as the resolver's buffer."""
    wired = Wired(boot())
    assert queries(wired, "#" * 127 + "nameserver 10.0.2.2", "host") == (set(), set())
    assert queries(wired, "nameserver 10.0.2.100", "host") == ({"10.0.2.100"}, {b"\4host\0"})


@pytest.mark.parametrize("end", ["", "."])
def test_longest_name_is_asked_for(boot, end):
    """253 characters (RFC 1035, 2.3.4), not counting a last dot: with it or not, the same 255 octets are sent."""
    labels = ["a" * 63, "b" * 63, "c" * 63, "d" * 61]
    question = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    wired = Wired(boot())
    assert len(question) == 255
    assert queries(wired, "nameserver 10.0.2.100", ".".join(labels) + end) == ({"10.0.2.100"}, {question})


def test_truncated_answer_without_addresses_is_none(boot):
    """RFC 2181, 9: it says that there is more than a datagram takes, not that the name has no address. Here the next
    server has room for it, or takes it from its cache."""
    wired = Wired(boot())
    name, address = "host.example", wired.gateway.ip

    def truncate(query):
        wired.peer.reply(query, query.payload[:2] + b"\x83\x80" + query.payload[4:])

    wired.peer.open(truncate, port=53)
    wired.gateway.zone[name] = address
    wired.run("echo 'nameserver 10.0.2.100' > /etc/resolv.conf")
    assert "No name server answers" in wired.run(f"ping -c 1 {name}")
    wired.run("echo 'nameserver 10.0.2.2' >> /etc/resolv.conf")
    assert f"ping {name} ({wire.ip_text(address)})" in wired.run(f"ping -c 1 {name}")


def test_circle_of_aliases_is_an_error(boot):
    """RFC 1034, 3.6.2. What the name stands for is not known then, so it is not said to have no address."""
    wired = Wired(boot())

    def answer(query):
        alias = b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2\xc0\x0c"  # the name is an alias of itself
        wired.peer.reply(query, query.payload[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query.payload[12:] + alias)

    wired.peer.open(answer, port=53)
    wired.run("echo 'nameserver 10.0.2.100' > /etc/resolv.conf")
    assert "No name server answers" in wired.run("ping -c 1 host.example")
