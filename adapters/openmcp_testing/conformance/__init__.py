"""The conformance test: the same random requests to two clusters must have the same answers and leave the same behind.

The contract holds what somebody thought of; this finds what nobody did. A seed stands for a sequence of requests, good
and bad: `sequence`. Every cluster that one can open is a stage for it, `ClusterStage`. Whatever two clusters may call
differently (uids, versions, times, the namespace) gets one name; messages of errors are not compared::

    async def test() -> None:
        report = await conformance(MemoryHarness(), ClusterStage(cluster, "conformance"), range(100))
        assert report.disagreement is None, str(report.disagreement)

A disagreement comes with the shortest sequence that shows it. If the server is right, it becomes a case of
`openmcp_testing.contract`; if no client can see it, the generator leaves it out and says why.
"""

from openmcp_testing.conformance.comparing import Disagreement, Pair, Report, conformance
from openmcp_testing.conformance.kinds import KINDS, Kind
from openmcp_testing.conformance.playing import Answer, Played, Stage, play
from openmcp_testing.conformance.requests import GONE, Edited, Entries, Op, Seen
from openmcp_testing.conformance.sequences import sequence
from openmcp_testing.conformance.stage import ClusterStage

__all__ = [
    "GONE",
    "KINDS",
    "Answer",
    "ClusterStage",
    "Disagreement",
    "Edited",
    "Entries",
    "Kind",
    "Op",
    "Pair",
    "Played",
    "Report",
    "Seen",
    "Stage",
    "conformance",
    "play",
    "sequence",
]
