#!/usr/bin/env python3
"""clean_debian.py - the packages on a Debian 12 that knows nothing of us: clean_debian.py --sources DIR

Debian is put into a folder (debootstrap), once; each run works on copies. In the first one the source package is built with what
it says that it needs, in the second one the results are installed and used: pages, completions at real prompts, a program
compiled with pkg-config that connects. Needs root and Debian's packages from the network, so it is no part of `make test`.
"""

import argparse
import glob
import os
import shutil
import socket
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "cli"))

from harness import Failure, check, free_port, until  # noqa: E402
from scenes_completion import PROMPT, LINES, Shell, prepare  # noqa: E402

FOLDER = os.path.join(TOP, "build", "deb", "clean")
SUITE = "bookworm"
# What is mounted goes with the process that needed it; what apt has fetched stays for the next run.
ENTER = """mount -t proc proc "$0/proc" && mount --bind /sys "$0/sys" && mount --bind "$1" "$0/var/cache/apt/archives" && root=$0 && shift && exec chroot "$root" "$@" """


def run(argv, **options):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          **options)
    check(done.returncode == 0, f"{' '.join(argv)}: {done.stdout[-3000:]}")
    return done.stdout


class Machine:
    """A copy of the clean Debian."""

    def __init__(self, name):
        self.root = os.path.join(FOLDER, name)
        shutil.rmtree(self.root, ignore_errors=True)
        run(["cp", "-a", base(), self.root])
        shutil.copy("/etc/resolv.conf", self.path("/etc/resolv.conf"))
        with open(self.path("/usr/sbin/policy-rc.d"), "w", encoding="ascii") as policy:
            policy.write("#!/bin/sh\nexit 101\n")  # no service begins by itself
        os.chmod(self.path("/usr/sbin/policy-rc.d"), 0o755)
        self.run("apt-get", "-q", "update")

    def path(self, name):
        return self.root + name

    def argv(self, *words, folder="/"):
        return ["unshare", "--mount", "sh", "-c", ENTER, self.root, os.path.join(FOLDER, "archives"), "env", "-C", folder,
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", *words]

    def run(self, *words, folder="/"):
        return run(self.argv(*words, folder=folder))

    def install(self, *packages):
        return self.run("apt-get", "-q", "-y", "--no-install-recommends", "install", *packages)


def base():
    """Debian as debootstrap leaves it; half of one, of a run that was interrupted, does not count."""
    folder = os.path.join(FOLDER, "base")
    if not os.path.exists(folder):
        shutil.rmtree(folder + ".new", ignore_errors=True)
        run(["debootstrap", "--variant=minbase", SUITE, folder + ".new"])
        os.rename(folder + ".new", folder)
    os.makedirs(os.path.join(FOLDER, "archives", "partial"), exist_ok=True)
    return folder


def packages_build(world):
    """The source package builds with what it says that it needs"""
    builder = Machine("builder")
    os.makedirs(builder.path("/build"))
    for name in glob.glob(os.path.join(world.sources, "p2pconnect_*")):
        if not name.endswith((".deb", ".changes", ".buildinfo")):
            shutil.copy(name, builder.path("/build"))
    builder.install("dpkg-dev")
    [description] = glob.glob(builder.path("/build/*.dsc"))
    builder.run("dpkg-source", "-x", os.path.basename(description), "tree", folder="/build")
    builder.run("apt-get", "-q", "-y", "--no-install-recommends", "build-dep", "./tree", folder="/build")
    builder.run("dpkg-buildpackage", "--no-sign", "--build=binary", folder="/build/tree")
    world.debs = [name for name in glob.glob(builder.path("/build/*.deb")) if "-dbgsym" not in name]
    check(len(world.debs) == 3, f"{world.debs}")


def the_command_installs(world):
    """The command's package installs with what it depends on, and runs"""
    world.machine = machine = Machine("user")
    os.makedirs(machine.path("/debs"))
    for deb in world.debs:
        shutil.copy(deb, machine.path("/debs"))
    [command] = [name for name in os.listdir(machine.path("/debs")) if name.startswith("p2pconnect_")]
    machine.install("/debs/" + command)
    version = machine.run("p2pconnect", "--version")
    check(version.startswith("p2pconnect 0.") and "libmosquitto" in version, version)
    print("    " + version.replace("\n", "\n    ").rstrip())


def the_library_installs(world):
    """The development files bring the library and everything that pkg-config asks for"""
    [library] = [name for name in os.listdir(world.machine.path("/debs")) if name.startswith("libp2pconnect0_")]
    [files] = [name for name in os.listdir(world.machine.path("/debs")) if name.startswith("libp2pconnect-dev_")]
    world.machine.install("/debs/" + library, "/debs/" + files, "pkgconf", "gcc", "libc6-dev", "man-db", "bash-completion", "zsh", "fish",
                          "mosquitto")
    print("    " + world.machine.run("pkg-config", "--cflags", "--libs", "libp2pconnect").strip())


def pages(world):
    """man p2pconnect and man 3 p2pconnect show their pages"""
    for words, wanted in ((["p2pconnect"], "--room"), (["3", "p2pconnect"], "p2p_node_new")):
        page = world.machine.run("man", "--warnings", *words)
        check(wanted in page and "warning:" not in page, page[:500])
        print(f"    man {' '.join(words)}: {len(page.splitlines())} lines")


def completions(world):
    """bash, zsh and fish complete from where the package put their scripts"""
    begin = {"bash": f". /usr/share/bash-completion/bash_completion\nPS1='{PROMPT.decode()}'\n",
             "zsh": f"autoload -U compinit\ncompinit -u -D\nPS1='{PROMPT.decode()}'\n"}
    fish = f"function fish_prompt; echo '{PROMPT.decode()}'; end"
    for shell, words in (("bash", ["--noprofile", "--rcfile", "/shell-bash/rc", "-i"]), ("zsh", ["-d", "-i"]), ("fish", ["-i", "-C", fish])):
        folder = world.machine.path("/shell-" + shell)
        prepare(folder)
        for name in ("rc", ".zshrc"):
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(begin.get(shell, ""))
        argv = world.machine.argv("env", "TERM=xterm", f"ZDOTDIR=/shell-{shell}", shell, *words, folder="/shell-" + shell)
        terminal = Shell(argv, folder, {"PATH": os.environ["PATH"]})
        try:
            terminal.check_lines()
        finally:
            terminal.close()
        print(f"    {shell}: {len(LINES)} lines")


def programs_connect(world):
    """The packaged examples compile with pkg-config's flags, and two of them connect"""
    machine = world.machine
    machine.run("sh", "-c", "for name in echo pipe; do gcc -D_GNU_SOURCE -o $name /usr/share/doc/libp2pconnect-dev/examples/$name.c "
                "$(pkg-config --cflags --libs libp2pconnect) || exit 1; done", folder="/root")
    port = free_port()
    broker = f"127.0.0.1:{port}"
    data = os.urandom(1 << 20)
    with open(machine.path("/root/data"), "wb") as file:
        file.write(data)
    others = [subprocess.Popen(machine.argv(*words, folder="/root"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL) for words in (["mosquitto", "-p", str(port)], ["./echo", "room", broker, "none"])]
    try:
        until(lambda: answers(port), 20, "mosquitto does not start")
        begun = time.monotonic()
        machine.run("sh", "-c", f"timeout 60 ./pipe room {broker} none <data >back && cmp data back", folder="/root")
        print(f"    1 MiB there and back in {time.monotonic() - begun:.1f} s")
    finally:
        for other in others:
            other.kill()
            other.wait()


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def nothing_remains(world):
    """Purged, the packages leave nothing behind"""
    world.machine.run("apt-get", "-q", "-y", "purge", "p2pconnect", "libp2pconnect0", "libp2pconnect-dev")
    left = run(["find", world.machine.path("/usr"), world.machine.path("/etc"), world.machine.path("/var/lib"), "-name", "*p2pconnect*",
                "-not", "-path", "*/var/lib/apt/*"])
    check(not left, f"left: {left}")


class World:
    sources = machine = None
    debs = ()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", required=True, help="where `make deb` has put the source package")
    world = World()
    world.sources = parser.parse_args().sources
    passed = 0
    steps = (packages_build, the_command_installs, the_library_installs, pages, completions, programs_connect, nothing_remains)
    for step in steps:
        begun = time.monotonic()
        try:
            step(world)
        except (Failure, OSError, ValueError) as failure:
            print(f"FAILED - {step.__doc__}\n    {failure}\n{passed} passed, 1 failed")
            return 1
        passed += 1
        print(f"ok - {step.__doc__}  [{time.monotonic() - begun:.0f} s]", flush=True)
    print(f"{passed} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
