"""Tiny models with random weights, saved in the format of the Hugging Face hub."""

import json
import shutil

import torch

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONVOLUTIONS = {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
SPEECH = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32} | CONVOLUTIONS
WHISPER_LETTERS = [*"abcdeinst", "Ġ"]
WHISPER_SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|translate|>", "<|transcribe|>",
                   "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]  # fmt: skip
LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAOINSHRDLU'"]


def publish(folder, cache, name):
    """Copy a model's files into the cache folder of the hub's tools, under ``name``."""
    root = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder, root / "snapshots" / COMMIT)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(COMMIT)
    return root / "snapshots" / COMMIT


def save_wavlm(folder, *, head=None, seed=0):
    """WavLM, bare or with an x-vector head ("xvector"), whose input is scaled to unit variance."""
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForXVector, WavLMModel

    config = WavLMConfig(**SPEECH, tdnn_dim=(16,) * 5, xvector_output_dim=8, num_buckets=32)
    return _save(WavLMForXVector if head else WavLMModel, config, seed, folder,
                 Wav2Vec2FeatureExtractor(do_normalize=True))  # fmt: skip


def save_hubert_ctc(folder, *, seed=0):
    """HuBERT with a letter head; its letters are random and change between frames."""
    from transformers import HubertConfig, HubertForCTC, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor
    from transformers import Wav2Vec2Processor as Processor

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(LETTERS)}))
    tokenizer = Wav2Vec2CTCTokenizer(folder / "vocab.json", do_lower_case=False)
    config = HubertConfig(**SPEECH, vocab_size=len(LETTERS), pad_token_id=0)
    return _save(HubertForCTC, config, seed, folder, Processor(Wav2Vec2FeatureExtractor(), tokenizer), louder="lm_head")


def save_whisper(folder, *, seed=0, multilingual=True, also=()):
    """Whisper whose words are made of ten letters; ``also`` are languages that it recognises as German."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizerFast,
    )

    number = {token: index for index, token in enumerate([*WHISPER_LETTERS, *WHISPER_SPECIAL])}
    bare = Tokenizer(models.BPE(vocab={letter: number[letter] for letter in WHISPER_LETTERS}, merges=[]))
    bare.pre_tokenizer, bare.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    end, start = number["<|endoftext|>"], number["<|startoftranscript|>"]
    tokenizer = WhisperTokenizerFast(tokenizer_object=bare, unk_token="<|endoftext|>", bos_token="<|endoftext|>",
                                     eos_token="<|endoftext|>")  # fmt: skip
    tokenizer.add_special_tokens({"additional_special_tokens": WHISPER_SPECIAL[1:]})
    common = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}
    config = WhisperConfig(
        vocab_size=len(number), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_target_positions=40, init_std=0.3,
        suppress_tokens=None, begin_suppress_tokens=None, **common,
    )  # fmt: skip
    processor = WhisperProcessor(WhisperFeatureExtractor(feature_size=80), tokenizer)
    _save(
        WhisperForConditionalGeneration, config, seed, folder, processor, "model.decoder.layers.0.encoder_attn.out_proj"
    )
    settings = GenerationConfig(
        max_length=24, is_multilingual=multilingual, no_timestamps_token_id=number["<|notimestamps|>"],
        suppress_tokens=[number[token] for token in WHISPER_SPECIAL[1:]], begin_suppress_tokens=[number["e"], end],
        **common,
    )  # fmt: skip
    if multilingual:
        settings.lang_to_id = {token: number[token] for token in ("<|en|>", "<|de|>")} | {
            f"<|{code}|>": number["<|de|>"] for code in also
        }
        settings.task_to_id = {task: number[f"<|{task}|>"] for task in ("translate", "transcribe")}
    settings.save_pretrained(folder)


def save_encodec(folder, *, seed=0, audio_channels=1):
    """Encodec with 16 channels and random codebooks, which the class initialises with zeros."""
    from transformers import EncodecConfig, EncodecFeatureExtractor, EncodecModel

    config = EncodecConfig(hidden_size=16, num_filters=4, num_lstm_layers=1, codebook_size=1024, codebook_dim=16,
                           audio_channels=audio_channels)  # fmt: skip
    model = _save(EncodecModel, config, seed, folder, EncodecFeatureExtractor(sampling_rate=24_000))
    generator = torch.Generator().manual_seed(seed)
    for layer in model.quantizer.layers:
        layer.codebook.embed.copy_(torch.randn(layer.codebook.embed.shape, generator=generator))
    model.save_pretrained(folder)


def save_ecapa(folder, *, seed=0):
    """ECAPA-TDNN with the files of SpeechBrain's repository on the hub."""
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN, Classifier

    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = ECAPA_TDNN(20, channels=[16] * 4 + [48], attention_channels=8, lin_neurons=12)
        classifier = Classifier(12, out_neurons=3)
    torch.save(network.state_dict(), folder / "embedding_model.ckpt")
    torch.save(classifier.state_dict(), folder / "classifier.ckpt")
    (folder / "hyperparams.yaml").write_text(ECAPA)


ECAPA = """# Feature parameters
n_mels: 20
pretrained_path: somewhere/else
out_n_neurons: 3
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: !ref <n_mels>
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
    input_size: !ref <n_mels>
    channels: [16, 16, 16, 16, 48]
    kernel_sizes: [5, 3, 3, 3, 1]
    dilations: [1, 2, 3, 4, 1]
    attention_channels: 8
    lin_neurons: 12
classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
    input_size: 12
    out_neurons: !ref <out_n_neurons>
modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    classifier: !ref <classifier>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
        classifier: !ref <classifier>
    paths:
        embedding_model: !ref <pretrained_path>/embedding_model.ckpt
        classifier: !ref <pretrained_path>/classifier.ckpt
"""


def save_hifigan(folder, *, seed=0, bands=80, factors=(8, 8, 4)):
    """HiFi-GAN with the files of SpeechBrain's repository on the hub."""
    from speechbrain.lobes.models.HifiGAN import HifiganGenerator

    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        kernels = [2 * factor for factor in factors]
        network = HifiganGenerator(bands, 1, "1", [[1, 3, 5]], [3], kernels, 32, list(factors))
    torch.save(network.state_dict(), folder / "generator.ckpt")
    (folder / "hyperparams.yaml").write_text(HIFIGAN.format(bands=bands, factors=list(factors), kernels=kernels))
    return network


HIFIGAN = """in_channels: {bands}
resblock_type: "1"
resblock_dilation_sizes: [[1, 3, 5]]
generator: !new:speechbrain.lobes.models.HifiGAN.HifiganGenerator
    in_channels: !ref <in_channels>
    out_channels: 1
    resblock_type: !ref <resblock_type>
    resblock_dilation_sizes: !ref <resblock_dilation_sizes>
    resblock_kernel_sizes: [3]
    upsample_kernel_sizes: {kernels}
    upsample_initial_channel: 32
    upsample_factors: {factors}
modules:
    generator: !ref <generator>
"""


def _save(kind, config, seed, folder, processor, louder=None):
    """Save a model of class ``kind`` with weights from ``seed``, those of the part ``louder`` thirty times as large."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = kind(config).eval()
    if louder:
        model.get_submodule(louder).weight.data *= 30
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return model
