"""scenes_usage.py - command line, environment, configuration file, help."""

import json
import os
import re
import subprocess

from harness import check, until
from scene import scene

WRONG = [
    (["bogus"], "bogus"),
    (["chat", "extra", "--room", "r"], "extra"),
    (["--no-such-option", "--room", "r"], "--no-such-option"),
    (["-x", "--room", "r"], "-x"),
    (["chat"], "--room"),
    (["chat", "--room"], "--room"),
    (["chat", "--room="], "--room"),
    (["chat", "--room", "r", "--json=yes"], "json"),
    (["chat", "--room", "r", "--wait", "soon"], "--wait"),
    (["chat", "--room", "r", "--wait", "-1"], "--wait"),
    (["chat", "--room", "r", "--port", "65536"], "--port"),
    (["chat", "--room", "r", "--port", "0x50"], "--port"),
    (["chat", "--room", "r", "--max-peers", "0"], "--max-peers"),
    (["chat", "--room", "r", "--max-peers", "65"], "--max-peers"),
    (["chat", "--room", "r", "--paths", "host,road"], "--paths"),
    (["chat", "--room", "r", "--paths", ","], "--paths"),
    (["chat", "--room", "r", "--broker-relay", "fast"], "--broker-relay"),
    (["chat", "--room", "r", "--broker-relay", "0"], "--broker-relay"),
    (["chat", "--room", "r", "--broker-relay", "1023"], "--broker-relay"),
    (["chat", "--room", "r", "--broker-relay", "32KB"], "--broker-relay"),
    (["chat", "--room", "r", "--broker-relay", "-1"], "--broker-relay"),
    (["chat", "--room", "r", "--broker-relay", "4000000M"], "--broker-relay"),
    (["chat", "--room", "r", "--broker", "http://example.org"], "--broker"),
    (["chat", "--room", "r", "--broker", "host:port"], "--broker"),
    (["chat", "--room", "r"] + ["--broker", "127.0.0.1"] * 5, "--broker"),
    (["chat", "--room", "r", "--stun", "a b"], "--stun"),
    (["chat", "--room", "r", "--turn", "relay.example.org"], "--turn"),
    (["chat", "--room", "r", "--turn", "turn:relay.example.org?transport=sctp"], "--turn"),
    (["chat", "--room", "r", "--turn", "turns:relay.example.org?transport=udp"], "--turn"),
    (["chat", "--room", "r"] + ["--turn", "turn:127.0.0.1"] * 5, "--turn"),
    (["chat", "--room", "r", "--turn-password", "x"], "--turn-password"),
    (["chat", "--room", "r"] + ["--stun", "127.0.0.1"] * 9, "--stun"),
    (["chat", "--room", "r", "--name", "x" * 65], "--name"),
    (["chat", "--room", "r", "--name", "a\x1b[31m"], "--name"),
    (["chat", "--room", "r", "--to", ""], "--to"),
    (["chat", "--room", "r", "--interface", "nonesuch0"], "--interface"),
    (["chat", "--room", "r", "--keep"], "--keep"),
    (["pipe", "--room", "r", "-c", "3"], "--count"),
    (["ping", "--room", "r", "-c", "0"], "--count"),
    (["ping", "--room", "r", "--address", "127.0.0.1"], "--address"),
    (["stun-server", "--room", "r"], "--room"),
    (["explain", "--port", "7"], "--port"),
    (["chat", "--room", "r", "--svg"], "--svg"),
    (["doctor", "--room", "r"], "--room"),
    (["doctor", "--interface", "nonesuch0"], "--interface"),
    (["stun-server", "--address", "localhost"], "--address"),
    (["chat", "--room", "r", "--secret", "--version=1"], "version"),
    (["pipe", "--room", "r", "--secret-file", "/nonexistent/secret"], "/nonexistent/secret"),
    (["pipe", "--room", "r", "--secret-file", "/dev/null"], "regular"),
]


@scene
def wrong_usage(world):
    """Each wrong command line ends with 2 and one sentence that names what is wrong"""
    for args, named in WRONG:
        program = world.plain(*args, stdin=subprocess.DEVNULL)
        program.expect_code(2)
        check(len(program.lines) == 1 and named in program.err and not program.out,
              f"not one sentence that names {named}\n{program.story()}")


@scene
def impossible_rooms(world):
    """A room name that is empty, too long, not UTF-8, or has control characters ends with 2"""
    for name in (b"", b"x" * 129, b"a\nb", b"a\x1b[2J", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xc2\x85", b"\xe2\x80\xae",
                 b"\xc0\x80", b"\x7f"):
        program = world.plain("pipe", "--room", name, stdin=subprocess.DEVNULL)
        program.expect_code(2)
        check(len(program.lines) == 1 and "room" in program.err, f"{name!r}\n{program.story()}")
        check("\x1b" not in program.err, f"{name!r} reached the terminal")


