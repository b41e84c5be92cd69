"""``airflow contacts sandbox``."""

from __future__ import annotations

from argparse import Namespace

from airflow_provider_contacts.sandbox.app import serve


def run_sandbox(args: Namespace) -> None:
    """Serve the vendors until interrupted."""
    serve(
        port=args.port,
        contacts=args.contacts,
        seed=args.seed,
        rate_limits=not args.no_rate_limits,
        log_requests=not args.quiet,
    )
