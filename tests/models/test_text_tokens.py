"""Sentences as sets: a word's vector depends on the sentence and on nothing behind it."""

import socket

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import BertConfig, BertModel, ViTConfig, ViTModel
from transformers.utils import logging

from cmir_repro.core.errors import InputError
from cmir_repro.models.image import FEATURES
from cmir_repro.models.text import SAVED_BERT, TEXT_TOKENS, BiGRU, TwoWayGRU, build_text_tokens
from cmir_repro.models.token_set import real_positions

D, V = 8, 40
SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny BERT as anyone would have saved it."""
    folder = tmp_path_factory.mktemp("bert")
    logging.disable_progress_bar()
    torch.manual_seed(0)
    config = BertConfig(**SIZES, vocab_size=V, num_hidden_layers=3, max_position_embeddings=16)
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(params=["transformer", "bigru", SAVED_BERT])
def encoder(request):
    torch.manual_seed(0)
    path = str(request.getfixturevalue("folder")) if request.param == SAVED_BERT else "none"
    return build_text_tokens(request.param, D, V, path)


@pytest.fixture
def batch():
    numbers = torch.randint(5, V, (4, 7), generator=torch.Generator().manual_seed(0))
    return numbers, torch.tensor([7, 2, 4, 6])


@pytest.mark.parametrize("training", [False, True])
def test_padding_never_changes_a_word(encoder, batch, training):
    encoder.train(training)
    for part in encoder.modules():  # in training too, but for what is left to chance
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        if isinstance(part, torch.nn.MultiheadAttention):
            part.dropout = 0.0
    numbers, lengths = batch
    out = encoder(numbers, lengths)
    assert out.tokens.shape == (4, 7, D)
    assert torch.equal(out.lengths, lengths)
    padding = torch.arange(7) >= lengths[:, None]
    assert out.tokens[padding].count_nonzero() == 0
    filled = encoder(numbers.masked_fill(padding, 1), lengths).tokens
    longer = encoder(torch.cat([numbers, numbers[:, :3]], dim=1), lengths).tokens
    torch.testing.assert_close(filled, out.tokens)
    torch.testing.assert_close(longer[:, :7], out.tokens)
    for row, n in enumerate(lengths.tolist()):
        alone = encoder(numbers[row : row + 1, :n], lengths[row : row + 1]).tokens[0]
        torch.testing.assert_close(alone, out.tokens[row, :n])


def test_every_word_sees_every_other(encoder, batch):
    encoder.eval()
    numbers, lengths = batch
    before = encoder(numbers, lengths).tokens
    for place in range(7):
        changed = numbers.clone()
        changed[0, place] = 1
        moved = (encoder(changed, lengths).tokens - before).abs().amax(2) > 0
        assert moved[0].all()
        assert not moved[1:].any()


def test_order_of_words_counts(encoder, batch):
    encoder.eval()
    numbers, lengths = batch
    turned = encoder(numbers.flip(1)[:1], lengths[:1]).tokens.flip(1)
    assert not torch.allclose(turned, encoder(numbers[:1], lengths[:1]).tokens, atol=1e-4)


def test_every_parameter_is_used(encoder, batch):
    """One without a gradient would stop training in several processes."""
    encoder(*batch).tokens.square().sum().backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None] == []


def test_only_encoders_with_a_first_mark_have_a_cls_token():
    assert not BiGRU(D, V).has_cls
    assert build_text_tokens("transformer", D, V).has_cls


def test_layers_start_from_different_numbers():
    first, second = build_text_tokens("transformer", D, V).layers
    assert not torch.equal(first.linear1.weight, second.linear1.weight)


@pytest.mark.parametrize("lengths", [[9, 2, 5, 1], [9, 9, 9, 9]], ids=["padded", "full"])
def test_layers_are_torchs_own_dropout_and_gradients_included(lengths):
    """Padding is passed over, but each random number falls where torch's layer has it."""
    torch.manual_seed(0)
    encoder, lengths = build_text_tokens("transformer", 16, 30).train(), torch.tensor(lengths)
    ids = torch.randint(30, (4, 9))
    real = real_positions(lengths, 9)

    def torchs() -> torch.Tensor:
        x = encoder.words(ids) + encoder.positions.weight[:9]
        for layer in encoder.layers:
            x = layer(x, src_key_padding_mask=~real)
        return encoder.norm(x)[real]

    found = []
    for way in (torchs, lambda: encoder(ids, lengths).tokens[real]):
        encoder.zero_grad()
        torch.manual_seed(1)
        states = way()
        states.square().sum().backward()
        found.append([states, *(p.grad for p in encoder.parameters())])
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_sentence_too_long_is_refused():
    encoder = build_text_tokens("transformer", D, V, longest=5)
    with pytest.raises(InputError, match="a sentence has 6 tokens, the encoder takes 5; cut it"):
        encoder(torch.ones(1, 6, dtype=torch.int64), torch.tensor([6]))


