"""The manifest, and samples that need no network."""

from __future__ import annotations

import socket

import pytest
from npe2 import PluginManifest

PLUGIN = "napari-semantic-sam"


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_distribution(PLUGIN)


def test_the_manifest_is_valid_and_everything_in_it_can_be_imported(manifest):
    manifest.validate_imports()
    (widget,) = manifest.contributions.widgets
    assert widget.display_name == "Semantic-SAM"


def test_commands_and_contributions_belong_together(manifest):
    contributions = manifest.contributions
    commands = {command.id for command in contributions.commands}
    kinds = ("widgets", "sample_data", "readers", "writers")
    used = {each.command for kind in kinds for each in getattr(contributions, kind)}
    assert used == commands
    assert {item.command for items in contributions.menus.values() for item in items} <= commands


def test_samples_need_no_network(manifest, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a sample asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for command in manifest.contributions.commands:
        if "sample" in command.id:
            module, _, function = command.python_name.partition(":")
            ((pixels, options, kind),) = getattr(__import__(module, fromlist="x"), function)()
            assert kind == "image"
            assert options["name"]
            assert pixels.shape[0] >= 100


def test_the_synthetic_sample_is_always_the_same():
    from napari_semantic_sam.widgets.samples import synthetic

    ((first, *_),), ((second, *_),) = synthetic(), synthetic()
    assert (first == second).all()
    assert first.std() > 10
