#!/usr/bin/env python3
"""run.py - ours with other people's programs: libnice, coturn's server, coturn's client. All on loopback.

    tests/interop/run.py [--build DIR] [PATTERN]

The build folder holds libp2pconnect.a and p2pconnect; the programs of this folder are built beside them. Flags of a
sanitized build are taken from CFLAGS. PATTERN is a regular expression over the sentences of CASES.
"""

import argparse
import contextlib
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FLAGS = "-std=c11 -Wall -Wextra -Wshadow -Wconversion -Werror -O2 -g -D_GNU_SOURCE -Istun -Isignaling -Ipeer".split()
OUR_LIBRARIES = "libmosquitto libcjson libsodium libngtcp2 libngtcp2_crypto_gnutls gnutls nettle".split()
START_S = 10
CLIENT_S = 3  # coturn's client neither repeats a question nor gives up


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def expect(true, complaint):
    if not true:
        raise Failed(complaint)


def package_flags(packages):
    done = subprocess.run(["pkg-config", "--cflags", "--libs", *packages], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skipped(f"no development package of {' or '.join(packages)}")
    return done.stdout.split()


def compiled(build, name, packages, archive=()):
    """Builds a program of this folder and answers its path."""
    target = os.path.join(build, "interop", name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    extra = os.environ.get("CFLAGS", "").split()
    source = os.path.join(HERE, name + ".c")
    command = [os.environ.get("CC", "cc"), *FLAGS, *extra, "-o", target, source, *archive, *package_flags(packages)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"{name} does not compile:\n{done.stderr}")
    return target


def ours(build, name):
    return compiled(build, name, OUR_LIBRARIES, [os.path.join(build, "libp2pconnect.a"), "-pthread"])


def run(argv, seconds=60):
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=seconds, check=False)
    return done.returncode, done.stdout + done.stderr


def needed(program, package):
    if not shutil.which(program):
        raise Skipped(f"{program} is not here (Debian: {package})")
    return program


def free_port():
    """A UDP port that nobody has, and neither the one after it, below those that systems choose by themselves: nobody else
    takes it before the server has it."""
    while True:
        port = random.randrange(10000, 30000)
        with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
            with contextlib.suppress(OSError):
                one.bind(("", port))
                two.bind(("", port + 1))
                return port


def is_bound(port, table):
    """Whether any socket of this machine has the UDP port."""
    with open(f"/proc/net/{table}", encoding="ascii") as lines:
        return any(line.split()[1].endswith(f":{port:04X}") for line in list(lines)[1:])


@contextlib.contextmanager
def server(argv, port, tables=("udp",)):
    """A server for as long as the block lasts, which begins when it has its port in all families named."""
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + START_S
        while not all(is_bound(port, table) for table in tables):
            if child.poll() is not None or time.monotonic() > until:
                child.kill()
                raise Failed(f"{argv[0]} did not start: {child.stdout.read().decode(errors='replace')}")
            time.sleep(0.02)
        yield
    finally:
        child.terminate()
        child.communicate()


@contextlib.contextmanager
def coturn(*options):
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="p2pconnect-interop-") as folder:
        argv = [needed("turnserver", "coturn"), "-n", "-L", "127.0.0.1", "-L", "::1", "-p", str(port)]
        argv += ["--lt-cred-mech", "-u", "user:password", "-r", "interop", "--no-tls", "--no-dtls", "--no-cli"]
        argv += ["--log-file", "/dev/null", "--pidfile", f"{folder}/pid", "--userdb", f"{folder}/db", *options]
        with server(argv, port, ("udp", "udp6")):
            yield port


def ice_with_libnice(build, role, seconds=0):
    agent = compiled(build, "nice_agent", ["nice"])
    code, said = run([ours(build, "interop_ice"), agent, role, seconds])
    expect(code == 0, said)


