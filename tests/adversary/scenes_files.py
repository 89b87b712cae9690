"""scenes_files.py - senders, receivers and forwards that know the secret and mean it ill; and somebody on the receiver's own
machine who swaps folders for links meanwhile."""

import concurrent.futures
import os
import random
import struct
import subprocess
import sys
import time
from signal import SIGCONT, SIGSTOP

from attack import scene
from harness import SIGINT, Skip, check, descriptors, free_port, rss_kb, until, with_parent
from raw import LEAF, UNKNOWN, Raw, entry, finish, leaves, manifest, record
from scenes_forward import Server, ask, echo

SWAP = """
import ctypes, itertools, os, sys
libc = ctypes.CDLL(None, use_errno=True)
pairs = [tuple(p.encode() for p in pair.split("|")) for pair in sys.argv[1:]]
for number in itertools.count():
    folder, link = pairs[number % len(pairs)]
    libc.renameat2(-100, folder, -100, link, 2)
    if number % 1000 == 0:
        print(number, flush=True)
"""


def tree(folder):
    """Everything beneath a folder: kind, and contents or target."""
    found = {}
    folder = os.fsencode(folder)
    for base, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(base, name)
            if os.path.islink(path):
                what = ("l", os.readlink(path))
            elif os.path.isdir(path):
                what = ("d", None)
            else:
                with open(path, "rb") as file:
                    what = ("f", file.read())
            found[os.path.relpath(path, folder)] = what
    return found


def receiver_of(world, *more, target="base/target", **options):
    program = world.run("receive", world.path(target), "--yes", "--keep", "--max-peers", "64", *more, **options)
    program.expect_event("room")
    return program


# ---- names ----

MEMORY_KB = 64 * 1024  # of a receiver beside what it has anyway
STEM = b".0123456789abcdef.part"  # as our unfinished files end


def hostile_names():
    """Some two hundred: whatever has led a program out of its folder, over a file or past a check."""
    up = [b"..", b"../x", b"../../x", b"a/../../x", b"a/..", b"./x", b"a/./x", b".", b"...", b". .", b".. ", b" ..", b"..\\x",
          b"..\\..\\x", b"a\\..\\x", b"%2e%2e/x", b"..%2fx", b"..;/x", b"\xc0\xae\xc0\xae/x", b"\xe0\x80\xae./x",
          "․․/x".encode(), "‥/x".encode(), "．．/x".encode(), "..∕x".encode(), "..⁄x".encode(), "..／x".encode()]
    absolute = [b"/x", b"//x", b"/etc/passwd", b"/proc/self/cwd/x", b"~/x", b"~root/x", b"C:\\x", b"\\\\host\\x", b"file:///x",
                b"/dev/null", b"-", b"--help", b"-rf"]
    slashes = [b"", b"/", b"//", b"x/", b"x//y", b"x//", b"dir/", b"mine/", b"/.", b"x/."]
    taken = [b"mine", b"dir", b"dir/inner", b"dir/new", b"link", b"link/x", b"link/victim", b"filelink", b"filelink/x",
             b"dangling", b"dangling/x", b"loop", b"loop/x", b"fifo", b"fifo/x", b"MINE", b"Mine", b"mine ", b"mine.",
             "ｍine".encode(), "mıne".encode()]
    unfinished = [b"x" + STEM, b"mine" + STEM, b"dir/x" + STEM, STEM, b"x.part", b"x.0123456789abcdeg.part",
                  b"x.0123456789ABCDEF.part", b"x" + STEM + b"/y", b"x" + STEM + b".part", b"y.0123456789abcde.part"]
    control = [b"x" + bytes([byte]) + b"y" for byte in list(range(0, 32)) + [127]]
    shown = [t.encode() for t in ("\u202egpj.exe", "a\u200bb", "\ufeffx", "a\u0301", "á", "\u0085", "\u2028x", "\u00ad",
                                  "𝒙", "Ⅸ", "ﬁ", "ß", "İ", "K", "Å", "\U000e0041", "a\u034fb", "\u115f", "شبكة", "x\u200d")]
    bad_utf8 = [b"\xff", b"\xfe\xff", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"x\x80y", b"\xc3", b"\x80", b"\x9b2J",
                b"\xf0\x9f\xa6"]
    long = [b"n" * 254, b"o" * 255, b"p" * 256, b"q" * 4000, b"/".join([b"r"] * 100), b"/".join([b"s"] * 101),
            b"/".join([b"t" * 199] * 20), b"/".join([b"u" * 200] * 20), b"v" * 65535, ("ü" * 127 + "v").encode(),
            ("ü" * 128).encode(), b"/".join([b".."] * 1000), b"w/" * 1999 + b"w"]
    devices = [b"CON", b"NUL", b"aux.txt", b"com1", b"x:y", b"x::$DATA", b"x*", b"x?", b'x"', b"<x>", b"|x", b"x.", b"x ",
               b" x", b"$HOME", b"$(x)", b"`x`", b"x;y", b"x\\", b"!x", b"#x", b"'x", b"*", b"?", b"\\", b"x&y", b"x%00y",
               b".bashrc", b".ssh", b".git", b"core", b"lost+found"]
    names = up + absolute + slashes + taken + unfinished + control + shown + bad_utf8 + long + devices
    return list(dict.fromkeys(names))


