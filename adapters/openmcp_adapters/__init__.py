"""Adapters of the ports: the wire format and the clusters."""
