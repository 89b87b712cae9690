#!/usr/bin/env python3
"""install.py - what `make`, `make install`, `dist`, `deb` and `static` give is complete: install.py --build DIR

Everything is installed below a folder of its own, and then used from there as by a stranger: pages, completions, the
library through pkg-config. A check is a function whose docstring says what must hold.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "cli"))

from harness import Broker, Failure, Skip, check, need  # noqa: E402

SONAME, LIBRARY = "libp2pconnect.so.0", "libp2pconnect.so.0.1.0"
COMMON = {"share/bash-completion/completions/p2pconnect", "share/fish/vendor_completions.d/p2pconnect.fish"}
INSTALLED = COMMON | {
    "bin/p2pconnect", "include/p2pconnect.h", "lib/libp2pconnect.a", "lib/libp2pconnect.so", f"lib/{SONAME}", f"lib/{LIBRARY}",
    "lib/pkgconfig/libp2pconnect.pc", "share/man/man1/p2pconnect.1", "share/man/man3/p2pconnect.3",
    "share/zsh/site-functions/_p2pconnect"}
# Of Debian's packages, below /usr, without what every package has in share/doc; MULTI is the machine's folder of libraries.
PACKAGED = {
    "p2pconnect": COMMON | {"bin/p2pconnect", "share/man/man1/p2pconnect.1.gz", "share/zsh/vendor-completions/_p2pconnect"},
    "libp2pconnect0": {f"lib/MULTI/{SONAME}", f"lib/MULTI/{LIBRARY}"},
    "libp2pconnect-dev": {"include/p2pconnect.h", "lib/MULTI/libp2pconnect.a", "lib/MULTI/libp2pconnect.so",
                          "lib/MULTI/pkgconfig/libp2pconnect.pc", "share/man/man3/p2pconnect.3.gz"},
}


def call(*argv, **options):
    """What it prints on standard output; it must succeed."""
    options.setdefault("cwd", TOP)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False, **options)
    check(done.returncode == 0, f"{' '.join(argv)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def files_below(folder):
    return {os.path.relpath(os.path.join(where, name), folder) for where, _, names in os.walk(folder) for name in names}


class World:
    def __init__(self, build):
        self.build = build
        self.folder = tempfile.mkdtemp(prefix="p2pconnect-install-")
        self.usr = os.path.join(self.folder, "root", "usr")

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self, *words, cwd=TOP):
        return call("make", "-s", "--no-print-directory", *words, cwd=cwd)

    def install(self, target="install"):
        self.make(target, f"B={self.build}", f"DESTDIR={self.path('root')}", "PREFIX=/usr")

    def installed(self, *argv):
        return call(*argv, env={**os.environ, "LD_LIBRARY_PATH": os.path.join(self.usr, "lib")})

    def pkg_config(self, *words):
        return call("pkg-config", *words, "libp2pconnect", env={
            **os.environ, "PKG_CONFIG_PATH": os.path.join(self.usr, "lib", "pkgconfig"),
            "PKG_CONFIG_SYSROOT_DIR": self.path("root")}).split()

    def compile(self, example, flags):
        """An example that has been taken out of the tree."""
        source = shutil.copy(os.path.join(TOP, "examples", example + ".c"), self.folder)
        call("gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-o", self.path(example), source, *flags, cwd=self.folder)
        return self.path(example)

    def meet(self, echo, pipe):
        """Bytes go from one program through a path to the other, and come back."""
        data = os.urandom(300000)
        environment = {**os.environ, "LD_LIBRARY_PATH": os.path.join(self.usr, "lib")}
        with open(self.path("data"), "wb") as file:
            file.write(data)
        broker = Broker(self.folder)
        other = subprocess.Popen([echo, "room", broker.url, "none"], env=environment, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            with open(self.path("data"), "rb") as file:
                done = subprocess.run([pipe, "room", broker.url, "none"], stdin=file, capture_output=True, timeout=30,
                                      env=environment, check=False)
            check(done.returncode == 0 and done.stdout == data, f"{len(done.stdout)} of {len(data)} bytes: {done.stderr}")
        finally:
            other.kill()
            other.wait()
            broker.stop()


# ---- make install ----


def what_is_installed(world):
    """make install puts exactly the command, the library, its header, pages and completions below DESTDIR and PREFIX"""
    world.install()
    found = files_below(world.usr)
    check(found == INSTALLED, f"missing: {INSTALLED - found}, too much: {found - INSTALLED}")


def the_command_runs(world):
    """The installed command says its version, and the completions are its own"""
    command = os.path.join(world.usr, "bin", "p2pconnect")
    version = call(command, "--version")
    check(version.startswith("p2pconnect 0."), version)
    for shell, place in (("bash", "bash-completion/completions/p2pconnect"), ("zsh", "zsh/site-functions/_p2pconnect"),
                         ("fish", "fish/vendor_completions.d/p2pconnect.fish")):
        with open(os.path.join(world.usr, "share", place), encoding="utf-8") as file:
            check(file.read() == call(command, "--completion", shell), f"{place} is not what the command says")


def the_pages_are_of_this_version(world):
    """Both manual pages carry the command's version"""
    version = call(os.path.join(world.usr, "bin", "p2pconnect"), "--version").split()[1]
    for page in ("man1/p2pconnect.1", "man3/p2pconnect.3"):
        with open(os.path.join(world.usr, "share", "man", page), encoding="utf-8") as file:
            check(f'"p2pconnect {version}"' in file.readline(), f"{page} is of another version")