def hostile_offers():
    """What does not fit together, though each name may be one: links that came before, twice the same, files as folders."""
    def link(path, target):
        return entry(path, b"l", target=target)

    folder, inside = entry(b"x", b"d", mode=0o755), entry(b"x/y", size=4)
    return [
        manifest(link(b"x", b".."), inside), manifest(link(b"x", b"/tmp"), inside), manifest(link(b"x", b"dir"), inside),
        manifest(folder, link(b"x/l", b"../../outside"), entry(b"x/l/y", size=4)), manifest(folder, link(b"x/l", b"../.."), inside),
        manifest(link(b"link", b"dir"), entry(b"link/y", size=4)), manifest(inside, folder), manifest(inside),
        manifest(entry(b"x", size=4), inside), manifest(folder, inside, inside), manifest(folder, folder),
        manifest(entry(b"x", size=4), folder, inside), manifest(link(b"x", b"y"), folder, inside),
        manifest(link(b"x", b"")), manifest(link(b"x", b"a\0b")), manifest(entry(b"x", b"f", size=4, target=b"y")),
        manifest(entry(b"x", b"b", size=4)), manifest(entry(b"x", b"c")), manifest(entry(b"x", b"p")), manifest(entry(b"x", b"s")),
        manifest(entry(b"x", mode=0o4755, size=4)), manifest(entry(b"x", mode=0o2755, size=4)), manifest(entry(b"x", b"d", size=4)),
        manifest(), manifest(inside)[:-1], manifest() + b"f", b"", b"p2pfile\2" + inside, b"x" * 100,
    ]


def may_be(path):
    """What peer/cli/README.md says of paths."""
    parts = path.split(b"/")
    return (len(path) <= 4000 and len(parts) <= 100 and not any(byte < 32 or byte == 127 for byte in path)
            and all(0 < len(part) <= 255 and part not in (b".", b"..") and not unfinished_name(part) for part in parts))


def unfinished_name(part):
    stem, _, ending = part.rpartition(b".")
    digits = stem.rpartition(b".")
    return ending == b"part" and len(digits[2]) == 16 and not digits[2].strip(b"0123456789abcdef") and digits[1] == b"."


def prepare(world):
    """base/target with one of everything that is in the way, and base/outside, which must stay as it is."""
    for folder in ("base/outside", "base/target/dir"):
        os.makedirs(world.path(folder))
    world.file("base/outside/victim", "victim"), world.file("base/target/mine", "mine"), world.file("base/target/dir/inner", "i")
    for name, leads in (("link", "../outside"), ("filelink", "../outside/victim"), ("dangling", "../outside/new"),
                        ("loop", "loop")):
        os.symlink(leads, world.path("base/target/" + name))
    world.file("base/target/fifo", "stands for a fifo, which could not be compared")
    return tree(world.path("base"))