@scene
def wrong_usage_as_json(world):
    """With --json a wrong command line is told as one error event"""
    program = world.plain("--json", "chat", "--room", "r", "--wait", "x", stdin=subprocess.DEVNULL)
    program.expect_code(2)
    event = program.expect_event("error", code=2)
    check("--wait" in event["message"] and isinstance(event["t_ms"], int), str(event))
    check(len(program.lines) == 1, program.story())


@scene
def help_is_a_screen(world):
    """--help names every command and option in 24 to 60 lines of at most 80 columns, on standard output"""
    for args in (["--help"], ["chat", "-h"], ["--wait", "1", "--help"]):
        program = world.plain(*args, stdin=subprocess.DEVNULL)
        program.expect_code(0)
        lines = program.out.decode().splitlines()
        check(24 <= len(lines) <= 60 and max(map(len, lines)) <= 80 and not program.lines, program.out.decode())
    for word in ("chat", "pipe", "ping", "echo", "doctor", "send PATH", "receive DIR", "--yes", "--ask-above", "--symlinks", "--as ", "forward", "stun-server", "code", "explain FILE", "--svg", "--local", "--remote", "--stdio", "--allow", "--udp", "--room", "--code", "--code-file", "--broker", "--stun", "--turn", "--turn-user", "--secret-file", "--name",
                 "--to", "--paths", "--broker-relay", "--congestion", "--interface", "--exclude", "--port", "--max-peers", "--no-portmap", "--no-memory", "--life", "--keep", "--wait", "--json",
                 "--quiet", "--verbose", "--version", "--help", "--count", "--address"):
        check(word in program.out.decode(), f"{word} is missing")


@scene
def version(world):
    """--version prints name and version, and on a second line those of the libraries that were loaded"""
    program = world.plain("--version", stdin=subprocess.DEVNULL)
    program.expect_code(0)
    lines = program.out.decode().splitlines()
    check(len(lines) == 2 and re.fullmatch(r"p2pconnect \d+\.\d+\.\d+", lines[0]), program.story())
    with open(world.program, "rb") as program_file:
        optional = ["intel-ipsec-mb"] if b"libIPSec_MB" in program_file.read() else []
    for name in ["libmosquitto", "cJSON", "libsodium", "ngtcp2", "GnuTLS", "nettle", "miniupnpc", *optional]:
        check(re.search(rf"\b{name} \d+\.\d+", lines[1]), f"{name} is missing: {lines[1]}")


@scene
def help_into_a_full_disk(world):
    """--help and --version that cannot be written end with 1"""
    for option in ("--help", "--version"):
        with open("/dev/full", "wb") as full:
            program = world.plain(option, stdin=subprocess.DEVNULL, stdout=full)
            program.expect_code(1)
            check("standard output" in program.err, program.story())


def config(world, text):
    os.makedirs(world.path("config-home/p2pconnect"), exist_ok=True)
    return world.file("config-home/p2pconnect/config", text)


@scene
def broken_config(world):
    """A mistake in the configuration file ends with 2 and names its line; --help works all the same"""
    for text, line in (("# fine\n\nwait = 5\ncolour = red\n", ":4:"), ("wait\n", ":1:"), ("port = high\n", ":1:"),
                       ("version = yes\n", ":1:"), ("json = perhaps\n", ":1:")):
        path = config(world, text)
        program = world.plain("pipe", "--room", "r", stdin=subprocess.DEVNULL)
        program.expect_code(2)
        check(path + line in program.err and len(program.lines) == 1, program.story())
        world.plain("--help", stdin=subprocess.DEVNULL).expect_code(0)


@scene(seconds=3)
def config_and_environment(world):
    """The command line stands before the environment, and that before the configuration file"""
    config(world, f"# defaults\nroom = {world.room}\nbroker = {world.shared_broker.url}\nstun = none\n"
                  "  name = from the file  \nwait = 30\njson = yes\nmax-peers = 3\n")
    other = world.run("chat", "--name", "other")
    plain = world.plain("chat")
    other.expect_event("connected", name="from the file")
    world.plain("chat", env={"P2PCONNECT_NAME": "from the environment"})
    other.expect_event("connected", name="from the environment")
    world.plain("chat", "--name", "from the line", env={"P2PCONNECT_NAME": "from the environment"})
    other.expect_event("connected", name="from the line")
    plain.expect_event("connected", name="other")
    alone = world.plain("pipe", "--room", world.room + " alone", env={"P2PCONNECT_WAIT": "1"})
    alone.expect_code(4, 5)


