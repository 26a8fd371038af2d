"""Studies: signed manifests, their versions, and what each site decided about them."""
