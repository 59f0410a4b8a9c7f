"""What the speed benchmarks share: measured processes, peers, tables and plots.

A module that a peer's interpreter runs (`child`, `job`, `regions`, `trees`, `scalars`, `peer_*`)
needs only numpy and torch, never pccore: the peers live in environments of their own.
"""