def test_a_saved_bert_gives_its_own_states(folder, batch):
    numbers, lengths = batch
    encoder = build_text_tokens(SAVED_BERT, 16, V, str(folder)).eval()
    saved = BertModel.from_pretrained(folder).eval()
    real = (torch.arange(7) < lengths[:, None]).long()
    states = saved(numbers, attention_mask=real).last_hidden_state
    expected = states * real[..., None]
    torch.testing.assert_close(encoder(numbers, lengths).tokens, expected)


def test_the_first_layers_of_a_saved_bert(folder, batch):
    numbers, lengths = batch
    encoder = build_text_tokens(SAVED_BERT, 16, V, str(folder), layers=2).eval()
    saved = BertModel.from_pretrained(folder).eval()
    states = saved(numbers[:1], output_hidden_states=True).hidden_states[2]
    torch.testing.assert_close(encoder(numbers, lengths).tokens[:1], states)
    with pytest.raises(InputError, match="layers is 4; bert has 1 to 3 to keep"):
        build_text_tokens(SAVED_BERT, 16, V, str(folder), layers=4)


def test_bert_base_has_the_published_size():
    """109.5 M parameters with its pooler of 0.6 M."""
    with torch.device("meta"):
        encoder = build_text_tokens("bert-base", 768, 30522)
        assert sum(p.numel() for p in encoder.parameters()) == 109482240 - 768 * 769


def test_a_bert_of_fewer_words_than_the_tokeniser_is_refused(folder):
    with pytest.raises(InputError, match="knows 40 tokens and the tokeniser 41"):
        build_text_tokens(SAVED_BERT, D, V + 1, str(folder))


@pytest.mark.parametrize("weights", ["bert-base-uncased", "none"])
def test_a_missing_bert_is_one_line_and_no_download(weights, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: asked.append(args))
    monkeypatch.setenv("CMIR_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match=rf"^no whole AutoModel in the folder '.*{weights}'; .*$"):
        build_text_tokens(SAVED_BERT, D, V, weights)
    assert not asked


def test_a_saved_net_of_another_kind_is_refused(folder, tmp_path):
    config = ViTConfig(**SIZES, num_hidden_layers=1, image_size=16, patch_size=8)
    ViTModel(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="holds a vit and no BERT"):
        build_text_tokens(SAVED_BERT, D, V, str(tmp_path))


def test_names_and_weights_are_checked():
    with pytest.raises(InputError, match="use text_weights = 'none'"):
        build_text_tokens("bigru", D, V, "somewhere")
    with pytest.raises(InputError, match="'lstm' is unknown; allowed: transformer, bigru"):
        build_text_tokens("lstm", D, V)
    assert list(TEXT_TOKENS) == ["transformer", "bigru", FEATURES, "bert-base", SAVED_BERT]


def test_states_are_those_of_a_packed_bidirectional_gru():
    torch.manual_seed(0)
    ours = TwoWayGRU(3, 4)
    theirs = nn.GRU(3, 4, batch_first=True, bidirectional=True)
    for name, weight in ours.onward.named_parameters():
        getattr(theirs, name).data.copy_(weight)
        getattr(theirs, f"{name}_reverse").data.copy_(ours.back.get_parameter(name))
    x, lengths = torch.randn(4, 6, 3), torch.tensor([2, 6, 1, 5])
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    states, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    found = ours(x, lengths)
    for row, length in enumerate(lengths):
        expected = (states[row, :length, :4] + states[row, :length, 4:]) / 2
        torch.testing.assert_close(found[row, :length], expected)
