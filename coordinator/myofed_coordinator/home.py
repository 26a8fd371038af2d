"""The coordinator's home folder: where each thing lies. One place knows the names; everything else asks it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class HomeFolder:
    """Paths inside the coordinator's home (mode 0700); nothing here is made or read, only named."""

    root: Path

    @property
    def config(self) -> Path:
        """`config.yaml`: addresses, database, limits."""
        return self.root / "config.yaml"

    @property
    def keys(self) -> Path:
        """Folder of all secrets, 0700, files 0600."""
        return self.root / "keys"

    @property
    def ca_key(self) -> Path:
        """Private key of the consortium's CA, PEM."""
        return self.keys / "ca.key"

    @property
    def ca(self) -> Path:
        """Certificate of the consortium's CA, PEM."""
        return self.keys / "ca.pem"

    @property
    def server_key(self) -> Path:
        """Private key of both ports' server certificate, PEM."""
        return self.keys / "server.key"

    @property
    def server_certificate(self) -> Path:
        """Server certificate of the people's and the sites' port, signed by the CA, PEM."""
        return self.keys / "server.pem"

    @property
    def signing_key(self) -> Path:
        """Ed25519 private key, PEM: signs manifests, models and audit heads."""
        return self.keys / "signing.key"

    @property
    def loopback_ca(self) -> Path:
        """This machine's own CA for the engine on loopback, PEM."""
        return self.keys / "loopback-ca.pem"

    @property
    def loopback_certificate(self) -> Path:
        """Server certificate of the SuperLink on 127.0.0.1, PEM."""
        return self.keys / "loopback.pem"

    @property
    def loopback_key(self) -> Path:
        """Its private key, PEM."""
        return self.keys / "loopback.key"

    @property
    def superexec_secret(self) -> Path:
        """Secret shared by SuperLink and SuperExec."""
        return self.keys / "superexec.secret"

    @property
    def admin_token(self) -> Path:
        """Token that opens the people's port: pasted on the login page, or sent as `Authorization: Bearer`."""
        return self.keys / "admin.token"

    @property
    def accounts_key(self) -> Path:
        """32 random bytes: seals the second factors of accounts, and makes device cookies."""
        return self.keys / "accounts.key"

    @property
    def backup_secret(self) -> Path:
        """Text that opens the backups which `migrate` makes by itself; made with the first of them."""
        return self.keys / "backup.secret"

    @property
    def backups(self) -> Path:
        """Backups that `migrate` made."""
        return self.root / "backups"

    @property
    def database(self) -> Path:
        """SQLite database, unless the configuration names another by URL."""
        return self.root / "coordinator.sqlite"

    @property
    def engine(self) -> Path:
        """Flower's own files: its database and FLWR_HOME."""
        return self.root / "engine"

    @property
    def audit(self) -> Path:
        """Audit chain, one line an entry."""
        return self.root / "audit.jsonl"

    @property
    def runs(self) -> Path:
        """Folder of all runs."""
        return self.root / "runs"

    def run_folder(self, run_id: str) -> Path:
        """Folder of one run: manifest, sites, checkpoints, events."""
        return self.runs / run_id

    @property
    def models(self) -> Path:
        """Weights as safetensors, named by their SHA-256."""
        return self.root / "models"

    @property
    def uploads(self) -> Path:
        """Initial weights that people sent and no study has yet, by their SHA-256."""
        return self.root / "uploads"

    @property
    def run(self) -> Path:
        """What lives only while `up` runs: ports, logs."""
        return self.root / "run"

    @property
    def status(self) -> Path:
        """JSON: states of the children of `up`."""
        return self.run / "status.json"

    @property
    def status_port(self) -> Path:
        """JSON: where the status port (health, metrics) listens while `up` runs."""
        return self.run / "status-port.json"

    @property
    def news(self) -> Path:
        """Touched when the ServerApp has sent messages; the sites' port then asks the engine for those who wait."""
        return self.run / "news"

    @property
    def replies(self) -> Path:
        """Touched by the sites' port when a node has delivered something; the ServerApp then asks the engine for it."""
        return self.run / "replies"

    @property
    def idle(self) -> Path:
        """Which nodes asked for work and found none, and when: noted by the sites' port, read by the ServerApp."""
        return self.run / "idle"

    @property
    def sites_port_log(self) -> Path:
        """One line a request at the sites' port: site, path, status, bytes; no bodies."""
        return self.root / "sites-port.jsonl"

    @property
    def logs(self) -> Path:
        """One log a process."""
        return self.run / "logs"
