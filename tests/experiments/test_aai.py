"""An image <-> sentence run from configuration to record, and the batches it is made of."""

import numpy as np
import pandas as pd
import pytest
import torch

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation import image_text
from cmir_repro.experiments import identity, ledger
from cmir_repro.experiments.aai_embedding import embed
from cmir_repro.experiments.aai_task import PairBatches, PairTask, tokeniser
from cmir_repro.experiments.presets.aai import METHODS, REFERENCE, configure
from cmir_repro.experiments.run import run
from cmir_repro.systems.aai import AAI
from cmir_repro.training.loop import TrainConfig

MODEL = {"width": 16, "embed_dim": 8, "heads": 2, "fusion_layers": 1, "text_layers": 1, "queue": 20}
TRAINING = {"steps": 4, "batch": 16, "evaluate_every": 2, "log_every": 1}


def configured(method="AAI", training=None, **model):
    return configure(method=method, model=MODEL | model, training=TRAINING | (training or {}))


def go(config):
    return run(config, progress=False, command="a test")


def batches(config):
    task = PairTask("css", "mini", "3d", config.model, "cpu", False)
    return PairBatches(task, tokeniser(config.model, task), config.train)


def test_a_shared_batch_is_the_batch_of_one(tiny_css):
    made = batches(configured())
    whole, halves = made(3), [made(3, rank, 2) for rank in range(2)]
    for name, value in whole.items():
        torch.testing.assert_close(torch.cat([half[name] for half in halves]), value)
    again = batches(configured())(3)
    assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_an_epoch_shows_every_sentence_once_with_its_own_image(tiny_css):
    made = batches(configured())
    pairs, count = made.split, len(made.lengths) // 16
    seen = np.concatenate([made._rows(step) for step in range(count)])
    assert len(set(seen.tolist())) == count * 16
    batch, rows = made(0), made._rows(0)
    assert batch["id"].tolist() == pairs.image_of[rows].tolist()
    store = made.task.pictures("train")
    assert torch.equal(batch["image"], store.take(pairs.image_of[rows]))
    coded, lengths = made.tokens.encode([pairs.texts[row] for row in rows])
    assert batch["clean_lengths"].tolist() == lengths.tolist()
    assert batch["clean_input_ids"].tolist() == coded.tolist()


def test_a_batch_larger_than_the_split_is_refused(tiny_css):
    with pytest.raises(InputError, match="larger than"):
        batches(configured(training={"batch": 100_000}))


def test_a_run_leaves_record_and_ranks_and_is_found_again(tiny_css, monkeypatch):
    config = configured()
    run = go(config)
    record = ledger.read(run.record.run)
    assert record.result["protocol"]["name"] == "css/image-sentence"
    assert set(record.result["by_scoring"]) == {"itc", "itm", "itc+itm"}
    assert record.result["metrics"] == record.result["by_scoring"]["itm"]
    pairs = run.task.split("test")
    found = ledger.queries(record.run)
    assert len(found) == 3 * (len(pairs.images) + len(pairs.texts))
    place = pairs.image_of[7]
    told = found[(found["scoring"] == "itc") & (found["direction"] == "t2i")]
    (row,) = told[told["query"] == pairs.sentence_ids[7]].to_dict("records")
    assert row["image"] == pairs.image_ids[place]
    # By hand: how many images are closer to sentence 7 than its own.
    scores = run.features.images @ run.features.sentences[7]
    own = scores[place]
    assert row["rank"] == pytest.approx(1 + (scores > own + 1e-6).sum(), abs=1)
    assert list(run.validations()["step"]) == [2, 4]
    assert {"itc", "ims", "lmim", "itm", "temperature"} <= set(run.losses())

    monkeypatch.setattr(
        "cmir_repro.experiments.job.train", lambda *_, **__: pytest.fail("trained again")
    )
    again = go(config)
    assert again.record == record
    pd.testing.assert_frame_equal(again.queries, run.queries)
    assert identity.current(config)


