"""namespace.py - one network namespace, held by a descriptor and by nothing else.

It has no name, so two runs cannot collide, and the kernel takes it down with everything in it (addresses, rules,
interfaces) when the last process or descriptor in it is gone, even after kill -9. The price: `ip netns` does not
show it; `nsenter --net=PATH` enters it while the run lasts (PATH is Namespace.path).
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000
NFNETLINK_CONNTRACK = 1
NETLINK_NETFILTER = 12
PORT_SECONDS = 10  # after which a bridge's port that does not come up never will

_libc = ctypes.CDLL(None, use_errno=True)
_entered = threading.local()


class LabError(Exception):
    """Something the laboratory needs did not work; the text is for a person."""


def _check(result, what):
    if result != 0:
        raise LabError(f"{what}: {os.strerror(ctypes.get_errno())}")


def _current():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


class Namespace:
    """`with namespace:` moves the calling thread into it, and what the thread starts or opens then stays in it."""

    def __init__(self, name):
        self.name = name
        self.children = []
        before = _current()
        try:
            _check(_libc.unshare(CLONE_NEWNET), "a new network namespace")
            self.fd = _current()
        finally:
            _check(_libc.setns(before, CLONE_NEWNET), "back to the old network namespace")
            os.close(before)
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
        self.ip("link set lo up")

    def __enter__(self):
        stack = _entered.__dict__.setdefault("stack", [])
        stack.append(_current())
        _check(_libc.setns(self.fd, CLONE_NEWNET), f"entering {self.name}")
        return self

    def __exit__(self, *_):
        before = _entered.stack.pop()
        _check(_libc.setns(before, CLONE_NEWNET), f"leaving {self.name}")
        os.close(before)

    def wrapper(self):
        """What a command needs in front of it here, besides the namespace."""
        return []

    def close(self):
        """Ends what was started here and lets the namespace go."""
        for child in self.children:
            end(child)
        self.children = []
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def start(self, argv, **options):
        """A Popen in this namespace. It dies with the thread that started it, so that nothing outlives the run."""
        wrapped = [*self.wrapper(), "setpriv", "--pdeathsig", "KILL", "--", *map(str, argv)]
        with self:
            child = subprocess.Popen(wrapped, **options)
        self.children = [c for c in self.children if c.poll() is None] + [child]
        return child

    def run(self, argv, timeout=30, **options):
        """A CompletedProcess with its output as text."""
        options.setdefault("capture_output", True)
        with self:
            wrapped = [*self.wrapper(), *map(str, argv)]
            return subprocess.run(wrapped, text=True, timeout=timeout, check=False, **options)

    def configure(self, argv, lines):
        done = self.run(argv, input="\n".join(lines) + "\n")
        if done.returncode != 0:
            raise LabError(f"{self.name}: {' '.join(argv)}: {done.stderr.strip()}")

    def ip(self, *lines):
        """`ip` commands, one a line, as a batch."""
        self.configure(["ip", "-batch", "-"], lines)

    def await_port(self, device):
        """Until a bridge carries what comes in by this port. The kernel gets to that a moment after the port is up, on
        a busy machine a long one; what is sent before is lost, and who asked for an address asks again after 1 s."""
        by = time.monotonic() + PORT_SECONDS
        while True:
            shown = self.run(["ip", "-d", "-j", "link", "show", "dev", device])
            port = json.loads(shown.stdout)[0] if shown.returncode == 0 else {}
            state = port.get("linkinfo", {}).get("info_slave_data", {}).get("state")
            if state == "forwarding" and port.get("operstate") in ("UP", "UNKNOWN"):  # a TAP never says UP
                return
            if time.monotonic() > by:
                raise LabError(f"{self.name}: {device} is {state} after {PORT_SECONDS} s")

    def nft(self, text):
        self.configure(["nft", "-f", "-"], [text])

    def sysctl(self, **values):
        """Names below /proc/sys/net with two underscores for a slash: ipv4__ip_forward=1."""
        with self:
            for name, value in values.items():
                path = "/proc/sys/net/" + name.replace("__", "/")
                try:
                    with open(path, "w", encoding="ascii") as file:
                        file.write(str(value))
                except OSError as error:
                    raise LabError(f"{self.name}: {path}: {error.strerror}") from error

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_DGRAM):
        """A socket that lives in this namespace whoever uses it."""
        with self:
            return socket.socket(family, kind)

    def forget_flows(self):
        """What `conntrack -F` does: a router that was switched off and on."""
        with self:
            link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        with link:
            # nlmsghdr: length, IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK, sequence, port; nfgenmsg: all families
            header = b"".join(
                (
                    (20).to_bytes(4, "little"),
                    (NFNETLINK_CONNTRACK << 8 | 2).to_bytes(2, "little"),
                    (0x0005).to_bytes(2, "little"),
                    bytes(8),
                    bytes(4),
                )
            )
            link.send(header)
            answer = link.recv(4096)
        error = int.from_bytes(answer[16:20], "little", signed=True)
        if error:
            raise LabError(f"{self.name}: forgetting its flows: {os.strerror(-error)}")


def end(child, patience=2):
    """Ends a process started here: politely, then for good. Its pipes stay with whoever reads them."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
