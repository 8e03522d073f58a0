"""How a run begins: what may be said, and the programs."""

import argparse
import json
import os
import subprocess
import types

from side_by_side.processes import say

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def parser(name, description, messages, connections):
    """The options that all have, with these defaults."""
    made = argparse.ArgumentParser(prog=name, description=description)
    made.add_argument("--messages", type=int, default=messages, help=f"of each measurement (default {messages})")
    made.add_argument("--size", type=int, default=5000, help="octets of each message (default 5000)")
    made.add_argument("--rounds", type=int, default=3, help="rounds over everything (default 3)")
    made.add_argument("--connections", type=numbers, default=connections, help=f"at the same time (default {connections})")
    made.add_argument("--server-binary", help="the maiasaura to measure instead of the one built here")
    made.add_argument("--scratch", default="/var/tmp", help="where temporary folders go (default /var/tmp)")
    made.add_argument("--profile", default="release", help="how Cargo builds (default release)")
    return made


def numbers(text):
    """A list such as 1,10,100."""
    return [int(number) for number in text.split(",")]


def options_of(made):
    options = made.parse_args()
    counts = [options.messages, options.size, options.rounds, *options.connections, *getattr(options, "receiving", [])]
    if min(counts) < 1:
        made.error("every number is at least 1")
    return options


def build(options, *benches, features=()):
    """Builds the server and these benchmarks. Returns the paths of all by name; that of the server is `server`."""
    say("building")
    command = ["cargo", "build", "--profile", options.profile, "--message-format=json-render-diagnostics", *features,
               "--bin", "maiasaura"]  # fmt: skip
    for bench in benches:
        command += ["--bench", bench]
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    programs = {message["target"]["name"]: message["executable"] for message in messages if message.get("executable")}
    server = os.path.abspath(options.server_binary) if options.server_binary else programs["maiasaura"]
    return types.SimpleNamespace(server=server, **{bench: programs[bench] for bench in benches})
