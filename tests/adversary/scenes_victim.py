"""scenes_victim.py - packets that we could be made to send to somebody who has not asked for them."""

import contextlib
import json
import os
import signal
import time

import attack
import mqtt
import peer
from attack import SECRET, Capture, scene, secret, untrusted_broker
from harness import Skip, check, until
from namespace import LabError, Namespace
from servers import MQTT_PORT
from topology import Lab

VICTIM, OURS = "10.77.0.2", "10.77.0.1"
CANDIDATES, BATCH = 500, 16
CHECKS_MAX, AT_ONCE, A_SECOND = 100, 20, 20
PROBES_MAX, ATTEMPTS_MAX, PROBES_A_SECOND = 2000, 2, 500
HARD_VICTIM = "203.0.113.251:40000"  # an address of the lab's internet that nobody has
CONSENT_S = 30.5
STUN_COOKIE = b"\x21\x12\xa4\x42"


def network(world):
    """A namespace with one network, on which a victim would hear everything."""
    if os.geteuid() != 0:
        raise Skip("needs root, for a network of its own")
    try:
        space = Namespace("victim")
    except LabError as error:
        raise Skip(f"network namespaces are not allowed here: {error}") from error
    world.endings.append(space.close)
    try:
        space.ip("link add ours type veth peer name theirs", "link set ours up", "link set theirs up",
                 f"addr add {OURS}/24 dev ours", f"neigh add {VICTIM} lladdr 02:00:00:00:00:02 dev ours nud permanent")
    except LabError as error:
        raise Skip(f"no network of its own: {error}") from error
    return space


def meet(world, port):
    """A peer that knows the secret and has proven it to whoever is in the room: itself, its client, and who that is."""
    hostile = peer.Peer(world.room, SECRET.encode())
    client = mqtt.Client(port, topics=[hostile.hello_topic, hostile.inbox(hostile.id)])
    world.endings.append(client.close)
    for _, payload in client.messages(10):
        message = json.loads(payload)
        if message["type"] == "hello" and not hostile.runs:
            client.publish(hostile.inbox(message["from"]), peer.dumps(hostile.pake1(message)))
        elif message["type"] == "pake2":
            check(hostile.accept(message), "the hostile peer's own secret does not hold")
            return hostile, client, message["from"]
    return check(False, "nobody is there to be used")


def betray(world, port):
    """It offers 500 ports of the victim, and nothing of its own."""
    hostile, client, them = meet(world, port)
    ports = [("host", f"{VICTIM}:{1000 + n}") for n in range(CANDIDATES)]
    answer = peer.description(ports[:BATCH], complete=False, kind="answer")
    client.publish(hostile.inbox(them), peer.dumps(hostile.pake3(them, answer)))
    for first in range(BATCH, CANDIDATES, BATCH):
        body = {"type": "candidates", "complete": first + BATCH >= CANDIDATES,
                "candidates": peer.listed(ports[first:first + BATCH])}
        client.publish(hostile.inbox(them), peer.dumps(hostile.seal(them, body)))


def pretend_hard(world, port):
    """It says that the victim's address is its own, behind a NAT whose ports have to be guessed."""
    hostile, client, them = meet(world, port)
    answer = peer.description([("srflx", HARD_VICTIM)], kind="answer")
    answer["nat"] = {"map": "both", "filter": "both", "ports": "random", "external": HARD_VICTIM}
    client.publish(hostile.inbox(them), peer.dumps(hostile.pake3(them, answer)))


@scene(seconds=9)
def five_hundred_candidates_of_one_victim(world):
    """A hostile peer that offers 500 ports of a victim makes us send it at most 100 checks, 20 at once and then 20 a second,
    then nothing, and never anything but checks"""
    with network(world):
        broker = world.broker()
        anna = world.run("chat", "--name", "anna", broker=broker.url, env=secret())
        anna.expect_event("room")
        capture = Capture(world, "ours")
        betray(world, broker.port)
        anna.expect_event("peer")
        until(lambda: capture.packets, 5, "nothing was sent at all")
        time.sleep(8 if world.quick else 20)
        packets = [p for p in capture.packets if p[2][0] == VICTIM]
        times = [at - packets[0][0] for at, *_ in packets]
        check(AT_ONCE < len(packets) <= CHECKS_MAX, f"{len(packets)} packets")
        for number, at in enumerate(times):
            check(number + 1 <= AT_ONCE + A_SECOND * at + 2, f"{number + 1} packets after {at:.2f} s")
        check(all(payload[4:8] == STUN_COOKIE for *_, payload in packets), "something else than a check was sent")
        print(f"    {len(packets)} packets, {sum(at < 0.2 for at in times)} in the first 0.2 s, the last after "
              f"{times[-1]:.1f} s", flush=True)


