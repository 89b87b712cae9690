"""scenes_files.py - send and receive: what arrives, what is refused, and how an interrupted transfer goes on."""

import os
import random
import shutil
import subprocess

from harness import SIGINT, SIGKILL, Failure, Skip, check, until
from scene import scene


def random_bytes(count, seed=1):
    return random.Random(seed).randbytes(count)


def tree(folder):
    """Everything beneath a folder: path, kind, permissions, time, and contents or target."""
    found = {}
    for base, folders, files in os.walk(folder):
        for name in folders + files + ["."]:
            path = os.path.join(base, name)
            status = os.lstat(path)
            if os.path.islink(path):
                content, facts = os.readlink(path), ()
            else:
                facts = (oct(status.st_mode), status.st_mtime_ns)
                content = open(path, "rb").read() if os.path.isfile(path) else None
            found[os.path.normpath(os.path.relpath(path, folder))] = (facts, content)
    return found


def same(source, target):
    one, two = tree(source), tree(target)
    different = sorted(path for path in one.keys() | two.keys() if one.get(path) != two.get(path))
    check(not different, f"not the same: {different[:5]}, as {[(two.get(p) or [None])[0] for p in different[:5]]}")


def sample(world, name="source"):
    """A folder with one of everything that is sent without being asked for."""
    folder = world.path(name)
    os.makedirs(os.path.join(folder, "empty"))
    os.makedirs(os.path.join(folder, "deep", "er", "still"))

    def put(path, data, mode=0o644, when=None):
        with open(os.path.join(folder, path), "wb") as file:
            file.write(data)
        os.chmod(file.name, mode)
        os.utime(file.name, ns=(0, when or 1_000_000_000_123_456_789))

    put("nothing", b"")
    put("one leaf", random_bytes(131072, 2), 0o755)
    put("a leaf and a byte", random_bytes(131073, 3), 0o400)
    put("deep/er/still/large", random_bytes(3_000_001, 4), 0o600, 1_700_000_000_000_000_001)
    for name in ("grüße", "привет", "日本語のファイル", "שלום", "🦝", "a" * 255, "-dash", " space ", "quote'\"", "back\\slash"):
        put("deep/" + name, name.encode())
    with open(os.path.join(folder.encode(), b"not-utf8-\xff\xfe"), "wb") as file:
        file.write(b"bytes")
    with open(os.path.join(folder, "sparse"), "wb") as file:
        file.truncate(40_000_000)
        file.seek(20_000_000)
        file.write(b"island")
    os.utime(os.path.join(folder, "empty"), ns=(0, 987_654_321_000_000_000))
    return folder


def pair(world, paths, *receive, send=(), room=None, **options):
    """send and receive in a room of their own; the folder that is received into is called target."""
    room = room or world.room + str(random.random())
    sender = world.run("send", *paths, *send, "--name", "anna", room=room)
    receiver = world.run("receive", world.path("target"), *receive, "--name", "bert", room=room, **options)
    return sender, receiver


def transfer(world, paths, *receive, codes=(0, 0), **options):
    sender, receiver = pair(world, paths, *(receive or ("--yes",)), **options)
    receiver.expect_code(codes[1], 60)
    sender.expect_code(codes[0], 60)
    return sender, receiver


@scene(seconds=2)
def a_folder_arrives(world):
    """A folder arrives identical: contents, permissions, times, empty and sparse files, names of every alphabet"""
    source = sample(world)
    sender, receiver = transfer(world, [source])
    same(source, world.path("target/source"))
    status = os.stat(world.path("target/source/sparse"))
    check(status.st_blocks * 512 < 1_000_000, f"the sparse file takes {status.st_blocks * 512} bytes")
    left = [n for _, _, files in os.walk(world.path("target")) for n in files if n.endswith(".part")]
    check(not left, f"left over: {left}")
    for program in (sender, receiver):
        told = program.expect_event("transfer", complete=True, failed=0)
        check(told["arrived"] == 16, program.story())
    offer = receiver.expect_event("offer", folders=5, files=16)
    check(offer["names"] == ["source"], receiver.story())


@scene(seconds=2)
def once_more_moves_nothing(world):
    """What is there already is compared, not sent again, and a changed file is not overwritten"""
    source = world.path("source")
    os.mkdir(source)
    world.file("source/a", random_bytes(500000)), world.file("source/b", "before")
    transfer(world, [source])
    _, receiver = transfer(world, [source])
    told = receiver.expect_event("transfer", complete=True)
    check(told["moved"] == 0 and told["already"] == 2, receiver.story())
    world.file("source/b", "after!"), world.file("source/c", "new")
    sender, receiver = transfer(world, [source], codes=(1, 1))
    check(receiver.events("file", path="source/b", fate="failed"), receiver.story())
    check(sender.events("file", path="source/b", fate="failed"), sender.story())
    with open(world.path("target/source/b"), encoding="ascii") as kept:
        check(kept.read() == "before", "a file was overwritten")
    check(os.path.exists(world.path("target/source/c")), "the others did not arrive")


