"""throughput.py - a big pipe over loopback: ours and `socat` with OPENSSL take turns.

Two ways: "pipes", from a source that writes into a pipe to a sink that compares each byte, as in
`tar | p2pconnect | tar`; and "bare", from a file in memory to /dev/null, where nothing competes for the cores.

Speed leaves connecting out: between pipes it is counted at the sink from the first byte to the last, bare from what
the kernel says the receiver has written. CPU time is that of the two programs alone.
"""

import contextlib
import os
import subprocess

from process import Measured
from tools import BenchError, free_port, json_lines, quiet_environment

GB = 1_000_000_000
SECONDS = 120  # after which a run has failed
SOCAT_BLOCK = 65536  # its default of 8192 is slower
STOP_AT = 100_000_000
STOP_SECONDS = 10
SETTLE_S = 1.0  # from the reader's stop until every buffer on the way is full


def certificate(folder):
    """A key and a certificate for 127.0.0.1, made now; answers the file with both and the file with the latter."""
    key, cert, both = (os.path.join(folder, name) for name in ("key.pem", "cert.pem", "both.pem"))
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    done = subprocess.run(
        [*make.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"openssl made no certificate: {done.stderr.strip()}")
    with open(both, "w", encoding="ascii") as out:
        for path in (key, cert):
            with open(path, encoding="ascii") as part:
                out.write(part.read())
    return both, cert


class Socat:
    """TLS 1.3 over TCP with a verified certificate, one way, in blocks of 64 KiB."""

    name = "socat"

    def __init__(self, folder):
        self.both, self.cert = certificate(folder)

    @contextlib.contextmanager
    def pair(self, source, sink, _errors):
        """The sender and the receiver, running between the two descriptors."""
        port = free_port()
        tls = "openssl-min-proto-version=TLS1.3"
        listen = f"OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,cert={self.both},verify=0,{tls}"
        receiver = Measured(["socat", "-u", "-b", SOCAT_BLOCK, listen, "STDOUT"], stdout=sink)
        wait_for_listen(port, receiver)
        dial = f"OPENSSL:127.0.0.1:{port},cafile={self.cert},verify=1,{tls}"
        sender = Measured(["socat", "-u", "-b", SOCAT_BLOCK, "STDIN", dial], stdin=source)
        yield sender, receiver


class Ours:
    """`p2pconnect pipe` on one machine: a room on a broker of the bench, the path is `host`."""

    name = "ours"

    def __init__(self, program, folder, address):
        self.program = program
        self.folder = folder
        self.address = address
        self.turn = 0

    @contextlib.contextmanager
    def pair(self, source, sink, errors):
        self.turn += 1
        room = f"bench-{os.getpid()}-{self.turn}"
        command = [self.program, "pipe", "--json", "--room", room, "--broker", self.address, "--stun", "none"]
        options = {"env": quiet_environment(self.folder), "stderr": errors}
        receiver = Measured(command, stdout=sink, **options)
        sender = Measured(command, stdin=source, stdout=subprocess.DEVNULL, **options)
        yield sender, receiver


def wait_for_listen(port, measured):
    """socat takes one connection: probing it by connecting would use it up."""
    wanted = f":{port:04X}"
    for _ in range(1000):
        with open("/proc/net/tcp", encoding="ascii") as table:
            if any(line.split()[1].endswith(wanted) and line.split()[3] == "0A" for line in list(table)[1:]):
                return
        measured.watch.join(0.01)
    raise BenchError("socat did not listen")


def run(entrant, pour, total, folder, stop=None):
    """One transfer of so many bytes; the sink's report with both sides' CPU and memory."""
    errors_path = os.path.join(folder, f"{entrant.name}.err")
    check = [pour, "check", *map(str, stop or ())]
    with open(errors_path, "w+", encoding="utf-8", errors="replace") as errors:
        source = subprocess.Popen([pour, "source", str(total)], stdout=subprocess.PIPE)
        sink = subprocess.Popen(check, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with entrant.pair(source.stdout, sink.stdin, errors) as (sender, receiver):
            source.stdout.close()
            sink.stdin.close()
            codes = sender.end(SECONDS), receiver.end(SECONDS)
        report = sink.stderr.read()
        sink.wait()
        source.wait()
        errors.seek(0)
        said = errors.read()
    return outcome(json_lines(report)[-1], codes, (sender, receiver), total, said)


def outcome(report, codes, sides, total, said):
    failure = None
    if report["bytes"] != total:
        failure = f"{report['bytes']} of {total} bytes arrived, exits {codes}: {said.strip()[-300:]}"
    elif not report["intact"]:
        failure = "the bytes were altered"
    elif any(codes):
        failure = f"exits {codes}: {said.strip()[-300:]}"
    return {
        "failure": failure,
        "gbit_s": report["bytes"] * 8 / 1e9 / report["seconds"] if report["seconds"] else 0,
        "cpu_s_gb": sum(side.cpu_s for side in sides) * GB / total,
        "peak_kb": max(side.peak_kb for side in sides),
        "report": report,
        "sides": sides,
    }


def run_bare(entrant, _pour, total, folder):
    """One transfer from a file in memory to /dev/null; nobody looks at the bytes, the receiver's exit code vouches."""
    with (
        open(os.path.join(folder, f"{entrant.name}.err"), "w+", encoding="utf-8", errors="replace") as errors,
        memory_file(total) as source,
        open("/dev/null", "wb") as sink,
    ):
        with entrant.pair(source, sink, errors) as (sender, receiver):
            codes = sender.end(SECONDS), receiver.end(SECONDS)
        errors.seek(0)
        said = errors.read()
    speed = receiver.written_per_s(total)
    report = {"bytes": total, "intact": True, "seconds": total / speed if speed else 0}
    return outcome(report, codes, (sender, receiver), total, said)


@contextlib.contextmanager
def memory_file(total):
    """A file of so many random bytes that is nowhere but in memory, opened at its beginning."""
    block = os.urandom(1 << 20)
    with os.fdopen(os.memfd_create("bench"), "w+b") as file:
        for at in range(0, total, len(block)):
            file.write(block[: total - at])
        file.seek(0)
        yield file


WAYS = {"pipes": run, "bare": run_bare}


def measure(way, entrants, rounds, pour, total, folder):
    """{name: {"gbit_s": [...], "cpu_s_gb": [...], "peak_kb": [...], "failures": [...]}}, taking turns."""
    results = {e.name: {"gbit_s": [], "cpu_s_gb": [], "peak_kb": [], "failures": []} for e in entrants}
    for _ in range(rounds):
        for entrant in entrants:
            got = WAYS[way](entrant, pour, total, folder)
            result = results[entrant.name]
            if got["failure"]:
                result["failures"].append(got["failure"])
                continue
            for figure in ("gbit_s", "cpu_s_gb", "peak_kb"):
                result[figure].append(got[figure])
    return results


def measure_stop(entrant, pour, total, folder, seconds=STOP_SECONDS):
    """A reader that stops: what was lost, and by how much the memory of either side grew while it stood."""
    got = run(entrant, pour, total, folder, stop=(STOP_AT, seconds))
    report = got["report"]
    from_s, to_s = report["stopped_at"] + SETTLE_S, report["went_on_at"]
    growth = [0]
    for side in got["sides"]:
        resident = side.resident_kb(from_s, to_s)
        if resident:
            growth.append(max(resident) - resident[0])
        elif not got["failure"]:
            raise BenchError(f"{entrant.name}: no memory sample while the reader stood still")
    return {
        "failure": got["failure"],
        "stood_s": report["went_on_at"] - report["stopped_at"],
        "grew_kb": max(growth),
        "peak_kb": got["peak_kb"],
        "lost_bytes": total - report["bytes"],
    }
