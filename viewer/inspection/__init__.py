"""What a user asks of a map: picking, class statistics, connected objects, measures, who saw what.

Functions of snapshots, without a server and without a browser.
"""
