"""What the sidecar of a clip may say, and what is refused: never read as another label in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.types import Captions, ChoiceError, ClassLabel, DataError, Events, MultiLabel, Transcript

NUMBER = ClassLabel("label", (0, 1, 2))
WHOLE = ClassLabel("label", (0, 1, 2), as_int=True)
WORD = ClassLabel("label", ("cat", "dog", "1"))
TAGS = MultiLabel("tags", ("cat", "dog"))
SOUNDS = Events(("cat", "dog"), separator=";")


def read(target: Any, text: str) -> Any:
    return target(json.loads(text), "clip 1")


@pytest.mark.parametrize(
    "value", ["true", "false", '"1"', "1.0", "1.5", "null", "[1]", '{"a": 1}', '" 1"', "3", "-1", "NaN", "1e999", '""']
)
def test_only_an_integer_of_the_vocabulary_is_an_integer_class(value: str) -> None:
    assert read(NUMBER, '{"label": 1}') == 1
    with pytest.raises(DataError, match="unknown label 'label'"):
        read(NUMBER, f'{{"label": {value}}}')


@pytest.mark.parametrize(
    ("value", "expected"), [("1", 1), ("1.0", 1), ('"1"', 1), ('" 2 "', 2), ("true", 1), ("false", 0), ("2.0", 2)]
)
def test_as_int_takes_every_spelling_of_a_whole_number(value: str, expected: int) -> None:
    found = read(WHOLE, f'{{"label": {value}}}')
    assert found == expected
    assert type(found) is int


@pytest.mark.parametrize("value", ["1.5", '"1.0"', "NaN", "1e999", "null", '"a"', "[1]", "3", '"-1"'])
def test_as_int_takes_nothing_else(value: str) -> None:
    with pytest.raises(DataError, match="unknown label 'label'"):
        read(WHOLE, f'{{"label": {value}}}')


@pytest.mark.parametrize("value", ["1", "true", '"dog "', '" dog"', '"Dog"', '"dog\\n"', "null", '["dog"]', '""', "{}"])
def test_only_the_text_itself_is_a_text_class(value: str) -> None:
    assert read(WORD, '{"label": "1"}') == 2
    with pytest.raises(DataError, match="unknown label 'label'"):
        read(WORD, f'{{"label": {value}}}')


def test_error_of_a_number_in_another_spelling_has_a_remedy_and_a_long_one_is_cut() -> None:
    with pytest.raises(DataError, match="as_int=True"):
        read(NUMBER, '{"label": "1"}')
    with pytest.raises(DataError) as caught:
        read(WORD, json.dumps({"label": "x" * 10_000}))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("classes", [("a", "b", "a"), (1, 2, 1), (1, "1"), ("a", "b", "b", "c")])
@pytest.mark.parametrize("kind", [lambda own: ClassLabel("x", own), lambda own: MultiLabel("x", own), Events])
def test_a_vocabulary_names_every_class_once(classes: tuple[Any, ...], kind: Any) -> None:
    with pytest.raises(ChoiceError, match="class named twice"):
        kind(classes)


@pytest.mark.parametrize(
    "value", ['"cat;"', '";cat"', '"cat;;dog"', '"cat; ;dog"', '""', '" "', '"Cat"', "null", "1", '["cat"]']
)
def test_labels_in_one_string(value: str) -> None:
    assert read(TAGS, '{"tags": "dog; cat;dog"}').tolist() == [1, 1]
    with pytest.raises(DataError, match="label 'tags'"):
        read(TAGS, f'{{"tags": {value}}}')


@pytest.mark.parametrize(
    ("onset", "offset"),
    [
        ("2", "1"),
        ("-1", "1"),
        ("NaN", "1"),
        ("0", "NaN"),
        ("0", "Infinity"),
        ("0", "1" + 400 * "0"),
        ("0", "1e400"),
        ("true", "2"),
        ("0", '"2"'),
        ("null", "2"),
        ("[0]", "2"),
    ],
)
def test_times_of_events(onset: str, offset: str) -> None:
    assert read(SOUNDS, '[{"onset": 0, "offset": 1.5, "label": "dog"}]') == ((0.0, 1.5, 1),)
    with pytest.raises(DataError, match=r"time '|ends before"):
        read(SOUNDS, f'[{{"onset": {onset}, "offset": {offset}, "label": "dog"}}]')


@pytest.mark.parametrize("label", ['""', '"cat;"', '"cow"', "null", "0", "true", '["cat"]', '{"a": 1}'])
def test_classes_of_events(label: str) -> None:
    with pytest.raises(DataError, match="unknown label 'label'"):
        read(SOUNDS, f'[{{"onset": 0, "offset": 1, "label": {label}}}]')


@pytest.mark.parametrize("sidecar", ["{}", "null", '"cat"', "3", '[["cat", 0, 1]]', "[null]", '[{"onset": 0}]'])
def test_sidecars_that_hold_no_events(sidecar: str) -> None:
    with pytest.raises(DataError):
        read(SOUNDS, sidecar)


@pytest.mark.parametrize("text", ['""', '" "', '"\\t\\n"', "null", "1", '["a"]', "true"])
def test_texts_that_hold_no_word(text: str) -> None:
    with pytest.raises(DataError):
        read(Transcript("text"), f'{{"text": {text}}}')
    with pytest.raises(DataError):
        read(Captions(n_captions=None), f'{{"a": "a dog", "b": {text}}}')


@pytest.mark.parametrize("target", [NUMBER, WORD, TAGS, Transcript("text"), Captions()])
@pytest.mark.parametrize("sidecar", ["[]", "null", '"a"', "1", "{}", '{"other": 1}'])
def test_sidecars_without_the_label(target: Any, sidecar: str) -> None:
    with pytest.raises(DataError):
        read(target, sidecar)