def offer_one(world, path):
    """Offers a file of this name, with the folders that it lies in; True: it arrived."""
    data = b"of " + path[:40]
    parents = path.split(b"/")[:-1]
    folders = [entry(b"/".join(parents[:n]), b"d", mode=0o755) for n in range(1, len(parents) + 1)]
    hostile = Raw(world)
    answer = hostile.transfer(manifest(*folders, entry(path, size=len(data))),
                              leaves(len(folders), data) + [finish(len(folders), data)])
    hostile.close()
    return bool(answer and answer[0] == "D" and struct.unpack(">II", answer[1]) == (1, 0))


def offer_raw(world, offered):
    hostile = Raw(world)
    answer = hostile.transfer(offered, [])
    hostile.close()
    return answer


@scene(seconds=20)
def hostile_names_lead_nowhere(world):
    """Two hundred hostile names: each is refused, or becomes a file of just that name; nothing outside, nothing overwritten"""
    names = hostile_names()
    offers = hostile_offers()
    check(len(names) + len(offers) >= 200, f"{len(names)} names, {len(offers)} offers")
    if world.quick:
        through = [name for name in names if name.startswith((b"link", b"filelink", b"dangling", b"mine", b".."))]
        names, offers = through + names[::6], offers[::3]
    before = prepare(world)
    receiver_of(world)
    names = list(dict.fromkeys(names))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        arrived = [name for name, yes in zip(names, pool.map(lambda name: offer_one(world, name), names)) if yes]
        for offered, answer in zip(offers, pool.map(lambda offered: offer_raw(world, offered), offers)):
            check(answer is None or answer[0] == "R", f"{offered[:60]} was accepted: {answer}")
    after = tree(world.path("base"))
    kept = {path: after.get(path) for path in before}
    check(kept == before, f"altered: {[p for p in before if kept[p] != before[p]]}")
    new = {path[len(b"target/"):]: what for path, what in after.items() if path not in before}
    check(all(path.startswith(b"target/") for path in after if path not in before), "something new outside")
    taken = {path[len(b"target/"):] for path in before if path.startswith(b"target/")}
    links = (b"link", b"filelink", b"dangling", b"loop", b"mine", b"fifo")
    wanted = {n for n in names if may_be(n) and n not in taken and not n.startswith(tuple(link + b"/" for link in links))}
    files = {path for path, what in new.items() if what[0] == "f"}
    check(set(arrived) == files, f"said or made: {set(arrived) ^ files}")
    check(files == wanted, f"wanted or made: {sorted(files ^ wanted)}")
    check(all(what[1] == b"of " + path[:40] for path, what in new.items() if what[0] == "f"), "another content")


# ---- lies about sizes ----