def programs_connect(world):
    """A program compiled outside of the tree with pkg-config's flags meets another, on the shared library"""
    flags = world.pkg_config("--cflags", "--libs")
    echo, pipe = world.compile("echo", flags), world.compile("pipe", flags)
    check(SONAME in call("readelf", "-d", pipe), "it is not linked to the shared library")
    world.meet(echo, pipe)


def programs_connect_statically(world):
    """With pkg-config --static and the archive instead of the shared library they meet as well"""
    os.unlink(os.path.join(world.usr, "lib", "libp2pconnect.so"))
    flags = world.pkg_config("--static", "--cflags", "--libs")
    missing = [flag for flag in flags if flag.startswith("-l") and flag != "-lp2pconnect" and
               os.path.basename(found := call("gcc", f"-print-file-name=lib{flag[2:]}.so").strip()) == found]
    if missing:
        raise Skip(f"for {' '.join(missing)} no development package is installed")
    echo, pipe = world.compile("echo", flags), world.compile("pipe", flags)
    check("libp2pconnect" not in call("readelf", "-d", pipe), "it is linked to the shared library")
    world.meet(echo, pipe)
    world.install()


def what_the_library_exports(world):
    """The shared library exports what the header declares, and nothing else"""
    with open(os.path.join(world.usr, "include", "p2pconnect.h"), encoding="utf-8") as header:
        declared = set(re.findall(r"\b(p2p_\w+)\(", re.sub(r"/\*.*?\*/", "", header.read(), flags=re.S)))
    exported = {line.split()[-1] for line in call("nm", "-D", "--defined-only", os.path.join(world.usr, "lib", LIBRARY)).splitlines()}
    check(declared and exported == declared, f"differ: {exported ^ declared}")


def uninstall(world):
    """make uninstall leaves no file"""
    world.install("uninstall")
    check(not files_below(world.usr), f"left: {files_below(world.usr)}")


# ---- make dist, make deb, make static ----


def the_archive_is_reproducible(world):
    """make dist gives the same bytes twice, and once more in the tree that was unpacked from them"""
    def archive(top):
        world.make("dist", cwd=top)
        [name] = [name for name in os.listdir(os.path.join(top, "build")) if name.endswith(".tar.gz")]
        with open(os.path.join(top, "build", name), "rb") as file:
            return os.path.join(top, "build", name), hashlib.sha256(file.read()).hexdigest()
    name, first = archive(TOP)
    check(archive(TOP)[1] == first, "the second differs from the first")
    call("tar", "-C", world.folder, "-xf", name)
    tree = world.path(os.path.basename(name)[:-len(".tar.gz")])
    os.utime(os.path.join(tree, "README.md"))  # when a file was written is nobody's business
    check(archive(tree)[1] == first, "that of the unpacked tree differs")


