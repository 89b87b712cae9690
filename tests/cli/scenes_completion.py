"""scenes_completion.py - bash, zsh and fish at a terminal complete what the two tables say, at the press of Tab."""

import os
import pty
import select
import signal
import subprocess
import time

from harness import check, need
from scene import scene

PATIENCE_S = 20
PROMPT = b"READY>"

# What is typed before Tab, and what is then on the line. A part that begins more than one word is no case: what a shell
# does then is for its user to decide.
LINES = (
    ("p2pconnect do", "p2pconnect doctor"),
    ("p2pconnect stun", "p2pconnect stun-server"),
    ("p2pconnect chat --ro", "p2pconnect chat --room"),
    ("p2pconnect --room do pip", "p2pconnect --room do pipe"),
    ("p2pconnect ping --cou", "p2pconnect ping --count"),
    ("p2pconnect chat --cou", "p2pconnect chat --cou"),  # is ping's alone
    ("p2pconnect stun-server --ro", "p2pconnect stun-server --ro"),
    ("p2pconnect chat --paths di", "p2pconnect chat --paths direct"),
    ("p2pconnect chat --paths lan,di", "p2pconnect chat --paths lan,direct"),
    ("p2pconnect send --congestion b", "p2pconnect send --congestion bbr"),
    ("p2pconnect doctor --interface l", "p2pconnect doctor --interface lo"),
    ("p2pconnect chat --secret-file sec", "p2pconnect chat --secret-file secret-of-ours"),
    ("p2pconnect chat --room sec", "p2pconnect chat --room sec"),  # a room is no file
    ("p2pconnect send --room x sec", "p2pconnect send --room x secret-of-ours"),
    ("p2pconnect receive fol", "p2pconnect receive folder"),
    ("p2pconnect receive sec", "p2pconnect receive sec"),  # nor is a file a folder
    ("p2pconnect forward -L 8080:localhost:80 --al", "p2pconnect forward -L 8080:localhost:80 --allow"),
)


class Shell:
    """An interactive shell on a terminal; what it prints is only searched for its prompt."""

    def __init__(self, argv, folder, environment):
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TERM": "xterm", "LC_ALL": "C.UTF-8", **environment}
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(argv[0], argv, environment)
        self.folder, self.seen, self.lines = folder, b"", 0

    def wait_for(self, ready):
        until = time.monotonic() + PATIENCE_S
        while not ready():
            check(time.monotonic() < until, f"the shell did not go on: {self.seen[-2000:]!r}")
            if select.select([self.terminal], [], [], 0.02)[0]:
                self.seen += os.read(self.terminal, 65536)

    def completed(self, typed):
        """The line after Tab: it becomes the argument of an echo into a file."""
        self.lines += 1
        path = os.path.join(self.folder, f"line-{self.lines}")
        os.write(self.terminal, typed.encode() + b"\t\x01echo \x05 >" + os.path.basename(path).encode() + b" && echo >done\n")
        done = os.path.join(self.folder, "done")
        self.wait_for(lambda: os.path.exists(done))
        os.unlink(done)
        with open(path, encoding="utf-8") as file:
            return file.read().strip()

    def check_lines(self):
        self.wait_for(lambda: PROMPT in self.seen)
        for typed, wanted in LINES:
            got = self.completed(typed)
            check(got.rstrip("/") == wanted, f"{typed!r} and Tab: {got!r}, not {wanted!r}")

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


def prepare(folder):
    """What the lines complete to: a file and a folder."""
    os.makedirs(os.path.join(folder, "folder"))
    with open(os.path.join(folder, "secret-of-ours"), "w", encoding="utf-8") as file:
        file.write("x")


def complete_in(world, shell, argv, place, environment=None):
    need(shell)
    folder = world.path("shell")
    prepare(folder)
    script = world.plain("--completion", shell, stdin=subprocess.DEVNULL)
    script.expect_code(0)
    with open(os.path.join(folder, place), "wb") as file:
        file.write(script.out)
    terminal = Shell(argv, folder, environment or {})
    try:
        terminal.check_lines()
    finally:
        terminal.close()


@scene(seconds=5)
def bash_completes(world):
    """At bash's prompt Tab completes commands, the options of each, paths, interfaces, files and folders"""
    rc = world.file("bashrc", f"source ./script.bash\nPS1='{PROMPT.decode()}'\n")
    complete_in(world, "bash", ["bash", "--noprofile", "--rcfile", rc, "-i"], "script.bash")


@scene(seconds=5)
def zsh_completes(world):
    """The same at zsh's prompt"""
    os.makedirs(world.path("zsh"))
    world.file("zsh/.zshrc", f"fpath=({world.path('shell')} $fpath)\nautoload -U compinit\ncompinit -u -D\nPS1='{PROMPT.decode()}'\n")
    complete_in(world, "zsh", ["zsh", "-d", "-i"], "_p2pconnect", {"ZDOTDIR": world.path("zsh")})


@scene(seconds=5)
def fish_completes(world):
    """The same at fish's prompt"""
    begin = f"source ./script.fish; function fish_prompt; echo '{PROMPT.decode()}'; end"
    complete_in(world, "fish", ["fish", "--no-config", "-i", "-C", begin], "script.fish")


@scene
def completion_of_another_shell(world):
    """For any other shell there is one sentence, and exit code 2"""
    program = world.plain("--completion", "csh", stdin=subprocess.DEVNULL)
    program.expect_code(2)
    check(not program.out and "bash, zsh and fish" in program.err, program.story())
