"""
From TCP to sessions and back: the few callbacks that move bytes.

    front_door   HTTP until the upgrade, with deadlines and bounds
    handshake    what an upgrade request says; pure
    admission    who it is: credentials, then the connection to resume
    device       one WebSocket
    turn         what is written within one turn of the loop leaves in one write
    wheel        every deadline of every socket, in one timer
    ledger       connection state on its way to Redis, in batches
"""
