"""Training and evaluation of muscle segmentation: torch and MONAI, no Flower, no database, no network.

`protocol`, `worker_client`, `network` and `split` import the standard library and schemas only, so that processes without
torch can use them.
"""
