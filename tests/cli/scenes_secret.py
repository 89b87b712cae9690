"""scenes_secret.py - secrets and codes: where they come from, and where they never are."""

import os
import pty
import re
import resource
import subprocess
import termios

from harness import Skip, check, until
from scene import scene

CODE = "482913-alarm-zebra-lemon-lizard"
WORDS = "alarm-zebra-lemon-lizard"


def private(world, name, data, mode=0o600):
    path = world.file(name, data)
    os.chmod(path, mode)
    return path


@scene
def files_that_others_can_read(world):
    """A secret file that others can read or own, that is no file, or is too long, ends with 2 and a sentence"""
    secret = "correct horse battery"
    os.mkfifo(world.path("pipe"), 0o600)
    wrong = [(private(world, f"mode{mode:o}", secret, mode), "chmod 600") for mode in (0o640, 0o604, 0o620, 0o601, 0o644)]
    wrong += [(world.path("pipe"), "regular"), (world.folder, "regular"), ("/dev/null", "regular"),
              (private(world, "empty", "\n"), "no secret"), (private(world, "long", "x" * 1025), "1024"),
              (private(world, "longer", "x" * 100000), "1024"), (world.path("nothing"), "No such file")]
    if os.geteuid() == 0:
        other = private(world, "other", secret)
        os.chown(other, 65534, 65534)
        wrong.append((other, "another user"))
    for option in ("--secret-file", "--code-file"):
        for path, word in wrong:
            program = world.plain("pipe", *(["--room", "r"] if option == "--secret-file" else []), option, path,
                                  stdin=subprocess.DEVNULL)
            program.expect_code(2)
            check(len(program.lines) == 1 and word in program.err and path in program.err, f"{word}\n{program.story()}")
            check(secret not in program.err, program.story())


@scene
def only_the_last_line_feed_is_removed(world):
    """Of a secret file only one line feed at the end is removed: spaces, capitals and a second one count"""
    anna = world.run("chat", "--name", "anna", "--secret-file", private(world, "a", " Two  Words \n\n"))
    anna.expect_event("room")
    same = world.run("chat", "--name", "same", "--secret-file", private(world, "b", " Two  Words \n"))
    same.expect_event("secret")
    bert = world.run("chat", "--name", "bert", env={"P2PCONNECT_SECRET": " Two  Words \n"})
    anna.expect_event("connected", name="bert")
    check(not anna.events("peer", name="same"), anna.story())


@scene
def keyboards_agree_on_a_secret(world):
    """Composed and decomposed letters and every kind of space are the same secret; capitals are not"""
    anna = world.run("chat", "--name", "anna", env={"P2PCONNECT_SECRET": "K\u00fcche\u00a07 \u00e9"})
    anna.expect_event("room")
    world.run("chat", "--name", "bert", env={"P2PCONNECT_SECRET": "Ku\u0308che\u30007 e\u0301"})
    anna.expect_event("connected", name="bert")
    world.run("chat", "--name", "composed", "--secret-file", private(world, "a", "K\u00fcche 7 \u00e9\n"))
    anna.expect_event("connected", name="composed")
    shouting = world.run("chat", "--name", "shouting", env={"P2PCONNECT_SECRET": "K\u00dcCHE 7 \u00c9"})
    shouting.expect_event("secret")
    check(not anna.events("peer", name="shouting"), anna.story())


@scene
def fresh_codes(world):
    """p2pconnect code prints one line: six digits and four words, another each time"""
    seen = set()
    for _ in range(20):
        program = world.plain("code", stdin=subprocess.DEVNULL)
        program.expect_code(0)
        check(re.fullmatch(rb"\d{6}(-[a-z]{4,8}){4}\n", program.out) and not program.lines, program.story())
        seen.add(bytes(program.out))
    check(len(seen) == 20, f"{seen}")
    with open("/dev/full", "wb") as full:
        program = world.plain("code", stdin=subprocess.DEVNULL, stdout=full)
        program.expect_code(1)
        check("standard output" in program.err, program.story())
    program = world.plain("code", "--room", "r", stdin=subprocess.DEVNULL)
    program.expect_code(2)


