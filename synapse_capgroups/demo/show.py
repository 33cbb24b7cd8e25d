"""Tells the story in the terminal, and keeps the server up for those who want to try it."""

import itertools
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from synapse_capgroups.demo.cluster import Cluster, Processes, missing_for_workers
from synapse_capgroups.demo.homeserver import Homeserver, StartError
from synapse_capgroups.demo.person import Person
from synapse_capgroups.demo.postgres import Postgres
from synapse_capgroups.demo.series_story import tell_of_series
from synapse_capgroups.demo.story import Step, tell


def run(cap: int, code_limit: int, *, check: bool, port: int, workers: int = 0) -> int:
    """Run the demo.

    Returns:
        0 if every step went as the rules say, 1 if not, 2 if Synapse did not start.
    """
    console = Console(highlight=False, soft_wrap=True)
    if workers and (missing := missing_for_workers()):
        console.print(f"[red]{escape(missing)}[/]")
        return 2
    # Whoever ends the demo in the middle leaves no server behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="capgroups-demo-")))
        module = {"cap": cap, "code_limit": code_limit}
        if workers:
            folder.chmod(0o755)  # PostgreSQL runs as a user of its own.
            (folder / "postgres").mkdir()
            postgres = Postgres(folder / "postgres")
            postgres.start()
            stack.callback(postgres.stop)
            server: Homeserver = Cluster(
                folder / "synapse", module, Processes(workers),
                settings={"database": postgres.create_database("synapse")}, port=port,
            )  # fmt: skip
        else:
            server = Homeserver(folder, module, port=port)
        stack.callback(server.stop)
        try:
            return _run(console, server, cap, code_limit, check)
        except StartError as e:
            console.print(f"[red]{escape(str(e))}[/]")
            return 2


def _run(console: Console, server: Homeserver, cap: int, code_limit: int, check: bool) -> int:
    processes = f"{len(server.workers)} workers" if isinstance(server, Cluster) else "one process"
    console.print(
        f"\nA real Synapse on loopback ({processes}), with groups of at most {cap} members: "
        f"anybody's invitation works below {code_limit}, from there on only a friend's.\n"
    )
    with _bar(console) as bar:
        task = bar.add_task("Synapse starts", total=None)
        server.start(waiting=lambda: bar.advance(task, 0))

    people: list[Person] = []

    def register(localpart: str) -> Person:
        people.append(server.register(localpart))
        return people[-1]

    failed = _tell(console, register, cap, code_limit)
    if failed:
        console.print(f"\n[red]{failed} steps did not go as the rules say.[/]")
    else:
        console.print("\n[green]Every step went as the rules say.[/]")
    if not check:
        _stay(console, server, people)
    return 1 if failed else 0


def _tell(console: Console, register: Callable[[str], Person], cap: int, code_limit: int) -> int:
    failed = 0
    with _bar(console) as bar:
        task = bar.add_task("", visible=False)

        def filling(members: int, goal: int) -> None:
            bar.update(
                task,
                description=f"The group fills up to {goal}",
                completed=members,
                total=goal,
                visible=members < goal,
            )

        steps = itertools.chain(tell(register, cap, code_limit, filling), tell_of_series(register))
        for number, step in enumerate(steps, 1):
            failed += not _try(bar.console, number, step)
    return failed


def _try(console: Console, number: int, step: Step) -> bool:
    reply = step.attempt()
    well = step.went_well(reply)
    console.print(f"{number:3}. [bold]{step.who}[/] {escape(step.what)}.")
    said = f"[green]{reply.status}[/]" if reply.ok else f"[yellow]{reply.status}[/]"
    if keyword := reply.reason or reply.body.get("state"):
        said += f" {keyword}"
    if reply.error:
        said += f" “{escape(reply.error)}”"
    console.print(f"     The server says: {said}")
    expected = f"refuse, {step.reason.value}" if step.reason else step.state or "allow"
    mark = "[green]✓[/]" if well else "[red]✗[/]"
    console.print(f"     {mark} Rule {step.rule} says: {expected}.")
    if well and (picture := step.picture()):
        console.print(picture, markup=False, style="white on black")
    return well


def _stay(console: Console, server: Homeserver, people: list[Person]) -> None:
    console.print(
        f"\nThe server stays up. In a client, choose the homeserver [bold]{server.url}[/]"
    )
    named = [person for person in people if not person.user_id.startswith("@member")]
    for person in named:
        console.print(f"  {person.user_id:20} password [bold]{escape(person.password)}[/]")
    console.print("Press Ctrl+C to end it and remove all it wrote.")
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    console.print("\nEnding.")


@contextmanager
def _bar(console: Console) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield progress