def lies():
    """(sentence, manifest, records) of what must not become a file "f"."""
    data = random.Random(7).randbytes(3 * LEAF + 5)
    more = data + bytes([1])

    def one(why, records, size=len(data)):
        return why, manifest(entry(b"f", size=size)), records

    end = finish(0, data)
    whole = leaves(0, data)
    return [
        one("a leaf behind the end", whole + [record(b"D", 0, 4, body=b"x")]),
        one("a last leaf that is longer", leaves(0, more) + [finish(0, more)]),
        one("a last leaf that is shorter", leaves(0, data[:-1]) + [finish(0, data[:-1])]),
        one("a leaf less", whole[:-1] + [finish(0, data, sent=3)]),
        one("the first leaf missing", whole[1:] + [finish(0, data, sent=3)]),
        one("an end that says less", whole + [finish(0, data, size=len(data) - 1)]),
        one("an end that says more", whole + [finish(0, data, size=len(data) + 1)]),
        one("more sent than came", whole + [finish(0, data, sent=5)]),
        one("an end and no leaf", [finish(0, data, sent=0)]),
        one("a leaf twice", whole[:1] * 2 + whole + [end]),
        one("an end twice", [end, end] + whole),
        one("zeros over what came", whole[:2] + [record(b"Z", 0, 0, 2)] + whole[2:] + [end]),
        one("zeros behind the end", whole + [record(b"Z", 0, 4, 1 << 25)]),
        one("zeros without end", [record(b"Z", 0, 0, (1 << 32) - 1)]),
        one("terabytes of zeros, and another root", [record(b"Z", 0, 0, 1 << 26), finish(0, data, size=1 << 43, sent=1 << 26)],
            size=1 << 43),
        one("terabytes of zeros again and again", [record(b"Z", 0, 0, 1 << 26)] * 1000, size=1 << 43),
        one("another file's number", [record(b"D", 9, 0, body=b"x")]),
        one("no kind at all", [record(b"Q", 0, 0, body=b"x")]),
        one("a leaf that is too long", [record(b"D", 0, 0, LEAF + 1, b"x" * (LEAF + 1))]),
        one("half a record", [record(b"D", 0, 0, LEAF, b"x")]),
        one("nothing at all", []),
        one("larger than can be", [], size=(1 << 43) + 1),
        one("an unknown size, and an end beyond what came", whole + [finish(0, data, size=len(data) + LEAF)], size=UNKNOWN),
        one("an unknown size, and a byte here and there", [record(b"D", 0, 512 * n, body=b"x") for n in range(20_000)],
            size=UNKNOWN),
        one("an unknown size, and terabytes", [finish(0, data, size=1 << 50, sent=0)], size=UNKNOWN),
        ("a thousand files begun at once", manifest(*(entry(b"%d" % n, size=2 * LEAF) for n in range(1100))),
         [b"".join(record(b"Z", n, 0, 1) for n in range(1100))]),
    ]


