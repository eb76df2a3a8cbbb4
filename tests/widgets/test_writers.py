"""File › Save and File › Open with labels, through napari itself."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import LayerList
from napari.layers import Image, Labels
from npe2 import PluginManager, PluginManifest
from panel_actions import CELLS, messages

from napari_semantic_sam.annotation.exchange import Document, read_labels_file, write_labels_file
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels, to_columns
from napari_semantic_sam.widgets.frame import Frame, frame_of, lengths_of
from napari_semantic_sam.widgets.layers import identity, level_layer, level_layers
from napari_semantic_sam.widgets.readers import read
from napari_semantic_sam.widgets.tables import METADATA_KEY
from napari_semantic_sam.widgets.writers import document_of

PLUGIN = "napari-semantic-sam"
NAMES = ("a.labels.ome.tif", "a.labels.tif", "a.json", "a.geojson")
SHAPE = (60, 80)


@pytest.fixture
def manager():
    """The plugin manager of the viewer, which knows napari's own formats and ours."""
    manager = PluginManager.instance()
    for name in ("napari", PLUGIN):
        if name not in manager:
            manager.register(PluginManifest.from_distribution(name))
    return manager


@pytest.fixture
def labels():
    """A cell with a nucleus."""
    labels = LevelLabels(SHAPE)
    cell, nucleus = np.zeros((2, *SHAPE), np.int32)
    cell[10:40, 10:50], nucleus[20:26, 20:30] = 1, 7
    labels.attach(2, cell, [LabelRow(1, 2, "cell", 0.5, source="click")])
    labels.attach(4, nucleus, [LabelRow(7, 4, part="nucleus", predicted_iou=0.1, source="box")])
    return labels


@pytest.fixture
def kept(labels):
    """The level layers of an image, as the panel makes them."""
    image = Image(CELLS, name="cells", scale=(0.25, 0.5), units=("um", "um"))
    layers = []
    for level in labels.levels:
        layer = level_layer(image, level, labels.array(level), Frame(lengths_of(image), 0, 1))
        layer.features = to_columns(labels.rows(level))
        layer.metadata[METADATA_KEY] |= {"checkpoint": "tiny", "level_order": (0, 1, 2)}
        layers.append(layer)
    layers[0].name = "whole cells"
    return layers


def test_the_manifest_names_what_can_be_imported(manager):
    manifest = manager.get_manifest(PLUGIN)
    manifest.validate_imports()
    assert len(manifest.contributions.readers) == 1
    assert len(manifest.contributions.writers) == 4


def test_saved_layers_come_back_to_their_image(viewer, kept, manager, tmp_path):
    image = viewer.add_image(CELLS, name="cells", scale=(0.25, 0.5), units=("um", "um"))
    viewer.layers.selection = {viewer.add_layer(layer) for layer in kept}
    path = str(tmp_path / "a.json")
    assert viewer.layers.save(path, selected=True) == [path]
    viewer.layers.remove_selected()
    opened = viewer.open(path, plugin=None)
    assert_same(opened, kept)
    assert opened[0].metadata[METADATA_KEY].items() >= identity(image).items()
    assert level_layers(viewer.layers, image, SHAPE) == {2: opened[0], 4: opened[1]}


@pytest.mark.parametrize("name", NAMES)
def test_saved_layers_come_back_as_they_were(viewer_model, kept, manager, tmp_path, name):
    path = str(tmp_path / name)
    assert path in LayerList(kept).save(path)
    opened = viewer_model.open(path, plugin=PLUGIN)
    assert_same(opened, kept)
    record = kept[0].metadata[METADATA_KEY]
    del record["image_id"]
    assert opened[0].metadata[METADATA_KEY] == record


def assert_same(opened, kept):
    assert [layer.name for layer in opened] == ["whole cells", "cells · level 4"]
    for layer, old in zip(opened, kept, strict=True):
        np.testing.assert_array_equal(layer.data, old.data)
        assert layer.features.to_csv() == old.features.to_csv()
        np.testing.assert_array_equal(layer.scale, old.scale)
        assert layer.units == old.units