def test_a_broken_off_run_goes_on_as_if_nothing_had_happened(tiny_css, monkeypatch):
    """Queues, copies and the ramp are part of what is kept."""
    whole = go(configured(training={"seed": 1}))
    real = PairBatches.__call__

    def breaks(self, step, *rest):
        if step == 3:
            raise KeyboardInterrupt
        return real(self, step, *rest)

    config = configured(training={"seed": 1, "log_every": 2})  # another run, the same numbers
    monkeypatch.setattr(PairBatches, "__call__", breaks)
    with pytest.raises(KeyboardInterrupt):
        go(config)
    monkeypatch.setattr(PairBatches, "__call__", real)
    resumed = go(config)
    for name, value in whole.system.state_dict().items():
        assert torch.equal(resumed.system.state_dict()[name], value), name


def test_a_model_without_fusion_is_scored_by_itc_alone(tiny_css):
    run = go(configured(REFERENCE, queue=0))
    assert set(run.queries["scoring"]) == {"itc"}
    assert not hasattr(run.system, "fusion")


def test_the_matcher_gives_the_log_odds_of_the_net(tiny_css):
    config = configured()
    task = PairTask("css", "mini", "3d", config.model, "cpu", False)
    tokens = tokeniser(config.model, task)
    torch.manual_seed(0)
    system = AAI(config.model, len(tokens), task.shape(), tokens.special_tokens)
    found, pairs = embed(system, task, tokens, "test", chunk=7), task.split("test")
    image, sentence = np.array([2, 2, 5]), np.array([0, 31, 17])
    numbers, lengths = map(torch.from_numpy, tokens.encode([pairs.texts[i] for i in sentence]))
    with torch.no_grad():
        text = system.encode_texts(numbers, lengths)
        pictures = system.encode_images(task.pictures("test").take(image))
        probability = system.match(text, pictures).softmax(1)[:, 1]
    wanted = (probability / (1 - probability)).log().numpy()
    np.testing.assert_allclose(found.match(image, sentence), wanted, atol=1e-5)
    both = image_text.ranks(found.images, found.sentences, pairs.image_of, task.protocol)
    assert len(both.image_to_sentence) == len(pairs.images)


def saved_models(folder):
    """A ViT and a BERT of a few thousand weights, saved as released ones are."""
    from transformers import BertConfig, BertModel, BertTokenizerFast, ViTConfig, ViTModel

    words = sorted({w for text in SCENE_WORDS for w in text.split()})
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "bert").mkdir(parents=True)
    (folder / "bert" / "vocab.txt").write_text("\n".join([*marks, *words]))
    BertTokenizerFast(vocab=str(folder / "bert" / "vocab.txt")).save_pretrained(folder / "bert")
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    bert = BertConfig(vocab_size=len(words) + 5, num_hidden_layers=2, **sizes)
    BertModel(bert).save_pretrained(folder / "bert")
    vit = ViTConfig(num_hidden_layers=1, image_size=30, patch_size=10, **sizes)
    ViTModel(vit).save_pretrained(folder / "vit")


SCENE_WORDS = ("a large red cube at the top left and a small blue sphere in the middle right",)


def test_saved_encoders_are_read_from_their_folders_and_decide_the_run(
    tiny_css, tmp_path, monkeypatch
):
    """Real loading code, without a network: a ViT and a BERT that transformers saved."""
    monkeypatch.setenv("CMIR_WEIGHTS", str(tmp_path))
    saved_models(tmp_path)
    config = configured(
        training={"steps": 2},
        image_encoder="vit",
        image_weights="vit",
        text_encoder="bert",
        text_weights="bert",
        pooler="cls",
        mlm=1.0,
    )
    run = go(config)
    assert len(run.record.data["weights"]) == 64
    slow = [factor for _, factor, _ in run.system.parameter_groups(config.train)]
    assert slow == [1.0, 1.0, config.train.pretrained_factor, config.train.pretrained_factor]
    assert all(len(group[0]) for group in run.system.parameter_groups(config.train))
    numbers, _ = run.experiment.tokens.encode(["A large RED cube."])
    assert run.experiment.tokens.tokenizer.convert_ids_to_tokens(numbers[0]) == [
        "[CLS]", "a", "large", "red", "cube", "[SEP]",
    ]  # fmt: skip
    (tmp_path / "vit" / "config.json").write_text("{}")
    with pytest.raises(InputError):
        go(config)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_the_tables_is_a_configuration(method):
    config = configure(method=method)
    assert config.method == method
    assert isinstance(config.train, TrainConfig)


def test_a_mistyped_method_is_refused():
    with pytest.raises(InputError, match="AAI without IMS"):
        configure(method="AAI without ims")
