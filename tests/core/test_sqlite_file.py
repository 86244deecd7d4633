"""A shared SQLite file: private, made once, never lost, and whole after anything."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from contexter_nb.core import SQLiteFile, SQLiteFormat, damaged, immediate

NOTES = SQLiteFormat(
    what="The file of notes",
    application_id=0x6E6F7465,
    schema="CREATE TABLE notes (text TEXT NOT NULL)",
)
BEGIN = """
import os, resource, signal, sqlite3, sys, threading
from contexter_nb.core import SQLiteFile, SQLiteFormat, damaged, immediate
NOTES = SQLiteFormat(
    what="The file of notes", application_id=0x6E6F7465,
    schema="CREATE TABLE notes (text TEXT NOT NULL)")
def add(text):
    def work(database):
        with immediate(database):
            database.execute("INSERT INTO notes VALUES (?)", (text,))
    return work
def notes(database):
    return [text for (text,) in database.execute("SELECT text FROM notes")]
file = SQLiteFile(sys.argv[1], NOTES)
"""
ADD_FIFTY = BEGIN + (
    "print('ready', flush=True)\n"
    "sys.stdin.readline()\n"
    "for number in range(50): file.use(add(f'{sys.argv[2]} {number}'))\n"
    "file.close()\n"
)
PASSER_BY = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("SELECT count(*) FROM notes").fetchone()
database.close()
"""
FORK = BEGIN + (
    "file.use(add('parent'))\n"
    "held, go_on = threading.Event(), threading.Event()\n"
    "def hold(database):\n"
    "    held.set()\n"
    "    assert go_on.wait(60)\n"
    "thread = threading.Thread(target=file.use, args=(hold,))\n"
    "thread.start()\n"
    "held.wait()\n"
    "child = os.fork()\n"
    "if not child:\n"
    "    signal.alarm(30)\n"  # ends a child that waits for the parent's thread
    "    file.use(add('child'))\n"
    "    file.close()\n"
    "    os._exit(0)\n"
    "assert os.waitpid(child, 0)[1] == 0\n"
    "go_on.set()\n"
    "thread.join()\n"
    "file.use(add('parent again'))\n"
    "print(*file.use(notes), sep=', ')\n"
)
NO_ROOM = BEGIN + (
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
    "def tried(text):\n"
    "    try:\n"
    "        file.use(add(text))\n"
    "    except sqlite3.Error as error:\n"
    "        return type(error).__name__\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))\n"
    "print(tried('before it was made'))\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
    "print(tried('a'))\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))\n"
    "print(tried('x' * 1_000_000))\n"
    "print(file.use(notes))\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
    "print(tried('b'), file.use(notes))\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of a file in a folder that is not there yet."""
    return tmp_path / "home" / "notes.sqlite"


@contextlib.contextmanager
def opened(
    path: Path, kind: SQLiteFormat = NOTES, **options: Any
) -> Iterator[SQLiteFile]:
    """Give a file and close it."""
    file = SQLiteFile(path, kind, **options)
    try:
        yield file
    finally:
        file.close()


def add(text: str) -> Callable[[sqlite3.Connection], None]:
    """Return what adds a note."""

    def work(database: sqlite3.Connection) -> None:
        with immediate(database):
            database.execute("INSERT INTO notes VALUES (?)", (text,))

    return work


def notes(database: sqlite3.Connection) -> list[str]:
    """Return all notes."""
    return [text for (text,) in database.execute("SELECT text FROM notes")]


def change(path: Path, *statements: str) -> None:
    """Change a file from outside, or make one."""
    path.parent.mkdir(exist_ok=True)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def pragma(path: Path, name: str) -> Any:
    """Return what a file says to somebody else."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute(f"PRAGMA {name}").fetchone()[0]


def set_aside(path: Path) -> list[str]:
    """Return the names under which files were set aside, without their journals."""
    found = (each.name for each in path.parent.glob("*damaged*"))
    return sorted(name for name in found if not name.endswith(("-wal", "-shm")))


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a script in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> list[str]:
    """Return the lines that a process printed; it must have ended well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.splitlines()


def test_what_is_written_is_there_when_it_is_opened_again(path: Path) -> None:
    """Closing gives the file back; closing twice is no error, nor is a later use."""
    file = SQLiteFile(path, NOTES)
    file.use(add("a"))
    file.close()
    file.close()
    file.use(add("b"))
    with opened(path) as other:
        assert other.use(notes) == file.use(notes) == ["a", "b"]
    file.close()


def test_everything_beside_it_is_private_too(path: Path) -> None:
    """Mode 0600 whatever the umask, for log, index and lock; the folder has 0700."""
    before = os.umask(0)
    try:
        with opened(path) as file:
            file.use(add("a"))
            modes = {
                each.name: stat.S_IMODE(each.stat().st_mode)
                for each in path.parent.iterdir()
            }
    finally:
        os.umask(before)
    assert {"notes.sqlite", "notes.sqlite-wal", "notes.sqlite-shm"} <= set(modes)
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_narrowed(path: Path) -> None:
    """One that was copied here with a wider mode has 0600 from its first use on."""
    with opened(path) as file:
        file.use(add("a"))
    path.chmod(0o644)
    with opened(path) as file:
        assert file.use(notes) == ["a"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_format_says_how_a_file_is_made_and_opened(path: Path) -> None:
    """Pages and vacuum of a new one, the rest at each opening, texts as they are."""
    kind = dataclasses.replace(
        NOTES,
        number=3,
        new_pragmas={"page_size": 16384, "auto_vacuum": "INCREMENTAL"},
        pragmas={"synchronous": "FULL", "journal_size_limit": 4096},
        text_factory=bytes,
    )
    for _ in range(2):
        with opened(path, kind) as file:
            file.use(add("a"))
            names = ("synchronous", "journal_size_limit")
            own = [
                file.use(lambda db, n=name: db.execute(f"PRAGMA {n}").fetchone()[0])
                for name in names
            ]
            assert own == [2, 4096]
            assert file.use(notes)[0] == b"a"
    made = ("page_size", "auto_vacuum", "journal_mode", "application_id")
    assert [pragma(path, name) for name in made] == [16384, 2, "wal", 0x6E6F7465]
    assert pragma(path, "user_version") == 3


def rubbish(path: Path) -> None:
    """Make a file that is no database."""
    path.write_bytes(b"no database at all" * 1_000)


def zeros(path: Path) -> None:
    """Make what a crash of the machine leaves."""
    path.write_bytes(bytes(8192))


def torn(path: Path) -> None:
    """Overwrite the middle of one of ours."""
    with opened(path) as file:
        for number in range(500):
            file.use(add(f"{number}" * 100))
    raw = path.read_bytes()
    path.write_bytes(raw[:4096] + b"\xff" * (len(raw) - 4096))


def stripped(path: Path) -> None:
    """Take a table out of one of ours."""
    with opened(path) as file:
        file.use(add("a"))
    change(path, "DROP TABLE notes")


def of_another_program(path: Path) -> None:
    """Make a database of something else that has no mark."""
    change(path, "CREATE TABLE theirs (x)", "CREATE TABLE notes (text)")


def marked_by_another(path: Path) -> None:
    """Make a database of something else that has a mark."""
    change(path, "CREATE TABLE notes (text)", "PRAGMA application_id = 7")


def of_a_future_sqlite(path: Path) -> None:
    """Give one of ours a schema format that there is not."""
    with opened(path) as file:
        file.use(add("a"))
    raw = bytearray(path.read_bytes())
    raw[44:48] = (127).to_bytes(4, "big")
    path.write_bytes(raw)


def misspelt(path: Path) -> None:
    """Damage the name of a table, so that SQLite's message cannot be read either."""
    with opened(path) as file:
        file.use(add("a"))
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"tablenotesnotes", b"tab\xffe\xffotesnotes"))