def test_several_layers_can_be_saved_with_the_plainest_ending(
    viewer_model, kept, manager, tmp_path
):
    written = LayerList(kept).save(str(tmp_path / "cells.tif"))
    assert str(tmp_path / "cells.tif") in written
    assert_same(viewer_model.open(str(tmp_path / "cells.labels.csv"), plugin=PLUGIN), kept)


@pytest.mark.parametrize("name", NAMES)
def test_one_layer_can_be_saved_alone(kept, manager, tmp_path, name):
    path = str(tmp_path / name)
    assert path in kept[1].save(path, plugin=PLUGIN)
    (row,) = read_labels_file(path).rows[4]
    assert (row.part, row.parent_level, row.parent) == ("nucleus", 2, 1)


def test_the_table_opens_its_label_image(viewer_model, kept, manager, tmp_path):
    LayerList(kept).save(str(tmp_path / "b.ome.tif"), plugin=PLUGIN)
    assert_same(viewer_model.open(str(tmp_path / "b.labels.csv"), plugin=PLUGIN), kept)


def test_napari_keeps_its_own_formats(manager, tmp_path):
    volume = Labels(np.ones((2, 5, 6), np.uint8), name="volume")
    assert volume.save(
        str(tmp_path / "volume.tif"),
    ) == [str(tmp_path / "volume.tif")]
    assert not list(tmp_path.glob("*.csv"))
    for name in ("points.csv", "image.tif", "image.ome.tif"):
        readers = {each.plugin_name for each in manager.iter_compatible_readers([name])}
        assert readers == {"napari"}


@pytest.mark.parametrize(
    ("command", "ending"),
    [("write_tiff", ".labels.ome.tif"), ("write_coco", ".json"), ("write_geojson", ".geojson")],
)
def test_an_ending_that_was_not_typed_is_added(kept, manager, tmp_path, command, ending):
    layers = [layer.as_layer_data_tuple() for layer in kept]
    path = str(tmp_path / "cells · level 2")
    assert manager.commands.execute(f"{PLUGIN}.{command}", args=(path, layers))[0] == path + ending


def test_layers_that_are_not_ours_get_levels_in_their_order(kept):
    other = Labels(np.eye(*SHAPE, dtype=bool), name="mine")
    document = document_of([layer.as_layer_data_tuple() for layer in (other, *kept, other)])
    assert document.names == {1: "mine", 2: "whole cells", 3: "mine", 4: "cells · level 4"}
    assert document.image == "cells"


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Labels(np.ones((2, 60, 80), int), name="volume"), "“volume” has 3 dimensions"),
        (Labels(np.ones((6, 8), int), name="small"), "different sizes"),
    ],
)
def test_what_does_not_belong_together_is_told(kept, layer, words):
    tuples = [each.as_layer_data_tuple() for each in (*kept, layer)]
    with pytest.raises(UserError, match=words):
        document_of(tuples)


STACKS = [((4, 20, 30), None), ((2, 4, 20, 30), None), ((3, 4, 20, 30), 0), ((4, 3, 20, 30), 1)]


@pytest.mark.parametrize(("lengths", "channel"), STACKS)
def test_stacks_come_back_to_their_image(viewer, manager, tmp_path, lengths, channel):
    scale = np.arange(1, len(lengths) + 1) / 2
    image = viewer.add_image(
        np.zeros(lengths, np.uint8), name="stack", scale=scale, units=["um"] * len(lengths)
    )
    frame = frame_of(image, viewer.dims, channel)
    layers = stack_layers(image, frame)
    path = str(tmp_path / "a.labels.ome.tif")
    assert path in LayerList(layers).save(path)
    opened = viewer.open(path, plugin=PLUGIN)
    assert set(level_layers(opened, image, frame.own_lengths)) == {2, 3}
    for layer, old in zip(opened, layers, strict=True):
        np.testing.assert_array_equal(layer.data, old.data)
        assert layer.features.to_csv() == old.features.to_csv()
        np.testing.assert_allclose(layer.scale, old.scale)
        np.testing.assert_allclose(layer.translate, old.translate)


