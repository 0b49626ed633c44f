"""
What an edge tells Prometheus.

    reasons       the labels' values, which are closed sets
    counts        what happened, as plain ints that whoever does a thing adds to
    readings      what is, read when somebody asks
    collector     every metric there is: counts and readings joined at scrape time
    exposition    what `/metrics` answers

What happens often is counted in ints because adding one to an int costs 30 ns, a prometheus counter twenty times that.
What is a state (connections, lag) is not counted at all.

Labels are from closed sets: reasons, and topics of the settings. Never an account, a client or a channel.
"""
