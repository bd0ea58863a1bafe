"""The 3D head: model file, camera, rasteriser and condition maps, landmark tables."""
