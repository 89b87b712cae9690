"""scenes_chat.py - chat: who hears what, how it ends, and what never reaches a terminal."""

import os
import pty
import re
import subprocess
import termios
import time

from harness import SIGINT, SIGKILL, SIGTERM, check, until
from scene import scene


@scene
def two_chats_talk(world):
    """Two chats meet and talk, each line on the other's standard output with its name"""
    anna, bert = world.pair()
    anna.send("hello bert\n")
    bert.send("hello anna\nand again\n")
    bert.expect_output("anna: hello bert\n")
    anna.expect_output("bert: hello anna\nbert: and again\n")
    anna.close_input()
    anna.expect_code(0)
    bert.expect_event("closed", name="anna", reason="left")
    bert.close_input()
    bert.expect_code(0)


@scene
def three_chats_hear_all(world):
    """Of three chats everybody hears everybody"""
    names = ("anna", "bert", "carl")
    chats = [world.run("chat", "--name", name) for name in names]
    for chat, name in zip(chats, names):
        for other in names:
            if other != name:
                chat.expect_event("connected", name=other)
    for chat, name in zip(chats, names):
        chat.send(f"I am {name}\n")
    for chat, name in zip(chats, names):
        for other in names:
            if other != name:
                chat.expect_output(f"{other}: I am {other}\n")
    chats[0].close_input()
    chats[0].expect_code(0)
    chats[1].send("still here\n")
    chats[2].expect_output("bert: still here\n")


@scene
def lines_wait_for_the_first(world):
    """Lines typed before anybody comes, and the end after them, wait for the first who comes"""
    anna = world.run("chat", "--name", "anna")
    anna.send("one\ntwo\nthree without an end")
    anna.close_input()
    time.sleep(0.3)
    check(anna.process.poll() is None, "it did not wait")
    bert = world.run("chat", "--name", "bert")
    bert.expect_output("anna: one\nanna: two\nanna: three without an end\n")
    anna.expect_code(0)
    bert.expect_event("closed", name="anna", reason="left")


@scene
def a_script_of_many_lines(world):
    """Ten thousand lines from a script arrive whole and in order"""
    text = "".join(f"line {i} {'x' * (i % 97)}\n" for i in range(10000))
    bert = world.run("chat", "--name", "bert")
    with open(world.file("script", text), "rb") as script:
        anna = world.run("chat", "--name", "anna", stdin=script)
        anna.expect_code(0)
    wanted = "".join(f"anna: {line}\n" for line in text.splitlines()).encode()
    until(lambda: len(bert.out) >= len(wanted), 10, lambda: f"{len(bert.out)} of {len(wanted)} bytes")
    check(bytes(bert.out) == wanted, "lines were lost, doubled or mixed up")


@scene
def a_line_longer_than_a_message(world):
    """A line of 200,000 bytes arrives in pieces that are cut between characters"""
    anna, bert = world.pair()
    text = "\u00e4\u20ac\U0001f600x" * 20000
    anna.send(text + "\nthe end\n")
    bert.expect_output("anna: the end\n")
    lines = bert.out.decode().splitlines()
    check("".join(line[len("anna: "):] for line in lines[:-1]) == text, "the pieces do not make the line")
    check(all(len(line.encode()) <= 65536 + 6 for line in lines) and "\\x" not in bert.out.decode(), "pieces")


@scene
def empty_lines(world):
    """Empty lines and one that ends in CR LF arrive as lines"""
    anna, bert = world.pair()
    anna.send("\n\nwindows\r\n\nend\n")
    bert.expect_output("anna: \nanna: \nanna: windows\nanna: \nanna: end\n")


@scene
def interrupted(world):
    """Ctrl-C ends with 130 within two seconds, SIGTERM with 143, and the other side hears a goodbye"""
    for number, code in ((SIGINT, 130), (SIGTERM, 143)):
        anna, bert = world.pair(names=(f"anna{code}", "bert"))
        begun = time.monotonic()
        anna.signal(number)
        anna.expect_code(code)
        check(time.monotonic() - begun < 2, "the goodbye took too long")
        bert.expect_event("closed", name=f"anna{code}", reason="left", timeout=3)
        bert.signal(SIGINT)
        bert.expect_code(130)
    alone = world.run("chat", room=world.room + " alone")
    alone.expect_event("room")
    alone.signal(SIGINT)
    alone.expect_code(130)


@scene
def ignored_signals_stay_ignored(world):
    """A signal that was ignored at the start (nohup) stays ignored"""
    anna = world.run("chat", before=["sh", "-c", 'trap "" HUP; exec "$@"', "sh"])
    anna.expect_event("room")
    os.kill(anna.pid, 1)
    time.sleep(0.3)
    check(anna.process.poll() is None, "it died of a signal that it was to ignore")


