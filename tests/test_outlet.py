"""Standard streams that nobody waits for: what is written, what is lost, and that it is told."""

from __future__ import annotations

import io
import json
import os
import resource
import threading
from pathlib import Path

import pytest

from stuck_pipes import LONG_S, Reader, full, pipe
from trooper.telemetry.outlet import MAX_WAITING_BYTES, MAX_WAITING_WRITES, Outlet, Stream, aside


def line(number: int, size: int = 100) -> bytes:
    return f"{number} ".encode().ljust(size - 1, b"x") + b"\n"


def lost(told: bytes) -> int:
    said = json.loads(told)
    assert (said["event"], said["level"]) == ("log_lines_lost", "warning")
    assert set(said) == {"lines", "event", "level", "timestamp"}
    count = said["lines"]
    assert isinstance(count, int)
    return count


def is_told(text: bytes) -> bool:
    return b"log_lines_lost" in text


@pytest.mark.parametrize("size", [20, 100, 8000, MAX_WAITING_BYTES])
def test_what_nobody_reads_is_bounded_and_counted_in_its_place(size: int) -> None:
    """By lines and by bytes; a reader that comes back has what was kept, and then how much is missing."""
    most = min(MAX_WAITING_WRITES, MAX_WAITING_BYTES // size)
    count = most + 50
    with pipe() as (reading, writing):
        held = full(writing)
        outlet = Outlet(writing)
        for number in range(count):
            outlet.put(line(number, size))
        assert not outlet.finish(0.0)

        reader = Reader(reading)
        assert outlet.finish(LONG_S)
        outlet.put(b"after\n")
        assert outlet.finish(LONG_S)
        os.close(writing)
        heard = b"".join(reader.lines())[held:].splitlines(keepends=True)

    kept = [text for text in heard if not is_told(text)]
    gaps = [text for text in heard if is_told(text)]
    numbers = [int(text.split()[0]) for text in kept[:-1]]
    assert numbers == sorted(set(numbers))
    # The one that was being written had left the queue by the time.
    assert most <= len(numbers) <= most + 1
    assert kept[-1] == b"after\n"
    assert sum(map(lost, gaps)) == count - len(numbers)
    assert heard.index(gaps[-1]) == len(heard) - 2


def test_a_line_is_one_write() -> None:
    """Two workers share standard error."""
    with pipe() as (reading, writing):
        stream = Stream(Outlet(writing), "utf-8")
        print("first", 1, file=stream)
        stream.write("second\nand its rest\n")
        stream.write("no end of a line")
        stream.flush()
        assert stream.outlet.finish(LONG_S)
        assert os.read(reading, 4096) == b"first 1\nsecond\nand its rest\nno end of a line"


def test_a_full_disk_is_counted_and_told_once_there_is_room(tmp_path: Path) -> None:
    disk = os.open("/dev/full", os.O_WRONLY)
    outlet = Outlet(disk)
    try:
        for number in range(7):
            outlet.put(line(number))
        outlet.put(b"a traceback\nof two lines\n")
        assert outlet.finish(LONG_S)

        room = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
        os.dup2(room, disk)
        os.close(room)
        outlet.put(b"there is room\n")
        outlet.put(b"and more\n")
        assert outlet.finish(LONG_S)
    finally:
        os.close(disk)

    told, *rest = (tmp_path / "log").read_bytes().splitlines(keepends=True)
    assert lost(told) == 9
    assert rest == [b"there is room\n", b"and more\n"]


def test_half_a_line_is_not_gone_on_from(tmp_path: Path) -> None:
    """A disk fills up in the middle of a line; the next one begins anew."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    outlet = Outlet(file)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        try:
            outlet.put(b"much too long for the disk\n")
            assert outlet.finish(LONG_S)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        outlet.put(b"next\n")
        outlet.put(b"last\n")
        assert outlet.finish(LONG_S)
    finally:
        os.close(file)

    half, told, *rest = (tmp_path / "log").read_bytes().splitlines(keepends=True)
    assert half == b"much too l\n"
    assert lost(told) == 1
    assert rest == [b"next\n", b"last\n"]


@pytest.mark.parametrize("ended", ["reader left", "closed"])
def test_nobody_will_ever_read(ended: str) -> None:
    with pipe() as (reading, writing):
        outlet = Outlet(writing)
        os.close(reading if ended == "reader left" else writing)
        for number in range(MAX_WAITING_WRITES * 2):
            outlet.put(line(number))
        assert outlet.finish(LONG_S)


def test_a_pipe_that_somebody_made_nonblocking_loses_nothing() -> None:
    with pipe() as (reading, writing):
        held = full(writing)
        os.set_blocking(writing, False)
        outlet = Outlet(writing)
        for number in range(2000):
            outlet.put(line(number))
        assert not outlet.finish(0.0)
        reader = Reader(reading)
        assert outlet.finish(LONG_S)
        os.close(writing)
        heard = b"".join(reader.lines())[held:]

    assert heard == b"".join(map(line, range(2000)))


def test_who_speaks_in_the_middle_of_a_line_is_heard_as_well() -> None:
    """A signal's code, or a finalizer's, runs between any two steps of ours, in the same thread."""

    class Interrupted(bytes):
        def __len__(self) -> int:
            if not said:
                said.append(1)
                outlet.put(b"inner\n")
            return super().__len__()

    said: list[int] = []
    with pipe() as (reading, writing):
        outlet = Outlet(writing)
        outlet.put(Interrupted(b"outer\n"))
        assert outlet.finish(LONG_S)
        assert sorted(os.read(reading, 4096).splitlines()) == [b"inner", b"outer"]


def test_where_no_thread_can_be_had_the_next_line_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with pipe() as (reading, writing):
        outlet = Outlet(writing)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", none_left)
            for number in range(MAX_WAITING_WRITES + 5):
                outlet.put(line(number, 8))
            assert not outlet.finish(0.0)
        reader = Reader(reading)
        outlet.put(b"one more\n")
        assert outlet.finish(LONG_S)
        outlet.put(b"last\n")
        assert outlet.finish(LONG_S)
        os.close(writing)
        *kept, gap, last = reader.lines()

    assert kept == [line(number, 8) for number in range(MAX_WAITING_WRITES)]
    assert (lost(gap), last) == (6, b"last\n")


def test_many_threads_speak_at_once() -> None:
    with pipe() as (reading, writing):
        reader = Reader(reading)
        outlet = Outlet(writing)

        def speak(at: int) -> None:
            for number in range(400):
                outlet.put(line(at * 1000 + number))

        threads = [threading.Thread(target=speak, args=(at,)) for at in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG_S)
        assert outlet.finish(LONG_S)
        os.close(writing)
        heard = reader.lines()

    assert sorted(heard) == sorted(line(at * 1000 + number) for at in range(8) for number in range(400))
    for at in range(8):
        own = [text for text in heard if int(text.split()[0]) // 1000 == at]
        assert own == [line(at * 1000 + number) for number in range(400)]


class TestStreams:
    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
    def test_no_character_fails(self, encoding: str) -> None:
        with pipe() as (reading, writing):
            stream = Stream(Outlet(writing), encoding)
            stream.write("é 灯台 \udc80 \ud83d \x00 🗼\n")
            assert stream.outlet.finish(LONG_S)
            heard = os.read(reading, 4096)

        assert heard.endswith(b"\n")
        assert rb"\udc80" in heard
        assert (rb"\u706f" in heard) == (encoding != "utf-8")

    def test_nothing_where_the_descriptor_was_closed(self) -> None:
        stream = aside(None)
        print("words", file=stream, flush=True)
        assert isinstance(stream, Stream)
        assert stream.outlet.finish(LONG_S)

    def test_somebodys_own_stream_stays_his(self) -> None:
        own = io.StringIO()
        assert aside(own) is own

    def test_an_ended_one_stays(self) -> None:
        with pipe() as (_, writing):
            stream = os.fdopen(os.dup(writing), "w")
            stream.close()
            assert aside(stream) is stream

    def test_twice_is_once(self) -> None:
        with pipe() as (_, writing):
            stream = Stream(Outlet(writing), "utf-8")
            assert aside(stream) is stream

    def test_both_into_one_file_keep_their_order(self) -> None:
        with pipe() as (reading, writing), os.fdopen(os.dup(writing), "w") as out:
            with os.fdopen(os.dup(writing), "w") as errors:
                first = aside(errors)
                second = aside(out, beside=first)
                for _ in range(100):
                    print("one", file=first)
                    print("two", file=second)
                assert isinstance(second, Stream)
                assert second.outlet.finish(LONG_S)
            assert os.read(reading, 65536) == b"one\ntwo\n" * 100

    def test_it_is_as_much_of_a_terminal_as_before(self) -> None:
        with pipe() as (_, writing):
            stream = Stream(Outlet(writing), "utf-8")
            assert stream.fileno() == writing
            assert not stream.isatty()
            assert stream.writable()
            assert not stream.readable()