SPOILT = [
    rubbish,
    zeros,
    torn,
    stripped,
    of_another_program,
    marked_by_another,
    of_a_future_sqlite,
    misspelt,
]


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_damaged_or_foreign_file_is_set_aside(
    path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """It is kept to the last byte, the work is done with a new one, and it is told."""
    path.parent.mkdir()
    spoil(path)
    content = path.read_bytes()
    with caplog.at_level(logging.WARNING), opened(path) as file:
        file.use(add("a"))
        assert file.use(notes) == ["a"]
    assert set_aside(path) == ["notes.sqlite.damaged-1"]
    assert path.with_name("notes.sqlite.damaged-1").read_bytes() == content
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith(f"The file of notes {path} is damaged or foreign (")
    assert told.endswith("kept as notes.sqlite.damaged-1, and a new one is begun.")


def test_an_empty_file_is_filled(path: Path) -> None:
    """One whose maker was killed before it had written anything is not damaged."""
    path.parent.mkdir()
    path.touch()
    with opened(path) as file:
        file.use(add("a"))
    assert set_aside(path) == []


def test_a_damaged_file_never_takes_the_name_of_an_earlier_one(path: Path) -> None:
    """The name that was asked for, and then numbers."""
    path.parent.mkdir()
    with opened(path, aside="notes.damaged") as file:
        for number in range(3):
            path.write_bytes(b"%d" % number * 1_000)
            file.use(notes)
            file.close()
    kept = [path.with_name("notes.damaged")]
    kept += [path.with_name(f"notes.sqlite.damaged-{number}") for number in (1, 2)]
    assert [each.read_bytes()[:1] for each in kept] == [b"0", b"1", b"2"]


def test_what_waits_in_the_log_is_set_aside_with_the_file(path: Path) -> None:
    """It is part of what was there, also where another process has it open."""
    with opened(path) as file:
        file.use(add("a"))
        other = sqlite3.connect(path, isolation_level=None)
        with contextlib.closing(other):
            other.execute("ALTER TABLE notes RENAME TO letters")
            assert file.use(notes) == []
            aside = path.with_name("notes.sqlite.damaged-1")
            with contextlib.closing(sqlite3.connect(aside)) as database:
                kept = database.execute("SELECT text FROM letters").fetchall()
    assert kept == [("a",)]


def test_nothing_is_made_while_another_process_holds_the_lock(path: Path) -> None:
    """The file stays empty until its maker is done, or is waited for in vain."""
    path.parent.mkdir()
    with opened(path, busy_seconds=0.05) as file:
        with FileLock(f"{path}.lock"), pytest.raises(OSError, match="lock"):
            file.use(notes)
        assert path.stat().st_size == 0
        assert file.use(notes) == []


def test_who_comes_second_does_not_set_the_new_file_aside(path: Path) -> None:
    """Damage seen in a file that another process has replaced by now is passed over."""
    with opened(path.with_name("new.sqlite")) as new:
        new.use(add("new"))
    calls: list[int] = []

    def work(database: sqlite3.Connection) -> list[str]:
        calls.append(1)
        if len(calls) == 1:
            for ending in ("-wal", "-shm"):
                os.unlink(f"{path}{ending}")
            os.replace(path.with_name("new.sqlite"), path)
            database.execute("SELECT * FROM what_was_there_once")
        return notes(database)

    with opened(path) as file:
        assert file.use(work) == ["new"]
    assert set_aside(path) == []


def test_what_is_no_damage_is_raised_at_once(path: Path) -> None:
    """Work is done twice for a damaged file alone, and a mistake sets nothing aside."""
    calls: list[int] = []

    def work(database: sqlite3.Connection) -> None:
        calls.append(1)
        with immediate(database):
            database.execute("INSERT INTO notes VALUES ('half')")
            database.execute("INSERT INTO notes VALUES (NULL)")

    with opened(path) as file:
        with pytest.raises(sqlite3.IntegrityError):
            file.use(work)
        with pytest.raises(ZeroDivisionError):
            file.use(lambda database: 1 / 0)
        assert file.use(notes) == []
    assert (len(calls), set_aside(path)) == (1, [])


def test_a_file_of_another_format_is_refused(path: Path) -> None:
    """Nobody's work is moved away because a newer version of us wrote it."""
    with opened(path) as file:
        file.use(add("a"))
    change(path, "PRAGMA user_version = 99")
    content = path.read_bytes()
    with opened(path) as file, pytest.raises(sqlite3.OperationalError) as refused:
        file.use(notes)
    assert str(refused.value) == "another version of contexter_nb made it"
    assert (path.read_bytes(), set_aside(path)) == (content, [])


def test_a_file_of_another_format_is_set_aside_where_that_is_wanted(path: Path) -> None:
    """What can be had anew is."""
    kind = dataclasses.replace(NOTES, sets_others_aside=True)
    with opened(path, kind) as file:
        file.use(add("a"))
    change(path, "PRAGMA user_version = 99")
    with opened(path, kind) as file:
        assert file.use(notes) == []
    assert set_aside(path) == ["notes.sqlite.damaged-1"]


THIRD = dataclasses.replace(
    NOTES,
    number=3,
    schema="CREATE TABLE notes (text TEXT NOT NULL, stars INTEGER, tag TEXT);",
    upgrades={
        1: "ALTER TABLE notes ADD COLUMN stars INTEGER;\nUPDATE notes SET stars = 1;",
        2: "ALTER TABLE notes ADD COLUMN tag TEXT",
    },
)


def test_an_old_file_is_brought_to_the_format_of_today(path: Path) -> None:
    """By one step after the other; what was in it stays."""
    with opened(path) as file:
        file.use(add("a"))
    with opened(path, THIRD) as file:
        rows = file.use(lambda database: list(database.execute("SELECT * FROM notes")))
    assert rows == [("a", 1, None)]
    assert (pragma(path, "user_version"), set_aside(path)) == (3, [])


def test_an_upgrade_is_done_wholly_or_not_at_all(path: Path) -> None:
    """One that fails at its second step leaves the file of the first format."""
    with opened(path) as file:
        file.use(add("a"))
    broken = {**THIRD.upgrades, 2: "ALTER TABLE notes ADD COLUMN stars INTEGER"}
    kind = dataclasses.replace(THIRD, upgrades=broken)
    with opened(path, kind) as file, pytest.raises(sqlite3.OperationalError):
        file.use(notes)
    assert pragma(path, "user_version") == 1
    with opened(path, THIRD) as file:
        assert file.use(notes) == ["a"]


@pytest.mark.parametrize("there", [["a"], []])
def test_eight_that_make_or_upgrade_it_at_once_do_it_once(
    path: Path, there: list[str]
) -> None:
    """Each of them finds the new format and what was there."""
    if there:
        with opened(path) as file:
            file.use(add(*there))
    found: list[object] = []
    start_together = threading.Barrier(8)

    def work() -> None:
        with opened(path, THIRD) as file:
            start_together.wait()
            found.append(file.use(notes))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (found, set_aside(path)) == ([there] * 8, [])


@pytest.mark.parametrize("kind", [NOTES, THIRD])
def test_a_file_of_ours_without_a_mark_is_taken_over(
    path: Path, kind: SQLiteFormat
) -> None:
    """It is known by its tables, counts as of the first format, and is marked."""
    change(path, "CREATE TABLE notes (text TEXT)", "INSERT INTO notes VALUES ('a')")
    kind = dataclasses.replace(kind, unmarked="SELECT text FROM notes LIMIT 0")
    with opened(path, kind) as file:
        assert file.use(notes) == ["a"]
    assert pragma(path, "application_id") == kind.application_id
    assert (pragma(path, "user_version"), set_aside(path)) == (kind.number, [])


@pytest.mark.parametrize(
    "statement", ["ALTER TABLE notes RENAME text TO word", "PRAGMA user_version = 5"]
)
def test_another_programs_file_is_not_taken_over(path: Path, statement: str) -> None:
    """Where a column is not ours, or a number was given, nothing is written into it."""
    change(path, "CREATE TABLE notes (text TEXT)", statement)
    content = path.read_bytes()
    kind = dataclasses.replace(NOTES, unmarked="SELECT text FROM notes LIMIT 0")
    with opened(path, kind) as file:
        assert file.use(notes) == []
    assert path.with_name("notes.sqlite.damaged-1").read_bytes() == content


def test_a_mistake_in_the_query_for_unmarked_files_sets_nothing_aside(
    path: Path,
) -> None:
    """Only what is missing in a file tells that it is another's."""
    change(path, "CREATE TABLE notes (text TEXT)")
    kind = dataclasses.replace(NOTES, unmarked="SELECT text FROM")
    with opened(path, kind) as file, pytest.raises(sqlite3.OperationalError):
        file.use(notes)
    assert set_aside(path) == []


def test_where_there_can_be_no_log_it_works_without(path: Path) -> None:
    """Who reads meanwhile hinders the switch, for less than the busy time each try."""
    with opened(path) as file:
        file.use(add("a"))
    change(path, "PRAGMA journal_mode = DELETE")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert notes(reader) == ["a"]
        with opened(path) as file:
            assert file.use(notes) == ["a"]
        assert pragma(path, "journal_mode") == "delete"
        reader.execute("ROLLBACK")
    with opened(path) as file:
        file.use(add("b"))
    assert pragma(path, "journal_mode") == "wal"


def test_a_file_deleted_under_our_feet_is_made_anew(path: Path) -> None:
    """What is written afterwards is found by others, also without its folder."""
    with opened(path) as file:
        file.use(add("a"))
        for each in path.parent.iterdir():
            each.unlink()
        path.parent.rmdir()
        file.use(add("b"))
        with opened(path) as other:
            assert other.use(notes) == ["b"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_put_in_its_place_is_opened(path: Path) -> None:
    """A backup that somebody copies back while we run is what is read from then on."""
    with opened(path.with_name("backup.sqlite")) as backup:
        backup.use(add("from the backup"))
    with opened(path) as file:
        file.use(add("a"))
        for ending in ("-wal", "-shm"):
            os.unlink(f"{path}{ending}")
        os.replace(path.with_name("backup.sqlite"), path)
        assert file.use(notes) == ["from the backup"]


def test_a_second_opening_does_not_end_the_locks_of_the_first(path: Path) -> None:
    """No descriptor of ours on the file is closed while a connection stands.

    A process that closes one loses all its locks on that file, and the next passer-by
    takes the log away from under it.
    """
    with opened(path) as one, opened(path) as other:
        one.use(add("a"))
        other.use(add("b"))
        assert ended(start(PASSER_BY, path)) == []
        one.use(add("c"))
        with contextlib.closing(sqlite3.connect(path)) as database:
            assert notes(database) == ["a", "b", "c"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_a_connection_of_its_own(path: Path) -> None:
    """It waits for no thread of its parent, and its end takes nothing from the parent.

    The parent forks while another of its threads is at work on the file.
    """
    assert ended(start(FORK, path)) == ["parent, child, parent again"]
    assert set_aside(path) == []


def test_four_processes_that_make_it_at_once_lose_nothing(path: Path) -> None:
    """One makes the file; all write into it."""
    writers = [start(ADD_FIFTY, path, name) for name in "abcd"]
    for each in writers:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in writers:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    assert [ended(writer) for writer in writers] == [[]] * 4
    with opened(path) as file:
        assert len(set(file.use(notes))) == 200
    assert (pragma(path, "integrity_check"), set_aside(path)) == ("ok", [])


def test_without_room_nothing_is_damaged_and_with_room_it_goes_on(path: Path) -> None:
    """Neither a file that could not be made nor one that could not grow is given up."""
    pytest.importorskip("resource")
    assert ended(start(NO_ROOM, path)) == [
        "OperationalError",
        "None",
        "OperationalError",
        "['a']",
        "None ['a', 'b']",
    ]
    assert set_aside(path) == []


def test_a_place_that_cannot_be_used_is_an_error_of_the_system(tmp_path: Path) -> None:
    """A file where a folder should be, and a folder that may not be made."""
    (tmp_path / "file").write_text("in the way")
    with opened(tmp_path / "file" / "notes.sqlite") as file, pytest.raises(OSError):
        file.use(notes)
    absent = tmp_path / "absent" / "notes.sqlite"
    with opened(absent, makes_folder=False) as file, pytest.raises(FileNotFoundError):
        file.use(notes)
    assert not absent.parent.exists()


def test_a_folder_in_its_place_is_left_as_it_is(path: Path) -> None:
    """Whoever made it can still enter it."""
    path.mkdir(mode=0o755, parents=True)
    with opened(path) as file, pytest.raises(sqlite3.OperationalError, match="open"):
        file.use(notes)
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


def test_a_file_behind_a_link_is_private_from_the_start(path: Path) -> None:
    """Also where the link leads to nothing yet; its log lies beside it."""
    path.parent.mkdir()
    elsewhere = path.with_name("elsewhere.sqlite")
    path.symlink_to(elsewhere)
    before = os.umask(0o022)
    try:
        with opened(path) as file:
            file.use(add("a"))
            for ending in ("", "-wal", "-shm"):
                mode = os.stat(f"{elsewhere}{ending}").st_mode
                assert stat.S_IMODE(mode) == 0o600
    finally:
        os.umask(before)


def test_a_damaged_text_costs_no_other(path: Path) -> None:
    """What cannot be read of it is replaced by a mark."""
    with opened(path) as file:
        file.use(add("a"))
        change(path, "INSERT INTO notes VALUES (CAST(x'62ff' AS TEXT))")
        assert file.use(notes) == ["a", "b\ufffd"]


def test_work_may_say_that_a_file_is_damaged(path: Path) -> None:
    """SQLite cannot know what is missing."""

    def work(database: sqlite3.Connection) -> list[str]:
        if notes(database) == ["a"]:
            raise damaged("a note is missing")
        return notes(database)

    with opened(path) as file:
        file.use(add("a"))
        assert file.use(work) == []
    assert set_aside(path) == ["notes.sqlite.damaged-1"]


def test_a_file_that_stays_locked_is_waited_for_no_longer(path: Path) -> None:
    """It is an error, not damage, and the next use works."""
    with opened(path, busy_seconds=0.05) as file:
        file.use(add("a"))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                file.use(add("b"))
            assert file.use(notes) == ["a"]
            other.execute("ROLLBACK")
        file.use(add("c"))
        assert file.use(notes) == ["a", "c"]
    assert set_aside(path) == []


def test_threads_take_turns(path: Path) -> None:
    """Two never use the connection at once, and what each adds is there."""
    inside: list[str] = []

    def work(database: sqlite3.Connection) -> None:
        inside.append("in")
        add("a")(database)
        inside.append("out")

    with opened(path) as file:
        threads = [
            threading.Thread(target=lambda: [file.use(work) for _ in range(25)])
            for _ in range(4)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(file.use(notes)) == 100
    assert inside == ["in", "out"] * 100


def test_the_error_that_ended_a_transaction_is_the_one_that_is_told() -> None:
    """Where SQLite has rolled back by itself, we do not try it again."""
    with contextlib.closing(
        sqlite3.connect(":memory:", isolation_level=None)
    ) as memory:
        memory.execute("CREATE TABLE notes (text TEXT NOT NULL ON CONFLICT ROLLBACK)")
        with pytest.raises(sqlite3.IntegrityError), immediate(memory):
            memory.execute("INSERT INTO notes VALUES (NULL)")
        assert not memory.in_transaction


def test_one_that_nobody_holds_any_more_is_closed(tmp_path: Path) -> None:
    """Its connection does not stay open, of which newer versions of Python warn."""
    kept: list[sqlite3.Connection] = []
    file = SQLiteFile(tmp_path / "notes.sqlite", NOTES)
    file.use(kept.append)
    del file
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        kept[0].execute("SELECT 1")
