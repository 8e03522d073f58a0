"""Reads a Maildir with `mailbox` while mail arrives: reader.py SMTP_PORT MAILDIR FOLDER COUNT.

Each message must be seen once, and be at once what was sent. Every third is marked as seen, as a
mail program does it. What is sent goes to the files 0, 1, 2... in FOLDER.
"""

import mailbox
import os
import pathlib
import re
import smtplib
import sys
import threading
import time

PORT, MAILDIR, FOLDER, COUNT = int(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])
TRACE = re.compile(rb"\AReturn-Path:.*\nDelivered-To:.*\nReceived:.*\n(?:\t.*\n)*")
CONTENT = {number: b"Subject: %d\n\n" % number + b"line %d\n" % number * (number * 7) for number in range(COUNT)}


def deliver():
    with smtplib.SMTP("127.0.0.1", PORT, timeout=60) as client:
        for number, content in CONTENT.items():
            client.sendmail("me@localhost", "you@localhost", content.replace(b"\n", b"\r\n"))
            (FOLDER / str(number)).write_bytes(content)


def read(maildir, key):
    """The number of a message, whose content is as it was sent."""
    stored = maildir.get_bytes(key)
    number = int(maildir.get_message(key)["Subject"])
    assert TRACE.sub(b"", stored) == CONTENT[number], (key, stored)
    return number


def mark_seen(key):
    os.rename(os.path.join(MAILDIR, "new", key), os.path.join(MAILDIR, "cur", key + ":2,S"))


thread = threading.Thread(target=deliver)
thread.start()
while not os.path.isdir(os.path.join(MAILDIR, "tmp")):
    time.sleep(0.01)
maildir = mailbox.Maildir(MAILDIR, create=False)
seen, numbers, deadline = set(), [], time.monotonic() + 60
while len(numbers) < COUNT and time.monotonic() < deadline:
    for key in set(maildir.keys()) - seen:
        seen.add(key)
        numbers.append(read(maildir, key))
        if numbers[-1] % 3 == 0:
            mark_seen(key)
thread.join()
assert sorted(numbers) == list(range(COUNT)), sorted(numbers)
assert len(mailbox.Maildir(MAILDIR, create=False)) == COUNT