def peak_kb(pid):
    """The most memory that it has had so far."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@scene(seconds=8)
def lies_about_sizes(world):
    """Sizes that lie in both directions make no file, cost the receiver next to nothing, and the next sender is served"""
    os.makedirs(world.path("base"))
    receiver = receiver_of(world)
    memory, files = peak_kb(receiver.pid), descriptors(receiver.pid)
    for why, offered, records in lies():
        hostile = Raw(world)
        answer = hostile.transfer(offered, records)
        check(not answer or answer[0] == "R" or struct.unpack(">II", answer[1])[0] == 0, f"{why}: taken, {answer}")
        hostile.close()
        check(not os.path.exists(world.path("base/target/f")), f"{why}: it has its name")
        check("at once" not in why or answer and b"at once" in answer[1], f"{why}: borne, {answer}")
        grown = peak_kb(receiver.pid) - memory
        check(grown < MEMORY_KB, f"{why}: {grown} kB of memory")
        until(lambda: descriptors(receiver.pid) <= files + 32, 10, f"{why}: files are left open")
        for name in os.listdir(world.path("base/target")):
            os.unlink(world.path("base/target/" + name))
    used = processor_seconds(receiver.pid)
    check(used < 4, f"the receiver took {used} s of a processor")
    data = b"after all of that"
    check(Raw(world).transfer(manifest(entry(b"f", size=len(data))), leaves(0, data) + [finish(0, data)])[0] == "D",
          receiver.story())


@scene(seconds=6)
def what_is_out_of_turn(world):
    """Offers without end, lanes before the offer, a fifth lane, other streams: refused or not heard, and others are served"""
    os.makedirs(world.path("base"))
    receiver = receiver_of(world)
    endless = Raw(world)
    stream = endless.open("m")
    endless.write(stream, manifest())
    for number in range(66):
        endless.write(stream, b"".join(entry(b"%d-%d" % (number, n), size=1) for n in range(1 << 15)))
        if endless.over():
            break
    answer = endless.wait_for(stream, "R", 60)
    check(answer and b"too many" in answer[1], f"{answer}\n{receiver.story()}")
    data = b"x" * 100
    early = Raw(world)
    lane = early.lanes([record(b"D", 0, body=data), finish(0, data)])[0]
    until(lambda: lane in early.ended or early.came is not None, 5, "")
    stream = early.offer(manifest(entry(b"early", size=len(data))))
    check(early.wait_for(stream, "GR")[0] == "G", receiver.story())
    early.offer(manifest(entry(b"second", size=len(data))))
    for kind in "mfFpc\x01":
        early.open(kind)
    early.lanes([record(b"N", 0)] * 50, end=False)
    fifth = early.open("l", 1)
    early.write(fifth, b"".join(leaves(0, data)) + finish(0, data))
    for number in range(fifth - 4, fifth):
        early.finish(number)
    answer = early.wait_for(stream, "DR")
    check(answer and answer[0] == "R", f"{answer}: a fifth lane was read\n{receiver.story()}")
    check(not {"early", "second"} & set(os.listdir(world.path("base/target"))), "something was taken")
    check(Raw(world).transfer(manifest(entry(b"f", size=len(data))), leaves(0, data) + [finish(0, data)])[0] == "D",
          receiver.story())


def offer_on(hostile, megabytes):
    """Writes so much of an offer that does not end; its stream."""
    stream = hostile.open("m")
    hostile.write(stream, manifest())
    names = b"".join(entry(b"%06d" % n, size=1) for n in range(1 << 15))  # without the end nobody looks whether one comes twice
    for _ in range(megabytes):
        hostile.write(stream, names[:1 << 20])
    return stream


@scene(seconds=5)
def offers_of_many_have_a_limit(world):
    """Four that offer without end are held in a quarter of a gigabyte, the last is refused, and an honest sender is served"""
    os.makedirs(world.path("base"))
    receiver = receiver_of(world)
    before = rss_kb(receiver.pid)
    hostile = [Raw(world) for _ in range(4)]
    for one in hostile[:3]:
        offer_on(one, 63)
    until(lambda: rss_kb(receiver.pid) - before > 3 * 62 << 10, 30, lambda: f"{rss_kb(receiver.pid) - before} KB\n{receiver.story()}")
    answer = hostile[3].wait_for(offer_on(hostile[3], 40), "R", 30)
    check(answer and b"beside those of others" in answer[1], f"{answer}\n{receiver.story()}")
    check(rss_kb(receiver.pid) - before < 280 << 10, f"{rss_kb(receiver.pid) - before} KB are held")
    check(not any(one.frames(0) for one in hostile[:3]), "one of the first was refused, too")
    data = b"an honest file"
    check(Raw(world).transfer(manifest(entry(b"f", size=len(data))), leaves(0, data) + [finish(0, data)])[0] == "D",
          receiver.story())
    hostile[0].finish(0)
    until(hostile[0].over, 30, "what is no offer is kept")
    another = Raw(world)
    stream = offer_on(another, 60)
    another.finish(stream)
    answer = another.wait_for(stream, "R", 30)
    check(answer and b"beside those of others" not in answer[1], f"what was given back cannot be had again: {answer}")


@scene(seconds=4)
def offers_within_their_share_are_taken(world):
    """An offer that came while there was room is taken at its end though others have taken the rest since, and not one byte more"""
    os.makedirs(world.path("base"))
    receiver = receiver_of(world)
    before = rss_kb(receiver.pid)

    def expect_held(megabytes):
        until(lambda: rss_kb(receiver.pid) - before > megabytes << 10, 30, lambda: f"{rss_kb(receiver.pid) - before} KB\n{receiver.story()}")

    links = [entry(b"%05d" % number, b"l", target=b"x/" * 1999 + b"x") for number in range(10500)]
    links = manifest(*links, entry(b"file", size=1000))  # whose bytes do not come, so that what is taken stays taken
    held = 2 * (len(links) >> 20)
    early = [Raw(world) for _ in range(2)]
    streams = [one.open("m") for one in early]
    for one, stream in zip(early, streams):
        one.write(stream, links)
    expect_held(held)
    for megabytes in (63, 50, 30, 14):  # of 256; then each of the first two has more than is free
        offer_on(Raw(world), megabytes)
        held += megabytes
        expect_held(held - 2)
    early[0].finish(streams[0])
    answer = early[0].wait_for(streams[0], "GR", 30)
    check(answer and answer[0] == "G", f"{answer}: it was whole, and within its share\n{receiver.story()}")
    check(not early[1].frames(streams[1]), f"it was refused before it had more\n{receiver.story()}")
    early[1].write(streams[1], b"l")
    answer = early[1].wait_for(streams[1], "GR", 30)
    check(answer and b"beside those of others" in answer[1], f"{answer}: more than its share was read\n{receiver.story()}")


# ---- hostile receivers ----

def wrong_answers():
    """Frames that no receiver sends of the one file of 3 leaves and a folder."""
    def frame(kind, body=b""):
        return kind + struct.pack(">I", len(body)) + body

    def have(file, first, flags, rest=b""):
        return frame(b"H", struct.pack(">IIB", file, first, flags) + rest)

    return [
        frame(b"?"), b"H" + struct.pack(">I", 1 << 20), frame(b"D", bytes(8)), frame(b"A") + frame(b"D", bytes(8)),
        frame(b"H"), have(0, 0, 0), have(9, 0, 0), have(1, 1, 0, bytes(32)), have(1, 0, 0, bytes(31)),
        have(1, 0, 0, bytes(4 * 32)), have(1, 0, 2, struct.pack(">I", 4)), have(1, 0, 2, struct.pack(">I", (1 << 32) - 1)),
        have(1, 0, 2), have(1, 0, 0, bytes(64)) + have(1, 1, 0, bytes(32)), frame(b"S"), frame(b"S", struct.pack(">I", 7)),
        frame(b"C", bytes(8)), frame(b"C", bytes(7)), frame(b"G") + frame(b"G"), frame(b"G") + have(1, 0, 0, bytes(32)),
        frame(b"G") + frame(b"D", bytes(7)),
    ]


@scene(seconds=8)
def receivers_that_lie(world):
    """A receiver that answers what no receiver answers is left with a sentence, and the others get their files"""
    os.mkdir(world.path("source"))
    world.file("source/f", "x" * (3 * LEAF))
    sender = world.run("send", world.path("source"), "--keep", "--max-peers", "64")
    sender.expect_event("room")
    for number, answer in enumerate(wrong_answers()):
        hostile = Raw(world, "receive")
        until(lambda: "m" in hostile.kinds.values(), 15, "nothing was offered")
        hostile.write(next(n for n, kind in hostile.kinds.items() if kind == "m"), answer)
        until(hostile.over, 15, lambda: f"answer {number}, {answer[:20]}, is borne\n{sender.story()}")
        hostile.close()
    honest = world.run("receive", world.path("target"), "--yes")
    honest.expect_code(0)
    check("does not keep to the protocol" in sender.err, sender.story())


@scene(seconds=2)
def a_receiver_that_tells_too_much(world):
    """A receiver that tells of more leaves one by one than two files of 8 TiB have is left, and has cost the sender 256 MB at most"""
    os.mkdir(world.path("source"))
    for name in "abc":
        with open(world.path(f"source/{name}"), "wb") as file:
            try:
                os.truncate(file.fileno(), 1 << 43)
            except OSError as error:
                raise Skip(f"no file of 8 TiB here: {error}") from error
    sender = world.run("send", world.path("source"), "--keep")
    sender.expect_event("room")
    before = rss_kb(sender.pid)
    hostile = Raw(world, "receive")
    until(lambda: "m" in hostile.kinds.values(), 15, "nothing was offered")
    stream = next(n for n, kind in hostile.kinds.items() if kind == "m")
    hostile.write(stream, b"A" + bytes(4))

    def tell(file, runs):  # of 513 zeros each: no page of 512 is alike
        hostile.write(stream, b"".join(b"H" + struct.pack(">IIIBI", 13, file, 513 * run, 2, 513) for run in range(runs)))

    pages = (1 << 26) // 513
    tell(1, pages)
    tell(2, pages)
    until(lambda: rss_kb(sender.pid) - before > 120 << 10, 30, lambda: f"{rss_kb(sender.pid) - before} KB\n{sender.story()}")
    check(not hostile.over(), f"too much of two files\n{sender.story()}")
    tell(3, pages)
    until(hostile.over, 30, lambda: f"more is borne\n{sender.story()}")
    sender.expect_event("transfer", complete=False)
    check(peak_kb(sender.pid) - before < 256 << 10, f"{peak_kb(sender.pid) - before} KB\n{sender.story()}")


@scene(seconds=4)
def receivers_that_come_and_go(world):
    """Receivers that are gone as soon as they are connected end no `send --keep`, and who comes after them gets the file"""
    sender = world.run("send", world.file("f", "x" * 100), "--keep", "--max-peers", "64")
    sender.expect_event("room")
    for _ in range(60):  # until one was: a sender that gets little of the processor hears both in one go
        hasty = Raw(world, "receive", hasty=True, wait=False)
        while not hasty.over():
            sender.signal(SIGSTOP)
            time.sleep(0.005)
            sender.signal(SIGCONT)
            time.sleep(0.001)
        hasty.close()
        if "cannot offer anything" in sender.err:
            break
    check("cannot offer anything" in sender.err, f"nobody was gone soon enough\n{sender.story()}")
    world.run("receive", world.path("target"), "--yes").expect_code(0)
    sender.signal(SIGINT)
    sender.expect_code(130)


# ---- races ----

@scene(seconds=15)
def races_between_folder_and_link(world):
    """While files arrive, somebody swaps their folders for links that lead out: nothing gets there, nothing is overwritten"""
    folders, files = 10, 1500 if world.quick else 100_000
    os.makedirs(world.path("base/target/d"))
    os.mkdir(world.path("base/outside"))
    pairs = []
    for number in range(folders):
        os.mkdir(world.path(f"base/target/d/{number}"))
        os.symlink("../../outside", world.path(f"base/target/d/link-{number}"))
        world.file(f"base/outside/{number}", "mine")
        pairs.append("|".join(world.path(f"base/target/d/{name}") for name in (number, f"link-{number}")))
    before = tree(world.path("base/outside"))
    swapper = subprocess.Popen(with_parent([sys.executable, "-c", SWAP, *pairs]), stdout=subprocess.PIPE)
    world.endings += [swapper.stdout.close, swapper.wait, swapper.kill]
    swapper.stdout.readline()
    receiver = receiver_of(world)
    entries = [entry(b"d", b"d", mode=0o755)] + [entry(b"d/%d" % n, b"d", mode=0o755) for n in range(folders)]
    paths = [b"d/%d/%d" % (n % folders, n) for n in range(files)]
    first = len(entries)
    hostile = Raw(world)
    records = []
    for number, path in enumerate(paths):
        records += leaves(first + number, path) + [finish(first + number, path)]
    batch = 64
    records = [b"".join(records[at:at + batch]) for at in range(0, len(records), batch)]
    answer = hostile.transfer(manifest(*entries, *(entry(p, size=len(p)) for p in paths)), records, 120 if world.quick else 600)
    swapper.kill()
    swaps = int(swapper.stdout.read().split()[-1])
    check(answer and answer[0] == "D", f"{answer}\n{receiver.story()}")
    arrived, failed = struct.unpack(">II", answer[1])
    check(tree(world.path("base/outside")) == before, "something got outside")
    check(arrived + failed >= files and arrived and failed, f"{arrived} arrived, {failed} failed: that was no race")
    check(swaps >= files, f"{swaps} swaps for {files} files")
    for path, what in tree(world.path("base/target")).items():
        name = os.path.basename(path)
        good = what[0] != "f" or name.endswith(b".part") or what[1].rpartition(b"/")[2] == name
        check(good, f"{path} is another file")


# ---- more than its share ----

@scene(seconds=2)
def nameless_connections_leave_room(world):
    """Who opens hundreds of connections and names none of them fills its share of a forward, and another peer is served"""
    server = Server(world, echo)
    target = f"127.0.0.1:{server.port}"
    few = ["prlimit", "--nofile=320:320"]  # 128 of them are no connections
    door = world.run("forward", "--keep", "--name", "door", "--allow", target, before=few)
    door.expect_event("room")
    hostile = Raw(world, "forward")
    knocks = [hostile.open("f") for _ in range(250)]
    for knock in knocks:
        hostile.write(knock, b"L")
    until(lambda: len(hostile.ended) == len(knocks) - 128, 15, lambda: f"{len(hostile.ended)} were refused\n{door.story()}")
    check(all(hostile.came.get(knock) == b"\3" for knock in hostile.ended), "refused without a word")
    port = free_port()
    guest = world.run("forward", "--to", "door", "-L", f"{port}:{target}")
    until(lambda: guest.events("forward", state="granted"), 15, guest.story)
    check(ask(port, b"text") == b"text", guest.story() + door.story())
    check(not hostile.over() and len(hostile.ended) == len(knocks) - 128, "the hostile peer was closed: nothing is shown")


# ---- silence ----

def stalled_sender(world, step):
    """A sender that goes so far in a session and says no more."""
    hostile = Raw(world)
    data = b"x" * (2 * LEAF)
    if step == "no offer":
        return hostile
    offered = manifest(entry(b"%d" % id(hostile), size=len(data)))
    if step == "half an offer":
        hostile.write(hostile.open("m"), offered[:-3])
        return hostile
    stream = hostile.offer(offered)
    check(hostile.wait_for(stream, "G"), "not accepted")
    if step == "half a record":
        hostile.write(hostile.open("l", 1), leaves(0, data)[0][:1000])
    elif step == "silent lanes":
        hostile.lanes([], end=False)
    elif step == "deaf":
        hostile.deaf(stream)
        hostile.lanes(leaves(0, data), end=False)
    return hostile


@scene(seconds=200, slow=True)
def silence_has_limits(world):
    """Who stalls is left: an offer after 60 s, a session after 180 s, a nameless connection after 30 s; thinking is no stalling"""
    os.makedirs(world.path("base"))
    source = world.file("file", "x" * (3 * LEAF))
    receiver = receiver_of(world)
    begun = time.monotonic()
    quick = [stalled_sender(world, step) for step in ("no offer", "half an offer")]
    slow = [stalled_sender(world, step) for step in ("no lanes", "silent lanes", "half a record", "deaf")]
    rooms = [world.room + word for word in (" thinks", " input", " silent", " door")]
    thinker = world.run("receive", world.path("thinks"), room=rooms[0])
    waiting = world.run("send", source, room=rooms[0])
    typing = world.run("send", "-", "--as", "typed", room=rooms[1])
    typing.send("before")
    reader = world.run("receive", world.path("typed"), "--yes", room=rooms[1])
    silenced = world.run("send", source, room=rooms[2])
    silent = Raw(world, "receive", rooms[2])
    door = world.run("forward", "--keep", "--allow", "127.0.0.1:9", room=rooms[3])
    door.expect_event("room")
    knocker = Raw(world, "forward", rooms[3])
    nameless = knocker.open("f")
    knocker.write(nameless, b"L\0")
    until(lambda: nameless in knocker.ended, 40, "a connection without a name is kept")
    check(time.monotonic() - begun > 25, "it was closed at once")
    until(lambda: all(h.over() for h in quick), 75, receiver.story)
    check(not any(h.over() for h in slow), "some were given up with those that offered nothing")
    until(lambda: all(h.over() for h in slow), 150, receiver.story)
    check(time.monotonic() - begun > 175, "silence was not borne for 180 s")
    silenced.expect_code(1, 20)
    check("has said nothing" in silenced.err, silenced.story())
    until(lambda: time.monotonic() - begun > 200, 60, "")  # who only thinks is not given up: longer than SILENCE_S shows that
    thinker.send("y\n")
    for program in (thinker, waiting):
        program.expect_code(0)
    typing.send("after")
    typing.close_input()
    for program in (typing, reader):
        program.expect_code(0)
    with open(world.path("typed/typed"), "rb") as file:
        check(file.read() == b"beforeafter", "it is not the same")
    receiver.signal(SIGINT)
    receiver.expect_code(130)
