"""scenes_guess.py - secrets that are not the room's: by mistake, and by somebody who tries them without pause."""

import time

import attack
from attack import scene, secret
from guesser import Guesser
from harness import check, until

TRIES_A_MINUTE = 10
MINUTE_S = 59.5  # the eleventh may come 60 s after the first left, and the first is noted when it has arrived
JOIN_S = 60


@scene(seconds=5)
def a_wrong_secret_is_told_soon(world):
    """With a wrong secret the later arrival ends with 6 within 4 s of meeting, and who was there first warns and stays"""
    broker = world.broker().url
    anna = world.run("chat", "--name", "anna", broker=broker, env=secret())
    anna.expect_event("room")
    time.sleep(1.2)  # both would count as fresh
    bert = world.run("chat", "--name", "bert", broker=broker, env=secret("another"))
    met = bert.expect_event("room")["at"]
    bert.expect_code(6)
    took = time.monotonic() - met
    check(took < 4, f"it took {took:.1f} s")
    anna.expect_event("secret")
    check(anna.process.poll() is None, anna.story())


def join_once(world, broker, anna, number):
    """An honest peer comes, meets anna and leaves; returns how long that took."""
    name = f"honest {number}"
    begun = time.monotonic()
    honest = world.run("chat", "--name", name, broker=broker, env=secret())
    until(lambda: anna.events("connected", name=name), JOIN_S,
          lambda: f"not met within {JOIN_S} s\n{anna.story()}\n{honest.story()}")
    took = time.monotonic() - begun
    honest.close_input()
    honest.expect_code(0)
    return took


@scene(seconds=45)
def who_guesses_gets_ten_tries_a_minute(world):
    """Somebody who tries secrets without pause gets at most ten tries a minute at anybody, and honest peers join within 60 s
    (ten of ten; in the quick form one of one)"""
    broker = world.broker()
    anna = world.run("chat", "--name", "anna", "--max-peers", "64", broker=broker.url, env=secret())
    victim = anna.expect_event("room")["id"]
    guesser = Guesser(broker.port, world.room)
    world.endings.append(guesser.close)
    until(lambda: len(guesser.tries.get(victim, [])) >= 4, 20, "the guesser gets nowhere")
    times = [join_once(world, broker.url, anna, number) for number in range(1 if world.quick else 10)]
    begun = guesser.tries[victim][0]
    until(lambda: time.monotonic() > begun + (20 if world.quick else 130), 140, "the clock stands still")
    for who in guesser.tries:
        most = guesser.most_in(who, MINUTE_S)
        check(most <= TRIES_A_MINUTE, f"{most} tries in a minute at {'anna' if who == victim else 'another'}")
    check(max(times) < JOIN_S, f"{times}")
    check(anna.process.poll() is None and not anna.events("connected", name="guess"), anna.story())
    print(f"    honest peers joined after {', '.join(f'{t:.1f}' for t in times)} s; "
          f"{len(guesser.tries[victim])} tries at anna", flush=True)
