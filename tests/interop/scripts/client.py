"""Sends mail with smtplib: client.py SUBJECT SMTP_PORT LMTP_PORT FOLDER.

What is sent goes, octet for octet, to the files 0, 1, 2... in FOLDER as well.
"""

import email.message
import os
import pathlib
import smtplib
import socket
import sys

FOLDER = pathlib.Path(sys.argv[4])
CRLF = b"\r\n"


def keep(content):
    """Writes down what was sent."""
    (FOLDER / str(len(list(FOLDER.iterdir())))).write_bytes(content)


class Keeping:
    """Keeps what goes through `data`, in the form that smtplib gives it."""

    def data(self, message):
        if isinstance(message, str):
            message = smtplib._fix_eols(message).encode("ascii")
        keep(message if message.endswith(CRLF) else message + CRLF)
        return super().data(message)


class Smtp(Keeping, smtplib.SMTP):
    def __init__(self):
        super().__init__("127.0.0.1", int(sys.argv[2]), timeout=60)


class Lmtp(Keeping, smtplib.LMTP):
    def __init__(self):
        super().__init__("127.0.0.1", int(sys.argv[3]), timeout=60)


def eight_bit():
    """Every octet but NUL, CR and LF, declared and not declared."""
    octets = bytes(octet for octet in range(1, 256) if octet not in CRLF)
    for protocol in Smtp, Lmtp:
        with protocol() as client:
            for options in ["BODY=8BITMIME"], []:
                message = b"Subject: eight bits\r\n\r\n" + octets + CRLF
                client.sendmail("me@localhost", "you@localhost", message, options)


def utf8_addresses():
    """Addresses beyond ASCII on both sides (RFC 6531)."""
    with Smtp() as client:
        message = "Subject: Grüße\r\n\r\n世界\r\n".encode()
        client.sendmail("jürgen@bücher.test", ["österreich@localhost"], message, ["SMTPUTF8", "BODY=8BITMIME"])


def attachment():
    """An attachment of 20 MB in a message that the library makes."""
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = "me@localhost", "you@localhost", "Bücher"
    message.set_content("Grüße\n.\n..\nFrom here on\n")
    message.add_attachment(os.urandom(20_000_000), maintype="application", subtype="octet-stream", filename="b.bin")
    with Smtp() as client:
        client.send_message(message)


def dots():
    """Lines that begin with dots, and one that ends data if it is not doubled."""
    with Smtp() as client, Lmtp() as local:
        for body in ".\r\n", ".a\r\n..\r\n...\r\n", "a\r\n.\r\nQUIT\r\n", "a\r\n.", "\r\n.\r\n\r\n":
            client.sendmail("me@localhost", "you@localhost", "Subject: dots\r\n\r\n" + body)
            local.sendmail("me@localhost", "you@localhost", "Subject: dots\r\n\r\n" + body)


def empty():
    """No octet at all, of which smtplib makes an empty line, and a header alone."""
    with Smtp() as client:
        client.sendmail("me@localhost", "you@localhost", b"")
        client.sendmail("", "you@localhost", b"Subject: only a header")


def hundred_recipients():
    """One message to a hundred, over SMTP."""
    with Smtp() as client:
        refused = client.sendmail("me@localhost", [f"u{n}@localhost" for n in range(100)], "Subject: many\r\n\r\nx")
        assert refused == {}, refused


def results_of_each():
    """One message over LMTP to two that can have it and one whose quota is too small for it.

    smtplib reads a single reply after the content, so the others are asked for.
    """
    with Lmtp() as client:
        client.ehlo()
        client.mail("me@localhost")
        for name, expected in ("one", 250), ("full", 250), ("nobody", 550), ("two", 250):
            code, text = client.rcpt(f"{name}@localhost")
            assert code == expected, (name, code, text)
        replies = [client.data(b"Subject: each\r\n\r\n" + b"x" * 2000 + CRLF)]
        replies += [client.getreply(), client.getreply()]
        assert [code for code, _ in replies] == [250, 452, 250], replies
        assert b"4.2.2" in replies[1][1], replies
        assert client.noop()[0] == 250


def chunks():
    """CHUNKING (RFC 3030) in chunks of every kind, all in flight before a reply is read."""
    content = b"Subject: chunks\r\n\r\n.\r\n" + b"x" * 5000 + b"\r\n.\r\nend\r\n"
    pieces = [content[:1], content[1:20], content[20:4000], b"", content[4000:]]
    with Smtp() as client:
        client.ehlo()
        client.mail("me@localhost", ["BODY=8BITMIME"])
        client.rcpt("you@localhost")
        octets = b"".join(b"BDAT %d\r\n" % len(piece) + piece for piece in pieces)
        client.sock.sendall(octets + b"BDAT 0 LAST\r\n")
        replies = [client.getreply() for _ in range(len(pieces) + 1)]
        assert [code for code, _ in replies] == [250] * 6, replies
        keep(content)


def binary():
    """BINARYMIME (RFC 3030): octets that no line could have."""
    content = b"Subject: binary\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\n\r\r\n.\r\n" + bytes(range(256))
    with Smtp() as client:
        client.ehlo()
        client.mail("me@localhost", ["BODY=BINARYMIME"])
        client.rcpt("you@localhost")
        client.sock.sendall(b"BDAT %d LAST\r\n" % len(content) + content)
        assert client.getreply()[0] == 250
        keep(content)


def smuggled():
    """What ends data for a careless server does not end it here, nor is it taken."""
    for end in b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r":
        with socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=60) as client:
            replies = client.makefile("rb")
            replies.readline()
            for line in "HELO a", "MAIL FROM:<me@localhost>", "RCPT TO:<you@localhost>", "DATA":
                client.sendall(line.encode() + CRLF)
                replies.readline()
            client.sendall(b"Subject: outer\r\n\r\nx" + end + b"MAIL FROM:<evil@localhost>\r\n.\r\n")
            assert replies.readline().startswith(b"5"), end
            client.sendall(b"QUIT\r\n")
            assert replies.readline().startswith(b"221"), end


globals()[sys.argv[1]]()
