"""scenes_explain.py - the ladder of a session, drawn from what the real commands have told."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import xml.etree.ElementTree

from harness import check, rss_kb, until
from scene import scene

UTF8 = {"LC_ALL": "C.UTF-8"}


def explain(world, *args, code=0, env=None, data=None, **options):
    """What explain says of these logs, or of `data` on its standard input."""
    program = world.plain("explain", *args, env=UTF8 | (env or {}), **({"stdin": subprocess.DEVNULL} if data is None else {}),
                          **options)
    if data is not None:
        program.send(data)
        program.close_input()
    program.expect_code(code, timeout=60)
    return program


def keep(world, program, name):
    """A program's events as a file, when it has ended."""
    return world.file(name, program.err + "\n")


def session(world, command="pipe", args=("-vv",)):
    """Two of a command that have met and ended: their logs."""
    programs = [world.run(command, "--name", name, *args) for name in ("anna", "bert")]
    for program in programs:
        program.expect_event("connected")
        program.close_input()
    for program in programs:
        program.expect_code(0)
    return [keep(world, program, f"{program.argv[3]}.jsonl") for program in programs]


def in_order(text, words):
    at = 0
    for word in words:
        found = text.find(word, at)
        check(found >= 0, f"no {word!r} after {at} in\n{text}")
        at = found


@scene(seconds=2)
def explain_draws_a_pipe(world):
    """--json 2>&1 into explain draws who met whom by which path, and the exit code, 100 columns wide at most"""
    other = world.run("pipe", "--name", "bert")
    shell = f'"$0" pipe --name anna --room "$1" --broker {world.shared_broker.url} --stun none --json -vv 2>&1 | "$0" explain'
    both = world.start(["sh", "-c", shell, world.program, world.room], env=UTF8)
    other.expect_event("connected")
    other.send("data without an end of line")
    other.close_input()
    both.close_input()
    both.expect_code(0)
    other.expect_code(0)
    text = both.out.decode()
    in_order(text, ["anna (here)", "broker", "bert", "joins the room", "met and proven", "connected: host", "exit code 0"])
    for word in ("hello", "pake", "─", "│", "═"):
        check(word in text, text)
    check(max(map(len, text.splitlines())) <= 100, text)
    check(not both.lines, both.story())  # the data stands before an event, on its line


@scene(seconds=4)
def both_sides_in_one_picture(world):
    """Two logs of one session are one ladder: by messages with -vv, else by when they connected; messages are sent first"""
    for args, how in ((("-vv",), "by messages that both saw"), ((), "-vv is more exact")):
        logs = session(world, args=args)
        program = explain(world, *logs)
        check(how in program.err, program.story())
        text = program.out.decode()
        check(text.count("joins the room") == 2 and text.count("met and proven") == 2, text)
        check(text.count("exit code 0") == 2, text)
    logs = session(world)
    picture = xml.etree.ElementTree.fromstring(explain(world, "--svg", *logs).out)
    lines = [[int(line.get(key)) for key in ("x1", "y1", "x2", "y2")] for line in picture.iter("{http://www.w3.org/2000/svg}line")]
    leaning = [line for line in lines if line[0] != line[2] and line[1] != line[3]]
    check(len(leaning) >= 3 and all(y2 > y1 for _, y1, _, y2 in leaning), f"{leaning}")


@scene(seconds=6)
def every_command_can_be_explained(world):
    """chat, echo and ping, send and receive, forward and doctor: each session is drawn with what is its own"""
    chats = world.pair()
    chats[0].send("not for the picture\n")
    chats[1].expect_output("anna: not for the picture\n")
    for chat in chats:
        chat.close_input()
        chat.expect_code(0)
    text = explain(world, keep(world, chats[1], "chat")).out.decode()
    check("message, 19 bytes" in text and "not for the picture" not in text, text)
    echo, ping = world.run("echo"), world.run("ping", "-c", "1")
    for program, word in ((ping, "1 pings, 1 came back"), (echo, "closed: left")):
        program.expect_code(0)
        check(word in explain(world, keep(world, program, "log")).out.decode(), f"no {word}")
    sender = world.run("send", world.file("a file", "contents"), room=world.room + "f")
    receiver = world.run("receive", world.path("there"), "--yes", room=world.room + "f")
    for program, word in ((receiver, "a file: arrived"), (sender, "transfer complete")):
        program.expect_code(0)
        check(word in explain(world, keep(world, program, "log")).out.decode(), f"no {word}")
    forward = world.run("forward", "--allow", "localhost:9", "--wait", "1", room=world.room + "w")
    forward.expect_code(4)
    check("exit code 4" in explain(world, keep(world, forward, "log")).out.decode(), "no exit code 4")
    doctor = world.plain("doctor", "--json", "--stun", "none", "--broker", world.shared_broker.url)
    doctor.expect_code(0)
    check("all is well" in explain(world, data=bytes(doctor.out)).out.decode(), doctor.story())


