"""Which Ray cluster `annotate` uses, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

LOCAL = "local"
"""The address of a cluster that begins and ends with the command."""


@dataclass(frozen=True)
class ClusterSettings:
    """Which Ray cluster `annotate` uses, and how.

    ray (str): Share the work in a Ray cluster: its address, or auto for the one that this machine
        is part of; without an address one of this machine alone.
    gpus (bool): On the cluster, a GPU for each actor.
    actors (int): Actors that annotate on the cluster; as many as its CPUs or GPUs if 0.
    shard_batches (int): Batches that become one file, where INPUT is a file and on a cluster.
    """

    ray: str = field(default="", metadata={"metavar": "[ADDRESS]"})
    gpus: bool = False
    actors: int = field(default=0, metadata={"min": 0})
    shard_batches: int = field(default=256, metadata={"min": 1})
