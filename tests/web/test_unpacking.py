"""Compressed bodies: whole or refused, bounded in what they become, undone in small pieces."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Mapping

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from scenes import configured
from trooper.config import Server
from trooper.errors import RequestRejected
from trooper.web.unpacking import FREE_BYTES, Unpacker, coding_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMITS = configured().server
#: A frame that readers have to skip (RFC 8878, 3.1.2).
SKIPPED = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
TEXT = b'{"model":"gpt-4o"}'
PACK: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "zstd": zstd.compress,
}


def unpacked(coding: str, *chunks: bytes, limits: Server = LIMITS) -> bytes:
    unpacker = Unpacker(coding, limits)
    pieces = [piece for chunk in chunks for piece in unpacker.pieces(chunk)]
    assert all(len(piece) <= 65_536 for piece in pieces)
    unpacker.end()
    return b"".join(pieces)


def refused(coding: str, *chunks: bytes, limits: Server = LIMITS) -> tuple[int, str]:
    with pytest.raises(RequestRejected) as caught:
        unpacked(coding, *chunks, limits=limits)
    return caught.value.status, caught.value.code


def windowed(log: int) -> bytes:
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: log})
    return compressor.compress(TEXT) + compressor.flush()


@pytest.mark.parametrize("coding", PACK)
class TestEither:
    def test_it_is_undone(self, coding: str) -> None:
        assert unpacked(coding, PACK[coding](TEXT)) == TEXT

    def test_byte_by_byte(self, coding: str) -> None:
        packed = PACK[coding](TEXT * 50)
        assert unpacked(coding, *(packed[at : at + 1] for at in range(len(packed)))) == TEXT * 50

    def test_several_parts_are_one_body(self, coding: str) -> None:
        assert unpacked(coding, PACK[coding](TEXT[:5]) + PACK[coding](b"") + PACK[coding](TEXT[5:])) == TEXT

    def test_nothing_is_nothing(self, coding: str) -> None:
        assert unpacked(coding) == b""
        assert unpacked(coding, PACK[coding](b"")) == b""

    @pytest.mark.parametrize("at", range(1, 20))
    def test_what_is_torn_is_refused(self, coding: str, at: int) -> None:
        assert refused(coding, PACK[coding](TEXT)[:-at]) == (400, "request_body_encoding_invalid")

    @pytest.mark.parametrize("rest", [b"x", b"\x1f", b"\x28", b"\x00" * 8, b"{}"])
    def test_what_stands_behind_it_is_refused(self, coding: str, rest: bytes) -> None:
        assert refused(coding, PACK[coding](TEXT) + rest) == (400, "request_body_encoding_invalid")
        assert refused(coding, PACK[coding](TEXT), rest) == (400, "request_body_encoding_invalid")

    def test_another_thing_is_refused(self, coding: str) -> None:
        other = "zstd" if "gzip" in coding else "gzip"
        for body in (TEXT, PACK[other](TEXT), zlib.compress(TEXT)):
            assert refused(coding, body) == (400, "request_body_encoding_invalid")

    def test_a_changed_byte_is_refused(self, coding: str) -> None:
        options: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}
        packed = bytearray(zstd.compress(TEXT, options=options) if coding == "zstd" else gzip.compress(TEXT))
        packed[-6] ^= 1
        assert refused(coding, bytes(packed)) == (400, "request_body_encoding_invalid")

    def test_its_size_is_that_of_what_it_holds(self, coding: str) -> None:
        limits = evolve(LIMITS, max_request_bytes=1000)
        assert len(unpacked(coding, PACK[coding](b"x" * 1000), limits=limits)) == 1000
        assert refused(coding, PACK[coding](b"x" * 1001), limits=limits) == (
            413,
            "request_body_too_large_after_decoding",
        )

    def test_a_bomb_is_refused_for_what_it_was_made_of(self, coding: str) -> None:
        bomb = PACK[coding](b" " * (FREE_BYTES + 1))
        assert refused(coding, bomb) == (413, "request_body_too_large_after_decoding")
        assert len(unpacked(coding, bomb, limits=evolve(LIMITS, max_request_ratio=100_000))) == FREE_BYTES + 1
        assert len(unpacked(coding, PACK[coding](b" " * FREE_BYTES))) == FREE_BYTES

    def test_a_bomb_is_refused_before_it_goes_off(self, coding: str) -> None:
        taken: list[int] = []
        pieces = Unpacker(coding, LIMITS).pieces(PACK[coding](b" " * 50_000_000))
        with pytest.raises(RequestRejected):
            taken.extend(map(len, pieces))
        assert 0 < sum(taken) < 2 * FREE_BYTES

    def test_thousands_of_empty_parts_are_refused(self, coding: str) -> None:
        assert refused(coding, PACK[coding](b"") * 5000) == (400, "request_body_encoding_invalid")


class TestZstd:
    def test_a_window_of_8_mib_is_the_largest(self) -> None:
        assert unpacked("zstd", windowed(23)) == TEXT
        assert refused("zstd", windowed(24)) == (400, "request_body_encoding_invalid")

    @pytest.mark.parametrize("coding", PACK)
    def test_only_zstd_is_told_of_windows(self, coding: str) -> None:
        with pytest.raises(RequestRejected) as caught:
            unpacked(coding, TEXT)
        assert f"says that it is {coding}, but cannot be read as one" in caught.value.message
        assert ("window" in caught.value.message) == (coding == "zstd")

    def test_frames_to_be_skipped_are_skipped(self) -> None:
        assert unpacked("zstd", SKIPPED + zstd.compress(TEXT) + SKIPPED) == TEXT

    def test_a_dictionary_that_nobody_has(self) -> None:
        samples = [f"sample number {n} of a dictionary, and {n * n}".encode() for n in range(400)]
        dictionary = zstd.train_dict(samples, 1024)
        packed = zstd.compress(samples[0], zstd_dict=dictionary)
        assert refused("zstd", packed) == (400, "request_body_encoding_invalid")


@given(st.binary(max_size=200_000), st.integers(1, 70_000), st.sampled_from(sorted(PACK)))
def test_any_bytes_in_any_pieces(body: bytes, size: int, coding: str) -> None:
    packed = PACK[coding](body)
    assert unpacked(coding, *(packed[at : at + size] for at in range(0, len(packed), size))) == body


@pytest.mark.parametrize(
    ("value", "coding"),
    [
        (None, None),
        (b"", None),
        (b"identity", None),
        (b" Identity , identity", None),
        (b"gzip", "gzip"),
        (b"X-GZIP", "x-gzip"),
        (b" ZSTD ", "zstd"),
        (b"identity, zstd", "zstd"),
    ],
)
def test_what_is_taken(value: bytes | None, coding: str | None) -> None:
    assert coding_of(value) == coding


@pytest.mark.parametrize(
    "value", [b"br", b"deflate", b"compress", b"gzip, zstd", b"gzip, gzip", b"\xff", b"*"]
)
def test_what_is_not_taken_is_told_what_is(value: bytes) -> None:
    with pytest.raises(RequestRejected, match="gzip, zstd") as caught:
        coding_of(value)
    assert (caught.value.status, caught.value.code) == (415, "request_body_encoding_unsupported")
    assert caught.value.headers == ((b"accept-encoding", b"gzip, zstd"),)
