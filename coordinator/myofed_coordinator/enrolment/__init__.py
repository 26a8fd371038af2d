"""Who belongs to the consortium: invites, requests, certificates, revocation."""
