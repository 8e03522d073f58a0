"""The options of the command line."""

import argparse

KINDS = ("maiasaura", "dovecot", "postfix", "exim", "aiosmtpd", "node", "bare", "sink")
# What a run is made of; the quick one leaves out the last three.
PARTS = ("rows", "syncs", "idle", "visible", "big", "long")


def arguments():
    parser = argparse.ArgumentParser(prog="benches/run", description="Measures Maiasaura beside its peers.")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="only 5 kB over 1, 10 and 100 kept connections")
    extent.add_argument("--full", action="store_true", help="all sizes and connections; takes hours")
    extent.add_argument("--flat", action="store_true", help="only the cost of a message by messages and by Maildirs")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all cells and servers (default 3)")
    parser.add_argument("--parts", help=f"only these: a list out of {','.join(PARTS)}")
    parser.add_argument("--only", default=",".join(KINDS), help="a list out of " + ",".join(KINDS))
    parser.add_argument("--seconds", type=float, help="how long a load lasts, about (5; 1 with --quick)")
    parser.add_argument("--mailboxes", type=int, default=10, help="Maildirs the mail is spread over (default 10)")
    parser.add_argument("--idle", type=int, default=5000, help="connections held idle (default 5000)")
    parser.add_argument("--long", type=int, default=60, help="seconds of the long run (default 60)")
    parser.add_argument("--other", action="append", default=[], metavar="NAME=127.0.0.1:PORT,MAILDIR_ROOT[,PID]",
                        help="measure a running SMTP server as well")  # fmt: skip
    parser.add_argument("--server-binary", help="the maiasaura to measure instead of the one built here")
    parser.add_argument("--scratch", default="/var/tmp", help="where temporary folders go (default /var/tmp)")
    parser.add_argument("--image-gb", type=int,
                        help="size of the loop-mounted file system, if one is needed (20; 6 with --quick)")  # fmt: skip
    parser.add_argument("--report", metavar="FILE", help="write the report to FILE too")
    parser.add_argument("--svg", metavar="FILE", help="draw the rates of kept connections into FILE")
    options = parser.parse_args()
    complete(parser, options)
    return options


def complete(parser, options):
    """Checks the options, and fills in what depends on others."""
    options.only = chosen(parser, "--only", options.only, KINDS)
    parts = options.parts or ",".join(PARTS[:3] if options.quick else PARTS)
    options.parts = ["flat"] if options.flat else chosen(parser, "--parts", parts, PARTS)
    options.seconds = options.seconds or (1 if options.quick else 5)
    options.image_gb = options.image_gb or (6 if options.quick else 20)
    if options.mailboxes < 1 or options.rounds < 1 or options.idle < 1 or options.long < 1:
        parser.error("--mailboxes, --rounds, --idle and --long are at least 1")


def chosen(parser, option, text, known):
    """The entries of a list, in the order they are known in."""
    names = text.split(",")
    unknown = sorted(set(names) - set(known))
    if unknown:
        parser.error(f"{option} does not know {', '.join(unknown)}")
    return [name for name in known if name in names]
