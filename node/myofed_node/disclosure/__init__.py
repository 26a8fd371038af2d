"""Disclosure control, at the hospital: what may leave as a count, and the proof that no small one can be worked out.

`counts` protects one count; `rounding` says which exact counts a published one stands for; `base_table` holds one row a
subject; `cells` numbers all conjunctions of at most three conditions; `search` looks for witness tables; `protect` makes
a publication that all its witnesses agree on; `audit` checks that without the search's code.
"""

from myofed_node.disclosure.counts import common_categories, protect_count, protect_part

__all__ = ["common_categories", "protect_count", "protect_part"]