def internet(world):
    if os.geteuid() != 0:
        raise Skip("needs root, for an internet of its own")
    stack = contextlib.ExitStack()
    world.endings.append(stack.close)
    try:
        return stack.enter_context(Lab(build=world.build))
    except (LabError, FileNotFoundError) as error:
        raise Skip(f"no internet of its own: {error}") from error


def towards(capture):
    """When packets left for the victim behind the hard NAT."""
    host = HARD_VICTIM.partition(":")[0]
    return [at for at, _, (address, _), _ in list(capture.packets) if address == host]


@scene(seconds=9)
def a_hard_nat_that_is_a_victims(world):
    """A hostile peer that calls a victim's address its own hard NAT makes us guess there: 2,000 packets an attempt beside
    the 100 checks, two attempts at most, 500 a second"""
    lab = internet(world)
    home = lab.home("port")
    with home.machine:
        anna = world.run("chat", "--name", "anna", broker=lab.servers.broker, stun=lab.servers.stun, env=secret())
    anna.expect_event("room")
    with home.gateway:
        capture = Capture(world, "wan", keep_payload=False)
    with lab.servers.node:
        pretend_hard(world, MQTT_PORT)
    anna.expect_event("peer")
    until(lambda: len(towards(capture)) > CHECKS_MAX, 10, lambda: f"nothing is guessed\n{anna.story()}")
    time.sleep(8 if world.quick else 60)  # the second attempt begins 20 s after the first
    times = towards(capture)
    attempts = 1 if world.quick else ATTEMPTS_MAX
    check((attempts - 1) * PROBES_MAX < len(times) <= CHECKS_MAX + attempts * PROBES_MAX, f"{len(times)} packets")
    most = max(sum(at <= other < at + 1 for other in times) for at in times[::50])
    check(most < PROBES_A_SECOND + CHECKS_MAX, f"{most} packets within a second")
    print(f"    {len(times)} packets, at most {most} a second, the last after {times[-1] - times[0]:.1f} s", flush=True)


@scene(seconds=45, slow=True)
def a_silent_peer_gets_nothing_after_thirty_seconds(world):
    """A peer that is stopped in the middle of a talk gets nothing more after 30.5 s, on its path or by the broker"""
    between = untrusted_broker(world)
    anna, bert = world.pair(broker=between.url, env=secret())
    capture = Capture(world, ports=attack.ports_of(anna), keep_payload=False)
    time.sleep(1)
    bert.signal(signal.SIGSTOP)
    stopped, seen = time.monotonic(), []
    name = bert.expect_event("room")["id"]  # its inbox, and where packets are relayed to
    for number in range(84):  # half a second each
        anna.send(f"are you there? {number}\n")
        seen.append((time.monotonic() - stopped, sum(topic.endswith("/" + name) for topic, _ in between.seen)))
        time.sleep(0.5)
    towards = [at - stopped for at, _, (_, port), _ in capture.packets if port in attack.ports_of(bert)]
    bert.signal(signal.SIGCONT)
    check(any(0 < at < 10 for at in towards), "nothing was sent even at first: the capture does not see it")
    late = [at for at in towards if at > CONSENT_S]
    check(not late, f"{len(late)} packets after {CONSENT_S} s, the last after {late[-1] if late else 0:.1f} s")
    at_30 = next(count for at, count in seen if at > CONSENT_S)
    check(seen[-1][1] == at_30, f"{seen[-1][1] - at_30} messages by the broker after {CONSENT_S} s")
    print(f"    the last packet came {max(towards):.1f} s after the stop", flush=True)
