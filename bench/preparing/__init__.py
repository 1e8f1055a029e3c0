"""What container arms need on this host before the first launch: images, weights, profiles, places."""

from bench.preparing.flow import prepare
from bench.preparing.processors import on_cpus
from bench.preparing.renew import renewed_image
from bench.preparing.station import Station, station_of

__all__ = ["Station", "on_cpus", "prepare", "renewed_image", "station_of"]
