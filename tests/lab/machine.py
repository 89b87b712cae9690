"""machine.py - a computer in the laboratory, and the hardware address it has."""

import ipaddress
import os
import subprocess

from namespace import LabError, Namespace

ROUTER = "203.0.113.1"  # where everything public sends its packets
ROUTER6 = "2001:db8::1"
ROUTER_MAC = "02:00:00:00:00:01"

class Node(Namespace):
    """A namespace with forwarding or without, whose IPv6 addresses are usable at once."""

    def __init__(self, name, forwards=False):
        super().__init__(name)
        self.sysctl(
            ipv6__conf__all__accept_dad=0,
            ipv6__conf__default__accept_dad=0,
            ipv4__conf__all__rp_filter=0,
            ipv4__conf__default__rp_filter=0,
        )
        if forwards:
            self.sysctl(
                ipv4__ip_forward=1,
                ipv6__conf__all__forwarding=1,
                ipv4__conf__all__send_redirects=0,
                ipv4__conf__default__send_redirects=0,
            )


class Machine(Node):
    """A computer of a home. `address` and `address6` are None where it has none. Its programs see its own interfaces
    below /sys too: a mount namespace goes with it."""

    mounts = -1

    def __init__(self, name):
        super().__init__(name)
        self.address = None
        self.address6 = None
        try:
            self._mount_sys()
        except BaseException:
            self.close()
            raise

    def _mount_sys(self):
        script = "mount -t sysfs sysfs /sys && echo ready && read -r _"
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        keeper = self.start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with keeper:
            if keeper.stdout.readline() != b"ready\n":
                raise LabError(f"{self.name}: no /sys of its own")
            self.mounts = os.open(f"/proc/{keeper.pid}/ns/mnt", os.O_RDONLY)

    def wrapper(self):
        if self.mounts < 0:
            return []
        return ["nsenter", f"--mount=/proc/{os.getpid()}/fd/{self.mounts}", f"--wd={os.getcwd()}", "--"]

    def close(self):
        super().close()
        if self.mounts >= 0:
            os.close(self.mounts)
            self.mounts = -1


def mac_of(address):
    """An address has the same hardware address for ever: no neighbour's memory can be wrong."""
    return "02:" + ":".join(f"{byte:02x}" for byte in b"\0" + ipaddress.ip_address(address).packed[-4:])
