"""
The judge of what clients saw. It shares no line with the gateway: what it must know is read anew from interface and PROTOCOL.md.

    kafka      a plain consumer: what topics hold ─▶ truth
    truth      which records make which channel, and what a client must see of each
    journal    what one client said and was told, in order, verbatim
    judge      compares both, event by event ─▶ verdicts

A client's *standing* on a channel is the index of the next message that it must see. ATTACHED without RESUMED sets it
anew and is a loss that was told; ATTACHED with RESUMED must not move it forward; every message must be the very next one.
At the end of a run, or of a round of it, all clients are back and nothing may be left.
"""
