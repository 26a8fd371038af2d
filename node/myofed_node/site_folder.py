"""The site's folder: where each thing lies. One place knows the names; everything else asks it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SiteFolder:
    """Paths inside one site's folder (mode 0700); nothing here is made or read, only named."""

    root: Path

    @property
    def config(self) -> Path:
        """`config.yaml`: the site's settings and policy."""
        return self.root / "config.yaml"

    @property
    def coordinator(self) -> Path:
        """`coordinator.json`: what `join` learnt (addresses, CA, signing key); no token."""
        return self.root / "coordinator.json"

    @property
    def keys(self) -> Path:
        """Folder of all secrets, 0700, files 0600."""
        return self.root / "keys"

    @property
    def deid_keys(self) -> Path:
        """Folder of what the de-identification alone may read, 0700: kept from every service (see `confinement`)."""
        return self.keys / "deid"

    @property
    def deid_key(self) -> Path:
        """32 random bytes: pseudonyms, UIDs and date shifts depend on it."""
        return self.deid_keys / "deid.key"

    @property
    def early_deid_key(self) -> Path:
        """Where sites of version 0.1 have that key; `open_site` moves it."""
        return self.keys / "deid.key"

    @property
    def split_key(self) -> Path:
        """32 random bytes: with them each subject's role in a study is drawn; kept through a new enrolment."""
        return self.keys / "split.key"

    @property
    def identity_key(self) -> Path:
        """Ed25519 private key, PEM: signs decisions and audit heads."""
        return self.keys / "identity.key"

    @property
    def tls_key(self) -> Path:
        """EC P-256 private key, PEM, of the client certificate."""
        return self.keys / "tls.key"

    @property
    def tls_request(self) -> Path:
        """PKCS#10 request for the client certificate, PEM: sent unchanged until it is answered."""
        return self.keys / "tls.csr"

    @property
    def tls_certificate(self) -> Path:
        """Client certificate, PEM, signed by the consortium's CA."""
        return self.keys / "tls.pem"

    @property
    def next_tls_key(self) -> Path:
        """EC P-256 private key, PEM, of the certificate that a renewal asks for; there only while one is under way."""
        return self.keys / "tls-next.key"

    @property
    def next_tls_certificate(self) -> Path:
        """The certificate that came for it; there only until it has taken the place of the present one."""
        return self.keys / "tls-next.pem"

    @property
    def consortium_ca(self) -> Path:
        """The only CA trusted for the coordinator's ports, PEM."""
        return self.keys / "consortium-ca.pem"

    @property
    def flower_key(self) -> Path:
        """EC P-384 private key of the Flower node, OpenSSH format."""
        return self.keys / "flower.key"

    @property
    def flower_public_key(self) -> Path:
        """Its public half, OpenSSH format."""
        return self.keys / "flower.pub"

    @property
    def loopback_ca(self) -> Path:
        """This machine's own CA for TLS on loopback (the egress), PEM."""
        return self.keys / "loopback-ca.pem"

    @property
    def loopback_certificate(self) -> Path:
        """Server certificate of the egress on 127.0.0.1, PEM."""
        return self.keys / "loopback.pem"

    @property
    def loopback_key(self) -> Path:
        """Its private key, PEM."""
        return self.keys / "loopback.key"

    @property
    def executor_secret(self) -> Path:
        """32 bytes shared by the SuperNode and the executor (Flower's HMAC on AcquireTask)."""
        return self.keys / "executor.secret"

    @property
    def web_token(self) -> Path:
        """Text that opens the site's own status page on 127.0.0.1."""
        return self.keys / "web.token"

    @property
    def dataset(self) -> Path:
        """The ORMIR-MIDS data set."""
        return self.root / "dataset"

    @property
    def intake(self) -> Path:
        """Reports and work in progress of ingests."""
        return self.root / "intake"

    @property
    def received(self) -> Path:
        """Instances as they came through the DICOM port, with patients' names, until they are in the data set."""
        return self.intake / "received"

    @property
    def intake_store(self) -> Path:
        """SQLite: where each study that came in stands."""
        return self.intake / "intake.sqlite"

    @property
    def store(self) -> Path:
        """SQLite: what arrived and what became of it; pseudonyms only."""
        return self.root / "site.sqlite"

    @property
    def subjects(self) -> Path:
        """JSON: facts of subjects that DICOM does not carry, by pseudonym; never leaves."""
        return self.root / "subjects.json"

    @property
    def publication(self) -> Path:
        """JSON: the card and cube that left last, with the exact rows behind them; the rows never leave."""
        return self.root / "publication.json"

    @property
    def audit(self) -> Path:
        """Audit chain, one line an entry."""
        return self.root / "audit.jsonl"

    @property
    def ledger(self) -> Path:
        """Egress ledger, one line a request."""
        return self.root / "egress.jsonl"

    @property
    def capture(self) -> Path:
        """Bodies that passed the egress, kept only in test mode (policy marked demo)."""
        return self.root / "egress-capture"

    @property
    def models(self) -> Path:
        """Weights as safetensors, named by their SHA-256."""
        return self.root / "models"

    @property
    def inputs(self) -> Path:
        """Prepared inputs of labelled subjects (image data, under pseudonyms); may be emptied while nothing runs."""
        return self.root / "cache" / "inputs"

    def study(self, study_id: str) -> Path:
        """Folder of one study: manifest versions, decision, split, rounds seen."""
        return self.root / "studies" / study_id

    @property
    def studies(self) -> Path:
        """Folder of all studies."""
        return self.root / "studies"

    @property
    def people(self) -> Path:
        """Who may sign for this site: a record each, and the sealed keys that are kept here; 0700."""
        return self.root / "people"

    @property
    def planning(self) -> Path:
        """One folder a planning query: the query, this site's answer, and what the coordinator has."""
        return self.root / "planning"

    @property
    def negotiations(self) -> Path:
        """One folder a request for participation: its thread, and what was written here."""
        return self.root / "negotiations"

    @property
    def run(self) -> Path:
        """What lives only while `up` runs: sockets, ports, logs."""
        return self.root / "run"

    @property
    def worker_socket(self) -> Path:
        """Unix socket of the warm worker."""
        return self.run / "worker.sock"

    @property
    def egress_address(self) -> Path:
        """JSON: URL and local token of the running egress."""
        return self.run / "egress.json"

    @property
    def task_news(self) -> Path:
        """Touched by the egress when a message of the coordinator passed."""
        return self.run / "task.news"

    @property
    def passing_weights(self) -> Path:
        """Weights on their way through the egress, by their SHA-256: `.in` what comes, `.out` what leaves."""
        return self.run / "weights"

    @property
    def status(self) -> Path:
        """JSON: states of the children of `up`."""
        return self.run / "status.json"

    @property
    def service_state(self) -> Path:
        """JSON: the last beat of the service process and the address of the site's page."""
        return self.run / "service.json"

    def confinement(self, name: str) -> Path:
        """JSON: how the running service of this name is kept from the de-identification key."""
        return self.run / f"confinement-{name}.json"

    @property
    def cosigned_head(self) -> Path:
        """JSON: the last audit head with the coordinator's signature."""
        return self.root / "audit-head.json"

    @property
    def coordinator_head(self) -> Path:
        """JSON: the last head of the coordinator's own audit chain that this site witnessed."""
        return self.root / "coordinator-head.json"

    def changed_history(self, witnessed: str) -> Path:
        """JSON: evidence that the coordinator could not prove its chain to go on from the head of this name."""
        return self.root / f"coordinator-history-{witnessed}.json"

    @property
    def logs(self) -> Path:
        """One log a process."""
        return self.run / "logs"
