"""What a picture of the 3D view must show, and that it depends on scene and jitter alone."""

import math

import numpy as np
import pytest
import torch

from cmir_repro.core.errors import InputError
from cmir_repro.data.css import camera
from cmir_repro.data.css.render_3d import MAX_TURN, draw_jitter, render_3d
from cmir_repro.data.css.scenes import COLORS, EMPTY, RGB, SHAPES_3D
from cmir_repro.data.css.solids import CUBE

SMALL = {"width": 90, "height": 60}
STILL = np.zeros((1, 9, 3), dtype=np.float32)


def lone(cell, color=1, shape=0, size=1, material=0):
    scene = np.full((1, 9, 4), EMPTY, dtype=np.int8)
    scene[0, cell] = color, shape, size, material
    return scene


def some_scenes(n, seed=0):
    rng = np.random.default_rng(seed)
    scenes = np.stack([rng.integers(0, k, (n, 9)) for k in (8, 3, 2, 2)], -1).astype(np.int8)
    scenes[rng.random((n, 9)) < 0.4] = EMPTY
    return scenes


def picture(scene, jitter=STILL, **options):
    return render_3d(scene, jitter, **(SMALL | options))[0].numpy().astype(float)


def chroma(rgb):
    """Deviation of each channel from gray, per unit of brightness."""
    rgb = np.asarray(rgb, dtype=float)
    return rgb / rgb.sum(-1, keepdims=True) - 1 / 3


def own(rendered, empty):
    """Where a saturated object, and not its gray shadow, has changed the empty picture."""
    return np.abs(chroma(rendered) - chroma(empty)).max(-1) > 0.08


@pytest.fixture(scope="module")
def empty():
    return picture(np.full((1, 9, 4), EMPTY, dtype=np.int8))


def test_the_empty_scene_is_the_floor(empty):
    floor = camera.frame(90, 60, 2, "cpu").floor.permute(1, 2, 0).numpy()
    assert np.abs(empty - floor).max() <= 0.5
    assert empty[-10:].mean() > empty[:10].mean() + 20  # lighter in front
    assert (empty[:10, :, 2] > empty[:10, :, 0]).all()  # bluish behind


def test_same_bytes_again_in_any_batch_and_order():
    scenes, jitter = some_scenes(70), draw_jitter(0, range(70))  # more than one chunk
    together = render_3d(scenes, jitter, **SMALL)
    assert torch.equal(together, render_3d(scenes, jitter, **SMALL))
    backwards = render_3d(scenes[::-1].copy(), jitter[::-1].copy(), **SMALL)
    assert torch.equal(together, backwards.flip(0))
    for i in (0, 1, 69):
        alone = render_3d(scenes[i : i + 1], jitter[i : i + 1], **SMALL)
        assert torch.equal(together[i], alone[0])