@scene
def closed_output(world):
    """A chat whose standard output is closed, or read by nobody, ends with 1 and a sentence when it must write"""
    read_end, write_end = os.pipe()
    os.close(read_end)
    for options in ({"before": ["sh", "-c", 'exec "$@" >&-', "sh"], "stdout": subprocess.DEVNULL}, {"stdout": write_end}):
        room = world.room + str(sorted(options))
        anna = world.run("chat", "--name", "anna", room=room, **options)
        bert = world.run("chat", "--name", "bert", room=room)
        bert.expect_event("connected", name="anna")
        bert.send("hello\n")
        anna.expect_code(1)
        check("standard output" in anna.expect_event("error", code=1)["message"], anna.story())
        bert.expect_event("closed", name="anna", reason="left")
    os.close(write_end)


@scene
def closed_standard_descriptors(world):
    """With all of its standard descriptors closed it writes into nobody's file"""
    witness = world.file("witness", "untouched")
    program = world.run("chat", "--wait", "1", json_lines=False, before=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"])
    program.expect_code(4)
    with open(witness, encoding="ascii") as file:
        check(file.read() == "untouched", "the witness was written to")


NASTY = (b"\x1b[31mred\x1b[0m \x07bell \x7fdel \x08back \rover \x00nul \t tab \x9b raw c1 \xc2\x9b31m c1 "
         b"\xe2\x80\xaebidi\xe2\x81\xa6 \xff\xfe bad \xed\xa0\x80 surrogate \xe2\x80\xa8 separator \xef\xbb\xbf bom")


def terminal_pair():
    master, slave = pty.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[1] &= ~termios.OPOST  # what the program writes, and nothing else
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    return master, slave


def read_terminal(master, wanted, timeout=15):
    os.set_blocking(master, False)
    seen = b""

    def grown():
        nonlocal seen
        try:
            seen += os.read(master, 65536)
        except (BlockingIOError, OSError):
            pass
        return wanted in seen

    until(grown, timeout, lambda: f"no {wanted!r} on the terminal, but {seen!r}")
    return seen


def without_newlines(text):
    return [byte for byte in text if (byte < 32 or byte == 127) and byte != 10]


@scene
def control_characters_stay_visible(world):
    """Nothing in a peer's message reaches a terminal as a control character"""
    master, slave = terminal_pair()
    anna = world.run("chat", "--name", "anna", json_lines=False, stdout=slave, stderr=slave,
                     env={"NO_COLOR": "1", "TERM": "xterm"})
    bert = world.run("chat", "--name", "bert")
    bert.expect_event("connected", name="anna")
    bert.send(NASTY + b"\nthe end\n")
    seen = read_terminal(master, b"the end\n")
    anna.end()
    os.close(slave)
    check(not without_newlines(seen), f"control characters on the terminal: {seen!r}")
    text = seen.decode()  # so it is UTF-8 as well
    check(not re.search("[\u0080-\u009f\u202e\u2066\u2028\ufeff]", text), f"characters that steer: {text!r}")
    for shown in ("\\x1b[31mred", "\\x07bell", "\\x7fdel", "\\x0dover", "\\x00nul", "\\x9b raw", "\\xc2\\x9b31m",
                  "\\xe2\\x80\\xaebidi", "\\xff\\xfe bad", "\\xed\\xa0\\x80 surrogate", "\\x09 tab"):
        check(shown in text, f"{shown} is not shown in {text!r}")


@scene
def control_characters_in_json(world):
    """A message full of control characters is a JSON line without any, and says what was sent"""
    anna, bert = world.pair()
    bert.send(NASTY + b"\n")
    event = anna.expect_event("message", name="bert")
    line = [text for _, text in anna.lines if '"message"' in text][0]
    check(not re.search("[\x00-\x1f\x7f-\x9f\u202e\u2066\u2028]", line), repr(line))
    check(event["text"].startswith("\x1b[31mred\x1b[0m \x07bell") and "\\xff\\xfe bad" in event["text"], repr(event))


@scene
def colour_only_on_a_terminal(world):
    """Colour appears on a terminal, and never with NO_COLOR, TERM=dumb, or in a pipe"""
    def coloured(**env):
        master, slave = terminal_pair()
        program = world.run("chat", json_lines=False, stdout=slave, stderr=slave, env=env)
        seen = read_terminal(master, b"--secret-file")
        time.sleep(0.05)
        program.end()
        os.close(slave)
        os.close(master)
        return b"\x1b" in seen

    check(coloured(TERM="xterm", NO_COLOR=None), "no colour on a terminal")
    check(not coloured(TERM="xterm", NO_COLOR="1"), "colour with NO_COLOR")
    check(not coloured(TERM="dumb"), "colour on a dumb terminal")
    program = world.run("chat", json_lines=False, env={"TERM": "xterm"})
    program.expect_sentence("--secret-file")
    check("\x1b" not in program.err, "colour in a pipe")


def ask_on_a_terminal(world, answer):
    """Runs a chat with --secret on a controlling terminal and answers the question."""
    master, slave = pty.openpty()
    program = world.run("chat", "--secret", "--wait", "1", stdin=slave, stdout=slave,
                        before=["setsid", "--ctty", "--wait"])
    seen = read_terminal(master, b"secret: ")
    until(lambda: not termios.tcgetattr(slave)[3] & termios.ECHO, 5, "the terminal still echoes")
    os.write(master, answer)
    return program, master, slave, seen


@scene(seconds=2)
def secret_is_asked_without_echo(world):
    """--secret asks on the terminal without echo, and the terminal echoes again afterwards"""
    program, master, slave, _ = ask_on_a_terminal(world, b"hunter2\n")
    event = program.expect_event("room")
    check(event["open"] is False, str(event))
    check(termios.tcgetattr(slave)[3] & termios.ECHO, "the terminal does not echo any more")
    os.set_blocking(master, False)
    try:
        seen = os.read(master, 4096)
    except BlockingIOError:
        seen = b""
    check(b"hunter2" not in seen, "the secret was echoed")
    program.expect_code(4)
    os.close(slave)


@scene
def ctrl_c_at_the_question(world):
    """Ctrl-C while the secret is asked ends with 130 and the terminal echoes again"""
    program, _, slave, _ = ask_on_a_terminal(world, b"half\x03")
    program.expect_code(130)
    check(termios.tcgetattr(slave)[3] & termios.ECHO, "the terminal does not echo any more")
    os.close(slave)


@scene
def secret_without_a_terminal(world):
    """--secret without a terminal ends with a sentence rather than an open room"""
    program = world.run("chat", "--secret", before=["setsid", "--wait"])
    program.expect_code(1)
    check("terminal" in program.err and not program.events("room"), program.story())


@scene(seconds=25, slow=True)
def killed_and_back(world):
    """After kill -9 of one chat the other says closed lost within 15 s, and both talk within 3 s of its return"""
    anna, bert = world.pair()
    anna.signal(SIGKILL)
    killed = time.monotonic()
    gone = bert.expect_event("closed", name="anna", timeout=20)
    check(gone["reason"] == "lost", str(gone))
    check(gone["at"] - killed < 15, f"it took {gone['at'] - killed:.1f} s")
    begun = time.monotonic()
    again = world.run("chat", "--name", "anna")
    again.send("back again\n")
    bert.expect_output("anna: back again\n", timeout=5)
    bert.send("welcome\n")
    again.expect_output("bert: welcome\n", timeout=5)
    check(time.monotonic() - begun < 3, f"both talked only after {time.monotonic() - begun:.1f} s")


@scene(seconds=4)
def killed_and_back_at_once(world):
    """A chat that is killed and started again at once talks within 3 s, before its old self is missed"""
    anna, bert = world.pair()
    anna.signal(SIGKILL)
    anna.wait()
    begun = time.monotonic()
    again = world.run("chat", "--name", "anna")
    again.send("back again\n")
    bert.expect_output(": back again\n", timeout=5)  # anna's, or anna#ID's: the old self is not missed yet
    check(time.monotonic() - begun < 3, f"only after {time.monotonic() - begun:.1f} s")


@scene
def open_room_is_said(world):
    """An open room is called open in one line, and both chats show the same four words"""
    anna = world.run("chat", "--name", "anna", json_lines=False)
    bert = world.run("chat", "--name", "bert", json_lines=False)
    for program in (anna, bert):
        program.expect_sentence("connected to")
        check(program.err.count("the room is open") == 1, program.story())
    words = [re.search(r"these words too: (\w+ \w+ \w+ \w+)", program.err) for program in (anna, bert)]
    check(words[0] and words[1] and words[0].group(1) == words[1].group(1), anna.story() + bert.story())
    closed = world.run("chat", json_lines=False, room=world.room + " closed", env={"P2PCONNECT_SECRET": "x"})
    closed.expect_sentence("in room")
    check("open" not in closed.err, closed.story())
