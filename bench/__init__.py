"""
What the gateway costs, as ratios to something measured beside it in the same run.

    __main__        the command line: which scenarios, how long, and what is printed and kept
    ground          Kafka, Redis and the gateways under test
    plain_gateway   what one would write without Lastmile: FastAPI, aiokafka, a dict of sockets
    bare_consumer   an aiokafka consumer that only prints
    program         C programs: compiled, started, asked
    crowd           the load clients (clients.c)
    floor           one send(2) a frame and nothing else (send_floor.c)
    load            records, as fast as can be or at a pace
    usage           CPU, memory and kernel memory of a process
    figures         values, ratios, verdicts, and how they are shown

    fan_out  unicast  steady  memory  stalled  handshakes  idle       one scenario a file

Source: docs/performance.md, which holds the targets and the last figures.
"""
