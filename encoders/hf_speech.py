"""Speech models published for transformers: data2vec, HuBERT, wav2vec 2.0, XLS-R, MMS, WavLM, w2v-BERT 2.0, Whisper.

A revision is a commit of the hub; where none stands, the main branch is taken (data2vec and MMS have not changed since
2022 and 2023): ``--encoder hf:ID@COMMIT`` pins one. wav2vec2-large-100k-voxpopuli is the "wav2vec2-large" of X-ARES.
How each is used is described in ``hf_waveform.py`` and ``hf_spectrogram.py``.
"""

from __future__ import annotations

from encoders.parts.hf_published import REAL, build_published_spec

LIBRISPEECH = ("librispeech", "librispeechmalefemale")
LIBRILIGHT = ("libri-light", *LIBRISPEECH)  # the same volunteers' recordings: LibriSpeech was drawn from them
VOXPOPULI = ("voxpopuli",)
WAVLM = (*LIBRILIGHT, "gigaspeech", *VOXPOPULI)
XLSR = (*VOXPOPULI, "mls", "common voice", "voxlingua107", "voxlingua33", "babel")
MMS = (*XLSR, "mms-lab-u", "fleurs")
SEAMLESS = ("4.5 million hours of speech, not published",)
WHISPER = ("680,000 hours of the web, not published",)
WHISPER_V3 = ("5 million hours of the web, not published",)

data2vec_audio_base = build_published_spec(
    "data2vec-audio-base", "facebook/data2vec-audio-base", width=768, licence="Apache-2.0", trained_on=LIBRISPEECH
)
hubert_base = build_published_spec(
    "hubert-base",
    "facebook/hubert-base-ls960",
    revision="dba3bb02fda4248b6e082697eee756de8fe8aa8a",
    width=768,
    licence="Apache-2.0",
    trained_on=LIBRISPEECH,
)
hubert_large = build_published_spec(
    "hubert-large",
    "facebook/hubert-large-ll60k",
    revision="ff022d095678a2995f3c49bab18a96a9e553f782",
    width=1024,
    licence="Apache-2.0",
    trained_on=LIBRILIGHT,
)
wav2vec2_base = build_published_spec(
    "wav2vec2-base",
    "facebook/wav2vec2-base",
    revision="0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8",
    width=768,
    licence="Apache-2.0",
    trained_on=LIBRISPEECH,
)
wav2vec2_base_960h = build_published_spec(
    "wav2vec2-base-960h",
    "facebook/wav2vec2-base-960h",
    revision="22aad52d435eb6dbaf354bdad9b0da84ce7d6156",
    width=768,
    licence="Apache-2.0",
    trained_on=LIBRISPEECH,
)
wav2vec2_large = build_published_spec(
    "wav2vec2-large",
    "facebook/wav2vec2-large",
    revision="312b2410566b698c7a649068d413b2067848bd75",
    width=1024,
    licence="Apache-2.0",
    trained_on=LIBRISPEECH,
)
wav2vec2_large_voxpopuli = build_published_spec(
    "wav2vec2-large-100k-voxpopuli",
    "facebook/wav2vec2-large-100k-voxpopuli",
    width=1024,
    licence="CC-BY-NC-4.0",
    trained_on=VOXPOPULI,
)
xls_r_300m = build_published_spec(
    "xls-r-300m",
    "facebook/wav2vec2-xls-r-300m",
    revision="1a640f32ac3e39899438a2931f9924c02f080a54",
    width=1024,
    licence="Apache-2.0",
    trained_on=XLSR,
)
mms_300m = build_published_spec("mms-300m", "facebook/mms-300m", width=1024, licence="CC-BY-NC-4.0", trained_on=MMS)
mms_1b = build_published_spec("mms-1b", "facebook/mms-1b", width=1280, licence="CC-BY-NC-4.0", trained_on=MMS)
wavlm_base_plus = build_published_spec(
    "wavlm-base-plus",
    "microsoft/wavlm-base-plus",
    revision="4c66d4806a428f2e922ccfa1a962776e232d487b",
    width=768,
    licence="CC-BY-SA-3.0",
    trained_on=WAVLM,
)
wavlm_large = build_published_spec(
    "wavlm-large",
    "microsoft/wavlm-large",
    revision="c1423ed94bb01d80a3f5ce5bc39f6026a0f4828c",
    width=1024,
    licence="CC-BY-SA-3.0",
    trained_on=WAVLM,
)
w2v_bert = build_published_spec(
    "w2v-bert-2.0",
    "facebook/w2v-bert-2.0",
    revision="da985ba0987f70aaeb84a80f2851cfac8c697a7b",
    width=1024,
    licence="MIT",
    trained_on=SEAMLESS,
)
whisper_tiny = build_published_spec(
    "whisper-tiny",
    "openai/whisper-tiny",
    revision="169d4a4341b33bc18d8881c4b69c2e104e1cc0af",
    width=384,
    licence="Apache-2.0",
    trained_on=WHISPER,
)
whisper_base = build_published_spec(
    "whisper-base",
    "openai/whisper-base",
    revision="e37978b90ca9030d5170a5c07aadb050351a65bb",
    width=512,
    licence="Apache-2.0",
    trained_on=WHISPER,
    verified=REAL,
)
whisper_small = build_published_spec(
    "whisper-small",
    "openai/whisper-small",
    revision="973afd24965f72e36ca33b3055d56a652f456b4d",
    width=768,
    licence="Apache-2.0",
    trained_on=WHISPER,
)
whisper_medium = build_published_spec(
    "whisper-medium",
    "openai/whisper-medium",
    revision="abdf7c39ab9d0397620ccaea8974cc764cd0953e",
    width=1024,
    licence="Apache-2.0",
    trained_on=WHISPER,
)
whisper_large_v3 = build_published_spec(
    "whisper-large-v3",
    "openai/whisper-large-v3",
    revision="06f233fe06e710322aca913c1bc4249a0d71fce1",
    width=1280,
    licence="Apache-2.0",
    trained_on=WHISPER_V3,
)