@scene
def several_at_once(world):
    """Files and folders named together arrive side by side; two of one name are refused before anything is sent"""
    os.makedirs(world.path("one/x"))
    os.makedirs(world.path("two/x"))
    world.file("one/x/f", "1"), world.file("single", "2")
    transfer(world, [world.path("one/x"), world.path("single")])
    check(sorted(os.listdir(world.path("target"))) == ["single", "x"], os.listdir(world.path("target")))
    program = world.run("send", world.path("one/x"), world.path("two/x"))
    program.expect_code(2)
    program = world.run("send", world.path("missing"))
    program.expect_code(2)
    check("No such file" in program.err, program.story())
    program = world.run("send")
    program.expect_code(2)


@scene
def standard_input_under_a_name(world):
    """Standard input is a file of the name given with --as"""
    data = random_bytes(1_000_003)
    sender, receiver = pair(world, ["-"], "--yes", send=("--as", "backup.tar"))
    sender.send(data)
    sender.close_input()
    receiver.expect_code(0)
    sender.expect_code(0)
    with open(world.path("target/backup.tar"), "rb") as file:
        check(file.read() == data, "it is not the same")


@scene(seconds=2)
def several_receivers(world):
    """Three receivers who wait already all get it from one sender"""
    source = world.file("file", random_bytes(3_000_000))
    receivers = [world.run("receive", world.path(f"target{i}"), "--yes", "--name", f"r{i}") for i in range(3)]
    for receiver in receivers:
        receiver.expect_event("room")
    sender = world.run("send", source, "--keep")
    for i, receiver in enumerate(receivers):
        receiver.expect_code(0, 30)
        with open(world.path(f"target{i}/file"), "rb") as file:
            check(file.read() == random_bytes(3_000_000), "it is not the same")
    sender.signal(SIGINT)
    sender.expect_code(130)


@scene(seconds=2)
def a_receiver_that_keeps(world):
    """receive --keep takes from one sender after the other"""
    receiver = world.run("receive", world.path("target"), "--yes", "--keep")
    for name in ("first", "second"):
        world.run("send", world.file(name, name)).expect_code(0)
        check(os.path.exists(world.path("target/" + name)), receiver.story())
    receiver.signal(SIGINT)
    receiver.expect_code(130)


@scene(seconds=2)
def the_question(world):
    """Without --yes the receiver is asked; no, and nobody to ask, are refusals that the sender hears of"""
    source = world.file("file", "x" * 5000)
    sender, receiver = pair(world, [source], "-v")
    receiver.expect_event("offer", files=1, bytes=5000)
    receiver.send("n\n")
    receiver.expect_code(1)
    sender.expect_code(1)
    check("did not take it" in sender.err, sender.story())
    sender, receiver = transfer(world, [source], "--wait", "30", codes=(1, 1), stdin=subprocess.DEVNULL)
    check("--ask-above" in receiver.err, receiver.story())
    transfer(world, [source], "--ask-above", "4K", codes=(1, 1), stdin=subprocess.DEVNULL)
    check(not os.listdir(world.path("target")), "it was refused and is there")
    sender, receiver = pair(world, [source])
    receiver.send("yes\n")
    receiver.expect_code(0)
    sender.expect_code(0)
    os.unlink(world.path("target/file"))
    transfer(world, [source], "--ask-above", "8K", stdin=subprocess.DEVNULL)
    check(os.path.exists(world.path("target/file")), "a small one was not taken")


@scene(seconds=2)
def links_only_when_asked_for(world):
    """Symbolic links are left out, and refused, unless both sides ask for them; none may lead out"""
    os.mkdir(world.path("source"))
    world.file("source/file", "x")
    os.symlink("file", world.path("source/inside"))
    os.symlink("/etc/passwd", world.path("source/absolute"))
    os.symlink("../../up", world.path("source/up"))
    transfer(world, [world.path("source")], codes=(1, 0))
    check(os.listdir(world.path("target/source")) == ["file"], os.listdir(world.path("target/source")))
    sender, _ = transfer(world, [world.path("source")], send=("--symlinks",), codes=(1, 1))
    check(sender.events("file", path="source/inside", fate="failed"), sender.story())
    check(os.listdir(world.path("target/source")) == ["file"], os.listdir(world.path("target/source")))
    transfer(world, [world.path("source")], "--yes", "--symlinks", send=("--symlinks",), codes=(1, 0))
    check(sorted(os.listdir(world.path("target/source"))) == ["file", "inside"], os.listdir(world.path("target/source")))
    check(os.readlink(world.path("target/source/inside")) == "file", "the link is another one")


