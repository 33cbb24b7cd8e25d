"""Rule 9: it costs nothing to have it."""

import inspect
import json
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from synapse_capgroups import module
from synapse_capgroups.demo.person import expect
from synapse_capgroups.words.languages import browser_language
from tests.conftest import API, Server, Starter, eventually


def transactions(server: Server) -> float:
    """How many database transactions the module ran so far, by Synapse's own count."""
    return sum(
        value
        for series, value in server.homeserver.metrics().items()
        if series.startswith("synapse_storage_transaction_time_count_total{")
        and 'desc="capgroups_' in series
        and 'desc="capgroups_sweep' not in series  # Once a minute, whatever is said.
    )


def callbacks(server: Server) -> float:
    """How many times Synapse called the module so far, by Synapse's own count."""
    return sum(
        value
        for series, value in server.homeserver.metrics().items()
        if series.startswith("synapse_util_metrics_block_count_total{")
        and "synapse_capgroups." in series
        # Given the event alone; one look into a set in memory, for the concierge's own rooms.
        and "check_event_for_spam" not in series
    )


def at_rest(server: Server) -> bool:
    """Whether the concierge has finished greeting those who created groups before this."""
    before = transactions(server)
    time.sleep(0.5)
    return transactions(server) == before


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_message_in_any_room_causes_no_database_access_of_the_module(
    start: Starter, engine: str
) -> None:
    server = start(engine, module={"cap": 6, "code_limit": 4})
    room, people = server.group(3)
    chat = people[0].befriend(people[1])
    space = people[0].new_room(creation_content={"type": "m.space"})
    people[0].send(room, "to warm up")

    assert eventually(lambda: at_rest(server))
    before, calls_before = transactions(server), callbacks(server)
    for person in people:
        for _ in range(5):
            expect(person.send(room, "in a group"))
    expect(people[0].send(chat, "in a direct chat"))
    expect(people[0].send(space, "in a space"))
    expect(people[0].set_state(room, "m.room.topic", {"topic": "state that opens nothing"}))
    receipt = f"/rooms/{room}/receipt/m.read/{expect(people[0].send(room, 'x')).body['event_id']}"
    expect(people[1].call("POST", receipt, {}))
    typing = f"/rooms/{room}/typing/{people[1].user_id}"
    expect(people[1].call("PUT", typing, {"typing": True, "timeout": 1000}))
    assert transactions(server) == before
    assert callbacks(server) - calls_before == 1, "the topic, which is answered from the type alone"

    # The count counts: a join is decided in one transaction, and their name looked up in another.
    person = server.person()
    expect(people[0].invite(room, person))
    before = transactions(server)
    expect(person.join(room))
    assert transactions(server) == before + 2


def test_the_two_callbacks_that_make_every_message_slower_are_not_registered() -> None:
    for file in Path(inspect.getfile(module)).parent.rglob("*.py"):
        source = file.read_text()
        assert "check_event_allowed=" not in source, file
        assert "on_new_event=" not in source, file


class Memory:
    """How much more resident memory a server needed at its highest point."""

    def __init__(self, server: Server) -> None:
        self._folder = Path(f"/proc/{server.homeserver.process_id}")
        self.mib = 0.0

    def _read(self, field: str) -> int:
        status = (self._folder / "status").read_text()
        return int(status.split(f"{field}:")[1].split()[0])

    def __enter__(self) -> "Memory":
        self._before = self._read("VmRSS")
        (self._folder / "clear_refs").write_text("5")  # The highest point is now.
        return self

    def __exit__(self, *_: object) -> None:
        self.mib = (self._read("VmHWM") - self._before) / 1024


