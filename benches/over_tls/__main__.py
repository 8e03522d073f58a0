"""The whole run: build, certificate, rounds, report."""

import argparse
import contextlib
import os
import signal
import sys
import types

from side_by_side import cells, machine, packages, peers, servers
from side_by_side.__main__ import be_deaf, build, interrupted, measure_all, prepare
from side_by_side.processes import say
from side_by_side.report import Results

from . import idle, report, rows


def arguments():
    parser = argparse.ArgumentParser(prog="benches/tls", description="Measures what TLS costs, beside Postfix.")
    parser.add_argument("--parts", default=",".join(rows.PARTS), help=f"a list out of {','.join(rows.PARTS)}")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over everything (default 3)")
    parser.add_argument("--seconds", type=float, default=3, help="how long a load lasts, about (default 3)")
    parser.add_argument("--mailboxes", type=int, default=10, help="Maildirs the mail is spread over (default 10)")
    parser.add_argument("--durability", default="full,journal,none", help="of Maiasaura (default full,journal,none)")
    parser.add_argument("--without-postfix", action="store_true", help="measure only Maiasaura")
    parser.add_argument("--idle", type=int, default=5000, help="connections held idle (default 5000)")
    parser.add_argument("--server-binary", help="the maiasaura to measure instead of the one built here")
    parser.add_argument("--scratch", default="/var/tmp", help="where temporary folders go (default /var/tmp)")
    parser.add_argument("--image-gb", type=int, default=6, help="size of the loop-mounted file system, if one is needed")
    parser.add_argument("--report", metavar="FILE", help="write the report to FILE too")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    unknown = sorted(set(options.parts) - set(rows.PARTS))
    if unknown or min(options.rounds, options.mailboxes, options.idle) < 1:
        parser.error(f"--parts does not know {', '.join(unknown)}" if unknown else "every number is at least 1")
    return options


def certificate(folder):
    """A certificate and a key as most have them: ECDSA with P-256. Both servers get the same."""
    missing = packages.install(["openssl"])
    if missing:
        raise SystemExit(f"openssl cannot be had: {missing['openssl']}")
    files = [os.path.join(folder, name) for name in ("cert.pem", "key.pem")]
    machine.command(
        "openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-subj", "/CN=bench.example.org", "-addext", "subjectAltName=DNS:bench.example.org",
        "-out", files[0], "-keyout", files[1],
    )  # fmt: skip
    return files


def main():
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    tools = types.SimpleNamespace(
        mailboxes=options.mailboxes, seconds=options.seconds, certificate=None, **build(options.server_binary)
    )
    chosen = [servers.Maiasaura(tools, level) for level in options.durability.split(",")]
    chosen += [] if options.without_postfix else [peers.Postfix(tools)]
    cells.raise_file_limit()
    results = Results(rows.cells(options.parts), [server.name for server in chosen])
    tables = [idle.table(options.idle, chosen[0].name)] if "idle" in options.parts else []
    with contextlib.ExitStack() as stack:
        scratch = machine.Scratch(options.scratch, options.image_gb)
        stack.callback(scratch.close)
        stack.callback(be_deaf)
        tools.certificate = certificate(scratch.home)
        prepare(chosen, scratch, results.failed)
        facts = machine.describe(scratch)
        facts.append(f"{options.rounds} rounds, medians; {options.mailboxes} mailboxes; loads of {options.seconds:g} s")
        facts.append("TLS 1.3 after STARTTLS, ECDSA with P-256; client and server share the processors")
        say("\n".join(facts))
        measure_all(options, chosen, scratch, results)
        for table in tables:
            table.fill(chosen, results.failed, scratch)
    text = report.markdown(results, facts, tables)
    print(text)
    if options.report:
        servers.write(options.report, text)
    ours = [name for name in results.failed if name.startswith("maiasaura")]
    return 1 if ours or results.lost else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; everything is cleaned up")