def interrupt(world, source, victim, number, bytes_there):
    """Runs a transfer until so much is there, then ends one side, and both."""
    sender, receiver = pair(world, [source], "--yes")
    target = world.path("target")

    def stored():
        found = [os.path.join(base, name) for base, _, names in os.walk(target) for name in names]
        return sum(os.stat(path).st_blocks * 512 for path in found)

    until(lambda: stored() >= bytes_there or receiver.process.poll() is not None, 20, receiver.story)
    (sender if victim == "sender" else receiver).signal(number)
    for program in (sender, receiver):
        try:
            program.wait(2)
        except Failure:
            program.signal(SIGINT)
            program.wait()
    return stored()


@scene(seconds=4, slow=True)
def a_killed_transfer_goes_on(world):
    """Killed at either side, a transfer goes on with what is missing, and the file is the same"""
    source = world.file("large", random_bytes(80_000_000))
    for victim, number in (("sender", SIGKILL), ("receiver", SIGKILL)):
        there = interrupt(world, source, victim, number, 10_000_000)
        if there < 80_000_000:
            check(not os.path.exists(world.path("target/large")), "an unfinished file has its name already")
        _, receiver = transfer(world, [source])
        told = receiver.expect_event("transfer", complete=True)
        again = told["moved"] + there - 80_000_000
        check(again <= 1 << 20, f"{victim}: {told['moved']} bytes moved though {there} were there")
        with open(world.path("target/large"), "rb") as file:
            check(file.read() == random_bytes(80_000_000), "it is not the same")
        shutil.rmtree(world.path("target"))


