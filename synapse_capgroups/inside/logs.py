"""Keeping secrets out of all logs."""

import contextlib
import logging
import re
import traceback
from typing import Any

from synapse.http.site import SynapseRequest


def keep_out_of_logs(pattern: re.Pattern[str], replacement: str) -> None:
    """Replace text in all that Synapse logs, and in the paths of requests wherever they are told.

    Clients name a door's address in the path of their requests. Synapse logs all paths, some errors
    with them, and at DEBUG the values of all statements; so it is done where all records are made.
    `SynapseRequest.get_redacted_uri` is also what tracing (`trace_servlet`) and the fields of
    structured logs take the path from. A second homeserver in the same process changes nothing.
    """
    make_record = logging.getLogRecordFactory()
    if getattr(make_record, "keeps_out", None) != pattern:

        def make_clean_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = make_record(*args, **kwargs)
            with contextlib.suppress(Exception):  # A line that cannot be formatted is no line.
                _clean(record, pattern, replacement)
            return record

        make_clean_record.keeps_out = pattern  # type: ignore[attr-defined]
        logging.setLogRecordFactory(make_clean_record)

    get_redacted_uri = SynapseRequest.get_redacted_uri
    if getattr(get_redacted_uri, "keeps_out", None) != pattern:

        def get_clean_uri(request: SynapseRequest) -> str:
            return pattern.sub(replacement, get_redacted_uri(request))

        get_clean_uri.keeps_out = pattern  # type: ignore[attr-defined]
        SynapseRequest.get_redacted_uri = get_clean_uri  # type: ignore[method-assign, assignment]


def _clean(record: logging.LogRecord, pattern: re.Pattern[str], replacement: str) -> None:
    text = record.getMessage()
    if pattern.search(text):
        record.msg, record.args = pattern.sub(replacement, text), ()
    if record.exc_info and record.exc_info[0] is not None:
        told = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if pattern.search(told):
            # What formats the record takes the text where there is no exception.
            record.exc_info, record.exc_text = None, pattern.sub(replacement, told)
