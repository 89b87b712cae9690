"""scenes_doctor.py - what `doctor` says of interfaces, servers that are silent and options, and with which exit code.

What it says of NATs is tried in the laboratory (tests/lab/doctors.py).
"""

import json
import signal
import subprocess
import time

from harness import check, cpu_seconds, free_port, own_network, until
from scene import scene
from scenes_private import BROKER_PORT, LAN, PUBLIC, STUN_PORT, two_machines

SECONDS = 3  # promised, whoever is silent; the program's own start and a busy machine not counted
BUSY_SECONDS = 2
BROKER, STUN = f"198.51.100.1:{BROKER_PORT}", f"198.51.100.1:{STUN_PORT}"


def examine(world, *args, code, json_lines=True, **options):
    """The report, as an object or as text."""
    began = time.monotonic()
    program = world.plain("doctor", *args, *(["--json"] if json_lines else []), stdin=subprocess.DEVNULL, **options)
    program.expect_code(code, SECONDS + BUSY_SECONDS + 1)
    seconds = time.monotonic() - began
    check(seconds < SECONDS + BUSY_SECONDS, f"it took {seconds:.1f} s\n{program.story()}")
    return json.loads(program.out) if json_lines else program.out.decode()


def internet_of(world, *addresses):
    """Servers, STUN at one address or at these two, and a machine with a private and a public address that they answer."""
    there, here = two_machines(world)
    with there:
        world.broker(extra=f"allow_anonymous true\nlistener {BROKER_PORT} 0.0.0.0\nallow_anonymous true\n")
        for address in addresses[1:]:
            there.ip(f"addr add {address}/24 dev wan0")
        listen = [option for address in addresses for option in ("--address", address)]
        world.plain("stun-server", *listen, "--port", STUN_PORT, "--json").expect_event("listening")
    return there, here


def internet(world):
    return internet_of(world, "198.51.100.1")[1]


def uses(report):
    return {entry.get("address"): entry["use"] for entry in report["interfaces"]}


@scene
def doctor_where_all_is_well(world):
    """doctor ends with 0 where servers answer a public address, and tells their round trips, in words and as JSON"""
    here = internet(world)
    with here:
        report = examine(world, "--broker", BROKER, "--stun", STUN, code=0)
    check(report["event"] == "doctor" and report["well"] is True, str(report))
    check(report["nat"]["mapping"] == "none" and report["nat"]["external"].startswith(PUBLIC), str(report["nat"]))
    for server in (*report["stun"], *report["brokers"]):
        check(server["state"] == "answers" and 0 < server["rtt_ms"] < 1000, str(server))
    check(uses(report)[LAN] == "used" and uses(report)[PUBLIC] == "used", str(report["interfaces"]))
    check(not any(entry["attention"] for entry in report["advice"]), str(report["advice"]))
    with here:
        text = examine(world, "--broker", BROKER, "--stun", STUN, code=0, json_lines=False)
    for word in ("wan0", PUBLIC, "no NAT", "IPv6", BROKER, " ms", "buffers", "all is well"):
        check(word in text, f"{word!r} is missing:\n{text}")


@scene
def doctor_with_chosen_interfaces(world):
    """doctor uses the interfaces that --interface and --exclude leave, and says why it ignores the others"""
    here = internet(world)
    with here:
        only = examine(world, "--broker", BROKER, "--stun", STUN, "--interface", "wan0", code=0)
        without = examine(world, "--broker", BROKER, "--stun", STUN, "--exclude", "wan0", "--exclude", "lo", code=0)
    check(uses(only)[LAN] == "not-chosen" and uses(only)[PUBLIC] == "used", str(only["interfaces"]))
    check(uses(without)[PUBLIC] == "excluded" and uses(without)[LAN] == "used", str(without["interfaces"]))


