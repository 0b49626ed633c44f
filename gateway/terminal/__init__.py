"""
What `lastmile`'s commands do, one family a file; gateway.cli says how they are called.

    options        what may stand on a command line
    examination    `check`: settings, files, Kafka and Redis
    topic_advice, revocation_advice, audit_advice    `check`: what a topic should be like, and the command that makes it so
    audit          `audit verify`: whether a journal is whole
    cursors        `cursors`, `erase`: where devices stand, and what is kept of a person
    subscription   `subscribe`: a client that reconnects and resumes
    posting        `publish`: messages, each sent until it is answered
    calling        what these two clients do alike
    workers        `run --workers`: one process a core
"""
