"""A leaderboard as Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.leaderboard.exports.records import build_records
from bench.types import UnavailableError

if TYPE_CHECKING:
    from bench.leaderboard.files.sources import Source


def to_parquet(source: Source) -> dict[str, bytes]:
    """Write the columns of the CSV with their types.

    Raises:
        UnavailableError: pyarrow is not installed.
    """
    import io

    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        expected = 'pip install pyarrow (or ".[parquet]")'
        raise UnavailableError("Parquet", got="no pyarrow", expected=expected, where="--format parquet") from error
    rows = build_records(source.board)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = pyarrow.table({name: [row.get(name) for row in rows] for name in columns})
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream)
    return {"": stream.getvalue()}
