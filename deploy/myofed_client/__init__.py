"""A researcher's Python client of a myofed coordinator: `pip install 'myofed[client]'` (httpx and pydantic alone)."""

from myofed_client.coordinator import Coordinator
from myofed_client.verify import verify_model

__all__ = ["Coordinator", "verify_model"]
