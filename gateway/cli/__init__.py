"""
The command `lastmile`: how it is called. What its commands do is in gateway.terminal.

    lastmile     all of them under one name
    serving      `run`, `dev`
    operating    `check`, `settings`, `audit verify`
    kept         `cursors`, `erase`
    clients      `token`, `subscribe`, `publish`

Each command imports what it needs when it is called, so that minting a token does not wait for Kafka's libraries.
Keys and tokens may come from LASTMILE_KEY and LASTMILE_TOKEN instead of the command line, which others can see.
"""

from gateway.cli.lastmile import main

__all__ = ["main"]
