"""The model pack: small models in the formats of real libraries, trained on drawn people that no demo ever shows."""