@scene(seconds=4)
def doctor_with_silent_servers(world):
    """doctor names in less than 3 s the servers that are silent, refused or unknown, and ends with 1"""
    here = internet(world)
    dead = f"198.51.100.1:{free_port()}"
    with here:
        report = examine(world, "--broker", BROKER, "--broker", dead, "--stun", STUN, "--stun", "198.51.100.9", code=1)
        blocked = examine(world, "--broker", BROKER, "--stun", "198.51.100.9", code=1)
        nobody = examine(world, "--broker", dead, "--stun", "no-such-host.invalid", code=1)
    check([s["state"] for s in report["stun"]] == ["answers", "silent"], str(report["stun"]))
    check([s["state"] for s in report["brokers"]] == ["answers", "failed"], str(report["brokers"]))
    attention = [entry["text"] for entry in report["advice"] if entry["attention"]]
    check(len(attention) == 2 and "198.51.100.9" in attention[0], str(attention))
    check(f"the broker {dead} is of no use: it cannot be reached" in attention[1], attention[1])
    check("UDP seems to be blocked" in blocked["advice"][0]["text"], str(blocked["advice"]))
    check(nobody["stun"][0]["state"] in ("unresolved", "silent"), str(nobody["stun"]))
    check("on the internet?" in nobody["advice"][0]["text"] and ":443" in nobody["advice"][0]["text"], str(nobody["advice"]))


@scene
def doctor_of_what_it_cannot_measure(world):
    """doctor --life says what it would need where no server can show a mapping die, and that it is for doctor alone"""
    here = internet(world)
    with here:
        report = examine(world, "--life", "--broker", BROKER, "--stun", STUN, code=0)
        text = examine(world, "--life", "--broker", BROKER, "--stun", "none", code=0, json_lines=False)
    check(report["nat"]["life"]["state"] == "unknown", str(report["nat"]))
    check("RFC 5780" in report["advice"][-1]["text"], str(report["advice"]))
    check("idle mapping lives is unknown: no STUN server answers" in text, text)
    world.plain("ping", "--room", "r", "--life").expect_code(2)


@scene(seconds=8)
def doctor_waits_without_a_processor(world):
    """doctor --life sleeps while it waits behind a firewall, also when a broker of before is only then let go: of two
    seconds it takes less than a quarter of one"""
    there, here = internet_of(world, "198.51.100.1", "198.51.100.3")
    here.nft("table inet wall { chain input { type filter hook input priority 0; policy drop;"
             " ct state established accept; iifname lo accept; }; }")
    there.ip("link set wan0 address 02:00:00:00:00:01")
    here.ip("neigh replace 198.51.100.9 lladdr 02:00:00:00:00:01 dev wan0 nud permanent")
    late = f"198.51.100.9:{BROKER_PORT}"  # a connection to it begins when it has its address
    with here:
        program = world.plain("doctor", "--life", "--broker", BROKER, "--broker", late, "--stun", STUN, "--json",
                              stdin=subprocess.DEVNULL)
    program.expect_event("life")
    there.ip("addr add 198.51.100.9/24 dev wan0")
    until(lambda: not here.run(["ss", "-Htn", "state", "syn-sent"]).stdout, 10, lambda: "the late broker is not reached")
    before = cpu_seconds(program.pid)
    time.sleep(2)  # the time that is measured
    took = cpu_seconds(program.pid) - before
    check(took < 0.25, f"it took {took:.2f} s of 2 s\n{program.story()}")
    program.signal(signal.SIGINT)
    program.expect_code(128 + signal.SIGINT)


@scene
def doctor_asks_nobody(world):
    """doctor with --stun none asks no server, knows nothing of the NAT, and does not complain about it"""
    here = internet(world)
    with here:
        report = examine(world, "--broker", BROKER, "--stun", "none", code=0)
    check(report["stun"] == [] and report["nat"]["mapping"] == "unknown", str(report))


@scene(seconds=3)
def doctor_without_a_network(world):
    """doctor without any network ends with 1 and says so first"""
    report = examine(world, "--broker", f"127.0.0.1:{free_port()}", "--stun", "192.0.2.1", code=1, before=own_network())
    check("no network interface" in report["advice"][0]["text"], str(report["advice"]))


@scene
def doctor_into_a_full_disk(world):
    """doctor whose report cannot be written ends with 1"""
    with open("/dev/full", "wb") as full:
        for form in ([], ["--json"]):
            program = world.plain("doctor", "--stun", "none", "--broker", f"127.0.0.1:{free_port()}", *form,
                                  stdin=subprocess.DEVNULL, stdout=full)
            program.expect_code(1)
            check("standard output" in program.err, program.story())
