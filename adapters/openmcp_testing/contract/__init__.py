"""The contract of the port `openmcp_provider.ports.Cluster`: one case per rule, the same for all adapters.

A case plays one rule on a `Harness`: the adapter under test, and a namespace of the case's own.

Run them with whatever you like::

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_contract(case: Case) -> None:
        asyncio.run(case.run(MyHarness()))

Every rule is true of a real kube-apiserver, 1.36. What such a server does only under force is provoked through the
harness. Some of its answers an adapter has to translate, because the status code does not say what happened:

* 422 with a cause on the field ``metadata.uid`` (apply or patch to another object than meant) is `Conflict`;
* 500 that begins with "failed to create typed" (an applied field that the schema does not know, or of another type)
  is `Invalid`;
* an ERROR event of a watch is the error that its code says, so 410 is `Expired`;
* items of lists of built-in kinds, and metadata alone, do not say their kind: the adapter does;
* the answer to a delete is an object only if that stays, with a deletionTimestamp and finalizers (a Namespace has them
  in its spec); a Status, or the last state of an object that is gone, is None.
"""

from openmcp_testing.contract import (
    applying,
    builtin,
    creating,
    deleting,
    failing,
    forms,
    managing,
    patching,
    reading,
    schemas,
    selecting,
    updating,
    watching,
)
from openmcp_testing.contract.case import Broken, Case, Fault, Harness

__all__ = ["CASES", "Broken", "Case", "Fault", "Harness"]

CASES: tuple[Case, ...] = tuple(
    case
    for module in (
        reading,
        selecting,
        creating,
        updating,
        patching,
        applying,
        managing,
        deleting,
        watching,
        schemas,
        forms,
        builtin,
        failing,
    )
    for case in module.CASES
)
"""Every rule of the port."""
