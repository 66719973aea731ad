"""The commands about tables: ``datasets`` and ``check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gatecast.cli_messages import note, plain_errors, print_json
from gatecast.cli_options import Data, Json, TableOptions, unfolded
from gatecast.errors import DataError, SettingsError


def datasets(as_json: Json = False) -> None:
    """List the named data sets; all of them work offline."""
    from gatecast.sources import DATASETS, load

    with plain_errors():
        rows = [load(name) for name in DATASETS]
        if as_json:
            print_json(
                [
                    {"name": row.name, "title": row.title, "points": int(row.panel.lengths[0]), "about": row.about}
                    for row in rows
                ]
            )
            return
        width = max(len(row.name) for row in rows)
        for row in rows:
            typer.echo(f"{row.name:<{width}}  {int(row.panel.lengths[0]):>6,} points  {row.title}")


@unfolded
def check(
    *,
    data: Data,
    table: TableOptions,
    out: Annotated[Path | None, typer.Option(help="with --fix: write the mended table, CSV or Parquet")] = None,
    as_json: Json = False,
) -> None:
    """Say all that is wrong with a table, with rows and what to do; exit code 3 if it cannot be forecast."""
    with plain_errors():
        from gatecast.doctor import check as examine
        from gatecast.tables import ALL_DIGITS, check_ending, write_table

        if out is not None and not table.fix:
            raise SettingsError("--out writes a mended table; say what to mend with --fix")
        if out is not None:
            check_ending(out)
        report = examine(data, **table.given())
        if out is not None and report.table is not None:
            write_table(report.table, out, ALL_DIGITS)
            typer.echo(f"mended table written to {out}", err=True)
        elif out is not None:
            note(f"nothing was mended, so {out} was not written")
    if as_json:
        print_json(report.as_dict())
    else:
        typer.echo(report.as_text())
    if not report.ok:
        raise typer.Exit(DataError.exit_code)