def test_full_size_is_the_same_view():
    scenes, jitter = some_scenes(2), draw_jitter(0, range(2))
    large = render_3d(scenes, jitter).float()
    assert large.shape == (2, 120, 180, 3)
    halved = torch.nn.functional.avg_pool2d(large.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    assert (halved - render_3d(scenes, jitter, **SMALL).float()).abs().mean() < 1


@pytest.mark.parametrize("shape", range(len(SHAPES_3D)))
@pytest.mark.parametrize("material", [0, 1])
def test_the_colour_at_the_centre_names_the_object(shape, material):
    """Among the seven hues by direction of chroma; gray is what has none."""
    hues = chroma(RGB[1:])
    hues /= np.linalg.norm(hues, axis=-1, keepdims=True)
    for cell in range(9):
        for size in (0, 1):
            at = (camera.COLUMNS[cell % 3], camera.RADIUS[size] * 0.9, camera.ROWS[cell // 3])
            x, y = camera.project(at, 90, 60).astype(int)
            scenes = [lone(cell, color, shape, size, material) for color in range(len(COLORS))]
            rendered = render_3d(np.concatenate(scenes), STILL.repeat(len(COLORS), 0), **SMALL)
            seen = chroma(rendered[:, y, x].numpy())  # (8, 3)
            assert np.abs(seen[COLORS.index("gray")]).max() < 0.02
            assert np.abs(seen[1:]).max(-1).min() > 0.08
            assert (seen[1:] @ hues.T).argmax(-1).tolist() == list(range(7))


@pytest.mark.parametrize("shape", range(len(SHAPES_3D)))
@pytest.mark.parametrize("cell", range(9))
def test_large_covers_more_than_small_in_every_cell(cell, shape, empty):
    small, large = (own(picture(lone(cell, 1, shape, size)), empty).sum() for size in (0, 1))
    assert small >= 20
    assert large > 1.8 * small


def test_shapes_differ_in_every_cell_and_size():
    for cell in range(9):
        for size in (0, 1):
            a, b, c = (picture(lone(cell, 1, shape, size)) for shape in range(3))
            for one, two in ((a, b), (a, c), (b, c)):
                assert (np.abs(one - two).max(-1) > 30).sum() >= 8


def test_framing_follows_the_released_pictures(empty):
    ys, xs = [], []
    for cell in (1, 4, 7, 6, 8):
        y, x = np.nonzero(own(picture(lone(cell, 1, SHAPES_3D.index("sphere"))), empty))
        ys.append(y.mean() / 60)
        xs.append(x.mean() / 90)
        if cell in (1, 7):
            assert (np.ptp(y) + 1) / 60 == pytest.approx({1: 0.20, 7: 0.35}[cell], abs=0.03)
    assert ys[:3] == pytest.approx([0.40, 0.55, 0.80], abs=0.04)
    assert xs[3:] == pytest.approx([0.20, 0.80], abs=0.03)


@pytest.mark.parametrize(("back", "front"), [(1, 4), (4, 7), (0, 3), (5, 8)])
def test_the_front_object_hides_the_one_behind_but_not_all_of_it(back, front, empty):
    behind, before = lone(back, COLORS.index("red"), 2), lone(front, COLORS.index("blue"), 0)
    both = np.where(before == EMPTY, behind, before)
    inside = own(picture(before), empty) & own(picture(before), picture(behind))
    together, alone = picture(both), picture(before)
    covered = own(picture(behind), empty) & inside
    assert covered.sum() >= 10
    # The rim of the front object is half transparent, so a few pixels may differ.
    assert (np.abs(together - alone).max(-1) > 3)[covered].mean() < 0.35
    red = (together[..., 0] > 1.5 * together[..., 2]).sum()
    assert red >= 20


def test_a_neighbour_changes_no_pixel_of_what_stands_in_front(empty):
    front, other = lone(7, 2, 1), lone(3, 1, 0)
    both = np.where(front == EMPTY, other, front)
    inside = own(picture(front), empty)
    # The rim is half transparent, and a shadow may lie under it.
    np.testing.assert_allclose(picture(both)[inside], picture(front)[inside], atol=2)


def test_the_shadow_is_short_and_falls_to_one_side(empty):
    darker = (empty - picture(lone(4, COLORS.index("yellow"), 2))).min(-1) > 6
    _, x = np.nonzero(darker & ~own(picture(lone(4, COLORS.index("yellow"), 2)), empty))
    assert (x > 45).mean() > 0.7
    assert x.max() < 45 + 20


def test_windows_hold_the_whole_object_and_shadow(monkeypatch):
    scenes, jitter = some_scenes(40), draw_jitter(0, range(40))
    jitter[..., :2] = np.sign(jitter[..., :2]) * np.float32(camera.MAX_OFFSET)
    tight = render_3d(scenes, jitter, **SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(camera, "REACH", 3.0)
        camera.frame.cache_clear()
        assert torch.equal(tight, render_3d(scenes, jitter, **SMALL))
    camera.frame.cache_clear()
    assert CUBE * math.sqrt(2) <= camera.REACH
    # Painter's order needs every object inside its own cell.
    assert camera.REACH * max(camera.RADIUS) + camera.MAX_OFFSET < 0.5
    assert 2 * max(camera.RADIUS) < camera.HEIGHT


def test_jitter_of_an_image_depends_on_seed_and_number_alone():
    many = draw_jitter(7, range(20))
    np.testing.assert_array_equal(many[[3, 11]], draw_jitter(7, [3, 11]))
    assert many.dtype == np.float32
    assert len(np.unique(many)) == many.size
    assert not np.isin(draw_jitter(8, range(20)), many).any()
    assert np.abs(many[..., :2]).max() <= np.float32(camera.MAX_OFFSET)
    assert draw_jitter(7, []).shape == (0, 9, 3)


def test_a_target_turns_only_a_little_from_its_source():
    source, target = draw_jitter(0, [5]), draw_jitter(0, range(10, 60), [5] * 50)
    turn = np.abs(source[..., 2] - target[..., 2])
    assert turn.min() > 0
    assert turn.max() <= 2 * MAX_TURN + 1e-6


def test_jitter_moves_every_object_by_a_few_pixels(empty):
    move = STILL.copy()
    move[..., 0] = camera.MAX_OFFSET
    for cell in range(9):
        before, after = (
            np.nonzero(own(picture(lone(cell, 1, 1), jitter), empty))[1].mean()
            for jitter in (STILL, move)
        )
        assert 0.5 < after - before < 3  # at half size


def test_torch_keeps_its_number_of_threads():
    before = torch.get_num_threads()
    picture(lone(0))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("scenes", "jitter", "message"),
    [
        (np.zeros((1, 9, 4)), STILL, "int8, got float64"),
        (np.zeros((1, 8, 4), np.int8), STILL, r"\(N, 9, 4\)"),
        (lone(0), STILL.astype(float), "float32, got float64"),
        (lone(0), STILL[:, :, :2], r"\(1, 9, 3\), got \(1, 9, 2\)"),
        (lone(0), STILL + np.float32(0.1), "at most 0.06"),
        (lone(0), STILL * np.float32(np.nan), "finite"),
    ],
)
def test_bad_input_is_refused_in_one_line(scenes, jitter, message):
    with pytest.raises(InputError, match=message) as caught:
        render_3d(scenes, jitter)
    assert "\n" not in str(caught.value)


def test_bad_numbers_and_sizes_are_refused():
    with pytest.raises(InputError, match="2 numbers but 1 base_numbers"):
        draw_jitter(0, [1, 2], [1])
    with pytest.raises(InputError, match="must lie in 0"):
        draw_jitter(-1, [1])
    with pytest.raises(InputError, match="no picture of 0x120"):
        render_3d(lone(0), STILL, width=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu():
    scenes, jitter = some_scenes(64), draw_jitter(0, range(64))
    here = render_3d(scenes, jitter).int()
    there = render_3d(scenes, jitter, device="cuda").cpu().int()
    difference = (here - there).abs()
    assert (difference > 1).float().mean() == 0
    assert (difference > 0).float().mean() <= 1e-3