@scene
def lines_that_are_no_events(world):
    """Foreign lines, a line without end and garbage are passed over and counted; a journal's prefix is no matter"""
    event = json.dumps({"event": "note", "t_ms": 5, "message": "the only one"})
    noise = [b"sentence", b"{}", os.urandom(300).replace(b"\n", b""), b'{"event":', b"x" * (1 << 20), b'{"event":"note","t_ms":true}']
    data = b"\n".join(noise) + b"\nNov 30 10:00:00 home p2pconnect[7]: " + event.encode() + b"\r\n\n\n"
    program = explain(world, data=data)
    check("the only one" in program.out.decode(), program.story())
    check(program.err == f"standard input: {len(noise)} lines are no events and were passed over", program.err)
    check(not explain(world, "-q", data=data).lines, "-q says it all the same")


@scene
def explain_refuses(world):
    """No events, no file, a folder, two strangers, a full disk end with 1 and a sentence; a room or three logs with 2"""
    log = world.file("log", '{"event":"room","t_ms":1,"room":"r","id":"aaaa","brokers":[]}\n')
    other = world.file("other", '{"event":"room","t_ms":1,"room":"r","id":"bbbb","brokers":[]}\n')
    for args, code, word in ((("/dev/null",), 1, "no events"), (("/nonexistent",), 1, "/nonexistent"), ((world.folder,), 1, "directory"),
                             ((log, other), 1, "not the two sides"), ((log, log), 1, "not the two sides"),
                             ((log, other, log), 2, "too much"), (("--room", "r", log), 2, "--room")):
        program = explain(world, *args, code=code)
        check(len(program.lines) == 1 and word in program.err and not program.out, program.story())
    with open("/dev/full", "wb") as full:
        check("standard output" in explain(world, log, code=1, stdout=full).err, "a full disk goes unnoticed")
    program = explain(world, "--json", "/nonexistent", code=1)
    program.expect_event("error", code=1)


