"""The file that says where a grid runs, and how long the rest will take."""

import re

import pytest
import yaml
from made_up_records import keep, made_up

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.experiments.grid import assumed, settings
from cmir_repro.experiments.grid.cells import cells
from cmir_repro.experiments.grid.estimates import Estimates, shown
from cmir_repro.experiments.presets import aai, crcgs
from cmir_repro.experiments.presets.dim import configure

PAGE = (paths.checkout() / "docs" / "grid.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)


def written(folder, text):
    path = folder / "grid.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_every_backend_has_an_example_that_is_read(tmp_path):
    read = [settings.read(written(tmp_path, text)) for text in EXAMPLES]
    assert [one.backend for one in read] == [name for name in settings.BACKENDS if name != "here"]
    for one, text in zip(read, EXAMPLES, strict=True):
        assert one.model_dump().items() >= yaml.safe_load(text).items()
    assert settings.read(written(tmp_path, "backend: here")) == settings.Here()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("backend: cloud", "backend 'cloud' is unknown; allowed: here, local, slurm, dask"),
        ("backend: [local]", r"backend \['local'\] is unknown"),
        ("backend: local\nworker: 2", "unknown key 'worker'; allowed: imports, backend, workers"),
        ("backend: local\nworkers: 0", "workers = 0 is not allowed"),
        ("backend: local\nworkers: many", "workers = 'many' is not allowed"),
        ("backend: local\nimports: fusions", "imports = 'fusions' is not allowed"),
        ("backend: slurm\noptions: {a: [1]}", "options.a"),
        ("backend: local\n2: 3", "has a key that is no text"),
        ("workers: 2", "names no backend; write backend: here or local or slurm or dask"),
        ("- local", "names no backend"),
        ("", "names no backend"),
        ("backend: [", "is no YAML: "),
        ("a: &a [*a]", "is no YAML|names no backend"),
        ("backend: !!python/object:os.system x", "is no YAML: "),
        (b"\xff\xfe\x00", "is no YAML: "),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"^\S*grid\.yml.*({message})") as error:
        settings.read(written(tmp_path, text))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"cannot read \S*no\.yml: No such file"):
        settings.read(tmp_path / "no.yml")


def test_times_are_of_the_method_or_else_of_the_system_or_unknown(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path))
    for seed, seconds in enumerate((60.0, 100.0, 2000.0)):
        keep(made_up("TIRG", seed, seconds=seconds, steps=400))
    keep(made_up("FiLM", 0, seconds=400.0, steps=400))
    found = Estimates()
    tirg, film, mrn = (configure(method=name, seed=7) for name in ("TIRG", "FiLM", "MRN"))
    assert [found.seconds(cell) for cell in (tirg, film, mrn)] == [100.0, 400.0, 250.0]
    assert found.seconds(configure(method="TIRG", training={"steps": 40})) == 10.0
    assert found.seconds(configure(method="TIRG", scale="full")) is None
    assert found.seconds(aai.configure()) is None
    assert found.total([tirg, film], workers=2) == "4.2 min"
    assert found.total([tirg, aai.configure()]) == "100 s and 1 cells unknown"
    assert found.total([aai.configure()]) == "unknown"
    assert found.by_system([tirg, film, aai.configure()]) == [
        "dim: 2 cells, 800 steps, 8.3 min",
        f"aai: 1 cells, {aai.configure().train.steps:,} steps, unknown",
    ]
    # What the processor took says more than the clock; on a GPU it says nothing.
    keep(made_up("TIRG", 3, seconds=5000.0, steps=400, cpu_seconds=80.0))
    gpu = {"cpu": "a chip", "cores": 2, "gpu": "a card"}
    keep(made_up("TIRG", 4, seconds=5000.0, steps=400, cpu_seconds=1.0, hardware=gpu))
    assert [Estimates().seconds(cell) for cell in (tirg, film)] == [80.0, 400.0]
    # Of several processes the seconds are those of all.
    four = gpu | {"processes": 4}
    keep(made_up("MRN", 0, seconds=100.0, steps=400, cpu_seconds=1.0, hardware=four))
    assert Estimates().seconds(mrn) == 400.0
    assert [shown(x) for x in (None, 119, 120, 7200)] == ["unknown", "119 s", "2.0 min", "2.0 h"]


def test_before_any_run_at_scale_paper_times_are_assumed_until_a_record_knows(
    monkeypatch, tmp_path
):
    """Sums of the model on the page, which names the assumptions."""
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path))
    dim, label = (made(scale="paper") for made in (configure, crcgs.configure))
    batch = assumed.OPERATIONS["dim"] / assumed.RATE
    assert Estimates().seconds(dim) == pytest.approx(6000 * (batch + assumed.HOST))
    stages = 2500 * (3 + 1) + 2000 + 4 * 2000  # discriminators and student, teachers, hash heads
    assert label.updates() == stages
    batch = assumed.OPERATIONS["crcgs"] / assumed.RATE
    assert Estimates().seconds(label) == pytest.approx(2500 * batch + stages * assumed.HOST)
    assert Estimates().seconds(crcgs.configure(scale="paper", method="CCA, ITQ")) == 0
    (line,) = Estimates().by_system([dim, configure(scale="mini")])
    assert line.endswith("1 of them by assumption (docs/many_machines.md)")
    keep(made_up("TIRG", 0, scale="paper", seconds=600.0, steps=100))
    assert Estimates().seconds(dim) == 36_000
    assert "assumption" not in Estimates().by_system([dim])[0]


def test_the_page_shows_what_the_presets_of_the_paper_cost(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path))
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))  # without photographs
    told = Estimates().by_system(every := cells("all", "paper"))
    page = (paths.checkout() / "docs" / "many_machines.md").read_text(encoding="utf-8")
    for line in (f"{len(every)} cells are left: {Estimates().total(every)}", *told):
        assert f"\n{line}\n" in page
    for number in (assumed.RATE / 1e12, *(n / 1e12 for n in assumed.OPERATIONS.values())):
        assert f" {number:g} " in page
    assert f" {assumed.HOST} seconds " in page
