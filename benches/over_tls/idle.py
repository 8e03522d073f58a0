"""What a connection takes that says nothing."""

import contextlib
import ssl
import time

from side_by_side.cells import Cell, started
from side_by_side.extras import Table, megabytes, open_idle
from side_by_side.processes import memory
from side_by_side.servers import CannotStart

# How long after the last handshake memory is looked at.
REST = 1


def table(count, name):
    """Idle connections: plain, and after STARTTLS and EHLO within TLS."""

    def measure(server, scratch):
        rows = []
        for tls in (False, True):
            with started(server, Cell(tls=tls), scratch), contextlib.ExitStack() as held:
                empty = memory(server.pid, "VmRSS")
                for number in range(count):
                    hold(held, server.port, number, tls)
                time.sleep(REST)
                full = memory(server.pid, "VmRSS")
            each = f"{(full - empty) / count / 1000:.2f}"
            rows.append(["TLS" if tls else "plain", megabytes(empty), megabytes(full), each])
        return rows

    head = ["", "MB without", "MB with", "kB each"]
    return Table(f"{count:,} idle connections", head, (name,), measure)


def hold(held, port, number, tls):
    """Opens a connection that stays until `held` is left."""
    connection = held.enter_context(open_idle(port, number))
    say(connection, "", "220")
    say(connection, "EHLO client.example.net\r\n", "250")
    if tls:
        say(connection, "STARTTLS\r\n", "220")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        say(held.enter_context(context.wrap_socket(connection)), "EHLO client.example.net\r\n", "250")


def say(connection, command, code):
    """Sends a command and takes its reply."""
    connection.sendall(command.encode())
    reply = connection.recv(4096)
    if not reply.startswith(code.encode()):
        raise CannotStart(f"{command.strip() or 'the greeting'}: {reply!r}")