def worst_pictures() -> dict[str, bytes]:
    """Pictures of nearly as many pixels as Synapse takes (`max_image_pixels`), in few bytes."""
    side = 5650  # px: 31.9 million pixels
    made = {}
    still = Image.new("RGB", (side, side), "teal")
    for name, options in (("PNG", {}), ("JPEG", {"progressive": True}), ("WEBP", {})):
        file = BytesIO()
        still.save(file, name, **options)
        made[name] = file.getvalue()
    file = BytesIO()
    frames = [Image.new("P", (side, side), color) for color in (0, 1)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    made["GIF"] = file.getvalue()
    return made


def test_sixty_previews_of_the_worst_pictures_at_once_cost_little_memory(start: Starter) -> None:
    # One thumbnail of each is enough here, and takes Synapse less time.
    thumbnails = [{"width": 96, "height": 96, "method": "crop"}]
    server = start("sqlite", module={}, settings={"thumbnail_sizes": thumbnails})
    codes = {}
    for name, content in worst_pictures().items():
        room, people = server.group(1)
        uri = people[0].call(
            "POST", "/_matrix/media/v3/upload", content_type=f"image/{name.lower()}",
            content=content,
        ).body["content_uri"]  # fmt: skip
        expect(people[0].set_state(room, "m.room.avatar", {"url": uri}))
        codes[name] = server.make_code(room, people[0])
    bare, people = server.group(1)
    warm = server.make_code(bare, people[0])
    server.homeserver.stop()  # What Synapse itself took when it received them is given back.
    server.homeserver.start()
    expect(server.preview(warm))
    time.sleep(0.2)  # That was one of the sixty that may be asked at once.

    with Memory(server) as memory:
        asked = [list(codes.values())[number % 4]["secret"] for number in range(60)]
        with ThreadPoolExecutor(60) as pool:
            asking = [pool.submit(people[0].preview_code, secret) for secret in asked]
    assert memory.mib <= 30
    for preview in asking:
        avatar = expect(preview.result()).body["group"]["avatar"]
        assert avatar is not None
        assert len(avatar) < 90_000


@pytest.mark.newer_synapse
def test_a_name_of_sixty_thousand_bytes_is_short_wherever_others_are_shown_it(
    server: Server,
) -> None:
    room, people = server.group(1)
    expect(people[0].set_state(room, "m.room.name", {"name": "\N{DOOR}" * 15_000}))
    code = server.make_code(room, people[0])
    preview = expect(server.preview(code)).body
    assert len(json.dumps(preview)) < 4_000
    assert preview["group"]["name"] == "\N{DOOR}" * 255 + "…"
    summary = f"/_matrix/client/v1/room_summary/{quote(server.door(code))}"
    door = expect(server.person().call("GET", summary)).body
    assert len(door["name"]) < 300
    assert people[0].code_picture(room, code["code_id"]).ok


def test_who_asks_too_often_is_asked_to_wait(server: Server) -> None:
    room, people = server.group(1)
    code = server.make_code(room, people[0])
    with ThreadPoolExecutor(16) as pool:
        pictures = [pool.submit(people[0].code_picture, room, code["code_id"]) for _ in range(45)]
    assert {picture.result().status for picture in pictures} == {200, 429}
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(people[0].call, "GET", f"{API}/groups/{room}") for _ in range(250)]
    answers = [call.result() for call in calls]
    assert {answer.status for answer in answers} == {200, 429}
    refusals = [answer.body for answer in answers if not answer.ok]
    assert all(refusal["errcode"] == "M_LIMIT_EXCEEDED" for refusal in refusals)
    assert all(refusal["retry_after_ms"] > 0 for refusal in refusals)
    assert server.person().code_picture(room, code["code_id"]).status == 404, "others need not"


@pytest.mark.parametrize("path", ["codes/preview", "groups/!a:localhost/codes"])
def test_a_body_as_large_as_an_upload_is_not_parsed(server: Server, path: str) -> None:
    people = server.people(1)
    room, _ = server.group(1, creator=people[0])
    path = f"{API}/{path.replace('!a:localhost', room)}"
    with Memory(server) as memory:
        reply = people[0].call("POST", path, {"secret": [{}] * 3_000_000})
    assert (reply.status, reply.body["errcode"]) == (413, "M_TOO_LARGE")
    assert memory.mib < 60, "the body itself, which Synapse has read before"


def test_a_header_of_sixteen_thousand_languages_is_not_read_to_its_end() -> None:
    assert browser_language("a," * 100 + "de") == "de"
    assert browser_language("a," * 8_000 + "de") == "en"