@scene(seconds=2)
def hundreds_of_gigabytes_of_nothing(world):
    """A sparse file of 400 GB with an island arrives at once and sparse, is compared at once, and goes on at once"""
    source, size = world.path("sparse"), 400_000_000_001
    with open(source, "wb") as file:
        file.truncate(size)
        file.seek(size // 2)
        file.write(b"island")
    if os.stat(source).st_blocks * 512 > 1 << 20:
        raise Skip("this file system has no holes")
    for already in (0, 1):
        _, receiver = transfer(world, [source])
        told = receiver.expect_event("transfer", complete=True, already=already)
        check(told["moved"] <= 3 * 131072, receiver.story())
    target = world.path("target/sparse")
    check(os.stat(target).st_size == size and os.stat(target).st_blocks * 512 < 1 << 20, "it is not sparse")
    with open(target, "r+b") as file:
        file.seek(size // 2)
        check(file.read(6) == b"island", "the island is gone")
    os.unlink(target)
    sender, receiver = pair(world, [source], "--yes")
    receiver.expect_event("connected")
    receiver.signal(SIGKILL)
    sender.signal(SIGINT)
    sender.wait()
    transfer(world, [source])


@scene(seconds=20, slow=True)
def a_sender_that_is_back_at_once(world):
    """Killed and begun again at once, a sender goes on with the file that the receiver still holds for its last session"""
    source, room = world.file("large", random_bytes(80_000_000)), world.room
    receiver = world.run("receive", world.path("target"), "--yes", "--keep", room=room)
    sender = world.run("send", source, room=room)
    until(lambda: any(os.stat(world.path("target/" + n)).st_blocks > 10_000 for n in os.listdir(world.path("target")))
          if os.path.isdir(world.path("target")) else False, 20, receiver.story)
    sender.signal(SIGKILL)
    sender.wait()
    again = world.run("send", source, room=room)
    again.expect_code(0, 60)
    check(again.expect_event("transfer", complete=True)["held"] > 0, again.story())
    with open(world.path("target/large"), "rb") as file:
        check(file.read() == random_bytes(80_000_000), "it is not the same")


@scene(seconds=2)
def what_was_altered_is_sent_again(world):
    """An unfinished file that was altered in between becomes the right one: nothing on the disk is believed"""
    source = world.file("large", random_bytes(60_000_000))
    interrupt(world, source, "receiver", SIGKILL, 5_000_000)
    for name in os.listdir(world.path("target")):
        with open(world.path("target/" + name), "r+b") as part:
            part.seek(1_000_000)
            part.write(b"altered")
    if os.path.exists(world.path("target/large")):
        raise Skip("it was through before it could be interrupted")
    transfer(world, [source])
    with open(world.path("target/large"), "rb") as file:
        check(file.read() == random_bytes(60_000_000), "it is not the same")


def in_small_disk(world, options):
    """The words before a command that give it a file system of its own as target, where that is allowed."""
    os.makedirs(world.path("target"), exist_ok=True)
    script = f'mount -t tmpfs -o {options} none "$0" && exec "$@"'
    for words in (["unshare", "-m"], ["unshare", "-rm"]):
        test = words + ["sh", "-c", script, world.path("target"), "true"]
        if subprocess.run(test, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return words + ["sh", "-c", script, world.path("target")]
    raise Skip("mount namespaces are not allowed here")


@scene(seconds=2)
def a_full_disk(world):
    """A disk that is full ends both sides with 1 and a sentence; what has arrived whole is kept"""
    sources = [world.file("a small one", "small"), world.file("large", random_bytes(20_000_000))]
    sender, receiver = transfer(world, sources, codes=(1, 1), before=in_small_disk(world, "size=8000000"))
    for program in (sender, receiver):
        check("the disk is full" in program.err, program.story())
    check(receiver.events("file", path="a small one", fate="arrived"), receiver.story())
    check("what has arrived is kept" in receiver.err, receiver.story())


@scene(seconds=2)
def a_folder_that_can_only_be_read(world):
    """A file system that can only be read ends both sides with 1 and a sentence"""
    sender, receiver = transfer(world, [world.file("file", "x")], codes=(1, 1), before=in_small_disk(world, "ro"))
    for program in (sender, receiver):
        check("can only be read" in program.err, program.story())


@scene
def a_folder_that_cannot_be(world):
    """A target that cannot be written into is told before anybody is met"""
    receiver = world.run("receive", world.file("file", "no folder"), "--yes")
    receiver.expect_code(1)
    check("cannot receive into" in receiver.err, receiver.story())


@scene
def a_file_that_vanishes(world):
    """A file that vanishes before it is read is told on both sides, and the others arrive"""
    os.mkdir(world.path("source"))
    world.file("source/gone", "x"), world.file("source/there", "y")
    sender = world.run("send", world.path("source"))
    sender.expect_event("room")
    os.unlink(world.path("source/gone"))
    receiver = world.run("receive", world.path("target"), "--yes")
    receiver.expect_code(1)
    sender.expect_code(1)
    check(os.listdir(world.path("target/source")) == ["there"], receiver.story())
    check(receiver.events("file", path="source/gone", fate="failed"), receiver.story())


@scene(seconds=2)
def a_file_that_changes(world):
    """A file that changes after it was offered gets no name, is told on both sides, and comes with the next run"""
    source = world.file("file", random_bytes(4_000_000))
    sender, receiver = pair(world, [source])
    receiver.expect_event("offer")
    with open(source, "ab") as file:
        file.write(b"more")
    receiver.send("y\n")
    for program in (sender, receiver):
        program.expect_code(1)
        check("it was changed while it was sent" in program.err, program.story())
    check(not os.path.exists(world.path("target/file")), "it has its name")
    transfer(world, [source])
    with open(world.path("target/file"), "rb") as file:
        check(file.read() == random_bytes(4_000_000) + b"more", "it is not the same")


@scene
def names_cannot_steer_the_terminal(world):
    """A file name with control characters is not sent, and told in a way that a terminal can show"""
    os.mkdir(world.path("source"))
    world.file("source/bad\x1b[2Jname", "x"), world.file("source/good", "y")
    sender, receiver = pair(world, [world.path("source")], "--yes")
    receiver.expect_code(0)
    sender.expect_code(1)
    check("\x1b" not in sender.err and "left out" in sender.err, sender.story())


@scene
def what_is_left_out_decides_before_the_end_is_told(world):
    """What was left out is an error of the session: told once, before the event `end`, whose code is the program's"""
    os.mkdir(world.path("source"))
    os.mkfifo(world.path("source/fifo"))
    world.file("source/good", "y")
    sender, receiver = pair(world, [world.path("source")], "--yes")
    receiver.expect_code(0)
    sender.expect_code(1)
    told = [event for event in sender.events() if event["event"] in ("error", "end")]
    check([event["event"] for event in told] == ["error", "end"], sender.story())
    check([event["code"] for event in told] == [1, 1] and "left out" in told[0]["message"], sender.story())


@scene(seconds=2)
def a_thousand_small_files(world):
    """A thousand small files arrive, without a round trip for each"""
    os.mkdir(world.path("source"))
    for i in range(1000):
        world.file(f"source/{i}", f"{i}" * (i % 50))
    transfer(world, [world.path("source")])
    same(world.path("source"), world.path("target/source"))
