"""Attacks on what a site sends: can its updates, or the released model, tell something about its subjects?"""
