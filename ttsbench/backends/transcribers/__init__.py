"""Speech recognisers: samples to words."""
