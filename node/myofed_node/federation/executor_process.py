"""Process entry point of the executor: `python -m myofed_node.federation.executor_process DIR SUPERNODE_PORT`."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from functools import partial
from pathlib import Path

from myofed_node.config import SiteConfig, load_config
from myofed_node.federation.approvals import Approvals
from myofed_node.federation.egress_client import EgressClient
from myofed_node.federation.executor import Executor, Means
from myofed_node.federation.flower_adapter import Handler, Incoming, Outcome, SuperNodeLink, Ticket
from myofed_node.federation.handed_over import sweep_trained
from myofed_node.federation.task_news import LOOK_S, TaskNews
from myofed_node.federation.training_gate import stopped
from myofed_node.federation.weights_link import WeightsLink
from myofed_node.federation.weights_transport import WeightsTransport
from myofed_node.learning import worker_client
from myofed_node.site_folder import SiteFolder
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.json_log import configure_logging, style_of

AWAY_S = 1.0

log = logging.getLogger("myofed.executor")


def build(folder: SiteFolder, config: SiteConfig) -> Executor:
    """The executor of this site."""
    call_worker = partial(worker_client.call, folder.worker_socket, stop=partial(stopped, folder))
    return Executor(
        folder,
        Approvals(folder, config),
        Means(call_worker=call_worker, now=system_now, min_scored_subjects=config.policy.min_scored_subjects),
    )


def fail_closed(executor: Executor, incoming: Incoming) -> Outcome:
    """The executor's outcome; what nobody foresaw becomes a code as well.

    Raises:
        MyofedError: Of `Executor.handle`, or EXECUTOR_FAILED.
    """
    try:
        return executor.handle(incoming)
    except MyofedError:
        raise
    except Exception as error:  # noqa: BLE001  the loop must go on and the coordinator learn a code, never this exception's text
        log.error("unforeseen: %s", type(error).__name__)  # noqa: TRY400  a traceback could hold values of a message
        raise MyofedError("EXECUTOR_FAILED", "expected the message to be handled, found a defect") from None


def serve(folder: SiteFolder, config: SiteConfig, *, supernode_port: int) -> None:
    """Works on tasks until the process is stopped, each in its own thread.

    Tasks follow one another; a second one comes only where the first waits for a message that will never be whole, which
    the second tells it.
    """
    sweep_trained(folder.passing_weights)
    transport = WeightsTransport(
        folder, Approvals(folder, config), WeightsLink(EgressClient(folder), folder.passing_weights)
    )
    address = f"127.0.0.1:{supernode_port}"
    link = SuperNodeLink(address, secret_file=folder.executor_secret, transport=transport)
    handler = partial(fail_closed, build(folder, config))
    news = TaskNews(folder.task_news)
    while True:
        if not news.due():
            time.sleep(LOOK_S)
            continue
        try:
            ticket = link.next_task()
        except MyofedError as error:
            log.warning("%s", error.code)
            time.sleep(AWAY_S)
            continue
        if ticket is not None:
            news.found()
            threading.Thread(target=_answer, args=(link, ticket, handler), daemon=True).start()
        else:
            time.sleep(LOOK_S)


def _answer(link: SuperNodeLink, ticket: Ticket, handler: Handler) -> None:
    try:
        log.info("task answered: %s", link.work(ticket, handler))
    except MyofedError as error:
        log.warning("task lost: %s", error.code)


if __name__ == "__main__":
    configure_logging("executor", style=style_of(os.environ.get("MYOFED_LOG_FORMAT")))
    _folder = SiteFolder(Path(sys.argv[1]))
    serve(_folder, load_config(_folder.config), supernode_port=int(sys.argv[2]))
