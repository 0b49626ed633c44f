"""
Everything at once, for a seed: many clients, a cluster of three brokers, edges and Redis, and what can become of them.

    plan        how much of everything, and for how long: the short mode of `make test`, the long one of `make chaos`
    ground      brokers, Redis, edges and topics
    writing     bursts, and transactions of which some are aborted
    client      a phone: a small client of its own that speaks PROTOCOL.md and keeps what an SDK keeps
    books       the truth, read from Kafka before anything is deleted
    faults      what is done to all of these, in lanes side by side
    run         rounds of faults; after each, everybody comes back and tests/checker judges
"""