def client_asks_coturn(build, local, address):
    with coturn() as port:
        code, said = run([ours(build, "interop_stun"), local, f"{address}:{port}"])
    expect(code == 0, said or "no answer")


def client_relays_through_coturn(build, transport, user="user", password="password", code=0, *options):
    """The peer is on loopback, which coturn forbids unless it is told not to."""
    with coturn("--allow-loopback-peers", "--cli-password", "unused", "-E", "127.0.0.1", *options) as port:
        program = ours(build, "interop_turn")
        got, said = run([program, transport, f"127.0.0.1:{port}", user, password])
    expect(got == code, said or "nothing")
    return said


def client_is_refused_by_coturn(build):
    said = client_relays_through_coturn(build, "udp", "user", "wrong", 1)
    expect("does not accept the user name or the password" in said, said)


def coturn_client_asks(build, addresses, *options):
    """What coturn's client says of our server on these addresses."""
    client = needed("turnutils_stunclient", "coturn")
    port = free_port()
    argv = [os.path.join(build, "p2pconnect"), "stun-server", "--port", str(port)]
    for address in addresses:
        argv += ["--address", address]
    with server(argv, port):
        _, said = run(["timeout", CLIENT_S, client, *options, "-p", port, addresses[0]])
    return said


def server_answers_coturn(build):
    said = coturn_client_asks(build, ["127.0.0.1"])
    expect(re.search(r"UDP reflexive addr: 127\.0\.0\.1:\d+", said), said or "nothing")


def server_lets_coturn_discover(build):
    """RFC 5780: the second answer must come from the other address and port. The client's third question carries 1,500
    bytes of PADDING (7.6), which our server does not offer; whether that is answered is not looked at."""
    said = coturn_client_asks(build, ["127.0.0.1", "127.0.0.2"], "-f")
    expect(re.findall(r"RFC 5780 response (\d)", said)[:2] == ["1", "2"], said or "nothing")
    expect("Other addr: : 127.0.0.2:" in said, said)
    expect("Response origin: : 127.0.0.2:" in said, said)


CASES = {
    "our ICE, controlling, connects with libnice": lambda build: ice_with_libnice(build, "controlling"),
    "our ICE, controlled, connects with libnice": lambda build: ice_with_libnice(build, "controlled"),
    "our ICE and libnice settle a role conflict": lambda build: ice_with_libnice(build, "conflict"),
    "our ICE and libnice keep consent for 12 s": lambda build: ice_with_libnice(build, "controlling", 12),
    "our STUN client asks coturn over IPv4": lambda build: client_asks_coturn(build, "127.0.0.1", "127.0.0.1"),
    "our STUN client asks coturn over IPv6": lambda build: client_asks_coturn(build, "::1", "[::1]"),
    "our TURN client relays through coturn over UDP": lambda build: client_relays_through_coturn(build, "udp"),
    "our TURN client relays through coturn over TCP": lambda build: client_relays_through_coturn(build, "tcp"),
    "our TURN client is refused by coturn for a wrong password": client_is_refused_by_coturn,
    "coturn's STUN client asks our server": server_answers_coturn,
    "coturn's STUN client discovers behaviour through our server": server_lets_coturn_discover,
}


def try_case(sentence, case, build):
    try:
        case(build)
        print(f"ok      {sentence}", flush=True)
        return "passed"
    except Skipped as why:
        print(f"skipped {sentence}: {why}", flush=True)
        return "skipped"
    except (Failed, subprocess.TimeoutExpired) as why:
        print(f"FAILED  {sentence}: {why}", flush=True)
        return "failed"


def main():
    parser = argparse.ArgumentParser(description="ours with libnice and coturn")
    parser.add_argument("--build", default="build")
    parser.add_argument("pattern", nargs="?", default="")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    outcomes = [try_case(s, case, build) for s, case in CASES.items() if re.search(options.pattern, s)]
    counts = {word: outcomes.count(word) for word in ("passed", "failed", "skipped")}
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    return 1 if counts["failed"] or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
