"""Runs of studies: started, watched, resumed after a loss, ended in a stated way."""
