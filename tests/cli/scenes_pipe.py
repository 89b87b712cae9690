"""scenes_pipe.py - pipe: every byte, both ends, back-pressure, and what happens when one side fails."""

import fcntl
import hashlib
import os
import random
import socket
import subprocess
import threading
import time

from harness import SIGINT, SIGKILL, Skip, check, cpu_seconds, rss_kb, until
from scene import scene


def random_bytes(count, seed=1):
    return random.Random(seed).randbytes(count)


def digest(data):
    return hashlib.sha256(bytes(data)).hexdigest()


def feed(program, data):
    """Writes from a thread of its own, so that both directions run at once."""
    def write():
        try:
            program.send(data)
            program.close_input()
        except OSError:
            pass
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


@scene
def binary_both_ways(world):
    """Three megabytes of random bytes each way arrive unchanged, and both pipes end with 0"""
    anna, bert = world.run("pipe", "--name", "anna"), world.run("pipe", "--name", "bert")
    one, two = random_bytes(3000001, 1), random_bytes(2999999, 2)
    feed(anna, one), feed(bert, two)
    anna.expect_code(0)
    bert.expect_code(0)
    check(digest(bert.out) == digest(one), f"{len(bert.out)} of {len(one)} bytes, or altered")
    check(digest(anna.out) == digest(two), f"{len(anna.out)} of {len(two)} bytes, or altered")


@scene
def idle(world):
    """A pipe on which nobody speaks, and a connection of standard input, cost no processor"""
    server = socket.create_server(("127.0.0.1", 0))
    world.endings.append(server.close)
    target = f"127.0.0.1:{server.getsockname()[1]}"
    programs = [world.run("pipe"), world.run("pipe"), world.run("forward", "--allow", target), world.run("forward", "-W", target)]
    programs[0].send("x")
    programs[1].expect_output("x")
    far, _ = server.accept()
    far.sendall(b"x")
    programs[3].expect_output("x")
    before = [cpu_seconds(program.pid) for program in programs]
    time.sleep(1)  # the time that is measured
    spent = [cpu_seconds(program.pid) - start for program, start in zip(programs, before)]
    check(max(spent) < 0.2, f"{spent} s of 1 s")


@scene
def half_close(world):
    """The end of one direction is passed on while the other goes on"""
    anna, bert = world.run("pipe"), world.run("pipe")
    anna.send("question")
    anna.close_input()
    reader = bert.readers[0]
    reader.join(10)
    check(not reader.is_alive(), "the end of the first direction did not reach standard output")
    check(bert.out == b"question" and bert.process.poll() is None, bert.story())
    time.sleep(0.3)
    check(anna.process.poll() is None, "it did not wait for the other direction")
    bert.send("answer")
    bert.close_input()
    anna.expect_code(0)
    bert.expect_code(0)
    check(anna.out == b"answer", anna.story())


@scene
def empty_input(world):
    """Two pipes with nothing to say end with 0"""
    pipes = [world.run("pipe", stdin=subprocess.DEVNULL) for _ in range(2)]
    for pipe in pipes:
        pipe.expect_code(0)
        check(not pipe.out, pipe.story())


@scene
def single_bytes(world):
    """Bytes written one at a time arrive without waiting for more"""
    anna, bert = world.pair("pipe")
    for i in range(20):
        anna.send(bytes([i]))
        until(lambda: len(bert.out) == i + 1, 5, bert.story)
    check(bytes(bert.out) == bytes(range(20)), bert.story())


@scene(seconds=3)
def fifty_megabytes(world):
    """Fifty megabytes go from file to file, and append to what is there"""
    data = random_bytes(50 << 20)
    source, target = world.file("source", data), world.file("target", "before")
    with open(source, "rb") as file:
        anna = world.run("pipe", stdin=file)
    with open(target, "ab") as file:
        bert = world.run("pipe", stdin=subprocess.DEVNULL, stdout=file)
    anna.expect_code(0, 60)
    bert.expect_code(0)
    with open(target, "rb") as file:
        check(digest(file.read()) == digest(b"before" + data), "the file is not the same")


@scene(seconds=6, slow=True)
def slow_reader(world):
    """A reader that stops for three seconds loses nothing, and neither side grows above 24 MB"""
    data = random_bytes(60 << 20)
    with open(world.file("source", data), "rb") as file:
        anna = world.run("pipe", stdin=file)
    read_end, write_end = os.pipe()
    bert = world.run("pipe", stdin=subprocess.DEVNULL, stdout=write_end)
    os.close(write_end)
    got = bytearray(os.read(read_end, 1 << 20))
    most = 0
    for _ in range(30):
        time.sleep(0.1)
        most = max(most, rss_kb(anna.pid), rss_kb(bert.pid))
    check(anna.process.poll() is None, "the sender ended before anything was read")
    while True:
        part = os.read(read_end, 1 << 20)
        if not part:
            break
        got += part
        if len(got) % 16 == 0:
            most = max(most, rss_kb(anna.pid) if anna.process.poll() is None else 0)
    anna.expect_code(0)
    bert.expect_code(0)
    check(digest(got) == digest(data), f"{len(got)} of {len(data)} bytes")
    check(most <= 24 << 10, f"{most} KB resident")


