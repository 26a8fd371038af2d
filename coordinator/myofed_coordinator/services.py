"""The rooms of one coordinator, wired together: what every adapter (command, port, supervisor) opens first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from myofed_coordinator.accounts.login import LoginService
from myofed_coordinator.accounts.passwords import Passwords
from myofed_coordinator.accounts.service import AccountsPlace, AccountsService
from myofed_coordinator.accounts.sessions import SessionsService
from myofed_coordinator.accounts.tokens import TokensService
from myofed_coordinator.accounts.vault import load_vault
from myofed_coordinator.audit import AuditLog
from myofed_coordinator.catalog.reading import CatalogReading, catalog_reading
from myofed_coordinator.catalog.service import CatalogService
from myofed_coordinator.certificates import load_issued
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.database import Database, check_schema, open_database
from myofed_coordinator.enrolment.heads import AuditHeadsService
from myofed_coordinator.enrolment.renewal import RenewalService
from myofed_coordinator.enrolment.service import Consortium, EnrolmentService
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.models.lineage import LineageService
from myofed_coordinator.models.service import ModelsService, RegistryPlace
from myofed_coordinator.negotiations.service import NegotiationPlace, NegotiationService
from myofed_coordinator.planning.service import PlanningService
from myofed_coordinator.runs import models as _starts  # noqa: F401  its table is one of `open_tables`
from myofed_coordinator.signing import load_signer
from myofed_coordinator.studies.leads import LeadsService
from myofed_coordinator.studies.service import StudiesService, StudyPlace

if TYPE_CHECKING:
    from myofed_coordinator.runs.service import RunsService


@dataclass(frozen=True)
class Services:
    """One coordinator's use cases, on one database and one audit chain."""

    home: HomeFolder
    config: CoordinatorConfig
    database: Database
    audit: AuditLog
    enrolment: EnrolmentService
    heads: AuditHeadsService
    renewals: RenewalService
    catalog: CatalogService
    catalog_reading: CatalogReading
    negotiations: NegotiationService
    planning: PlanningService
    studies: StudiesService
    leads: LeadsService
    models: ModelsService
    lineage: LineageService
    accounts: AccountsService
    sessions: SessionsService
    tokens: TokensService
    login: LoginService

    def close(self) -> None:
        """No connection is open any more."""
        self.database.close()


def open_tables(home: HomeFolder, config: CoordinatorConfig) -> Database:
    """The configured database, with the tables of all rooms known to it (this module imports them)."""
    return open_database(config.database(home))


def open_services(home: HomeFolder, config: CoordinatorConfig) -> Services:
    """All services of this home; its keys were read and the tables have the version this program knows.

    Raises:
        MyofedError: CERTIFICATE_PAIR, SIGNING_KEY, DATABASE_UNREACHABLE, DATABASE_EMPTY, DATABASE_VERSION.
    """
    signer = load_signer(home.signing_key)
    authority = load_issued(key_pem=home.ca_key.read_bytes(), certificate_pem=home.ca.read_bytes())
    database = open_tables(home, config)
    check_schema(database)
    audit = AuditLog(home.audit)
    catalog = CatalogService(database, audit)
    reading = catalog_reading(database, audit, catalog, config)
    consortium = Consortium(authority, signer.public_key, config)
    enrolment = EnrolmentService(database, audit, consortium)
    studies = StudiesService(database, audit, enrolment, StudyPlace(home.models, signer))
    people = AccountsPlace(config, Passwords(), cache(partial(load_vault, home.accounts_key)))
    accounts, sessions = AccountsService(database, audit, people), SessionsService(database, audit)
    return Services(
        home=home,
        config=config,
        database=database,
        audit=audit,
        enrolment=enrolment,
        heads=AuditHeadsService(database, audit, enrolment, signer),
        catalog=catalog,
        catalog_reading=reading,
        negotiations=NegotiationService(database, audit, NegotiationPlace(reading.search, enrolment, signer)),
        renewals=RenewalService(database, audit, consortium),
        planning=PlanningService(database, audit, enrolment, signer),
        studies=studies,
        leads=LeadsService(database, audit),
        models=ModelsService(database, audit, studies, RegistryPlace(home.models, signer)),
        lineage=LineageService(database, audit, signer),
        accounts=accounts,
        sessions=sessions,
        tokens=TokensService(database, audit),
        login=LoginService(database, audit, people, (accounts, sessions)),
    )


def open_runs(services: Services) -> RunsService:
    """The runs of this coordinator; imported late, as their room builds upon this module."""
    from myofed_coordinator.runs.service import RunsService

    return RunsService(services)
