"""FedProx: Li et al. 2020, Federated Optimization in Heterogeneous Networks, MLSys, Algorithm 2.

The proximal term, mu / 2 times the squared distance to the incoming weights, is part of the SITE's loss
(`strategy_options.proximal_mu` of the manifest). The coordinator does exactly what federated averaging does.
"""

from __future__ import annotations

from myofed_coordinator.federation.strategies.fedavg import FedAvg


class FedProx(FedAvg):
    """Server side: FedAvg."""