@scene
def reader_goes_away(world):
    """When nobody reads the output any more, that side ends with 1, and the other is told and ends with 1"""
    read_end, write_end = os.pipe()
    anna = world.run("pipe")
    bert = world.run("pipe", stdout=write_end)
    os.close(write_end)
    anna.send("first")
    check(os.read(read_end, 5) == b"first", "nothing came")
    os.close(read_end)
    anna.send("second")
    bert.expect_code(1)
    check("standard output" in bert.expect_event("error", code=1)["message"], bert.story())
    anna.expect_code(1)
    check("nobody reads" in anna.expect_event("error", code=1)["message"], anna.story())


@scene
def success_means_written(world):
    """A sender does not end with 0 while the other side has not written everything out, even if all has arrived"""
    read_end, write_end = os.pipe()
    bert = world.run("pipe", stdin=subprocess.DEVNULL, stdout=write_end)
    os.close(write_end)
    with open(world.file("source", random_bytes(1800000)), "rb") as file:
        anna = world.run("pipe", stdin=file)
    anna.expect_event("connected")
    time.sleep(0.7)
    check(anna.process.poll() is None, f"it ended with {anna.process.poll()} although nobody has read a byte")
    os.close(read_end)
    bert.expect_code(1)
    anna.expect_code(1)


@scene
def full_disk(world):
    """A full disk under the reader is named, ends with 1 on both sides, and the other side learns why"""
    with open("/dev/full", "wb") as full:
        bert = world.run("pipe", stdout=full)
    anna = world.run("pipe")
    anna.send(b"x" * 100000)
    bert.expect_code(1)
    anna.expect_code(1)
    for program in (anna, bert):
        check("No space left" in program.expect_event("error", code=1)["message"], program.story())


@scene
def full_disk_later(world):
    """A disk that fills up on the way is noticed: what the sender hears is no success"""
    words = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    script = 'mount -t tmpfs -o size=1m none "$0" && exec "$@" >"$0/file"'
    os.mkdir(world.path("small"))
    trial = subprocess.run(words + ["sh", "-c", script, world.path("small"), "true"], check=False,
                           stderr=subprocess.DEVNULL)
    if trial.returncode != 0:
        raise Skip("no small file system can be mounted here")
    bert = world.run("pipe", stdin=subprocess.DEVNULL, before=words + ["sh", "-c", script, world.path("small")])
    with open(world.file("source", b"x" * (2 << 20)), "rb") as file:
        anna = world.run("pipe", stdin=file)
    bert.expect_code(1)
    anna.expect_code(1)
    check("No space left" in bert.err and "No space left" in anna.err, anna.story() + bert.story())


@scene
def closed_output(world):
    """A pipe without a standard output ends with 1 when something comes for it"""
    anna = world.run("pipe")
    bert = world.run("pipe", before=["sh", "-c", 'exec "$@" >&-', "sh"], stdout=subprocess.DEVNULL)
    anna.send("x")
    bert.expect_code(1)
    check("closed" in bert.expect_event("error", code=1)["message"], bert.story())
    anna.expect_code(1)


@scene
def without_standard_input(world):
    """A pipe without a standard input only receives"""
    anna = world.run("pipe")
    bert = world.run("pipe", before=["sh", "-c", 'exec "$@" <&-', "sh"], stdin=subprocess.DEVNULL)
    anna.send("text")
    anna.close_input()
    anna.expect_code(0)
    bert.expect_code(0)
    check(bert.out == b"text", bert.story())


@scene
def unreadable_input(world):
    """An input that cannot be read ends with 1, and does not look like one that ended"""
    folder = os.open(world.folder, os.O_RDONLY)
    anna = world.run("pipe", stdin=folder)
    os.close(folder)
    bert = world.run("pipe")
    anna.expect_code(1)
    check("Is a directory" in anna.expect_event("error", code=1)["message"], anna.story())
    gone = bert.expect_event("closed")
    # a goodbye amid the handshake has no room for a reason (RFC 9000 10.2.3)
    check("Is a directory" in gone["text"] or "could not say why" in gone["text"], str(gone))
    if bert.events("connected"):  # else it has gone so fast that it never was there, and the next may come
        bert.expect_code(1)