def with_code(world, *args, env=None, **options):
    return world.plain(*args, "--broker", world.shared_broker.url, "--stun", "none", "--json", env=env, **options)


def fresh_code(world):
    program = world.plain("code", stdin=subprocess.DEVNULL)
    program.expect_code(0)
    return program.out.decode().strip()


@scene
def a_code_is_a_room_and_its_secret(world):
    """A code from the environment, a file, or typed in another way meets; so does its NAME as room with its words as secret"""
    code = fresh_code(world)
    name, words = code.split("-", 1)
    anna = with_code(world, "chat", "--name", "anna", env={"P2PCONNECT_CODE": code})
    event = anna.expect_event("room")
    check(event["room"] == name and event["open"] is False, str(event))
    shouted = private(world, "code", "  " + code.upper().replace("-", " \u2013 ") + "\n")
    with_code(world, "chat", "--name", "bert", "--code-file", shouted)
    anna.expect_event("connected", name="bert")
    world.run("chat", "--name", "carl", room=name, env={"P2PCONNECT_SECRET": words})
    anna.expect_event("connected", name="carl")


@scene
def broken_codes(world):
    """A code with a wrong word ends with 2, tells its number and none of the words; too short a one says what a code is"""
    for code, word in ((CODE.replace("lemon", "melon1"), "word 3"), (CODE.rsplit("-", 1)[0], "four words"),
                       ("482913", "four words"), (WORDS, "four words"), ("\x1b" + CODE, "four words")):
        for env, args in (({"P2PCONNECT_CODE": code}, ()), ({}, ("--code-file", private(world, "code", code)))):
            program = with_code(world, "pipe", *args, env=env, stdin=subprocess.DEVNULL)
            program.expect_code(2)
            check(word in program.err and len(program.lines) == 1, program.story())
            for part in code.split("-")[1:]:
                check(part not in program.err, f"{part} is told\n{program.story()}")


@scene
def a_code_is_no_room(world):
    """--room refuses a whole code, however it is written, and does not say it again; other names stay possible"""
    for room in (CODE, CODE.upper(), CODE.replace("-", " "), "kitchen-" + WORDS):
        for args, env in ((("--room", room), {}), ((), {"P2PCONNECT_ROOM": room})):
            program = world.plain("pipe", *args, env=env, stdin=subprocess.DEVNULL)
            program.expect_code(2)
            check("--code" in program.err and len(program.lines) == 1, program.story())
            check("zebra" not in program.err.lower(), program.story())
    for room in (WORDS, CODE + "x", "red-lemon"):
        world.run("pipe", "--wait", "1", room=room, stdin=subprocess.DEVNULL).expect_code(4)


@scene
def contradictions(world):
    """--room or --secret beside a code on the command line ends with 2; a value tied to --code or --secret is not repeated"""
    path = private(world, "code", CODE)
    for args in (("--room", "r", "--code-file", path), ("--secret", "--code"), ("--secret-file", path, "--code-file", path),
                 ("--code=" + CODE,), ("--secret=" + CODE, "--room", "r"), ("--code",)):
        program = world.plain("pipe", *args, stdin=subprocess.DEVNULL, before=["setsid", "--wait"])
        program.expect_code(1 if args == ("--code",) else 2)
        check(len(program.lines) == 1 and "zebra" not in program.err, program.story())


@scene(seconds=2)
def the_command_line_stands_before_a_code(world):
    """A room on the command line is not moved by a code in the environment or the configuration file"""
    os.makedirs(world.path("config-home/p2pconnect"))
    world.file("config-home/p2pconnect/config", f"code-file = {private(world, 'code', CODE)}\n")
    for env in ({}, {"P2PCONNECT_CODE": CODE}):
        program = world.run("pipe", "--wait", "1", env=env)
        check(program.expect_event("room")["room"] == world.room, program.story())
        check(program.expect_event("room")["open"] is True, program.story())
        program.expect_code(4)