@scene
def hostile_events(world):
    """Names and texts of others come out as text, as they would in a sentence: nothing for a terminal or a browser"""
    evil = "\x1b]0;owned\x07\x1b[2J\u202e\r<script>alert(1)</script>&\"'\u0085\ufffe"
    lines = [{"event": "room", "t_ms": 1, "room": evil, "id": evil, "brokers": [evil]},
             {"event": "peer", "t_ms": 2, "peer": evil, "name": evil, "purpose": evil, "words": evil},
             {"event": "path", "t_ms": 3, "peer": evil, "kind": evil, "local": evil, "remote": evil, "rtt_ms": 1e300, "why": evil * 20},
             {"event": "trace", "t_ms": 4, "direction": "in", "text": json.dumps({"type": evil, "from": evil})},
             {"event": evil, "t_ms": 5, "text": evil}, {"event": "closed", "t_ms": 6, "peer": evil, "reason": evil}]
    log = world.file("log", "\n".join(map(json.dumps, lines)))
    for args, env in (((), {}), ((), {"LC_ALL": "C"}), (("--svg",), {})):
        out = explain(world, *args, log, env=env).out.decode()
        bad = [c for c in out if (ord(c) < 0x20 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2028"]
        check(not bad and "\\x1b" in out, f"{bad}\n{out}")
    picture = xml.etree.ElementTree.fromstring(out)
    check({element.tag.split("}")[1] for element in picture.iter()} <= {"svg", "title", "defs", "marker", "path", "rect", "line",
                                                                     "circle", "text", "g"}, "elements that are not ours")
    check("<script>alert(1)</script>" in "".join(picture.itertext()), "what was said is not shown")


@scene(seconds=3, slow=True)
def a_huge_log(world):
    """100,000 events are drawn in bounded memory: both ends, the turning points, and how much was left out"""
    events = [{"event": "message", "t_ms": i, "peer": "p", "name": f"n{i % 7}", "text": "x" * (i % 90)} for i in range(100_000)]
    events[50_000] = {"event": "stalled", "t_ms": 50_000, "peer": "p"}
    events[0] = {"event": "room", "t_ms": 0, "room": "r", "id": "me", "brokers": ["b"]}
    program = world.plain("explain", env=UTF8)
    memory = []
    for part in (events[:10_000], events[10_000:]):
        program.send("".join(json.dumps(event) + "\n" for event in part))
        memory.append(rss_kb(program.pid))
    program.send(json.dumps({"event": "end", "t_ms": 100_000, "code": 0}) + "\n")
    program.close_input()
    program.expect_code(0)
    text = program.out.decode()
    in_order(text, ["joins the room", "left out", "silent", "left out", "exit code 0"])
    check(len(text.splitlines()) < 2000, f"{len(text.splitlines())} lines")
    check(memory[1] < memory[0] + 4000, f"{memory} KiB: it grows with the log")


@scene(seconds=2)
def an_interrupt_ends_the_session_and_not_its_picture(world):
    """Ctrl-C goes to both ends of the pipe: the session ends, and is drawn; the second ends explain"""
    program = world.plain("explain", env=UTF8)
    program.send('{"event":"note","t_ms":1,"message":"before"}\n')
    until(lambda: caught(program, signal.SIGINT), 10, "it does not get ready")
    program.signal(signal.SIGINT)
    program.send('{"event":"end","t_ms":2,"code":130}\n')
    program.close_input()
    program.expect_code(0)
    in_order(program.out.decode(), ["before", "exit code 130"])
    program = world.plain("explain", env=UTF8)
    until(lambda: caught(program, signal.SIGINT), 10, "it does not get ready")
    program.signal(signal.SIGINT)
    until(lambda: not caught(program, signal.SIGINT), 10, "the first is not taken")
    program.signal(signal.SIGINT)
    program.expect_code(-signal.SIGINT)


def caught(program, number):
    with open(f"/proc/{program.pid}/status", encoding="ascii") as status:
        mask = next(int(line.split()[1], 16) for line in status if line.startswith("SigCgt"))
    return bool(mask >> (number - 1) & 1)


def read_all(terminal):
    """Until nobody has it open any more: the kernel hands over in pieces."""
    seen = b""
    try:
        while part := terminal.read(1 << 16):
            seen += part
    except OSError:
        pass
    return seen.decode()


@scene
def colour_and_characters(world):
    """Colour is for a terminal without NO_COLOR; where the locale has no UTF-8 all is ASCII; it is as wide as the terminal"""
    log = world.file("log", '{"event":"room","t_ms":1,"room":"caf\u00e9","id":"a","brokers":["b"]}\n')
    check("\x1b" not in explain(world, log).out.decode(), "colour into a pipe")
    check(explain(world, log, env={"LC_ALL": "C"}).out.isascii(), "not ASCII")
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        master, slave = pty.openpty()
        with os.fdopen(master, "rb", buffering=0) as terminal:
            program = explain(world, log, env={"TERM": "xterm"} | extra, stdout=slave)
            os.close(slave)
            seen = read_all(terminal)
        check(("\x1b[" in seen) == coloured and "café" in seen, f"{extra}: {seen!r}\n{program.story()}")
    for width, drawn in ((20, 64), (150, 150), (999, 200)):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        with os.fdopen(master, "rb", buffering=0) as terminal:
            explain(world, log, env={"NO_COLOR": "1"}, stdout=slave)
            os.close(slave)
            seen = max(map(len, read_all(terminal).splitlines()))
        check(drawn - 10 < seen <= drawn, f"{seen} columns on a terminal of {width}")