@scene
def inherited_flags_are_left_alone(world):
    """The descriptors that it inherits stay blocking: the neighbours share them"""
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    before = [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (in_read, out_write)]
    anna = world.run("pipe", stdin=in_read, stdout=out_write)
    bert = world.run("pipe")
    os.write(in_write, b"text")
    bert.expect_output("text")
    check([fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (in_read, out_write)] == before, "flags were changed")
    for fd in (in_read, in_write, out_read, out_write):
        os.close(fd)


@scene
def sockets_as_standard_files(world):
    """Standard input and output may be a socket"""
    ours, theirs = socket.socketpair()
    anna = world.run("pipe", stdin=theirs, stdout=theirs)
    theirs.close()
    bert = world.run("pipe")
    ours.sendall(b"to bert")
    bert.expect_output("to bert")
    bert.send("to anna")
    check(ours.recv(100) == b"to anna", "nothing came back")
    ours.shutdown(socket.SHUT_WR)
    bert.close_input()
    check(ours.recv(100) == b"", "no end")
    anna.expect_code(0)
    bert.expect_code(0)


@scene
def interrupted_in_between(world):
    """A pipe whose peer is interrupted before the end says that it left, and does not end with 0"""
    anna, bert = world.pair("pipe")
    anna.send("half of it")
    bert.expect_output("half of it")
    anna.signal(SIGINT)
    anna.expect_code(130)
    bert.expect_code(1)
    check("left before the end" in bert.expect_event("error", code=1)["message"], bert.story())


@scene(seconds=2)
def third_is_busy(world):
    """A third pipe is turned away and goes on waiting, and the two are not disturbed"""
    anna, bert = world.pair("pipe")
    carl = world.run("pipe", "--name", "carl", "--wait", "1")
    carl.expect_code(4)
    anna.send("text")
    bert.expect_output("text")
    check(not carl.out and not carl.events("connected"), carl.story())


@scene
def to_a_name(world):
    """With --to a pipe takes the one who was named, not the first"""
    anna = world.run("pipe", "--name", "anna")
    anna.expect_event("room")
    bert = world.run("pipe", "--name", "bert")
    carl = world.run("pipe", "--name", "carl", "--to", "dora")
    for program, other in ((anna, "bert"), (bert, "anna")):
        program.expect_event("connected", name=other)
    dora = world.run("pipe", "--name", "dora")
    carl.expect_event("connected", name="dora")
    dora.expect_event("connected", name="carl")


@scene(seconds=2)
def to_somebody_absent(world):
    """--to a name that nobody has ends with 4 and says who is there"""
    attic = world.run("chat", "--name", "attic")
    lounge = world.run("chat", "--name", "lounge")
    attic.expect_event("connected", name="lounge")
    program = world.run("chat", "--to", "cellar", "--wait", "1")
    program.expect_code(4)
    message = program.expect_event("error", code=4)["message"]
    check("cellar" in message and "attic" in message and "lounge" in message, message)
    check(not lounge.events("closed", name="attic"), lounge.story())


@scene(seconds=2)
def others_are_told_once(world):
    """Who is there but was not asked for is told once, however often it is met"""
    attic = world.run("chat", "--name", "attic")
    program = world.run("chat", "--to", "cellar", "--wait", "1", json_lines=False)
    program.expect_code(4)
    told = [text for _, text in program.lines if "attic" in text]
    check(len(told) == 2 and "cellar" in told[1], program.story())
    check(not attic.events("connected"), attic.story())


@scene(seconds=20, slow=True)
def lost_in_between(world):
    """A pipe whose peer is killed ends with 7 within 15 s"""
    anna, bert = world.pair("pipe")
    anna.send("half of it")
    bert.expect_output("half of it")
    anna.signal(SIGKILL)
    begun = time.monotonic()
    bert.expect_code(7, 20)
    check(time.monotonic() - begun < 15, f"only after {time.monotonic() - begun:.1f} s")


@scene(seconds=30, slow=True)
def broker_killed_in_between(world):
    """The broker's death for 20 s costs a transfer no byte, and afterwards the room works again"""
    broker = world.broker()
    anna, bert = world.pair("pipe", broker=broker.url)
    carl = world.run("chat", "--name", "carl", broker=broker.url)
    carl.expect_event("room")
    parts = [random_bytes(200000, seed) for seed in range(46)]
    broker.stop()
    for part in parts[:40]:
        anna.send(part)
        time.sleep(0.5)
    broker.start()
    for part in parts[40:]:
        anna.send(part)
    dora = world.run("chat", "--name", "dora", broker=broker.url)
    carl.expect_event("connected", name="dora", timeout=40)  # it asks again every 30 s at the latest
    dora.expect_event("connected", name="carl")
    anna.close_input()
    bert.close_input()
    anna.expect_code(0)
    bert.expect_code(0)
    check(digest(bert.out) == digest(b"".join(parts)), "bytes were lost")
    check(not anna.events("stalled") and not anna.events("closed", reason="lost"), anna.story())
