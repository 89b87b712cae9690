"""tools.py - builds the bench's own programs and reads what they print."""

import contextlib
import json
import os
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WARNINGS = "-std=c11 -Wall -Wextra -Wshadow -Wconversion -Werror -O2 -g -D_GNU_SOURCE".split()
PROGRAMS = {
    "first_byte": (["first_byte.c"], []),
    "pour": (["pour.c"], []),
    "messages": (["messages.c"], []),
    "nice_peer": (
        ["nice_peer.c", "nice_room.c", "nice_pake.c", "nice_tls.c"],
        ["nice", "libmosquitto", "libsodium", "gnutls"],
    ),
}


ON_THE_LIBRARY = ("messages",)  # through its public header and nothing else


class BenchError(Exception):
    """The bench itself cannot go on; the text is for a person."""


def package_flags(packages):
    if not packages:
        return []
    done = subprocess.run(["pkg-config", "--cflags", "--libs", *packages], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"the bench needs the development packages of {', '.join(packages)}: {done.stderr.strip()}")
    return done.stdout.split()


def library_flags(folder):
    """Of a program in the folder that uses the library one folder above, whichever is there when it runs."""
    return [f"-I{ROOT}/peer", os.path.join(folder, "..", "libp2pconnect.so"), "-Wl,-rpath,$ORIGIN/.."]


def build(name, folder):
    """Compiles one of PROGRAMS into the folder, when a source is newer, and answers its path."""
    sources, packages = PROGRAMS[name]
    target = os.path.join(folder, name)
    paths = [os.path.join(HERE, source) for source in sources]
    seen = [os.path.join(HERE, file) for file in os.listdir(HERE) if file.endswith((".c", ".h"))]
    seen.append(os.path.join(ROOT, "tests", "number.h"))
    if os.path.exists(target) and os.path.getmtime(target) > max(map(os.path.getmtime, seen)):
        return target
    os.makedirs(folder, exist_ok=True)
    compiler = os.environ.get("CC", "cc")
    flags = package_flags(packages) + (library_flags(folder) if name in ON_THE_LIBRARY else [])
    done = subprocess.run([compiler, *WARNINGS, "-o", target, *paths, *flags], check=False)
    if done.returncode != 0:
        raise BenchError(f"{name} does not compile")
    return target


def json_lines(text):
    """The JSON objects among the lines of a program's standard error."""
    found = []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return found


def quiet_environment(folder):
    """The environment without the user's own settings of p2pconnect; no router is asked for a port."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("P2PCONNECT_")}
    return {**kept, "P2PCONNECT_NO_PORTMAP": "yes", "P2PCONNECT_NO_MEMORY": "yes", "XDG_CONFIG_HOME": os.path.join(folder, "no-config")}


def free_port():
    """A TCP port of loopback that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, child, complaint, seconds=10, address="127.0.0.1"):
    """Until the child listens on the port, of loopback or of another address."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((address, port)) == 0:
                return
        time.sleep(0.01)
    raise BenchError(complaint)


@contextlib.contextmanager
def broker(folder):
    """A mosquitto on loopback for as long as the block lasts; gives its address."""
    port = free_port()
    path = os.path.join(folder, "mosquitto.conf")
    with open(path, "w", encoding="ascii") as conf:
        conf.write(f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
        conf.write("max_queued_messages 100000\n")  # who counts all of them must not miss those that come in a rush
    with open(path + ".log", "wb") as log:
        child = subprocess.Popen(["mosquitto", "-c", path], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for_port(port, child, "mosquitto did not start")
        yield f"127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait()
