"""QEMU's machine protocol, as far as tests need it: a command and its answer.

    options = qmp.options(path)         # in QEMU's command line; a path of less than 100 characters
    monitor = qmp.Monitor(path)
    monitor.command("set_link", name="nic0", up=False)
"""

import json
import socket
import time


def options(path):
    return ["-qmp", f"unix:{path},server=on,wait=off"]


class Monitor:
    def __init__(self, path, timeout=10):
        """Waits until QEMU has made the socket."""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.socket.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)  # there is no event for a socket that is about to exist
        self.lines = self.socket.makefile()
        self.lines.readline()  # the greeting
        self.command("qmp_capabilities")

    def command(self, execute, /, **arguments):
        """The answer; AssertionError with QEMU's words if the command fails. Events are passed over."""
        self.socket.sendall(json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n")
        while True:
            line = self.lines.readline()
            assert line, f"QMP {execute}: connection closed"
            answer = json.loads(line)
            assert "error" not in answer, f"QMP {execute}: {answer['error']['desc']}"
            if "return" in answer:
                return answer["return"]

    def close(self):
        self.lines.close()
        self.socket.close()
