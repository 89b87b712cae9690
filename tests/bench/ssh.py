"""ssh.py - a sshd of the bench's own, with keys that live as long as the run."""

import contextlib
import getpass
import os
import shutil
import signal
import subprocess

from process import Measured
from tools import BenchError, free_port, wait_for_port

OPTIONS = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "LogLevel=ERROR")


def need(name):
    found = shutil.which(name, path="/usr/sbin:" + os.environ["PATH"])
    if not found:
        raise BenchError(f"the bench needs {name} (packages iperf3 and openssh-server)")
    return found


@contextlib.contextmanager
def running(argv, **options):
    child = Measured(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        yield child
    finally:
        if child.usage is None:  # not by Popen, which would take the end from whoever measures it
            os.kill(child.child.pid, signal.SIGTERM)
        child.end(5)


def make_key(path):
    if not os.path.exists(path):
        subprocess.run([need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


class Server:
    """Where it listens, and what its clients need to know."""

    def __init__(self, address, port, key):
        self.address = address
        self.port = port
        self.key = key
        self.user = getpass.getuser()

    @property
    def options(self):
        """Of ssh and of scp, all but the port's."""
        return ["-F", "none", "-i", self.key, *(word for option in OPTIONS for word in ("-o", option))]

    @property
    def login(self):
        return f"{self.user}@{self.address}"


@contextlib.contextmanager
def server(folder, machine=None):
    """On a port of loopback, or at the address of a machine of the laboratory."""
    address, port = (machine.address if machine else "127.0.0.1"), free_port()
    host, user = (make_key(os.path.join(folder, name)) for name in ("host_key", "user_key"))
    config = os.path.join(folder, "sshd_config")
    with open(config, "w", encoding="ascii") as file:
        file.write(f"Port {port}\nListenAddress {address}\nHostKey {host}\nAuthorizedKeysFile {user}.pub\n"
                   "StrictModes no\nPidFile none\nUsePAM no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)  # where it locks its unprivileged half in
    with machine or contextlib.nullcontext():
        with running([need("sshd"), "-D", "-f", config]) as child:
            wait_for_port(port, child.child, "sshd does not listen", address=address)
            yield Server(address, port, user)