@pytest.mark.parametrize("name", ["a.ome.tif", "a.tif"])
@pytest.mark.parametrize("lengths", [(4, 20, 30), (1, 4, 20, 30)])
def test_files_tell_the_axes_of_stacks(viewer_model, tmp_path, name, lengths):
    scale = np.arange(1, len(lengths) + 1) / 2
    image = Image(np.zeros(lengths), name="stack", scale=scale, units=["um"] * len(lengths))
    layers = stack_layers(image, Frame(lengths, len(lengths) - 2, len(lengths) - 1))
    written = document_of([layer.as_layer_data_tuple() for layer in layers])
    write_labels_file(written, tmp_path / name)
    read = read_labels_file(tmp_path / name)
    assert (read.stack, read.axes, read.shape) == (
        lengths[:-2],
        "TZ"[-len(lengths) + 2 :],
        (20, 30),
    )
    assert (*read.steps, *read.pixel_size) == tuple(scale)
    for level, array in written.levels.items():
        np.testing.assert_array_equal(read.levels[level], array)
        assert repr(read.rows[level]) == repr(list(written.rows[level]))


def stack_layers(image, frame):
    labels = LevelLabels(frame.shape, frame.stack)
    layers = []
    for level in (2, 3):
        pixels = np.random.default_rng(level).integers(0, 4, (*frame.stack, *frame.shape))
        labels.attach(level, pixels.astype(np.int32), [LabelRow(1, level, "cell")])
        layer = level_layer(image, level, frame.in_layer(labels.array(level)), frame)
        layer.features = to_columns(labels.rows(level))
        layers.append(layer)
    return layers


def test_a_stack_goes_into_tiff_only(tmp_path):
    image = Image(np.zeros((4, 20, 30)), name="stack")
    frame = Frame((4, 20, 30), 1, 2)
    layer = level_layer(image, 1, np.ones((4, 20, 30), np.int32), frame)
    for name in ("a.json", "a.geojson"):
        with pytest.raises(UserError, match=r"cannot hold the labels of a stack; save them as"):
            write_labels_file(document_of([layer.as_layer_data_tuple()]), tmp_path / name)


def test_layers_of_two_images_are_not_mixed(kept):
    kept[1].metadata[METADATA_KEY]["image"] = "other"
    with pytest.raises(UserError, match="different images"):
        document_of([each.as_layer_data_tuple() for each in kept])


def outline(path, side):
    ring = [[0, 0], [side, 0], [side, 5], [0, 5], [0, 0]]
    path.write_text(
        f'{{"type": "Feature", "geometry": {{"type": "Polygon", "coordinates": [{ring}]}}}}'
    )
    return str(path)


def test_outlines_from_qupath_belong_to_the_selected_image(viewer, cells, tmp_path):
    ((data, options, _),) = read(outline(tmp_path / "drawn.geojson", 7))
    assert data.shape == SHAPE
    assert options["metadata"][METADATA_KEY]["image_id"] == str(cells.unique_id)
    with pytest.raises(UserError, match="picture is 80 × 60"):
        read(outline(tmp_path / "drawn.geojson", 90))
    viewer.layers.clear()
    ((data, options, _),) = read(outline(tmp_path / "drawn.geojson", 7))
    assert data.shape == (5, 7)
    assert options["metadata"][METADATA_KEY] == {"image": "drawn", "level": 1}


def test_labels_of_an_image_that_is_not_open_are_left_to_themselves(labels, tmp_path):
    path = tmp_path / "a.json"
    write_labels_file(Document(SHAPE, {2: labels.array(2)}, image="other"), path)
    ((_, options, _),) = read(str(path))
    assert options["metadata"][METADATA_KEY] == {"image": "other", "level": 2}
    assert options["name"] == "other · level 2"


def test_what_was_unusual_is_told(labels, tmp_path):
    path = tmp_path / "a.tif"
    write_labels_file(Document(SHAPE, {2: labels.array(2)}), path)
    (tmp_path / "a.labels.csv").write_text("index,level\n3,2\n")
    read(str(path))
    assert "1 row (level 2, number 3) without a label was left out." in messages()[-1]
