"""Reads over IMAP while mail arrives: imap.py IMAP_PORT SMTP_PORT MAILDIR USER.

What IMAP shows must be what was sent, each message once; flags, moves and the quota of the server
must agree with what the receiver writes in the same Maildir meanwhile.
"""

import imaplib
import os
import re
import smtplib
import sys
import threading
import time

IMAP, SMTP, MAILDIR, USER = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
TRACE = re.compile(
    rb"\AReturn-Path:.*\r\nDelivered-To:.*\r\n(?:X-Original-To:.*\r\n)?Received:.*\r\n(?:\t.*\r\n)*"
)
ROUND = 50


def content(number):
    """A message unlike the others, with dots, blanks, eight bits and empty lines at the end."""
    lines = [f"Subject: {number}", "", ".", "..", "blanks  ", "From here on", "Grüße, 世界", "x" * number, "", "", ""]
    return "\r\n".join(lines).encode()


def deliver(first, recipient=USER):
    """Sends one round of messages."""
    with smtplib.SMTP("127.0.0.1", SMTP, timeout=60) as client:
        for number in range(first, first + ROUND):
            client.sendmail("me@localhost", [recipient], content(number), ["BODY=8BITMIME"])


def names(folder):
    return os.listdir(os.path.join(MAILDIR, folder))


def size_in_name(name, key):
    return int(re.search(f",{key}=([0-9]+)", name)[1])


def fetch(client):
    """All messages of the selected folder: the content of each by its UID, without our trace."""
    _, parts = client.uid("fetch", "1:*", "(RFC822.SIZE BODY.PEEK[])")
    contents = {}
    for part in parts:
        if isinstance(part, tuple):
            size = int(re.search(rb"RFC822.SIZE (\d+)", part[0])[1])
            assert size == len(part[1]), part[0]
            uid = re.search(rb"UID (\d+)", part[0])[1]
            assert uid not in contents, uid
            contents[uid] = TRACE.sub(b"", part[1])
    return contents


def check(client, count):
    """The selected folder has the messages 0 to `count`, each once and as it was sent."""
    contents = fetch(client)
    assert sorted(contents.values()) == sorted(map(content, range(count))), len(contents)
    return contents


def one_each(client):
    """A first round: each message is there once, and its size is the one in its name."""
    deliver(0)
    _, [count] = client.select("INBOX")
    assert int(count) == ROUND, count
    check(client, ROUND)
    _, parts = client.fetch("1:*", "(RFC822.SIZE)")
    sizes = [int(re.search(rb"RFC822.SIZE (\d+)", part)[1]) for part in parts]
    assert sorted(sizes) == sorted(size_in_name(name, "W") for name in names("cur") + names("new"))


def flags_while_mail_arrives(client):
    """Flags are set on one round while the next arrives."""
    client.select("INBOX")
    thread = threading.Thread(target=deliver, args=(ROUND,))
    thread.start()
    for number in range(1, ROUND + 1, 2):
        code, _ = client.store(str(number), "+FLAGS", "\\Seen")
        assert code == "OK"
        client.noop()
    thread.join()
    client.noop()
    check(client, 2 * ROUND)
    seen = [name for name in names("cur") if name.endswith(":2,S")]
    assert len(seen) == ROUND / 2, seen
    assert not names("tmp")


def folder_of_a_detail(client):
    """Mail for USER+lists makes a folder, and IMAP lists it."""
    user, host = USER.split("@")
    deliver(0, f"{user}+lists@{host}")
    _, folders = client.list()
    assert any(folder.endswith(b" lists") for folder in folders), folders
    _, [count] = client.select("lists")
    assert int(count) == ROUND, count
    check(client, ROUND)


def used():
    """The octets of all messages."""
    places = "new", "cur", ".lists/new", ".lists/cur"
    return sum(size_in_name(name, "S") for place in places for name in names(place))


def quota(client):
    """What IMAP tells of the quota: KiB in use and allowed (RFC 2087)."""
    _, [_, [answer]] = client.getquotaroot("INBOX")
    storage = re.search(rb"STORAGE (\d+) (\d+)", answer)
    return int(storage[1]), int(storage[2])


def quota_of_both(client):
    """The quota that the receiver keeps is the one that IMAP tells, before and after it deletes."""
    assert quota(client) == (-(-used() // 1024), 10000), (quota(client), used())
    client.select("INBOX")
    client.store("1:20", "+FLAGS", "\\Deleted")
    client.expunge()
    deliver(0)
    with open(os.path.join(MAILDIR, "maildirsize")) as file:
        limit, *lines = file.read().splitlines()
    assert limit.split(",")[0] == "10240000S", limit
    assert sum(int(line.split()[0]) for line in lines) == used(), (lines, used())
    assert quota(client) == (-(-used() // 1024), 10000), (quota(client), used())


for subject in one_each, flags_while_mail_arrives, folder_of_a_detail, quota_of_both:
    with imaplib.IMAP4("127.0.0.1", IMAP, timeout=60) as client:
        client.login(USER, "any")
        subject(client)