@scene
def wrong_environment(world):
    """A mistake in the environment ends with 2 and names the variable"""
    program = world.plain("pipe", "--room", "r", stdin=subprocess.DEVNULL, env={"P2PCONNECT_MAX_PEERS": "many"})
    program.expect_code(2)
    check("P2PCONNECT_MAX_PEERS" in program.err, program.story())


@scene
def several_values_in_the_environment(world):
    """An option that may be given several times takes words separated by spaces from the environment"""
    program = world.plain("pipe", "--room", "r", stdin=subprocess.DEVNULL,
                          env={"P2PCONNECT_BROKER": "one two three four five"})
    program.expect_code(2)
    check("P2PCONNECT_BROKER" in program.err and "4 times" in program.err, program.story())


@scene
def secret_is_wiped_from_the_environment(world):
    """P2PCONNECT_SECRET connects two peers and is gone from the environment that others can see"""
    secret = "correct horse battery"
    anna, bert = world.pair(env={"P2PCONNECT_SECRET": secret})
    for program in (anna, bert):
        try:
            with open(f"/proc/{program.pid}/environ", "rb") as environ:
                check(secret.encode() not in environ.read(), "the secret is in /proc/PID/environ")
        except PermissionError:
            check(os.geteuid() != 0, "root cannot look")  # who has a secret is not dumpable: closed to its own user too
    check(anna.expect_event("room")["open"] is False, anna.story())


@scene
def secret_from_a_file(world):
    """--secret-file and P2PCONNECT_SECRET with the same secret meet; a line feed at the end of the file is not part of it"""
    path = world.file("secret", "correct horse battery\n")
    anna = world.run("chat", "--name", "anna", "--secret-file", path)
    bert = world.run("chat", "--name", "bert", env={"P2PCONNECT_SECRET": "correct horse battery"})
    anna.expect_event("connected", name="bert")
    bert.expect_event("connected", name="anna")


@scene
def too_long_a_secret(world):
    """A secret of more than 1024 bytes ends with 2"""
    world.run("pipe", "--secret-file", world.file("secret", "x" * 1025)).expect_code(2)
    program = world.run("pipe", env={"P2PCONNECT_SECRET": "x" * 1025})
    program.expect_code(2)


@scene
def commands_by_default(world):
    """Without a command and without a terminal it is a pipe"""
    first = world.plain("--room", world.room, "--broker", world.shared_broker.url, "--stun", "none", "--json")
    second = world.run("pipe", "--name", "second")
    first.expect_event("connected", name="second")
    first.send("one")
    first.close_input()
    second.close_input()
    first.expect_code(0)
    second.expect_code(0)
    check(second.out == b"one", second.story())


@scene
def json_events(world):
    """Every event line parses and has the members that are promised"""
    anna, bert = world.pair(args=("-vv",))
    anna.send("hello \"world\" \\ \u00e4\n")
    bert.expect_event("message", name="anna", text="hello \"world\" \\ \u00e4")
    anna.close_input()
    anna.expect_code(0)
    bert.expect_event("closed", reason="left")
    bert.close_input()
    bert.expect_code(0)
    promised = {
        "room": {"room": str, "id": str, "brokers": list, "open": bool},
        "candidate": {"kind": str, "address": str},
        "peer": {"peer": str, "name": str},
        "path": {"peer": str, "kind": str, "local": str, "remote": str, "rtt_ms": float, "why": str},
        "connected": {"peer": str, "name": str, "kind": str, "local": str, "remote": str, "rtt_ms": float},
        "message": {"peer": str, "name": str, "text": str},
        "closed": {"peer": str, "reason": str},
        "end": {"code": int},
    }
    for program in (anna, bert):
        check(program.events()[-1]["event"] == "end" and program.events()[-1]["code"] == 0, f"no end\n{program.story()}")
        for _, text in program.lines:
            event = json.loads(text)
            check(isinstance(event["event"], str) and isinstance(event["t_ms"], int), text)
            for member, kind in promised.get(event["event"], {}).items():
                check(isinstance(event.get(member), kind), f"{member} of {text}")
    check(set(promised) <= {e["event"] for e in bert.events()}, f"events are missing\n{bert.story()}")
    path = bert.events("path")[0]
    check(path["kind"] == "host" and path["why"], str(path))
    check(bert.events("trace"), "-vv shows no messages")
    times = [e["t_ms"] for e in bert.events()]
    check(times == sorted(times), "t_ms goes backwards")


@scene
def quiet_says_nothing(world):
    """With -q a session that goes well says nothing on standard error"""
    anna = world.run("pipe", "-q", json_lines=False)
    bert = world.run("pipe", "-q", json_lines=False)
    anna.send("text")
    anna.close_input()
    bert.close_input()
    bert.expect_code(0)
    anna.expect_code(0)
    until(lambda: bert.out == b"text", 5, bert.story)
    check(not anna.lines and not bert.lines, anna.story() + bert.story())
