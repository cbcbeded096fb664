"""One module for each raw data set: its function `prepare` is `cmir prepare NAME`."""
