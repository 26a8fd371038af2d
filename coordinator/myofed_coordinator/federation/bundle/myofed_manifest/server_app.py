"""Names the coordinator's installed ServerApp; Flower checks that `app` is assigned in this file."""

from myofed_coordinator.federation import server_app as installed

app = installed.app
