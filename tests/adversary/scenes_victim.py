"""scenes_victim.py - packets that we could be made to send to somebody who has not asked for them."""

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

VICTIM, OURS = "10.77.0.2", "10.77.0.1"
CANDIDATES, BATCH = 500, 16
CHECKS_MAX, AT_ONCE, A_SECOND = 100, 20, 20
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


def betray(world, port):
    """A peer that knows the secret offers 500 ports of the victim, and nothing of its own."""
    hostile = peer.Peer(world.room, SECRET.encode())
    client = mqtt.Client(port, topics=[hostile.hello_topic, hostile.inbox(hostile.id)])
    world.endings.append(client.close)
    ports = [("host", f"{VICTIM}:{1000 + n}") for n in range(CANDIDATES)]
    for _, payload in client.messages(10):
        message = json.loads(payload)
        if message["type"] == "hello" and not hostile.runs:
            client.publish(hostile.inbox(message["from"]), peer.dumps(hostile.pake1(message)))
        elif message["type"] == "pake2":
            check(hostile.accept(message), "the hostile peer's own secret does not hold")
            them = message["from"]
            break
    else:
        check(False, "nobody is there to be used")
    answer = peer.description(ports[:BATCH], complete=False, kind="answer")
    client.publish(hostile.inbox(them), peer.dumps(hostile.pake3(them, answer)))
    for first in range(BATCH, CANDIDATES, BATCH):
        body = {"type": "candidates", "complete": first + BATCH >= CANDIDATES,
                "candidates": peer.listed(ports[first:first + BATCH])}
        client.publish(hostile.inbox(them), peer.dumps(hostile.seal(them, body)))


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
