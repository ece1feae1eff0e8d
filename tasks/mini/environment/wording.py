"""What is said of generated scenes (``captions``): sounds, order, distance, repeats, place and level.

A scene is told in several wordings, each of which leaves out some of what could be said, as people do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from numpy.random import Generator

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """Synonyms: what happens, and what is heard."""

    clauses: Words
    nouns: Words


@dataclass(frozen=True, slots=True)
class SceneSound:
    """One sound of a scene."""

    sound: str  # a key of NAMES
    far: bool
    times: int = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """Events one after another, over a background or not; at least one sound."""

    events: tuple[SceneSound, ...]
    background: SceneSound | None
    place: str  # a key of PLACES
    loud: bool


EVENTS: Mapping[str, Names] = {
    "baby": Names(("a baby cries", "an infant is crying"), ("a crying baby", "the crying of an infant")),
    "bell": Names(("church bells ring", "a bell is tolling"), ("ringing church bells", "the toll of a bell")),
    "cat": Names(("a cat meows", "a cat is meowing"), ("a meowing cat", "the meow of a cat")),
    "clapping": Names(
        ("people clap their hands", "somebody is clapping"), ("clapping hands", "applause of a few people")
    ),
    "crow": Names(("a crow caws", "a crow is calling"), ("the cawing of a crow", "a calling crow")),
    "dog": Names(("a dog barks", "a dog is barking"), ("a barking dog", "the bark of a dog")),
    "footsteps": Names(("someone walks by", "a person is walking"), ("footsteps", "the steps of a person")),
    "frog": Names(("a frog croaks", "a frog is croaking"), ("a croaking frog", "the croak of a frog")),
    "glass": Names(("a glass breaks", "glass is shattering"), ("breaking glass", "the shattering of a glass")),
    "gun": Names(("a gun is fired", "someone shoots a gun"), ("gunshots", "the shots of a gun")),
    "horn": Names(("a car honks", "a car is sounding its horn"), ("a car horn", "the honking of a car")),
    "knock": Names(
        ("someone knocks on a door", "a person is knocking on wood"), ("knocks on a door", "knocking on wood")
    ),
    "laughing": Names(("a person laughs", "somebody is laughing"), ("laughter", "the laugh of a person")),
    "siren": Names(("a siren wails", "an emergency siren is going"), ("a wailing siren", "the siren of an ambulance")),
    "speech": Names(("a person talks", "somebody is speaking"), ("the voice of a talker", "the speech of a person")),
}
BACKGROUNDS: Mapping[str, Names] = {
    "cricket": Names(("crickets chirp", "crickets are singing"), ("chirping crickets", "the song of crickets")),
    "engine": Names(("an engine idles", "a motor is running"), ("an idling engine", "the hum of a motor")),
    "fire": Names(("a fire crackles", "wood is burning"), ("a crackling fire", "the crackle of burning wood")),
    "helicopter": Names(("a helicopter flies", "a chopper is hovering"), ("a helicopter", "the rotor of a chopper")),
    "rain": Names(("rain falls", "it is raining"), ("falling rain", "the patter of rain")),
    "tap": Names(("water runs from a tap", "a faucet is running"), ("running water", "the water of a faucet")),
    "vacuum": Names(("a vacuum cleaner runs", "someone is vacuuming"), ("a vacuum cleaner", "the noise of vacuuming")),
    "waves": Names(("waves roll ashore", "the sea is surging"), ("the waves of the sea", "rolling surf")),
    "wind": Names(("the wind blows", "wind is howling"), ("blowing wind", "the howl of the wind")),
}
NAMES: Mapping[str, Names] = {**EVENTS, **BACKGROUNDS}
PLACES: Mapping[str, Words] = {
    "room": ("in a small room", "inside a room", "indoors"),
    "hall": ("in a large hall", "in an echoing hall", "in a big empty building"),
    "open": ("outside", "outdoors", "in the open air"),
}
TIMES: Mapping[int, Words] = {1: ("",), 2: ("twice", "two times", "again"), 3: ("three times", "again and again")}
FAR: Mapping[bool, Words] = {True: ("in the distance", "far away", "from afar"), False: ("close by", "nearby", "")}
LEVEL: Mapping[bool, Words] = {True: ("loud", "noisy"), False: ("quiet", "faint")}
MENTIONED = 0.6  # how often an attribute is said at all
Style = Callable[[Generator, Scene], str]


def pick(draw: Generator, choices: Sequence[str]) -> str:
    return choices[int(draw.integers(len(choices)))]


def _pick_or_omit(draw: Generator, choices: Sequence[str]) -> str:
    return pick(draw, choices) if draw.random() < MENTIONED else ""


def _join_parts(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _word_clause(draw: Generator, sound: SceneSound) -> str:
    times, far = _pick_or_omit(draw, TIMES[sound.times]), _pick_or_omit(draw, FAR[sound.far])
    return _join_parts(pick(draw, NAMES[sound.sound].clauses), times, far)


def _word_noun(draw: Generator, sound: SceneSound) -> str:
    return _join_parts(pick(draw, NAMES[sound.sound].nouns), _pick_or_omit(draw, FAR[sound.far]))


def _word_events(draw: Generator, scene: Scene) -> str:
    """Word the events as clauses in order, the background beside them."""
    events = pick(draw, (", then ", " and then ", " before ")).join(_word_clause(draw, sound) for sound in scene.events)
    if scene.background is None:
        return events
    behind = _word_clause(draw, scene.background)
    return f"{events} {pick(draw, ('while', 'as'))} {behind}" if events else behind


def word_plainly(draw: Generator, scene: Scene) -> str:
    return _join_parts(_word_events(draw, scene), _pick_or_omit(draw, PLACES[scene.place]))


def word_place_first(draw: Generator, scene: Scene) -> str:
    return f"{pick(draw, PLACES[scene.place])}, {_word_events(draw, scene)}"


def word_in_nouns(draw: Generator, scene: Scene) -> str:
    events = pick(draw, (" followed by ", " and afterwards ")).join(_word_noun(draw, sound) for sound in scene.events)
    place = _pick_or_omit(draw, PLACES[scene.place])
    if scene.background is None:
        return _join_parts(events, place)
    behind = _word_noun(draw, scene.background)
    return _join_parts(f"{events} with {behind} in the background" if events else behind, place)


def word_as_listener(draw: Generator, scene: Scene) -> str:
    who = pick(draw, ("you can hear", "one hears", "there is the sound of"))
    events = pick(draw, (" and later ", ", next ")).join(_word_noun(draw, sound) for sound in scene.events)
    behind = "" if scene.background is None else _word_noun(draw, scene.background)
    return _join_parts(
        who, " over ".join(part for part in (events, behind) if part), _pick_or_omit(draw, PLACES[scene.place])
    )


def word_as_recording(draw: Generator, scene: Scene) -> str:
    """Word the sounds, in any order, and how loud they are."""
    sounds = [_word_noun(draw, sound) for sound in (*scene.events, *filter(None, [scene.background]))]
    listed = " and ".join(sounds[place] for place in draw.permutation(len(sounds)))
    return _join_parts(
        "a", pick(draw, LEVEL[scene.loud]), "recording of", listed, _pick_or_omit(draw, PLACES[scene.place])
    )


def word_background_first(draw: Generator, scene: Scene) -> str:
    """Word the scene with the background first."""
    events = _word_events(draw, Scene(scene.events, None, scene.place, scene.loud))
    if scene.background is None:
        return f"in a {pick(draw, LEVEL[scene.loud])} scene {events}"
    behind = f"behind it all {_word_clause(draw, scene.background)}"
    return _join_parts(f"{behind}, and {events}" if events else behind, _pick_or_omit(draw, PLACES[scene.place]))


STYLES: tuple[Style, ...] = (
    word_plainly,
    word_place_first,
    word_in_nouns,
    word_as_listener,
    word_as_recording,
    word_background_first,
)


def write_captions(draw: Generator, scene: Scene, count: int) -> tuple[str, ...]:
    """Write ``count`` captions in different wordings, of at most as many styles as there are."""
    chosen = draw.permutation(len(STYLES))[:count]
    sentences = [STYLES[int(style)](draw, scene) for style in chosen]
    return tuple(f"{text[0].upper()}{text[1:]}." for text in sentences)
