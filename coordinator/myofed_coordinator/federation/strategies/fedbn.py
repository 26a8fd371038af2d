"""FedBN: Li et al. 2021, FedBN: Federated Learning on Non-IID Features via Local Batch Normalization, ICLR, Algorithm 1.

Which tensors stay at a site is in the manifest (`local_tensors`; with instance norm the affine parameters), and it is the
SITE that puts its own last ones back before it trains. A site sends its whole state dict, and the coordinator averages all
of it: the mean of the local tensors takes part in no round, but it is what a site that never trained is given.
"""

from __future__ import annotations

from myofed_coordinator.federation.strategies.fedavg import FedAvg


class FedBN(FedAvg):
    """Server side: FedAvg, of the tensors that stay local as well."""