@scene(seconds=2)
def a_code_is_asked_without_echo(world):
    """--code asks on the terminal without echo"""
    master, slave = pty.openpty()
    program = with_code(world, "chat", "--code", "--wait", "1", stdin=slave, stdout=slave,
                        before=["setsid", "--ctty", "--wait"])
    until(lambda: b"code: " in os.read(master, 4096), 10, "no question")
    until(lambda: not termios.tcgetattr(slave)[3] & termios.ECHO, 5, "the terminal still echoes")
    os.write(master, CODE.upper().replace("-", " ").encode() + b"\n")
    event = program.expect_event("room")
    check(event["room"] == "482913" and event["open"] is False, str(event))
    os.set_blocking(master, False)
    try:
        seen = os.read(master, 4096)
    except BlockingIOError:
        seen = b""
    check(b"ZEBRA" not in seen, "the code was echoed")
    program.expect_code(4)
    os.close(slave)


def places(text):
    """As bytes, as hex and as a JSON string could have it."""
    return [text.encode(), text.encode().hex().encode()]


def memory(pid):
    """All that the process can read of its own memory."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, mode = line.split()[:2]
            begin, end = (int(n, 16) for n in span.split("-"))
            if mode[0] != "r" or "[v" in line:
                continue
            try:
                mem.seek(begin)
                yield mem.read(end - begin)
            except (OSError, ValueError):
                continue


@scene(slow=True)
def a_secret_is_wiped_after_use(world):
    """Once two peers are connected, secret and code are nowhere: memory, environment, arguments, -vv, or a core"""
    if os.geteuid() != 0:
        raise Skip("only root can look into memory")
    words = "correct-horse-battery-of-the-attic"
    for env in ({"P2PCONNECT_SECRET": words}, {"P2PCONNECT_SECRET": "K\u00fcche" + words},
                {"P2PCONNECT_CODE": "482913-" + WORDS}):
        secret, room = (WORDS, ()) if "P2PCONNECT_CODE" in env else (words, ("--room", world.room))
        anna, bert = [with_code(world, "chat", *room, "-vv", "--name", name, env=env, cwd=world.folder,
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)))
                      for name in ("anna", "bert")]
        anna.expect_event("connected", name="bert")
        bert.expect_event("connected", name="anna")
        for program in (anna, bert):
            for text in places(secret):
                for name in ("cmdline", "environ"):
                    with open(f"/proc/{program.pid}/{name}", "rb") as file:
                        check(text not in file.read(), f"the secret is in {name}")
                check(text.decode() not in program.err, "the secret is in what -vv says")
                check(not any(text in part for part in memory(program.pid)), "the secret is in memory")
            with open(f"/proc/{program.pid}/limits", encoding="ascii") as limits:
                check(re.search(r"Max core file size +0 +0", limits.read()), "a core may be written")
            program.signal(11)
            check(program.wait() == -11 and not any("core" in name for name in os.listdir(world.folder)), "a core")


@scene
def a_secret_is_in_no_environment(world):
    """The environment is wiped whatever the command does with it, both of two variables of one name included"""
    secret = "correct horse battery"
    env = {"P2PCONNECT_SECRET": secret, "P2PCONNECT_CODE": secret, "P2PCONNECT_TURN_PASSWORD": secret}
    server = world.plain("stun-server", "--address", "127.0.0.1", "--port", "0", "--json", env=env)
    server.expect_event("listening")
    twice = world.plain("chat", "--room", world.room, "--broker", world.shared_broker.url, "--stun", "none", "--json",
                        before=["python3", "-c", TWICE])
    twice.expect_event("room", open=False)
    for program in (server, twice):
        try:
            with open(f"/proc/{program.pid}/environ", "rb") as environ:
                check(secret.encode() not in environ.read(), f"the secret is in /proc/PID/environ\n{program.story()}")
        except PermissionError:
            check(os.geteuid() != 0, "root cannot look")


# execve with an environment that names one variable twice, which no shell does.
TWICE = """
import ctypes, os, sys
argv = [a.encode() for a in sys.argv[1:]] + [None]
env = [f"{k}={v}".encode() for k, v in os.environ.items()]
env += [b"P2PCONNECT_SECRET=correct horse battery"] * 2 + [None]
strings = lambda items: (ctypes.c_char_p * len(items))(*items)
ctypes.CDLL(None).execve(argv[0], strings(argv), strings(env))
"""
