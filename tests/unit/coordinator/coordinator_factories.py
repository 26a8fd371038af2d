"""What the coordinator's tests arrange with: a site with its own keys, weights, manifests; synthetic, no patient."""

from __future__ import annotations

from base64 import b32decode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from safetensors.numpy import save

from myofed_coordinator.accounts.permissions import Role
from myofed_coordinator.accounts.second_factor import code_at
from myofed_coordinator.accounts.service import AccountsService
from myofed_coordinator.accounts.wire import Credentials, NewAccount
from myofed_coordinator.models import weights as weights_module
from myofed_coordinator.signing import Signer, new_signer
from myofed_schemas.catalog import DatasetCard, DisclosurePolicy, SuppressedCount
from myofed_schemas.enrolment import EnrolmentBody, EnrolmentRequest, Invite
from myofed_schemas.study import SignedDecision, StudyDecision, StudyManifest

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class FakeSite:
    """A site that made its keys; every field can be spoiled by a test."""

    name: str
    identity: Signer
    tls: ec.EllipticCurvePrivateKey
    flower: ec.EllipticCurvePrivateKey

    def csr(self, *, common_name: str | None = None) -> str:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name or self.name)])
        builder = x509.CertificateSigningRequestBuilder().subject_name(name)
        return builder.sign(self.tls, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def body(self, invite: Invite, **changes: str) -> EnrolmentBody:
        fields = {
            "site": self.name,
            "token": invite.token,
            "csr_pem": self.csr(),
            "identity_key": self.identity.public_key,
            "flower_node_key": self.flower.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
            "myofed_version": "0.1.0",
            "flwr_version": "1.41.0",
        }
        return EnrolmentBody.model_validate({**fields, **changes})

    def request(self, invite: Invite, **changes: str) -> EnrolmentRequest:
        body = self.body(invite, **changes)
        return EnrolmentRequest(body=body, signature=self.identity.sign(body))

    def decide(self, manifest: StudyManifest, decision: str = "approved", **changes: object) -> SignedDecision:
        fields = {
            "study_id": manifest.study_id,
            "version": manifest.version,
            "digest": manifest.digest(),
            "site": self.name,
            "decision": decision,
            "reason": "OK",
            "decided_at": "2026-11-22T12:00:00Z",
        }
        made = StudyDecision.model_validate({**fields, **changes})
        return SignedDecision(decision=made, signature=self.identity.sign(made))


@dataclass
class FakePerson:
    """Somebody with an account, who remembers what was shown once."""

    account: str
    password: str
    totp_key: bytes
    recovery_codes: tuple[str, ...]

    def credentials(self, *, now: datetime, **changes: str) -> Credentials:
        code = code_at(self.totp_key, now=now) if self.recovery_codes else ""
        given = {"account": self.account, "password": self.password, "code": code}
        return Credentials.model_validate({**given, **changes})


def make_person(
    accounts: AccountsService, account: str, role: Role, *, now: datetime, site: str | None = None
) -> FakePerson:
    """An active account, set up ten minutes before `now` with a second factor, so that a code of `now` is fresh."""
    before = now - timedelta(minutes=10)
    password = f"tibia wren quartz {account}"
    wanted = NewAccount(account=account, roles=(role,), site=site)
    secret = accounts.add(wanted, actor="token", now=before).setup_secret
    key = b32decode(accounts.offer_setup(secret, now=before).totp_key)
    codes = accounts.complete_setup(secret, password=password, code=code_at(key, now=before), now=before)
    return FakePerson(account, password, key, codes)


def make_site(name: str) -> FakeSite:
    return FakeSite(
        name, new_signer(), ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
    )


def make_weights(seed: int = 1) -> bytes:
    rng = np.random.default_rng(seed)
    return save(
        {"conv.weight": rng.random((2, 1, 3, 3), dtype=np.float32), "norm.count": np.array([3], dtype=np.int64)}
    )


def make_manifest(weights: bytes, *, sites: tuple[str, ...], **changes: object) -> StudyManifest:
    fields: dict[str, object] = {
        "study_id": "thigh-muscles",
        "version": 1,
        "title": "Thigh muscles",
        "purpose": "Segmentation of two thigh muscles",
        "sites": sites,
        "muscles": ("VL", "RF"),
        "architecture": {
            "name": "monai-unet-2d",
            "in_channels": 1,
            "out_channels": 3,
            "channels": (4, 8),
            "strides": (2,),
            "num_res_units": 0,
            "norm": "instance",
        },
        "state_dict": weights_module.tensor_specs(weights),
        "initial_weights_sha256": weights_module.sha256_of(weights),
        "image": {"kind": "in-phase-magnitude", "spacing_mm": 2.0, "size_px": (32, 32)},
        "training": {
            "optimiser": "adamw",
            "learning_rate": 0.001,
            "learning_rate_end": 0.0001,
            "weight_decay": 0.0,
            "batch_size": 2,
            "local_steps": 2,
            "augmentation": "none",
            "seed": 1,
        },
        "split": {"test_percent": 20, "validation_percent": 10, "salt": "salt"},
        "strategy": "fedavg",
        "weighting": "uniform",
        "rounds": 2,
        "min_sites": len(sites),
        "min_subjects": 1,
        "round_timeout_s": 60,
    }
    return StudyManifest.model_validate({**fields, **changes})


def make_card(site: str, **changes: object) -> DatasetCard:
    count = SuppressedCount(value=20, rounded_to=5)
    fields: dict[str, object] = {
        "site": site,
        "dataset": "thigh-dixon",
        "title": "Thigh Dixon",
        "version": 1,
        "region": "thigh",
        "diagnoses": ("ORPHA:269",),
        "vendors": ("Siemens",),
        "field_strengths_tesla": (3.0,),
        "suffixes": ("DIXON",),
        "muscles": ("VL", "RF"),
        "label_origin": "manual",
        "duo": (),
        "subjects": count,
        "sessions": count,
        "labelled_subjects": SuppressedCount(value=None, rounded_to=5),
        "conforms": True,
        "disclosure": DisclosurePolicy(k=10, round_to=5, demo=False),
    }
    return DatasetCard.model_validate({**fields, **changes})
