"""Sends a message over TLS with smtplib: tls.py WAY PORT CA, where WAY is starttls, implicit or lmtp."""

import smtplib
import ssl
import sys

way, port, ca = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=ca)
if way == "implicit":
    client = smtplib.SMTP_SSL("localhost", port, timeout=60, context=context)
elif way == "lmtp":
    client = smtplib.LMTP("localhost", port, timeout=60)
else:
    client = smtplib.SMTP("localhost", port, timeout=60)
with client:
    if way != "implicit":
        code, text = client.starttls(context=context)
        assert code == 220, text
    assert client.sock.version() == "TLSv1.3", client.sock.version()
    client.sendmail("me@localhost", "you@localhost", "Subject: encrypted\r\n\r\nby Python\r\n")
    assert not client.has_extn("starttls"), client.esmtp_features
