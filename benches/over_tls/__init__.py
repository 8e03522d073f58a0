"""What TLS costs: new sessions, resumed ones, and kept connections, beside plain ones and beside Postfix.

The servers, the measuring of one load and the file system are those of side_by_side; rows (what is measured), idle
(memory of connections that say nothing) and report are its own.
"""
