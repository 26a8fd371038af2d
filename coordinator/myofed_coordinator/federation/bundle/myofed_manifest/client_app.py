"""Flower demands a ClientApp; this one can do nothing. A node's own executor answers, without reading this bundle."""

from flwr.clientapp import ClientApp

app = ClientApp()
