"""Which decoder is asked, and whether what it gives keeps what the file's headers promise.

One rule for all formats: a promise (a length in a header, the last page of a stream, the MD5 of FLAC, the number of MP3
frames) is kept or it is an error; without one, a file is decoded to its end. libsndfile is the first decoder, with
miniaudio in its place where that has libsndfile's bits; what the first one refuses, the other may prove to be sound.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.audio import chunk_headers, flac_headers, libsndfile_decode, miniaudio_decode, mpeg_frames, ogg_pages
from bench.audio.libsndfile_decode import DOES_NOT_DECODE, FORMATS, IS_CUT, IS_EMPTY
from bench.audio.part import Part, Sound
from bench.types import DataError

Decoder = Callable[[Part, str], Sound]


def split_parts(data: bytes, where: str) -> list[Part]:
    """Return the streams of a sound file, several where it is a chain or several files were joined.

    Raises DataError where any of what its headers promise is not there, and for other files.
    """
    start = 0
    while data.startswith(b"ID3", start):
        start += mpeg_frames.measure_id3(data, start)
    data = data[start:] if start else data
    if data.startswith(flac_headers.MAGIC) and len(data) >= flac_headers.SHORTEST:
        return flac_headers.split_flac(data)
    if data.startswith(ogg_pages.CAPTURE):
        return ogg_pages.split_ogg(data, where)
    parts = chunk_headers.split_by_chunks(data, where) or mpeg_frames.split_mpeg(data, where)
    if not parts:
        got = f"{len(data)} bytes that begin with {data[:12]!r}" if data else "0 bytes"
        raise DataError(DOES_NOT_DECODE, got=got, expected=FORMATS, where=where)
    return parts


def decode_part(part: Part, where: str) -> Sound:
    """Decode one stream by the first decoder that keeps its promise. Raises DataError where none does."""
    if part.kind == "wav" and (quick := miniaudio_decode.read_quickly(part.data)) is not None:
        sound = Sound(*quick)
        if _find_broken_promise(part, sound) is None:
            return sound
    refusals: list[DataError] = []
    for decode in _list_decoders(part):
        try:
            sound = decode(part, where)
        except DataError as error:
            if error.what not in (DOES_NOT_DECODE, IS_CUT, IS_EMPTY):
                raise
            refusals.append(error)
            continue
        if (refusal := _find_broken_promise(part, sound)) is None:
            return Sound(
                sound.audio, sound.sampling_rate, sound.is_float, sound.decoder, bool(refusals), part.is_broken
            )
        what, got, expected = refusal
        refusals.append(DataError(what, got=f"{got} ({sound.decoder})", expected=expected, where=where))
    raise _join_refusals(part, refusals, where)


def _list_decoders(part: Part) -> list[Decoder]:
    if part.kind in ("other", "ogg") or miniaudio_decode.load_miniaudio() is None:
        return [_ask_libsndfile]
    return [_ask_miniaudio, _ask_libsndfile] if part.kind == "flac" else [_ask_libsndfile, _ask_miniaudio]


def _ask_libsndfile(part: Part, where: str) -> Sound:
    return Sound(*libsndfile_decode.read_sound(part.data, where), decoder=libsndfile_decode.NAME)


def _ask_miniaudio(part: Part, where: str) -> Sound:
    if (read := miniaudio_decode.read_to_end(part.data, where)) is None:
        got = f"{len(part.data)} bytes ({miniaudio_decode.NAME})"
        raise DataError(DOES_NOT_DECODE, got=got, expected=FORMATS, where=where)
    return Sound(*read, decoder=miniaudio_decode.NAME)


def _find_broken_promise(part: Part, sound: Sound) -> tuple[str, str, str] | None:
    """Return what, got and expected of a promise that a sound does not keep."""
    n_samples = len(sound.audio)
    if part.promised is not None and not part.promised - part.slack <= n_samples <= part.promised:
        what = IS_CUT if n_samples < part.promised else "clip goes on"
        return what, f"{n_samples} samples", f"{part.promised}, as its headers say"
    md5 = flac_headers.compute_md5(sound.audio, part.bits) if part.md5 else None
    if md5 is not None and part.md5 is not None and md5 != part.md5:
        return "clip is damaged", f"samples of MD5 {md5.hex()}", f"{part.md5.hex()}, as its header says"
    return None


def _join_refusals(part: Part, refusals: list[DataError], where: str) -> DataError:
    """Return one error of what the decoders say: of a broken promise, if any of them read as far as that."""
    told = next((error for error in refusals if error.what not in (DOES_NOT_DECODE, IS_EMPTY)), refusals[0])
    got = "; ".join(error.got for error in refusals)
    can_be_helped = part.kind in ("flac", "mp3", "ogg flac") and miniaudio_decode.load_miniaudio() is None
    remedy = "pip install miniaudio, a second decoder" if can_be_helped else ""
    return DataError(told.what, got=got, expected=told.expected, where=where, remedy=remedy)