def the_packages_have_their_files(world):
    """make deb splits command, library and development files; each package depends on what it needs"""
    need("dh")
    debs = os.path.join(TOP, "build", "deb", "test")
    world.make("deb", f"DEBS={debs}", f"BUILT={world.build}")
    multi = call("gcc", "-print-multiarch").strip()
    for package, wanted in PACKAGED.items():
        [deb] = [name for name in os.listdir(debs) if name.startswith(package + "_") and name.endswith(".deb")]
        call("dpkg", "-x", os.path.join(debs, deb), world.path(package))
        found = {name.replace(multi, "MULTI") for name in files_below(os.path.join(world.path(package), "usr"))}
        found = {name for name in found if not name.startswith(("share/doc/", "share/lintian/"))}
        check(found == wanted, f"{package}: missing: {wanted - found}, too much: {found - wanted}")
        depends = call("dpkg", "-f", os.path.join(debs, deb), "Depends")
        for library in ("libmosquitto-dev", "libp2pconnect0 (= ") if package.endswith("-dev") else ("libmosquitto1", "libgnutls30"):
            check(library in depends, f"{package} does not depend on {library}: {depends}")


def the_static_command_runs(world):
    """make static leaves only the libraries outside whose packages have no archive"""
    unistring = call("gcc", "-print-file-name=libunistring.a").strip()
    if os.path.basename(unistring) == unistring:
        raise Skip("libunistring-dev is not installed")
    world.make("static", f"B={world.build}")
    command = os.path.join(TOP, world.build, "static", "p2pconnect")
    check(call(command, "--version") == call(os.path.join(TOP, world.build, "p2pconnect"), "--version"), "another version")
    needed = set(re.findall(r"\[(lib\w[^.\]]*)\.so", call("readelf", "-d", command)))
    check(not needed & {"libgnutls", "libsodium", "libngtcp2", "libnettle", "libminiupnpc", "libIPSec_MB"}, f"shared: {needed}")


def a_changed_switch_is_noticed(world):
    """make with another switch than the last time makes the objects again, with the same one none"""
    objects = [world.path(name) for name in ("stun/addr.o", "signaling/bell.o", "peer/bucket.o", "peer/cli/words.o",
                                             "sim/nat_kinds.o", "lab/delay")]

    def made(*switches):
        world.make("-j2", f"B={world.folder}", "OPT=-O0", *switches, *objects)
        return [os.stat(name).st_mtime_ns for name in objects]

    plain = made()
    check(made() == plain, "made again without need")
    portable = made("PORTABLE=1")
    check(all(new > old for new, old in zip(portable, plain)), "some are kept from before PORTABLE=1")
    check(made("PORTABLE=1") == portable, "made again without need")
    sanitized = made("SAN=1")
    check(all(new > old for new, old in zip(sanitized, portable)), "some are kept from before SAN=1")
    check(all(new > old for new, old in zip(made(), sanitized)), "some are kept from before the switch was taken back")


def the_multi_buffer_library_is_taken_where_it_serves(world):
    """AES is the multi-buffer library's on amd64 where its header is; not where that does not compile, nor for others"""
    os.mkdir(world.path("headers"))
    header = world.path("headers/intel-ipsec-mb.h")

    def taken(text, *words):
        with open(header, "w", encoding="ascii") as out:
            out.write(text)
        data = call("make", "-pn", "B=" + world.folder, f"CPPFLAGS=-I{world.path('headers')}", *words)
        return re.findall(r"^IPSEC_MB_LIBS := *(.*)$", data, re.M) == ["-lIPSec_MB"]

    good = "#define IMB_VERSION_NUM 0x20000\n"
    check(taken(good) == (os.uname().machine == "x86_64"), "not by what the compiler is for")
    check(not taken("#error\n"), "taken although the header does not compile")
    check(not taken("#define IMB_VERSION_NUM 0x30000\n"), "taken although it is too new")
    check(not taken(good, "PORTABLE=1") and not taken(good, "IPSEC_MB="), "taken although it was left out")


CHECKS = [what_is_installed, the_command_runs, the_pages_are_of_this_version, programs_connect, programs_connect_statically,
          what_the_library_exports, uninstall, the_archive_is_reproducible, the_packages_have_their_files, the_static_command_runs,
          a_changed_switch_is_noticed, the_multi_buffer_library_is_taken_where_it_serves]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="where p2pconnect has been built")
    world = World(parser.parse_args().build)
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    try:
        for one in CHECKS:
            verdict, why = "ok", ""
            try:
                one(world)
            except Skip as skip:
                verdict, why = "skipped", f": {skip}"
            except (Failure, OSError, ValueError, subprocess.SubprocessError) as failure:
                verdict, why = "FAILED", f"\n    {one.__name__}: {failure}"
            counts[verdict] += 1
            print(f"{verdict} - {' '.join(one.__doc__.split())}{why}", flush=True)
    finally:
        shutil.rmtree(world.folder)
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
