"""scenes_rooms.py - more than two in a room: namesakes told apart, who serves many, and who has no place left."""

import subprocess

from harness import SIGINT, check, until
from scene import scene


def identity(program):
    return program.expect_event("room")["id"]


@scene
def namesakes_are_told_apart(world):
    """Two of one name are shown as NAME#ID in chat and in sentences, alone again as NAME; events keep the name"""
    first, second = (world.run("chat", "--name", "anna") for _ in range(2))
    bert = world.run("chat", "--name", "bert", json_lines=False)
    carl = world.run("chat", "--name", "carl")
    ids = [identity(program) for program in (first, second)]
    for id in ids:
        carl.expect_event("connected", peer=id, name="anna")
        bert.expect_sentence(f"anna#{id[:4]}")
    first.expect_event("connected", name="bert")
    second.expect_event("connected", name="bert")
    first.send("I am the first\n")
    second.send("I am the second\n")
    for program, id, words in ((bert, ids[0], "first"), (bert, ids[1], "second"), (carl, ids[0], "first")):
        program.expect_output(f"anna#{id[:4]}: I am the {words}\n")
    first.expect_output("anna: I am the second\n")  # the only other one of that name here
    check(carl.expect_event("message", text="I am the first")["name"] == "anna", carl.story())
    first.close_input()
    first.expect_code(0)
    bert.expect_sentence(f"anna#{ids[0][:4]} has left")
    second.send("alone now\n")
    bert.expect_output("\nanna: alone now\n")


@scene
def a_name_with_the_sign_is_never_taken_for_a_namesake(world):
    """Who calls itself like another's NAME#ID is shown with its own id behind that"""
    false = world.run("chat", "--name", "anna#abcd")
    bert = world.run("chat", "--name", "bert")
    bert.expect_event("connected", name="anna#abcd")
    false.expect_event("connected")
    false.send("hello\n")
    bert.expect_output(f"anna#abcd#{identity(false)[:4]}: hello\n")


@scene
def to_one_of_two_namesakes(world):
    """--to NAME#ID takes the one of that id, whoever answers first; a wrong id nobody, and the sentence tells them apart"""
    ids = [identity(world.run("echo", "--keep", "--name", "attic")) for _ in range(2)]
    for id, length in ((ids[0], 16), (ids[1], 16), (ids[0], 4), (ids[1], 8)):
        pipe = world.run("pipe", "--to", f"attic#{id[:length]}", stdin=subprocess.DEVNULL)
        pipe.expect_event("connected", peer=id, name="attic")
        pipe.expect_code(0)
    for absent in [world.run("pipe", "--to", f"attic#{wrong}", "--wait", "1", stdin=subprocess.DEVNULL)
                   for wrong in ("zzzzzzzz", ids[0][:3])]:  # three characters are too few to be one
        absent.expect_code(4)
        message = absent.expect_event("error", code=4)["message"]
        check("nobody called" in message and all(f"attic#{id}" in message for id in ids), message)


@scene
def to_one_among_many(world):
    """--to finds one among ten who are connected to each other, and leaves the others alone"""
    chats = [world.run("chat", "--name", f"guest {n}", "--max-peers", "16") for n in range(10)]
    for chat in chats:
        until(lambda chat=chat: len(chat.events("connected")) == 9, 15, chat.story)
    program = world.run("chat", "--name", "late", "--to", "guest 7", "--max-peers", "16")
    program.expect_event("connected", name="guest 7")
    chats[7].expect_event("connected", name="late")
    check(len(program.events("connected")) == 1, program.story())
    check(not any(chat.events("closed", reason="lost") + chat.events("closed", reason="left") for chat in chats),
          "somebody was lost")


@scene(seconds=4)
def a_server_without_a_place_says_so(world):
    """Who comes to a server whose places are taken hears so with its name, waits, and is served when one is free"""
    server = world.run("echo", "--keep", "--name", "attic", "--max-peers", "1")
    first = world.run("pipe", "--name", "first", "--to", "attic")
    first.expect_event("connected", name="attic")
    second = world.run("pipe", "--name", "second", "--to", "attic", json_lines=False)
    second.expect_sentence("attic is here, but not for us: it is connected to somebody else")
    server.expect_event("busy", name="second")
    third = world.run("ping", "--name", "third", "--to", "attic", "--wait", "3", stdin=subprocess.DEVNULL)
    third.expect_code(4)
    message = third.expect_event("error", code=4)["message"]
    check(message == "attic was here, but not for us within 3 s (--wait): it is connected to somebody else", message)
    others = world.run("send", world.file("data", "x"), "--wait", "1")
    others.expect_code(4)
    check("nobody came within 1 s" in others.expect_event("error", code=4)["message"], others.story())
    first.close_input()
    first.expect_code(0)
    second.expect_sentence("connected to attic")
    server.signal(SIGINT)


@scene
def a_server_takes_all_comers(world):
    """echo --keep serves twelve at once without being told how many"""
    world.run("echo", "--keep", "--name", "attic")
    pipes = [world.run("pipe", "--name", f"guest {n}", "--to", "attic") for n in range(12)]
    for pipe in pipes:
        pipe.expect_event("connected", name="attic")
    for n, pipe in enumerate(pipes):
        pipe.send(f"I am {n}")
        pipe.expect_output(f"I am {n}")
