"""
The real parts that tests run against: processes of this machine, on ports of loopback.

    process       a program that dies with the test session
    kafka, redis  the backends, to be started, killed, stopped and restarted on the same port and data
    records       topics and what is in them
    edge          the product: `lastmile run` with a settings file of its own
    cut_proxy     the network between a client and an edge, which breaks when told to
    haproxy       the load balancer, with deploy/haproxy.cfg
    sdk           unmodified SDKs, driven line by line
"""
