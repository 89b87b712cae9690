"""forwarding.py - iperf3 through `forward -L` and through `ssh -L`, in turns, over loopback, both ways.

The sshd is one of the bench's own, on a port of loopback, with keys that live as long as the run. Where iperf3 or sshd
(openssh-server) is missing, the part says so.
"""

import contextlib
import json
import os
import subprocess
import time

import ssh
from tools import BenchError, free_port, quiet_environment, wait_for_port

WAYS = {"there": [], "back": ["-R"]}
READY_SECONDS = 15


@contextlib.contextmanager
def ssh_tunnel(folder, target):
    """A port that leads to the target's by ssh -L; and the processes whose time counts."""
    local = free_port()
    with ssh.server(folder) as server:
        dial = [ssh.need("ssh"), *server.options, "-N", "-p", server.port, "-o", "ExitOnForwardFailure=yes"]
        with ssh.running([*dial, "-L", f"{local}:127.0.0.1:{target}", server.login]) as client:
            wait_for_port(local, client.child, "ssh -L does not listen")
            yield local


@contextlib.contextmanager
def our_tunnel(program, folder, address, target):
    """The same by forward; its port is open at once, so its word is waited for."""
    local, room, log = free_port(), f"bench-{os.getpid()}-forward", os.path.join(folder, "forward.err")
    command = [program, "forward", "--json", "--room", room, "--broker", address, "--stun", "none"]
    options = {"env": quiet_environment(folder)}
    with ssh.running([*command, "--allow", f"127.0.0.1:{target}"], **options), open(log, "wb") as errors:
        near = subprocess.Popen([*map(str, command), "-L", f"{local}:127.0.0.1:{target}"], stderr=errors,
                                stdin=subprocess.DEVNULL, **options)
        try:
            wait_for_grant(log)
            yield local
        finally:
            near.terminate()
            near.wait(5)


def wait_for_grant(log):
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        with open(log, encoding="utf-8") as file:
            if '"granted"' in file.read():
                return
        time.sleep(0.05)
    raise BenchError("the forwards of the bench do not meet")


def iperf(port, way, seconds):
    """Gbit/s at the receiver. A server that has not yet seen the end of the test before refuses the next: it is asked
    again."""
    command = [ssh.need("iperf3"), "-c", "127.0.0.1", "-p", str(port), "-t", str(seconds), "-J", *WAYS[way]]
    until = time.monotonic() + READY_SECONDS
    while True:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
        try:
            told = json.loads(done.stdout)
            if told["start"]["connected"] or time.monotonic() > until:
                return told["end"]["sum_received"]["bits_per_second"] / 1e9
        except (ValueError, KeyError) as error:
            raise BenchError(f"iperf3 through port {port}: {done.stdout[-300:]}{done.stderr[-300:]}") from error
        time.sleep(0.05)


def measure(program, folder, address, rounds, seconds):
    """{way: {name: [Gbit/s of each round]}}"""
    target = free_port()
    found = {way: {"ours": [], "ssh -L": []} for way in WAYS}
    with ssh.running([ssh.need("iperf3"), "-s", "-B", "127.0.0.1", "-p", target]) as server:
        wait_for_port(target, server.child, "iperf3 does not listen")
        with ssh_tunnel(folder, target) as theirs, our_tunnel(program, folder, address, target) as ours:
            for _ in range(rounds):
                for way, results in found.items():
                    results["ours"].append(iperf(ours, way, seconds))
                    results["ssh -L"].append(iperf(theirs, way, seconds))
    return found
