"""ORMIR-MIDS: conversion, validation, reading (`open_dataset`)."""

from myofed_node.mids.dataset import open_dataset

__all__ = ["open_dataset"]
