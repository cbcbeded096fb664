"""Text encoders read a sentence up to its last word, and nothing beyond."""

import socket

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer
from transformers.utils import logging

from cmir_repro.core.errors import InputError
from cmir_repro.data.tokenizers import BertTokens
from cmir_repro.models.text import LSTM, Bert, TextFeatures

D = 6
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "make", "red", "##dish", "cube"]
SENTENCES = ["make cube reddish", "make red", "cube"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny BERT as anyone would have saved it."""
    folder = tmp_path_factory.mktemp("bert")
    logging.disable_progress_bar()
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "max_position_embeddings": 16}
    config = BertConfig(vocab_size=len(WORDS), num_hidden_layers=2, num_attention_heads=2, **sizes)
    BertModel(config).save_pretrained(folder)
    BertTokenizer(vocab={word: n for n, word in enumerate(WORDS)}).save_pretrained(folder)
    return folder


@pytest.fixture(params=["lstm", "bert"])
def encoder(request):
    torch.manual_seed(0)
    if request.param == "lstm":
        return LSTM(len(WORDS), D).eval()
    return Bert(str(request.getfixturevalue("folder")), D).eval()


@pytest.fixture
def asked(monkeypatch):
    """What the network was asked; it does not answer."""
    asked = []

    def no_network(*args, **kwargs):
        asked.append(args)
        raise OSError("Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    return asked


@pytest.fixture
def batch():
    tokens = torch.randint(5, len(WORDS), (4, 7), generator=torch.Generator().manual_seed(0))
    return tokens, torch.tensor([7, 1, 4, 6])


def test_words_count_and_padding_does_not(encoder, batch):
    tokens, lengths = batch
    padding = torch.arange(tokens.shape[1]) >= lengths[:, None]
    out = encoder(tokens, lengths).vector
    assert out.shape == (4, D)
    torch.testing.assert_close(encoder(tokens.masked_fill(padding, 1), lengths).vector, out)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(
            encoder(tokens[row : row + 1, :length], lengths[row : row + 1]).vector,
            out[row : row + 1],
        )
        changed = tokens.clone()
        changed[row, length - 1] = 1
        assert not torch.allclose(encoder(changed, lengths).vector[row], out[row])


def test_order_in_the_batch_does_not_matter(encoder, batch):
    order = torch.tensor([2, 0, 3, 1])
    tokens, lengths = batch
    turned, there = encoder(tokens[order], lengths[order]), encoder(tokens, lengths)
    for name in TextFeatures._fields:
        torch.testing.assert_close(getattr(turned, name), getattr(there, name)[order])


def last_states(lstm, tokens, lengths):
    return torch.cat(
        [
            lstm.lstm(lstm.embedding(row[:length])[None])[1][0][0]  # h_n of this sentence alone
            for row, length in zip(tokens, lengths, strict=True)
        ]
    )


def test_lstm_maps_its_state_at_the_last_word(batch):
    lstm = LSTM(len(WORDS), D).eval()
    torch.testing.assert_close(lstm(*batch).vector, lstm.fc[1](last_states(lstm, *batch)))


def test_words_of_an_lstm_are_their_embeddings(batch):
    lstm = LSTM(len(WORDS), D).eval()
    assert torch.equal(lstm(*batch).words, lstm.embedding(batch[0]))
    assert torch.equal(lstm(*batch).lengths, batch[1])


def test_lstm_drops_out_between_state_and_last_layer(batch):
    torch.manual_seed(0)
    lstm = LSTM(len(WORDS), D, dropout=0.5)
    with torch.no_grad():
        lstm.fc[1].weight.copy_(torch.eye(D))
        lstm.fc[1].bias.zero_()
    out = lstm(*batch).vector
    kept = out != 0
    assert 0 < kept.sum() < kept.numel()
    torch.testing.assert_close(out, 2 * kept * last_states(lstm, *batch))
    assert LSTM(len(WORDS), D).fc[0].p == 0.1


def test_bert_maps_the_first_state_of_the_saved_model(folder, asked):
    tokens, lengths = map(torch.from_numpy, BertTokens(str(folder)).encode(SENTENCES))
    ours, saved = Bert(str(folder), D).eval(), BertModel.from_pretrained(folder).eval()
    states = saved(tokens, attention_mask=(tokens != 0).long()).last_hidden_state
    found = ours(tokens, lengths)
    torch.testing.assert_close(found.vector, ours.fc(states[:, 0]))
    torch.testing.assert_close(found.words, ours.fc(states))
    assert not asked


def test_bert_tokens_are_word_pieces_between_marks(folder):
    tokens, lengths = BertTokens(str(folder)).encode(SENTENCES)
    assert tokens.tolist() == [[2, 5, 8, 6, 7, 3], [2, 5, 6, 3, 0, 0], [2, 8, 3, 0, 0, 0]]
    assert lengths.tolist() == [6, 4, 3]
    assert tokens.dtype == lengths.dtype == "int64"


@pytest.mark.parametrize("path", ["bert-base-uncased", "someone/bert", "no/such/folder", ""])
@pytest.mark.parametrize("build", [lambda path: Bert(path, D), BertTokens])
def test_a_missing_model_is_one_line_and_no_download(build, path, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"^no whole Auto\w+ in the folder '{path}'; .*$"):
        build(path)
    assert not asked


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_model_is_refused(folder, tmp_path, name):
    for file in folder.iterdir():
        content = file.read_bytes()
        (tmp_path / file.name).write_bytes(content[:50] if file.name == name else content)
    with pytest.raises(InputError, match="no whole AutoModel"):
        Bert(str(tmp_path), D)
