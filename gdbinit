# For `make qemu-gdb` in one terminal and `gdb-multiarch -x gdbinit` (or riscv64-unknown-elf-gdb) in another, both
# started in the top folder. Then: break udp_input, continue.
#
#   rv-virtq QUEUE     a virtqueue: indices, flags and the chains that the device holds
#   rv-virtqs          every virtqueue of every virtio network device and disk
#   rv-mbufs           how many mbufs each owner holds
#   rv-sockets         the socket table
#   rv-arp             the ARP cache
#   rv-procs           processes and kernel threads
#   rv-user PROGRAM    symbols of a user program, for instance nettests
set pagination off
set confirm off
set architecture riscv:rv64
file build/kernel.elf

python
import gdb
import os
import socket as _socket
import struct as _struct


def nodes(listhead):
    """The addresses of the nodes on a struct list, at most 4096 of them: memory may be damaged."""
    head = listhead["head"]
    at, end = head["next"], head.address
    for _ in range(4096):
        if int(at) == int(end) or int(at) == 0:
            return
        yield at
        at = at["next"]


def entry(node, kind, member):
    """The object of type `kind` whose member the node is."""
    target = gdb.lookup_type(kind)
    offset = next(f.bitpos // 8 for f in target.fields() if f.name == member)
    return (int(node) - offset, gdb.Value(int(node) - offset).cast(target.pointer()).dereference())


def value(expression):
    return gdb.parse_and_eval(expression)


def ip(number):
    return _socket.inet_ntoa(_struct.pack("<I", int(number) & 0xffffffff))


def port(number):
    return _socket.ntohs(int(number) & 0xffff)


class Command(gdb.Command):
    """A command that takes its documentation from its class."""

    def __init__(self, name):
        super().__init__(name, gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        try:
            self.run(argument.strip())
        except gdb.error as error:
            print(f"cannot show that now: {error}")


class Virtq(Command):
    """rv-virtq QUEUE: prints a struct virtq, given by its address or an expression."""

    def run(self, argument):
        queue = value(f"*(struct virtq *)({argument})")
        size = int(queue["size"])
        heads = [n for n in range(size) if int(queue["chains"][n]["token"])]
        print(f"{queue['device']['name'].string()} queue {int(queue['index'])}: size {size}, free {int(queue['free_count'])},"
              f" chains outstanding {len(heads)}"
              f"{', event index' if queue['event_index'] else ''}{', BROKEN' if queue['broken'] else ''}")
        available, used = queue["available"], queue["used"]
        print(f"  available: added {int(queue['added']) & 0xffff}, published {int(queue['published']) & 0xffff},"
              f" index {int(available['index'])}, flags {int(available['flags'])}, used_event {int(queue['used_event'].dereference())}")
        print(f"  used: index {int(used['index'])}, taken {int(queue['used_next'])}, flags {int(used['flags'])},"
              f" avail_event {int(queue['avail_event'].dereference())}")
        for n in heads[:16]:
            chain, descriptor = queue["chains"][n], queue["descriptors"][n]
            print(f"  chain {n}: {int(chain['count'])} descriptors, first at {int(descriptor['address']):#x},"
                  f" {int(descriptor['length'])} bytes, token {int(chain['token']):#x}")
        if len(heads) > 16:
            print(f"  and {len(heads) - 16} more chains")


class Virtqs(Command):
    """rv-virtqs: prints the virtqueues of every registered virtio network device and disk."""

    def run(self, argument):
        table = value("'netdev.c'::table")
        for n in range(int(table["count"])):
            dev = table["devices"][n]
            if dev["name"].string().startswith("virtio"):
                gdb.execute(f"rv-virtq ((struct virtio_net *){int(dev['driver'])})->rx")
                gdb.execute(f"rv-virtq ((struct virtio_net *){int(dev['driver'])})->tx")
        disks = value("'block.c'::disks")
        first, last = disks.type.range()
        for n in range(first, last + 1):
            if int(disks[n]):
                gdb.execute(f"rv-virtq ((struct virtio_blk *){int(disks[n])})->queue")


class Mbufs(Command):
    """rv-mbufs: prints how many mbufs each owner holds."""

    def run(self, argument):
        owned = value("mbuf_accounts")["owned"]
        for n in range(int(value("(int)MBUF_OWNERS"))):
            owner = gdb.Value(n).cast(gdb.lookup_type("enum mbuf_owner"))
            print(f"{str(owner):16} {int(owned[n])}")


class Sockets(Command):
    """rv-sockets: prints every socket that has a port."""

    def run(self, argument):
        buckets = value("'socket_table.c'::table.buckets")
        first, last = buckets.type.range()
        for n in range(first, last + 1):
            for node in nodes(buckets[n]):
                address, socket = entry(node, "struct socket", "table_node")
                kind = {1: "icmp", 17: "udp"}.get(int(socket["protocol"]), "?")
                print(f"{address:#x} {kind:4} {ip(socket['local_address'])}:{port(socket['local_port'])} ->"
                      f" {ip(socket['peer_address'])}:{port(socket['peer_port'])} queued {int(socket['queued'])}"
                      f" dropped {int(socket['dropped'])} error {int(socket['error'])}")


class Arp(Command):
    """rv-arp: prints the ARP cache."""

    def run(self, argument):
        states = value("'arp_table.c'::by_state")
        for n in range(1, int(value("ARP_STATES"))):
            for node in nodes(states[n]):
                _, e = entry(node, "struct arp_entry", "state_node")
                mac = ":".join(f"{int(e['mac'][i]):02x}" for i in range(6)) if e["known"] else "?"
                print(f"{ip(e['address']):15} {mac:17} {e['dev']['name'].string():10}"
                      f" {str(gdb.Value(n).cast(gdb.lookup_type('enum arp_state')))}"
                      f"{', a datagram waits' if int(e['waiting']) else ''}")


class Procs(Command):
    """rv-procs: prints the process table."""

    def run(self, argument):
        table = value("'proc.c'::table")
        first, last = table.type.range()
        for n in range(first, last + 1):
            p = table[n]
            if int(p["pid"]):
                kernel = "" if int(p["space"]) else " (kernel)"
                print(f"{int(p['pid']):5} {str(p['state']):18} {p['name'].string()}{kernel}, resumes at {int(p['context']['ra']):#x}")


class User(Command):
    """rv-user PROGRAM: adds the symbols of build/bin/PROGRAM."""

    def run(self, argument):
        gdb.execute(f"add-symbol-file build/bin/{argument}")


for name, kind in (("rv-virtq", Virtq), ("rv-virtqs", Virtqs), ("rv-mbufs", Mbufs), ("rv-sockets", Sockets),
                   ("rv-arp", Arp), ("rv-procs", Procs), ("rv-user", User)):
    kind(name)

target = os.environ.get("RVNET_GDB_TARGET", "build/gdb-target")
if os.path.exists(target):
    gdb.execute(open(target).read().strip())
else:
    print(f"no {target}: start `make qemu-gdb` first, or connect by hand with `target remote`")
end
