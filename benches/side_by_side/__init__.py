"""Maiasaura and its peers under the same load on the same machine, side by side.

In reading order: __main__ (the whole run), cells (what is measured and how one measurement goes), servers (how each
is started), processes (their CPU time, memory and end), machine (packages and the file system), report (the tables).
"""
