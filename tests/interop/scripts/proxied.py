"""Sends a message from an address of its own: PORT ADDRESS plain|starttls|tls SUBJECT."""

import smtplib
import ssl
import sys

port, address, mode, subject = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
# The certificate is one of the test.
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
source = (address, 0)
name = "client.example.net"

if mode == "tls":
    client = smtplib.SMTP_SSL("127.0.0.1", port, name, context=context, source_address=source)
else:
    client = smtplib.SMTP("127.0.0.1", port, name, source_address=source)
if mode == "starttls":
    client.starttls(context=context)
client.ehlo_or_helo_if_needed()


def wants(line, code):
    reply = client.docmd(line)
    assert reply[0] == code, (line, reply)
    print(line, reply)


wants("MAIL FROM:<s@c.test>", 250)
# A stranger's mail is refused, and the session goes on.
wants("RCPT TO:<bob@elsewhere.test>", 550)
wants("RCPT TO:<bob@example.org>", 250)
wants("DATA", 354)
client.send(f"Subject: {subject}\r\n\r\nHello\r\n.\r\n".encode())
reply = client.getreply()
assert reply[0] == 250, reply
# A proxy hands on what we say, and is believed itself: that must not make us somebody else.
wants("XCLIENT ADDR=192.0.2.66", 550)
client.quit()
