"""Maiasaura and its peers under the same load on the same machine, side by side.

In reading order: __main__ (the whole run), options, cells (what is measured and how one measurement goes), servers
(what all of them share, and ours), peers and more_peers (how the others are started), limits (the disk and the
generator alone), syncs (system calls counted), extras and flat (what is no row of the table), processes (CPU time,
memory and end of processes), packages, machine (the file system), report (the tables), picture (the bars).
"""
