"""One file a version of the tables; each is written out and stays as it is when the models go on."""
